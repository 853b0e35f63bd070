/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation failing in turn, for every kind of credential: an error, nothing lost. */
#include "support/gce_auth.h"

static reply give(const http_server_request *r, int n)
{
    static const char flavor[] = "Metadata-Flavor: Google\r\n";

    if (strcmp(r->target, "/subject") == 0)
        return (reply){200, "{\"id\": \"subject\"}", NULL};
    if (strstr(r->target, ":generateAccessToken"))
        return (reply){200, "{\"accessToken\":\"ya29.r\",\"expireTime\":\"2999-01-01T00:00:00Z\"}",
                       NULL};
    if (strstr(r->target, "project-id"))
        return (reply){200, "vm-project", flavor};
    if (strcmp(r->target, "/refused") == 0)
        return (reply){400, "{\"error\":\"invalid_grant\",\"error_description\":\"x\"}", NULL};
    return (reply){200, "{\"access_token\":\"ya29.t\",\"expires_in\":3599}", flavor};
}

static void user(void)
{
    put_user();
}

static void external(void)
{
    char *text = NULL;

    assert_true(
        asprintf(&text,
                 "{\"type\": \"external_account\", \"audience\": \"a\", \"token_url\": \"%s/sts\","
                 "\"subject_token_type\": \"t\", \"client_id\": \"i\", \"client_secret\": \"ssss\","
                 "\"service_account_impersonation_url\": \"%s/r:generateAccessToken\","
                 "\"credential_source\": {\"url\": \"%s/subject\", \"headers\": {\"A\": \"b\"},"
                 "\"format\": {\"type\": \"json\", \"subject_token_field_name\": \"id\"}}}",
                 server.url, server.url, server.url) > 0);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", put("external.json", text), 1);
    free(text);
}

static void instance(void)
{
    unsetenv("NO_GCE_CHECK");
    setenv("GCE_METADATA_HOST", server.url + strlen("http://"), 1);
}

static void file(void)
{
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", put("token", "ya29.f"), 1);
    setenv("CLOUDSDK_CONFIG", folder, 1);
    assert_int_equal(mkdir(path_of("configurations"), 0700), 0);
    put("configurations/config_default", "[core]\nproject = p\n");
}

static int on_ask(gpuc_context *c, void *userdata)
{
    return gpuc_context_set_google_token(c, "ya29.p", 3600, NULL);
}

static void program(void)
{
    gpuc_context_set_google_token_callback(context, on_ask, NULL, NULL);
}

static void refusal(void)
{
    char url[128];

    put_user();
    snprintf(url, sizeof(url), "%s/refused", server.url);
    setenv("CLOUDSDK_AUTH_TOKEN_HOST", url, 1);
}

/* With n allocations allowed: whether all went as it should. */
static bool try_with(void (*prepare)(void), int n, int want)
{
    gpuc__gce_auth *auth = NULL;
    gpuc_error *err = NULL;
    bool ok = false;
    wait w = {0};

    begin(give);
    gpuc_context_set_log(context, NULL, 0, NULL, NULL);
    prepare();
    allow_allocations(n);
    if (gpuc__gce_auth_new(&auth, context, &err) == GPUC_OK) {
        hurry(auth);
        gpuc__gce_auth_token(auth, on_token, &w);
        until(&w, 1);
        ok = w.code == want && allocations_left > 0;
    }
    allow_allocations(-1);
    if (!auth)
        assert_int_equal(gpuc_error_code(err), GPUC_ENOMEM);
    gpuc_error_unref(err);
    gpuc__gce_auth_unref(auth);
    finish();
    return ok;
}

static void test_gce_auth_oom__every_kind(void **state)
{
    static const struct {
        void (*prepare)(void);
        int want;
    } kinds[] = {{user, GPUC_OK}, {external, GPUC_OK}, {instance, GPUC_OK},
                 {file, GPUC_OK}, {program, GPUC_OK},  {refusal, GPUC_EAUTH}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int n = 0;

        while (n < 1000 && !try_with(kinds[i].prepare, n, kinds[i].want))
            n++;
        assert_in_range(n, 5, 999);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_auth_oom__every_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens by way of somebody else: workload identities, impersonation, the metadata server. */
#include "support/gce_auth.h"

#define FLAVOR "Metadata-Flavor: Google\r\n"

static reply give(const http_server_request *r, int n)
{
    if (strcmp(r->target, "/subject?x=1") == 0)
        return (reply){200, "{\"id\": \"subject-of-url\"}\n", NULL};
    if (strstr(r->target, ":generateAccessToken"))
        return (reply){200,
                       "{\"accessToken\":\"ya29.robot\",\"expireTime\":\"2999-01-01T00:00:00Z\"}",
                       NULL};
    if (strcmp(r->target, "/sts") == 0 || strcmp(r->target, "/token") == 0)
        return (reply){200, "{\"access_token\":\"ya29.sts\",\"expires_in\":3000}", NULL};
    return (reply){404, "", NULL};
}

/* An external_account file with that source and those further fields. */
static void put_external(const char *source, const char *more)
{
    char *text = NULL;

    assert_true(asprintf(&text,
                         "{\"type\": \"external_account\", \"audience\": \"//iam/pools/P/X\","
                         "\"subject_token_type\": \"urn:ietf:params:oauth:token-type:jwt\","
                         "\"token_url\": \"%s/sts\", \"credential_source\": %s%s}",
                         server.url, source, more) > 0);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", put("external.json", text), 1);
    free(text);
}

static void test_gce_auth_external__a_token_from_a_file(void **state)
{
    static const char want[] =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
        "&audience=%2F%2Fiam%2Fpools%2FP%2FX"
        "&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
        "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
        "&subject_token=subject-1"
        "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";
    char *source = NULL;
    gpuc__gce_auth *auth;
    wait w;

    begin(give);
    assert_true(asprintf(&source, "{\"file\": \"%s\"}", put("subject", "subject-1\n")) > 0);
    put_external(source, "");
    auth = open_auth();
    assert_non_null(strstr(gpuc__gce_auth_describe(auth), "workload identity of "));
    w = ask(auth);
    assert_string_equal(w.token, "ya29.sts");
    assert_string_equal(seen[0].body, want);
    put("subject", "subject-2"); /* its provider wrote the next */
    gpuc__gce_auth_reject(auth, "ya29.sts");
    ask(auth);
    assert_non_null(strstr(seen[1].body, "&subject_token=subject-2&"));
    gpuc__gce_auth_unref(auth);
    put_external(source, ", \"client_id\": \"i\", \"client_secret\": \"s\"");
    auth = open_auth();
    ask(auth);
    assert_non_null(strstr(seen[2].head, "Authorization: Basic aTpz\r\n"));
    gpuc__gce_auth_unref(auth);
    put_external(source, ", \"workforce_pool_user_project\": \"77\"");
    auth = open_auth();
    ask(auth);
    assert_non_null(strstr(seen[3].body, "&options=%7B%22userProject%22%3A%2277%22%7D"));
    gpuc__gce_auth_unref(auth);
    free(source);
    finish();
}

static void test_gce_auth_external__a_token_from_an_address_for_an_account(void **state)
{
    char *source = NULL, *more = NULL;
    gpuc__gce_auth *auth;
    json_t *body;
    wait w;

    begin(give);
    assert_true(asprintf(&source,
                         "{\"url\": \"%s/subject?x=1\", \"headers\": {\"X-Key\": \"k\"}, \"format\""
                         ": {\"type\": \"json\", \"subject_token_field_name\": \"id\"}}",
                         server.url) > 0);
    assert_true(asprintf(&more,
                         ", \"service_account_impersonation_url\": "
                         "\"%s/v1/projects/-/serviceAccounts/r@p.iam:generateAccessToken\"",
                         server.url) > 0);
    put_external(source, more);
    auth = open_auth();
    assert_non_null(strstr(gpuc__gce_auth_describe(auth),
                           "service account r@p.iam, acted for by the workload identity of "));
    w = ask(auth);
    assert_string_equal(w.token, "ya29.robot");
    assert_int_equal(seen_count, 3);
    assert_string_equal(seen[0].method, "GET");
    assert_non_null(strstr(seen[0].head, "X-Key: k\r\n"));
    assert_non_null(strstr(seen[1].body, "&subject_token=subject-of-url&"));
    assert_non_null(strstr(seen[1].body, "%2Fauth%2Fiam&")); /* needs no more to act for it */
    assert_string_equal(seen[2].target,
                        "/v1/projects/-/serviceAccounts/r@p.iam:generateAccessToken");
    assert_non_null(strstr(seen[2].head, "Authorization: Bearer ya29.sts\r\n"));
    body = json_loads(seen[2].body, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(body, "lifetime")), "3600s");
    assert_string_equal(json_string_value(json_array_get(json_object_get(body, "scope"), 0)),
                        "https://www.googleapis.com/auth/cloud-platform");
    json_decref(body);
    assert_in_range(auth->until - gpuc__clock_ms(), 3500000, 3600000); /* no more than asked for */
    gpuc__gce_auth_unref(auth);
    free(source);
    free(more);
    finish();
}

static void test_gce_auth_external__a_user_acts_for_an_account(void **state)
{
    char *text = NULL;
    gpuc__gce_auth *auth;
    wait w;

    begin(give);
    assert_true(asprintf(&text,
                         "{\"type\": \"impersonated_service_account\", \"delegates\": [\"d@p\"],"
                         "\"service_account_impersonation_url\": \"%s/r@p:generateAccessToken\","
                         "\"source_credentials\": {\"type\": \"authorized_user\", \"client_id\":"
                         "\"i\", \"client_secret\": \"ssss\", \"refresh_token\": \"1//refresh\","
                         "\"token_uri\": \"%s/token\"}}",
                         server.url, server.url) > 0);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", put("i.json", text), 1);
    auth = open_auth();
    assert_non_null(strstr(gpuc__gce_auth_describe(auth),
                           "service account r@p, acted for by the user of "));
    w = ask(auth);
    assert_string_equal(w.token, "ya29.robot");
    assert_non_null(strstr(seen[0].body, "refresh_token=1%2F%2Frefresh"));
    assert_non_null(strstr(seen[1].body, "\"delegates\":[\"d@p\"]"));
    gpuc__gce_auth_unref(auth);
    free(text);
    finish();
}

static void test_gce_auth_external__sources_that_give_nothing(void **state)
{
    static const struct {
        const char *content, *format; /* content NULL: no file */
        int code;
        const char *says;
    } cases[] = {
        {NULL, "", GPUC_ENOTFOUND, "names a token file that cannot be used"},
        {"", "", GPUC_EAUTH, "is no token"},
        {"two words", "", GPUC_EAUTH, "is no token"},
        {"{\"id\": 7}", ", \"format\": {\"type\": \"json\", \"subject_token_field_name\": \"id\"}",
         GPUC_EAUTH, "with a token as \"id\""},
        {"no json", ", \"format\": {\"type\": \"json\", \"subject_token_field_name\": \"id\"}",
         GPUC_EAUTH, "is no JSON object"},
    };

    begin(give);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = path_of("subject"), *source = NULL;
        gpuc__gce_auth *auth;
        wait w;

        unlink(path);
        if (cases[i].content)
            put("subject", cases[i].content);
        assert_true(asprintf(&source, "{\"file\": \"%s\"%s}", path, cases[i].format) > 0);
        put_external(source, "");
        auth = open_auth();
        w = ask(auth);
        assert_int_equal(w.code, cases[i].code);
        assert_non_null(strstr(w.text, cases[i].says));
        assert_non_null(strstr(w.text, path_of("external.json")));
        gpuc__gce_auth_unref(auth);
        free(source);
    }
    assert_int_equal(seen_count, 0);
    finish();
}

/* ---- metadata server ---- */

static reply metadata(const http_server_request *r, int n)
{
    if (!strcasestr(r->head, "\r\nMetadata-Flavor: Google\r\n"))
        return (reply){403, "", FLAVOR};
    if (strcmp(r->target, "/computeMetadata/v1/instance/service-accounts/default/token") == 0)
        return (reply){200, "{\"access_token\":\"ya29.vm\",\"expires_in\":1800}", FLAVOR};
    if (strcmp(r->target, "/computeMetadata/v1/project/project-id") == 0)
        return (reply){200, "vm-project", FLAVOR};
    return (reply){404, "", FLAVOR};
}

static void begin_metadata(reply (*with)(const http_server_request *r, int n))
{
    begin(with);
    unsetenv("NO_GCE_CHECK");
    setenv("GCE_METADATA_HOST", server.url + strlen("http://"), 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* not asked */
}

static void test_gce_auth_external__an_instance_asks_its_metadata_server(void **state)
{
    gpuc__gce_auth *auth;
    wait w;

    begin_metadata(metadata);
    auth = open_auth();
    assert_non_null(strstr(gpuc__gce_auth_describe(auth), "metadata server at 127.0.0.1:"));
    assert_null(gpuc__gce_auth_project(auth));
    w = ask(auth);
    assert_string_equal(w.token, "ya29.vm");
    assert_string_equal(gpuc__gce_auth_project(auth), "vm-project");
    assert_int_equal(seen_count, 2);
    gpuc__gce_auth_unref(auth);
    setenv("GCE_METADATA_IP", server.url + strlen("http://"), 1);
    unsetenv("GCE_METADATA_HOST");
    setenv("GOOGLE_CLOUD_PROJECT", "mine", 1);
    auth = open_auth();
    w = ask(auth);
    assert_string_equal(gpuc__gce_auth_project(auth), "mine");
    assert_int_equal(seen_count, 3);
    gpuc__gce_auth_unref(auth);
    finish();
}

static reply no_account(const http_server_request *r, int n)
{
    return (reply){404, "", FLAVOR};
}

static reply no_flavor(const http_server_request *r, int n)
{
    return (reply){200, "{\"access_token\":\"ya29.fake\",\"expires_in\":1800}", NULL};
}

static reply no_project(const http_server_request *r, int n)
{
    return strstr(r->target, "project-id") ? (reply){500, "", FLAVOR} : metadata(r, n);
}

static void test_gce_auth_external__what_else_may_answer_there(void **state)
{
    gpuc__gce_auth *auth;
    wait w;

    begin_metadata(no_account);
    auth = open_auth();
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EAUTH);
    assert_non_null(strstr(w.text, "this instance has no service account"));
    gpuc__gce_auth_unref(auth);
    respond = no_flavor;
    auth = open_auth();
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EPROTO);
    assert_non_null(strstr(w.text, "is not Google's metadata server"));
    gpuc__gce_auth_unref(auth);
    respond = no_project;
    auth = open_auth();
    w = ask(auth);
    assert_string_equal(w.token, "ya29.vm");
    assert_null(gpuc__gce_auth_project(auth));
    assert_non_null(strstr(lines, "the project is not known"));
    gpuc__gce_auth_unref(auth);
    setenv("GCE_METADATA_HOST", "127.0.0.1:1", 1); /* it is named: the network is at fault */
    auth = open_auth();
    w = ask(auth);
    assert_int_equal(w.code, GPUC_ENETWORK);
    assert_true(w.retryable);
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth_external__no_metadata_server_means_no_credentials(void **state)
{
    gpuc__gce_auth *auth;
    wait w;

    begin(metadata);
    unsetenv("NO_GCE_CHECK");
    auth = open_auth();
    assert_string_equal(gpuc__gce_auth_describe(auth), "metadata server at 169.254.169.254");
    gpuc__free(auth->credential.host);
    auth->credential.host = gpuc__strdup("127.0.0.1:1"); /* nothing is there */
    json_object_set_new(json_object_get(auth->table, "metadata"), "product_file",
                        json_string("/nonexistent")); /* this is no machine of Google's */
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EAUTH);
    assert_false(w.retryable);
    assert_non_null(strstr(w.text, "no credentials for Google: no variable names any"));
    assert_non_null(strstr(w.text, "-> run gcloud auth application-default login"));
    assert_null(strstr(lines, "attempt 1 of")); /* once is enough */
    json_object_set_new(json_object_get(auth->table, "metadata"), "product_file",
                        json_string(put("product", "Google Compute Engine\n")));
    w = ask(auth);
    assert_int_equal(w.code, GPUC_ENETWORK);
    assert_true(w.retryable);
    assert_non_null(strstr(lines, "attempt 2 of 3"));
    gpuc__gce_auth_unref(auth);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_auth_external__a_token_from_a_file),
        cmocka_unit_test(test_gce_auth_external__a_token_from_an_address_for_an_account),
        cmocka_unit_test(test_gce_auth_external__a_user_acts_for_an_account),
        cmocka_unit_test(test_gce_auth_external__sources_that_give_nothing),
        cmocka_unit_test(test_gce_auth_external__an_instance_asks_its_metadata_server),
        cmocka_unit_test(test_gce_auth_external__what_else_may_answer_there),
        cmocka_unit_test(test_gce_auth_external__no_metadata_server_means_no_credentials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

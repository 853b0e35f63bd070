/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and tokens are overwritten before their memory is given back: every block that is freed is
 * searched for them. What libcurl, jansson and OpenSSL allocate for themselves is not seen. */
#include "support/gce_auth.h"

static const char *secrets[4];
static char found[256];

/* A block begins with its size. */
static void *watch_malloc(size_t size)
{
    size_t *block = malloc(size + sizeof(*block));

    if (!block)
        return NULL;
    *block = size;
    return block + 1;
}

static void watch_free(void *memory)
{
    size_t *block = memory ? (size_t *)memory - 1 : NULL;

    if (!block)
        return;
    for (size_t i = 0; i < 4 && secrets[i]; i++) {
        const char *at = memmem(memory, *block, secrets[i], strlen(secrets[i]));

        if (at && !found[0])
            snprintf(found, sizeof(found), "%.20s in a block of %zu: %.100s", secrets[i], *block,
                     (char *)memory);
    }
    free(block);
}

static void *watch_realloc(void *memory, size_t size)
{
    size_t *block = memory ? (size_t *)memory - 1 : NULL;
    void *grown = watch_malloc(size);

    if (grown && block)
        memcpy(grown, memory, *block < size ? *block : size);
    if (grown)
        watch_free(memory);
    return grown;
}

static reply give(const http_server_request *r, int n)
{
    static const char *const bodies[] = {"{\"access_token\":\"ya29.first\",\"expires_in\":3599}",
                                         "{\"access_token\":\"ya29.second\",\"expires_in\":3599}"};

    if (strstr(r->target, ":generateAccessToken"))
        return (reply){200, "{\"accessToken\":\"ya29.second\",\"expireTime\":"
                            "\"2999-01-01T00:00:00Z\"}",
                       NULL};
    return (reply){200, bodies[n > 0], NULL};
}

static void run(void (*prepare)(void), int tokens)
{
    static const gpuc_allocator watching = {watch_malloc, watch_realloc, watch_free};
    gpuc__gce_auth *auth;
    wait w;

    gpuc_set_allocator(&watching);
    begin(give);
    prepare();
    auth = open_auth();
    for (int i = 0; i < tokens; i++) {
        w = ask(auth);
        assert_int_equal(w.code, GPUC_OK);
        gpuc__gce_auth_reject(auth, w.token);
    }
    gpuc__gce_auth_unref(auth);
    finish();
    gpuc_set_allocator(NULL);
    if (found[0])
        fail_msg("%s", found);
}

static void account(void)
{
    put_account("");
}

static void test_gce_auth_wipe__a_key_and_its_tokens(void **state)
{
    char *pem = key_text(), *line = strstr(pem, "\\n") + 2;

    line[40] = '\0';
    secrets[0] = "ya29.first";
    secrets[1] = "ya29.second";
    secrets[2] = line;
    secrets[3] = "&assertion=eyJ";
    run(account, 2);
    free(pem);
}

static void user(void)
{
    put_user();
}

static void test_gce_auth_wipe__a_login(void **state)
{
    secrets[2] = "1//refresh";
    secrets[3] = "d-secret&=";
    run(user, 2);
}

static void acted_for(void)
{
    char *text = NULL, subject[2048];

    memset(subject, 'x', sizeof(subject)); /* long: buffers grow */
    memcpy(subject, secrets[2], strlen(secrets[2]));
    subject[sizeof(subject) - 1] = '\0';
    assert_true(asprintf(&text,
                         "{\"type\": \"external_account\", \"audience\": \"a\","
                         "\"token_url\": \"%s/sts\", \"subject_token_type\": \"t\","
                         "\"service_account_impersonation_url\": \"%s/r:generateAccessToken\","
                         "\"credential_source\": {\"file\": \"%s\"}}",
                         server.url, server.url, put("subject", subject)) > 0);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", put("external.json", text), 1);
    free(text);
}

static void test_gce_auth_wipe__another_providers_token(void **state)
{
    secrets[2] = "the-subject-token";
    secrets[3] = "Authorization: Bearer ya29";
    run(acted_for, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_auth_wipe__a_key_and_its_tokens),
        cmocka_unit_test(test_gce_auth_wipe__a_login),
        cmocka_unit_test(test_gce_auth_wipe__another_providers_token),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    EVP_PKEY_free(key);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a token endpoint can answer: what is repeated, what is final, what is said. */
#include "support/gce_auth.h"

#define TOKEN "{\"access_token\":\"ya29.t\",\"expires_in\":3599}"

static const reply *replies; /* by number; the last one for all that follow */
static int reply_count;

static reply give(const http_server_request *r, int n)
{
    return replies[n < reply_count ? n : reply_count - 1];
}

static gpuc__gce_auth *auth;

/* Asks a server that answers so; the outcome. */
static wait outcome_of(const reply *list, int count)
{
    wait w;

    forget();
    replies = list;
    reply_count = count;
    auth = open_auth();
    w = ask(auth);
    gpuc__gce_auth_unref(auth);
    return w;
}

static void test_gce_auth_endpoint__what_passes_is_repeated(void **state)
{
    static const reply good = {200, TOKEN, NULL};
    static const struct {
        int status;
        const char *body;
    } cases[] = {
        {500, "{}"},      {503, "<html>busy"}, {408, ""},
        {429, "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\"}}"},
        {400, "{\"error\":\"server_error\"}"},
        {400, "{\"error\":\"temporarily_unavailable\",\"error_description\":\"later\"}"},
        {0, NULL}, /* hangs up */
    };

    begin(give);
    put_user();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reply bad = {cases[i].status, cases[i].body, NULL};
        wait w = outcome_of((reply[]){bad, bad, good}, 3);

        assert_string_equal(w.token, "ya29.t");
        assert_int_equal(seen_count, 3);
        w = outcome_of((reply[]){bad, bad, bad, good}, 4);
        assert_int_not_equal(w.code, GPUC_OK);
        assert_true(w.retryable);
        assert_int_equal(seen_count, 3);
    }
    finish();
}

static void test_gce_auth_endpoint__a_refusal_is_final(void **state)
{
    static const struct {
        int status;
        const char *body;
        const char *says[3];
    } cases[] = {
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been expired or "
              "revoked.\"}",
         {"invalid_grant: Token has been expired", "clock", "application-default login"}},
        {401, "{\"error\":\"invalid_client\"}", {"401: invalid_client", "make the file", NULL}},
        {400, "{\"error\":\"invalid_scope\"}", {"invalid_scope", "that scope", NULL}},
        {403, "{\"error\":{\"code\":403,\"status\":\"PERMISSION_DENIED\",\"message\":\"no\"}}",
         {"PERMISSION_DENIED: no", "serviceAccountTokenCreator", NULL}},
        {404, "not here", {"answered 404", "check the credentials", NULL}},
        {302, "", {"answered 302", NULL, NULL}},
        {418, "{\"error\":7,\"error_description\":[]}", {"answered 418", NULL, NULL}},
    };

    begin(give);
    put_user();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wait w = outcome_of((reply[]){{cases[i].status, cases[i].body, NULL}}, 1);

        assert_int_equal(w.code, GPUC_EAUTH);
        assert_false(w.retryable);
        assert_int_equal(seen_count, 1);
        assert_non_null(strstr(w.text, "/token"));
        assert_non_null(strstr(w.text, path_of("user.json")));
        for (int k = 0; k < 3 && cases[i].says[k]; k++) {
            if (!strstr(w.text, cases[i].says[k]))
                fail_msg("%s lacks %s", w.text, cases[i].says[k]);
        }
    }
    finish();
}

static void test_gce_auth_endpoint__a_wrong_clock_is_named(void **state)
{
    char date[96];
    time_t ago = time(NULL) - 7200;
    const char *said;
    struct tm t;
    wait w;

    gmtime_r(&ago, &t);
    strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &t);
    begin(give);
    put_account("");
    w = outcome_of((reply[]){{400, "{\"error\":\"invalid_grant\"}", date}}, 1);
    assert_int_equal(w.code, GPUC_EAUTH);
    said = strstr(w.text, "this machine's clock is ");
    assert_non_null(said);
    assert_in_range(strtol(said + 24, NULL, 10), 7200, 7200 + (time(NULL) - ago - 7200));
    assert_non_null(strstr(w.text, "s ahead of the server's"));
    assert_non_null(strstr(w.text, "set this machine's clock"));
    w = outcome_of((reply[]){{400, "{\"error\":\"invalid_grant\"}", NULL}}, 1);
    assert_non_null(strstr(w.text, "gcloud iam service-accounts keys list"));
    finish();
}

static void test_gce_auth_endpoint__answers_that_make_no_sense(void **state)
{
    static const char *const bodies[] = {
        "", "ok", "[]", "{}", "{\"access_token\":7}", "{\"access_token\":\"\"}",
        "{\"access_token\":\"two words\",\"expires_in\":3599}",
        "{\"access_token\":\"line\\nX: y\",\"expires_in\":3599}",
        "{\"access_token\":\"ya29.t\",\"expires_in\":0}",
        "{\"access_token\":\"ya29.t\",\"expires_in\":-5}",
        "{\"access_token\":\"ya29.t\",\"expires_in\":99999999999}"};
    static char huge[400001]; /* the server may still be sending it when it has been refused */
    wait w;

    begin(give);
    put_user();
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        w = outcome_of((reply[]){{200, bodies[i], NULL}}, 1);
        assert_int_equal(w.code, GPUC_EPROTO);
        assert_int_equal(seen_count, 1);
    }
    memset(huge, ' ', sizeof(huge) - 1);
    w = outcome_of((reply[]){{200, huge, NULL}}, 1);
    assert_int_equal(w.code, GPUC_ELIMIT);
    w = outcome_of((reply[]){{200, "{\"access_token\":\"ya29.t\"}", NULL}}, 1);
    assert_string_equal(w.token, "ya29.t"); /* a lifetime is not required */
    finish();
}

static reply hang(const http_server_request *r, int n)
{
    usleep(900000);
    return (reply){0, NULL, NULL};
}

static void test_gce_auth_endpoint__a_server_that_hangs(void **state)
{
    wait w;

    begin(hang);
    put_user();
    auth = open_auth();
    hurry(auth);
    w = ask(auth);
    assert_int_equal(w.code, GPUC_ETIMEDOUT);
    assert_true(w.retryable);
    gpuc__gce_auth_unref(auth);
    finish();
}

static reply echo(const http_server_request *r, int n)
{
    static char body[8192];

    snprintf(body, sizeof(body), "{\"error\":\"invalid_grant\",\"error_description\":\"bad: "
             "d-secret&= 1//refresh %.2000s\"}", strstr(r->body, "assertion=")
                                                     ? strstr(r->body, "assertion=") + 10
                                                     : "");
    return (reply){400, body, NULL};
}

static void test_gce_auth_endpoint__secrets_that_come_back_are_hidden(void **state)
{
    wait w;

    begin(echo);
    put_user();
    auth = open_auth();
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EAUTH);
    assert_non_null(strstr(w.text, "bad: [redacted] [redacted]"));
    assert_null(strstr(w.text, "1//refresh"));
    gpuc__gce_auth_unref(auth);
    put_account("");
    auth = open_auth();
    w = ask(auth);
    assert_non_null(strstr(w.text, "[redacted]"));
    assert_null(strstr(w.text, "eyJ")); /* how a JWT begins */
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth_endpoint__the_old_token_serves_for_a_while(void **state)
{
    static const reply list[] = {{200, TOKEN, NULL}, {503, "{}", NULL}};
    wait w;

    begin(give);
    put_user();
    replies = list;
    reply_count = 2;
    auth = open_auth();
    ask(auth);
    auth->renew = gpuc__clock_ms(); /* 225 s are left */
    w = ask(auth);
    assert_string_equal(w.token, "ya29.t");
    assert_int_equal(seen_count, 4);
    w = ask(auth);
    assert_string_equal(w.token, "ya29.t");
    assert_int_equal(seen_count, 4); /* not asked for each time */
    auth->renew = gpuc__clock_ms();
    auth->until = gpuc__clock_ms() + 5000; /* too short to hand out */
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EHTTP);
    assert_true(w.retryable);
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth_endpoint__what_a_user_sends(void **state)
{
    static const reply list[] = {{200, TOKEN, NULL}};
    wait w;

    begin(give);
    put_user();
    setenv("CLOUDSDK_CONFIG", folder, 1);
    rename(path_of("user.json"), path_of("application_default_credentials.json"));
    unsetenv("GOOGLE_APPLICATION_CREDENTIALS"); /* found where gcloud writes it */
    replies = list;
    reply_count = 1;
    auth = open_auth();
    assert_non_null(strstr(gpuc__gce_auth_describe(auth), "user of "));
    assert_non_null(strstr(gpuc__gce_auth_describe(auth), "(application default credentials)"));
    assert_string_equal(gpuc__gce_auth_quota_project(auth), "payer");
    assert_null(gpuc__gce_auth_project(auth));
    w = ask(auth);
    assert_string_equal(w.token, "ya29.t");
    assert_string_equal(seen[0].body, "grant_type=refresh_token&client_id=c.apps&"
                                      "client_secret=d-secret%26%3D&refresh_token=1%2F%2Frefresh");
    gpuc__gce_auth_unref(auth);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_auth_endpoint__what_passes_is_repeated),
        cmocka_unit_test(test_gce_auth_endpoint__a_refusal_is_final),
        cmocka_unit_test(test_gce_auth_endpoint__a_wrong_clock_is_named),
        cmocka_unit_test(test_gce_auth_endpoint__answers_that_make_no_sense),
        cmocka_unit_test(test_gce_auth_endpoint__a_server_that_hangs),
        cmocka_unit_test(test_gce_auth_endpoint__secrets_that_come_back_are_hidden),
        cmocka_unit_test(test_gce_auth_endpoint__the_old_token_serves_for_a_while),
        cmocka_unit_test(test_gce_auth_endpoint__what_a_user_sends),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    EVP_PKEY_free(key);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that somebody else has made: the program, a file, a variable. */
#include "support/gce_auth.h"

static reply none(const http_server_request *r, int n)
{
    return (reply){500, "", NULL};
}

typedef struct program {
    int asked, rc, lifetime;
    const char *token; /* given at once; NULL: not at once */
    int destroyed;
} program;

static int on_ask(gpuc_context *c, void *userdata)
{
    program *p = userdata;

    p->asked++;
    assert_int_equal(gpuc_context_run(c, 0, NULL), GPUC_ESTATE);
    if (p->token)
        assert_int_equal(gpuc_context_set_google_token(c, p->token, p->lifetime, NULL), GPUC_OK);
    return p->rc;
}

static void on_destroy(void *userdata)
{
    ((program *)userdata)->destroyed++;
}

static void test_gce_auth_given__the_programs_token(void **state)
{
    gpuc__gce_auth *auth;
    wait w;

    begin(none);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.variable", 1); /* the program's comes first */
    setenv("GOOGLE_CLOUD_PROJECT", "p", 1);
    assert_int_equal(gpuc_context_set_google_token(context, "ya29.one", 0, NULL), GPUC_OK);
    auth = open_auth();
    assert_string_equal(gpuc__gce_auth_describe(auth), "access token of the program");
    assert_string_equal(gpuc__gce_auth_project(auth), "p");
    w = ask(auth);
    assert_string_equal(w.token, "ya29.one");
    assert_int_equal(gpuc_context_set_google_token(context, "ya29.two", 100, NULL), GPUC_OK);
    w = ask(auth);
    assert_string_equal(w.token, "ya29.two"); /* short, but there is nobody to ask */
    gpuc__gce_auth_reject(auth, "ya29.two");
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EAUTH);
    assert_non_null(strstr(w.text, "the same one came again"));
    assert_int_equal(gpuc_context_set_google_token(context, NULL, 0, NULL), GPUC_OK);
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EAUTH);
    assert_non_null(strstr(w.text, "has ended or was taken back"));
    assert_non_null(strstr(w.text, "-> give the next one in time"));
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth_given__the_program_is_asked(void **state)
{
    program p = {.token = "ya29.asked", .lifetime = 3600};
    gpuc__gce_auth *auth;
    wait w, late = {0};

    begin(none);
    gpuc_context_set_google_token_callback(context, on_ask, &p, on_destroy);
    auth = open_auth();
    assert_int_equal(p.asked, 0);
    w = ask(auth);
    assert_string_equal(w.token, "ya29.asked");
    ask(auth);
    assert_int_equal(p.asked, 1);
    p.token = "ya29.next";
    gpuc__gce_auth_reject(auth, "ya29.asked");
    w = ask(auth);
    assert_string_equal(w.token, "ya29.next");
    assert_int_equal(p.asked, 2);
    gpuc_context_set_google_token(context, "ya29.ends", 200, NULL); /* less than 225 s */
    p.token = NULL; /* comes later */
    gpuc__gce_auth_token(auth, on_token, &late);
    for (int i = 0; i < 5; i++)
        gpuc_context_process(context, NULL);
    assert_int_equal(p.asked, 3);
    assert_int_equal(late.done, 0);
    gpuc_context_set_google_token(context, "ya29.late", 3600, NULL);
    until(&late, 1);
    assert_string_equal(late.token, "ya29.late");
    gpuc__gce_auth_unref(auth);
    gpuc_context_set_google_token_callback(context, NULL, NULL, NULL);
    assert_int_equal(p.destroyed, 1);
    finish();
}

static void test_gce_auth_given__the_program_has_none(void **state)
{
    static const struct {
        int rc, code;
    } cases[] = {{GPUC_EPERM, GPUC_EPERM}, {GPUC_ECANCELLED, GPUC_ECANCELLED}, {7, GPUC_EAUTH}};
    program p = {0};
    gpuc__gce_auth *auth;
    wait w = {0};

    begin(none);
    gpuc_context_set_google_token_callback(context, on_ask, &p, on_destroy);
    auth = open_auth();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        p.rc = cases[i].rc;
        w = ask(auth);
        assert_int_equal(w.code, cases[i].code);
        assert_int_equal(p.asked, i + 1);
        assert_non_null(strstr(w.text, "the program's callback has no access token"));
    }
    p.rc = GPUC_OK; /* never gives one: whoever waits can leave */
    w.done = 0;
    gpuc__gce_auth_token(auth, on_token, &w);
    for (int i = 0; i < 5; i++)
        gpuc_context_process(context, NULL);
    gpuc__gce_auth_cancel(auth, &w);
    until(&w, 1);
    assert_int_equal(w.code, GPUC_ECANCELLED);
    w.done = 0;
    gpuc__gce_auth_token(auth, on_token, &w);
    for (int i = 0; i < 5; i++)
        gpuc_context_process(context, NULL);
    assert_non_null(auth->refresh);
    gpuc__gce_refresh_later(auth->refresh, 0, auth->refresh->on_wake); /* the minute is over */
    until(&w, 1);
    assert_int_equal(w.code, GPUC_ETIMEDOUT);
    assert_non_null(strstr(w.text, "gave none within 60 s"));
    gpuc__gce_auth_unref(auth);
    finish();
    assert_int_equal(p.destroyed, 1);
}

static void test_gce_auth_given__what_is_no_token(void **state)
{
    char huge[20000];
    gpuc_error *err = NULL;

    begin(none);
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(gpuc_context_set_google_token(NULL, "a", 0, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_context_set_google_token(context, "", 0, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_context_set_google_token(context, "a", -1, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_context_set_google_token(context, "a\xc3\xa9", 0, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_context_set_google_token(context, huge, 0, NULL), GPUC_ELIMIT);
    assert_int_equal(gpuc_context_set_google_token(context, "a\r\nX: y", 0, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "one word"));
    assert_non_null(strstr(gpuc_error_remedy(err), "print-access-token"));
    gpuc_error_unref(err);
    gpuc_context_set_google_token_callback(NULL, NULL, NULL, NULL);
    finish();
}

static void test_gce_auth_given__a_token_file_is_read_again(void **state)
{
    gpuc__gce_auth *auth;
    wait w;

    begin(none);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.variable", 1);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", put("token", " ya29.file \n"), 1);
    auth = open_auth();
    assert_non_null(strstr(gpuc__gce_auth_describe(auth), path_of("token")));
    w = ask(auth);
    assert_string_equal(w.token, "ya29.file");
    put("token", "ya29.newer");
    w = ask(auth);
    assert_string_equal(w.token, "ya29.file"); /* not for each request */
    auth->renew = gpuc__clock_ms();            /* a minute later */
    w = ask(auth);
    assert_string_equal(w.token, "ya29.newer");
    gpuc__gce_auth_reject(auth, "ya29.newer");
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EAUTH);
    put("token", "ya29.newest");
    w = ask(auth);
    assert_string_equal(w.token, "ya29.newest");
    gpuc__gce_auth_reject(auth, "ya29.newest");
    put("token", "");
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EINVAL);
    assert_non_null(strstr(w.text, "does not hold an access token alone"));
    unlink(path_of("token"));
    w = ask(auth);
    assert_int_equal(w.code, GPUC_ENOTFOUND);
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth_given__the_variables_token(void **state)
{
    gpuc__gce_auth *auth;
    wait w;

    begin(none);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.variable", 1);
    put_user(); /* comes after it */
    auth = open_auth();
    assert_string_equal(gpuc__gce_auth_describe(auth),
                        "access token of CLOUDSDK_AUTH_ACCESS_TOKEN");
    w = ask(auth);
    assert_string_equal(w.token, "ya29.variable");
    gpuc__gce_auth_reject(auth, "ya29.variable");
    w = ask(auth);
    assert_int_equal(w.code, GPUC_EAUTH);
    assert_non_null(strstr(w.text, "CLOUDSDK_AUTH_ACCESS_TOKEN"));
    assert_non_null(strstr(w.text, "-> it has ended or was revoked"));
    gpuc__gce_auth_unref(auth);
    assert_int_equal(seen_count, 0);
    finish();
}

static void project_is(const char *want)
{
    gpuc__gce_auth *auth = open_auth();
    const char *project = gpuc__gce_auth_project(auth);

    if (want)
        assert_string_equal(project, want);
    else
        assert_null(project);
    gpuc__gce_auth_unref(auth);
}

static void test_gce_auth_given__the_project_that_gcloud_is_set_to(void **state)
{
    begin(none);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.variable", 1);
    setenv("CLOUDSDK_CONFIG", folder, 1);
    project_is(NULL);
    assert_int_equal(mkdir(path_of("configurations"), 0700), 0);
    put("configurations/config_default", "[compute]\nproject = not-this\n[core]\naccount = a@b\n"
                                         "project = of-default \n");
    put("configurations/config_work", "[core]\nproject=of-work");
    put("configurations/config_odd", "[core]\nproject\nproject = two words\n");
    project_is("of-default");
    put("active_config", "work\n");
    project_is("of-work");
    put("active_config", "../configurations/config_work");
    project_is(NULL);
    setenv("CLOUDSDK_ACTIVE_CONFIG_NAME", "odd", 1);
    project_is(NULL);
    setenv("CLOUDSDK_ACTIVE_CONFIG_NAME", "default", 1);
    project_is("of-default");
    setenv("CLOUDSDK_CORE_PROJECT", "of-variable", 1);
    project_is("of-variable");
    unsetenv("CLOUDSDK_CORE_PROJECT");
    assert_int_equal(gpuc_context_set_google_token(context, "ya29.one", 0, NULL), GPUC_OK);
    project_is(NULL); /* a program's token says nothing of whoever uses gcloud here */
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_auth_given__the_programs_token),
        cmocka_unit_test(test_gce_auth_given__the_program_is_asked),
        cmocka_unit_test(test_gce_auth_given__the_program_has_none),
        cmocka_unit_test(test_gce_auth_given__what_is_no_token),
        cmocka_unit_test(test_gce_auth_given__a_token_file_is_read_again),
        cmocka_unit_test(test_gce_auth_given__the_variables_token),
        cmocka_unit_test(test_gce_auth_given__the_project_that_gcloud_is_set_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server is told of who we are, and what happens when it refuses that. */
#include "support/kube_auth.h"

/* ---- what stands in the file ---- */

static void test_auth__sends_token_or_name_and_password(void **state)
{
    kube_step bearer[] = {{"GET", "/version", 200, "{}", .head = "Authorization: Bearer abc\r\n"},
                          {NULL}};
    kube_step basic[] = {
        {"GET", "/version", 200, "{}", .head = "Authorization: Basic dTpwOnE=\r\n"}, {NULL}};

    open_kube(bearer, &(gpuc__kubeconfig){.token = (char *)"abc"});
    expect_get(GPUC_OK);
    close_kube();
    open_kube(basic, &(gpuc__kubeconfig){.username = (char *)"u", .password = (char *)"p:q"});
    expect_get(GPUC_OK);
    close_kube();
}

static void test_auth__acts_as_another(void **state)
{
    char *groups[] = {(char *)"dev", (char *)"ops", NULL};
    char *extra[] = {(char *)"a/b", (char *)"1", (char *)"a/b", (char *)"2", NULL};
    kube_step steps[] = {{"GET", "/version", 200, "{}",
                          .head = "Impersonate-User: jane\r\nImpersonate-Uid: 42\r\n"
                                  "Impersonate-Group: dev\r\nImpersonate-Group: ops\r\n"
                                  "Impersonate-Extra-a%2Fb: 1\r\nImpersonate-Extra-a%2Fb: 2\r\n"},
                         {NULL}};

    open_kube(steps, &(gpuc__kubeconfig){.token = (char *)"abc",
                                         .as = (char *)"jane",
                                         .as_uid = (char *)"42",
                                         .as_groups = groups,
                                         .as_extra = extra});
    expect_get(GPUC_OK);
    close_kube();
}

static void test_auth__insecure_needs_the_callers_word(void **state)
{
    gpuc__kubeconfig config = {.context = (char *)"c", .server = (char *)"https://127.0.0.1:1",
                               .insecure = true};
    gpuc_error *err = NULL;
    gpuc__kube *out = NULL;

    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    assert_int_equal(gpuc__kube_open(&out, context, &config, NULL, NULL, NULL, &err),
                     GPUC_EUNSUPPORTED);
    assert_non_null(strstr(gpuc_error_message(err), "insecure-skip-tls-verify"));
    gpuc_error_unref(err);
    err = NULL;
    config.allow = GPUC__KUBECONFIG_INSECURE;
    assert_int_equal(gpuc__kube_open(&out, context, &config, NULL, NULL, NULL, &err), GPUC_OK);
    gpuc__kube_unref(out);
    gpuc_context_unref(context);
}

/* ---- the file of a token ---- */

static void test_auth__reads_the_tokens_file_again_when_refused(void **state)
{
    kube_step steps[] = {
        {"GET", "/version", 401, KUBE_STATUS(401, "Unauthorized", "expired"),
         .head = "Bearer one\r\n"},
        {"GET", "/version", 200, "{}", .head = "Bearer two\r\n"},
        {"GET", "/version", 401, KUBE_STATUS(401, "Unauthorized", "no"), .times = -1},
        {NULL}};
    char path[128];

    snprintf(path, sizeof(path), "%s/token", dir);
    put("token", "two\n", 0600);
    open_kube(steps, &(gpuc__kubeconfig){.token = (char *)"one", .token_file = path});
    expect_get(GPUC_OK);
    assert_int_equal(api.count, 2);
    expect_get(GPUC_EAUTH); /* the same token once more is not tried */
    assert_int_equal(api.count, 3);
    unlink(path);
    expect_get(GPUC_EAUTH);
    close_kube();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth__sends_token_or_name_and_password),
        cmocka_unit_test(test_auth__acts_as_another),
        cmocka_unit_test(test_auth__insecure_needs_the_callers_word),
        cmocka_unit_test(test_auth__reads_the_tokens_file_again_when_refused),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

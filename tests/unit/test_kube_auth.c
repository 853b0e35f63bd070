/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server is told of who we are, and what happens when it refuses that. */
#include "support/clock.h"
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

/* ---- the way there ---- */

static void test_auth__goes_through_the_proxy_of_the_file(void **state)
{
    kube_step steps[] = {{"GET", "http://api.invalid/version", 200, "{}"}, {NULL}};
    gpuc__kubeconfig config = {.server = (char *)"http://api.invalid"};
    gpuc_error *err = NULL;

    kube_api_begin(steps);
    config.proxy_url = api.server.url;
    setenv("NO_PROXY", "*", 1); /* is for the environment's proxies only */
    assert_int_equal(gpuc__kube_open(&mine, context, &config, NULL, NULL, NULL, &err), GPUC_OK);
    expect_get(GPUC_OK);
    unsetenv("NO_PROXY");
    close_kube();
}

/* A SOCKS 5 proxy that is asked for api.invalid by its name, and answers in its place. */
static void serve_socks(http_server *s, int fd)
{
    static const unsigned char hello[] = {5, 0}, granted[] = {5, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    unsigned char bytes[300];
    http_server_request r;

    (void)s;
    if (recv(fd, bytes, 2, MSG_WAITALL) != 2 || recv(fd, bytes + 2, bytes[1], MSG_WAITALL) < 1)
        return;
    http_server_write(fd, hello, sizeof(hello));
    if (recv(fd, bytes, 5, MSG_WAITALL) != 5 || bytes[3] != 3 ||
        recv(fd, bytes + 5, bytes[4] + 2u, MSG_WAITALL) != bytes[4] + 2 ||
        memcmp(bytes + 5, "api.invalid", 11) != 0)
        return;
    http_server_write(fd, granted, sizeof(granted));
    if (http_server_read(fd, &r))
        http_server_answer(fd, 200, "{}");
    free(r.body);
}

static void test_auth__a_socks_proxy_looks_the_name_up(void **state)
{
    kube_step steps[] = {{NULL}};
    gpuc__kubeconfig config = {.server = (char *)"http://api.invalid"};
    http_server socks;
    char url[64];

    kube_api_begin(steps);
    http_server_start(&socks, NULL, serve_socks, NULL);
    snprintf(url, sizeof(url), "socks5://127.0.0.1:%d", socks.port);
    config.proxy_url = url;
    assert_int_equal(gpuc__kube_open(&mine, context, &config, NULL, NULL, NULL, NULL), GPUC_OK);
    expect_get(GPUC_OK);
    close_kube();
    http_server_stop(&socks);
}

/* ---- the file of a token ---- */

/* The token is "one", and its file, whose path is returned, has come to say "two". */
static const char *open_with_token_file(kube_step *steps)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/token", dir);
    put("token", "two\n", 0600);
    open_kube(steps, &(gpuc__kubeconfig){.token = (char *)"one", .token_file = path});
    return path;
}

static void test_auth__reads_the_tokens_file_again_when_refused(void **state)
{
    kube_step steps[] = {
        {"GET", "/version", 401, KUBE_STATUS(401, "Unauthorized", "expired"),
         .head = "Bearer one\r\n"},
        {"GET", "/version", 200, "{}", .head = "Bearer two\r\n"},
        {"GET", "/version", 401, KUBE_STATUS(401, "Unauthorized", "no"), .times = -1},
        {NULL}};
    const char *path = open_with_token_file(steps);

    expect_get(GPUC_OK);
    assert_int_equal(api.count, 2);
    expect_get(GPUC_EAUTH); /* the same token once more is not tried */
    assert_int_equal(api.count, 3);
    unlink(path);
    expect_get(GPUC_EAUTH);
    close_kube();
}

static void test_auth__reads_the_tokens_file_again_each_minute(void **state)
{
    kube_step steps[] = {{"GET", "/version", 200, "{}", .head = "Bearer one\r\n", .times = 2},
                         {"GET", "/version", 200, "{}", .head = "Bearer two\r\n", .times = 2},
                         {NULL}};

    open_with_token_file(steps);
    expect_get(GPUC_OK);
    clock_put_forward(50);
    expect_get(GPUC_OK);
    clock_put_forward(11);
    expect_get(GPUC_OK);
    put("token", "\n", 0600); /* being written: the last one stays */
    clock_put_forward(61);
    expect_get(GPUC_OK);
    assert_int_equal(api.unmatched, 0);
    close_kube();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth__sends_token_or_name_and_password),
        cmocka_unit_test(test_auth__acts_as_another),
        cmocka_unit_test(test_auth__insecure_needs_the_callers_word),
        cmocka_unit_test(test_auth__goes_through_the_proxy_of_the_file),
        cmocka_unit_test(test_auth__a_socks_proxy_looks_the_name_up),
        cmocka_unit_test(test_auth__reads_the_tokens_file_again_when_refused),
        cmocka_unit_test(test_auth__reads_the_tokens_file_again_each_minute),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

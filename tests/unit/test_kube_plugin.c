/* SPDX-License-Identifier: Apache-2.0 */
/* Credential plugins: real programs, run for requests to a scripted API server. */
#include "support/kube_auth.h"
#include "support/run_until.h"

#include <signal.h>

#include "kube/call.h"

#define CREDENTIAL(status)                                                                         \
    "{\\\"apiVersion\\\":\\\"client.authentication.k8s.io/v1\\\",\\\"kind\\\":\\\"ExecCredential\\\"," \
    "\\\"status\\\":{" status "}}"

static gpuc__kubeconfig *plugin(const char *script)
{
    static gpuc__kubeconfig config;
    static char path[128];
    static char *args[] = {(char *)"get", (char *)"a b; rm", NULL};
    static char dir_variable[96];
    static char *env[] = {dir_variable, (char *)"HOME=/nowhere", NULL};

    snprintf(dir_variable, sizeof(dir_variable), "TEST_DIR=%s", dir);
    snprintf(path, sizeof(path), "%s/plugin", dir);
    put("plugin", script, 0700);
    config = (gpuc__kubeconfig){.exec = {.api_version = (char *)"client.authentication.k8s.io/v1",
                                         .command = path,
                                         .args = args,
                                         .env = env}};
    return &config;
}

/* Counts its runs and gives the number as the token. */
#define COUNTING(expires)                                                                          \
    "#!/bin/sh\n"                                                                                  \
    "n=$(($(cat $TEST_DIR/n 2>/dev/null || echo 0) + 1)); echo $n > $TEST_DIR/n\n"                 \
    "[ \"$2\" = 'a b; rm' ] && [ $HOME = /nowhere ] || exit 7\n"                                   \
    "case $KUBERNETES_EXEC_INFO in *'\"interactive\":false'*) ;; *) exit 8;; esac\n"               \
    "[ -t 0 ] && exit 9\n"                                                                         \
    "echo \"" CREDENTIAL("\\\"token\\\":\\\"t$n\\\"" expires) "\"\n"

static void test_plugin__runs_once_for_all_and_again_when_refused(void **state)
{
    kube_step steps[] = {
        {"GET", "/version", 200, "{}", .head = "Bearer t1\r\n", .times = 3},
        {"GET", "/version", 401, KUBE_STATUS(401, "Unauthorized", "x"), .head = "Bearer t1\r\n"},
        {"GET", "/version", 200, "{}", .head = "Bearer t2\r\n"},
        {"GET", "/version", 401, KUBE_STATUS(401, "Unauthorized", "x"), .times = -1},
        {NULL}};
    kube_end ends[3] = {0};

    put("n", "0", 0600);
    open_kube(steps, plugin(COUNTING("")));
    for (int i = 0; i < 3; i++)
        get(&ends[i], 20000);
    for (int i = 0; i < 3; i++) {
        kube_wait(&ends[i]);
        if (ends[i].error)
            fail_msg("%s", gpuc_error_message(ends[i].error));
        kube_drop(&ends[i]);
    }
    assert_int_equal(number("n"), 1);
    expect_get(GPUC_OK);
    assert_int_equal(number("n"), 2);
    expect_get(GPUC_EAUTH); /* refused, had anew, refused: no third */
    assert_int_equal(number("n"), 3);
    close_kube();
}

static void test_plugin__runs_again_when_its_credential_ends(void **state)
{
    kube_step steps[] = {{"GET", "/version", 200, "{}", .head = "Bearer t1\r\n"},
                         {"GET", "/version", 200, "{}", .head = "Bearer t2\r\n"},
                         {NULL}};

    put("n", "0", 0600);
    open_kube(steps, plugin(COUNTING(",\\\"expirationTimestamp\\\":\\\"2020-01-01T00:00:00Z\\\"")));
    expect_get(GPUC_OK);
    expect_get(GPUC_OK);
    assert_int_equal(number("n"), 2);
    close_kube();
}

static void test_plugin__a_certificate_has_connections_of_its_own(void **state)
{
    kube_step steps[] = {{"GET", "/version", 200, "{}", .times = -1}, {NULL}};
    gpuc__http *before;

    open_kube(steps, plugin("#!/bin/sh\necho \"" CREDENTIAL(
                         "\\\"clientCertificateData\\\":\\\"C\\\",\\\"clientKeyData\\\":\\\"K\\\"")
                         "\"\n"));
    before = gpuc__http_ref(mine->http);
    expect_get(GPUC_OK);
    assert_ptr_not_equal(mine->http, before);
    gpuc__http_unref(before);
    before = mine->http;
    expect_get(GPUC_OK); /* the certificate still stands */
    assert_ptr_equal(mine->http, before);
    close_kube();
}

static void on_log(gpuc_context *ctx, int level, const char *category, const char *message,
                   void *userdata)
{
    char *all = userdata;

    (void)ctx;
    (void)level;
    (void)category;
    strncat(all, message, 4095 - strlen(all));
}

static void test_plugin__its_token_is_never_shown(void **state)
{
    kube_step steps[] = {{"GET", "/version", 403,
                          KUBE_STATUS(403, "Forbidden", "not with tok3n-of-length"),
                          .headers = "Warning: 299 - \"tok3n-of-length is old\"\r\n"},
                         {NULL}};
    char all[4096] = "";
    kube_end end = {0};

    open_kube(steps, plugin("#!/bin/sh\necho \"" CREDENTIAL(
                         "\\\"token\\\":\\\"tok3n-of-length\\\"") "\"\n"));
    gpuc_context_set_log(context, on_log, GPUC_LOG_DEBUG, all, NULL);
    get(&end, 20000);
    kube_wait(&end);
    assert_int_equal(gpuc_error_code(end.error), GPUC_EPERM);
    assert_non_null(strstr(all, "[redacted] is old"));
    assert_null(strstr(all, "tok3n"));
    gpuc_context_set_log(context, NULL, 0, NULL, NULL);
    kube_drop(&end);
    close_kube();
}

static void expect_failure(gpuc__kubeconfig *config, int code, const char *message,
                           const char *remedy)
{
    kube_step steps[] = {{"GET", "/version", 200, "{}", .times = -1}, {NULL}};
    kube_end end = {0};

    open_kube(steps, config);
    get(&end, 20000);
    kube_wait(&end);
    assert_non_null(end.error);
    if (gpuc_error_code(end.error) != code || !strstr(gpuc_error_message(end.error), message) ||
        !gpuc_error_remedy(end.error) || !strstr(gpuc_error_remedy(end.error), remedy))
        fail_msg("%d: %s (%s)", gpuc_error_code(end.error), gpuc_error_message(end.error),
                 gpuc_error_remedy(end.error));
    assert_int_equal(api.count, 0); /* nothing is asked without credentials */
    kube_drop(&end);
    close_kube();
}

static void test_plugin__failures_are_told_with_what_it_said(void **state)
{
    gpuc__kubeconfig *c;

    expect_failure(plugin("#!/bin/sh\necho 'please log in' >&2; exit 3\n"), GPUC_EAUTH,
                   "ended with status 3: please log in", "log in again");
    expect_failure(plugin("#!/bin/sh\nkill -9 $$\n"), GPUC_EAUTH, "ended by signal 9", "");
    expect_failure(plugin("#!/bin/sh\necho nonsense\n"), GPUC_EPROTO, "not one JSON object", "");
    expect_failure(plugin("#!/bin/sh\nexec yes\n"), GPUC_ELIMIT, "more than 1 MiB", "");
    c = plugin("");
    c->exec.command = (char *)"/no/such/plugin";
    c->exec.install_hint = (char *)"get it from the shop";
    expect_failure(c, GPUC_ENOTFOUND, "/no/such/plugin", "get it from the shop");
    c = plugin("#!/bin/sh\nexit 0\n");
    c->exec.terminal = true;
    expect_failure(c, GPUC_EUNSUPPORTED, "terminal", "interactiveMode");
}

static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 100 && kill(pid, 0) == 0; i++)
        usleep(20000); /* a grandchild is taken by init, in its own time */
    return kill(pid, 0) != 0;
}

static void test_plugin__ends_with_its_call(void **state)
{
    kube_step steps[] = {{"GET", "/version", 200, "{}", .times = -1}, {NULL}};
    kube_end end = {0};
    gpuc__kube_call *call;

    open_kube(steps, plugin("#!/bin/sh\nsleep 300 &\necho $! > $TEST_DIR/pid\nwait\n"));
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        put("pid", "-1", 0600);
        call = get(&end, cancelled ? 300000 : 1500);
        RUN_UNTIL(context, number("pid") > 0);
        assert_true(number("pid") > 0);
        if (cancelled)
            gpuc__kube_cancel(call);
        kube_wait(&end);
        assert_int_equal(gpuc_error_code(end.error), cancelled ? GPUC_ECANCELLED : GPUC_ETIMEDOUT);
        assert_true(is_gone((pid_t)number("pid")));
        kube_drop(&end);
    }
    close_kube();
}

static bool on_event(void *data, const char *type, json_t *object)
{
    (void)data;
    (void)object;
    return strcmp(type, "ADDED") != 0;
}

static void test_plugin__a_watch_outlives_its_credential(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 200, "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}"},
        {"GET", "watch=1", 401, KUBE_STATUS(401, "Unauthorized", "x"), .head = "Bearer t1\r\n"},
        {"GET", "watch=1", 200,
         "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\"}}}\n", KUBE_HANG,
         .head = "Bearer t2\r\n"},
        {NULL}};
    kube_end end = {0};

    put("n", "0", 0600);
    open_kube(steps, plugin(COUNTING("")));
    gpuc__kube_watch(mine, &(gpuc__kube_watch_args){.path = "/pods",
                                                    .deadline_ms = 20000,
                                                    .event = on_event,
                                                    .done = kube_on_end,
                                                    .data = &end});
    kube_wait(&end);
    assert_null(end.error);
    assert_int_equal(number("n"), 2);
    kube_drop(&end);
    close_kube();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugin__runs_once_for_all_and_again_when_refused),
        cmocka_unit_test(test_plugin__runs_again_when_its_credential_ends),
        cmocka_unit_test(test_plugin__a_certificate_has_connections_of_its_own),
        cmocka_unit_test(test_plugin__its_token_is_never_shown),
        cmocka_unit_test(test_plugin__failures_are_told_with_what_it_said),
        cmocka_unit_test(test_plugin__ends_with_its_call),
        cmocka_unit_test(test_plugin__a_watch_outlives_its_credential),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

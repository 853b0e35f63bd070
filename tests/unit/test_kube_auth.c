/* SPDX-License-Identifier: Apache-2.0 */
/* What a scripted API server is told of who we are, and what happens when it refuses that. */
#include "support/kube_api.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static char dir[64];
static gpuc__kube *mine;

static void put(const char *name, const char *text, mode_t mode)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, mode);
}

/* The number a file holds; -1 when there is none. */
static long number(const char *name)
{
    char path[128], text[32] = "-1";
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "r");
    if (f) {
        (void)!fgets(text, sizeof(text), f);
        fclose(f);
    }
    return strtol(text, NULL, 10);
}

static void open_kube(kube_step *steps, gpuc__kubeconfig *config)
{
    gpuc_error *err = NULL;

    kube_api_begin(steps);
    config->context = (char *)"test";
    config->server = api.server.url;
    if (gpuc__kube_open(&mine, context, config, NULL, NULL, NULL, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
}

static void close_kube(void)
{
    gpuc__kube_unref(mine);
    kube_api_end();
}

static gpuc__kube_call *get(kube_end *end, int deadline_ms)
{
    return gpuc__kube_send(mine, &(gpuc__kube_args){.method = "GET",
                                                    .path = "/version",
                                                    .deadline_ms = deadline_ms,
                                                    .done = kube_on_end,
                                                    .data = end});
}

static void expect_get(int code)
{
    kube_end end = {0};

    get(&end, 20000);
    kube_wait(&end);
    if ((end.error ? gpuc_error_code(end.error) : GPUC_OK) != code)
        fail_msg("%s", end.error ? gpuc_error_message(end.error) : "no error");
    kube_drop(&end);
}

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

/* ---- plugins ---- */

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
        call = get(&end, cancelled ? 20000 : 1500);
        for (int i = 0; i < 100 && number("pid") <= 0; i++)
            gpuc_context_run(context, 20, NULL);
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

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/gpuc-kube-auth-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"token", "plugin", "n", "pid"};
    char path[128];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth__sends_token_or_name_and_password),
        cmocka_unit_test(test_auth__acts_as_another),
        cmocka_unit_test(test_auth__insecure_needs_the_callers_word),
        cmocka_unit_test(test_auth__reads_the_tokens_file_again_when_refused),
        cmocka_unit_test(test_plugin__runs_once_for_all_and_again_when_refused),
        cmocka_unit_test(test_plugin__runs_again_when_its_credential_ends),
        cmocka_unit_test(test_plugin__failures_are_told_with_what_it_said),
        cmocka_unit_test(test_plugin__ends_with_its_call),
        cmocka_unit_test(test_plugin__a_watch_outlives_its_credential),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

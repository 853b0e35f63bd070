/* SPDX-License-Identifier: Apache-2.0 */
/* Kubeconfigs, credentials and plugins with each allocation failing in turn: an error, nothing lost. */
#include "support/kube_auth.h"

#include "kube/plugin.h"

static long left = -1; /* allocations that still work; -1: all */

static void *failing_malloc(size_t size)
{
    if (left == 0)
        return NULL;
    left -= left > 0;
    return malloc(size);
}

static void *failing_realloc(void *memory, size_t size)
{
    if (left == 0)
        return NULL;
    left -= left > 0;
    return realloc(memory, size);
}

static const gpuc_allocator allocator = {failing_malloc, failing_realloc, free};

static const char text[] =
    "clusters:\n"
    "- name: c\n"
    "  cluster:\n"
    "    server: https://h\n"
    "    certificate-authority-data: Q0EK\n"
    "    extensions: [{name: client.authentication.k8s.io/exec, extension: {a: [1]}}]\n"
    "users:\n"
    "- name: u\n"
    "  user:\n"
    "    as: jane\n"
    "    as-groups: [dev]\n"
    "    as-user-extra: {k: [v]}\n"
    "    exec:\n"
    "      apiVersion: client.authentication.k8s.io/v1\n"
    "      command: plugin\n"
    "      args: [a]\n"
    "      env: [{name: A, value: b}]\n"
    "      provideClusterInfo: true\n"
    "contexts: [{name: x, context: {cluster: c, user: u}}]\n";

/* Each of these: GPUC_OK when all went well. */
static int read_and_copy(gpuc_error **err)
{
    const gpuc__kubeconfig_text list[] = {{"kind: Config\n", "a", 13}, {text, "b", sizeof(text) - 1}};
    gpuc__kubeconfig c = {0}, copy = {0};
    int rc = gpuc__kubeconfig_parse_list(&c, list, 2, NULL, GPUC__KUBECONFIG_EXEC, err);
    char *info = NULL;

    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_copy(&copy, &c, err);
    if (rc == GPUC_OK && !(info = gpuc__plugin_info(&copy)))
        rc = GPUC_ENOMEM;
    gpuc__free(info);
    gpuc__kubeconfig_clear(&c);
    gpuc__kubeconfig_clear(&copy);
    return rc;
}

static int read_credential(gpuc_error **err)
{
    static const char printed[] =
        "{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\","
        "\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\"}}";
    gpuc__credential c = {0};
    int rc = gpuc__credential_parse(&c, printed, sizeof(printed) - 1, "v", err);

    gpuc__credential_clear(&c);
    return rc;
}

static int write_files(gpuc_error **err)
{
    static const gpuc__kubeconfig ours = {
        .context = (char *)"k8s", .server = (char *)"https://h", .token = (char *)"t"};
    char list[256], lock[128], *written = NULL;
    int rc;

    put("n", "users:\n- {name: mine, user: {token: a}}\n", 0600);
    snprintf(list, sizeof(list), "%s/token:%s/n", dir, dir);
    rc = gpuc__kubeconfig_store(&written, list, &ours, true, err);
    gpuc__free(written);
    snprintf(lock, sizeof(lock), "%s/n.lock", dir);
    assert_int_not_equal(access(lock, F_OK), 0); /* whatever happened */
    return rc;
}

static void each_failing(int (*fn)(gpuc_error **err), long at_least)
{
    long n = 0;

    gpuc_set_allocator(&allocator);
    for (; n < 5000; n++) {
        gpuc_error *err = NULL;
        int rc;

        left = n;
        rc = fn(&err);
        left = -1;
        gpuc_error_unref(err);
        if (rc == GPUC_OK)
            break;
        /* a merge that cannot be read back for want of memory is refused */
        assert_true(rc == GPUC_ENOMEM || (fn == write_files && rc == GPUC_EUNSUPPORTED));
    }
    gpuc_set_allocator(NULL);
    assert_in_range(n, at_least, 4999);
}

static void test_kube_oom__reading(void **state)
{
    each_failing(read_and_copy, 50);
    each_failing(read_credential, 3);
}

static void test_kube_oom__writing(void **state)
{
    each_failing(write_files, 30);
}

/* A request that a plugin runs for first; whether it went well. */
static bool request_with(long n)
{
    static char *groups[] = {(char *)"g", NULL};
    char path[128];
    gpuc__kubeconfig config = {.context = (char *)"c",
                               .as = (char *)"j",
                               .as_groups = groups,
                               .exec = {.api_version = (char *)"v", .command = path}};
    kube_step steps[] = {{"GET", "/version", 200, "{}", .head = "Bearer t\r\n", .times = -1}, {NULL}};
    kube_end ended = {0};
    gpuc_error *err = NULL;
    bool ok = false;

    snprintf(path, sizeof(path), "%s/plugin", dir);
    kube_api_begin(steps);
    config.server = api.server.url;
    left = n;
    if (gpuc__kube_open(&mine, context, &config, NULL, NULL, NULL, &err) == GPUC_OK) {
        if (get(&ended, 20000)) {
            while (!ended.done)
                gpuc_context_run(context, 1000, NULL);
            ok = !ended.error;
        }
        left = -1;
        kube_drop(&ended);
        gpuc__kube_unref(mine);
    }
    left = -1;
    gpuc_error_unref(err);
    kube_api_end();
    return ok;
}

static void test_kube_oom__a_plugin_and_its_request(void **state)
{
    long n = 0;

    put("plugin",
        "#!/bin/sh\necho '{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\","
        "\"status\":{\"token\":\"t\"}}'\n",
        0700);
    gpuc_set_allocator(&allocator);
    while (n < 1000 && !request_with(n))
        n++;
    gpuc_set_allocator(NULL);
    assert_in_range(n, 20, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kube_oom__reading),
        cmocka_unit_test(test_kube_oom__writing),
        cmocka_unit_test(test_kube_oom__a_plugin_and_its_request),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

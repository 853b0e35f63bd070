/* SPDX-License-Identifier: Apache-2.0 */
/* Merging one cluster into files that others wrote, in every style they come in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "kube/kubeconfig.h"
#include "util/alloc.h"

static const gpuc__kubeconfig ours = {.context = (char *)"k8s",
                                      .server = (char *)"https://10.1.2.3:6443",
                                      .ca_pem = (char *)"CA\n",
                                      .cert_pem = (char *)"CERT\n",
                                      .key_pem = (char *)"KEY\n"};

static void expect(const char *before, bool set_current, const char *after)
{
    gpuc_error *err = NULL;
    char *out = NULL, *again = NULL;
    int rc = gpuc__kubeconfig_merge(&out, before, strlen(before), "f", &ours, set_current, &err);

    if (rc != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    assert_string_equal(out, after);
    /* Merging the same once more changes nothing. */
    assert_int_equal(
        gpuc__kubeconfig_merge(&again, out, strlen(out), "f", &ours, set_current, &err), GPUC_OK);
    assert_string_equal(again, out);
    gpuc__free_secret(out);
    gpuc__free_secret(again);
}

static void test_merge__writes_a_new_file(void **state)
{
    char *out = NULL;
    gpuc__kubeconfig back = {0};

    expect("", false,
           "apiVersion: v1\n"
           "kind: Config\n"
           "clusters:\n"
           "- cluster:\n"
           "    certificate-authority-data: Q0EK\n"
           "    server: https://10.1.2.3:6443\n"
           "  name: k8s\n"
           "users:\n"
           "- user:\n"
           "    client-certificate-data: Q0VSVAo=\n"
           "    client-key-data: S0VZCg==\n"
           "  name: k8s\n"
           "contexts:\n"
           "- context:\n"
           "    cluster: k8s\n"
           "    user: k8s\n"
           "  name: k8s\n"
           "current-context: k8s\n"
           "preferences: {}\n");
    assert_int_equal(gpuc__kubeconfig_write(&out, &ours, NULL), GPUC_OK);
    assert_int_equal(gpuc__kubeconfig_parse(&back, out, strlen(out), "f", NULL, NULL), GPUC_OK);
    assert_string_equal(back.key_pem, "KEY\n");
    gpuc__kubeconfig_clear(&back);
    gpuc__free_secret(out);
}

#define CLUSTER(indent)                                                                            \
    indent "- cluster:\n" indent "    certificate-authority-data: Q0EK\n" indent                   \
           "    server: https://10.1.2.3:6443\n" indent "  name: k8s\n"
#define USER(indent)                                                                               \
    indent "- user:\n" indent "    client-certificate-data: Q0VSVAo=\n" indent                     \
           "    client-key-data: S0VZCg==\n" indent "  name: k8s\n"
#define CONTEXT(indent)                                                                            \
    indent "- context:\n" indent "    cluster: k8s\n" indent "    user: k8s\n" indent "  name: k8s\n"

static void test_merge__appends_and_keeps_comments(void **state)
{
    expect("# mine\n"
           "clusters:\n"
           "  - name: other # keep\n"
           "    cluster: {server: 'https://o'} # why\n"
           "    extra: 1\n"
           "# before users\n"
           "users:\n"
           "- name: other\n"
           "  user:\n"
           "    exec: {command: x}\n"
           "\n"
           "contexts:\n"
           "- name: other\n"
           "  context:\n"
           "    cluster: other\n"
           "current-context: other\n"
           "unknown: [1, 2]",
           false,
           "# mine\n"
           "clusters:\n"
           "  - name: other # keep\n"
           "    cluster: {server: 'https://o'} # why\n"
           "    extra: 1\n" CLUSTER("  ")
           "# before users\n"
           "users:\n"
           "- name: other\n"
           "  user:\n"
           "    exec: {command: x}\n" USER("")
           "\n"
           "contexts:\n"
           "- name: other\n"
           "  context:\n"
           "    cluster: other\n" CONTEXT("")
           "current-context: other\n"
           "unknown: [1, 2]");
}

static void test_merge__replaces_its_own_and_sets_current(void **state)
{
    expect("clusters:\n"
           "- name: a\n"
           "  cluster: {server: https://a}\n"
           "- name: k8s\n"
           "  cluster:\n"
           "    server: https://stale\n"
           "- name: z\n"
           "  cluster: {server: https://z}\n"
           "users: []\n"
           "contexts:\n"
           "current-context: \"\"\n",
           true,
           "clusters:\n"
           "- name: a\n"
           "  cluster: {server: https://a}\n" CLUSTER("")
           "- name: z\n"
           "  cluster: {server: https://z}\n"
           "users: \n" USER("")
           "contexts:\n" CONTEXT("")
           "current-context: k8s\n");
}

static void test_merge__adds_what_is_missing(void **state)
{
    expect("apiVersion: v1\nkind: Config\n", false,
           "apiVersion: v1\nkind: Config\n"
           "clusters:\n" CLUSTER("") "users:\n" USER("") "contexts:\n" CONTEXT("")
           "current-context: k8s\n");
}

static void test_merge__writes_json_into_json(void **state)
{
    expect("{\"clusters\": [], \"users\": [{\"name\": \"\xC3\xA4\", \"user\": {}}],\n"
           " \"current-context\": \"x\"}\n",
           false,
           "{\"clusters\": [{\"cluster\": {\"certificate-authority-data\": \"Q0EK\", "
           "\"server\": \"https://10.1.2.3:6443\"}, \"name\": \"k8s\"}], "
           "\"users\": [{\"name\": \"\xC3\xA4\", \"user\": {}}, {\"user\": "
           "{\"client-certificate-data\": \"Q0VSVAo=\", \"client-key-data\": \"S0VZCg==\"}, "
           "\"name\": \"k8s\"}],\n"
           " \"current-context\": \"x\", \"contexts\": [{\"context\": {\"cluster\": \"k8s\", "
           "\"user\": \"k8s\"}, \"name\": \"k8s\"}]}\n");
}

static void test_merge__refuses_what_it_cannot_keep(void **state)
{
    static const char *const bad[] = {
        "clusters: {a: b}\n",
        "- a list\n",
        "clusters:\n- {name: k8s}\n- {name: k8s}\n",
        "a: &x 1\nb: *x\n",
        "a: 1\n--- \nb: 1\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gpuc_error *err = NULL;
        char *out = NULL;

        assert_int_not_equal(
            gpuc__kubeconfig_merge(&out, bad[i], strlen(bad[i]), "f", &ours, true, &err), GPUC_OK);
        assert_null(out);
        assert_memory_equal(gpuc_error_message(err), "f:", 2);
        gpuc_error_unref(err);
    }
}

static void test_merge__quotes_hostile_names(void **state)
{
    gpuc__kubeconfig odd = ours, back = {0};
    char *out = NULL;

    odd.context = (char *)"true: \"x\"\n- y #\x01";
    odd.token = (char *)"no";
    assert_int_equal(gpuc__kubeconfig_write(&out, &odd, NULL), GPUC_OK);
    assert_int_equal(gpuc__kubeconfig_parse(&back, out, strlen(out), "f", NULL, NULL), GPUC_OK);
    assert_string_equal(back.context, odd.context);
    assert_string_equal(back.token, "no");
    gpuc__kubeconfig_clear(&back);
    gpuc__free_secret(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge__writes_a_new_file),
        cmocka_unit_test(test_merge__appends_and_keeps_comments),
        cmocka_unit_test(test_merge__replaces_its_own_and_sets_current),
        cmocka_unit_test(test_merge__adds_what_is_missing),
        cmocka_unit_test(test_merge__writes_json_into_json),
        cmocka_unit_test(test_merge__refuses_what_it_cannot_keep),
        cmocka_unit_test(test_merge__quotes_hostile_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

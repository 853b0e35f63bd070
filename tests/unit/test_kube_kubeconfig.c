/* SPDX-License-Identifier: Apache-2.0 */
/* Reading kubeconfigs: what is taken, what is refused and where the error points. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kube/kubeconfig.h"
#include "kube/yaml_tree.h"
#include "util/alloc.h"

static const char sample[] =
    "apiVersion: v1\n"
    "kind: Config\n"
    "clusters:\n"
    "- name: one\n"
    "  cluster:\n"
    "    server: https://10.0.0.1:6443\n"
    "    certificate-authority: ca.crt\n"
    "    certificate-authority-data: Q0EK\n"
    "    tls-server-name: kubernetes\n"
    "- name: open\n"
    "  cluster: {server: 'http://127.0.0.1:8001'}\n"
    "users:\n"
    "- {name: admin, user: {client-certificate-data: Q0VSVA==, client-key: key.pem}}\n"
    "- name: robot\n"
    "  user:\n"
    "    token: abc\n"
    "- name: cloud\n"
    "  user:\n"
    "    exec:\n"
    "      apiVersion: client.authentication.k8s.io/v1\n"
    "      command: gke-gcloud-auth-plugin\n"
    "- name: old\n"
    "  user:\n"
    "    auth-provider: {name: gcp}\n"
    "contexts:\n"
    "- context: {cluster: one, user: admin, namespace: lab}\n"
    "  name: admin@one\n"
    "- {name: robot, context: {cluster: open, user: robot}}\n"
    "- {name: cloud, context: {cluster: one, user: cloud}}\n"
    "- {name: old, context: {cluster: one, user: old}}\n"
    "- {name: lost, context: {cluster: nowhere, user: robot}}\n"
    "current-context: admin@one\n";

static void expect_error(const char *text, const char *context, int code, const char *start,
                         const char *contains)
{
    gpuc__kubeconfig config = {0};
    gpuc_error *err = NULL;

    assert_int_equal(
        gpuc__kubeconfig_parse(&config, text, strlen(text), "file.yaml", context, &err), code);
    assert_non_null(err);
    if (strncmp(gpuc_error_message(err), start, strlen(start)) != 0 ||
        !strstr(gpuc_error_message(err), contains))
        fail_msg("got \"%s\", wanted \"%s\"…\"%s\"", gpuc_error_message(err), start, contains);
    assert_non_null(gpuc_error_remedy(err));
    assert_null(config.server);
    gpuc_error_unref(err);
}

static void test_kubeconfig__reads_the_current_context(void **state)
{
    gpuc__kubeconfig c = {0};

    assert_int_equal(gpuc__kubeconfig_parse(&c, sample, strlen(sample), "f", NULL, NULL), GPUC_OK);
    assert_string_equal(c.context, "admin@one");
    assert_string_equal(c.server, "https://10.0.0.1:6443");
    assert_string_equal(c.ca_pem, "CA\n"); /* data wins over the file */
    assert_null(c.ca_file);
    assert_string_equal(c.tls_server_name, "kubernetes");
    assert_string_equal(c.cert_pem, "CERT");
    assert_string_equal(c.key_file, "key.pem");
    assert_string_equal(c.namespace_, "lab");
    gpuc__kubeconfig_clear(&c);
    assert_int_equal(gpuc__kubeconfig_parse(&c, sample, strlen(sample), "f", "robot", NULL),
                     GPUC_OK);
    assert_string_equal(c.token, "abc");
    assert_string_equal(c.server, "http://127.0.0.1:8001");
    gpuc__kubeconfig_clear(&c);
}

static void test_kubeconfig__errors_name_file_line_and_entry(void **state)
{
    expect_error(sample, "cloud", GPUC_EUNSUPPORTED, "file.yaml:20:7:", "\"cloud\"");
    expect_error(sample, "old", GPUC_EUNSUPPORTED, "file.yaml:24:20:", "\"old\"");
    expect_error(sample, "lost", GPUC_ENOTFOUND, "file.yaml:31:35:", "\"nowhere\"");
    expect_error(sample, "absent", GPUC_ENOTFOUND, "file.yaml:", "\"absent\"");
    expect_error("", NULL, GPUC_EINVAL, "file.yaml:1:1:", "kubeconfig was expected");
    expect_error("[1, 2]", NULL, GPUC_EINVAL, "file.yaml:1:1:", "kubeconfig was expected");
    expect_error("a: b\n\tc: d\n", NULL, GPUC_EINVAL, "file.yaml:2:1:", "not YAML");
    expect_error("a: 1\na: 2\n", NULL, GPUC_EINVAL, "file.yaml:2:1:", "twice");
    expect_error("a: &x 1\nb: *x\n", NULL, GPUC_EUNSUPPORTED, "file.yaml:2:4:", "alias");
    expect_error("a: 1\n---\nb: 2\n", NULL, GPUC_EUNSUPPORTED, "file.yaml:2:1:", "second");
    expect_error("clusters:\n- name: a\n  cluster: {server: ftp://x}\ncontexts:\n"
                 "- {name: a, context: {cluster: a}}\n",
                 "a", GPUC_EINVAL, "file.yaml:3:21:", "URL");
    expect_error("clusters:\n- name: a\n  cluster: {server: 'https://x', "
                 "certificate-authority-data: '%%%'}\ncontexts:\n"
                 "- {name: a, context: {cluster: a}}\n",
                 "a", GPUC_EINVAL, "file.yaml:3:62:", "base64");
}

static void test_kubeconfig__bounds_depth_and_size(void **state)
{
    gpuc__yaml_node *root = NULL;
    gpuc_error *err = NULL;
    char deep[4096];
    char *large = gpuc__malloc(GPUC__YAML_MAX_BYTES + 1);

    memset(deep, '[', sizeof(deep));
    assert_int_equal(gpuc__yaml_parse(&root, deep, sizeof(deep), "f", &err), GPUC_ELIMIT);
    gpuc_error_unref(err);
    err = NULL;
    memset(large, ' ', GPUC__YAML_MAX_BYTES + 1);
    assert_int_equal(gpuc__yaml_parse(&root, large, GPUC__YAML_MAX_BYTES + 1, "f", &err),
                     GPUC_ELIMIT);
    gpuc_error_unref(err);
    err = NULL;
    /* libyaml would compare each of these with all before it, for hours */
    for (size_t i = 0; i + 10 <= GPUC__YAML_MAX_BYTES; i += 10)
        memcpy(large + i, "%TAG !a b\n", 10);
    assert_int_equal(gpuc__yaml_parse(&root, large, GPUC__YAML_MAX_BYTES, "f", &err), GPUC_ELIMIT);
    gpuc_error_unref(err);
    gpuc__free(large);
    assert_null(root);
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_kubeconfig__files_are_relative_to_it(void **state)
{
    char dir[] = "/tmp/gpuc-kubeconfig-XXXXXX", path[256];
    gpuc__kubeconfig c = {0};
    gpuc_error *err = NULL;

    assert_non_null(mkdtemp(dir));
    put(dir, "key.pem", "KEY");
    put(dir, "config", sample);
    snprintf(path, sizeof(path), "%s/config", dir);
    assert_int_equal(gpuc__kubeconfig_load(&c, path, NULL, &err), GPUC_OK);
    assert_string_equal(c.key_pem, "KEY");
    gpuc__kubeconfig_clear(&c);

    snprintf(path, sizeof(path), "%s/key.pem", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/config", dir);
    assert_int_equal(gpuc__kubeconfig_load(&c, path, NULL, &err), GPUC_ENOTFOUND);
    assert_non_null(strstr(gpuc_error_message(err), "key.pem"));
    gpuc_error_unref(err);
    err = NULL;
    assert_int_equal(gpuc__kubeconfig_load(&c, dir, NULL, &err), GPUC_EINVAL);
    gpuc_error_unref(err);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kubeconfig__reads_the_current_context),
        cmocka_unit_test(test_kubeconfig__errors_name_file_line_and_entry),
        cmocka_unit_test(test_kubeconfig__bounds_depth_and_size),
        cmocka_unit_test(test_kubeconfig__files_are_relative_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

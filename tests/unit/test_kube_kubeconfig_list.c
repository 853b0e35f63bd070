/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of kubeconfigs: which entry counts, whose folder a path is meant from, where new entries are
 * written, and the pod's own account. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kube/kubeconfig.h"
#include "util/alloc.h"

static char dir[64], list[1024];

static char *at(const char *name)
{
    static char path[8][128];
    static int i;

    i = (i + 1) % 8;
    snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
    return path[i];
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void expect_text(const char *name, const char *text)
{
    char have[4096] = "";
    FILE *f = fopen(at(name), "r");

    assert_non_null(f);
    have[fread(have, 1, sizeof(have) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(have, text);
}

static int begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/gpuc-kubeconfigs-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(mkdir(at("sub"), 0700), 0);
    snprintf(list, sizeof(list), "%s:%s::%s:%s", at("absent"), at("a"), at("sub/b"), at("a"));
    return 0;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

static const char a_text[] = "clusters:\n"
                             "- name: both\n"
                             "  cluster: {server: 'https://first'}\n"
                             "contexts:\n"
                             "- {name: x, context: {cluster: both, user: u}}\n"
                             "users: null\n";
static const char b_text[] = "clusters:\n"
                             "- name: both\n"
                             "  cluster: {server: 'https://second', certificate-authority: ca}\n"
                             "- name: own\n"
                             "  cluster: {server: 'https://own', certificate-authority: ca}\n"
                             "users:\n"
                             "- {name: u, user: {tokenFile: token}}\n"
                             "contexts:\n"
                             "- {name: x, context: {cluster: own}}\n"
                             "- {name: y, context: {cluster: own, user: u}}\n"
                             "current-context: x\n";

static void put_both(void)
{
    put("a", a_text);
    put("sub/b", b_text);
    put("sub/ca", "CA");
    put("sub/token", "secret\n");
}

static void test_list__the_first_that_has_an_entry_counts(void **state)
{
    gpuc__kubeconfig c = {0};
    gpuc_error *err = NULL;

    put_both();
    if (gpuc__kubeconfig_load_list(&c, list, NULL, 0, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    assert_string_equal(c.context, "x"); /* the second file's word, the first file's entry */
    assert_string_equal(c.server, "https://first");
    assert_null(c.ca_pem); /* entries are never mixed */
    assert_string_equal(c.token, "secret");
    assert_string_equal(c.token_file, at("sub/token")); /* from the folder of its own file */
    gpuc__kubeconfig_clear(&c);
    assert_int_equal(gpuc__kubeconfig_load_list(&c, list, "y", 0, &err), GPUC_OK);
    assert_string_equal(c.ca_pem, "CA");
    assert_string_equal(c.cluster_origin, at("sub/b"));
    gpuc__kubeconfig_clear(&c);
}

static void expect_failure(const char *files, const char *context, int code, const char *message)
{
    gpuc__kubeconfig c = {0};
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__kubeconfig_load_list(&c, files, context, 0, &err), code);
    if (!strstr(gpuc_error_message(err), message))
        fail_msg("%s", gpuc_error_message(err));
    assert_non_null(gpuc_error_remedy(err));
    assert_null(c.server);
    gpuc_error_unref(err);
}

static void test_list__errors_name_the_file(void **state)
{
    char bad[512];

    put_both();
    expect_failure(list, "z", GPUC_ENOTFOUND, "no entry called \"z\"");
    expect_failure(at("absent"), NULL, GPUC_ENOTFOUND, "absent");
    put("bad", "clusters: [\n");
    snprintf(bad, sizeof(bad), "%s:%s", at("a"), at("bad"));
    expect_failure(bad, "x", GPUC_EINVAL, "bad:2:1:");
    put("bad", "users:\n- {name: u, user: {token: a}}\n- {name: u, user: {token: b}}\n");
    expect_failure(bad, "x", GPUC_EINVAL, "bad:3:10: a second entry");
    put("bad", "users:\n- {name: u, user: {token: a, username: b}}\n");
    expect_failure(bad, "x", GPUC_EINVAL, "exclude each other");
    put("bad", "users:\n- {name: u, user: {as-groups: [a]}}\n");
    expect_failure(bad, "x", GPUC_EINVAL, "without a user to act as");
    put("bad", "users:\n- {name: u, user: {exec: {command: x}}}\n");
    expect_failure(bad, "x", GPUC_EUNSUPPORTED, "unless the caller allows it");
    unlink(at("sub/token"));
    expect_failure(list, NULL, GPUC_ENOTFOUND, "sub/token");
}

static void test_list__the_environment_and_the_home_folder(void **state)
{
    gpuc__kubeconfig c = {0};
    char *home = gpuc__strdup(getenv("HOME"));

    put_both();
    setenv("KUBECONFIG", list, 1);
    assert_int_equal(gpuc__kubeconfig_load_list(&c, NULL, "y", 0, NULL), GPUC_OK);
    gpuc__kubeconfig_clear(&c);
    unsetenv("KUBECONFIG");
    setenv("HOME", dir, 1);
    expect_failure("", NULL, GPUC_ENOTFOUND, ".kube/config");
    mkdir(at(".kube"), 0700);
    put(".kube/config", b_text);
    put(".kube/ca", "CA");
    assert_int_equal(gpuc__kubeconfig_load_list(&c, "", "x", 0, NULL), GPUC_OK);
    assert_string_equal(c.server, "https://own");
    gpuc__kubeconfig_clear(&c);
    if (home)
        setenv("HOME", home, 1);
    gpuc__free(home);
}

static void test_list__a_plugin_that_is_allowed(void **state)
{
    static const char text[] =
        "clusters:\n"
        "- name: c\n"
        "  cluster:\n"
        "    server: https://h\n"
        "    extensions:\n"
        "    - {name: client.authentication.k8s.io/exec, extension: {a: 1, b: ['2', true, null]}}\n"
        "users:\n"
        "- name: u\n"
        "  user:\n"
        "    exec:\n"
        "      apiVersion: client.authentication.k8s.io/v1beta1\n"
        "      command: bin/plugin\n"
        "      args: [get, token]\n"
        "      env: [{name: A, value: b=c}]\n"
        "      interactiveMode: Always\n"
        "      provideClusterInfo: true\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\n";
    gpuc__kubeconfig c = {0}, copy = {0};
    gpuc_error *err = NULL;

    put("a", text);
    if (gpuc__kubeconfig_load_list(&c, at("a"), NULL, GPUC__KUBECONFIG_EXEC, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    assert_int_equal(gpuc__kubeconfig_copy(&copy, &c, NULL), GPUC_OK);
    gpuc__kubeconfig_clear(&c);
    assert_string_equal(copy.exec.command, at("bin/plugin"));
    assert_string_equal(copy.exec.args[1], "token");
    assert_null(copy.exec.args[2]);
    assert_string_equal(copy.exec.env[0], "A=b=c");
    assert_true(copy.exec.terminal && copy.exec.cluster_info);
    assert_string_equal(copy.exec.cluster_config, "{\"a\":1,\"b\":[\"2\",true,null]}");
    gpuc__kubeconfig_clear(&copy);
}

static void test_list__the_account_of_the_pod(void **state)
{
    gpuc__kubeconfig c = {0};
    gpuc_error *err = NULL;

    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_int_equal(gpuc__kubeconfig_in_cluster(&c, dir, &err), GPUC_ENOTFOUND);
    gpuc_error_unref(err);
    err = NULL;
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_int_equal(gpuc__kubeconfig_in_cluster(&c, dir, &err), GPUC_ENOTFOUND);
    assert_non_null(strstr(gpuc_error_message(err), "token"));
    gpuc_error_unref(err);
    err = NULL;
    put("token", "tok\n");
    put("ca.crt", "CA");
    put("namespace", "lab\n");
    assert_int_equal(gpuc__kubeconfig_in_cluster(&c, dir, &err), GPUC_OK);
    assert_string_equal(c.server, "https://[fd00::1]:443");
    assert_string_equal(c.token, "tok");
    assert_string_equal(c.token_file, at("token")); /* read again, since it changes */
    assert_string_equal(c.namespace_, "lab");
    gpuc__kubeconfig_clear(&c);
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
}

/* ---- writing ---- */

static const gpuc__kubeconfig ours = {
    .context = (char *)"x", .cluster = (char *)"own", .user = (char *)"new",
    .server = (char *)"https://10.0.0.1:6443", .token = (char *)"t"};

static void test_store__each_entry_goes_where_it_is(void **state)
{
    gpuc__kubeconfig c = {0};
    gpuc_error *err = NULL;
    char *written = NULL, both[512];
    struct stat st;

    put_both();
    chmod(at("sub/b"), 0640);
    if (gpuc__kubeconfig_store(&written, list, &ours, false, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    snprintf(both, sizeof(both), "%s:%s", at("a"), at("sub/b"));
    assert_string_equal(written, both);
    gpuc__free(written);
    /* The context stood in a, the cluster in b; the user is new and goes to the first that is there. */
    expect_text("a", "clusters:\n"
                     "- name: both\n"
                     "  cluster: {server: 'https://first'}\n"
                     "contexts:\n"
                     "- {\"context\": {\"cluster\": \"own\", \"user\": \"new\"}, \"name\": \"x\"}\n"
                     "users: \n"
                     "- user:\n"
                     "    token: t\n"
                     "  name: new\n");
    assert_int_equal(stat(at("sub/b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(stat(at("a"), &st), 0);
    assert_int_equal(st.st_mode & 0077, 0); /* it holds a token now */
    assert_int_not_equal(access(at("a.lock"), F_OK), 0);
    assert_int_not_equal(access(at("absent"), F_OK), 0);
    assert_int_equal(gpuc__kubeconfig_load_list(&c, list, NULL, 0, &err), GPUC_OK);
    assert_string_equal(c.server, "https://10.0.0.1:6443");
    assert_string_equal(c.token, "t");
    gpuc__kubeconfig_clear(&c);
    assert_int_equal(gpuc__kubeconfig_store(&written, list, &ours, false, &err), GPUC_OK);
    assert_string_equal(written, ""); /* nothing left to do */
    gpuc__free(written);
}

static void test_store__makes_the_last_when_none_is_there(void **state)
{
    gpuc__kubeconfig c = {0};
    gpuc_error *err = NULL;
    struct stat st;
    char none[512];

    snprintf(none, sizeof(none), "%s:%s", at("no/where"), at("deep/er/config"));
    if (gpuc__kubeconfig_store(NULL, none, &ours, false, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    assert_int_equal(stat(at("deep/er/config"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(gpuc__kubeconfig_load_list(&c, none, NULL, 0, &err), GPUC_OK);
    assert_string_equal(c.context, "x");
    gpuc__kubeconfig_clear(&c);
}

static void test_store__changes_nothing_when_it_cannot(void **state)
{
    gpuc_error *err = NULL;

    put_both();
    put("sub/b.lock", "");
    assert_int_equal(gpuc__kubeconfig_store(NULL, list, &ours, true, &err), GPUC_EBUSY);
    assert_non_null(strstr(gpuc_error_remedy(err), "b.lock"));
    gpuc_error_unref(err);
    err = NULL;
    assert_int_equal(access(at("sub/b.lock"), F_OK), 0); /* not ours to remove */
    unlink(at("sub/b.lock"));
    put("sub/b", "clusters: {own: 1}\nusers: [\n");
    assert_int_equal(gpuc__kubeconfig_store(NULL, list, &ours, true, &err), GPUC_EINVAL);
    gpuc_error_unref(err);
    expect_text("a", a_text);
    assert_int_not_equal(access(at("a.lock"), F_OK), 0);
}

static void test_store__follows_links(void **state)
{
    struct stat st;

    put("real", "apiVersion: v1\n");
    assert_int_equal(symlink("real", at("link")), 0);
    assert_int_equal(gpuc__kubeconfig_store(NULL, at("link"), &ours, false, NULL), GPUC_OK);
    assert_int_equal(lstat(at("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat(at("real"), &st), 0);
    assert_true(st.st_size > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list__the_first_that_has_an_entry_counts, begin, end),
        cmocka_unit_test_setup_teardown(test_list__errors_name_the_file, begin, end),
        cmocka_unit_test_setup_teardown(test_list__the_environment_and_the_home_folder, begin, end),
        cmocka_unit_test_setup_teardown(test_list__a_plugin_that_is_allowed, begin, end),
        cmocka_unit_test_setup_teardown(test_list__the_account_of_the_pod, begin, end),
        cmocka_unit_test_setup_teardown(test_store__each_entry_goes_where_it_is, begin, end),
        cmocka_unit_test_setup_teardown(test_store__makes_the_last_when_none_is_there, begin, end),
        cmocka_unit_test_setup_teardown(test_store__changes_nothing_when_it_cannot, begin, end),
        cmocka_unit_test_setup_teardown(test_store__follows_links, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

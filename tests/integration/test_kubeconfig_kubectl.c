/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of odd kubeconfigs beside the real kubectl: what a context is, field by field, and where new
 * entries are written. kubectl: $GPUC_BED_KUBECTL (tests/bed/bed env) or the PATH's; else skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "kube/kubeconfig.h"
#include "support/kubeconfigs.h"
#include "util/alloc.h"

static const gpuc__kubeconfig ours = {.context = (char *)"gpu",
                                      .server = (char *)"https://10.0.0.1:6443",
                                      .token = (char *)"new"};

static char dir[64], kubectl[512], list[1024];

static void put(const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* What kubectl prints, as JSON; NULL when it fails or prints none. */
static json_t *ask(const char *kubeconfig, const char *arguments)
{
    static char out[256 * 1024];
    char command[2048];
    FILE *pipe;
    size_t n;
    int status;

    snprintf(command, sizeof(command), "KUBECONFIG='%s' '%s' config %s 2>'%s/err'", kubeconfig,
             kubectl, arguments, dir);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    n = fread(out, 1, sizeof(out) - 1, pipe);
    status = pclose(pipe);
    out[n] = '\0';
    return status == 0 ? json_loads(out, 0, NULL) : NULL;
}

static void run(const char *arguments)
{
    char command[2048];

    snprintf(command, sizeof(command), "KUBECONFIG='%s' '%s' config %s >'%s/err' 2>&1", list,
             kubectl, arguments, dir);
    if (system(command) != 0)
        fail_msg("%s", command);
}

static void begin(size_t set)
{
    snprintf(dir, sizeof(dir), "/tmp/gpuc-kubectl-XXXXXX");
    assert_non_null(mkdtemp(dir));
    put("ca", "CA");
    put("cert", "CERT");
    list[0] = '\0';
    for (size_t i = 0; i < 4 && sets[set].files[i].name; i++) {
        const file *f = &sets[set].files[i];
        char sub[128];

        snprintf(sub, sizeof(sub), "%s/sub", dir);
        mkdir(sub, 0700);
        if (f->text)
            put(f->name, f->text);
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s/%s", i ? ":" : "", dir,
                 f->name);
    }
}

static void end(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* ---- reading ---- */

static void same_text(const char *what, const json_t *theirs, const char *mine)
{
    const char *text = json_string_value(theirs);

    if ((text && *text) != (mine != NULL) || (mine && strcmp(text, mine) != 0))
        fail_msg("%s: kubectl says %s, we say %s", what, text ? text : "nothing",
                 mine ? mine : "nothing");
}

/* key-data, inlined by --flatten, as base64. */
static void same_data(const char *key, const json_t *theirs, const char *mine)
{
    char *base64 = mine ? gpuc__kubeconfig_base64(mine) : NULL;

    same_text(key, json_object_get(theirs, key), base64);
    gpuc__free(base64);
}

static void same_list(const char *what, const json_t *theirs, char **mine)
{
    size_t n = 0;

    for (; mine && mine[n]; n++)
        same_text(what, json_array_get(theirs, n), *mine[n] ? mine[n] : NULL);
    assert_int_equal(json_array_size(theirs), n);
}

static void same_exec(const json_t *theirs, const gpuc__kubeconfig_exec *mine)
{
    const json_t *env = json_array_get(json_object_get(theirs, "env"), 0);
    char pair[128];

    same_text("command", json_object_get(theirs, "command"), mine->command);
    same_text("apiVersion", json_object_get(theirs, "apiVersion"), mine->api_version);
    same_text("installHint", json_object_get(theirs, "installHint"), mine->install_hint);
    same_list("args", json_object_get(theirs, "args"), mine->args);
    assert_int_equal(json_is_true(json_object_get(theirs, "provideClusterInfo")),
                     mine->cluster_info);
    if (!env)
        return;
    snprintf(pair, sizeof(pair), "%s=%s", json_string_value(json_object_get(env, "name")),
             json_string_value(json_object_get(env, "value")));
    assert_string_equal(mine->env[0], pair);
}

static void same_context(const json_t *view, const gpuc__kubeconfig *c)
{
    const json_t *cluster =
        json_object_get(json_array_get(json_object_get(view, "clusters"), 0), "cluster");
    const json_t *user = json_object_get(json_array_get(json_object_get(view, "users"), 0), "user");
    const json_t *context =
        json_object_get(json_array_get(json_object_get(view, "contexts"), 0), "context");
    const json_t *file_name = json_object_get(user, "tokenFile");
    const json_t *extra = json_object_get(json_object_get(user, "as-user-extra"), "k");

    same_text("namespace", json_object_get(context, "namespace"), c->namespace_);
    same_text("cluster", json_object_get(context, "cluster"), c->cluster);
    same_text("server", json_object_get(cluster, "server"), c->server);
    same_text("proxy-url", json_object_get(cluster, "proxy-url"), c->proxy_url);
    same_text("tls-server-name", json_object_get(cluster, "tls-server-name"), c->tls_server_name);
    same_data("certificate-authority-data", cluster, c->ca_pem);
    assert_int_equal(json_is_true(json_object_get(cluster, "insecure-skip-tls-verify")),
                     c->insecure);
    assert_int_equal(json_is_true(json_object_get(cluster, "disable-compression")),
                     c->disable_compression);
    same_data("client-certificate-data", user, c->cert_pem);
    same_data("client-key-data", user, c->key_pem);
    if (file_name)
        assert_string_equal(c->token, "CA"); /* what stands in it */
    else
        same_text("token", json_object_get(user, "token"), c->token);
    same_text("username", json_object_get(user, "username"), c->username);
    same_text("password", json_object_get(user, "password"), c->password);
    same_text("as", json_object_get(user, "as"), c->as);
    same_text("as-uid", json_object_get(user, "as-uid"), c->as_uid);
    same_list("as-groups", json_object_get(user, "as-groups"), c->as_groups);
    for (size_t i = 0; i < json_array_size(extra); i++)
        same_text("as-user-extra", json_array_get(extra, i), c->as_extra[2 * i + 1]);
    same_exec(json_object_get(user, "exec"), &c->exec);
}

static void test_kubectl__contexts_are_the_same(void **state)
{
    size_t compared = 0;

    if (!*kubectl)
        skip(); /* no kubectl here */
    for (size_t i = 0; i < SETS; i++) {
        json_t *all, *context;
        const char *current;
        size_t k;

        begin(i);
        all = ask(list, "view --raw -o json");
        if (!all)
            fail_msg("kubectl does not read the set \"%s\"", sets[i].what);
        current = json_string_value(json_object_get(all, "current-context"));
        json_array_foreach(json_object_get(all, "contexts"), k, context)
        {
            const char *name = json_string_value(json_object_get(context, "name"));
            gpuc__kubeconfig c = {0};
            gpuc_error *err = NULL;
            char arguments[256];
            json_t *view;

            snprintf(arguments, sizeof(arguments),
                     "view --raw --flatten --minify -o json --context='%s'", name);
            view = ask(list, arguments);
            if (gpuc__kubeconfig_load_list(
                    &c, list, current && strcmp(name, current) == 0 ? NULL : name,
                    GPUC__KUBECONFIG_EXEC | GPUC__KUBECONFIG_INSECURE, &err) != GPUC_OK) {
                if (view && json_array_size(json_object_get(view, "users")))
                    fail_msg("%s, %s: %s", sets[i].what, name, gpuc_error_message(err));
                gpuc_error_unref(err); /* neither finds the user */
            } else {
                same_context(view, &c);
                compared++;
            }
            gpuc__kubeconfig_clear(&c);
            json_decref(view);
        }
        json_decref(all);
        end();
    }
    assert_in_range(compared, 9, 100);
}

/* ---- writing ---- */

/* Each file of the set as kubectl understands it: a new array. */
static json_t *all_files(size_t set)
{
    json_t *all = json_array();

    for (size_t i = 0; i < 4 && sets[set].files[i].name; i++) {
        char path[256];
        json_t *view;

        snprintf(path, sizeof(path), "%s/%s", dir, sets[set].files[i].name);
        view = access(path, F_OK) == 0 ? ask(path, "view --raw -o json") : NULL;
        json_array_append_new(all, view ? view : json_null());
    }
    return all;
}

static void test_kubectl__entries_are_written_where_it_writes_them(void **state)
{
    if (!*kubectl)
        skip(); /* no kubectl here */
    for (size_t i = 0; i < SETS; i++) {
        json_t *theirs, *mine;
        gpuc_error *err = NULL;
        char *a, *b;

        begin(i);
        run("set-cluster gpu --server=https://10.0.0.1:6443");
        run("set-credentials gpu --token=new");
        run("set-context gpu --cluster=gpu --user=gpu");
        run("use-context gpu");
        theirs = all_files(i);
        end();
        begin(i);
        if (gpuc__kubeconfig_store(NULL, list, &ours, true, &err) != GPUC_OK)
            fail_msg("%s: %s", sets[i].what, gpuc_error_message(err));
        mine = all_files(i);
        a = json_dumps(theirs, JSON_SORT_KEYS | JSON_INDENT(1));
        b = json_dumps(mine, JSON_SORT_KEYS | JSON_INDENT(1));
        if (strcmp(a, b) != 0)
            fail_msg("%s: kubectl leaves\n%s\nwe leave\n%s", sets[i].what, a, b);
        free(a);
        free(b);
        json_decref(theirs);
        json_decref(mine);
        end();
    }
}

static void find_kubectl(void)
{
    const char *named = getenv("GPUC_BED_KUBECTL");
    FILE *pipe;

    if (named && access(named, X_OK) == 0) {
        snprintf(kubectl, sizeof(kubectl), "%s", named);
        return;
    }
    pipe = popen("command -v kubectl", "r");
    if (pipe && fgets(kubectl, sizeof(kubectl), pipe))
        kubectl[strcspn(kubectl, "\n")] = '\0';
    if (pipe)
        pclose(pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kubectl__contexts_are_the_same),
        cmocka_unit_test(test_kubectl__entries_are_written_where_it_writes_them),
    };

    find_kubectl();
    if (!*kubectl)
        printf("SKIP: no kubectl: neither $GPUC_BED_KUBECTL nor one in the PATH\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

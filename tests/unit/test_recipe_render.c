/* SPDX-License-Identifier: Apache-2.0 */
/* Rendering: hostile values stay text, a part of a script does nothing, secrets stay out of what
 * people see. With GPUC_RENDER_DIR set, every script is written there (tests/lint/shellcheck.sh). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "recipe/render.h"
#include "util/alloc.h"
#include "util/data.h"

/* A value for each variable of the recipe. */
static json_t *variables(const char *value)
{
    const gpuc__data *data = gpuc__data_get("recipe/recipe.json");
    json_t *recipe = json_loadb(data->text, data->length, 0, NULL), *all = json_object(), *row;
    const char *name;
    json_object_foreach(json_object_get(recipe, "variables"), name, row)
    {
        json_object_set_new(all, name, json_string(value));
    }
    json_decref(recipe);
    return all;
}

static int run(const char *script, size_t length, char *out, size_t size)
{
    char name[] = "/tmp/gpuc-render-XXXXXX", command[128];
    int fd = mkstemp(name);
    FILE *file = fdopen(fd, "w");
    fwrite(script, 1, length, file);
    fclose(file);
    snprintf(command, sizeof(command), "sh -s <%s 2>&1", name);
    FILE *pipe = popen(command, "r");
    size_t n = fread(out, 1, size - 1, pipe);
    out[n] = 0;
    int status = pclose(pipe);
    remove(name);
    return WEXITSTATUS(status);
}

static void test_recipe_render__hostile_values_stay_text(void **state)
{
    static const char *const values[] = {"'; echo pwned; '", "$(echo pwned)", "`echo pwned`",
                                         "a\necho pwned\n",  "\"; echo pwned", "\\'; echo pwned #",
                                         "-n",               "*",              ""};
    gpuc__recipe *recipe = NULL;
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;
    step.id = "test.print";
    step.probe = "printf '<%s>' \"$GPUC_CLUSTER\"";
    step.act = "true";
    assert_int_equal(gpuc__recipe_new(&recipe, NULL), GPUC_OK);
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_OK);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        char *script = NULL, out[4096], expected[256];
        json_t *vars = variables(values[i]);
        assert_int_equal(gpuc__recipe_render(&script, gpuc__recipe_find(recipe, "test.print"),
                                             GPUC__RECIPE_PROBE, vars, NULL),
                         GPUC_OK);
        assert_int_equal(run(script, strlen(script), out, sizeof(out)), 0);
        snprintf(expected, sizeof(expected), "<%s>", values[i]);
        assert_string_equal(out, expected);
        json_decref(vars);
        gpuc__free(script);
    }
    gpuc__recipe_unref(recipe);
}

static void test_recipe_render__custom_scripts_are_contained(void **state)
{
    gpuc__recipe *recipe = NULL;
    char *script = NULL, out[4096];
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;
    step.id = "test.odd";
    step.probe = "exit 7; } ; echo 'escaped'";
    step.act = "echo it\\'s; exit 5";
    json_t *vars = variables("x");
    assert_int_equal(gpuc__recipe_new(&recipe, NULL), GPUC_OK);
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_OK);
    const gpuc__recipe_step *odd = gpuc__recipe_find(recipe, "test.odd");
    assert_int_equal(gpuc__recipe_render(&script, odd, GPUC__RECIPE_PROBE, vars, NULL), GPUC_OK);
    assert_int_equal(run(script, strlen(script), out, sizeof(out)), 1);
    assert_null(strstr(out, "escaped"));
    gpuc__free(script);
    assert_int_equal(gpuc__recipe_render(&script, odd, GPUC__RECIPE_ACT, vars, NULL), GPUC_OK);
    assert_int_equal(run(script, strlen(script), out, sizeof(out)), 5);
    assert_string_equal(out, "it's\n");
    gpuc__free(script);
    json_decref(vars);
    gpuc__recipe_unref(recipe);
}

static void test_recipe_render__a_part_does_nothing(void **state)
{
    gpuc__recipe *recipe = NULL;
    char *script = NULL, out[8192];
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;
    step.id = "test.say";
    step.probe = "true";
    step.act = "echo acted";
    json_t *vars = variables("x");
    assert_int_equal(gpuc__recipe_new(&recipe, NULL), GPUC_OK);
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_OK);
    assert_int_equal(gpuc__recipe_render(&script, gpuc__recipe_find(recipe, "test.say"),
                                         GPUC__RECIPE_ACT, vars, NULL),
                     GPUC_OK);
    size_t length = strlen(script);
    for (size_t cut = 2; cut <= length; cut += cut < 60 ? 1 : 997) {
        run(script, length - cut, out, sizeof(out));
        if (strstr(out, "acted\n") == out)
            fail_msg("acted with %zu bytes missing", cut);
    }
    assert_int_equal(run(script, length, out, sizeof(out)), 0);
    assert_string_equal(out, "acted\n");
    gpuc__free(script);
    json_decref(vars);
    gpuc__recipe_unref(recipe);
}

static void test_recipe_render__missing_variable_is_named(void **state)
{
    gpuc__recipe *recipe = NULL;
    char *script = NULL;
    gpuc_error *err = NULL;
    json_t *vars = variables("x");
    json_object_del(vars, "GPUC_TOKEN");
    assert_int_equal(gpuc__recipe_new(&recipe, NULL), GPUC_OK);
    assert_int_equal(gpuc__recipe_render(&script, gpuc__recipe_find(recipe, "kube.join"),
                                         GPUC__RECIPE_ACT, vars, &err),
                     GPUC_EINVAL);
    assert_null(script);
    assert_non_null(strstr(gpuc_error_message(err), "GPUC_TOKEN"));
    gpuc_error_unref(err);
    json_decref(vars);
    gpuc__recipe_unref(recipe);
}

static void test_recipe_render__people_see_no_secret(void **state)
{
    gpuc__recipe *recipe = NULL;
    json_t *vars = variables("plain");
    json_object_set_new(vars, "GPUC_TOKEN", json_string("abcdef.0123456789abcdef"));
    json_object_del(vars, "GPUC_NODE_IP");
    assert_int_equal(gpuc__recipe_new(&recipe, NULL), GPUC_OK);
    char *text = gpuc__recipe_render_shell(gpuc__recipe_find(recipe, "kube.join"), vars);
    assert_null(strstr(text, "abcdef.0123"));
    assert_non_null(strstr(text, "GPUC_TOKEN='[redacted]'"));
    assert_non_null(strstr(text, "# GPUC_NODE_IP is known once"));
    assert_non_null(strstr(text, "kubeadm join"));
    gpuc__free(text);
    assert_true(gpuc__recipe_is_secret("GPUC_CA_KEY"));
    assert_false(gpuc__recipe_is_secret("GPUC_CA_CERT"));
    /* A step that does not want a secret is not given it. */
    assert_int_equal(gpuc__recipe_render(&text, gpuc__recipe_find(recipe, "os.swap"),
                                         GPUC__RECIPE_ACT, vars, NULL),
                     GPUC_OK);
    assert_null(strstr(text, "abcdef.0123"));
    gpuc__free(text);
    json_decref(vars);
    gpuc__recipe_unref(recipe);
}

/* What kube.sh writes of a node, as the recipe's variables say. */
static void registration(char *out, size_t size, const char *wanted, const char *gpus, const char *role)
{
    const gpuc__data *lib = gpuc__data_get("recipe/sh/kube.sh");
    char script[16384];
    int n = snprintf(script, sizeof(script),
                     "set -eu\nGPUC_DIR=/d GPUC_MACHINE=m GPUC_NODE_IP=192.0.2.1 GPUC_STARTUP_TAINT=%s "
                     "GPUC_GPUS=%s GPUC_ROLE=%s\n%.*s\nignored_checks() { echo '[]'; }\n"
                     "node_registration\n",
                     wanted, gpus, role, (int)lib->length, lib->text);

    assert_true(n > 0 && (size_t)n < sizeof(script));
    assert_int_equal(run(script, (size_t)n, out, size), 0);
    assert_non_null(strstr(out, "name: \"m\""));
}

static void test_recipe_render__startup_taint(void **state)
{
    static const char ours[] = "  - {key: gpucluster/unproven, value: \"true\", effect: NoSchedule}\n"
                               "patches:";
    char out[4096];

    registration(out, sizeof(out), "1", "2", "worker");
    assert_non_null(strstr(out, "  taints:\n  - {key: gpucluster/unproven,"));
    assert_non_null(strstr(out, ours));
    registration(out, sizeof(out), "1", "1", "control-plane"); /* keeps its own */
    assert_non_null(strstr(out, "  taints:\n  - {key: node-role.kubernetes.io/control-plane, effect: "
                                "NoSchedule}\n"));
    assert_non_null(strstr(out, ours));
    registration(out, sizeof(out), "1", "0", "worker");
    assert_null(strstr(out, "taint"));
    registration(out, sizeof(out), "0", "1", "worker");
    assert_null(strstr(out, "taint"));
}

static void test_recipe_render__probes_answer_a_line_each(void **state)
{
    gpuc__recipe *recipe = NULL;
    char *script = NULL, out[8192];
    const struct {
        const char *id, *probe, *line;
    } cases[] = {{"t.one", "echo fine", "t.one\t0\tfine\n"},
                 {"t.two", "echo a; printf 'b\\tc\\n\\n'; exit 9", "t.two\t1\tb c\n"},
                 {"t.three", "probe() { exit 0; }; echo oops >&2; false", "t.three\t1\toops\n"},
                 {"t.four", "printf 'no line end'", "t.four\t0\tno line end\n"}};
    const gpuc__recipe_step *steps[4];
    char expected[256] = "";
    json_t *vars = variables("x");
    assert_int_equal(gpuc__recipe_new(&recipe, NULL), GPUC_OK);
    for (size_t i = 0; i < 4; i++) {
        gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;
        step.id = cases[i].id;
        step.probe = cases[i].probe;
        step.act = "true";
        assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_OK);
        steps[i] = gpuc__recipe_find(recipe, cases[i].id);
        snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%s",
                 cases[i].line);
    }
    assert_int_equal(gpuc__recipe_render_probes(&script, steps, 4, vars, NULL), GPUC_OK);
    assert_int_equal(run(script, strlen(script), out, sizeof(out)), 0);
    assert_string_equal(out, expected);
    gpuc__free(script);
    json_decref(vars);
    gpuc__recipe_unref(recipe);
}

static void write_script(const char *dir, const char *name, const char *text)
{
    char *path = gpuc__asprintf("%s/%s.sh", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s", text);
    fclose(file);
    gpuc__free(path);
}

/* Each step's three scripts render; and, where asked for, are written out for shellcheck. */
static void test_recipe_render__every_step(void **state)
{
    static const char *const names[] = {"probe", "act", "undo"};
    const char *dir = getenv("GPUC_RENDER_DIR");
    gpuc__recipe *recipe = NULL;
    json_t *vars = variables("a value");
    const gpuc__recipe_step *scripts[128], *s;
    size_t count = 0;
    char *text = NULL;
    assert_int_equal(gpuc__recipe_new(&recipe, NULL), GPUC_OK);
    for (size_t i = 0; (s = gpuc__recipe_at(recipe, i)); i++) {
        for (int f = 0; s->script && f < 3; f++) {
            if (s->check && f > 0)
                continue;
            assert_int_equal(gpuc__recipe_render(&text, s, (gpuc__recipe_function)f, vars, NULL),
                             GPUC_OK);
            char *name = gpuc__asprintf("%s.%s", s->id, names[f]);
            if (dir)
                write_script(dir, name, text);
            gpuc__free(name);
            gpuc__free(text);
        }
        if (s->script)
            scripts[count++] = s;
    }
    assert_true(count >= 15);
    assert_int_equal(gpuc__recipe_render_probes(&text, scripts, count, vars, NULL), GPUC_OK);
    if (dir)
        write_script(dir, "probes", text);
    gpuc__free(text);
    assert_int_equal(gpuc__recipe_render_fragment(&text, "facts.sh", NULL), GPUC_OK);
    if (dir)
        write_script(dir, "facts", text);
    gpuc__free(text);
    json_decref(vars);
    gpuc__recipe_unref(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe_render__hostile_values_stay_text),
        cmocka_unit_test(test_recipe_render__custom_scripts_are_contained),
        cmocka_unit_test(test_recipe_render__a_part_does_nothing),
        cmocka_unit_test(test_recipe_render__missing_variable_is_named),
        cmocka_unit_test(test_recipe_render__startup_taint),
        cmocka_unit_test(test_recipe_render__people_see_no_secret),
        cmocka_unit_test(test_recipe_render__probes_answer_a_line_each),
        cmocka_unit_test(test_recipe_render__every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

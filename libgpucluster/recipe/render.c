/* SPDX-License-Identifier: Apache-2.0 */
/* Puts together what a machine's sh reads: assignments, helpers, the step's fragment, one call. */
#include "recipe/render.h"

#include <string.h>

#include "recipe/remote_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"
#include "util/quote.h"

enum { MAX_TEXT = 4 * 1024 * 1024 };

static const char *const functions[] = {"probe", "act", "undo"};

/* The table of variables, read from the recipe at each use: it is small, and there is no state. */
static json_t *variable_table(void)
{
    const gpuc__data *data = gpuc__data_get("recipe/recipe.json");
    json_t *recipe = data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
    json_t *table = json_incref(json_object_get(recipe, "variables"));
    json_decref(recipe);
    return table;
}

bool gpuc__recipe_is_secret(const char *variable)
{
    json_t *table = variable_table();
    /* Without memory to look it up, nothing is shown. */
    bool secret =
        !table || json_is_true(json_object_get(json_object_get(table, variable), "secret"));
    json_decref(table);
    return secret;
}

static void add_file(gpuc__buf *out, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "recipe/sh/%s", name);
    const gpuc__data *data = gpuc__data_get(path);
    if (data)
        gpuc__buf_add(out, data->text, data->length);
    else
        out->failed = true;
}

static void add_assignment(gpuc__buf *out, const char *name, const char *value)
{
    gpuc__buf_puts(out, name);
    gpuc__buf_putc(out, '=');
    gpuc__quote_shell(out, value);
    gpuc__buf_putc(out, '\n');
}

static bool wants(const gpuc__recipe_step *step, const char *name, const json_t *row)
{
    if (json_is_true(json_object_get(row, "common")))
        return true;
    for (size_t i = 0; step->vars[i]; i++) {
        if (strcmp(step->vars[i], name) == 0)
            return true;
    }
    return false;
}

/* What becomes of a variable that is not known. People are told, and see no secret; to look and to
 * undo must be possible when little is known. */
typedef enum lack { LACK_IS_ERROR, LACK_IS_TOLD_TO_PEOPLE, LACK_IS_EMPTY } lack;

static int add_variables(gpuc__buf *out, const gpuc__recipe_step *step, const json_t *variables,
                         lack lacking, gpuc_error **err)
{
    json_t *table = variable_table();
    const char *name;
    json_t *row;
    bool for_people = lacking == LACK_IS_TOLD_TO_PEOPLE;
    int rc = table ? GPUC_OK : gpuc__error_nomem(err);
    json_object_foreach(table, name, row)
    {
        if (rc != GPUC_OK || !wants(step, name, row))
            continue;
        const char *value = json_string_value(json_object_get(variables, name));
        if (!value)
            value = json_string_value(json_object_get(row, "default"));
        if (for_people && json_is_true(json_object_get(row, "secret")))
            value = "[redacted]";
        if (!value && lacking == LACK_IS_EMPTY)
            value = "";
        if (value)
            add_assignment(out, name, value);
        else if (for_people)
            gpuc__buf_printf(out, "# %s is known once the machine is there.\n", name);
        else
            rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                                 "the step %s needs the variable %s, which is not set", step->id,
                                 name);
    }
    json_decref(table);
    return rc;
}

/* A caller's script becomes a function that feeds it, as one quoted word, to a sh of its own: whatever
 * is in it, it cannot reach out of there, and `exit` means what its author thought. */
static void add_custom(gpuc__buf *out, const gpuc__recipe_step *step)
{
    for (size_t i = 0; i < 3; i++) {
        gpuc__buf_printf(out, "%s() {\n", functions[i]);
        if (step->custom[i]) {
            gpuc__buf_puts(out, "    gpuc_rc=0\n    sh -c ");
            gpuc__quote_shell(out, step->custom[i]);
            gpuc__buf_puts(out, " || gpuc_rc=$?\n");
            /* Of a probe any status but 0 means that the effect is not there. */
            if (i == GPUC__RECIPE_PROBE)
                gpuc__buf_puts(out, "    [ \"$gpuc_rc\" -eq 0 ] || return 1\n");
            else
                gpuc__buf_puts(out, "    return \"$gpuc_rc\"\n");
        } else {
            gpuc__buf_puts(out, "    :\n");
        }
        gpuc__buf_puts(out, "}\n");
    }
}

static void add_fragments(gpuc__buf *out, const gpuc__recipe_step *step)
{
    for (size_t i = 0; step->uses[i]; i++)
        add_file(out, step->uses[i]);
    if (step->script)
        add_file(out, step->script);
    else
        add_custom(out, step);
}

static void add_exports(gpuc__buf *out)
{
    gpuc__buf_puts(out, "export GPUC_CLUSTER GPUC_MACHINE GPUC_ROLE GPUC_K8S_VERSION GPUC_GPUS\n");
}

static int finish(gpuc__buf *buf, char **out, gpuc_error **err)
{
    char *text = gpuc__buf_take(buf);
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
}

static int no_script(const gpuc__recipe_step *step, gpuc_error **err)
{
    if (step->script || step->custom[0])
        return GPUC_OK;
    return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE, "the step %s has no script",
                           step->id);
}

int gpuc__recipe_render(char **out, const gpuc__recipe_step *step, gpuc__recipe_function function,
                        const json_t *variables, gpuc_error **err)
{
    gpuc__buf buf = GPUC__BUF_INIT(MAX_TEXT);
    int rc = no_script(step, err);
    if (rc != GPUC_OK)
        return rc;
    /* One group: a text that was cut off is a syntax error and not half an act. */
    gpuc__buf_puts(&buf, "{\nset -eu\n");
    add_assignment(&buf, "GPUC_STEP", step->id);
    rc = add_variables(&buf, step, variables,
                       function == GPUC__RECIPE_ACT ? LACK_IS_ERROR : LACK_IS_EMPTY, err);
    if (rc == GPUC_OK) {
        add_file(&buf, "lib.sh");
        add_exports(&buf);
        add_fragments(&buf, step);
        if (function == GPUC__RECIPE_PROBE && !step->check)
            gpuc__buf_puts(&buf, "still_running </dev/null\n");
        gpuc__buf_printf(&buf, "%s </dev/null\nexit\n}\n", functions[function]);
        rc = finish(&buf, out, err);
    }
    gpuc__buf_clear(&buf);
    return rc;
}

int gpuc__recipe_render_probes(char **out, const gpuc__recipe_step *const *steps, size_t count,
                               const json_t *variables, gpuc_error **err)
{
    gpuc__buf buf = GPUC__BUF_INIT(MAX_TEXT);
    int rc = GPUC_OK;
    gpuc__buf_puts(&buf, "{\nset -eu\n");
    add_file(&buf, "lib.sh");
    add_file(&buf, "probes.sh");
    for (size_t i = 0; rc == GPUC_OK && i < count; i++) {
        rc = no_script(steps[i], err);
        if (rc != GPUC_OK)
            break;
        /* A function with a subshell for a body: definitions and `exit` stay inside. */
        gpuc__buf_puts(&buf, "gpuc_one() (\n");
        add_assignment(&buf, "GPUC_STEP", steps[i]->id);
        rc = add_variables(&buf, steps[i], variables, LACK_IS_EMPTY, err);
        add_exports(&buf);
        add_fragments(&buf, steps[i]);
        gpuc__buf_puts(&buf, steps[i]->check ? "" : "still_running </dev/null\n");
        gpuc__buf_puts(&buf, "probe </dev/null\n)\nprobe_one ");
        gpuc__quote_shell(&buf, steps[i]->id);
        gpuc__buf_putc(&buf, '\n');
    }
    gpuc__buf_puts(&buf, "exit 0\n}\n");
    if (rc == GPUC_OK)
        rc = finish(&buf, out, err);
    gpuc__buf_clear(&buf);
    return rc;
}

int gpuc__recipe_render_fragment(char **out, const char *fragment, gpuc_error **err)
{
    gpuc__buf buf = GPUC__BUF_INIT(MAX_TEXT);
    gpuc__buf_puts(&buf, "{\nset -eu\n");
    add_file(&buf, "lib.sh");
    add_file(&buf, fragment);
    gpuc__buf_puts(&buf, "probe </dev/null\nexit\n}\n");
    int rc = finish(&buf, out, err);
    gpuc__buf_clear(&buf);
    return rc;
}

char *gpuc__recipe_render_shell(const gpuc__recipe_step *step, const json_t *variables)
{
    gpuc__buf buf = GPUC__BUF_INIT(MAX_TEXT);
    if (!step->script && !step->custom[0])
        return NULL;
    gpuc__buf_puts(&buf, "( set -eu\n");
    add_assignment(&buf, "GPUC_STEP", step->id);
    if (add_variables(&buf, step, variables, LACK_IS_TOLD_TO_PEOPLE, NULL) != GPUC_OK)
        buf.failed = true;
    add_fragments(&buf, step);
    gpuc__buf_puts(&buf, step->check ? "probe\n)\n" : "act\n)\n");
    char *text = gpuc__buf_take(&buf);
    gpuc__buf_clear(&buf);
    return text;
}

const char *gpuc__recipe_shell_prelude(void)
{
    const gpuc__data *data = gpuc__data_get("recipe/sh/lib.sh");
    return data ? data->text : "";
}

int gpuc__recipe_render_runner(char **out, const gpuc__recipe_step *step,
                               gpuc__recipe_function function, const char *attempt,
                               const json_t *variables, const char *dir, gpuc_error **err)
{
    gpuc__buf buf = GPUC__BUF_INIT(2 * MAX_TEXT);
    const gpuc__data *runner = gpuc__data_get("recipe/runner.sh");
    const gpuc__data *wrap = gpuc__data_get("recipe/wrap.sh");
    char *script = NULL;
    char timeout[16];
    int rc = gpuc__recipe_render(&script, step, function, variables, err);
    if (rc == GPUC_OK && (!runner || !wrap))
        rc = gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE, "runner.sh is not built in");
    if (rc != GPUC_OK)
        goto done;
    snprintf(timeout, sizeof(timeout), "%u", step->timeout_s);
    gpuc__buf_puts(&buf, "{\nset -u\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
                         "/bin\nexport PATH LC_ALL=C\n");
    add_assignment(&buf, "GPUC_DIR", dir);
    add_assignment(&buf, "GPUC_ATTEMPT", attempt);
    add_assignment(&buf, "GPUC_STEP", step->id);
    add_assignment(&buf, "GPUC_FUNCTION", functions[function]);
    add_assignment(&buf, "GPUC_TIMEOUT", timeout);
    add_assignment(&buf, "GPUC_SCRIPT", script);
    add_assignment(&buf, "GPUC_WRAP", wrap->text);
    gpuc__buf_add(&buf, runner->text, runner->length);
    gpuc__buf_puts(&buf, "runner </dev/null\nexit 0\n}\n");
    rc = finish(&buf, out, err);
done:
    gpuc__free_secret(script);
    gpuc__buf_clear(&buf);
    return rc;
}

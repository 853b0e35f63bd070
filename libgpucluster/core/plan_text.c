/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as text for people, as shell, and as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"
#include "util/alloc.h"
#include "util/buf.h"

#define TEXT_MAX (256 * 1024 * 1024)
#define NAMED 3 /* machines named one by one in a row */

static const struct {
    int verdict;
    const char *name;
    const char *mark;
} verdicts[] = {
    {GPUC_STEP_NEEDED, "needed", "+"},   {GPUC_STEP_PRESENT, "present", " "},
    {GPUC_STEP_SKIPPED, "skipped", "-"}, {GPUC_STEP_UNKNOWN, "unknown", "?"},
    {GPUC_STEP_CHECK, "check", "*"},
};
#define VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

static size_t verdict_index(int verdict)
{
    size_t i = 0;

    while (i + 1 < VERDICTS && verdicts[i].verdict != verdict)
        i++;
    return i;
}

/* A row of the table: equal steps of one or more machines. */
typedef struct row {
    const gpuc_step *step;       /* the first of them */
    const char *machines[NAMED]; /* the first few */
    const char *last;
    size_t count;
    bool differs; /* the details of the others are not the first's */
    char *key;
} row;

static void add_machine(row *r, const gpuc_step *step)
{
    const char *name = step->machine ? step->machine : "cluster";

    if (r->count < NAMED)
        r->machines[r->count] = name;
    if (strcmp(step->detail, r->step->detail) != 0)
        r->differs = true;
    r->last = name;
    r->count++;
}

static void free_rows(row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gpuc__free(rows[i].key);
    gpuc__free(rows);
}

/* Groups steps that differ in their machine and detail only, in the order of their first. */
static row *group(const gpuc_plan *plan, size_t *count)
{
    row *rows = gpuc__calloc(plan->count ? plan->count : 1, sizeof(*rows));
    gpuc__map seen = {0};
    size_t n = 0;
    bool ok = rows != NULL;

    for (size_t i = 0; ok && i < plan->count; i++) {
        const gpuc_step *step = &plan->steps[i];
        char *key = gpuc__asprintf("%s\n%d\n%s", step->id, step->verdict, step->title);
        row *r = key ? gpuc__map_get(&seen, key) : NULL;

        ok = key != NULL;
        if (ok && !r) {
            r = &rows[n++];
            r->step = step;
            r->key = key;
            ok = gpuc__map_put(&seen, key, r);
        } else {
            gpuc__free(key);
        }
        if (ok)
            add_machine(r, step);
    }
    gpuc__map_clear(&seen);
    if (!ok) {
        free_rows(rows, n);
        return NULL;
    }
    *count = n;
    return rows;
}

static void put_machines(gpuc__buf *out, const row *r)
{
    for (size_t i = 0; i < r->count && i < NAMED; i++)
        gpuc__buf_printf(out, "%s%s", i ? ", " : "", r->machines[i]);
    if (r->count == NAMED + 1)
        gpuc__buf_printf(out, ", %s", r->last);
    else if (r->count > NAMED)
        gpuc__buf_printf(out, " … %s (%zu)", r->last, r->count);
}

/* Columns as a terminal shows them: bytes that continue a UTF-8 sequence take no place. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void put_cell(gpuc__buf *out, const char *text, size_t columns)
{
    size_t used = width(text);

    gpuc__buf_puts(out, text);
    while (used++ < columns + 2)
        gpuc__buf_putc(out, ' ');
}

/* What it does and why; not again what the row above says already: a machine that cannot be reached
 * is the reason of all its steps. */
static void put_what(gpuc__buf *out, const row *r, const row *above)
{
    const char *detail = r->step->detail;

    gpuc__buf_puts(out, r->step->title);
    if (*detail && !(above && strcmp(above->step->detail, detail) == 0))
        gpuc__buf_printf(out, " (%s%s)", detail, r->differs ? "; others differ" : "");
    gpuc__buf_putc(out, '\n');
}

/* The provider's words, each line after `mark`. */
static void put_provider(gpuc__buf *out, const gpuc_plan *plan, const char *mark)
{
    const char *text = json_string_value(json_object_get(plan->provider, "text"));
    size_t length;

    for (; text && *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        gpuc__buf_printf(out, "%s%.*s\n", mark, (int)length, text);
    }
}

static void put_summary(gpuc__buf *out, const gpuc_plan *plan)
{
    size_t counts[VERDICTS] = {0};
    const char *separator = "";

    for (size_t i = 0; i < plan->count; i++)
        counts[verdict_index(plan->steps[i].verdict)]++;
    gpuc__buf_printf(out, "\n%s: %zu steps: ", plan->cluster, plan->count);
    for (size_t i = 0; i < VERDICTS; i++) {
        if (counts[i]) {
            gpuc__buf_printf(out, "%s%zu %s", separator, counts[i], verdicts[i].name);
            separator = ", ";
        }
    }
    gpuc__buf_puts(out, gpuc_plan_changes(plan) ? "\n" : "; nothing to do\n");
    put_provider(out, plan, "");
}

char *gpuc_plan_to_text(const gpuc_plan *plan)
{
    gpuc__buf out = GPUC__BUF_INIT(TEXT_MAX), machines = GPUC__BUF_INIT(TEXT_MAX);
    size_t count = 0, id_width = 4, machine_width = 8;
    row *rows = group(plan, &count);

    if (!rows)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t w;

        gpuc__buf_reset(&machines);
        put_machines(&machines, &rows[i]);
        w = width(gpuc__buf_text(&machines));
        machine_width = w > machine_width ? w : machine_width;
        w = width(rows[i].step->id);
        id_width = w > id_width ? w : id_width;
    }
    gpuc__buf_puts(&out, "  ");
    put_cell(&out, "VERDICT", 7);
    put_cell(&out, "STEP", id_width);
    put_cell(&out, "MACHINES", machine_width);
    gpuc__buf_puts(&out, "WHAT\n");
    for (size_t i = 0; i < count; i++) {
        const gpuc_step *step = rows[i].step;
        size_t v = verdict_index(step->verdict);

        gpuc__buf_reset(&machines);
        put_machines(&machines, &rows[i]);
        gpuc__buf_printf(&out, "%s ", verdicts[v].mark);
        put_cell(&out, verdicts[v].name, 7);
        put_cell(&out, step->id, id_width);
        put_cell(&out, gpuc__buf_text(&machines), machine_width);
        put_what(&out, &rows[i], i ? &rows[i - 1] : NULL);
    }
    put_summary(&out, plan);
    if (machines.failed)
        out.failed = true;
    gpuc__buf_clear(&machines);
    free_rows(rows, count);
    return gpuc__buf_take(&out);
}

static const char *machine_name(const gpuc_step *step)
{
    return step->machine ? step->machine : "cluster";
}

char *gpuc_plan_to_shell(const gpuc_plan *plan)
{
    gpuc__buf out = GPUC__BUF_INIT(TEXT_MAX);

    gpuc__buf_printf(&out, "# The steps of %s in order, with their exact commands.\n",
                     plan->cluster);
    put_provider(&out, plan, "# ");
    for (size_t i = 0; i < plan->count; i++) {
        const gpuc_step *step = &plan->steps[i];

        gpuc__buf_printf(&out, "\n# [%zu] %s on %s: %s\n# %s%s%s\n", i + 1, step->id,
                         machine_name(step), step->title,
                         verdicts[verdict_index(step->verdict)].name, *step->detail ? ": " : "",
                         step->detail);
        if (!step->shell) {
            gpuc__buf_puts(&out, "# (no commands: done by the library itself)\n");
            continue;
        }
        gpuc__buf_puts(&out, step->shell->text);
        if (*step->shell->text && step->shell->text[strlen(step->shell->text) - 1] != '\n')
            gpuc__buf_putc(&out, '\n');
    }
    return gpuc__buf_take(&out);
}

static json_t *after_to_json(const gpuc_plan *plan, const gpuc_step *step)
{
    json_t *after = json_array();

    for (size_t i = 0; i < step->after_count; i++) {
        const gpuc_step *before = &plan->steps[step->after[i]];
        json_t *name = before->machine ? json_sprintf("%s/%s", before->machine, before->id)
                                       : json_string(before->id);

        if (json_array_append_new(after, name) != 0) {
            json_decref(after);
            return NULL;
        }
    }
    return after;
}

char *gpuc_plan_to_json(const gpuc_plan *plan)
{
    json_t *root = json_pack("{s:s, s:I, s:[]}", "cluster", plan->cluster, "changes",
                             (json_int_t)gpuc_plan_changes(plan), "steps");
    json_t *steps = root ? json_object_get(root, "steps") : NULL;
    char *dump = NULL, *text;

    for (size_t i = 0; steps && i < plan->count; i++) {
        const gpuc_step *step = &plan->steps[i];
        json_t *item =
            json_pack("{s:s, s:s?, s:s, s:s, s:s, s:o}", "id", step->id, "machine", step->machine,
                      "title", step->title, "verdict", verdicts[verdict_index(step->verdict)].name,
                      "detail", step->detail, "after", after_to_json(plan, step));

        if (json_array_append_new(steps, item) != 0)
            steps = NULL;
    }
    /* A copy: plans are shared between threads, and so are no counts of references. */
    if (steps && plan->provider &&
        json_object_set_new(root, "provider", json_deep_copy(plan->provider)) != 0)
        steps = NULL;
    if (steps)
        dump = json_dumps(root, JSON_INDENT(2));
    text = gpuc__strdup(dump);
    free(dump); /* jansson's own memory */
    json_decref(root);
    return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What should be the same on all machines: driver, CUDA, kernel, GPU model, and of each model its
 * VBIOS. A machine that differs is not broken, but it is what one looks at first. */
#include <stdio.h>
#include <string.h>

#include "gpu/report/report_internal.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/put.h"

#define ID "fleet.uniform"
#define NAMES_MAX 4 /* of the machines with one odd value */

static void *grown(void *list, size_t count, size_t size)
{
    return gpuc__realloc(list, (count + 1) * size);
}

static gpuc__fleet_fact *fact_of(gpuc_report *report, const char *name, const char *of)
{
    gpuc__fleet_fact *list, *fact;

    for (size_t i = 0; i < report->fact_count; i++) {
        fact = &report->facts[i];
        if (strcmp(fact->name, name) == 0 && (!of || strcmp(fact->of, of) == 0))
            return fact;
    }
    list = grown(report->facts, report->fact_count, sizeof(*list));
    if (!list)
        return NULL;
    report->facts = list;
    fact = &list[report->fact_count];
    *fact = (gpuc__fleet_fact){.name = name, .of = gpuc__strdup(of)};
    if (of && !fact->of)
        return NULL;
    report->fact_count++;
    return fact;
}

static gpuc__fleet_value *value_of(gpuc__fleet_fact *fact, const char *text)
{
    gpuc__fleet_value *list, *value;

    for (size_t i = 0; i < fact->count; i++) {
        if (strcmp(fact->values[i].text, text) == 0)
            return &fact->values[i];
    }
    list = grown(fact->values, fact->count, sizeof(*list));
    if (!list)
        return NULL;
    fact->values = list;
    value = &list[fact->count];
    *value = (gpuc__fleet_value){.text = gpuc__proof_text(text, 128)};
    if (!value->text)
        return NULL;
    fact->count++;
    return value;
}

/* One machine has that value, which is not known when it is NULL or empty. false without memory. */
static bool note(gpuc_report *report, size_t machine, const char *name, const char *of,
                 const char *text)
{
    gpuc__fleet_fact *fact;
    gpuc__fleet_value *value;
    size_t *list;

    if (!text || !*text)
        return true;
    fact = fact_of(report, name, of);
    value = fact ? value_of(fact, text) : NULL;
    if (!value)
        return false;
    if (value->count && value->machines[value->count - 1] == machine)
        return true;
    list = grown(value->machines, value->count, sizeof(*list));
    if (!list)
        return false;
    value->machines = list;
    list[value->count++] = machine;
    return true;
}

static bool note_machine(gpuc_report *report, size_t at)
{
    const gpuc__machine_proof *m = report->machines[at];
    bool ok = note(report, at, "driver", NULL, m->driver) &&
              note(report, at, "cuda", NULL, m->cuda) &&
              note(report, at, "kernel", NULL, m->kernel);

    for (size_t i = 0; ok && i < m->gpu_count; i++) {
        const gpuc__proof_gpu *g = &m->gpus[i];

        ok = note(report, at, "model", NULL, g->product) &&
             (!g->product ||
              note(report, at, "vbios", g->product, g->vbios));
    }
    return ok;
}

/* What most have comes first; equals stay in their order. */
static void sort_values(gpuc__fleet_fact *fact)
{
    for (size_t i = 1; i < fact->count; i++) {
        gpuc__fleet_value value = fact->values[i];
        size_t k = i;

        for (; k > 0 && fact->values[k - 1].count < value.count; k--)
            fact->values[k] = fact->values[k - 1];
        fact->values[k] = value;
    }
}

static void tell_names(gpuc__buf *out, const gpuc_report *report, const gpuc__fleet_value *value)
{
    for (size_t i = 0; i < value->count && i < NAMES_MAX; i++)
        gpuc__buf_printf(out, "%s%s", i ? " " : "", report->machines[value->machines[i]]->name);
    if (value->count > NAMES_MAX)
        gpuc__buf_printf(out, " and %zu more", value->count - NAMES_MAX);
}

/* "driver: 580.1 on 7 machines, 570.2 on gpu-3"; without a majority all are named. */
static void tell_fact(gpuc__buf *out, const gpuc_report *report, const gpuc__fleet_fact *fact)
{
    bool majority = fact->values[0].count > fact->values[1].count;

    gpuc__buf_printf(out, "%s%s%s%s: ", out->length ? "; " : "", fact->name, fact->of ? " of " : "",
                     fact->of ? fact->of : "");
    for (size_t i = 0; i < fact->count; i++) {
        const gpuc__fleet_value *value = &fact->values[i];

        gpuc__buf_printf(out, "%s%s on ", i ? ", " : "", value->text);
        if (i == 0 && majority)
            gpuc__buf_printf(out, "%zu machines", value->count);
        else
            tell_names(out, report, value);
    }
}

static int set_check(gpuc_report *report, gpuc_error **err)
{
    gpuc__buf odd = GPUC__BUF_INIT(1 << 20), equal = GPUC__BUF_INIT(4096);
    int rc;

    for (size_t i = 0; i < report->fact_count; i++) {
        if (report->facts[i].count > 1)
            tell_fact(&odd, report, &report->facts[i]);
        else if (!report->facts[i].of)
            gpuc__buf_printf(&equal, "%s%s", equal.length ? ", " : "", report->facts[i].name);
    }
    if (report->count < 2 || (!odd.length && !equal.length))
        rc = gpuc__proof_set(report->fleet, ID, NULL, GPUC_CHECK_SKIP,
                             report->count < 2 ? "there are no two machines to compare"
                                               : "no machine said what it has",
                             NULL, NULL, NULL, err);
    else if (odd.length)
        rc = gpuc__proof_set(report->fleet, ID, NULL, GPUC_CHECK_WARN, gpuc__buf_text(&odd), NULL,
                             NULL, NULL, err);
    else
        rc = gpuc__proof_set(report->fleet, ID, NULL, GPUC_CHECK_PASS, gpuc__buf_text(&equal), NULL,
                             NULL, NULL, err);
    gpuc__proof_set_idle(report->fleet, ID, NULL);
    gpuc__buf_clear(&odd);
    gpuc__buf_clear(&equal);
    return rc;
}

int gpuc__fleet_compare(gpuc_report *report, gpuc__rules *rules, gpuc_error **err)
{
    gpuc__fleet_free(report);
    if (!rules && report->count)
        rules = report->machines[0]->rules;
    report->fleet = gpuc__proof_new("", rules, err);
    if (!report->fleet)
        return err && *err ? gpuc_error_code(*err) : GPUC_ENOMEM;
    for (size_t i = 0; i < report->count; i++) {
        if (!note_machine(report, i))
            return gpuc__error_nomem(err);
    }
    for (size_t i = 0; i < report->fact_count; i++)
        sort_values(&report->facts[i]);
    return report->count ? set_check(report, err) : GPUC_OK;
}

void gpuc__fleet_free(gpuc_report *report)
{
    for (size_t i = 0; i < report->fact_count; i++) {
        gpuc__fleet_fact *fact = &report->facts[i];

        for (size_t k = 0; k < fact->count; k++) {
            gpuc__free(fact->values[k].text);
            gpuc__free(fact->values[k].machines);
        }
        gpuc__free(fact->values);
        gpuc__free(fact->of);
    }
    gpuc__free(report->facts);
    gpuc__proof_free(report->fleet);
    report->facts = NULL;
    report->fact_count = 0;
    report->fleet = NULL;
}

static void put_fact(gpuc__buf *out, const gpuc_report *report, const gpuc__fleet_fact *fact)
{
    gpuc__put_open(out, NULL, '{');
    gpuc__put_text(out, "fact", fact->name);
    gpuc__put_text(out, "of", fact->of);
    gpuc__put_bool(out, "uniform", fact->count == 1);
    gpuc__put_open(out, "values", '[');
    for (size_t i = 0; i < fact->count; i++) {
        const gpuc__fleet_value *value = &fact->values[i];

        gpuc__put_open(out, NULL, '{');
        gpuc__put_text(out, "value", value->text);
        gpuc__put_open(out, "machines", '[');
        for (size_t k = 0; k < value->count; k++)
            gpuc__put_text(out, NULL, report->machines[value->machines[k]]->name);
        gpuc__put_close(out, ']');
        gpuc__put_close(out, '}');
    }
    gpuc__put_close(out, ']');
    gpuc__put_close(out, '}');
}

void gpuc__fleet_put(gpuc__buf *out, const gpuc_report *report, int indent)
{
    static const gpuc__machine_proof nothing = {0};

    gpuc__put_open(out, "fleet", '{');
    gpuc__put_open(out, "facts", '[');
    for (size_t i = 0; i < report->fact_count; i++) {
        gpuc__put_row(out, indent);
        put_fact(out, report, &report->facts[i]);
    }
    gpuc__put_close(out, ']');
    gpuc__proof_put_checks(out, report->fleet ? report->fleet : &nothing, indent);
    gpuc__put_close(out, '}');
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report: the proofs of a cluster's machines, as JSON and as a table. */
#include "gpu/report.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define TEXT_MAX_BYTES (16u * 1024 * 1024)
#define COLUMNS 8
#define CELL 96

struct gpuc_report {
    atomic_int refs;
    char *cluster;
    gpuc__machine_proof **machines; /* by name */
    size_t count;
};

gpuc_report *gpuc__report_new(const char *cluster)
{
    gpuc_report *report = gpuc__calloc(1, sizeof(*report));

    if (!report)
        return NULL;
    atomic_init(&report->refs, 1);
    report->cluster = gpuc__strdup(cluster);
    if (!report->cluster)
        return gpuc_report_unref(report);
    return report;
}

gpuc_report *gpuc_report_ref(gpuc_report *report)
{
    atomic_fetch_add(&report->refs, 1);
    return report;
}

gpuc_report *gpuc_report_unref(gpuc_report *report)
{
    if (report && atomic_fetch_sub(&report->refs, 1) == 1) {
        for (size_t i = 0; i < report->count; i++)
            gpuc__proof_free(report->machines[i]);
        gpuc__free(report->machines);
        gpuc__free(report->cluster);
        gpuc__free(report);
    }
    return NULL;
}

gpuc__machine_proof *gpuc__report_machine(gpuc_report *report, const char *name)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->machines[i]->name, name) == 0)
            return report->machines[i];
    }
    return NULL;
}

int gpuc__report_add_machine(gpuc_report *report, gpuc__machine_proof *proof, gpuc_error **err)
{
    gpuc__machine_proof **list;
    size_t at = 0;

    while (at < report->count && strcmp(report->machines[at]->name, proof->name) < 0)
        at++;
    if (at < report->count && strcmp(report->machines[at]->name, proof->name) == 0) {
        gpuc__proof_free(report->machines[at]);
        report->machines[at] = proof;
        return GPUC_OK;
    }
    list = gpuc__realloc(report->machines, (report->count + 1) * sizeof(*list));
    if (!list) {
        gpuc__proof_free(proof);
        return gpuc__error_nomem(err);
    }
    report->machines = list;
    memmove(list + at + 1, list + at, (report->count - at) * sizeof(*list));
    list[at] = proof;
    report->count++;
    return GPUC_OK;
}

int gpuc__report_machine_verdict(const gpuc_report *report, const char *name)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->machines[i]->name, name) == 0)
            return gpuc__proof_verdict(report->machines[i]);
    }
    return -1;
}

int gpuc_report_verdict(const gpuc_report *report)
{
    int worst = GPUC_CHECK_PASS;

    for (size_t i = 0; i < report->count; i++) {
        int verdict = gpuc__proof_verdict(report->machines[i]);

        worst = verdict > worst ? verdict : worst;
    }
    return worst;
}

int gpuc_report_simulated(const gpuc_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->machines[i]->simulated)
            return 1;
    }
    return 0;
}

char *gpuc_report_to_json(const gpuc_report *report)
{
    json_t *machines = json_array(), *root = NULL;
    char *dump = NULL, *text;
    int failed = !machines;

    for (size_t i = 0; i < report->count; i++)
        failed |= json_array_append_new(machines, gpuc__proof_to_json(report->machines[i]));
    root = json_pack("{s:s, s:s, s:b, s:o}", "cluster", report->cluster, "verdict",
                     gpuc__check_status_name(gpuc_report_verdict(report)), "simulated",
                     gpuc_report_simulated(report), "machines", machines);
    if (!failed && root)
        dump = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    text = gpuc__strdup(dump);
    free(dump); /* jansson's own memory */
    json_decref(root);
    return text;
}

typedef struct row {
    char cell[COLUMNS][CELL];
} row;

typedef struct table {
    row *rows;
    size_t count;
    bool failed;
} table;

static row *add_row(table *t)
{
    row *rows = t->failed ? NULL : gpuc__realloc(t->rows, (t->count + 1) * sizeof(*rows));

    if (!rows) {
        t->failed = true;
        return NULL;
    }
    t->rows = rows;
    memset(&rows[t->count], 0, sizeof(*rows));
    return &rows[t->count++];
}

static void set(row *r, int column, const char *text)
{
    snprintf(r->cell[column], CELL, "%s", text && *text ? text : "-");
}

static const char *verdict_word(int status)
{
    static const char *const words[] = {"PASS", "SKIP", "WARN", "FAIL"};

    return words[status];
}

/* "9 pass, 1 fail", and the worst of them: the machine's own checks count for each of its GPUs. */
static int count_checks(char *out, size_t size, const gpuc__machine_proof *m,
                        const gpuc__proof_gpu *g)
{
    int counts[4] = {0, 0, 0, 0}, worst = GPUC_CHECK_PASS;
    size_t length = 0;

    for (size_t i = 0; i < m->check_count; i++) {
        const gpuc__check *c = &m->checks[i];

        if (c->idle || (g && c->gpu && gpuc__proof_gpu_of(m, c->gpu) != g))
            continue;
        counts[c->status]++;
        worst = c->status > worst ? c->status : worst;
    }
    out[0] = '\0';
    for (int s = 0; s < 4; s++) {
        if (counts[s] && length < size)
            length += (size_t)snprintf(out + length, size - length, "%s%d %s", length ? ", " : "",
                                       counts[s], gpuc__check_status_name(s));
    }
    return worst;
}

static void fill_row(row *r, const gpuc__machine_proof *m, size_t index)
{
    const gpuc__proof_gpu *g = index < m->gpu_count ? &m->gpus[index] : NULL;
    char text[CELL], checks[CELL];
    int worst = count_checks(checks, sizeof(checks), m, g);

    set(r, 0, m->name);
    if (g && g->index >= 0)
        snprintf(text, sizeof(text), "%d %.64s", g->index, g->product ? g->product : "?");
    else
        snprintf(text, sizeof(text), "? %.64s", g && g->product ? g->product : "?");
    set(r, 1, g ? text : "-");
    set(r, 2, g ? g->uuid ? g->uuid : g->bus : NULL);
    set(r, 3, m->driver);
    set(r, 4, m->cuda);
    snprintf(text, sizeof(text), "%.0f MiB", g ? g->memory_mib : 0);
    set(r, 5, g && g->memory_mib >= 0 ? text : NULL);
    set(r, 6, checks);
    snprintf(text, sizeof(text), "%s%s", verdict_word(worst),
             m->simulated ? " SIMULATED GPU" : "");
    set(r, 7, text);
}

static void print_rows(gpuc__buf *out, const table *t)
{
    size_t width[COLUMNS] = {0};

    for (size_t i = 0; i < t->count; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            size_t n = strlen(t->rows[i].cell[c]);

            width[c] = n > width[c] ? n : width[c];
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        for (int c = 0; c < COLUMNS - 1; c++)
            gpuc__buf_printf(out, "%-*s  ", (int)width[c], t->rows[i].cell[c]);
        gpuc__buf_printf(out, "%s\n", t->rows[i].cell[COLUMNS - 1]);
    }
}

static void print_check(gpuc__buf *out, const gpuc__machine_proof *m, const gpuc__check *c)
{
    gpuc__buf_printf(out, "%s %s %s%s%s: %s (wanted: %s)\n", verdict_word(c->status), m->name,
                     c->id, c->gpu ? " " : "", c->gpu ? c->gpu : "", c->observed, c->threshold);
    if (c->remedy)
        gpuc__buf_printf(out, "    remedy: %s\n", c->remedy);
}

/* Worst first; checks that do not apply are left to the JSON. */
static void print_problems(gpuc__buf *out, const gpuc_report *report)
{
    for (int status = GPUC_CHECK_FAIL; status > GPUC_CHECK_PASS; status--) {
        for (size_t i = 0; i < report->count; i++) {
            const gpuc__machine_proof *m = report->machines[i];

            for (size_t k = 0; k < m->check_count; k++) {
                if (m->checks[k].status == status && !m->checks[k].idle)
                    print_check(out, m, &m->checks[k]);
            }
        }
    }
}

char *gpuc_report_to_text(const gpuc_report *report)
{
    static const char *const heads[COLUMNS] = {"MACHINE", "GPU",    "UUID/BUS", "DRIVER",
                                               "CUDA",    "MEMORY", "CHECKS",   "VERDICT"};
    gpuc__buf out = GPUC__BUF_INIT(TEXT_MAX_BYTES);
    table t = {NULL, 0, false};
    row *r = add_row(&t);

    for (int c = 0; r && c < COLUMNS; c++)
        set(r, c, heads[c]);
    for (size_t i = 0; i < report->count; i++) {
        const gpuc__machine_proof *m = report->machines[i];

        for (size_t g = 0; g < m->gpu_count || g == 0; g++) {
            r = add_row(&t);
            if (r)
                fill_row(r, m, g);
        }
    }
    if (gpuc_report_simulated(report))
        gpuc__buf_puts(&out, "SIMULATED GPU: at least one GPU below is a stand-in\n");
    print_rows(&out, &t);
    print_problems(&out, report);
    if (t.failed)
        out.failed = true;
    gpuc__free(t.rows);
    return gpuc__buf_take(&out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report: the proofs of a cluster's machines, and how they compare. */
#include <string.h>

#include "gpu/report/report_internal.h"
#include "util/alloc.h"
#include "util/data.h"
#include "util/error.h"

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
        gpuc__fleet_free(report);
        gpuc__free(report->cluster);
        gpuc__free(report);
    }
    return NULL;
}

/* The first machine whose name does not come before that one. */
static size_t place_of(const gpuc_report *report, const char *name)
{
    size_t low = 0, high = report->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(report->machines[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const gpuc_report *report, size_t at, const char *name)
{
    return at < report->count && strcmp(report->machines[at]->name, name) == 0;
}

gpuc__machine_proof *gpuc__report_machine(gpuc_report *report, const char *name)
{
    size_t at = place_of(report, name);

    return is_at(report, at, name) ? report->machines[at] : NULL;
}

int gpuc__report_add_machine(gpuc_report *report, gpuc__machine_proof *proof, gpuc_error **err)
{
    gpuc__machine_proof **list;
    size_t at = place_of(report, proof->name);

    if (is_at(report, at, proof->name)) {
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

int gpuc__report_finish(gpuc_report *report, gpuc__rules *rules, gpuc_error **err)
{
    return gpuc__fleet_compare(report, rules, err);
}

int gpuc__report_machine_verdict(const gpuc_report *report, const char *name)
{
    size_t at = place_of(report, name);

    return is_at(report, at, name) ? gpuc__proof_verdict(report->machines[at]) : -1;
}

int gpuc_report_verdict(const gpuc_report *report)
{
    int worst = report->fleet ? gpuc__proof_verdict(report->fleet) : GPUC_CHECK_PASS;

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

static void count_checks(gpuc__report_counts *out, const gpuc__machine_proof *proof)
{
    for (size_t i = 0; i < proof->check_count; i++) {
        if (proof->checks[i].idle)
            out->idle++;
        else
            out->status[proof->checks[i].status]++;
    }
}

void gpuc__report_count_all(gpuc__report_counts *out, const gpuc_report *report)
{
    memset(out, 0, sizeof(*out));
    if (report->fleet)
        count_checks(out, report->fleet);
    for (size_t i = 0; i < report->count; i++) {
        out->gpus += report->machines[i]->gpu_count;
        count_checks(out, report->machines[i]);
    }
}

int gpuc_report_count(const gpuc_report *report, int status)
{
    gpuc__report_counts counts;

    if (status < GPUC_CHECK_PASS || status > GPUC_CHECK_FAIL)
        return 0;
    gpuc__report_count_all(&counts, report);
    return (int)counts.status[status];
}

void gpuc__report_times(const gpuc_report *report, int64_t *started_ms, int64_t *finished_ms)
{
    *started_ms = *finished_ms = 0;
    for (size_t i = 0; i < report->count; i++) {
        const gpuc__machine_proof *m = report->machines[i];

        if (m->started_ms && (!*started_ms || m->started_ms < *started_ms))
            *started_ms = m->started_ms;
        if (m->finished_ms > *finished_ms)
            *finished_ms = m->finished_ms;
    }
}

const char *gpuc__check_status_word(int status)
{
    static const char *const words[] = {"PASS", "SKIP", "WARN", "FAIL"};

    return words[status];
}

void gpuc__check_gpu_name(gpuc__buf *out, const gpuc__machine_proof *proof, const gpuc__check *check)
{
    const gpuc__proof_gpu *g = gpuc__proof_gpu_of(proof, check->gpu);

    if (!check->gpu)
        return;
    if (g && g->index >= 0)
        gpuc__buf_printf(out, "GPU %d", g->index);
    else
        gpuc__buf_printf(out, "GPU %s", g && g->bus ? g->bus : check->gpu);
    if (g && g->index >= 0 && strncmp(check->gpu, "MIG-", 4) == 0)
        gpuc__buf_printf(out, " %s", check->gpu);
}

char *gpuc__report_text(gpuc__buf *out, int rc)
{
    char *text = rc == GPUC_OK ? gpuc__buf_take(out) : NULL;

    gpuc__buf_clear(out);
    return text;
}

const char *gpuc_report_schema(void)
{
    return gpuc__data_get("gpu/report/report.schema.json")->text;
}

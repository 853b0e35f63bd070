/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu/report/view.h"

#include <string.h>

#include "util/rfc3339.h"

bool gpuc__view_put(const gpuc__view_value *table, const gpuc__view *v, const char *name,
                    gpuc__buf *out)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0) {
            table->put(v, out);
            return true;
        }
    }
    return false;
}

bool gpuc__view_item(const gpuc__view_list *table, bool *there, gpuc__view *v, const char *name,
                     size_t index)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0) {
            *there = table->item(v, index);
            return true;
        }
    }
    return false;
}

int gpuc__view_gpu_status(const gpuc__machine_proof *machine, const gpuc__proof_gpu *gpu)
{
    int worst = -1;

    for (size_t i = 0; i < machine->check_count; i++) {
        const gpuc__check *c = &machine->checks[i];

        if (!c->idle && c->status > worst && gpuc__proof_is_of(machine, c, gpu))
            worst = c->status;
    }
    return worst < 0 ? GPUC_CHECK_SKIP : worst;
}

static void put_text(gpuc__buf *out, const char *text)
{
    gpuc__buf_puts(out, text ? text : "");
}

static void put_count(gpuc__buf *out, size_t count)
{
    gpuc__buf_printf(out, "%zu", count);
}

static void put_seconds(gpuc__buf *out, int64_t started, int64_t finished)
{
    int64_t ms = started && finished > started ? finished - started : 0;

    gpuc__buf_printf(out, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

/* --- the report */

static void cluster(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->report->cluster);
}

static void library(const gpuc__view *v, gpuc__buf *out)
{
    (void)v;
    put_text(out, gpuc_version());
}

static void tests(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__report_counts n;

    gpuc__report_count_all(&n, v->report);
    put_count(out, n.status[0] + n.status[1] + n.status[2] + n.status[3] + n.idle);
}

static void put_status_count(const gpuc__view *v, gpuc__buf *out, int status)
{
    put_count(out, (size_t)gpuc_report_count(v->report, status));
}

static void fail_count(const gpuc__view *v, gpuc__buf *out)
{
    put_status_count(v, out, GPUC_CHECK_FAIL);
}

static void warn_count(const gpuc__view *v, gpuc__buf *out)
{
    put_status_count(v, out, GPUC_CHECK_WARN);
}

static void skip_count(const gpuc__view *v, gpuc__buf *out)
{
    put_status_count(v, out, GPUC_CHECK_SKIP);
}

static void pass_count(const gpuc__view *v, gpuc__buf *out)
{
    put_status_count(v, out, GPUC_CHECK_PASS);
}

static void skipped(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__report_counts n;

    gpuc__report_count_all(&n, v->report);
    put_count(out, n.status[GPUC_CHECK_SKIP] + n.idle);
}

static void seconds(const gpuc__view *v, gpuc__buf *out)
{
    int64_t started, finished;

    gpuc__report_times(v->report, &started, &finished);
    put_seconds(out, started, finished);
}

/* --- a suite: a machine, or the fleet */

static void suite(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->machine_at == GPUC__FLEET ? "fleet" : v->machine->name);
}

static void suite_tests(const gpuc__view *v, gpuc__buf *out)
{
    put_count(out, v->machine->check_count);
}

static size_t count_of(const gpuc__machine_proof *m, int status)
{
    size_t n = 0;

    for (size_t i = 0; i < m->check_count; i++)
        n += m->checks[i].status == status;
    return n;
}

static void suite_failures(const gpuc__view *v, gpuc__buf *out)
{
    put_count(out, count_of(v->machine, GPUC_CHECK_FAIL));
}

static void suite_skipped(const gpuc__view *v, gpuc__buf *out)
{
    put_count(out, count_of(v->machine, GPUC_CHECK_SKIP));
}

static void suite_seconds(const gpuc__view *v, gpuc__buf *out)
{
    put_seconds(out, v->machine->started_ms, v->machine->finished_ms);
}

static void suite_started(const gpuc__view *v, gpuc__buf *out)
{
    char text[GPUC__RFC3339_SIZE];

    put_text(out, gpuc__rfc3339(text, v->machine->started_ms));
}

static void suite_verdict(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, gpuc__check_status_name(gpuc__proof_verdict(v->machine)));
}

static void machine_simulated_word(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->machine->simulated ? "true" : "false");
}

static void driver(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->machine->driver);
}

static void cuda(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->machine->cuda);
}

static void kernel(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->machine->kernel);
}

/* "2 x Tesla T4, 1 x NVIDIA A40" */
static void gpu_list(const gpuc__view *v, gpuc__buf *out)
{
    const gpuc__machine_proof *m = v->machine;
    const char *before = "";

    for (size_t i = 0; i < m->gpu_count; i++) {
        const char *product = m->gpus[i].product ? m->gpus[i].product : "unknown GPU";
        size_t same = 0;
        bool first = true;

        for (size_t k = 0; k < m->gpu_count; k++) {
            const char *other = m->gpus[k].product ? m->gpus[k].product : "unknown GPU";

            same += strcmp(product, other) == 0;
            first = first && !(k < i && strcmp(product, other) == 0);
        }
        if (first)
            gpuc__buf_printf(out, "%s%zu x %s", before, same, product);
        before = ", ";
    }
    if (!m->gpu_count)
        gpuc__buf_puts(out, "no GPU seen");
}

/* --- a check */

static void id(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->check->id);
}

static void title(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->check->rule->title);
}

static void source(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->check->rule->source);
}

static void gpu(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__check_gpu_name(out, v->machine, v->check);
}

static void gpu_names(const gpuc__view *v, gpuc__buf *out)
{
    const gpuc__proof_gpu *g = gpuc__proof_gpu_of(v->machine, v->check->gpu);

    put_text(out, v->check->gpu);
    if (g && g->bus && strcmp(g->bus, v->check->gpu) != 0)
        gpuc__buf_printf(out, " at %s", g->bus);
}

static void observed(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->check->observed);
}

static void threshold(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->check->threshold);
}

static void remedy(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->check->remedy ? v->check->remedy : "-");
}

static void evidence(const gpuc__view *v, gpuc__buf *out)
{
    put_text(out, v->check->evidence);
}

const gpuc__view_value gpuc__view_values[] = {
    {"cluster", cluster},
    {"library", library},
    {"tests", tests},
    {"fail_count", fail_count},
    {"warn_count", warn_count},
    {"skip_count", skip_count},
    {"pass_count", pass_count},
    {"skipped", skipped},
    {"seconds", seconds},
    {"suite", suite},
    {"suite_tests", suite_tests},
    {"suite_failures", suite_failures},
    {"suite_skipped", suite_skipped},
    {"suite_seconds", suite_seconds},
    {"suite_started", suite_started},
    {"suite_verdict", suite_verdict},
    {"machine_simulated_word", machine_simulated_word},
    {"driver", driver},
    {"cuda", cuda},
    {"kernel", kernel},
    {"gpu_list", gpu_list},
    {"id", id},
    {"title", title},
    {"source", source},
    {"gpu", gpu},
    {"gpu_names", gpu_names},
    {"observed", observed},
    {"threshold", threshold},
    {"remedy", remedy},
    {"evidence", evidence},
    {NULL, NULL},
};

/* --- lists; one of no item or one is a condition */

static bool simulated(gpuc__view *v, size_t index)
{
    return index == 0 && gpuc_report_simulated(v->report);
}

/* The fleet's checks, if there are any, and then each machine's. */
static bool suites(gpuc__view *v, size_t index)
{
    bool fleet = v->report->fleet && v->report->fleet->check_count > 0;

    if (index == 0 && fleet) {
        v->machine = v->report->fleet;
        v->machine_at = GPUC__FLEET;
        return true;
    }
    index -= fleet;
    if (index >= v->report->count)
        return false;
    v->machine = v->report->machines[index];
    v->machine_at = index;
    return true;
}

static bool suite_timed(gpuc__view *v, size_t index)
{
    return index == 0 && v->machine->started_ms > 0;
}

static bool machine_known(gpuc__view *v, size_t index)
{
    return index == 0 && v->machine_at != GPUC__FLEET;
}

static bool checks(gpuc__view *v, size_t index)
{
    if (index >= v->machine->check_count)
        return false;
    v->check = &v->machine->checks[index];
    return true;
}

static bool has_gpu(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->gpu;
}

static bool has_evidence(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->evidence;
}

static bool has_remedy(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->remedy;
}

static bool passed(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->status == GPUC_CHECK_PASS;
}

static bool failed(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->status == GPUC_CHECK_FAIL;
}

static bool warned(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->status == GPUC_CHECK_WARN;
}

static bool skipped_check(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->status == GPUC_CHECK_SKIP;
}

const gpuc__view_list gpuc__view_lists[] = {
    {"simulated", simulated},
    {"suites", suites},
    {"suite_timed", suite_timed},
    {"machine_known", machine_known},
    {"checks", checks},
    {"has_gpu", has_gpu},
    {"has_evidence", has_evidence},
    {"has_remedy", has_remedy},
    {"passed", passed},
    {"failed", failed},
    {"warned", warned},
    {"skipped_check", skipped_check},
    {NULL, NULL},
};

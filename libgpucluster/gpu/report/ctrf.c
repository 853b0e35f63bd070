/* SPDX-License-Identifier: Apache-2.0 */
/* The report as CTRF, the common test report format (ctrf.io, its JSON schema read 2026-11): a check
 * is a test, a machine is a suite. CTRF has no warning, so a warning is "other". */
#include "gpu/report/report_internal.h"
#include "util/put.h"

/* The version that CTRF's own examples name. */
#define SPEC_VERSION "0.0.0"

static const char *const statuses[] = {
    [GPUC_CHECK_PASS] = "passed",
    [GPUC_CHECK_SKIP] = "skipped",
    [GPUC_CHECK_WARN] = "other",
    [GPUC_CHECK_FAIL] = "failed",
};

/* "mem.ecc.unc GPU 3", which is the same from run to run. */
static void put_name(gpuc__buf *out, gpuc__buf *text, const gpuc__machine_proof *m,
                     const gpuc__check *c)
{
    gpuc__buf_reset(text);
    gpuc__buf_puts(text, c->id);
    if (c->gpu)
        gpuc__buf_putc(text, ' ');
    gpuc__check_gpu_name(text, m, c);
    gpuc__put_text(out, "name", gpuc__buf_text(text));
}

static void put_message(gpuc__buf *out, gpuc__buf *text, const gpuc__check *c)
{
    gpuc__buf_reset(text);
    gpuc__buf_puts(text, c->observed);
    if (c->status != GPUC_CHECK_SKIP)
        gpuc__buf_printf(text, " (wanted: %s)", c->threshold);
    if (c->remedy)
        gpuc__buf_printf(text, ". What to do: %s", c->remedy);
    gpuc__put_text(out, "message", gpuc__buf_text(text));
}

/* How long one check took is not measured: a machine is looked at as a whole. */
static void put_test(gpuc__buf *out, gpuc__buf *text, const gpuc_report *report,
                     const gpuc__machine_proof *m, const gpuc__check *c)
{
    gpuc__put_open(out, NULL, '{');
    put_name(out, text, m, c);
    gpuc__put_text(out, "status", statuses[c->status]);
    gpuc__put_integer(out, "duration", 0);
    gpuc__put_open(out, "suite", '[');
    gpuc__put_text(out, NULL, report->cluster);
    gpuc__put_text(out, NULL, *m->name ? m->name : "fleet");
    gpuc__put_close(out, ']');
    gpuc__put_text(out, "rawStatus", gpuc__check_status_name(c->status));
    put_message(out, text, c);
    gpuc__proof_put_check(out, "extra", m, c);
    gpuc__put_close(out, '}');
}

static void put_tests(gpuc__buf *out, const gpuc_report *report, const gpuc__machine_proof *m)
{
    gpuc__buf text = GPUC__BUF_INIT(4096);

    for (size_t i = 0; i < m->check_count; i++) {
        gpuc__put_row(out, 3);
        put_test(out, &text, report, m, &m->checks[i]);
        out->failed = out->failed || text.failed;
    }
    gpuc__buf_clear(&text);
}

static void put_summary(gpuc__buf *out, const gpuc_report *report)
{
    gpuc__report_counts n;
    int64_t started, finished;

    gpuc__report_count_all(&n, report);
    gpuc__report_times(report, &started, &finished);
    gpuc__put_open(out, "summary", '{');
    gpuc__put_integer(out, "tests", (long long)(n.status[GPUC_CHECK_PASS] + n.status[GPUC_CHECK_SKIP] +
                                                n.status[GPUC_CHECK_WARN] + n.status[GPUC_CHECK_FAIL] +
                                                n.idle));
    gpuc__put_integer(out, "passed", (long long)n.status[GPUC_CHECK_PASS]);
    gpuc__put_integer(out, "failed", (long long)n.status[GPUC_CHECK_FAIL]);
    gpuc__put_integer(out, "skipped", (long long)(n.status[GPUC_CHECK_SKIP] + n.idle));
    gpuc__put_integer(out, "pending", 0);
    gpuc__put_integer(out, "other", (long long)n.status[GPUC_CHECK_WARN]);
    gpuc__put_integer(out, "suites",
                      (long long)report->count + (report->fleet && report->fleet->check_count > 0));
    gpuc__put_integer(out, "start", started);
    gpuc__put_integer(out, "stop", finished);
    gpuc__put_close(out, '}');
}

static void put_environment(gpuc__buf *out, const gpuc_report *report)
{
    bool simulated = gpuc_report_simulated(report);
    int verdict = gpuc_report_verdict(report);
    gpuc__buf name = GPUC__BUF_INIT(1024);

    gpuc__buf_printf(&name, "GPU proof of %s%s", report->cluster,
                     simulated ? " (SIMULATED GPU)" : "");
    gpuc__put_open(out, "environment", '{');
    gpuc__put_text(out, "reportName", gpuc__buf_text(&name));
    gpuc__put_text(out, "appName", report->cluster);
    gpuc__put_bool(out, "healthy", verdict == GPUC_CHECK_PASS);
    gpuc__put_open(out, "extra", '{');
    gpuc__put_text(out, "verdict", gpuc__check_status_name(verdict));
    gpuc__put_bool(out, "simulated", simulated);
    gpuc__put_text(out, "schema", GPUC__REPORT_SCHEMA);
    gpuc__put_close(out, '}');
    gpuc__put_close(out, '}');
    out->failed = out->failed || name.failed;
    gpuc__buf_clear(&name);
}

char *gpuc_report_to_ctrf(const gpuc_report *report)
{
    gpuc__buf out = GPUC__BUF_INIT(GPUC__REPORT_TEXT_MAX);

    gpuc__buf_printf(&out,
                     "{\n \"reportFormat\":\"CTRF\",\"specVersion\":\"" SPEC_VERSION
                     "\",\"generatedBy\":\"libgpucluster %s\",\n \"results\":{\n"
                     "  \"tool\":{\"name\":\"gpucluster\",\"version\":\"%s\"}",
                     gpuc_version(), gpuc_version());
    gpuc__put_row(&out, 2);
    put_summary(&out, report);
    gpuc__put_row(&out, 2);
    put_environment(&out, report);
    gpuc__put_row(&out, 2);
    gpuc__put_open(&out, "tests", '[');
    if (report->fleet)
        put_tests(&out, report, report->fleet);
    for (size_t i = 0; i < report->count; i++)
        put_tests(&out, report, report->machines[i]);
    gpuc__buf_puts(&out, "]}}");
    return gpuc__buf_take(&out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report as CTRF, the common test report format (ctrf.io, its JSON schema read 2026-11): a check
 * is a test, a machine is a suite. CTRF has no warning, so a warning is "other". */
#include <stdio.h>

#include "gpu/report/report_internal.h"

#define MARGIN "      "
/* The version that CTRF's own examples name. */
#define SPEC_VERSION "0.0.0"

static const char *const statuses[] = {
    [GPUC_CHECK_PASS] = "passed",
    [GPUC_CHECK_SKIP] = "skipped",
    [GPUC_CHECK_WARN] = "other",
    [GPUC_CHECK_FAIL] = "failed",
};

/* "mem.ecc.unc GPU 3", which is the same from run to run. */
static json_t *name_of(const gpuc__machine_proof *m, const gpuc__check *c)
{
    gpuc__buf text = GPUC__BUF_INIT(512);
    json_t *name;

    gpuc__buf_puts(&text, c->id);
    if (c->gpu)
        gpuc__buf_putc(&text, ' ');
    gpuc__check_gpu_name(&text, m, c);
    name = text.failed ? NULL : json_string(gpuc__buf_text(&text));
    gpuc__buf_clear(&text);
    return name;
}

static json_t *message_of(const gpuc__check *c)
{
    gpuc__buf text = GPUC__BUF_INIT(4096);
    json_t *message;

    gpuc__buf_puts(&text, c->observed);
    if (c->status != GPUC_CHECK_SKIP)
        gpuc__buf_printf(&text, " (wanted: %s)", c->threshold ? c->threshold : "-");
    if (c->remedy)
        gpuc__buf_printf(&text, ". What to do: %s", c->remedy);
    message = text.failed ? NULL : json_string(gpuc__buf_text(&text));
    gpuc__buf_clear(&text);
    return message;
}

/* How long one check took is not measured: a machine is looked at as a whole. */
static json_t *test_of(const gpuc_report *report, const gpuc__machine_proof *m,
                       const gpuc__check *c)
{
    return json_pack("{s:o, s:s, s:i, s:[s, s], s:s, s:o, s:o}", "name", name_of(m, c), "status",
                     statuses[c->status], "duration", 0, "suite", report->cluster,
                     *m->name ? m->name : "fleet", "rawStatus", gpuc__check_status_name(c->status),
                     "message", message_of(c), "extra", gpuc__proof_check_to_json(m, c));
}

static bool put_tests(gpuc__buf *out, const gpuc_report *report, const gpuc__machine_proof *m,
                      bool *first)
{
    bool ok = true;

    for (size_t i = 0; m && ok && i < m->check_count; i++) {
        gpuc__buf_puts(out, *first ? "\n" MARGIN : ",\n" MARGIN);
        ok = gpuc__report_put_json(out, MARGIN, test_of(report, m, &m->checks[i]));
        *first = false;
    }
    return ok;
}

static json_t *summary_of(const gpuc_report *report)
{
    gpuc__report_counts n;
    int64_t started, finished;
    size_t all;

    gpuc__report_count_all(&n, report);
    gpuc__report_times(report, &started, &finished);
    all = n.status[GPUC_CHECK_PASS] + n.status[GPUC_CHECK_SKIP] + n.status[GPUC_CHECK_WARN] +
          n.status[GPUC_CHECK_FAIL] + n.idle;
    return json_pack("{s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:I, s:I}", "tests", (json_int_t)all,
                     "passed", (json_int_t)n.status[GPUC_CHECK_PASS], "failed",
                     (json_int_t)n.status[GPUC_CHECK_FAIL], "skipped",
                     (json_int_t)(n.status[GPUC_CHECK_SKIP] + n.idle), "pending", 0, "other",
                     (json_int_t)n.status[GPUC_CHECK_WARN], "suites",
                     (json_int_t)(report->count + (report->fleet && report->fleet->check_count > 0)),
                     "start", (json_int_t)started, "stop", (json_int_t)finished);
}

static json_t *environment_of(const gpuc_report *report)
{
    bool simulated = gpuc_report_simulated(report);
    int verdict = gpuc_report_verdict(report);
    gpuc__buf name = GPUC__BUF_INIT(1024);
    json_t *environment;

    gpuc__buf_printf(&name, "GPU proof of %s%s", report->cluster,
                     simulated ? " (SIMULATED GPU)" : "");
    environment = json_pack("{s:s, s:s, s:b, s:{s:s, s:b, s:s}}", "reportName",
                            gpuc__buf_text(&name), "appName", report->cluster, "healthy",
                            verdict == GPUC_CHECK_PASS, "extra", "verdict",
                            gpuc__check_status_name(verdict), "simulated", simulated, "schema",
                            GPUC__REPORT_SCHEMA);
    gpuc__buf_clear(&name);
    return environment;
}

char *gpuc_report_to_ctrf(const gpuc_report *report)
{
    gpuc__buf out = GPUC__BUF_INIT(GPUC__REPORT_TEXT_MAX);
    bool first = true, ok;

    gpuc__buf_printf(&out,
                     "{\n  \"reportFormat\": \"CTRF\",\n  \"specVersion\": \"" SPEC_VERSION
                     "\",\n  \"generatedBy\": \"libgpucluster %s\",\n  \"results\": {\n"
                     "    \"tool\": {\"name\": \"gpucluster\", \"version\": \"%s\"},\n"
                     "    \"summary\": ",
                     gpuc_version(), gpuc_version());
    ok = gpuc__report_put_json(&out, "    ", summary_of(report));
    gpuc__buf_puts(&out, ",\n    \"environment\": ");
    ok = ok && gpuc__report_put_json(&out, "    ", environment_of(report));
    gpuc__buf_puts(&out, ",\n    \"tests\": [");
    ok = ok && put_tests(&out, report, report->fleet, &first);
    for (size_t i = 0; ok && i < report->count; i++)
        ok = put_tests(&out, report, report->machines[i], &first);
    gpuc__buf_puts(&out, first ? "]\n  }\n}" : "\n    ]\n  }\n}");
    return gpuc__report_text(&out, ok ? GPUC_OK : GPUC_ENOMEM);
}

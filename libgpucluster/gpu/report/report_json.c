/* SPDX-License-Identifier: Apache-2.0 */
/* The report as JSON, by report.schema.json, and back. One machine is in memory as JSON at a time:
 * a fleet's would take a hundred times the report. */
#include <stdio.h>
#include <string.h>

#include "gpu/report/report_internal.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/rfc3339.h"

#define DUMP_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(6))
#define READ_MACHINES_MAX 100000
#define NAME_MAX_BYTES 253

/* A sink that puts what jansson writes further to the right. */
typedef struct indented {
    gpuc__buf *out;
    const char *margin;
} indented;

static int put_indented(const char *text, size_t length, void *data)
{
    indented *to = data;

    while (length) {
        const char *end = memchr(text, '\n', length);
        size_t n = end ? (size_t)(end - text) + 1 : length;

        gpuc__buf_add(to->out, text, n);
        if (end)
            gpuc__buf_puts(to->out, to->margin);
        text += n;
        length -= n;
    }
    return to->out->failed ? -1 : 0;
}

bool gpuc__report_put_json(gpuc__buf *out, const char *margin, json_t *value)
{
    indented to = {out, margin};
    bool ok = value && json_dump_callback(value, put_indented, &to, DUMP_FLAGS | JSON_ENCODE_ANY) == 0;

    json_decref(value);
    return ok;
}

static json_t *time_or_null(int64_t ms)
{
    char text[GPUC__RFC3339_SIZE];

    return ms > 0 ? json_string(gpuc__rfc3339(text, ms)) : json_null();
}

static json_t *counts_to_json(const gpuc_report *report)
{
    gpuc__report_counts counts;

    gpuc__report_count_all(&counts, report);
    return json_pack("{s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}}", "machines",
                     (json_int_t)report->count, "gpus", (json_int_t)counts.gpus, "checks", "pass",
                     (json_int_t)counts.status[GPUC_CHECK_PASS], "warn",
                     (json_int_t)counts.status[GPUC_CHECK_WARN], "fail",
                     (json_int_t)counts.status[GPUC_CHECK_FAIL], "skip",
                     (json_int_t)counts.status[GPUC_CHECK_SKIP], "not_applicable",
                     (json_int_t)counts.idle);
}

static bool put_key(gpuc__buf *out, const char *key, json_t *value)
{
    gpuc__buf_printf(out, "%s\n  \"%s\": ", out->length > 1 ? "," : "", key);
    return gpuc__report_put_json(out, "  ", value);
}

static bool put_machines(gpuc__buf *out, const gpuc_report *report)
{
    bool ok = true;

    gpuc__buf_puts(out, ",\n  \"machines\": [");
    for (size_t i = 0; ok && i < report->count; i++) {
        gpuc__buf_puts(out, i ? ",\n    " : "\n    ");
        ok = gpuc__report_put_json(out, "    ", gpuc__proof_to_json(report->machines[i]));
    }
    gpuc__buf_puts(out, report->count ? "\n  ]\n}" : "]\n}");
    return ok;
}

char *gpuc_report_to_json(const gpuc_report *report)
{
    gpuc__buf out = GPUC__BUF_INIT(GPUC__REPORT_TEXT_MAX);
    int64_t started, finished;
    bool ok;

    gpuc__report_times(report, &started, &finished);
    gpuc__buf_putc(&out, '{');
    ok = put_key(&out, "schema", json_string(GPUC__REPORT_SCHEMA)) &&
         put_key(&out, "library", json_string(gpuc_version())) &&
         put_key(&out, "cluster", json_string(report->cluster)) &&
         put_key(&out, "started", time_or_null(started)) &&
         put_key(&out, "finished", time_or_null(finished)) &&
         put_key(&out, "verdict",
                 json_string(gpuc__check_status_name(gpuc_report_verdict(report)))) &&
         put_key(&out, "simulated", json_boolean(gpuc_report_simulated(report))) &&
         put_key(&out, "counts", counts_to_json(report)) &&
         put_key(&out, "fleet", gpuc__fleet_to_json(report)) && put_machines(&out, report);
    return gpuc__report_text(&out, ok ? GPUC_OK : GPUC_ENOMEM);
}

static int read_machines(gpuc_report *report, const json_t *machines, gpuc_error **err)
{
    const json_t *machine;
    size_t i;

    if (json_array_size(machines) > READ_MACHINES_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the report has %zu machines; at most %d are read",
                               json_array_size(machines), READ_MACHINES_MAX);
    json_array_foreach(machines, i, machine) {
        gpuc__machine_proof *proof = NULL;
        int rc = gpuc__proof_from_json(&proof, machine, err);

        if (rc == GPUC_OK)
            rc = gpuc__report_add_machine(report, proof, err);
        if (rc < 0)
            return rc;
    }
    return GPUC_OK;
}

static int not_a_report(gpuc_error **err, const char *why, int line)
{
    char place[32] = "";
    int rc;

    if (line > 0)
        snprintf(place, sizeof(place), ", line %d", line);
    rc = gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_GPU, "this is no report: %s%s", why, place);
    gpuc__error_remedy(err, "give the JSON that gpuc_report_to_json or `gpucluster report --format "
                            "json` wrote");
    return rc;
}

/* Reports of before the schema had a name are read too; one of a later schema is not. */
static int read_root(gpuc_report **out, const json_t *root, gpuc_error **err)
{
    const char *schema = json_string_value(json_object_get(root, "schema"));
    const char *cluster = json_string_value(json_object_get(root, "cluster"));
    GPUC__AUTOFREE char *name = cluster ? gpuc__proof_text(cluster, NAME_MAX_BYTES) : NULL;
    gpuc_report *report;
    int rc;

    if (!cluster || !json_is_array(json_object_get(root, "machines")))
        return not_a_report(err, "it names no cluster and no machines", 0);
    if (schema && strcmp(schema, GPUC__REPORT_SCHEMA) != 0)
        return not_a_report(err, "its schema is not " GPUC__REPORT_SCHEMA, 0);
    report = name ? gpuc__report_new(name) : NULL;
    if (!report)
        return gpuc__error_nomem(err);
    rc = read_machines(report, json_object_get(root, "machines"), err);
    if (rc == GPUC_OK)
        rc = gpuc__report_finish(report, err);
    if (rc < 0)
        gpuc_report_unref(report);
    else
        *out = report;
    return rc;
}

int gpuc_report_from_json(gpuc_report **out, const char *text, size_t length, gpuc_error **err)
{
    json_error_t why = {0};
    json_t *root;
    int rc;

    GPUC__CHECK_ARG(err, out && text);
    if (length > GPUC__REPORT_TEXT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the report has %zu bytes; at most %u are read", length,
                               GPUC__REPORT_TEXT_MAX);
    root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (!root && json_error_code(&why) == json_error_out_of_memory)
        return gpuc__error_nomem(err);
    if (!root)
        return not_a_report(err, why.text, why.line);
    rc = read_root(out, root, err);
    json_decref(root);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report as JSON, by report.schema.json, and back: a line for each GPU and each check. */
#include <stdio.h>
#include <string.h>

#include "gpu/report/report_internal.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/put.h"

#define READ_MACHINES_MAX 100000
#define NAME_MAX_BYTES 253

static void put_counts(gpuc__buf *out, const gpuc_report *report)
{
    gpuc__report_counts counts;

    gpuc__report_count_all(&counts, report);
    gpuc__put_open(out, "counts", '{');
    gpuc__put_integer(out, "machines", (long long)report->count);
    gpuc__put_integer(out, "gpus", (long long)counts.gpus);
    gpuc__put_open(out, "checks", '{');
    gpuc__put_integer(out, "pass", (long long)counts.status[GPUC_CHECK_PASS]);
    gpuc__put_integer(out, "warn", (long long)counts.status[GPUC_CHECK_WARN]);
    gpuc__put_integer(out, "fail", (long long)counts.status[GPUC_CHECK_FAIL]);
    gpuc__put_integer(out, "skip", (long long)counts.status[GPUC_CHECK_SKIP]);
    gpuc__put_integer(out, "not_applicable", (long long)counts.idle);
    gpuc__put_close(out, '}');
    gpuc__put_close(out, '}');
}

static void put_head(gpuc__buf *out, const gpuc_report *report)
{
    int64_t started, finished;

    gpuc__report_times(report, &started, &finished);
    gpuc__put_row(out, 1);
    gpuc__put_text(out, "schema", GPUC__REPORT_SCHEMA);
    gpuc__put_text(out, "library", gpuc_version());
    gpuc__put_text(out, "cluster", report->cluster);
    gpuc__put_time(out, "started", started);
    gpuc__put_time(out, "finished", finished);
    gpuc__put_text(out, "verdict", gpuc__check_status_name(gpuc_report_verdict(report)));
    gpuc__put_bool(out, "simulated", gpuc_report_simulated(report));
    gpuc__put_row(out, 1);
    put_counts(out, report);
}

char *gpuc_report_to_json(const gpuc_report *report)
{
    gpuc__buf out = GPUC__BUF_INIT(GPUC__REPORT_TEXT_MAX);

    gpuc__put_open(&out, NULL, '{');
    put_head(&out, report);
    gpuc__put_row(&out, 1);
    gpuc__fleet_put(&out, report, 2);
    gpuc__put_row(&out, 1);
    gpuc__put_open(&out, "machines", '[');
    for (size_t i = 0; i < report->count; i++) {
        gpuc__put_row(&out, 2);
        gpuc__put_open(&out, NULL, '{');
        gpuc__proof_put(&out, report->machines[i], 3);
        gpuc__put_close(&out, '}');
    }
    gpuc__put_close(&out, ']');
    gpuc__put_close(&out, '}');
    return gpuc__buf_take(&out);
}

static int read_machines(gpuc_report *report, const json_t *machines, gpuc_error **err)
{
    gpuc__rules *rules = NULL;
    const json_t *machine;
    size_t i;
    int rc;

    if (json_array_size(machines) > READ_MACHINES_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the report has %zu machines; at most %d are read",
                               json_array_size(machines), READ_MACHINES_MAX);
    rc = gpuc__rules_new(&rules, NULL, err);
    for (i = 0; rc == GPUC_OK && (machine = json_array_get(machines, i)); i++) {
        gpuc__machine_proof *proof = NULL;

        rc = gpuc__proof_from_json(&proof, machine, rules, err);
        if (rc == GPUC_OK)
            rc = gpuc__report_add_machine(report, proof, err);
    }
    gpuc__rules_unref(rules);
    return rc;
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
        rc = gpuc__report_finish(report, NULL, err);
    if (rc == GPUC_OK) /* which the user may have switched off */
        rc = gpuc__proof_read_checks(
            report->fleet, json_object_get(json_object_get(root, "fleet"), "checks"), err);
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

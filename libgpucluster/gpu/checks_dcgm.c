/* SPDX-License-Identifier: Apache-2.0 */
/* DCGM's own diagnosis, where it was asked for. Its JSON has tests below categories, each with results;
 * what lies around them differs between DCGM 3 and 4. */
#include <string.h>
#include <strings.h>

#include "gpu/checks.h"
#include "gpu/tables.h"

#define DEPTH_MAX 12

/* Severities of dcgm_errors.h: 2 isolate, 6 reset. */
static int severity_status(const json_t *result)
{
    const json_t *warnings = json_object_get(result, "warnings"), *warning;
    int status = GPUC_CHECK_PASS;
    size_t i;

    json_array_foreach(warnings, i, warning) {
        const json_t *severity = json_object_get(warning, "error_severity");
        json_int_t value = json_integer_value(severity);
        int one = !severity || value == 2 || value == 6 ? GPUC_CHECK_FAIL : GPUC_CHECK_WARN;

        status = one > status ? one : status;
    }
    return status == GPUC_CHECK_PASS ? GPUC_CHECK_FAIL : status;
}

/* True when it has passed: a test that was skipped says nothing. */
static bool add_result(gpuc__findings *f, const char *test, const json_t *result)
{
    const char *status = gpuc__table_text(result, "status");

    if (strcasecmp(status, "fail") == 0)
        gpuc__found(f, severity_status(result), NULL, "%.60s failed", test);
    else if (strcasecmp(status, "warn") == 0 || strcasecmp(status, "warning") == 0)
        gpuc__found(f, GPUC_CHECK_WARN, NULL, "%.60s warned", test);
    return strcasecmp(status, "pass") == 0;
}

/* Adds the results of all tests below; counts the tests that passed somewhere. */
static size_t walk(gpuc__findings *f, json_t *value, int depth)
{
    json_t *results = json_object_get(value, "results"), *below;
    const char *name = gpuc__table_text(value, "name"), *key;
    size_t count = 0, i;
    bool passed = false;

    if (depth > DEPTH_MAX)
        return 0;
    if (json_is_array(results) && name[0]) {
        json_array_foreach(results, i, below)
            passed |= add_result(f, name, below);
        return passed;
    }
    json_array_foreach(value, i, below)
        count += walk(f, below, depth + 1);
    json_object_foreach(value, key, below)
        count += walk(f, below, depth + 1);
    return count;
}

static void judge(gpuc__checkup *up, const gpuc__collect_after *a)
{
    gpuc__findings f = {0};
    size_t passed = walk(&f, a->dcgm, 0);

    if (!f.length && !passed) {
        gpuc__checkup_result(up, "dcgm.diag", NULL, GPUC_CHECK_SKIP, NULL, NULL,
                             "no test was run: dcgmi ended with status %d", a->dcgm_status);
        return;
    }
    if (!f.length && a->dcgm_status)
        gpuc__found(&f, GPUC_CHECK_WARN, NULL, "%zu tests passed, and dcgmi ended with status %d", passed,
                    a->dcgm_status);
    else if (!f.length)
        gpuc__found(&f, GPUC_CHECK_PASS, NULL, "%zu tests passed", passed);
    gpuc__checkup_findings(up, "dcgm.diag", NULL, &f, NULL, "");
}

void gpuc__check_dcgm(gpuc__checkup *up)
{
    const gpuc__collect_after *a = &up->collect->after;
    int level = (int)gpuc__checkup_limit(up, "dcgm.diag", "level");

    if (level < 1)
        gpuc__checkup_not_applicable(up, "dcgm.diag", NULL, "not asked for (dcgm.diag: {level: 1})");
    else if (!a->dcgm_run && gpuc__proof_any_busy(up->collect))
        gpuc__checkup_result(up, "dcgm.diag", NULL, GPUC_CHECK_SKIP,
                             "verify again when no process runs on a GPU", NULL, "GPUs are in use");
    else if (!a->dcgm_run)
        gpuc__checkup_not_applicable(up, "dcgm.diag", NULL, "the machine was not looked at again");
    else if (a->dcgm_status == 127)
        gpuc__checkup_not_applicable(up, "dcgm.diag", NULL, "there is no dcgmi on the machine");
    else if (!a->dcgm)
        gpuc__checkup_result(up, "dcgm.diag", NULL, GPUC_CHECK_WARN,
                             "run \"dcgmi diag -r 1\" on the machine and read what it prints", NULL,
                             "dcgmi ended with status %d and no JSON", a->dcgm_status);
    else
        judge(up, a);
}

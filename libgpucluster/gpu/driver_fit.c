/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a loaded driver serves a GPU, with the right kernel module, and is still supported. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gpu/driver.h"
#include "gpu/tables.h"

static int number(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static bool holds(const json_t *arch, unsigned id)
{
    json_t *pair;
    size_t i;

    json_array_foreach(json_object_get(arch, "ids"), i, pair) {
        const char *from = json_string_value(json_array_get(pair, 0));
        const char *to = json_string_value(json_array_get(pair, 1));

        if (from && to && id >= strtoul(from, NULL, 16) && id <= strtoul(to, NULL, 16))
            return true;
    }
    return false;
}

json_t *gpuc__driver_arch(json_t *table, unsigned id)
{
    json_t *arch;
    size_t i;

    json_array_foreach(json_object_get(table, "architectures"), i, arch) {
        if (holds(arch, id))
            return arch;
    }
    return NULL;
}

/* "2028-06" has passed. */
static bool is_over(const char *until, int64_t now)
{
    time_t t = (time_t)now;
    char month[16];
    struct tm tm;

    return *until && now > 0 && gmtime_r(&t, &tm) && strftime(month, sizeof(month), "%Y-%m", &tm) &&
           strcmp(month, until) > 0;
}

static void judge_support(gpuc__driver_fit *fit, json_t *table, json_t *arch)
{
    json_t *row = gpuc__table_find_int(table, "supported", "branch", fit->branch);
    const char *until = gpuc__table_text(row, "until"), *name = gpuc__table_text(arch, "name");

    fit->status = GPUC_CHECK_PASS;
    if (row ? !is_over(until, fit->time_s) : fit->branch > number(table, "newest")) {
        snprintf(fit->observed, sizeof(fit->observed), "branch %d serves %s%s%s", fit->branch, name,
                 *until ? ", supported until " : "", until);
        return;
    }
    fit->status = GPUC_CHECK_WARN;
    snprintf(fit->observed, sizeof(fit->observed),
             "branch %d serves %s, but NVIDIA no longer supports it", fit->branch, name);
    if (number(arch, "last") == fit->branch)
        snprintf(fit->remedy, sizeof(fit->remedy),
                 "there is no later branch for this card: plan its replacement");
    else
        snprintf(fit->remedy, sizeof(fit->remedy), "install branch %d", number(arch, "auto"));
}

/* False: another module is wanted. */
static bool module_fits(gpuc__driver_fit *fit, json_t *arch)
{
    const char *wanted = gpuc__table_text(arch, "modules");

    if (fit->open < 0 || strcmp(wanted, fit->open ? "proprietary" : "open") != 0)
        return true;
    fit->status = GPUC_CHECK_FAIL;
    snprintf(fit->observed, sizeof(fit->observed), "the %s kernel module is loaded; %s needs the %s one",
             fit->open ? "open" : "proprietary", gpuc__table_text(arch, "name"), wanted);
    snprintf(fit->remedy, sizeof(fit->remedy), "install the %s kernel module of branch %d and reboot",
             wanted, fit->branch);
    return false;
}

void gpuc__driver_judge(gpuc__driver_fit *fit, json_t *table)
{
    json_t *arch = gpuc__driver_arch(table, fit->device);
    int last = number(arch, "last");

    fit->known = arch != NULL;
    if (!arch) {
        snprintf(fit->observed, sizeof(fit->observed),
                 "PCI device id %04x is not in this version's table", fit->device);
    } else if (fit->branch < number(arch, "first") || (last && fit->branch > last)) {
        fit->status = GPUC_CHECK_FAIL;
        snprintf(fit->observed, sizeof(fit->observed), "branch %d does not serve %s", fit->branch,
                 gpuc__table_text(arch, "name"));
        snprintf(fit->remedy, sizeof(fit->remedy), "install branch %d (gpu.driver: auto)",
                 number(arch, "auto"));
    } else if (module_fits(fit, arch)) {
        judge_support(fit, table, arch);
    }
}

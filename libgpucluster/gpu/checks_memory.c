/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a GPU's memory: ECC counters, remapped rows, retired pages, repairs. What nvidia-smi does
 * not report is not judged: it is never taken as 0. */
#include <string.h>

#include "gpu/checks.h"
#include "gpu/tables.h"

#define VALUE(gpu, name) (&(gpu)->field[GPUC__SMI_##name])

/* Whether cards of this brand are sold with ECC on. */
static bool sold_with_ecc(const gpuc__checkup *up, const gpuc__smi_value *brand)
{
    const gpuc__rule *rule = gpuc__rules_find(up->proof->rules, "mem.ecc.unc");
    json_t *name;
    size_t i;

    json_array_foreach(json_object_get(rule->row, "ecc_brands"), i, name) {
        if (gpuc__smi_says(brand, json_string_value(name)))
            return true;
    }
    return false;
}

/* The sum of the SRAM counters over the card's life; false: none is known. */
static bool aggregate_sram(double *out, const gpuc__smi_gpu *gpu)
{
    static const gpuc__smi_gpu_field parts[] = {GPUC__SMI_ECC_AGGREGATE_SRAM,
                                                GPUC__SMI_ECC_AGGREGATE_SRAM_PARITY,
                                                GPUC__SMI_ECC_AGGREGATE_SRAM_SECDED};
    bool known = false;

    *out = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        known = known || gpu->field[parts[i]].has_number;
        *out += gpu->field[parts[i]].has_number ? gpu->field[parts[i]].number : 0;
    }
    return known;
}

static void ecc(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const char id[] = "mem.ecc.unc";
    gpuc__smi_value sum = gpuc__smi_ecc_uncorrected(gpu);
    gpuc__findings f = {0};
    double sram;

    if (!gpuc__found_sick(&f, "the counters are", &sum) && sum.has_number)
        gpuc__found(&f,
                    sum.number > gpuc__checkup_limit(up, id, "uncorrected_fail") ? GPUC_CHECK_FAIL
                                                                                 : GPUC_CHECK_PASS,
                    NULL, "%.0f since boot", sum.number);
    if (gpuc__smi_says(VALUE(gpu, ECC_SRAM_THRESHOLD), "Yes"))
        gpuc__found(&f, GPUC_CHECK_FAIL, "run NVIDIA's field diagnosis and have the card replaced",
                    "the SRAM's error threshold is exceeded");
    if (aggregate_sram(&sram, gpu) && sram > gpuc__checkup_limit(up, id, "aggregate_sram_warn"))
        gpuc__found(&f, GPUC_CHECK_WARN, "watch it; have the card replaced when it goes on",
                    "%.0f in SRAM over the card's life", sram);
    if (gpuc__smi_says(VALUE(gpu, ECC_MODE), "Disabled") && sold_with_ecc(up, VALUE(gpu, BRAND)))
        gpuc__found(&f, GPUC_CHECK_WARN, "nvidia-smi -e 1, then reset the GPU or reboot",
                    "ECC is off");
    gpuc__checkup_findings(up, id, key, &f, NULL, "this GPU does not count them, or ECC is off");
}

static void remapped(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const char id[] = "mem.remap";
    const gpuc__smi_value *failure = VALUE(gpu, REMAPPED_FAILURE);
    const gpuc__smi_value *pending = VALUE(gpu, REMAPPED_PENDING);
    const gpuc__smi_value *rows = VALUE(gpu, REMAPPED_UNCORRECTABLE);
    const gpuc__smi_value *banks = VALUE(gpu, REMAP_BANKS_NONE);
    gpuc__findings f = {0};

    if (gpuc__found_sick(&f, "remapped rows are", failure) ||
        gpuc__found_sick(&f, "remapped rows are", rows)) {
        gpuc__checkup_findings(up, id, key, &f, NULL, "");
        return;
    }
    if (gpuc__smi_says(failure, "Yes"))
        gpuc__found(&f, GPUC_CHECK_FAIL, "have the card replaced: rows could not be remapped",
                    "remapping has failed");
    if (gpuc__smi_says(pending, "Yes"))
        gpuc__found(&f, GPUC_CHECK_FAIL,
                    "drain the node and reset the GPU, so that the rows are remapped",
                    "remapping is pending");
    if (gpuc__smi_says(VALUE(gpu, BANKS_PENDING), "Yes")) /* since driver 615 */
        gpuc__found(&f, GPUC_CHECK_FAIL,
                    "drain the node and reset the GPU, so that the banks are remapped",
                    "remapping of banks is pending");
    if (rows->has_number)
        gpuc__found(&f,
                    rows->number >= gpuc__checkup_limit(up, id, "uncorrectable_fail")
                        ? GPUC_CHECK_FAIL
                    : rows->number > gpuc__checkup_limit(up, id, "uncorrectable_warn")
                        ? GPUC_CHECK_WARN
                        : GPUC_CHECK_PASS,
                    "watch it; have the card replaced when it grows",
                    "%.0f rows after uncorrectable errors", rows->number);
    else if (gpuc__smi_says(failure, "No") && gpuc__smi_says(pending, "No"))
        gpuc__found(&f, GPUC_CHECK_PASS, NULL, "no failure, none pending");
    if (banks->has_number && banks->number > gpuc__checkup_limit(up, id, "banks_exhausted_warn"))
        gpuc__found(&f, GPUC_CHECK_WARN,
                    "plan the card's replacement: the next bad row there cannot be remapped",
                    "%.0f banks have no spare rows left", banks->number);
    gpuc__checkup_findings(up, id, key, &f, NULL, "this GPU or driver does not report remapped rows");
}

static void retired(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const char id[] = "mem.retired";
    const gpuc__smi_value *single = VALUE(gpu, RETIRED_SINGLE_BIT);
    const gpuc__smi_value *twofold = VALUE(gpu, RETIRED_DOUBLE_BIT);
    gpuc__findings f = {0};
    double total = (single->has_number ? single->number : 0) +
                   (twofold->has_number ? twofold->number : 0);

    if (gpuc__smi_says(VALUE(gpu, RETIRED_PENDING), "Yes"))
        gpuc__found(&f, GPUC_CHECK_FAIL,
                    "drain the node and reload the driver or reboot, so that they are retired",
                    "pages are pending");
    if (single->has_number || twofold->has_number)
        gpuc__found(&f,
                    total >= gpuc__checkup_limit(up, id, "total_fail") ? GPUC_CHECK_FAIL
                    : total > gpuc__checkup_limit(up, id, "total_warn") ||
                            (twofold->has_number &&
                             twofold->number > gpuc__checkup_limit(up, id, "double_bit_warn"))
                        ? GPUC_CHECK_WARN
                        : GPUC_CHECK_PASS,
                    "have the card replaced when it goes on", "%.0f pages, %.0f for double bit errors",
                    total, twofold->has_number ? twofold->number : 0);
    gpuc__checkup_findings(up, id, key, &f, NULL, "this GPU or driver does not report retired pages");
}

static void repairs(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const struct {
        gpuc__smi_gpu_field field;
        const char *name;
        int status;
        const char *remedy;
    } parts[] = {
        {GPUC__SMI_UNREPAIRABLE, "unrepairable memory", GPUC_CHECK_FAIL, "have the card replaced"},
        {GPUC__SMI_CHANNEL_REPAIR, "channel repair pending", GPUC_CHECK_WARN,
         "drain the node and reset the GPU, so that the repair is made"},
        {GPUC__SMI_TPC_REPAIR, "TPC repair pending", GPUC_CHECK_WARN,
         "drain the node and reset the GPU, so that the repair is made"},
    };
    gpuc__findings f = {0};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const gpuc__smi_value *value = &gpu->field[parts[i].field];

        if (gpuc__smi_says(value, "Yes"))
            gpuc__found(&f, parts[i].status, parts[i].remedy, "%s", parts[i].name);
        else if (gpuc__smi_says(value, "No"))
            gpuc__found(&f, GPUC_CHECK_PASS, NULL, "no %s", parts[i].name);
    }
    gpuc__checkup_findings(up, "mem.repair", key, &f, NULL,
                           "this GPU or driver does not report repairs");
}

void gpuc__check_memory(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    ecc(up, gpu, key);
    remapped(up, gpu, key);
    retired(up, gpu, key);
    repairs(up, gpu, key);
}

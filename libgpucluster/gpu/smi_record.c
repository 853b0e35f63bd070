/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of nvidia-smi's forms fill, and the sums over it. */
#include <string.h>
#include <stdio.h>

#include "gpu/smi_fields.h"
#include "gpu/smi_xml.h"
#include "util/alloc.h"

gpuc__smi_gpu *gpuc__smi_add_gpu(gpuc__smi *smi)
{
    gpuc__smi_gpu *gpus = gpuc__realloc(smi->gpus, (smi->gpu_count + 1) * sizeof(*gpus)), *gpu;

    if (!gpus)
        return NULL;
    smi->gpus = gpus;
    gpu = &gpus[smi->gpu_count++];
    memset(gpu, 0, sizeof(*gpu));
    gpu->index = -1;
    return gpu;
}

bool gpuc__smi_add_process(gpuc__smi_gpu *gpu, const gpuc__smi_process *process)
{
    gpuc__smi_process *list;

    gpu->process_total++;
    if (gpu->process_count == GPUC__SMI_PROCESSES_MAX)
        return true;
    list = gpuc__realloc(gpu->processes, (gpu->process_count + 1) * sizeof(*list));
    if (!list)
        return false;
    gpu->processes = list;
    list[gpu->process_count++] = *process;
    return true;
}

bool gpuc__smi_add_mig(gpuc__smi_gpu *gpu, gpuc__smi_mig **out)
{
    gpuc__smi_mig *list;

    *out = NULL;
    gpu->mig_devices++;
    if (gpu->mig_count == GPUC__SMI_MIGS_MAX)
        return true;
    list = gpuc__realloc(gpu->migs, (gpu->mig_count + 1) * sizeof(*list));
    if (!list)
        return false;
    gpu->migs = list;
    *out = &list[gpu->mig_count++];
    memset(*out, 0, sizeof(**out));
    return true;
}

void gpuc__smi_note_sickness(gpuc__smi_gpu *gpu, const char *element, const char *text)
{
    gpuc__smi_value value;
    const char *name;

    text += strspn(text, " \t\r\n");
    if (!*text || !strchr("[GEUgeu", *text)) /* initials of the sick ones, or a bracket */
        return;
    name = strrchr(element, '/');
    gpuc__smi_value_read(&value, GPUC__SMI_KIND_TEXT, text);
    if (!gpuc__smi_state_sick(value.state))
        return;
    if (!gpu->sick_count++) {
        gpu->sick = value.state;
        snprintf(gpu->sick_element, sizeof(gpu->sick_element), "%.63s", name ? name + 1 : element);
    }
}

void gpuc__smi_free(gpuc__smi *smi)
{
    if (!smi)
        return;
    for (size_t i = 0; i < smi->gpu_count; i++) {
        gpuc__free(smi->gpus[i].processes);
        gpuc__free(smi->gpus[i].migs);
    }
    gpuc__free(smi->gpus);
    gpuc__free(smi);
}

const char *gpuc__smi_gpu_key(const gpuc__smi_gpu *gpu)
{
    const gpuc__smi_value *uuid = &gpu->field[GPUC__SMI_UUID];

    return uuid->state == GPUC__SMI_KNOWN ? uuid->text : gpu->bus;
}

static gpuc__smi_value sum_of(const gpuc__smi_gpu *gpu, const gpuc__smi_gpu_field *parts,
                              size_t count, gpuc__smi_gpu_field total)
{
    const gpuc__smi_value *all = &gpu->field[total];
    gpuc__smi_value sum;

    memset(&sum, 0, sizeof(sum));
    for (size_t i = 0; i < count; i++) {
        const gpuc__smi_value *part = &gpu->field[parts[i]];

        if (gpuc__smi_state_sick(part->state))
            return *part;
        if (part->state == GPUC__SMI_KNOWN && part->has_number) {
            sum.state = GPUC__SMI_KNOWN;
            sum.has_number = true;
            sum.number += part->number;
        } else if (sum.state == GPUC__SMI_UNKNOWN) {
            sum.state = part->state;
        }
    }
    if (all->has_number ? !sum.has_number || all->number > sum.number : !sum.has_number &&
        all->state > sum.state)
        return *all;
    if (sum.has_number)
        snprintf(sum.text, sizeof(sum.text), "%.0f", sum.number);
    return sum;
}

#define SUM(gpu, total, ...)                                                                       \
    sum_of(gpu, (const gpuc__smi_gpu_field[]){__VA_ARGS__},                                        \
           sizeof((gpuc__smi_gpu_field[]){__VA_ARGS__}) / sizeof(gpuc__smi_gpu_field), total)

gpuc__smi_value gpuc__smi_ecc_uncorrected(const gpuc__smi_gpu *gpu)
{
    return SUM(gpu, GPUC__SMI_ECC_TOTAL, GPUC__SMI_ECC_DOUBLE_BIT, GPUC__SMI_ECC_SRAM,
               GPUC__SMI_ECC_SRAM_PARITY, GPUC__SMI_ECC_SRAM_SECDED, GPUC__SMI_ECC_DRAM);
}

gpuc__smi_value gpuc__smi_ecc_corrected(const gpuc__smi_gpu *gpu)
{
    return SUM(gpu, GPUC__SMI_ECC_CORRECTED_TOTAL, GPUC__SMI_ECC_SINGLE_BIT,
               GPUC__SMI_ECC_SRAM_CORRECTED, GPUC__SMI_ECC_DRAM_CORRECTED);
}

gpuc__smi_value gpuc__smi_ecc_uncorrected_aggregate(const gpuc__smi_gpu *gpu)
{
    return SUM(gpu, GPUC__SMI_ECC_AGGREGATE_TOTAL, GPUC__SMI_ECC_AGGREGATE_DOUBLE_BIT,
               GPUC__SMI_ECC_AGGREGATE_SRAM, GPUC__SMI_ECC_AGGREGATE_SRAM_PARITY,
               GPUC__SMI_ECC_AGGREGATE_SRAM_SECDED, GPUC__SMI_ECC_AGGREGATE_DRAM);
}

gpuc__smi_value gpuc__smi_ecc_corrected_aggregate(const gpuc__smi_gpu *gpu)
{
    return SUM(gpu, GPUC__SMI_ECC_AGGREGATE_CORRECTED_TOTAL, GPUC__SMI_ECC_AGGREGATE_SINGLE_BIT,
               GPUC__SMI_ECC_AGGREGATE_SRAM_CORRECTED, GPUC__SMI_ECC_AGGREGATE_DRAM_CORRECTED);
}

gpuc__smi_value gpuc__smi_throttle_mask(const gpuc__smi_gpu *gpu)
{
    /* nvmlClocksEventReason of nvml.h */
    static const struct {
        gpuc__smi_gpu_field field;
        unsigned bit;
    } reasons[] = {
        {GPUC__SMI_THROTTLE_IDLE, 0x1},        {GPUC__SMI_THROTTLE_APPLICATION, 0x2},
        {GPUC__SMI_THROTTLE_POWER_CAP, 0x4},   {GPUC__SMI_THROTTLE_HW_SLOWDOWN, 0x8},
        {GPUC__SMI_THROTTLE_SYNC_BOOST, 0x10}, {GPUC__SMI_THROTTLE_SW_THERMAL, 0x20},
        {GPUC__SMI_THROTTLE_HW_THERMAL, 0x40}, {GPUC__SMI_THROTTLE_HW_POWER_BRAKE, 0x80},
        {GPUC__SMI_THROTTLE_DISPLAY, 0x100},
    };
    gpuc__smi_value mask = gpu->field[GPUC__SMI_THROTTLE_MASK];

    if (mask.has_number || gpuc__smi_state_sick(mask.state))
        return mask;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        const gpuc__smi_value *v = &gpu->field[reasons[i].field];

        if (v->state == GPUC__SMI_KNOWN) {
            mask.state = GPUC__SMI_KNOWN;
            mask.has_number = true;
            if (strcmp(v->text, "Active") == 0)
                mask.number += reasons[i].bit;
        } else if (!mask.has_number && v->state > mask.state) {
            mask.state = v->state;
        }
    }
    return mask;
}

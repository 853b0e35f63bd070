/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing together what several forms say of the same GPUs. What was there first stays. */
#include <string.h>

#include "gpu/capture.h"
#include "gpu/smi_xml.h"
#include "util/alloc.h"

/* Whether a key that both know is the same: 1, differs: -1, or one does not know it: 0. */
static int compare_texts(const char *a, const char *b)
{
    return a[0] && b[0] ? (strcmp(a, b) == 0 ? 1 : -1) : 0;
}

static const char *uuid_of(const gpuc__smi_gpu *gpu)
{
    const gpuc__smi_value *v = &gpu->field[GPUC__SMI_UUID];

    return v->state == GPUC__SMI_KNOWN ? v->text : "";
}

/* Captures are published with masked UUIDs, so a key that differs outweighs one that is the same. */
static bool is_same(const gpuc__smi_gpu *a, const gpuc__smi_gpu *b)
{
    int bus = compare_texts(a->bus, b->bus), uuid = compare_texts(uuid_of(a), uuid_of(b));
    int index = a->index < 0 || b->index < 0 ? 0 : a->index == b->index ? 1 : -1;

    return bus >= 0 && uuid >= 0 && index >= 0 && bus + uuid + index > 0;
}

static void merge_values(gpuc__smi_value *into, const gpuc__smi_value *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (into[i].state == GPUC__SMI_KNOWN || gpuc__smi_state_sick(into[i].state))
            continue;
        if (from[i].state != GPUC__SMI_UNKNOWN || !into[i].text[0])
            into[i] = from[i];
    }
}

static bool merge_migs(gpuc__smi_gpu *into, const gpuc__smi_gpu *from)
{
    for (size_t i = 0; i < from->mig_count; i++) {
        const gpuc__smi_value *index = &from->migs[i].field[GPUC__SMI_MIG_INDEX];
        gpuc__smi_mig *same = NULL;

        for (size_t k = 0; k < into->mig_count && index->has_number; k++) {
            if (into->migs[k].field[GPUC__SMI_MIG_INDEX].has_number &&
                into->migs[k].field[GPUC__SMI_MIG_INDEX].number == index->number)
                same = &into->migs[k];
        }
        if (!same && !gpuc__smi_add_mig(into, &same))
            return false;
        if (same)
            merge_values(same->field, from->migs[i].field, GPUC__SMI_MIG_FIELDS);
    }
    if (from->mig_devices > into->mig_devices)
        into->mig_devices = from->mig_devices;
    return true;
}

static bool merge_gpu(gpuc__smi_gpu *into, gpuc__smi_gpu *from)
{
    if (!into->bus[0])
        memcpy(into->bus, from->bus, sizeof(into->bus));
    if (into->index < 0)
        into->index = from->index;
    merge_values(into->field, from->field, GPUC__SMI_GPU_FIELDS);
    if (!into->processes_known && (from->processes_known || !into->process_total)) {
        gpuc__free(into->processes);
        into->processes = from->processes;
        into->process_count = from->process_count;
        into->process_total = from->process_total;
        into->processes_known = from->processes_known;
        from->processes = NULL;
        from->process_count = from->process_total = 0;
    }
    if (!into->nvlink.known)
        into->nvlink = from->nvlink;
    if (!into->sick_count) {
        into->sick = from->sick;
        into->sick_count = from->sick_count;
        memcpy(into->sick_element, from->sick_element, sizeof(into->sick_element));
    }
    return merge_migs(into, from);
}

bool gpuc__smi_merge(gpuc__smi *into, gpuc__smi *from)
{
    bool taken[GPUC__SMI_GPUS_MAX] = {false};
    size_t before = into->gpu_count;

    merge_values(into->field, from->field, GPUC__SMI_LOG_FIELDS);
    into->simulated = into->simulated || from->simulated;
    for (size_t i = 0; i < from->gpu_count; i++) {
        gpuc__smi_gpu *to = NULL;

        for (size_t k = 0; k < before && !to; k++) {
            if (!taken[k] && is_same(&into->gpus[k], &from->gpus[i])) {
                to = &into->gpus[k];
                taken[k] = true;
            }
        }
        if (!to && into->gpu_count == GPUC__SMI_GPUS_MAX)
            continue;
        if (!to)
            to = gpuc__smi_add_gpu(into);
        if (!to || !merge_gpu(to, &from->gpus[i]))
            return false;
    }
    return true;
}

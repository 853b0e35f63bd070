/* SPDX-License-Identifier: Apache-2.0 */
/* What nvidia-smi said, as JSON for the report. */
#include "gpu/smi_fields.h"
#include "gpu/smi_xml.h"
#include "util/put.h"

static void put_value(gpuc__buf *out, const char *key, const gpuc__smi_value *v)
{
    if (v->state != GPUC__SMI_KNOWN)
        gpuc__put_null(out, key);
    else if (v->has_number)
        gpuc__put_number(out, key, v->number);
    else
        gpuc__put_text(out, key, v->text);
}

/* Every field is there: null when not known, and then "absent" says in which way. */
static void put_fields(gpuc__buf *out, const gpuc__smi_value *values,
                       const gpuc__smi_field_desc *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_value(out, fields[i].name, &values[i]);
    gpuc__put_open(out, "absent", '{');
    for (size_t i = 0; i < count; i++) {
        if (values[i].state != GPUC__SMI_KNOWN)
            gpuc__put_text(out, fields[i].name, gpuc__smi_state_name(values[i].state));
    }
    gpuc__put_close(out, '}');
}

/* A number that is -1 when not known. */
static void put_counted(gpuc__buf *out, const char *key, long value)
{
    if (value >= 0)
        gpuc__put_integer(out, key, value);
    else
        gpuc__put_null(out, key);
}

static void put_sum(gpuc__buf *out, const char *key, gpuc__smi_value value)
{
    if (value.has_number)
        gpuc__put_number(out, key, value.number);
    else
        gpuc__put_null(out, key);
}

/* GB/s of each link, null of one that is not active. */
static void put_nvlink(gpuc__buf *out, const gpuc__smi_nvlink *n)
{
    size_t active = 0;

    gpuc__put_open(out, "nvlink", '{');
    gpuc__put_open(out, "links", '[');
    for (size_t i = 0; i < n->count; i++) {
        active += n->active[i];
        if (n->active[i] && n->gbs[i] > 0)
            gpuc__put_number(out, NULL, (double)n->gbs[i]);
        else
            gpuc__put_raw(out, NULL, n->active[i] ? "true" : "null");
    }
    gpuc__put_close(out, ']');
    gpuc__put_integer(out, "active", (long long)active);
    gpuc__put_integer(out, "inactive", (long long)(n->count - active));
    gpuc__put_text(out, "note", n->note[0] ? n->note : NULL);
    gpuc__put_close(out, '}');
}

static void put_processes(gpuc__buf *out, const gpuc__smi_gpu *gpu)
{
    gpuc__put_open(out, "processes", '[');
    for (size_t i = 0; i < gpu->process_count; i++) {
        const gpuc__smi_process *p = &gpu->processes[i];

        gpuc__put_open(out, NULL, '{');
        put_counted(out, "pid", p->pid);
        gpuc__put_text(out, "type", p->type[0] ? p->type : NULL);
        gpuc__put_text(out, "name", p->name);
        put_sum(out, "memory_mib", p->memory);
        put_counted(out, "gpu_instance", p->gpu_instance);
        put_counted(out, "compute_instance", p->compute_instance);
        gpuc__put_close(out, '}');
    }
    gpuc__put_close(out, ']');
}

static void put_migs(gpuc__buf *out, const gpuc__smi_mig *migs, size_t count)
{
    gpuc__put_open(out, "mig", '[');
    for (size_t i = 0; i < count; i++) {
        gpuc__put_open(out, NULL, '{');
        put_fields(out, migs[i].field, gpuc__smi_mig_fields, GPUC__SMI_MIG_FIELDS);
        gpuc__put_close(out, '}');
    }
    gpuc__put_close(out, ']');
}

void gpuc__smi_gpu_put(gpuc__buf *out, const char *key, const gpuc__smi_gpu *gpu,
                       const gpuc__smi_mig *migs)
{
    gpuc__put_open(out, key, '{');
    gpuc__put_text(out, "bus", gpu->bus[0] ? gpu->bus : NULL);
    put_fields(out, gpu->field, gpuc__smi_gpu_fields, GPUC__SMI_GPU_FIELDS);
    put_counted(out, "index", gpu->index);
    put_sum(out, "ecc_volatile_uncorrected", gpuc__smi_ecc_uncorrected(gpu));
    put_sum(out, "ecc_volatile_corrected", gpuc__smi_ecc_corrected(gpu));
    put_sum(out, "ecc_aggregate_uncorrected", gpuc__smi_ecc_uncorrected_aggregate(gpu));
    put_sum(out, "ecc_aggregate_corrected", gpuc__smi_ecc_corrected_aggregate(gpu));
    put_sum(out, "throttle_mask", gpuc__smi_throttle_mask(gpu));
    gpuc__put_integer(out, "mig_devices", (long long)gpu->mig_devices);
    if (gpu->processes_known)
        put_processes(out, gpu);
    else
        gpuc__put_null(out, "processes");
    put_migs(out, migs, gpu->mig_count);
    if (gpu->nvlink.known)
        put_nvlink(out, &gpu->nvlink);
    if (gpu->sick_count)
        gpuc__put_text(out, "sick", gpuc__smi_state_name(gpu->sick));
    gpuc__put_close(out, '}');
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What nvidia-smi said, as JSON for the report. */
#include <math.h>
#include <string.h>

#include "gpu/smi_fields.h"
#include "gpu/smi_xml.h"

static json_t *number(double value)
{
    return value == floor(value) ? json_integer((json_int_t)value) : json_real(value);
}

/* The reader lets only valid UTF-8 in, but a cut at a size limit can halve a letter. */
static json_t *string(const char *text)
{
    json_t *value = json_string(text);

    for (size_t n = strlen(text); !value && n-- > 0;)
        value = json_stringn(text, n);
    return value;
}

/* Every field is there: null when not known, and then "absent" says in which way. */
static int add_fields(json_t *object, const gpuc__smi_value *values,
                      const gpuc__smi_field_desc *fields, size_t count)
{
    json_t *absent = json_object();
    int failed = !absent;

    for (size_t i = 0; i < count; i++) {
        const gpuc__smi_value *v = &values[i];
        json_t *value = json_null();

        if (v->state == GPUC__SMI_KNOWN)
            value = v->has_number ? number(v->number) : string(v->text);
        else
            failed |= json_object_set_new(absent, fields[i].name,
                                          json_string(gpuc__smi_state_name(v->state)));
        failed |= json_object_set_new(object, fields[i].name, value);
    }
    return failed | json_object_set_new(object, "absent", absent);
}

/* A number that is -1 when not known. */
static json_t *counted(long value)
{
    return value >= 0 ? json_integer(value) : json_null();
}

static json_t *sum(gpuc__smi_value value)
{
    return value.has_number ? number(value.number) : json_null();
}

static json_t *migs(const gpuc__smi_gpu *gpu)
{
    json_t *list = json_array();

    for (size_t i = 0; i < gpu->mig_count; i++) {
        json_t *object = json_object();

        if (add_fields(object, gpu->migs[i].field, gpuc__smi_mig_fields, GPUC__SMI_MIG_FIELDS) ||
            json_array_append(list, object)) {
            json_decref(list);
            list = NULL; /* out of memory: its callers see it */
        }
        json_decref(object);
    }
    return list;
}

/* GB/s of each link, null of one that is not active. */
static json_t *nvlink(const gpuc__smi_nvlink *n)
{
    json_t *links = json_array();
    size_t active = 0;

    for (size_t i = 0; i < n->count; i++) {
        active += n->active[i];
        json_array_append_new(links, !n->active[i]   ? json_null()
                                     : n->gbs[i] > 0 ? json_real((double)n->gbs[i])
                                                     : json_true());
    }
    return json_pack("{s:o, s:i, s:i, s:o}", "links", links, "active", (int)active, "inactive",
                     (int)(n->count - active), "note", n->note[0] ? string(n->note) : json_null());
}

static json_t *processes(const gpuc__smi_gpu *gpu)
{
    json_t *list = json_array();

    for (size_t i = 0; i < gpu->process_count; i++) {
        const gpuc__smi_process *p = &gpu->processes[i];
        json_t *memory = p->memory.has_number ? number(p->memory.number) : json_null();

        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "pid", counted(p->pid), "type",
                            p->type[0] ? string(p->type) : json_null(), "name", string(p->name),
                            "memory_mib", memory, "gpu_instance", counted(p->gpu_instance),
                            "compute_instance", counted(p->compute_instance)));
    }
    return list;
}

json_t *gpuc__smi_gpu_to_json(const gpuc__smi_gpu *gpu)
{
    json_t *object = json_object();
    int failed;

    failed = json_object_set_new(object, "bus", gpu->bus[0] ? string(gpu->bus) : json_null());
    failed |= add_fields(object, gpu->field, gpuc__smi_gpu_fields, GPUC__SMI_GPU_FIELDS);
    failed |= json_object_set_new(object, "index", counted(gpu->index));
    failed |= json_object_set_new(object, "ecc_volatile_uncorrected",
                                  sum(gpuc__smi_ecc_uncorrected(gpu)));
    failed |= json_object_set_new(object, "ecc_volatile_corrected",
                                  sum(gpuc__smi_ecc_corrected(gpu)));
    failed |= json_object_set_new(object, "ecc_aggregate_uncorrected",
                                  sum(gpuc__smi_ecc_uncorrected_aggregate(gpu)));
    failed |= json_object_set_new(object, "ecc_aggregate_corrected",
                                  sum(gpuc__smi_ecc_corrected_aggregate(gpu)));
    failed |= json_object_set_new(object, "throttle_mask", sum(gpuc__smi_throttle_mask(gpu)));
    failed |= json_object_set_new(object, "mig_devices",
                                  json_integer((json_int_t)gpu->mig_devices));
    failed |= json_object_set_new(object, "processes",
                                  gpu->processes_known ? processes(gpu) : json_null());
    failed |= json_object_set_new(object, "mig", migs(gpu));
    if (gpu->nvlink.known)
        failed |= json_object_set_new(object, "nvlink", nvlink(&gpu->nvlink));
    if (gpu->sick_count)
        failed |= json_object_set_new(object, "sick",
                                      json_string(gpuc__smi_state_name(gpu->sick)));
    if (failed) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

json_t *gpuc__smi_to_json(const gpuc__smi *smi)
{
    json_t *object = json_object(), *gpus = json_array();
    int failed = add_fields(object, smi->field, gpuc__smi_log_fields, GPUC__SMI_LOG_FIELDS);

    failed |= json_object_set_new(object, "simulated", json_boolean(smi->simulated));
    for (size_t i = 0; i < smi->gpu_count; i++)
        failed |= json_array_append_new(gpus, gpuc__smi_gpu_to_json(&smi->gpus[i]));
    failed |= json_object_set_new(object, "gpus", gpus);
    if (failed) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

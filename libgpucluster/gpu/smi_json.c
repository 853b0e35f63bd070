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

static json_t *processes(const gpuc__smi_gpu *gpu)
{
    json_t *list = json_array();

    for (size_t i = 0; i < gpu->process_count; i++) {
        const gpuc__smi_process *p = &gpu->processes[i];
        json_t *memory = p->memory.has_number ? number(p->memory.number) : json_null();

        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o}", "pid",
                            p->pid >= 0 ? json_integer(p->pid) : json_null(), "type",
                            string(p->type), "name", string(p->name), "memory_mib", memory));
    }
    return list;
}

json_t *gpuc__smi_gpu_to_json(const gpuc__smi_gpu *gpu)
{
    json_t *object = json_object();
    gpuc__smi_value ecc = gpuc__smi_ecc_uncorrected(gpu);
    int failed;

    failed = json_object_set_new(object, "bus", gpu->bus[0] ? string(gpu->bus) : json_null());
    failed |= add_fields(object, gpu->field, gpuc__smi_gpu_fields, GPUC__SMI_GPU_FIELDS);
    failed |= json_object_set_new(object, "ecc_volatile_uncorrected",
                                  ecc.has_number ? number(ecc.number) : json_null());
    failed |= json_object_set_new(object, "mig_devices",
                                  json_integer((json_int_t)gpu->mig_devices));
    failed |= json_object_set_new(object, "processes",
                                  gpu->processes_known ? processes(gpu) : json_null());
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

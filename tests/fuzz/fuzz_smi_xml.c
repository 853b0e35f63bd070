/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as nvidia-smi's XML: reading ends with a value or an error, and a value can be printed,
 * is within its bounds, and names no GPU by an address that is none. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_smi_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_gpu(const gpuc__smi_gpu *gpu)
{
    char again[GPUC__BUS_ID_SIZE];

    if (gpu->bus[0] && (!gpuc__bus_id_normalise(again, gpu->bus) || strcmp(again, gpu->bus) != 0))
        abort();
    if (gpu->process_count > gpu->process_total || gpu->process_count > GPUC__SMI_PROCESSES_MAX)
        abort();
    for (int i = 0; i < GPUC__SMI_GPU_FIELDS; i++) {
        const gpuc__smi_value *v = &gpu->field[i];

        if (v->has_number && v->state != GPUC__SMI_KNOWN)
            abort();
        if (v->state == GPUC__SMI_KNOWN && !v->text[0])
            abort();
    }
    gpuc__smi_ecc_uncorrected(gpu);
    fuzz_check_json(gpu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc__smi *smi = NULL;
    gpuc_error *err = NULL;

    if (gpuc__smi_parse(&smi, (const char *)data, size, &err) != GPUC_OK) {
        if (!err || smi)
            abort();
        gpuc_error_unref(err);
        return 0;
    }
    for (size_t i = 0; i < smi->gpu_count; i++)
        check_gpu(&smi->gpus[i]);
    gpuc__smi_free(smi);
    return 0;
}

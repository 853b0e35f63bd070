/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes to one reader of nvidia-smi's texts: it goes forward, and what it gives is within its
 * bounds and can be printed. */
#ifndef FUZZ_SMI_TEXT_H
#define FUZZ_SMI_TEXT_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_smi_json.h"
#include "gpu/smi_fields.h"
#include "gpu/smi_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check_values(const gpuc__smi_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i].has_number && values[i].state != GPUC__SMI_KNOWN)
            abort();
        if (values[i].state == GPUC__SMI_KNOWN && !values[i].text[0])
            abort();
        if (!memchr(values[i].text, '\0', sizeof(values[i].text)))
            abort();
    }
}

static inline void fuzz_check_record(const gpuc__smi *smi)
{
    if (smi->gpu_count > GPUC__SMI_GPUS_MAX)
        abort();
    for (size_t i = 0; i < smi->gpu_count; i++) {
        const gpuc__smi_gpu *gpu = &smi->gpus[i];
        char again[GPUC__BUS_ID_SIZE];

        if (gpu->bus[0] &&
            (!gpuc__bus_id_normalise(again, gpu->bus) || strcmp(again, gpu->bus) != 0))
            abort();
        if (gpu->process_count > gpu->process_total ||
            gpu->process_count > GPUC__SMI_PROCESSES_MAX || gpu->mig_count > GPUC__SMI_MIGS_MAX ||
            gpu->mig_count > gpu->mig_devices || gpu->nvlink.count > GPUC__SMI_LINKS_MAX)
            abort();
        fuzz_check_values(gpu->field, GPUC__SMI_GPU_FIELDS);
        for (size_t k = 0; k < gpu->mig_count; k++)
            fuzz_check_values(gpu->migs[k].field, GPUC__SMI_MIG_FIELDS);
        fuzz_check_json(gpu);
    }
}

/* read gets the place where its form begins; NULL smi without memory. */
static inline int fuzz_reader(const uint8_t *data, size_t size,
                              bool (*is)(const gpuc__smi_text *text),
                              void (*read)(gpuc__smi *smi, gpuc__smi_text *text))
{
    gpuc__smi smi;
    gpuc__smi_text text;

    if (gpuc__smi_text_init(&text, (const char *)data, size, NULL) != GPUC_OK)
        return 0;
    while (gpuc__smi_line(&text)) {
        size_t before = text.at;

        if (!is(&text)) {
            text.at++;
            continue;
        }
        memset(&smi, 0, sizeof(smi));
        read(&smi, &text);
        if (text.at <= before || text.at > text.count || text.no_memory)
            abort();
        fuzz_check_record(&smi);
        for (size_t i = 0; i < smi.gpu_count; i++) {
            free(smi.gpus[i].processes);
            free(smi.gpus[i].migs);
        }
        free(smi.gpus);
    }
    gpuc__smi_text_clear(&text);
    return 0;
}
#endif

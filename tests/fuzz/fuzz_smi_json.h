/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever was read of a GPU, the report's text of it is JSON. */
#ifndef FUZZ_SMI_JSON_H
#define FUZZ_SMI_JSON_H
#include <jansson.h>
#include <stdlib.h>

#include "gpu/smi_xml.h"

static inline void fuzz_check_json(const gpuc__smi_gpu *gpu)
{
    gpuc__buf text = GPUC__BUF_INIT(16u << 20);
    json_t *json;

    gpuc__smi_gpu_put(&text, NULL, gpu, gpu->migs);
    json = json_loadb(gpuc__buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        abort();
    json_decref(json);
    gpuc__buf_clear(&text);
}
#endif

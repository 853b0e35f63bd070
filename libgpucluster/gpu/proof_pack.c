/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of hundreds of machines wait in memory for their report: what each GPU said of itself is kept
 * as text, a fifth of what it takes as objects, and the table of the checks once for all. */
#include <stdlib.h>

#include "gpu/proof.h"
#include "gpu/tables.h"
#include "util/alloc.h"

static void pack_gpu(gpuc__proof_gpu *gpu)
{
    char *text = gpu->details ? json_dumps(gpu->details, JSON_COMPACT) : NULL;

    gpu->packed = gpuc__strdup(text);
    free(text); /* jansson's own memory */
    if (!gpu->packed)
        return; /* without memory it stays as it is */
    gpu->vbios = gpuc__strdup(json_string_value(json_object_get(gpu->details, "vbios")));
    json_decref(gpu->details);
    gpu->details = NULL;
}

void gpuc__proof_pack(gpuc__machine_proof *proof, const gpuc__machine_proof *like)
{
    for (size_t i = 0; i < proof->gpu_count; i++)
        pack_gpu(&proof->gpus[i]);
    if (!like)
        return;
    json_decref(proof->table);
    proof->table = json_incref(like->table);
}

json_t *gpuc__proof_gpu_details(const gpuc__proof_gpu *gpu)
{
    return gpu->packed ? json_loads(gpu->packed, 0, NULL) : json_incref(gpu->details);
}

const char *gpuc__proof_gpu_vbios(const gpuc__proof_gpu *gpu)
{
    if (gpu->packed)
        return gpu->vbios ? gpu->vbios : "";
    return gpuc__table_text(gpu->details, "vbios");
}

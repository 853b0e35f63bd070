/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what nvidia-smi topo -m prints. */
#include "fuzz_smi_text.h"

static void read_topology(gpuc__smi *smi, gpuc__smi_text *text)
{
    json_t *matrix = gpuc__smi_read_topology(text);
    size_t devices = json_array_size(json_object_get(matrix, "devices"));

    if (smi->gpu_count || devices > GPUC__SMI_TOPOLOGY_MAX)
        abort();
    json_decref(matrix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_reader(data, size, gpuc__smi_is_topology, read_topology);
}

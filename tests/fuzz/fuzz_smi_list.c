/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what nvidia-smi -L and nvlink -s print. */
#include "fuzz_smi_text.h"

static void read_list(gpuc__smi *smi, gpuc__smi_text *text)
{
    bool links;

    gpuc__smi_read_list(smi, text, &links);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_reader(data, size, gpuc__smi_is_list, read_list);
}

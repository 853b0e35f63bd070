/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the table that nvidia-smi prints. */
#include "fuzz_smi_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_reader(data, size, gpuc__smi_is_table, gpuc__smi_read_table);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what nvidia-smi --version prints. */
#include "fuzz_smi_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_reader(data, size, gpuc__smi_is_version, gpuc__smi_read_version);
}

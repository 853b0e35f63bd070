/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/gpu.h: arguments checked, the readers called. */
#include <gpucluster.h>
#include <gpucluster/gpu.h>

#include "gpu/capture.h"
#include "util/error.h"

int gpuc_gpu_parse(char **out, const char *text, size_t length, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && (text || !length));
    return gpuc__capture_parse(out, text ? text : "", length, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a capture of nvidia-smi: reading ends with an object that has GPUs and a form, or with
 * an error that says what to do. */
#include <gpucluster.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc_error *err = NULL;
    json_t *root = NULL;
    char *dump;

    if (gpuc__capture_parse(&root, (const char *)data, size, &err) != GPUC_OK) {
        if (!err || root || !gpuc_error_remedy(err))
            abort();
        gpuc_error_unref(err);
        return 0;
    }
    dump = json_dumps(root, JSON_COMPACT);
    if (err || !dump || !json_is_array(json_object_get(root, "gpus")) ||
        !json_is_string(json_object_get(root, "form")) ||
        !json_is_array(json_object_get(root, "warnings")))
        abort();
    free(dump);
    json_decref(root);
    return 0;
}

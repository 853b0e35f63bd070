/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a capture of nvidia-smi: reading ends with an object that has GPUs and a form, or with
 * an error that says what to do. */
#include <gpucluster.h>
#include <gpucluster/gpu.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc_error *err = NULL;
    char *text = NULL;
    json_t *root;

    if (gpuc_gpu_parse(&text, (const char *)data, size, &err) != GPUC_OK) {
        if (!err || text || !gpuc_error_remedy(err))
            abort();
        gpuc_error_unref(err);
        return 0;
    }
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (err || !json_is_array(json_object_get(root, "gpus")) ||
        !json_is_string(json_object_get(root, "form")) ||
        !json_is_array(json_object_get(root, "warnings")))
        abort();
    gpuc_free(text);
    json_decref(root);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/gpu.h: arguments checked, the readers called. */
#include <gpucluster.h>
#include <gpucluster/gpu.h>
#include <stdlib.h>

#include "gpu/capture.h"
#include "util/alloc.h"
#include "util/error.h"

int gpuc_gpu_parse(char **out, const char *text, size_t length, gpuc_error **err)
{
    json_t *root = NULL;
    char *dump, *copy;
    int rc;

    GPUC__CHECK_ARG(err, out && (text || !length));
    rc = gpuc__capture_parse(&root, text ? text : "", length, err);
    if (rc < 0)
        return rc;
    dump = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(6));
    copy = gpuc__strdup(dump);
    free(dump); /* jansson's own memory */
    json_decref(root);
    if (!copy)
        return gpuc__error_nomem(err);
    *out = copy;
    return GPUC_OK;
}

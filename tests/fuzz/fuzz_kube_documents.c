/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a manifest: objects or an error with its place, and what is read can be taken into a run
 * or is refused. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/documents.h"
#include "kube/job.h"
#include "kube/manifest.h"
#include "kube/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void adopt(const json_t *object, const char *node)
{
    const gpuc__job_given given = {.run_id = "r1", .node = node, .deadline_s = 60};
    json_t *out = NULL;
    gpuc_error *err = NULL;
    int rc = gpuc__job_adopt(&out, object, &given, &err);

    if (rc == GPUC_OK &&
        strcmp(gpuc__json_text(out, "metadata", "labels", "gpucluster/run-id", NULL), "r1") != 0)
        abort();
    if ((rc == GPUC_OK) != (err == NULL))
        abort();
    gpuc_error_unref(err);
    json_decref(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *values;
    json_t *out = json_array(), *entry;
    gpuc_error *err = NULL;
    size_t i;
    int rc;

    if (!values && gpuc__manifest_values(&values, NULL) != GPUC_OK)
        abort();
    rc = gpuc__documents_read(out, (const char *)data, size, "fuzz", values, &err);
    if (rc != GPUC_OK && (!err || strncmp(gpuc_error_message(err), "fuzz:", 5) != 0 ||
                          json_array_size(out) > 0))
        abort();
    json_array_foreach(out, i, entry)
    {
        const json_t *object = json_object_get(entry, "object");

        adopt(object, NULL);
        adopt(object, "n1");
    }
    gpuc_error_unref(err);
    json_decref(out);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests that people write, in YAML or JSON: several documents, Lists, anchors. */
#ifndef GPUC__KUBE_DOCUMENTS_H
#define GPUC__KUBE_DOCUMENTS_H
#include <gpucluster.h>
#include <jansson.h>

#define GPUC__DOCUMENTS_MAX_OBJECTS 1000

/* Appends to `out`, an array, an entry {"where": "FILE:LINE:COLUMN", "object": {…}} for each object, in
 * their order. Each has apiVersion, kind and a name (or generateName), and is of a kind that
 * kube/kinds.json lists. values: as for gpuc__manifest_fill, for remedies. Errors begin with
 * "FILE:LINE:COLUMN:"; then nothing is appended. */
int gpuc__documents_read(json_t *out, const char *text, size_t length, const char *filename,
                         const json_t *values, gpuc_error **err);
#endif

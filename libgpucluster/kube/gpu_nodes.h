/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes have GPUs, and which of them are free. Pure functions over what the API server lists. */
#ifndef GPUC__KUBE_GPU_NODES_H
#define GPUC__KUBE_GPU_NODES_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

/* nvidia.com/gpu and the MIG devices, shared ones included. */
bool gpuc__gpu_resource(const char *name);

/* The node offers GPUs, or a label of gpu-labels.json says that it has some. */
int gpuc__gpu_node(bool *out, const json_t *node, gpuc_error **err);

/* How many nvidia.com/gpu it offers, MIG devices of names of their own not counted. */
long gpuc__gpu_offered(const json_t *node);

/* What the node offers as nvidia.com/gpu are shares of GPUs (time-slicing, MPS), as feature discovery's
 * labels say. */
bool gpuc__gpu_shared(const json_t *node);

/* What the pods of a list hold: {NODE: {"nvidia.com/gpu": 3}}; those that have ended hold nothing, nor
 * do those of the run (NULL: none). New; NULL without memory. */
json_t *gpuc__gpu_usage(const json_t *list, const char *run_id);

/* What of the node's allocatable GPUs nobody holds: {"nvidia.com/gpu": "5"}, without those of which
 * none is free; new. *count: all together. NULL without memory. */
json_t *gpuc__gpu_free(long *count, const json_t *node, const json_t *usage);
#endif

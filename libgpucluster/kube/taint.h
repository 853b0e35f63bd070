/* SPDX-License-Identifier: Apache-2.0 */
/* Taints that keep a pod from a node: newer schedulers say only that there are some. Pure. */
#ifndef GPUC__KUBE_TAINT_H
#define GPUC__KUBE_TAINT_H
#include <jansson.h>
#include <stdbool.h>

#include "util/buf.h"

/* Adds what of the node the pod does not tolerate: "gpu-1 is tainted with KEY, KEY"; false: nothing. */
bool gpuc__taint_tell(gpuc__buf *out, const json_t *node, const json_t *pod);
/* The same of an array of nodes, of which the first few are named and the others counted. */
bool gpuc__taints_tell(gpuc__buf *out, const json_t *nodes, const json_t *pod);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server knows of the way from a node's GPUs to what it offers to pods. */
#ifndef GPUC__KUBE_GPU_CHAIN_H
#define GPUC__KUBE_GPU_CHAIN_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "kube/client.h"

/* GPUs that the node offers (allocatable) or, with capacity, says to have: nvidia.com/gpu and MIG
 * devices, and what is shared of them. */
long gpuc__chain_gpus(const json_t *node, bool capacity);

/* Gathers it, reading only. result: {"node", "runtimeClasses", "daemonSets", "pod", "events",
 * "log"}: those that look like NVIDIA's device plugin, its pod on the node and the end of its log.
 * What is null is not there or, when "refused" has its name, could not be read: {"refused":
 * {"daemonSets": "why"}}. The node itself must be readable. */
gpuc__kube_call *gpuc__chain_gather(gpuc__kube *kube, const char *node, int deadline_ms,
                                    gpuc__kube_done_fn done, void *data);

/* Whether the DaemonSet looks like NVIDIA's device plugin, by the table gpu-plugins.json. */
bool gpuc__chain_is_plugin(const json_t *daemon_set, const json_t *table);
/* Whether the pod is on the node, or is its DaemonSet's pod for it that is not placed yet. */
bool gpuc__chain_pod_of(const json_t *pod, const char *node);
#endif

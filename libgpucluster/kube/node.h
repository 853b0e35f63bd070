/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes: what they say of themselves, waiting for them, labels, taints, drain. */
#ifndef GPUC__KUBE_NODE_H
#define GPUC__KUBE_NODE_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "kube/client.h"

/* Borrowed from the node's JSON; reason and message are never NULL. */
typedef struct gpuc__node_state {
    bool ready, unschedulable;
    const char *reason, *message; /* of the Ready condition: "KubeletNotReady", … */
    const char *kubelet;          /* its version, "" when unknown */
    long gpus;                    /* allocatable GPUs and MIG devices; 0 without */
} gpuc__node_state;

void gpuc__node_read(gpuc__node_state *out, const json_t *node);

/* result: the node. */
gpuc__kube_call *gpuc__node_get(gpuc__kube *kube, const char *name, gpuc__kube_done_fn done,
                                void *data);

/* Until the node is Ready and has at least `gpus` allocatable GPUs (0: Ready is enough). result: the
 * node. GPUC_ETIMEDOUT tells why not: the Ready condition, the node's pods that do not run and the
 * newest events. */
gpuc__kube_call *gpuc__node_wait(gpuc__kube *kube, const char *name, long gpus, int deadline_ms,
                                 gpuc__kube_done_fn done, void *data);

/* Sets labels of an object {"gpu": "true", "cuda": null}; null removes. result: the node. */
gpuc__kube_call *gpuc__node_label(gpuc__kube *kube, const char *name, const json_t *labels,
                                  gpuc__kube_done_fn done, void *data);

/* The startup taint: keeps pods off a GPU node until it is proven. */
#define GPUC__TAINT_UNPROVEN "gpucluster/unproven"
#define GPUC__TAINT_EFFECT "NoSchedule"

bool gpuc__node_is_unproven(const json_t *node); /* it has that taint */
/* As gpuc__node_label, and in the same request puts that taint there or takes it away; taints of others
 * stay. */
gpuc__kube_call *gpuc__node_mark(gpuc__kube *kube, const char *name, const json_t *labels,
                                 bool unproven, gpuc__kube_done_fn done, void *data);

gpuc__kube_call *gpuc__node_cordon(gpuc__kube *kube, const char *name, bool on,
                                   gpuc__kube_done_fn done, void *data);

/* Cordons, then evicts every pod but those of DaemonSets, mirror pods and finished ones, and waits
 * until they are gone. A PodDisruptionBudget that refuses is asked again until the deadline; then
 * GPUC_ETIMEDOUT names the pods that are left and why. A node that is not there is success. */
gpuc__kube_call *gpuc__node_drain(gpuc__kube *kube, const char *name, int deadline_ms,
                                  gpuc__kube_done_fn done, void *data);

/* Deletes the Node object; one that is not there is success. */
gpuc__kube_call *gpuc__node_delete(gpuc__kube *kube, const char *name, gpuc__kube_done_fn done,
                                   void *data);

/* The pods on a node, of all namespaces. result: {"items": [...]}. */
gpuc__kube_call *gpuc__node_pods(gpuc__kube *kube, const char *name, int deadline_ms,
                                 gpuc__kube_done_fn done, void *data);

/* Whether drain moves this pod: false for DaemonSet, mirror and finished pods. */
bool gpuc__node_pod_drains(const json_t *pod);
#endif

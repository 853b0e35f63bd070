/* SPDX-License-Identifier: Apache-2.0 */
/* Which link between a GPU and the number that Kubernetes counts is missing: driver, toolkit,
 * containerd's runtime, RuntimeClass, device plugin, kubelet. chain.json names them. */
#ifndef GPUC__CLUSTER_CHAIN_H
#define GPUC__CLUSTER_CHAIN_H
#include <gpucluster.h>
#include <jansson.h>

#include "gpu/collect.h"
#include "kube/gpu_chain.h"

typedef struct gpuc__chain {
    char *link;     /* an id of chain.json, "plugin.crash"; NULL: nothing is missing */
    char *observed; /* what is missing, one line: "nvidia.com/gpu: 0 of 2; the device plugin…" */
    char *remedy;   /* NULL when nothing is missing */
    char *evidence; /* the plugin's last lines, or an event; NULL */
    char *namespace_, *pod; /* of the device plugin on the node; NULL: there is none */
} gpuc__chain;

/* Pure. wanted: how many GPUs the node should offer; -1: as many as it says to have, at least one.
 * facts: what gpuc__chain_gather ends with; what was not gathered is not held against a link.
 * machine: the look at the machine itself; NULL: it was not looked at. GPUC_ENOMEM. */
int gpuc__chain_diagnose(gpuc__chain *out, long wanted, const json_t *facts,
                         const gpuc__collect_chain *machine, gpuc_error **err);
/* How many that is for a machine with so many GPUs: as many; where MIG devices are offered in their
 * stead (the plugin's strategies single and mixed), as many as nvidia-smi lists. */
long gpuc__chain_wanted(long gpus, const json_t *node, const gpuc__collect_chain *machine);
void gpuc__chain_clear(gpuc__chain *chain);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters that others made: the way to its API server, and what is asked there beforehand. */
#ifndef GPUC__OTHERS_H
#define GPUC__OTHERS_H
#include "cluster/cluster.h"
#include "kube/access.h"

/* open.c: a cluster without spec and state: hosts that are verified and no more (model, consumed), or what
 * a kubeconfig leads to (NULL). */
int gpuc__cluster_bare(gpuc_cluster **out, gpuc_context *context, const char *name,
                       gpuc__spec_model *model, uint32_t parallel, gpuc_error **err);

typedef struct gpuc__others {
    gpuc__kube *kube;
    char *name;       /* the context's; "kubernetes" where it has none */
    char *namespace_; /* the context's; "default" */
} gpuc__others;

/* Reads the kubeconfig; nothing is contacted. list: paths with ":" between them, or "default". exec: its
 * credential plugins may run. */
int gpuc__others_open(gpuc__others *out, gpuc_context *context, const char *list,
                      const char *kube_context, bool exec, gpuc_error **err);
void gpuc__others_clear(gpuc__others *others);

/* The rights: the first is for finding the GPU nodes, then those of a run of Jobs, then what only a
 * verification asks for. docs/verify.md has them as a ClusterRole. */
extern const gpuc__access gpuc__others_rights[];
enum {
    GPUC__OTHERS_RUN = 1,   /* where those of a run begin */
    GPUC__OTHERS_LOOK = 10, /* where those of a verification begin */
    GPUC__OTHERS_LABEL = 14, /* the one for setting labels */
    GPUC__OTHERS_RIGHTS = 15
};

/* What gpuc__access_review has found: an error that has all that is needed, so that the person asks for
 * it once; NULL: nothing is missing. The rest is warned of. who: "a verification". */
gpuc_error *gpuc__others_refusal(gpuc_context *context, const json_t *reviewed, const char *who);

/* Of the list of RuntimeClasses the one that NVIDIA's toolkit brings; "" where there is none. */
const char *gpuc__others_runtime_class(const json_t *list);
#endif

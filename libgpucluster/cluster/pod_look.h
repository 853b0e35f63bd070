/* SPDX-License-Identifier: Apache-2.0 */
/* The look at a node's GPUs from inside a pod: the same scripts as over SSH, through the container
 * toolkit, on the GPUs that the pod is given. The pod's Job is deleted whatever comes. */
#ifndef GPUC__POD_LOOK_H
#define GPUC__POD_LOOK_H
#include "gpu/proof.h"
#include "kube/client.h"

typedef struct gpuc__pod_look gpuc__pod_look; /* valid until its done has returned */

typedef struct gpuc__pod_look_args {
    gpuc__kube *kube;
    const char *node, *namespace_, *image;
    const char *runtime_class; /* "": the cluster's own */
    const char *run_id;        /* as in kube/job.h */
    const json_t *resources;   /* {"nvidia.com/gpu": "5"}: asked for, and all of it free */
    long count;                /* together */
    bool shared;               /* they are shares of GPUs: how many GPUs that makes cannot be said */
    gpuc__rules *rules;        /* referenced; NULL: the tables as they are */
    void (*progress)(void *data, const char *what); /* may be NULL */
    /* Once, later. The proof is the receiver's: NULL when the pod has shown nothing. error, which is
     * consumed, says why it has not shown all: with a proof, the pod was ended before it was done. */
    void (*done)(void *data, gpuc__machine_proof *proof, gpuc_error *error);
    void *data;
} gpuc__pod_look_args; /* strings and resources are copied */

int gpuc__pod_look_start(gpuc__pod_look **out, const gpuc__pod_look_args *args, gpuc_error **err);
void gpuc__pod_look_cancel(gpuc__pod_look *look); /* deletes the Job, then ends with GPUC_ECANCELLED */
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a pod stands and why, out of everything the API server tells about it, its Job and its node: a
 * pure function with the table kube/pod-reasons.json. */
#ifndef GPUC__KUBE_REASON_H
#define GPUC__KUBE_REASON_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

typedef struct gpuc__reason {
    char *phase;   /* "Pending", "Running", "Succeeded", "Failed", "Unknown" */
    char *reason;  /* "ImagePullBackOff"; NULL when nothing is wrong */
    char *text;    /* one sentence for people; NULL when nothing is wrong */
    char *remedy;  /* NULL when nothing is wrong or nothing is known */
    bool started;  /* a container runs or has run: there is a log */
    bool ended;    /* nothing will change any more */
    bool lost;     /* it has started, and its node does not answer: nothing new will be heard */
    int exit_code; /* of the container that failed, else of the first; -1: none known */
    int grace_s;   /* while it has not started or is lost: how long to bear this; -1: no limit */
} gpuc__reason;

/* Each may be NULL. */
typedef struct gpuc__reason_input {
    const json_t *job, *pod;
    const json_t *events; /* an array: those of the pod, or of the job while there is none */
    const json_t *node;   /* the pod's, or the one that it is for; JSON null: there is none */
    const json_t *tainted; /* where there is no such node, those with taints: an array */
    bool deleted;         /* the pod is no longer there; this is what was last seen of it */
} gpuc__reason_input;

int gpuc__reason_reduce(gpuc__reason *out, const gpuc__reason_input *in, gpuc_error **err);
/* Whether this container (an entry of the pod's container statuses) runs or has run. */
bool gpuc__reason_container_started(const json_t *status);
void gpuc__reason_clear(gpuc__reason *reason);

/* The newest event of type Warning, with this reason unless that is NULL, then without those that
 * never stand in the way; borrowed. */
const json_t *gpuc__reason_newest_event(const json_t *events, const char *reason);
#endif

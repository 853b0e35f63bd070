/* SPDX-License-Identifier: Apache-2.0 */
/* Where a pod stands and why, out of everything the API server tells about it: a pure function with
 * the table kube/pod-reasons.json. */
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
    bool started;  /* the container runs or has run: it has a log */
    bool ended;    /* nothing will change any more */
    int exit_code; /* -1: none known */
    int grace_s;   /* while pending: how long to bear this state; -1: until the deadline */
} gpuc__reason;

/* job, pod and events (an array) may each be NULL. */
int gpuc__reason_reduce(gpuc__reason *out, const json_t *job, const json_t *pod,
                        const json_t *events, gpuc_error **err);
void gpuc__reason_clear(gpuc__reason *reason);

/* The newest event of type Warning, with this reason unless that is NULL, then without those that
 * never stand in the way; borrowed. */
const json_t *gpuc__reason_newest_event(const json_t *events, const char *reason);
#endif

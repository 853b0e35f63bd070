/* SPDX-License-Identifier: Apache-2.0 */
/* One container run once on one node, as a Kubernetes Job: its manifest, and the run itself from
 * creation over its log to its result and clean-up. Several nodes are several runs of one run id. */
#ifndef GPUC__KUBE_JOB_H
#define GPUC__KUBE_JOB_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "kube/client.h"

typedef struct gpuc__job_params {
    const char *kind;          /* a DNS label of at most 30 characters; names Job and container */
    const char *run_id;        /* [a-z0-9], 1 to 16: the same id never makes a second Job */
    const char *node;
    const char *namespace_;    /* NULL: "default" */
    const char *image;
    const json_t *command;     /* array of text; NULL or empty: the image's own */
    int gpus;                  /* nvidia.com/gpu; 0: none */
    int deadline_s;            /* 0: 600 */
    const char *runtime_class; /* NULL: "nvidia" when gpus > 0; "": none */
} gpuc__job_params;

/* A known kind of kube/jobs.json with its placeholders filled: {"image", "command",
 * "description"}; new. GPUC_EINVAL names the known ones. */
int gpuc__job_kind(json_t **out, const char *kind, const json_t *values, gpuc_error **err);

/* The Job's name: kind, run id and a hash of the node's name; the same for the same input. New. */
char *gpuc__job_name(const gpuc__job_params *params);
/* The Job pinned to its node, by the scheduler, which so counts its GPUs; new. Pure. */
int gpuc__job_manifest(json_t **out, const gpuc__job_params *params, gpuc_error **err);

/* How a run ended, or stands. Strings are borrowed; text and reason are NULL when all is well. */
typedef struct gpuc__job_end {
    const char *node, *pod; /* pod NULL: none was made */
    const char *phase;      /* "Pending", "Running", "Succeeded", "Failed", "Unknown" */
    const char *reason;     /* "ImagePullBackOff" */
    const char *text;       /* a sentence */
    int exit_code;          /* -1: none known */
    uint64_t lines;
} gpuc__job_end;

typedef struct gpuc__job_run gpuc__job_run; /* valid until its done has returned */

typedef struct gpuc__job_run_args {
    gpuc__job_params params; /* copied */
    bool keep;               /* leave Job and pod behind */
    /* A line of the log, without its newline. */
    void (*line)(void *data, const char *node, const char *text, size_t length);
    /* Told when phase or text change; may be NULL. */
    void (*state)(void *data, const gpuc__job_end *now);
    /* Once. error (consumed) is NULL when the container ended with 0 and its log was read to its
     * end; else GPUC_EREMOTE (native code: the exit status) with the true reason, GPUC_ETIMEDOUT,
     * GPUC_ECANCELLED, or the API's own. */
    void (*done)(void *data, const gpuc__job_end *end, gpuc_error *error);
    void *data;
} gpuc__job_run_args;

int gpuc__job_run_start(gpuc__job_run **out, gpuc__kube *kube, const gpuc__job_run_args *args,
                        gpuc_error **err);
/* Deletes the Job and ends with GPUC_ECANCELLED; a second time ends without waiting for that. */
void gpuc__job_run_cancel(gpuc__job_run *run);
#endif

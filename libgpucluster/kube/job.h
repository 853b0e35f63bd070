/* SPDX-License-Identifier: Apache-2.0 */
/* One workload, a Kubernetes Job or Pod: its manifest, and its run from creation over the logs of all
 * its pods and containers to its result and clean-up. Several nodes are several runs of one run id. */
#ifndef GPUC__KUBE_JOB_H
#define GPUC__KUBE_JOB_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "kube/client.h"

/* What a Job of a known kind is made of. */
typedef struct gpuc__job_params {
    const char *kind;          /* a DNS label of at most 30 characters; names Job and container */
    const char *run_id;        /* [a-z0-9], 1 to 16: the same id never makes a second Job */
    const char *node;          /* NULL: wherever the scheduler puts it */
    const char *namespace_;    /* NULL: "default" */
    const char *image;
    const json_t *command;     /* array of text; NULL or empty: the image's own */
    const json_t *args;        /* likewise */
    const json_t *env;         /* object of text; may be NULL */
    int gpus;                  /* nvidia.com/gpu of each container; 0: none */
    const json_t *resources;   /* {"nvidia.com/mig-1g.5gb": "2"}: those instead, gpus in all, in one
                                * container for each name; NULL */
    int containers;            /* 0: 1. More: KIND-0, KIND-1 … in one pod, so that each has other GPUs */
    int deadline_s;            /* 0: 600 */
    bool keep;                 /* the cluster is not to remove it an hour after its end */
    bool proves;               /* it runs on nodes that are not proven yet, too */
    const char *runtime_class; /* NULL: "nvidia" when gpus > 0; "": none */
} gpuc__job_params;

/* A known kind of kube/jobs.json with its placeholders filled: {"image", "command", "description",
 * "env", "json": true when its last words are a line of JSON}; new. GPUC_EINVAL names the known
 * ones. */
int gpuc__job_kind(json_t **out, const char *kind, const json_t *values, gpuc_error **err);

/* The Job's name: kind, run id and a hash of the node's name; the same for the same input. New. */
char *gpuc__job_name(const gpuc__job_params *params);
/* The Job pinned to its node, by the scheduler, which so counts its GPUs; new. Pure. */
int gpuc__job_manifest(json_t **out, const gpuc__job_params *params, gpuc_error **err);

/* How an object that a person wrote is taken into a run. */
typedef struct gpuc__job_given {
    const char *run_id;
    const char *namespace_; /* of an object that names none; NULL: "default" */
    const char *node;       /* a Job's or Pod's copy for this node; NULL: as it is */
    int deadline_s;         /* of a Job or Pod that has none */
    bool keep;              /* as above */
} gpuc__job_given;

bool gpuc__job_is_workload(const json_t *object); /* a Job or a Pod, the only ones that end */
/* A copy with namespace, a name where it has only generateName, the run's labels, and for a workload
 * deadline and node; new. Pure. */
int gpuc__job_adopt(json_t **out, const json_t *object, const gpuc__job_given *given,
                    gpuc_error **err);

/* How a run ended, or stands: of several pods that which tells most. Strings are borrowed; text and
 * reason are NULL when all is well. */
typedef struct gpuc__job_end {
    const char *node, *pod; /* NULL: none yet */
    const char *phase;      /* "Pending", "Running", "Succeeded", "Failed", "Unknown" */
    const char *reason;     /* "ImagePullBackOff" */
    const char *text;       /* a sentence */
    int exit_code;          /* -1: none known */
    uint64_t lines;         /* of all its logs */
} gpuc__job_end;

typedef struct gpuc__job_run gpuc__job_run; /* valid until its done has returned */

typedef enum gpuc__job_cleanup {
    GPUC__CLEANUP_ALWAYS = 0,
    GPUC__CLEANUP_ON_SUCCESS = 1,
    GPUC__CLEANUP_NEVER = 2 /* but a run that is cancelled leaves nothing, either */
} gpuc__job_cleanup;

typedef struct gpuc__job_run_args {
    gpuc__job_params params; /* copied; or: */
    const json_t *object;    /* what gpuc__job_adopt or gpuc__job_manifest has made */
    const char *title;       /* for errors; NULL: the kind, or "Job NAME" */
    gpuc__job_cleanup cleanup;
    bool name_pods; /* lines come from NODE/POD, since pods of several workloads may share a node */
    bool json;      /* the last line of a container that is a JSON object is its result */
    /* A line of a log, without its newline. origin: NODE, or NODE/CONTAINER where the pod has
     * several. May be NULL. */
    void (*line)(void *data, const char *origin, const char *text, size_t length);
    /* Told when phase or text change; may be NULL. */
    void (*state)(void *data, const gpuc__job_end *now);
    /* Once. error (consumed) is NULL when all ended well and the logs were read to their end; else
     * GPUC_EREMOTE (native code: the exit status) with the true reason, GPUC_ETIMEDOUT,
     * GPUC_ECANCELLED, or the API's own. */
    void (*done)(void *data, const gpuc__job_end *end, gpuc_error *error);
    void *data;
} gpuc__job_run_args;

int gpuc__job_run_start(gpuc__job_run **out, gpuc__kube *kube, const gpuc__job_run_args *args,
                        gpuc_error **err);
/* Deletes the workload and ends with GPUC_ECANCELLED; a second time ends without waiting for that. */
void gpuc__job_run_cancel(gpuc__job_run *run);
/* An array with an object for each pod, as docs/jobs.md has it; new. Valid within done, too. */
json_t *gpuc__job_run_pods(const gpuc__job_run *run);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A run and its pods: shared by the files kube/job*.c only. */
#ifndef GPUC__KUBE_JOB_INTERNAL_H
#define GPUC__KUBE_JOB_INTERNAL_H
#include "kube/job.h"
#include "kube/log.h"
#include "kube/reason.h"
#include "util/buf.h"

struct gpuc__job_pod;

typedef struct gpuc__job_container {
    struct gpuc__job_pod *pod;
    char *name, *origin;
    bool init, log_begun, log_done;
    bool sidecar;            /* an init container that runs as long as its pod */
    gpuc__kube_call *log;
    gpuc_error *log_error;   /* why the log is not whole */
    gpuc__log_counts counts;
    gpuc__buf tail;          /* of the log, evidence of a failure */
    char *result;            /* its last line that may be a JSON object */
} gpuc__job_container;

typedef struct gpuc__job_pod {
    gpuc__job_run *run;
    char *name;
    json_t *object;
    bool deleted, listed; /* listed: in the list that is being told */
    gpuc__reason now;
    gpuc__job_container *containers;
    size_t container_count;
} gpuc__job_pod;

enum {
    GPUC__JOB_CREATE,
    GPUC__JOB_JOBS,
    GPUC__JOB_PODS,
    GPUC__JOB_EVENTS,
    GPUC__JOB_NODE,
    GPUC__JOB_TICK,
    GPUC__JOB_CLEANUP,
    GPUC__JOB_CHILDREN
};

struct gpuc__job_run {
    gpuc__kube *kube;
    gpuc__job_run_args args;
    char *title, *run_id, *node, *namespace_, *name;
    char *uid;    /* of the workload, once it is known that it is ours */
    bool is_pod;  /* the workload is a bare Pod */
    bool single;  /* one pod and no second try: its end is the run's */
    json_t *job, *events;
    char *node_name;      /* of the node that seems to be the trouble */
    json_t *node_object;  /* that one; JSON null: there is none */
    json_t *tainted;      /* nodes with taints, while a pod may find no node for them: an array */
    char *path, *collection; /* of the workload */
    gpuc__job_pod **pods;
    size_t pod_count, pod_room;
    gpuc__kube_call *children[GPUC__JOB_CHILDREN];
    gpuc__reason now;        /* of the pod that tells most, or of the job */
    gpuc__job_pod *telling;  /* that pod; NULL: the job itself */
    uint64_t begun, deadline, reason_since, ended_at, events_at, node_at, tainted_at;
    char *why, *why_remedy;  /* the last known reason why a pod does not start */
    bool may_exist;          /* the workload may have been made, whatever the answer was */
    bool created, log_begun, stopping, cleaned, cancelled, job_listed, pods_listed;
    uint64_t clean_until, line_at;
    uint64_t logs_ms;        /* how long it waits for lines once all has ended; tests wait less */
    uint64_t verdict_ms;     /* and after a pod's failure for the Job's own word, likewise */
    gpuc_error *error;       /* what the run ends with */
};

#define GPUC__JOB_TTL_S 3600

/* job_manifest.c */
json_t *gpuc__job_node_affinity(const char *node);
/* NAME-RUNID, and a hash of the node's name behind it; new. */
char *gpuc__job_node_name(const char *name, const char *run_id, const char *node);

/* job.c */
void gpuc__job_run_evaluate(gpuc__job_run *run);
void gpuc__job_run_stop_nomem(gpuc__job_run *run);
/* NULL, without memory, stops the run. */
void gpuc__job_child(gpuc__job_run *run, int which, gpuc__kube_call *call);

/* job_node.c: asks for what of nodes may be the trouble, again and again while it may be. */
void gpuc__job_node_look(gpuc__job_run *run);

/* job_clean.c */
bool gpuc__job_same(const char *a, const char *b); /* equal, or both NULL */
/* Whether this object of the workload's name is the one that this run has made. */
bool gpuc__job_run_owns(const gpuc__job_run *run, const json_t *object);
/* Deletes the workload if it is the run's own; then the run is evaluated again. */
void gpuc__job_run_clean(gpuc__job_run *run);

/* job_pods.c */
/* What a watch tells of a pod; false without memory or with too many pods. */
bool gpuc__job_pod_seen(gpuc__job_run *run, const char *type, json_t *object);
/* A list is whole: a pod that it lacks was deleted while nobody watched. */
void gpuc__job_pods_synced(gpuc__job_run *run);
/* Works out where each pod stands; begins the logs of containers that have started, and tells those
 * whose containers have ended. false without memory. */
bool gpuc__job_pods_look(gpuc__job_run *run);
bool gpuc__job_pods_logs_done(const gpuc__job_run *run);
/* Cancels what is still being read; false: nothing was. */
bool gpuc__job_pods_cancel(gpuc__job_run *run);
/* How many are known to have ended well, or were taken away with their logs being read; or badly, or were
 * taken away at all. */
size_t gpuc__job_pods_ended(const gpuc__job_run *run, bool well);
uint64_t gpuc__job_pods_lines(const gpuc__job_run *run);
/* The first log that is not whole; borrowed. */
gpuc_error **gpuc__job_pods_log_error(gpuc__job_run *run);
/* The log to show of a failure; never NULL. */
const gpuc__buf *gpuc__job_pods_tail(const gpuc__job_run *run);
void gpuc__job_pods_free(gpuc__job_run *run);
#endif

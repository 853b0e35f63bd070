/* SPDX-License-Identifier: Apache-2.0 */
/* A job: shared by the files cluster/job*.c only. */
#ifndef GPUC__JOBS_INTERNAL_H
#define GPUC__JOBS_INTERNAL_H
#include "cluster/jobs.h"
#include "kube/job.h"

typedef struct gpuc__job_line {
    struct gpuc__job_line *next;
    char *origin, *text;
} gpuc__job_line;

/* Lines that nobody has taken yet: bounded; the oldest go first, and are counted. */
typedef struct gpuc__job_lines {
    gpuc__job_line *first, *last;
    size_t count, bytes;
    uint64_t dropped;
} gpuc__job_lines;

typedef struct gpuc__job_part {
    gpuc_job *job;
    char *node;
    json_t *object;     /* of a manifest's workload; NULL: a Job of the kind */
    int containers;
    gpuc__job_run *run; /* NULL before it has begun and when it has ended */
    json_t *pods;       /* what came of it */
} gpuc__job_part;

typedef struct gpuc__job_look gpuc__job_look;

typedef enum gpuc__job_per {
    GPUC__PER_UNSET = 0,
    GPUC__PER_NODE = 1,
    GPUC__PER_GPU = 2,
    GPUC__PER_GIVEN = 3
} gpuc__job_per;

struct gpuc_job {
    atomic_int refs;
    gpuc_cluster *cluster;
    char *kind;          /* NULL: of manifests */
    json_t *documents;   /* of the manifests: an array of {"where", "object"} */
    char *name, *image, *namespace_, *only_node, *runtime_class;
    json_t *command, *args, *env; /* NULL: the kind's own */
    gpuc__job_per per;
    int gpus, deadline_s;
    gpuc__job_cleanup cleanup;
    bool json;           /* its kind prints its result as JSON */
    bool verify;         /* its machines are looked at again beforehand */
    char *kubeconfig, *kube_context; /* of a cluster that others made; NULL: of ours */
    char *context_namespace; /* of that context; NULL: not known yet */
    bool exec;           /* the kubeconfig's plugins may run */
    json_t *nodes;       /* of others, those to run on: {NODE: its GPUs}; NULL: not known yet */
    gpuc__job_look *looks;
    size_t look_count, look_next, looking; /* all, the next to begin, those under way */
    gpuc_op *op;         /* while it runs; borrowed */
    gpuc__kube *kube;    /* while it runs */
    bool started, cancelled, cleaning;
    uint64_t begun, ended;
    char run_id[13];
    gpuc__job_part *parts;
    size_t part_count, running;
    json_t *objects;     /* what the workloads need: {"where", "object", "ours"}, in their order */
    size_t at;           /* the one that is being created; cleaning up counts down */
    gpuc__kube_call *call; /* about that one */
    void (*next)(gpuc_job *job); /* when all are dealt with */
    gpuc_error *error;   /* the first that failed */
    gpuc__job_lines lines;
    gpuc__task bury;
};

/* job_lines.c */
/* Takes a line; true when it had to drop the first one ever. */
bool gpuc__job_lines_add(gpuc__job_lines *lines, const char *origin, const char *text,
                         size_t length);
bool gpuc__job_lines_take(gpuc__job_lines *lines, char **text, char **origin);
void gpuc__job_lines_clear(gpuc__job_lines *lines);

/* job_parts.c */
gpuc__job_per gpuc__job_per_of(const gpuc_job *job); /* never unset */
const char *gpuc__job_namespace(const gpuc_job *job); /* NULL: "default" */
int gpuc__job_parts_make(gpuc_job *job, gpuc_error **err);
void gpuc__job_parts_free(gpuc_job *job);
/* Begins all of them; their ends call gpuc__job_part_over, never inside this call but for one that
 * could not begin. */
void gpuc__job_parts_start(gpuc_job *job);
void gpuc__job_part_over(gpuc_job *job);

/* job_objects.c */
/* Creates what the workloads need, one after the other; next comes on the loop, also after an error,
 * which job->error then has. */
void gpuc__job_objects_create(gpuc_job *job, void (*next)(gpuc_job *job));
/* Deletes what of it this run has made, the last first. */
void gpuc__job_objects_delete(gpuc_job *job, void (*next)(gpuc_job *job));

/* job_others.c: of a cluster that others made. */
int gpuc__job_others_open(gpuc_job *job, gpuc_error **err);
/* Whether its nodes must be listed before its parts can be made. */
bool gpuc__job_others_lists(const gpuc_job *job);
/* Asks for its rights, the runtime class and its nodes, and makes its parts where they hang on those;
 * next comes also after an error, which job->error then has, and within the call when there is nothing to
 * ask or no memory. */
void gpuc__job_others_ask(gpuc_job *job, void (*next)(gpuc_job *job));

/* job_verify.c */
int gpuc__job_looks_make(gpuc_job *job, gpuc_error **err);
/* Looks at the machines of its parts, all of them; next comes when that is over, within the call only
 * when nothing could begin. job->error has the first failure: GPUC_EPROOF with check and remedy. */
void gpuc__job_look_again(gpuc_job *job, void (*next)(gpuc_job *job));
void gpuc__job_looks_cancel(const gpuc_job *job);

/* jobs.c: keeps the first error (consumed). */
void gpuc__job_keep_error(gpuc_job *job, const char *node, gpuc_error *error);
#endif

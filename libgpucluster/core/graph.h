/* SPDX-License-Identifier: Apache-2.0 */
/* The step graph: steps with dependencies, each probe -> act -> probe, run in parallel on the loop.
 * Knows nothing of what a step does: that is behind gpuc__step_ops. */
#ifndef GPUC__GRAPH_H
#define GPUC__GRAPH_H
#include <gpucluster.h>
#include <stdbool.h>

#include "core/store.h"

typedef struct gpuc__graph gpuc__graph;
typedef struct gpuc__node gpuc__node; /* a step in a graph */

typedef enum gpuc__verdict {
    GPUC__VERDICT_NEEDED = 1,
    GPUC__VERDICT_PRESENT = 2,
    GPUC__VERDICT_UNKNOWN = 4 /* cannot be told yet, e.g. the machine does not exist */
} gpuc__verdict;

/* When does an attempt end? An act that fails with GPUC_ENETWORK, GPUC_ETIMEDOUT or GPUC_ECANCELLED
 * may still be going on where it runs: its attempt stays open, and a retry or the next run calls
 * act with the same attempt and `resumed`. Every other answer ends the attempt; after that only a
 * new attempt acts again. So an act must tell a lost answer from a bad one by these codes (or with
 * gpuc__node_act_over, where the bad one is about a network beyond the machine), and must be able to
 * take up an attempt of which nothing was ever started (the intent is committed first).
 */

/* What a step does. Each function is called on the loop and must answer exactly once, at once or
 * later, with gpuc__node_probed / gpuc__node_acted. While one is under way `cancel` may be called
 * (once); the answer must still come, soon. `data` is the node's. */
typedef struct gpuc__step_ops {
    /* Looks, changes nothing. NULL: always NEEDED before the act and PRESENT after it. */
    void (*probe)(gpuc__node *node, void *data);
    /* Brings the effect about. `attempt` names the try: 16 hex digits, committed to the store
     * before this call. `resumed`: the same attempt was begun by an earlier run and its end is not
     * known; attach to it rather than start another. NULL: a step that only looks; not present =
     * failed. */
    void (*act)(gpuc__node *node, void *data, const char *attempt, bool resumed);
    /* NULL: the step answers inside the call. */
    void (*cancel)(gpuc__node *node, void *data);
    /* The exact commands, for `plan --shell`: new string or NULL. */
    char *(*shell)(const gpuc__node *node, void *data);
    void (*free)(void *data);
} gpuc__step_ops;

typedef struct gpuc__step_desc {
    const char *id;      /* "os.swap"; copied, as are the other strings */
    const char *machine; /* NULL: a step of the cluster */
    const char *title;
    const char *remedy; /* what a person does when it fails, unless the error itself says */
    uint32_t timeout_s; /* deadline of one act, 0: 600 s; of a probe: 120 s at most */
    uint32_t retries;   /* further attempts after a retryable failure */
    uint32_t backoff_s; /* before the first of them, 0: 1 s; doubles, with jitter, up to 60 s */
    bool check;         /* looks only: runs each time, shown as GPUC_STEP_CHECK */
    bool always;        /* not failed by failed dependencies: runs when they have ended anyhow */
    bool skip;          /* at the caller's wish: counts as done for what depends on it */
    bool gate;          /* without it its machine cannot be asked: while it is not there, what
                         * depends on it on that machine is planned without a probe */
    bool elsewhere;     /* others do the work, and only its answer is waited for: it takes no slot of
                         * `parallel` */
    bool alone;         /* no other step of its machine runs meanwhile: it restarts the machine */
    const gpuc__step_ops *ops;
    void *data; /* freed with ops->free */
} gpuc__step_desc;

int gpuc__graph_new(gpuc__graph **out, gpuc_context *context, gpuc__store *store, gpuc_error **err);
void gpuc__graph_free(gpuc__graph *graph); /* not while running; inside `done` is fine */
/* Adds a step; the pair (machine, id) is unique. On failure data is freed. */
int gpuc__graph_add(gpuc__graph *graph, const gpuc__step_desc *desc, gpuc__node **out,
                    gpuc_error **err);
/* node waits for `before`. NULL before: ignored. */
int gpuc__graph_depend(gpuc__graph *graph, gpuc__node *node, gpuc__node *before, gpuc_error **err);
gpuc__node *gpuc__graph_find(gpuc__graph *graph, const char *machine, const char *id);
/* GPUC_EINVAL naming the steps of a cycle. */
int gpuc__graph_check(gpuc__graph *graph, gpuc_error **err);

/* Probes what can be probed, acts on nothing, and gives a plan: done(data, plan or NULL, error or
 * NULL), both consumed by done. A probe error makes that step UNKNOWN with the error as its detail;
 * steps whose dependency is not PRESENT are not probed when that dependency is `gate` (a step
 * without which the machine cannot be asked). */
typedef void (*gpuc__plan_fn)(void *data, gpuc_plan *plan, gpuc_error *error);
int gpuc__graph_plan(gpuc__graph *graph, const char *cluster, gpuc__plan_fn done, void *data,
                     gpuc_error **err);

/* Runs it: at most `parallel` acts at once; independent steps go on after a failure; intents, step
 * states and events go to the store, events to the context. done gets NULL or one GPUC_ESTEP /
 * GPUC_ECANCELLED error (consumed) whose cause is the first failure and whose message counts all.
 */
typedef void (*gpuc__run_fn)(void *data, gpuc_error *error);
int gpuc__graph_run(gpuc__graph *graph, gpuc_op *op, uint32_t parallel, gpuc__run_fn done,
                    void *data, gpuc_error **err);
/* Of a plan or a run under way: what is active is cancelled, then done gets GPUC_ECANCELLED. */
void gpuc__graph_cancel(gpuc__graph *graph);
/* For tests: how many milliseconds a second of a deadline or backoff has. */
void gpuc__graph_scale_time(gpuc__graph *graph, uint32_t ms_per_s);

/* Answers of a step. `detail` (copied, may be NULL) says why; `error` is consumed and makes the
 * probe or act a failure. */
void gpuc__node_probed(gpuc__node *node, gpuc__verdict verdict, const char *detail,
                       gpuc_error *error);
void gpuc__node_acted(gpuc__node *node, gpuc_error *error);
/* Before gpuc__node_acted: the act has ended where it runs, whatever the code of its error. */
void gpuc__node_act_over(gpuc__node *node);
/* While acting: the latest line of output; becomes a STEP_PROGRESS event, at most 10 a second. */
void gpuc__node_progress(gpuc__node *node, const char *line);

const char *gpuc__node_id(const gpuc__node *node);
const char *gpuc__node_machine(const gpuc__node *node); /* NULL: cluster */
gpuc__graph *gpuc__node_graph(const gpuc__node *node);
/* After a run: the step that failed and so kept this one from running; NULL: it ran. */
const gpuc__node *gpuc__node_held_by(const gpuc__node *node);
void *gpuc__node_data(const gpuc__node *node);
#endif

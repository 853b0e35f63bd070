/* SPDX-License-Identifier: Apache-2.0 */
/* The graph's own fields and helpers, shared by core/graph*.c only. */
#ifndef GPUC__GRAPH_INTERNAL_H
#define GPUC__GRAPH_INTERNAL_H
#include "core/graph.h"

#include "core/context.h"
#include "core/map.h"

#define GPUC__LANE_PARALLEL 4 /* steps of one machine at once: they share a connection */
#define GPUC__NOT_IN_HEAP SIZE_MAX
#define GPUC__PROBE_TIMEOUT_S 120u /* or the act's, if that is less */

typedef enum gpuc__node_state {
    GPUC__NODE_IDLE = 0, /* waits for others */
    GPUC__NODE_READY,    /* in its machine's queue */
    GPUC__NODE_PROBING,  /* from here to PROVING it holds a slot */
    GPUC__NODE_ACTING,
    GPUC__NODE_PROVING, /* the probe after the act */
    GPUC__NODE_BACKOFF,
    GPUC__NODE_ENDED
} gpuc__node_state;

typedef enum gpuc__outcome {
    GPUC__OUTCOME_NONE = 0,
    GPUC__OUTCOME_DONE,
    GPUC__OUTCOME_WISHED, /* skipped at the caller's wish: as good as done */
    GPUC__OUTCOME_FAILED,
    GPUC__OUTCOME_SKIPPED, /* something it needs failed */
    GPUC__OUTCOME_CANCELLED
} gpuc__outcome;

typedef struct gpuc__node_list {
    gpuc__node *first, *last;
} gpuc__node_list;

/* A machine in the graph, or the cluster itself. */
typedef struct gpuc__lane {
    char *key; /* the machine, "" for the cluster */
    gpuc__node_list ready;
    unsigned active;
    bool alone;  /* what is active wants to be alone */
    bool queued; /* in the graph's queue of lanes with something to start */
    struct gpuc__lane *next;
    int64_t remaining_ms;     /* estimates of what has not ended */
    const gpuc__node *closed; /* plan: its gate that is not there */
} gpuc__lane;

struct gpuc__node {
    gpuc__graph *graph;
    size_t index;
    char *id, *machine, *title, *remedy, *key;
    uint32_t timeout_s, retries, backoff_s;
    bool check, always, skip, gate, alone, elsewhere;
    const gpuc__step_ops *ops;
    void *data;
    gpuc__lane *lane;
    gpuc__node **before, **after; /* what it waits for; what waits for it */
    size_t before_count, after_count;
    size_t mark; /* of the walk that orders */

    gpuc__node_state state;
    gpuc__outcome outcome;
    size_t waiting;            /* of `before`, not ended yet */
    const gpuc__node *culprit; /* a failure that it depends on */
    const gpuc__node *held_by; /* the same when it was not run for it; stands after the run */
    gpuc__node *next, *next_ended;
    bool answered, cancel_called, timed_out;
    gpuc__verdict verdict; /* the answer */
    char *detail;
    gpuc_error *error;
    uint64_t due; /* while in the heap */
    size_t heap_at;

    unsigned tries;
    char attempt[17];
    bool attempt_open, resumed, acted, act_over;
    uint64_t act_began, line_shown;
    int64_t estimate_ms; /* -1: unknown */
    bool stored_done;    /* the store says so already */

    int planned; /* GPUC_STEP verdict, 0: not known yet */
    bool taint_machine, taint_cluster;
};

typedef enum gpuc__graph_mode {
    GPUC__GRAPH_IDLE = 0,
    GPUC__GRAPH_PLAN,
    GPUC__GRAPH_RUN
} gpuc__graph_mode;

struct gpuc__graph {
    gpuc_context *context;
    gpuc__store *store; /* may be NULL: nothing is remembered */
    gpuc__node **nodes;
    size_t count, capacity;
    gpuc__lane **lanes;
    size_t lane_count, lane_capacity;
    gpuc__map by_key, by_machine;
    uint32_t ms_per_s;

    gpuc__graph_mode mode;
    gpuc_op *op;
    gpuc__run_fn run_done;
    gpuc__plan_fn plan_done;
    void *done_data;
    char *cluster;
    uint32_t parallel, busy, elsewhere; /* busy: all under way; elsewhere: without a slot */
    bool cancelled, cancel_sent, shown_done;
    gpuc_error *fatal, *first_failure;
    size_t ended, done, failed, skipped;
    uint64_t progress_shown;
    gpuc__task task;
    uv_timer_t *timer;
    gpuc__node **heap; /* nodes with a deadline, the earliest first */
    size_t heap_count;
    gpuc__lane *first_lane, *last_lane; /* with something to start */
    gpuc__node_list ready_elsewhere;
    gpuc__node_list answered, starting, just_ended;
};

/* graph.c */
/* Every node once, each after what it waits for, as far as possible in the order of adding. NULL
 * with an error: a cycle, or no memory. */
gpuc__node **gpuc__graph_order(gpuc__graph *graph, gpuc_error **err);
const char *gpuc__node_name(const gpuc__node *node); /* "machine/step" or "step" */

/* graph_sched.c */
int gpuc__graph_begin(gpuc__graph *graph, gpuc__graph_mode mode, uint32_t parallel,
                      gpuc_error **err);
void gpuc__graph_reset(gpuc__graph *graph);
void gpuc__list_push(gpuc__node_list *list, gpuc__node *node);
gpuc__node *gpuc__list_pop(gpuc__node_list *list);
void gpuc__graph_ready(gpuc__node *node);         /* to its machine's queue */
gpuc__node *gpuc__graph_take(gpuc__graph *graph); /* the next to start; it holds a slot then */
void gpuc__graph_give_slot(gpuc__node *node);
void gpuc__graph_ended(gpuc__node *node); /* to the list whose dependents are looked at */
gpuc__node *gpuc__graph_next_ended(gpuc__graph *graph);
/* A deadline or the end of a backoff. */
void gpuc__graph_wake_in(gpuc__node *node, uint64_t ms);
void gpuc__graph_wake_not(gpuc__node *node);
void gpuc__graph_arm(gpuc__graph *graph); /* sets the timer to the earliest */
void gpuc__graph_call(gpuc__node *node);  /* calls probe or act by the node's state */
void gpuc__graph_cancel_active(gpuc__graph *graph);

/* graph_run.c, graph_plan.c: one turn of the loop */
void gpuc__graph_run_turn(gpuc__graph *graph);
void gpuc__graph_plan_turn(gpuc__graph *graph);
#endif

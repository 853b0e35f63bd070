/* SPDX-License-Identifier: Apache-2.0 */
/* Steps whose act is C: machines, uploads, what goes through the API server, the proof. recipe.json
 * names them ("builtin"); action.c has the table. */
#ifndef GPUC__ACTION_H
#define GPUC__ACTION_H
#include <uv.h>

#include "cluster/cluster.h"

/* The data of such a step's node. One probe or act is under way at a time. */
typedef struct gpuc__action {
    gpuc_cluster *cluster;
    gpuc__member *member;  /* NULL: a step of the cluster */
    gpuc__node *node;
    bool acting;           /* else probing */
    bool cancelled;
    /* What to cancel; NULL when nothing of the kind is under way. */
    gpuc__ssh_op *ssh_op;
    gpuc__kube_call *kube_call;
    void *work;            /* the action's own; freed by the action before it answers */
    void (*cancel_work)(struct gpuc__action *action);
    uv_timer_t *timer;     /* waits between looks; NULL when none runs */
    void (*after_wait)(struct gpuc__action *action);
    char attempt[17];      /* of the act under way */
    int timeout_ms;        /* a little below the step's deadline, so that a wait can say why */
    bool proved;           /* proof.c: this run has proven it */
    bool applied;          /* addons.c: this run has applied its objects */
    bool stays, drained;   /* nodes.c: its Node is not deleted; this run has drained it */
    uint64_t since_ms;     /* reach.c: when its waiting began */
} gpuc__action;

/* Answers the probe or the act, whichever is under way; detail and error as in core/graph.h. */
void gpuc__action_answer(gpuc__action *action, gpuc__verdict verdict, const char *detail,
                         gpuc_error *error);
/* Calls next(action) after some time; a cancel comes first and answers. */
void gpuc__action_wait(gpuc__action *action, unsigned ms, void (*next)(gpuc__action *action));
/* After an answer that came although the step was cancelled: completes it as cancelled. True when it
 * did; the error is consumed then. */
bool gpuc__action_was_cancelled(gpuc__action *action, gpuc_error *error);

/* Adds the node for a builtin of the recipe. member NULL for steps of the cluster; builtin NULL: the
 * step's own. */
int gpuc__action_add(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                     const gpuc__recipe_step *step, const char *builtin, gpuc__node **out,
                     gpuc_error **err);
/* The same for a step that is not in the recipe (removal). */
int gpuc__action_add_desc(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                          gpuc__step_desc *desc, const char *builtin, gpuc__node **out,
                          gpuc_error **err);

/* graph_down.c: the steps that take one machine away; *last becomes the end of the chain. */
int gpuc__removal_add(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                      bool from_cluster, gpuc__node **last, gpuc_error **err);

typedef struct gpuc__builtin {
    const char *name;
    void (*probe)(gpuc__action *action); /* NULL: acts without a look */
    void (*act)(gpuc__action *action); /* NULL: only looks */
    char *(*shell)(const gpuc__action *action); /* NULL: nothing to show */
    bool at_provider; /* all it does is wait for the provider */
} gpuc__builtin;

/* shared.c */
void gpuc__shared_probe(gpuc__action *action);
void gpuc__shared_make(gpuc__action *action);
void gpuc__shared_drop(gpuc__action *action);
/* machine.c */
void gpuc__machine_probe(gpuc__action *action);
void gpuc__machine_create(gpuc__action *action);
char *gpuc__machine_shell(const gpuc__action *action);
void gpuc__machine_probe_gone(gpuc__action *action);
void gpuc__machine_destroy(gpuc__action *action);
char *gpuc__machine_destroy_shell(const gpuc__action *action);
/* reach.c */
void gpuc__reach_probe(gpuc__action *action);
void gpuc__reach_act(gpuc__action *action);
/* upload.c */
void gpuc__upload_probe(gpuc__action *action);
void gpuc__upload_act(gpuc__action *action);
char *gpuc__upload_shell(const gpuc__action *action);
/* addons.c */
void gpuc__network_probe(gpuc__action *action);
void gpuc__network_act(gpuc__action *action);
void gpuc__gpu_addons_probe(gpuc__action *action);
void gpuc__gpu_addons_act(gpuc__action *action);
/* kube.c: the API server to ask. False when there is none: it has answered the action then. */
bool gpuc__action_kube(gpuc__action *action, gpuc__kube **kube);
/* nodes.c */
void gpuc__node_ready_probe(gpuc__action *action);
void gpuc__node_ready_act(gpuc__action *action);
void gpuc__node_present_probe(gpuc__action *action);
void gpuc__node_present_act(gpuc__action *action);
void gpuc__node_gone_probe(gpuc__action *action);
void gpuc__node_remove_act(gpuc__action *action);
void gpuc__node_drain_probe(gpuc__action *action);
void gpuc__node_drain_act(gpuc__action *action);
/* gpus.c */
void gpuc__node_gpus_probe(gpuc__action *action);
void gpuc__node_gpus_act(gpuc__action *action);
/* proof.c */
void gpuc__proof_probe(gpuc__action *action);
void gpuc__proof_act(gpuc__action *action);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of gpuc__remote share. */
#ifndef GPUC__REMOTE_INTERNAL_H
#define GPUC__REMOTE_INTERNAL_H
#include <uv.h>

#include "recipe/remote.h"
#include "recipe/render.h"

typedef struct gpuc__step_node gpuc__step_node;

typedef enum gpuc__cache {
    GPUC__CACHE_NONE,    /* nothing asked yet */
    GPUC__CACHE_RUNNING, /* the probes of all steps are under way */
    GPUC__CACHE_DONE,
    GPUC__CACHE_OFF      /* something was changed since: each step is probed by itself */
} gpuc__cache;

struct gpuc__remote {
    int refs;
    gpuc_context *context;
    char *machine;
    gpuc__ssh *ssh;
    char *sudo_password;
    bool foreign; /* only looked at */
    json_t *variables;
    gpuc__facts facts;
    bool has_facts;
    gpuc__cache cache;
    gpuc__step_node *nodes; /* all that are alive, for the probes in one go */
};

typedef enum gpuc__phase {
    GPUC__PHASE_IDLE,
    GPUC__PHASE_PROBE,      /* a probe by itself */
    GPUC__PHASE_WAIT_PROBE, /* waits for the probes of all */
    GPUC__PHASE_ACT,        /* the runner is followed */
    GPUC__PHASE_PAUSE,      /* before the runner is tried again */
    GPUC__PHASE_DIRECT,     /* an undo without a unit */
    GPUC__PHASE_REBOOT      /* until the machine is back */
} gpuc__phase;

/* A node's data: a step on a machine. */
struct gpuc__step_node {
    gpuc__step_node *next, *prev; /* in remote->nodes */
    gpuc__remote *remote;
    gpuc__recipe *recipe;
    const gpuc__recipe_step *step;
    bool undo, skip;
    gpuc__node *node; /* while something is under way */
    gpuc__phase phase;
    bool cancelled;
    gpuc__ssh_op *op;
    uv_timer_t *timer; /* NULL until first needed */
    /* the last probe in one go */
    bool cached;
    int cached_rc;
    char *cached_detail;
    /* the act */
    char *attempt, *script;
    uint64_t deadline_ms;
    unsigned tries;
    uint64_t lost_ms; /* when it was lost, while tries is not 0 */
    char boot_id[64];
    char line[256]; /* of its output, up to its end */
    size_t line_length;
    bool in_evidence;
};

/* A copy that may be annotated separately. */
gpuc_error *gpuc__remote_copy_error(const gpuc_error *error);
/* act.c */
void gpuc__step_act(gpuc__step_node *n, const char *attempt);
void gpuc__step_act_free(gpuc__step_node *n);
/* Answers the node's act, once. */
void gpuc__step_acted(gpuc__step_node *n, gpuc_error *error);
/* render.c: the runner with the act's script inside. */
int gpuc__recipe_render_runner(char **out, const gpuc__recipe_step *step,
                               gpuc__recipe_function function, const char *attempt,
                               const json_t *variables, const char *dir, gpuc_error **err);
#endif

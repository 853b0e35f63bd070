/* SPDX-License-Identifier: Apache-2.0 */
/* A run of cheap acts on one real machine over its real sshd, that kills itself:
 *
 *     fault_cheap_up HOST USER KEY HOST_KEY STATE_DIR TURNS
 *
 * Store, graph, recipe and transport are the library's; the steps are ten small scripts. After TURNS
 * turns of the loop (0: never) the process dies by SIGKILL. Exit status 0: everything is done.
 * tests/e2e/machines/55-fault starts it again and again and judges what the machine has written down. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/context.h"
#include "core/graph.h"
#include "core/store.h"
#include "recipe/recipe.h"
#include "recipe/remote.h"
#include "transport/ssh.h"

#define STEPS 10
#define PLACE "/var/lib/gpuc-fault"

typedef struct run {
    gpuc_context *context;
    gpuc__store *store;
    gpuc__recipe *recipe;
    gpuc__remote *remote;
    gpuc__ssh *ssh;
    gpuc__ssh_key *key;
    gpuc__graph *graph;
    gpuc_error *error; /* how the graph ended */
    bool ended;
} run;

static int connect_machine(run *r, char **argv, gpuc_error **err)
{
    const char *host_keys[] = {argv[4], NULL};
    gpuc__ssh_config config = {
        .machine = "m", .host = argv[1], .port = 22, .user = argv[2], .host_keys = host_keys};
    json_t *variables = json_pack("{s:s, s:s, s:s, s:s, s:s}", "GPUC_CLUSTER", "fault",
                                  "GPUC_CLUSTER_ID", "0", "GPUC_MACHINE", "m", "GPUC_ROLE", "worker",
                                  "GPUC_K8S_VERSION", "1.36.0");
    int rc = gpuc__ssh_key_load(&r->key, argv[3], NULL, err);

    if (rc == GPUC_OK) {
        config.keys = &r->key;
        config.key_count = 1;
        rc = gpuc__ssh_new(&r->ssh, r->context, &config, err);
    }
    if (rc == GPUC_OK)
        rc = gpuc__remote_new(&r->remote, r->context, "m", err);
    if (rc == GPUC_OK)
        rc = gpuc__remote_set_variables(r->remote, variables, err);
    if (rc == GPUC_OK)
        gpuc__remote_set_ssh(r->remote, r->ssh);
    json_decref(variables);
    return rc;
}

/* The act notes its begin and, a moment later, its end: cut in between it would be seen. */
static int add_step(run *r, int i, gpuc__node **out, gpuc_error **err)
{
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;
    char id[32], probe[128], act[400];
    int rc;

    snprintf(id, sizeof(id), "fault.s%d", i);
    snprintf(probe, sizeof(probe), "[ -e " PLACE "/done.%d ]", i);
    snprintf(act, sizeof(act),
             "mkdir -p " PLACE "; echo 'begin %d' >>" PLACE "/log; sleep 0.0%d; echo 'end %d' >>" PLACE
             "/log; : >" PLACE "/done.%d",
             i, 4 + i % 3, i, i);
    step.id = id;
    step.probe = probe;
    step.act = act;
    step.timeout_s = 60;
    rc = gpuc__recipe_add_custom(r->recipe, &step, err);
    return rc < 0 ? rc
                  : gpuc__remote_add_step(r->graph, r->remote, r->recipe,
                                          gpuc__recipe_find(r->recipe, id), false, false, out, err);
}

/* Two chains that begin and end in one step: 0, then 1 3 5 7 beside 2 4 6 8, then 9. */
static int build(run *r, gpuc_error **err)
{
    gpuc__node *nodes[STEPS] = {NULL};
    int rc = gpuc__graph_new(&r->graph, r->context, r->store, err);

    for (int i = 0; rc == GPUC_OK && i < STEPS; i++) {
        rc = add_step(r, i, &nodes[i], err);
        if (rc == GPUC_OK && i > 0)
            rc = gpuc__graph_depend(r->graph, nodes[i], nodes[i < 3 ? 0 : i - 2], err);
        if (rc == GPUC_OK && i == STEPS - 1)
            rc = gpuc__graph_depend(r->graph, nodes[i], nodes[i - 1], err);
    }
    return rc;
}

static void on_end(void *data, gpuc_error *error)
{
    run *r = data;

    r->error = error;
    r->ended = true;
}

static int start(run *r, char **argv, gpuc_error **err)
{
    int rc = gpuc_context_new(&r->context, err);

    if (rc == GPUC_OK)
        rc = gpuc__store_open(&r->store, argv[5], "fault", true, NULL, err);
    if (rc == GPUC_OK)
        rc = gpuc__store_lock(r->store, "up", err);
    if (rc == GPUC_OK)
        rc = gpuc__recipe_new(&r->recipe, err);
    if (rc == GPUC_OK)
        rc = connect_machine(r, argv, err);
    if (rc == GPUC_OK)
        rc = build(r, err);
    return rc < 0 ? rc : gpuc__graph_run(r->graph, NULL, 8, on_end, r, err);
}

static void finish(run *r)
{
    gpuc__graph_free(r->graph);
    gpuc__remote_unref(r->remote);
    gpuc__ssh_unref(r->ssh);
    gpuc__ssh_key_unref(r->key);
    gpuc__recipe_unref(r->recipe);
    gpuc__store_close(r->store);
    gpuc_context_unref(r->context);
}

int main(int argc, char **argv)
{
    run r = {0};
    gpuc_error *error = NULL;
    long turns, turn = 0;
    bool failed;
    int rc;

    if (argc != 7) {
        fprintf(stderr, "usage: %s HOST USER KEY HOST_KEY STATE_DIR TURNS\n", argv[0]);
        return 2;
    }
    turns = strtol(argv[6], NULL, 10);
    rc = start(&r, argv, &error);
    while (rc == GPUC_OK && !r.ended) {
        if (turns && turn >= turns)
            raise(SIGKILL);
        turn++;
        rc = gpuc_context_run(r.context, 1000, &error);
    }
    if (!error)
        error = r.error;
    failed = error || rc < 0;
    if (error)
        fprintf(stderr, "%s\n", gpuc_error_message(error));
    else
        printf("%ld turns\n", turn);
    gpuc_error_unref(error);
    finish(&r);
    return failed;
}

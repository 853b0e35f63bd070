/* SPDX-License-Identifier: Apache-2.0 */
/* The GPUs of a machine in Kubernetes: waiting until its node offers them. NVIDIA's device plugin
 * reads the GPUs once, when it starts, and never takes back one that was unhealthy: a plugin of ours
 * that holds fewer than the machine has is started anew, once the machine itself shows them all right. */
#include <string.h>

#include "cluster/action.h"
#include "cluster/chain.h"
#include "cluster/look.h"
#include "cluster/mark.h"
#include "cluster/rules.h"
#include "kube/node.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define ASK_MS 20000
#define WHY_MS 30000 /* kept of the step's time for saying why */

typedef struct counting {
    gpuc__chain chain;
    gpuc__look *look;
    gpuc_error *timeout; /* of the wait, while it is asked why */
} counting;

static void free_work(gpuc__action *action)
{
    counting *c = action->work;

    action->work = NULL;
    if (!c)
        return;
    gpuc__chain_clear(&c->chain);
    gpuc_error_unref(c->timeout);
    gpuc__free(c);
}

static void finish(gpuc__action *action, gpuc_error *error)
{
    free_work(action);
    if (!gpuc__action_was_cancelled(action, error))
        gpuc__action_answer(action, GPUC__VERDICT_PRESENT, NULL, error);
}

/* Takes the started call; none means no memory. */
static void started(gpuc__action *action, gpuc__kube_call *call)
{
    gpuc_error *error = NULL;

    action->kube_call = call;
    if (call)
        return;
    gpuc__error_nomem(&error);
    finish(action, error);
}

/* The API server, or the end. */
static gpuc__kube *kube_of(gpuc__action *action)
{
    gpuc_error *error = NULL;
    gpuc__kube *kube = NULL;

    if (gpuc__cluster_kube(&kube, action->cluster, &error) < 0)
        finish(action, error);
    return kube;
}

static void gather(gpuc__action *action, gpuc__kube_done_fn done)
{
    gpuc__kube *kube = kube_of(action);

    if (kube)
        started(action, gpuc__chain_gather(kube, action->member->name, ASK_MS, done, action));
}

static bool link_is(const counting *c, const char *link)
{
    return c->chain.link && strcmp(c->chain.link, link) == 0;
}

/* ---- the wait ---- */

static int wait_ms(const gpuc__action *action)
{
    return action->timeout_ms > 2 * WHY_MS ? action->timeout_ms - WHY_MS : action->timeout_ms / 2;
}

/* It has timed out: the error with what is missing, or as it was when that cannot be told. */
static void on_why(void *data, json_t *facts, gpuc_error *error)
{
    gpuc__action *action = data;
    counting *c = action->work;
    gpuc_error *why = NULL;

    action->kube_call = NULL;
    gpuc__chain_clear(&c->chain);
    if (error || action->cancelled ||
        gpuc__chain_diagnose(&c->chain, action->member->gpus, facts, NULL, &error) < 0 ||
        !c->chain.link) {
        gpuc_error_unref(error);
        why = gpuc_error_ref(c->timeout);
    } else {
        gpuc__error_set(&why, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                        "the node %s offers too few GPUs after %d s: %s (missing link: %s)",
                        action->member->name, wait_ms(action) / 1000, c->chain.observed, c->chain.link);
        gpuc__error_remedy(&why, "%s", c->chain.remedy);
        if (c->chain.evidence)
            gpuc__error_evidence(&why, c->chain.evidence, strlen(c->chain.evidence));
    }
    finish(action, why);
}

static void on_waited(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    counting *c = action->work;

    (void)result;
    action->kube_call = NULL;
    if (!error || action->cancelled || gpuc_error_code(error) != GPUC_ETIMEDOUT) {
        finish(action, error);
        return;
    }
    c->timeout = error;
    gather(action, on_why);
}

static void wait_for(gpuc__action *action)
{
    gpuc__kube *kube = kube_of(action);

    if (kube)
        started(action, gpuc__node_wait(kube, action->member->name, action->member->gpus,
                                        wait_ms(action), on_waited, action));
}

/* ---- a plugin that must be started anew ---- */

static void on_deleted(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;

    (void)result;
    action->kube_call = NULL;
    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND)
        error = gpuc_error_unref(error);
    if (error || action->cancelled)
        finish(action, error);
    else
        wait_for(action);
}

static void restart_plugin(gpuc__action *action)
{
    counting *c = action->work;
    gpuc__kube *kube = kube_of(action);
    gpuc__kube_args args = {
        .method = "DELETE", .deadline_ms = ASK_MS, .done = on_deleted, .data = action};
    char *path;

    if (!kube)
        return;
    gpuc__node_progress(action->node, "starting the device plugin anew");
    path = gpuc__kube_path("/api/v1/namespaces/%s/pods/%s", c->chain.namespace_, c->chain.pod, NULL);
    args.path = path;
    started(action, path ? gpuc__kube_send(kube, &args) : NULL);
    gpuc__free(path);
}

static bool is_ours(const json_t *facts)
{
    const char *by = gpuc__json_text(json_array_get(json_object_get(facts, "daemonSets"), 0), "metadata",
                                     "labels", "app.kubernetes.io/managed-by", NULL);

    return by && strcmp(by, "libgpucluster") == 0;
}

static bool wants_new_plugin(const counting *c, const json_t *facts)
{
    return c->chain.pod && is_ours(facts) &&
           (link_is(c, "plugin.unhealthy") || link_is(c, "plugin.devices") ||
            link_is(c, "plugin.crash"));
}

/* The look took its time, and a plugin that had only just begun may be well by now: one that is
 * ended then leaves the node counting GPUs that no pod gets. */
static void on_facts_again(void *data, json_t *facts, gpuc_error *error)
{
    gpuc__action *action = data;
    counting *c = action->work;

    action->kube_call = NULL;
    gpuc__chain_clear(&c->chain);
    if (error || action->cancelled ||
        gpuc__chain_diagnose(&c->chain, action->member->gpus, facts, NULL, &error) < 0)
        finish(action, error);
    else if (wants_new_plugin(c, facts))
        restart_plugin(action);
    else
        wait_for(action);
}

static void on_look(void *data, gpuc__machine_proof *proof, gpuc_error *error)
{
    gpuc__action *action = data;
    counting *c = action->work;

    c->look = NULL;
    action->cancel_work = NULL;
    if (!error && !action->cancelled)
        error = gpuc__proof_failure(action->member->name, gpuc__node_id(action->node), proof);
    gpuc__proof_free(proof);
    if (error || action->cancelled)
        finish(action, error);
    else
        gather(action, on_facts_again);
}

static void cancel_look(gpuc__action *action)
{
    counting *c = action->work;

    if (c && c->look)
        gpuc__look_cancel(c->look);
}

static void on_progress(void *data, const char *what)
{
    gpuc__action *action = data;

    gpuc__node_progress(action->node, what);
}

/* Only when the GPUs are right: the plugin does not start while one of them is lost, and the others
 * would go with it. */
static void look_at_machine(gpuc__action *action)
{
    gpuc__look_args args = {.remote = action->member->remote,
                            .name = action->member->name,
                            .expected_gpus = action->member->gpus,
                            .progress = on_progress,
                            .done = on_look,
                            .data = action};
    counting *c = action->work;
    gpuc_error *error = NULL;

    action->cancel_work = cancel_look;
    if (gpuc__cluster_rules(&args.rules, action->cluster, &error) == GPUC_OK)
        gpuc__look_start(&c->look, &args, &error);
    gpuc__rules_unref(args.rules);
    if (error)
        finish(action, error);
}

static void on_facts(void *data, json_t *facts, gpuc_error *error)
{
    gpuc__action *action = data;
    counting *c = action->work;

    action->kube_call = NULL;
    if (error || action->cancelled ||
        gpuc__chain_diagnose(&c->chain, action->member->gpus, facts, NULL, &error) < 0) {
        finish(action, error);
        return;
    }
    if (wants_new_plugin(c, facts))
        look_at_machine(action);
    else
        wait_for(action);
}

void gpuc__node_gpus_act(gpuc__action *action)
{
    gpuc_error *error = NULL;

    action->work = gpuc__calloc(1, sizeof(counting));
    if (action->work) {
        gather(action, on_facts);
        return;
    }
    gpuc__error_nomem(&error);
    finish(action, error);
}

/* ---- the look ---- */

static void on_node(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    long gpus = gpuc__chain_gpus(result, false);
    char detail[80];

    if (gpuc__action_was_cancelled(action, error))
        return;
    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND) {
        gpuc_error_unref(error);
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, "it has not registered yet", NULL);
        return;
    }
    snprintf(detail, sizeof(detail), "the node offers %ld of %d GPUs", gpus, action->member->gpus);
    gpuc__action_answer(action,
                        error ? GPUC__VERDICT_UNKNOWN
                        : gpus >= action->member->gpus ? GPUC__VERDICT_PRESENT
                                                       : GPUC__VERDICT_NEEDED,
                        error ? NULL : detail, error);
}

void gpuc__node_gpus_probe(gpuc__action *action)
{
    gpuc__kube *kube;

    if (gpuc__action_kube(action, &kube))
        started(action, gpuc__node_get(kube, action->member->name, on_node, action));
}

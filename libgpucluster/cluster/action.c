/* SPDX-License-Identifier: Apache-2.0 */
/* The glue between the graph's steps and actions in C. */
#include "cluster/action.h"

#include <string.h>

#include "cluster/provide.h"
#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

static const gpuc__builtin builtins[] = {
    {"cloud.shared", gpuc__shared_probe, gpuc__shared_make, NULL, false},
    {"cloud.clean", NULL, gpuc__shared_drop, NULL, false},
    {"machine.create", gpuc__machine_probe, gpuc__machine_create, gpuc__machine_shell, true},
    {"machine.there", gpuc__machine_probe, NULL, NULL, true},
    {"machine.destroy", gpuc__machine_probe_gone, gpuc__machine_destroy,
     gpuc__machine_destroy_shell, true},
    {"machine.reach", gpuc__reach_probe, gpuc__reach_act, NULL, false},
    {"files.upload", gpuc__upload_probe, gpuc__upload_act, gpuc__upload_shell, false},
    {"kube.network", gpuc__network_probe, gpuc__network_act, NULL, false},
    {"kube.gpu", gpuc__gpu_addons_probe, gpuc__gpu_addons_act, NULL, false},
    {"node.ready", gpuc__node_ready_probe, gpuc__node_ready_act, NULL, false},
    {"node.gpu-present", gpuc__node_present_probe, gpuc__node_present_act, NULL, false},
    {"node.allocatable", gpuc__node_gpus_probe, gpuc__node_gpus_act, NULL, false},
    {"node.drain", gpuc__node_drain_probe, gpuc__node_drain_act, NULL, false},
    {"node.remove", gpuc__node_gone_probe, gpuc__node_remove_act, NULL, false},
    {"proof", gpuc__proof_probe, gpuc__proof_act, NULL, false},
};

typedef struct node_data {
    gpuc__action action;
    const gpuc__builtin *builtin;
} node_data;

static void on_timer_closed(uv_handle_t *handle)
{
    gpuc__free(handle);
}

static void stop_timer(gpuc__action *action)
{
    if (action->timer)
        uv_close((uv_handle_t *)action->timer, on_timer_closed);
    action->timer = NULL;
}

void gpuc__action_answer(gpuc__action *action, gpuc__verdict verdict, const char *detail,
                         gpuc_error *error)
{
    action->ssh_op = NULL;
    action->kube_call = NULL;
    action->cancel_work = NULL;
    if (action->acting)
        gpuc__node_acted(action->node, error);
    else
        gpuc__node_probed(action->node, verdict, detail, error);
}

bool gpuc__action_was_cancelled(gpuc__action *action, gpuc_error *error)
{
    gpuc_error *cancelled = NULL;

    if (!action->cancelled)
        return false;
    gpuc_error_unref(error);
    gpuc__error_set(&cancelled, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "%s was cancelled",
                    gpuc__node_id(action->node));
    gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, cancelled);
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__action *action = timer->data;

    stop_timer(action);
    action->after_wait(action);
}

void gpuc__action_wait(gpuc__action *action, unsigned ms, void (*next)(gpuc__action *action))
{
    gpuc_error *error = NULL;

    action->after_wait = next;
    action->timer = gpuc__calloc(1, sizeof(*action->timer));
    if (!action->timer) {
        gpuc__error_nomem(&error);
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
        return;
    }
    uv_timer_init(gpuc__context_loop(action->cluster->context), action->timer);
    action->timer->data = action;
    uv_timer_start(action->timer, on_timer, ms, 0);
}

static void begin(gpuc__node *node, node_data *d, bool acting)
{
    d->action.node = node;
    d->action.acting = acting;
    d->action.cancelled = false;
}

static void probe(gpuc__node *node, void *data)
{
    node_data *d = data;

    begin(node, d, false);
    d->builtin->probe(&d->action);
}

static void act(gpuc__node *node, void *data, const char *attempt, bool resumed)
{
    node_data *d = data;

    (void)resumed; /* each of these looks again before it acts */
    begin(node, d, true);
    memcpy(d->action.attempt, attempt, strnlen(attempt, sizeof(d->action.attempt) - 1));
    d->builtin->act(&d->action);
}

static void cancel(gpuc__node *node, void *data)
{
    node_data *d = data;

    (void)node;
    d->action.cancelled = true;
    if (d->action.timer) {
        stop_timer(&d->action);
        gpuc__action_was_cancelled(&d->action, NULL);
    } else if (d->action.ssh_op) {
        gpuc__ssh_op_cancel(d->action.ssh_op);
    } else if (d->action.kube_call) {
        gpuc__kube_cancel(d->action.kube_call);
    } else if (d->action.cancel_work) {
        d->action.cancel_work(&d->action);
    }
}

static char *shell(const gpuc__node *node, void *data)
{
    const node_data *d = data;

    (void)node;
    return d->builtin->shell ? d->builtin->shell(&d->action) : NULL;
}

static void free_data(void *data)
{
    node_data *d = data;

    stop_timer(&d->action);
    gpuc__free(d);
}

static const gpuc__step_ops acting_ops = {probe, act, cancel, shell, free_data};
static const gpuc__step_ops blind_ops = {NULL, act, cancel, shell, free_data};
static const gpuc__step_ops looking_ops = {probe, NULL, cancel, shell, free_data};

int gpuc__action_add_desc(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                          gpuc__step_desc *desc, const char *builtin, gpuc__node **out,
                          gpuc_error **err)
{
    node_data *d = gpuc__calloc(1, sizeof(*d));

    if (!d)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (strcmp(builtins[i].name, builtin) == 0)
            d->builtin = &builtins[i];
    }
    if (!d->builtin) {
        gpuc__free(d);
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE,
                               "recipe.json names the action \"%s\", which is not there", builtin);
    }
    d->action.cluster = cluster;
    d->action.member = member;
    d->action.timeout_ms = (int)(desc->timeout_s > 10 ? desc->timeout_s - 5 : 5) * 1000;
    desc->machine = member ? member->name : NULL;
    desc->elsewhere = d->builtin->at_provider && gpuc__cluster_ops(cluster)->bulk;
    desc->ops = !d->builtin->act ? &looking_ops : d->builtin->probe ? &acting_ops : &blind_ops;
    desc->data = d;
    return gpuc__graph_add(graph, desc, out, err);
}

int gpuc__action_add(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                     const gpuc__recipe_step *step, const char *builtin, gpuc__node **out,
                     gpuc_error **err)
{
    gpuc__step_desc desc = {
        .id = step->id,
        .title = step->title,
        .remedy = step->remedy,
        .timeout_s = step->timeout_s,
        .retries = step->retries,
        .backoff_s = step->backoff_s,
        .check = step->check,
        .gate = step->gate,
        .skip = gpuc__cluster_skips(cluster, step->id, member ? member->name : NULL),
    };

    return gpuc__action_add_desc(graph, cluster, member, &desc, builtin ? builtin : step->builtin,
                                 out, err);
}

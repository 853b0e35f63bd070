/* SPDX-License-Identifier: Apache-2.0 */
/* A machine as a Node of the cluster: Ready, labelled for GPU pods, and taken out. */
#include "kube/node.h"

#include <string.h>

#include "cluster/action.h"
#include "core/context.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define PRESENT_LABEL "gpucluster/gpu-present"
#define DRAIN_MS 300000
#define DRAIN_DEAD_MS 20000 /* no kubelet is there to end the pods */

/* Takes the started call; none means no memory. */
static void started(gpuc__action *action, gpuc__kube_call *call)
{
    gpuc_error *error = NULL;

    action->kube_call = call;
    if (call)
        return;
    gpuc__error_nomem(&error);
    gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
}

static void look(gpuc__action *action, gpuc__kube_done_fn done)
{
    gpuc__kube *kube;

    if (gpuc__action_kube(action, &kube))
        started(action, gpuc__node_get(kube, action->member->name, done, action));
}

/* True when the look has ended without a node: cancelled, failed, or not registered. */
static bool ended_without(gpuc__action *action, gpuc_error *error)
{
    if (gpuc__action_was_cancelled(action, error))
        return true;
    if (!error)
        return false;
    if (gpuc_error_code(error) == GPUC_ENOTFOUND) {
        gpuc_error_unref(error);
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, "it has not registered yet", NULL);
    } else {
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    }
    return true;
}

static void answer(gpuc__action *action, bool holds, const char *detail)
{
    gpuc__action_answer(action, holds ? GPUC__VERDICT_PRESENT : GPUC__VERDICT_NEEDED, detail, NULL);
}

/* What an act has to say at its end. */
static void on_acted(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;

    (void)result;
    if (!gpuc__action_was_cancelled(action, error))
        gpuc__action_answer(action, GPUC__VERDICT_PRESENT, NULL, error);
}

/* ---- Ready ---- */

static void on_ready_look(void *data, json_t *result, gpuc_error *error)
{
    gpuc__node_state state;
    char detail[300];

    if (ended_without(data, error))
        return;
    gpuc__node_read(&state, result);
    snprintf(detail, sizeof(detail), "%s: %s", state.ready ? "Ready" : state.reason, state.message);
    answer(data, state.ready, detail);
}

void gpuc__node_ready_probe(gpuc__action *action)
{
    look(action, on_ready_look);
}

void gpuc__node_ready_act(gpuc__action *action)
{
    gpuc__kube *kube;

    if (gpuc__action_kube(action, &kube))
        started(action, gpuc__node_wait(kube, action->member->name, 0, action->timeout_ms, on_acted,
                                        action));
}

/* ---- the label that GPU pods and the device plugin are scheduled by ---- */

static void on_label_look(void *data, json_t *result, gpuc_error *error)
{
    const gpuc__action *action = data;
    const char *value;

    if (ended_without(data, error))
        return;
    value = gpuc__json_text(result, "metadata", "labels", PRESENT_LABEL, NULL);
    if (!action->cluster->model->startup_taint && gpuc__node_is_unproven(result))
        answer(data, false, "a startup taint that the spec no longer wants");
    else
        answer(data, value && strcmp(value, "true") == 0, PRESENT_LABEL);
}

void gpuc__node_present_probe(gpuc__action *action)
{
    look(action, on_label_look);
}

void gpuc__node_present_act(gpuc__action *action)
{
    json_t *labels = json_pack("{s:s}", PRESENT_LABEL, "true");
    gpuc__kube *kube;

    if (!gpuc__action_kube(action, &kube)) {
        json_decref(labels);
        return;
    }
    started(action, action->cluster->model->startup_taint
                        ? gpuc__node_label(kube, action->member->name, labels, on_acted, action)
                        : gpuc__node_mark(kube, action->member->name, labels, false, on_acted, action));
    json_decref(labels);
}

/* ---- out of the cluster ---- */

static void on_gone_look(void *data, json_t *result, gpuc_error *error)
{
    (void)result;
    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND) {
        gpuc_error_unref(error);
        if (!gpuc__action_was_cancelled(data, NULL))
            answer(data, true, "it is no node of the cluster");
    } else if (!ended_without(data, error)) {
        answer(data, false, "it is a node of the cluster");
    }
}

void gpuc__node_gone_probe(gpuc__action *action)
{
    if (!gpuc__cluster_is_up(action->cluster))
        answer(action, true, "the cluster was never up");
    else
        look(action, on_gone_look);
}

static void delete_node(gpuc__action *action)
{
    gpuc__kube *kube;

    if (gpuc__action_kube(action, &kube))
        started(action, gpuc__node_delete(kube, action->member->name, on_acted, action));
}

static void on_drained(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;

    (void)result;
    if (gpuc__action_was_cancelled(action, error))
        return;
    if (error || action->stays) {
        action->drained = !error;
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    } else {
        delete_node(action);
    }
}

/* The pods of a dead node end only with its Node. */
static void on_dead_drained(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;

    if (!error || action->cancelled || gpuc_error_code(error) != GPUC_ETIMEDOUT) {
        on_drained(data, result, error);
        return;
    }
    gpuc__context_emit(action->cluster->context,
                       gpuc__event_new(GPUC_EVENT_NOTICE, action->member->name,
                                       gpuc__node_id(action->node),
                                       "the node does not answer and is taken out without waiting "
                                       "for its pods: %s",
                                       gpuc_error_message(error)));
    gpuc_error_unref(error);
    on_drained(data, result, NULL);
}

static void on_drain_look(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    gpuc__node_state state;
    gpuc__kube *kube;

    if (gpuc__action_was_cancelled(action, error))
        return;
    if (error && gpuc_error_code(error) != GPUC_ENOTFOUND) {
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
        return;
    }
    gpuc_error_unref(error); /* no such node: draining it is nothing */
    gpuc__node_read(&state, result);
    gpuc__node_progress(action->node, "draining");
    if (gpuc__action_kube(action, &kube))
        started(action, gpuc__node_drain(kube, action->member->name,
                                         state.ready ? DRAIN_MS : DRAIN_DEAD_MS,
                                         state.ready ? on_drained : on_dead_drained, action));
}

void gpuc__node_remove_act(gpuc__action *action)
{
    look(action, on_drain_look);
}

/* Drained alone, its Node stays until the machine has left by itself. */
static void on_drained_look(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;

    if (error || !action->drained)
        on_gone_look(data, result, error);
    else if (!gpuc__action_was_cancelled(action, NULL))
        answer(action, true, "drained");
}

void gpuc__node_drain_probe(gpuc__action *action)
{
    if (!gpuc__cluster_is_up(action->cluster))
        answer(action, true, "the cluster was never up");
    else
        look(action, on_drained_look);
}

void gpuc__node_drain_act(gpuc__action *action)
{
    action->stays = true;
    look(action, on_drain_look);
}

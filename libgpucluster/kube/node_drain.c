/* SPDX-License-Identifier: Apache-2.0 */
/* Draining a node: cordon, list, evict one pod after the other, list again until none is left. */
#include <string.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/node.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define ROUND_MS 2000

typedef struct drain_state {
    char *name;
    json_t *pods;     /* of this round */
    size_t next;
    gpuc__buf refused; /* why pods are still there, of this round */
} drain_state;

static void drain_clear(void *state)
{
    drain_state *s = state;

    gpuc__free(s->name);
    json_decref(s->pods);
    gpuc__buf_clear(&s->refused);
}

bool gpuc__node_pod_drains(const json_t *pod)
{
    const json_t *owner;
    const char *phase = gpuc__json_text(pod, "status", "phase", NULL);
    size_t i;

    if (gpuc__json_text(pod, "metadata", "annotations", "kubernetes.io/config.mirror", NULL))
        return false;
    if (phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
        return false;
    json_array_foreach(gpuc__json_at(pod, "metadata", "ownerReferences", NULL), i, owner)
    {
        const char *kind = gpuc__json_text(owner, "kind", NULL);

        if (kind && strcmp(kind, "DaemonSet") == 0)
            return false;
    }
    return true;
}

static void drain_round(gpuc__kube_call *call);
static void drain_next(gpuc__kube_call *call);

static void on_evicted(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    drain_state *s = call->state;
    const json_t *pod = json_array_get(s->pods, s->next);

    if (gpuc__call_was_cancelled(call, error))
        return;
    if (error && gpuc_error_native_code(error) != 404 && gpuc_error_native_code(error) != 429 &&
        !gpuc_error_retryable(error)) {
        gpuc__call_finish(call, NULL, error);
        return;
    }
    if (error && gpuc_error_native_code(error) != 404)
        gpuc__buf_printf(&s->refused, "; %s/%s: %.300s",
                         gpuc__json_text(pod, "metadata", "namespace", NULL),
                         gpuc__json_text(pod, "metadata", "name", NULL), gpuc_error_message(error));
    gpuc_error_unref(error);
    s->next++;
    drain_next(call);
}

static void evict(gpuc__kube_call *call, const json_t *pod)
{
    const char *namespace_ = gpuc__json_text(pod, "metadata", "namespace", NULL);
    const char *name = gpuc__json_text(pod, "metadata", "name", NULL);
    char *path = gpuc__kube_path("/api/v1/namespaces/%s/pods/%s/eviction", namespace_, name, NULL);
    json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "policy/v1", "kind",
                             "Eviction", "metadata", "name", name, "namespace", namespace_);
    gpuc__kube_call *child = NULL;

    if (path && body)
        child = gpuc__kube_send(call->kube,
                                &(gpuc__kube_args){.method = "POST",
                                                   .path = path,
                                                   .body = body,
                                                   .deadline_ms = gpuc__call_remaining(call) + 1,
                                                   .once = true,
                                                   .done = on_evicted,
                                                   .data = call});
    gpuc__free(path);
    json_decref(body);
    gpuc__call_wait(call, child);
}

static void fail_at_deadline(gpuc__kube_call *call)
{
    drain_state *s = call->state;
    size_t left = json_array_size(s->pods);
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                    "draining the node %s: %zu pods are still there after %.0f s%s", s->name, left,
                    (double)(call->deadline - call->begun) / 1000, gpuc__buf_text(&s->refused));
    gpuc__error_remedy(&error, "a PodDisruptionBudget that allows no disruption holds its pods: "
                               "give the workload more replicas or change the budget; a pod that "
                               "does not end may have a finalizer or a long grace period");
    gpuc__call_finish(call, NULL, error);
}

static void drain_next(gpuc__kube_call *call)
{
    drain_state *s = call->state;
    const json_t *pod = json_array_get(s->pods, s->next);

    while (pod && gpuc__json_at(pod, "metadata", "deletionTimestamp", NULL)) {
        gpuc__buf_printf(&s->refused, "; %s/%s is ending",
                         gpuc__json_text(pod, "metadata", "namespace", NULL),
                         gpuc__json_text(pod, "metadata", "name", NULL));
        pod = json_array_get(s->pods, ++s->next);
    }
    if (pod)
        evict(call, pod);
    else if (gpuc__call_remaining(call) <= ROUND_MS)
        fail_at_deadline(call);
    else
        gpuc__call_after(call, ROUND_MS, drain_round);
}

static void on_pods(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    drain_state *s = call->state;
    json_t *pod;
    size_t i;

    if (gpuc__call_ended(call, error))
        return;
    json_array_clear(s->pods);
    gpuc__buf_reset(&s->refused);
    s->next = 0;
    json_array_foreach(json_object_get(result, "items"), i, pod)
    {
        if (gpuc__node_pod_drains(pod) && gpuc__json_text(pod, "metadata", "name", NULL) &&
            gpuc__json_text(pod, "metadata", "namespace", NULL) && json_array_size(s->pods) < 1000)
            json_array_append(s->pods, pod);
    }
    if (json_array_size(s->pods) == 0)
        gpuc__call_finish(call, NULL, NULL);
    else
        drain_next(call);
}

static void drain_round(gpuc__kube_call *call)
{
    drain_state *s = call->state;
    char *query = gpuc__kube_path("fieldSelector=spec.nodeName%%3D%s", s->name, NULL);

    gpuc__call_wait(call, query ? gpuc__kube_list(call->kube, "/api/v1/pods", query,
                                                  gpuc__call_remaining(call) + 1, on_pods, call)
                                : NULL);
    gpuc__free(query);
}

static void on_cordoned(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;

    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND && !call->cancelled) {
        gpuc_error_unref(error);
        call->child = NULL;
        gpuc__call_finish(call, NULL, NULL);
        return;
    }
    if (!gpuc__call_ended(call, error))
        drain_round(call);
}

static void drain_begin(gpuc__kube_call *call)
{
    drain_state *s = call->state;

    gpuc__call_wait(call, gpuc__node_cordon(call->kube, s->name, true, on_cordoned, call));
}

gpuc__kube_call *gpuc__node_drain(gpuc__kube *kube, const char *name, int deadline_ms,
                                  gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call =
        gpuc__call_new(kube, deadline_ms, sizeof(drain_state), drain_clear, done, data);
    drain_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    gpuc__buf_init(&s->refused, 8192);
    s->name = gpuc__strdup(name);
    s->pods = json_array();
    if (!s->name || !s->pods) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, drain_begin);
    return call;
}

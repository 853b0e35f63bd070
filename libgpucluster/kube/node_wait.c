/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a node, and saying why it did not come. */
#include <string.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/node.h"
#include "kube/reason.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define WHY_MS 10000 /* for asking why, after the deadline */

typedef struct wait_state {
    char *name;
    long gpus;
    json_t *node;       /* as last seen; NULL: never */
    bool satisfied;
    gpuc__buf why;      /* collected after the deadline */
    gpuc_error *timeout;
} wait_state;

static void wait_clear(void *state)
{
    wait_state *s = state;

    gpuc__free(s->name);
    json_decref(s->node);
    gpuc__buf_clear(&s->why);
    gpuc_error_unref(s->timeout);
}

static bool on_node_event(void *data, const char *type, json_t *object)
{
    gpuc__kube_call *call = data;
    wait_state *s = call->state;
    gpuc__node_state node;

    if (!object)
        return true;
    json_decref(s->node);
    s->node = strcmp(type, "DELETED") == 0 ? NULL : json_incref(object);
    if (!s->node)
        return true;
    gpuc__node_read(&node, s->node);
    s->satisfied = node.ready && node.gpus >= s->gpus;
    return !s->satisfied;
}

/* The end after a timeout: what is known, in one error. */
static void finish_timeout(gpuc__kube_call *call)
{
    wait_state *s = call->state;
    double seconds = (double)(call->deadline - call->begun) / 1000;
    gpuc_error *error = NULL;
    gpuc__node_state node;

    gpuc__node_read(&node, s->node);
    if (!s->node) {
        gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                        "the node %s has not registered within %.0f s", s->name, seconds);
        gpuc__error_remedy(&error, "look at journalctl -u kubelet on the machine, and that it "
                                   "reaches the API server on port 6443");
    } else if (!node.ready) {
        gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                        "the node %s is not Ready after %.0f s: %s: %s%s", s->name, seconds,
                        node.reason, node.message, gpuc__buf_text(&s->why));
        gpuc__error_remedy(&error, "look at journalctl -u kubelet on the machine and at the pods "
                                   "named here");
    } else {
        gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                        "the node %s offers %ld GPUs (allocatable) after %.0f s, %ld "
                        "were expected%s",
                        s->name, node.gpus, seconds, s->gpus, gpuc__buf_text(&s->why));
        gpuc__error_remedy(&error, "look at the log of the device plugin's pod on this node, and at "
                                   "nvidia-smi on the machine");
    }
    gpuc__error_evidence(&error, gpuc__buf_text(&s->why), s->why.length);
    gpuc__call_finish(call, NULL, error);
}

static void on_events(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    wait_state *s = call->state;
    const json_t *newest = gpuc__reason_newest_event(json_object_get(result, "items"), NULL);
    const char *reason = gpuc__json_text(newest, "reason", NULL);
    const char *message = gpuc__json_text(newest, "message", NULL);

    if (gpuc__call_was_cancelled(call, error))
        return;
    gpuc_error_unref(error); /* without the events there is still the rest to tell */
    if (reason)
        gpuc__buf_printf(&s->why, "; event %.100s: %.500s", reason, message ? message : "");
    finish_timeout(call);
}

static void add_pod(wait_state *s, const json_t *pod)
{
    const char *namespace_ = gpuc__json_text(pod, "metadata", "namespace", NULL);
    const char *name = gpuc__json_text(pod, "metadata", "name", NULL);
    gpuc__reason r;

    if (gpuc__reason_reduce(&r, &(gpuc__reason_input){.pod = pod}, NULL) != GPUC_OK)
        return;
    if (r.text)
        gpuc__buf_printf(&s->why, "; pod %s/%s: %.600s", namespace_ ? namespace_ : "?",
                         name ? name : "?", r.text);
    else if (strcmp(r.phase, "Pending") == 0)
        gpuc__buf_printf(&s->why, "; pod %s/%s is still starting", namespace_ ? namespace_ : "?",
                         name ? name : "?");
    gpuc__reason_clear(&r);
}

static void on_pods(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    wait_state *s = call->state;
    const json_t *pod;
    char *escaped = gpuc__http_escape(s->name), *query;
    size_t i;

    if (gpuc__call_was_cancelled(call, error)) {
        gpuc__free(escaped);
        return;
    }
    gpuc_error_unref(error);
    json_array_foreach(json_object_get(result, "items"), i, pod)
        add_pod(s, pod);
    query = gpuc__asprintf("fieldSelector=involvedObject.kind%%3DNode%%2CinvolvedObject.name%%3D%s",
                           escaped ? escaped : "");
    gpuc__call_wait(call, query ? gpuc__kube_list(call->kube, "/api/v1/events", query, WHY_MS,
                                                  on_events, call)
                                : NULL);
    gpuc__free(query);
    gpuc__free(escaped);
}

static void ask_why(gpuc__kube_call *call)
{
    wait_state *s = call->state;
    char *query = gpuc__kube_path("fieldSelector=spec.nodeName%%3D%s", s->name, NULL);

    gpuc__call_wait(call, query ? gpuc__kube_list(call->kube, "/api/v1/pods", query, WHY_MS,
                                                  on_pods, call)
                                : NULL);
    gpuc__free(query);
}

static void on_watch_end(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    wait_state *s = call->state;

    if (error && gpuc_error_code(error) == GPUC_ETIMEDOUT && !call->cancelled) {
        gpuc_error_unref(error);
        call->child = NULL;
        if (s->node)
            ask_why(call);
        else
            finish_timeout(call);
        return;
    }
    if (!gpuc__call_ended(call, error))
        gpuc__call_finish(call, json_incref(s->node), NULL);
}

static void wait_begin(gpuc__kube_call *call)
{
    wait_state *s = call->state;
    char *query = gpuc__kube_path("fieldSelector=metadata.name%%3D%s", s->name, NULL);
    gpuc__kube_call *child = NULL;

    if (query)
        child = gpuc__kube_watch(call->kube,
                                 &(gpuc__kube_watch_args){.path = "/api/v1/nodes",
                                                          .query = query,
                                                          .deadline_ms = gpuc__call_remaining(call),
                                                          .event = on_node_event,
                                                          .done = on_watch_end,
                                                          .data = call});
    gpuc__free(query);
    gpuc__call_wait(call, child);
}

gpuc__kube_call *gpuc__node_wait(gpuc__kube *kube, const char *name, long gpus, int deadline_ms,
                                 gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call =
        gpuc__call_new(kube, deadline_ms, sizeof(wait_state), wait_clear, done, data);
    wait_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    gpuc__buf_init(&s->why, 8192);
    s->gpus = gpus;
    s->name = gpuc__strdup(name);
    if (!s->name) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, wait_begin);
    return call;
}

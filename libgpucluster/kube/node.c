/* SPDX-License-Identifier: Apache-2.0 */
/* Single nodes: read, label, mark as unproven, cordon, delete. */
#include "kube/node.h"

#include <string.h>

#include "kube/call.h"
#include "kube/gpu_chain.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define MERGE_PATCH "application/merge-patch+json"
#define TAINT_TRIES 5

void gpuc__node_read(gpuc__node_state *out, const json_t *node)
{
    const char *version = gpuc__json_text(node, "status", "nodeInfo", "kubeletVersion", NULL);
    const json_t *c;
    size_t i;

    *out = (gpuc__node_state){.reason = "NodeStatusUnknown",
                              .message = "the kubelet has not reported yet",
                              .kubelet = version ? version : ""};
    out->unschedulable = json_is_true(gpuc__json_at(node, "spec", "unschedulable", NULL));
    out->gpus = gpuc__chain_gpus(node, false);
    json_array_foreach(gpuc__json_at(node, "status", "conditions", NULL), i, c)
    {
        const char *type = gpuc__json_text(c, "type", NULL);
        const char *status = gpuc__json_text(c, "status", NULL);

        if (!type || strcmp(type, "Ready") != 0)
            continue;
        out->ready = status && strcmp(status, "True") == 0;
        out->reason = gpuc__json_text(c, "reason", NULL);
        out->message = gpuc__json_text(c, "message", NULL);
        if (!out->reason)
            out->reason = "";
        if (!out->message)
            out->message = "";
    }
}

/* One request about the node; body is stolen. */
static gpuc__kube_call *request(gpuc__kube *kube, const char *method, const char *name,
                                json_t *body, int deadline_ms, gpuc__kube_done_fn done, void *data)
{
    char *path = gpuc__kube_path("/api/v1/nodes/%s", name, NULL);
    gpuc__kube_call *call = NULL;

    if (path)
        call = gpuc__kube_send(kube, &(gpuc__kube_args){.method = method,
                                                        .path = path,
                                                        .body = body,
                                                        .content_type = MERGE_PATCH,
                                                        .deadline_ms = deadline_ms,
                                                        .done = done,
                                                        .data = data});
    gpuc__free(path);
    json_decref(body);
    return call;
}

gpuc__kube_call *gpuc__node_get(gpuc__kube *kube, const char *name, gpuc__kube_done_fn done,
                                void *data)
{
    return request(kube, "GET", name, NULL, 0, done, data);
}

gpuc__kube_call *gpuc__node_label(gpuc__kube *kube, const char *name, const json_t *labels,
                                  gpuc__kube_done_fn done, void *data)
{
    json_t *body = json_pack("{s:{s:O}}", "metadata", "labels", labels);

    return body ? request(kube, "PATCH", name, body, 0, done, data) : NULL;
}

gpuc__kube_call *gpuc__node_cordon(gpuc__kube *kube, const char *name, bool on,
                                   gpuc__kube_done_fn done, void *data)
{
    json_t *body = json_pack("{s:{s:o}}", "spec", "unschedulable", on ? json_true() : json_null());

    return body ? request(kube, "PATCH", name, body, 0, done, data) : NULL;
}

/* ---- the startup taint: read, change the list, write it under the version that was read ---- */

typedef struct mark_state {
    char *name;
    json_t *labels;
    bool unproven;
    int tries;
} mark_state;

static void mark_clear(void *state)
{
    mark_state *s = state;

    gpuc__free(s->name);
    json_decref(s->labels);
}

static void mark_begin(gpuc__kube_call *call);

static void on_marked(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    mark_state *s = call->state;

    if (error && gpuc_error_native_code(error) == 409 && !call->cancelled &&
        ++s->tries < TAINT_TRIES) {
        gpuc_error_unref(error);
        call->child = NULL;
        mark_begin(call);
        return;
    }
    if (!gpuc__call_ended(call, error))
        gpuc__call_finish(call, json_incref(result), NULL);
}

static bool is_startup_taint(const json_t *taint)
{
    const char *key = gpuc__json_text(taint, "key", NULL);
    const char *effect = gpuc__json_text(taint, "effect", NULL);

    return key && effect && strcmp(key, GPUC__TAINT_UNPROVEN) == 0 &&
           strcmp(effect, GPUC__TAINT_EFFECT) == 0;
}

bool gpuc__node_is_unproven(const json_t *node)
{
    const json_t *taint;
    size_t i;

    json_array_foreach(gpuc__json_at(node, "spec", "taints", NULL), i, taint)
    {
        if (is_startup_taint(taint))
            return true;
    }
    return false;
}

/* The node's taints without ours, plus ours if it is to be there. */
static json_t *changed_taints(const json_t *node, bool unproven)
{
    json_t *taint, *list = json_array();
    size_t i;

    json_array_foreach(gpuc__json_at(node, "spec", "taints", NULL), i, taint)
    {
        if (!is_startup_taint(taint))
            json_array_append(list, taint);
    }
    if (unproven)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", GPUC__TAINT_UNPROVEN, "value",
                                              "true", "effect", GPUC__TAINT_EFFECT));
    return list;
}

static void on_mark_node(void *data, json_t *node, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    const mark_state *s = call->state;
    const char *version = gpuc__json_text(node, "metadata", "resourceVersion", NULL);
    json_t *body;

    if (gpuc__call_ended(call, error))
        return;
    if (gpuc__node_is_unproven(node) == s->unproven)
        body = json_pack("{s:{s:O}}", "metadata", "labels", s->labels);
    else
        body = json_pack("{s:{s:s, s:O}, s:{s:o}}", "metadata", "resourceVersion",
                         version ? version : "", "labels", s->labels, "spec", "taints",
                         changed_taints(node, s->unproven));
    gpuc__call_wait(call, body ? request(call->kube, "PATCH", s->name, body,
                                         gpuc__call_remaining(call) + 1, on_marked, call)
                               : NULL);
}

static void mark_begin(gpuc__kube_call *call)
{
    const mark_state *s = call->state;

    gpuc__call_wait(call, gpuc__node_get(call->kube, s->name, on_mark_node, call));
}

gpuc__kube_call *gpuc__node_mark(gpuc__kube *kube, const char *name, const json_t *labels,
                                 bool unproven, gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call = gpuc__call_new(kube, 0, sizeof(mark_state), mark_clear, done, data);
    mark_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    s->name = gpuc__strdup(name);
    s->labels = json_deep_copy(labels);
    s->unproven = unproven;
    if (!s->name || !s->labels) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, mark_begin);
    return call;
}

/* ---- delete: not there is what was wanted ---- */

typedef struct delete_state {
    char *name;
} delete_state;

static void delete_clear(void *state)
{
    gpuc__free(((delete_state *)state)->name);
}

static void on_deleted(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;

    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND)
        error = gpuc_error_unref(error);
    if (!gpuc__call_ended(call, error))
        gpuc__call_finish(call, NULL, NULL);
}

static void delete_begin(gpuc__kube_call *call)
{
    delete_state *s = call->state;

    gpuc__call_wait(call, request(call->kube, "DELETE", s->name, NULL, gpuc__call_remaining(call),
                                  on_deleted, call));
}

gpuc__kube_call *gpuc__node_delete(gpuc__kube *kube, const char *name, gpuc__kube_done_fn done,
                                   void *data)
{
    gpuc__kube_call *call =
        gpuc__call_new(kube, 0, sizeof(delete_state), delete_clear, done, data);
    delete_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    s->name = gpuc__strdup(name);
    if (!s->name) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, delete_begin);
    return call;
}

gpuc__kube_call *gpuc__node_pods(gpuc__kube *kube, const char *name, int deadline_ms,
                                 gpuc__kube_done_fn done, void *data)
{
    char *query = gpuc__kube_path("fieldSelector=spec.nodeName%%3D%s", name, NULL);
    gpuc__kube_call *call =
        query ? gpuc__kube_list(kube, "/api/v1/pods", query, deadline_ms, done, data) : NULL;

    gpuc__free(query);
    return call;
}

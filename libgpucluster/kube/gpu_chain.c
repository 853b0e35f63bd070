/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers the facts one after the other: they are asked for only when GPUs are missing. */
#include "kube/gpu_chain.h"

#include <string.h>

#include "kube/call.h"
#include "kube/gpu_nodes.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/data.h"
#include "util/error.h"

#define PLUGINS_MAX 8 /* DaemonSets whose pods are looked for */

typedef struct chain_state {
    char *node;
    json_t *table, *facts;
    size_t next; /* the DaemonSet whose pods come next */
} chain_state;

static void chain_clear(void *state)
{
    chain_state *s = state;

    gpuc__free(s->node);
    json_decref(s->table);
    json_decref(s->facts);
}

/* ---- pure ---- */

static long count_of(const char *text)
{
    long n = 0;

    for (; text && *text >= '0' && *text <= '9' && n < 1000000; text++)
        n = n * 10 + (*text - '0');
    return n;
}

long gpuc__chain_gpus(const json_t *node, bool capacity)
{
    json_t *list = gpuc__json_at(node, "status", capacity ? "capacity" : "allocatable", NULL), *value;
    const char *name;
    long sum = 0;

    json_object_foreach(list, name, value)
    {
        if (gpuc__gpu_resource(name))
            sum += count_of(json_string_value(value));
    }
    return sum;
}

static bool has_part(const char *text, const json_t *parts)
{
    const json_t *part;
    size_t i;

    json_array_foreach(parts, i, part)
    {
        if (text && json_is_string(part) && strstr(text, json_string_value(part)))
            return true;
    }
    return false;
}

static bool is_companion(const json_t *container, const json_t *words)
{
    const json_t *word;
    size_t i;

    json_array_foreach(json_object_get(container, "command"), i, word)
    {
        if (has_part(json_string_value(word), words))
            return true;
    }
    return false;
}

bool gpuc__chain_is_plugin(const json_t *daemon_set, const json_t *table)
{
    const char *name = gpuc__json_text(daemon_set, "metadata", "name", NULL);
    const json_t *not_ = json_object_get(table, "not"), *container;
    size_t i;

    if (!name || has_part(name, not_))
        return false;
    if (has_part(name, json_object_get(table, "names")))
        return true;
    json_array_foreach(gpuc__json_at(daemon_set, "spec", "template", "spec", "containers", NULL), i,
                       container)
    {
        if (has_part(gpuc__json_text(container, "image", NULL), json_object_get(table, "images")) &&
            !is_companion(container, not_))
            return true;
    }
    return false;
}

/* A DaemonSet's pod is bound to its node by an affinity until the scheduler has placed it. */
static bool is_bound_to(const json_t *pod, const char *node)
{
    const json_t *terms = gpuc__json_at(pod, "spec", "affinity", "nodeAffinity",
                                        "requiredDuringSchedulingIgnoredDuringExecution",
                                        "nodeSelectorTerms", NULL);
    const json_t *term, *field, *value;
    size_t i, j, k;

    json_array_foreach(terms, i, term)
    {
        json_array_foreach(json_object_get(term, "matchFields"), j, field)
        {
            json_array_foreach(json_object_get(field, "values"), k, value)
            {
                if (json_is_string(value) && strcmp(json_string_value(value), node) == 0)
                    return true;
            }
        }
    }
    return false;
}

bool gpuc__chain_pod_of(const json_t *pod, const char *node)
{
    const char *placed = gpuc__json_text(pod, "spec", "nodeName", NULL);

    return placed && *placed ? strcmp(placed, node) == 0 : is_bound_to(pod, node);
}

/* ---- asking ---- */

/* True when the call has ended. An error is kept as the reason why that fact is not known. */
static bool ended(gpuc__kube_call *call, const char *fact, gpuc_error *error)
{
    chain_state *s = call->state;

    if (gpuc__call_was_cancelled(call, error))
        return true;
    if (error)
        json_object_set_new(json_object_get(s->facts, "refused"), fact,
                            json_string(gpuc_error_message(error)));
    gpuc_error_unref(error);
    return false;
}

static void list(gpuc__kube_call *call, const char *path, char *query, gpuc__kube_done_fn done)
{
    gpuc__call_wait(call, path && query ? gpuc__kube_list(call->kube, path, *query ? query : NULL,
                                                          gpuc__call_remaining(call), done, call)
                                        : NULL);
    gpuc__free(query);
}

static void finish(gpuc__kube_call *call)
{
    chain_state *s = call->state;

    gpuc__call_finish(call, json_incref(s->facts), NULL);
}

static void on_log(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    chain_state *s = call->state;

    if (ended(call, "log", error))
        return;
    if (result)
        json_object_set(s->facts, "log", result);
    finish(call);
}

static const json_t *first_status(const json_t *pod)
{
    return json_array_get(gpuc__json_at(pod, "status", "containerStatuses", NULL), 0);
}

/* The log of the container that runs, or of the one that ended before. */
static void ask_log(gpuc__kube_call *call)
{
    chain_state *s = call->state;
    const json_t *pod = json_object_get(s->facts, "pod"), *status = first_status(pod);
    const char *namespace_ = gpuc__json_text(pod, "metadata", "namespace", NULL);
    const char *name = gpuc__json_text(pod, "metadata", "name", NULL);
    const char *container = gpuc__json_text(status, "name", NULL);
    bool runs = gpuc__json_at(status, "state", "running", NULL) != NULL;
    bool ran = gpuc__json_at(status, "lastState", "terminated", NULL) != NULL;
    char *path;

    if (!namespace_ || !name || !container ||
        (!runs && !ran && !gpuc__json_at(status, "state", "terminated", NULL))) {
        finish(call);
        return;
    }
    path = gpuc__kube_path(!runs && ran ? "/api/v1/namespaces/%s/pods/%s/log?container=%s"
                                          "&tailLines=40&previous=true"
                                        : "/api/v1/namespaces/%s/pods/%s/log?container=%s"
                                          "&tailLines=40",
                           namespace_, name, container, NULL);
    gpuc__call_wait(call, path ? gpuc__kube_send(call->kube,
                                                 &(gpuc__kube_args){
                                                     .method = "GET",
                                                     .path = path,
                                                     .deadline_ms = gpuc__call_remaining(call),
                                                     .text = true,
                                                     .once = true,
                                                     .done = on_log,
                                                     .data = call})
                               : NULL);
    gpuc__free(path);
}

static void on_events(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    chain_state *s = call->state;

    if (ended(call, "events", error))
        return;
    if (result)
        json_object_set(s->facts, "events", json_object_get(result, "items"));
    ask_log(call);
}

static void ask_events(gpuc__kube_call *call)
{
    chain_state *s = call->state;
    const json_t *pod = json_object_get(s->facts, "pod");
    const char *namespace_ = gpuc__json_text(pod, "metadata", "namespace", NULL);
    const char *uid = gpuc__json_text(pod, "metadata", "uid", NULL);
    char *path;

    if (!namespace_ || !uid) {
        finish(call);
        return;
    }
    path = gpuc__kube_path("/api/v1/namespaces/%s/events", namespace_, NULL);
    list(call, path, gpuc__kube_path("fieldSelector=involvedObject.uid%%3D%s", uid, NULL), on_events);
    gpuc__free(path);
}

static void ask_pods(gpuc__kube_call *call);

static void on_pods(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    chain_state *s = call->state;
    json_t *pod;
    size_t i;

    if (ended(call, "pod", error))
        return;
    json_array_foreach(json_object_get(result, "items"), i, pod)
    {
        /* One that is going is there only for want of another. */
        bool going = gpuc__json_text(pod, "metadata", "deletionTimestamp", NULL) != NULL;

        if (gpuc__chain_pod_of(pod, s->node) && (!going || !json_object_get(s->facts, "pod")))
            json_object_set(s->facts, "pod", pod);
    }
    if (json_object_get(s->facts, "pod"))
        ask_events(call);
    else
        ask_pods(call);
}

/* "a=b,c=d" of the DaemonSet's selector; matchExpressions only narrow it further. */
static char *selector_of(const json_t *daemon_set)
{
    json_t *labels = gpuc__json_at(daemon_set, "spec", "selector", "matchLabels", NULL), *value;
    gpuc__buf text = GPUC__BUF_INIT(4096);
    char *plain, *query;
    const char *key;

    json_object_foreach(labels, key, value)
        gpuc__buf_printf(&text, "%s%s=%s", text.length ? "," : "", key,
                         json_is_string(value) ? json_string_value(value) : "");
    plain = text.length ? gpuc__buf_take(&text) : gpuc__strdup("");
    gpuc__buf_clear(&text);
    query = plain ? gpuc__kube_path("labelSelector=%s", plain, NULL) : NULL;
    gpuc__free(plain);
    return query;
}

static void ask_pods(gpuc__kube_call *call)
{
    chain_state *s = call->state;
    const json_t *daemon_set = json_array_get(json_object_get(s->facts, "daemonSets"), s->next++);
    const char *namespace_ = gpuc__json_text(daemon_set, "metadata", "namespace", NULL);
    char *path;

    if (!namespace_) {
        finish(call);
        return;
    }
    path = gpuc__kube_path("/api/v1/namespaces/%s/pods", namespace_, NULL);
    list(call, path, selector_of(daemon_set), on_pods);
    gpuc__free(path);
}

static void on_daemon_sets(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    chain_state *s = call->state;
    json_t *found, *daemon_set;
    size_t i;

    if (ended(call, "daemonSets", error))
        return;
    if (result) {
        found = json_array();
        json_array_foreach(json_object_get(result, "items"), i, daemon_set)
        {
            if (gpuc__chain_is_plugin(daemon_set, s->table) && json_array_size(found) < PLUGINS_MAX)
                json_array_append(found, daemon_set);
        }
        json_object_set_new(s->facts, "daemonSets", found);
    }
    ask_pods(call);
}

static void on_runtime_classes(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    chain_state *s = call->state;

    if (ended(call, "runtimeClasses", error))
        return;
    if (result)
        json_object_set(s->facts, "runtimeClasses", json_object_get(result, "items"));
    list(call, "/apis/apps/v1/daemonsets", gpuc__strdup(""), on_daemon_sets);
}

static void on_node(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    chain_state *s = call->state;

    if (gpuc__call_ended(call, error))
        return;
    json_object_set(s->facts, "node", result);
    list(call, "/apis/node.k8s.io/v1/runtimeclasses", gpuc__strdup(""), on_runtime_classes);
}

static void chain_begin(gpuc__kube_call *call)
{
    chain_state *s = call->state;
    char *path = gpuc__kube_path("/api/v1/nodes/%s", s->node, NULL);

    gpuc__call_wait(call, path ? gpuc__kube_send(call->kube,
                                                 &(gpuc__kube_args){
                                                     .method = "GET",
                                                     .path = path,
                                                     .deadline_ms = gpuc__call_remaining(call),
                                                     .done = on_node,
                                                     .data = call})
                               : NULL);
    gpuc__free(path);
}

gpuc__kube_call *gpuc__chain_gather(gpuc__kube *kube, const char *node, int deadline_ms,
                                    gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call =
        gpuc__call_new(kube, deadline_ms, sizeof(chain_state), chain_clear, done, data);
    const gpuc__data *table = gpuc__data_get("kube/gpu-plugins.json");
    chain_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    s->node = gpuc__strdup(node);
    s->table = table ? json_loadb(table->text, table->length, 0, NULL) : NULL;
    s->facts = json_pack("{s:{}}", "refused");
    if (!s->node || !s->table || !s->facts) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, chain_begin);
    return call;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that may be why a run does not go on: the one that a pod waits for or runs on, and where the
 * scheduler chooses, those with taints. */
#include <string.h>

#include "core/context.h"
#include "kube/job_internal.h"
#include "kube/node.h"
#include "kube/status.h"
#include "util/alloc.h"

#define NODE_EVERY_MS 3000
#define TAINTED_EVERY_MS 30000
#define TAINTED_PATH "/api/v1/nodes?limit=200" /* a page: more need not be named */
#define REQUEST_MS 15000

static const json_t *condition(const gpuc__job_pod *pod, const char *type, const char *status)
{
    const json_t *c;
    size_t i;

    json_array_foreach(gpuc__json_at(pod->object, "status", "conditions", NULL), i, c)
    {
        if (gpuc__job_same(gpuc__json_text(c, "type", NULL), type) &&
            gpuc__job_same(gpuc__json_text(c, "status", NULL), status))
            return c;
    }
    return NULL;
}

static bool is_over(const gpuc__job_pod *pod)
{
    return pod->now.ended || pod->deleted;
}

/* ---- one node ---- */

/* The node that may be what is wrong: the one that a pod waits for, or where the control plane has
 * called a pod not ready although its containers were. */
static const char *doubtful_node(const gpuc__job_run *r)
{
    for (size_t i = 0; i < r->pod_count; i++) {
        const gpuc__job_pod *pod = r->pods[i];

        if (is_over(pod))
            continue;
        if (r->node && condition(pod, "PodScheduled", "False"))
            return r->node;
        if (condition(pod, "Ready", "False") && condition(pod, "ContainersReady", "True"))
            return gpuc__json_text(pod->object, "spec", "nodeName", NULL);
    }
    return NULL;
}

static void on_node(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;
    bool missing = error && gpuc_error_code(error) == GPUC_ENOTFOUND;

    r->children[GPUC__JOB_NODE] = NULL;
    gpuc_error_unref(error); /* who may not read nodes learns less */
    json_decref(r->node_object);
    r->node_object = missing ? json_null() : json_incref(result);
    gpuc__job_run_evaluate(r);
}

static void ask_node(gpuc__job_run *r, const char *name)
{
    char *copy = gpuc__strdup(name);

    gpuc__free(r->node_name);
    r->node_name = copy;
    gpuc__job_child(r, GPUC__JOB_NODE, copy ? gpuc__node_get(r->kube, copy, on_node, r) : NULL);
}

/* ---- those with taints ---- */

/* Whether the scheduler speaks of taints: of which, and of which nodes, it does not say. */
static bool finds_taints(const gpuc__job_run *r)
{
    for (size_t i = 0; !r->node && i < r->pod_count; i++) {
        const json_t *c = is_over(r->pods[i]) ? NULL : condition(r->pods[i], "PodScheduled", "False");
        const char *message = gpuc__json_text(c, "message", NULL);

        if (message && strstr(message, "taint"))
            return true;
    }
    return false;
}

/* Of a list only what is to be told. */
static json_t *keep_tainted(const json_t *list)
{
    json_t *kept = json_array(), *node;
    size_t i;

    json_array_foreach(json_object_get(list, "items"), i, node)
    {
        const char *name = gpuc__json_text(node, "metadata", "name", NULL);
        json_t *taints = gpuc__json_at(node, "spec", "taints", NULL);

        if (name && json_array_size(taints))
            json_array_append_new(kept, json_pack("{s:{s:s}, s:{s:O}}", "metadata", "name", name, "spec",
                                                  "taints", taints));
    }
    return kept;
}

static void on_nodes(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[GPUC__JOB_NODE] = NULL;
    gpuc_error_unref(error); /* likewise */
    json_decref(r->tainted);
    r->tainted = keep_tainted(result);
    gpuc__job_run_evaluate(r);
}

static void ask_nodes(gpuc__job_run *r)
{
    gpuc__job_child(r, GPUC__JOB_NODE,
                    gpuc__kube_send(r->kube, &(gpuc__kube_args){.method = "GET",
                                                                .path = TAINTED_PATH,
                                                                .deadline_ms = REQUEST_MS,
                                                                .done = on_nodes,
                                                                .data = r}));
}

/* ---- both ---- */

static bool is_due(uint64_t *last, uint64_t every)
{
    uint64_t now = gpuc__clock_ms();

    if (*last && now - *last < every)
        return false;
    *last = now;
    return true;
}

static void forget(json_t **what)
{
    json_decref(*what);
    *what = NULL;
}

void gpuc__job_node_look(gpuc__job_run *r)
{
    bool over = r->stopping || r->now.ended;
    const char *name = over ? NULL : doubtful_node(r);
    bool taints = !over && finds_taints(r);

    if (!name || !gpuc__job_same(name, r->node_name))
        forget(&r->node_object);
    if (!taints)
        forget(&r->tainted);
    if (r->children[GPUC__JOB_NODE])
        return;
    if (name && is_due(&r->node_at, NODE_EVERY_MS))
        ask_node(r, name);
    else if (taints && is_due(&r->tainted_at, TAINTED_EVERY_MS))
        ask_nodes(r);
}

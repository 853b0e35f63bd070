/* SPDX-License-Identifier: Apache-2.0 */
/* Planning a graph: probes only. A step is asked as soon as the gates before it are known to be
 * there; it need not wait for the other steps before it. */
#include <string.h>

#include "core/graph_internal.h"
#include "core/plan.h"
#include "util/alloc.h"
#include "util/error.h"

#define PLAN_PARALLEL 64

static void decide(gpuc__node *node, int verdict, const char *detail)
{
    node->planned = verdict;
    if (detail && detail != node->detail) {
        gpuc__free(node->detail);
        node->detail = gpuc__strdup(detail);
    }
}

/* Known well enough for those that depend on it to be looked at. */
static void pass(gpuc__node *node)
{
    node->state = GPUC__NODE_ENDED;
    node->graph->ended++;
    gpuc__graph_ended(node);
}

/* A gate without which its machine cannot be asked. */
static const gpuc__node *closed_gate(const gpuc__node *node)
{
    const gpuc__lane *cluster = gpuc__map_get(&node->graph->by_machine, "");

    if (node->taint_cluster && cluster)
        return cluster->closed;
    if (!node->taint_machine)
        return NULL;
    return node->lane->closed;
}

static const char *gate_detail(const gpuc__node *gate)
{
    return gate->detail && *gate->detail ? gate->detail : gate->title;
}

/* All before it are known: decides at once or asks. Only a gate is waited for. */
static void look(gpuc__node *node)
{
    const gpuc__node *gate = closed_gate(node);

    node->state = GPUC__NODE_READY;
    if (node->skip) {
        decide(node, GPUC_STEP_SKIPPED, "at your wish");
        pass(node);
    } else if (node->check && !node->gate) {
        decide(node, GPUC_STEP_CHECK, NULL);
        pass(node);
    } else if (gate) {
        decide(node, GPUC_STEP_NEEDED, gate_detail(gate));
        pass(node);
    } else if (!node->machine && node->taint_machine) {
        decide(node, GPUC_STEP_UNKNOWN, "cannot be told before the machines are there");
        pass(node);
    } else if (!node->ops->probe) {
        decide(node, node->check ? GPUC_STEP_CHECK : GPUC_STEP_NEEDED, NULL);
        if (node->gate && node->ops->act)
            node->lane->closed = node;
        pass(node);
    } else {
        gpuc__graph_ready(node);
        if (!node->gate) {
            node->graph->ended++;
            gpuc__graph_ended(node);
        }
    }
}

static void take_answer(gpuc__node *node)
{
    gpuc_error *error = node->error;
    int verdict = (int)node->verdict;

    node->error = NULL;
    gpuc__graph_give_slot(node);
    if (error) {
        if (node->timed_out)
            decide(node, GPUC_STEP_UNKNOWN, "the probe did not answer in time");
        else {
            gpuc__context_redact_error(node->graph->context, error);
            decide(node, GPUC_STEP_UNKNOWN, gpuc_error_message(error));
        }
        gpuc_error_unref(error);
    } else {
        decide(node, verdict, node->detail);
    }
    node->state = GPUC__NODE_ENDED;
    if (!node->gate)
        return;
    if (node->planned != GPUC_STEP_PRESENT)
        node->lane->closed = node;
    if (node->check)
        node->planned = GPUC_STEP_CHECK;
    pass(node);
}

static void settle(gpuc__graph *graph)
{
    gpuc__node *node;

    while ((node = gpuc__graph_next_ended(graph))) {
        bool closed = node->lane->closed == node;
        bool machine = node->taint_machine || (closed && node->machine);
        bool cluster = node->taint_cluster || (closed && !node->machine);

        for (size_t i = 0; i < node->after_count; i++) {
            gpuc__node *next = node->after[i];

            next->taint_machine |= machine;
            next->taint_cluster |= cluster;
            if (--next->waiting == 0)
                look(next);
        }
    }
}

/* The exact commands; those of the step of the same id on another machine are shared when equal. */
static char *commands(const gpuc__node *node)
{
    char *raw = node->ops->shell ? node->ops->shell(node, node->data) : NULL, *clean = NULL;

    if (raw)
        clean = gpuc__context_redact(node->graph->context, raw);
    gpuc__free(raw);
    return clean;
}

static bool add_step(gpuc_plan *plan, const gpuc__node *node, gpuc__map *last_of_id)
{
    size_t *after = NULL;
    gpuc_step *step;

    if (node->before_count) {
        after = gpuc__calloc(node->before_count, sizeof(*after));
        if (!after)
            return false;
        for (size_t i = 0; i < node->before_count; i++)
            after[i] = node->before[i]->mark;
    }
    step = gpuc__plan_add(plan, node->machine, node->id, node->title, node->planned, node->detail,
                          after, node->before_count, commands(node),
                          gpuc__map_get(last_of_id, node->id));
    return step && gpuc__map_put(last_of_id, node->id, step);
}

static gpuc_plan *build(gpuc__graph *graph, gpuc_error **err)
{
    gpuc__node **order = gpuc__graph_order(graph, err);
    gpuc_plan *plan = order ? gpuc__plan_new(graph->cluster, graph->count) : NULL;
    gpuc__map last_of_id = {0};
    bool ok = plan != NULL;

    for (size_t i = 0; ok && i < graph->count; i++) {
        order[i]->mark = i;
        ok = add_step(plan, order[i], &last_of_id);
    }
    if (!ok) {
        gpuc__error_nomem(err);
        plan = gpuc_plan_unref(plan);
    }
    gpuc__map_clear(&last_of_id);
    gpuc__free(order);
    return plan;
}

/* The last thing done with the graph: `done` may free it. */
static void finish(gpuc__graph *graph)
{
    gpuc__plan_fn done = graph->plan_done;
    void *data = graph->done_data;
    gpuc_error *error = NULL;
    gpuc_plan *plan = NULL;

    if (graph->cancelled)
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE,
                        "the plan was cancelled; nothing was changed");
    else
        plan = build(graph, &error);
    gpuc__graph_reset(graph);
    done(data, plan, error);
}

void gpuc__graph_plan_turn(gpuc__graph *graph)
{
    gpuc__node *node;

    while ((node = gpuc__list_pop(&graph->answered)))
        take_answer(node);
    settle(graph);
    while (!graph->cancelled && (node = gpuc__graph_take(graph))) {
        node->state = GPUC__NODE_PROBING;
        gpuc__list_push(&graph->starting, node);
    }
    while ((node = gpuc__list_pop(&graph->starting)))
        gpuc__graph_call(node);
    if (graph->cancelled && !graph->cancel_sent)
        gpuc__graph_cancel_active(graph);
    gpuc__graph_arm(graph);
    if (graph->busy == 0 && (graph->cancelled || graph->ended == graph->count))
        finish(graph);
}

int gpuc__graph_plan(gpuc__graph *graph, const char *cluster, gpuc__plan_fn done, void *data,
                     gpuc_error **err)
{
    char *name = gpuc__strdup(cluster ? cluster : "");
    int rc;

    if (!name)
        return gpuc__error_nomem(err);
    rc = gpuc__graph_begin(graph, GPUC__GRAPH_PLAN, PLAN_PARALLEL, err);
    if (rc != GPUC_OK) {
        gpuc__free(name);
        return rc;
    }
    graph->cluster = name;
    graph->plan_done = done;
    graph->done_data = data;
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->nodes[i]->waiting == 0 && graph->nodes[i]->before_count == 0)
            look(graph->nodes[i]);
    }
    return GPUC_OK;
}

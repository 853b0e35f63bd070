/* SPDX-License-Identifier: Apache-2.0 */
/* Building a graph: steps, dependencies, order, cycles. */
#include "core/graph.h"

#include <string.h>

#include "core/graph_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define CYCLE_TEXT_MAX 4096

static void run_turn(void *data)
{
    gpuc__graph *graph = data;

    if (graph->mode == GPUC__GRAPH_RUN)
        gpuc__graph_run_turn(graph);
    else if (graph->mode == GPUC__GRAPH_PLAN)
        gpuc__graph_plan_turn(graph);
}

int gpuc__graph_new(gpuc__graph **out, gpuc_context *context, gpuc__store *store, gpuc_error **err)
{
    gpuc__graph *graph = gpuc__calloc(1, sizeof(*graph));
    uv_timer_t *timer = gpuc__calloc(1, sizeof(*timer));

    if (!graph || !timer) {
        gpuc__free(graph);
        gpuc__free(timer);
        return gpuc__error_nomem(err);
    }
    uv_timer_init(gpuc__context_loop(context), timer);
    timer->data = graph;
    graph->timer = timer;
    graph->context = gpuc_context_ref(context);
    graph->store = store;
    graph->ms_per_s = 1000;
    graph->task = (gpuc__task){.fn = run_turn, .data = graph};
    *out = graph;
    return GPUC_OK;
}

static void node_free(gpuc__node *node)
{
    if (node->ops && node->ops->free)
        node->ops->free(node->data);
    gpuc_error_unref(node->error);
    gpuc__free(node->detail);
    gpuc__free(node->id);
    gpuc__free(node->machine);
    gpuc__free(node->title);
    gpuc__free(node->remedy);
    gpuc__free(node->key);
    gpuc__free(node->before);
    gpuc__free(node->after);
    gpuc__free(node);
}

static void free_timer(uv_handle_t *handle)
{
    gpuc__free(handle);
}

void gpuc__graph_free(gpuc__graph *graph)
{
    if (!graph)
        return;
    gpuc__context_unpost(graph->context, &graph->task);
    uv_close((uv_handle_t *)graph->timer, free_timer);
    for (size_t i = 0; i < graph->count; i++)
        node_free(graph->nodes[i]);
    for (size_t i = 0; i < graph->lane_count; i++) {
        gpuc__free(graph->lanes[i]->key);
        gpuc__free(graph->lanes[i]);
    }
    gpuc__map_clear(&graph->by_key);
    gpuc__map_clear(&graph->by_machine);
    gpuc__free(graph->nodes);
    gpuc__free(graph->lanes);
    gpuc__free(graph->heap);
    gpuc__free(graph->cluster);
    gpuc_error_unref(graph->fatal);
    gpuc_error_unref(graph->first_failure);
    gpuc_context_unref(graph->context);
    gpuc__free(graph);
}

void gpuc__graph_scale_time(gpuc__graph *graph, uint32_t ms_per_s)
{
    graph->ms_per_s = ms_per_s;
}

/* Room for one more in an array that doubles; a power of two says that it is full. */
static bool reserve_one(gpuc__node ***array, size_t count)
{
    gpuc__node **grown;

    if (count & (count - 1) || (count == 0 && *array))
        return true;
    grown = gpuc__realloc(*array, (count ? 2 * count : 1) * sizeof(*grown));
    if (grown)
        *array = grown;
    return grown != NULL;
}

static gpuc__lane *lane_of(gpuc__graph *graph, const char *machine)
{
    gpuc__lane *lane = gpuc__map_get(&graph->by_machine, machine ? machine : "");

    if (lane)
        return lane;
    if (graph->lane_count == graph->lane_capacity) {
        size_t capacity = graph->lane_capacity ? 2 * graph->lane_capacity : 8;
        gpuc__lane **grown = gpuc__realloc(graph->lanes, capacity * sizeof(*grown));

        if (!grown)
            return NULL;
        graph->lanes = grown;
        graph->lane_capacity = capacity;
    }
    lane = gpuc__calloc(1, sizeof(*lane));
    if (lane)
        lane->key = gpuc__strdup(machine ? machine : "");
    if (!lane || !lane->key || !gpuc__map_put(&graph->by_machine, lane->key, lane)) {
        if (lane)
            gpuc__free(lane->key);
        gpuc__free(lane);
        return NULL;
    }
    graph->lanes[graph->lane_count++] = lane;
    return lane;
}

static char *make_key(const char *machine, const char *id)
{
    return gpuc__asprintf("%s/%s", machine ? machine : "", id);
}

static bool fill(gpuc__node *node, const gpuc__step_desc *desc)
{
    node->id = gpuc__strdup(desc->id);
    node->machine = gpuc__strdup(desc->machine);
    node->title = gpuc__strdup(desc->title ? desc->title : desc->id);
    node->remedy = gpuc__strdup(desc->remedy);
    node->key = make_key(desc->machine, desc->id);
    node->timeout_s = desc->timeout_s ? desc->timeout_s : 600;
    node->retries = desc->retries;
    node->backoff_s = desc->backoff_s ? desc->backoff_s : 1;
    node->check = desc->check;
    node->always = desc->always;
    node->skip = desc->skip;
    node->gate = desc->gate;
    node->alone = desc->alone && desc->machine;
    node->elsewhere = desc->elsewhere && !node->alone;
    node->heap_at = GPUC__NOT_IN_HEAP;
    return node->id && (node->machine || !desc->machine) && node->title &&
           (node->remedy || !desc->remedy) && node->key;
}

int gpuc__graph_add(gpuc__graph *graph, const gpuc__step_desc *desc, gpuc__node **out,
                    gpuc_error **err)
{
    gpuc__node *node = gpuc__calloc(1, sizeof(*node));
    int rc = GPUC_OK;

    if (!node) {
        if (desc->ops->free)
            desc->ops->free(desc->data);
        return gpuc__error_nomem(err);
    }
    node->graph = graph;
    node->ops = desc->ops;
    node->data = desc->data;
    if (!fill(node, desc) || !reserve_one(&graph->nodes, graph->count))
        rc = gpuc__error_nomem(err);
    else if (gpuc__map_get(&graph->by_key, node->key))
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE, "the step %s is there twice",
                             gpuc__node_name(node));
    else if (!(node->lane = lane_of(graph, node->machine)) ||
             !gpuc__map_put(&graph->by_key, node->key, node))
        rc = gpuc__error_nomem(err);
    if (rc != GPUC_OK) {
        node_free(node);
        return rc;
    }
    node->index = graph->count;
    graph->nodes[graph->count++] = node;
    if (out)
        *out = node;
    return GPUC_OK;
}

int gpuc__graph_depend(gpuc__graph *graph, gpuc__node *node, gpuc__node *before, gpuc_error **err)
{
    if (!before)
        return GPUC_OK;
    if (!reserve_one(&node->before, node->before_count) ||
        !reserve_one(&before->after, before->after_count))
        return gpuc__error_nomem(err);
    node->before[node->before_count++] = before;
    before->after[before->after_count++] = node;
    return GPUC_OK;
}

gpuc__node *gpuc__graph_find(gpuc__graph *graph, const char *machine, const char *id)
{
    char *key = make_key(machine, id);
    gpuc__node *node = key ? gpuc__map_get(&graph->by_key, key) : NULL;

    gpuc__free(key);
    return node;
}

/* ---- order ---- */

static int report_cycle(gpuc__node **path, size_t depth, const gpuc__node *again, gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(CYCLE_TEXT_MAX);
    size_t start = 0;

    while (start < depth && path[start] != again)
        start++;
    for (size_t i = depth; i > start; i--)
        gpuc__buf_printf(&text, "%s before ", gpuc__node_name(path[i - 1]));
    gpuc__buf_puts(&text, gpuc__node_name(path[depth - 1]));
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE, "the steps wait for each other: %s",
                    text.failed ? "a cycle too long to show" : gpuc__buf_text(&text));
    gpuc__error_remedy(err, "change the `after` of one of them");
    gpuc__buf_clear(&text);
    return GPUC_EINVAL;
}

/* Depth first without recursion: graphs are deep. mark: 0 new, k+1 on the path with k edges looked
 * at, SIZE_MAX placed. */
static int visit(gpuc__node *root, gpuc__node **path, gpuc__node **order, size_t *placed,
                 gpuc_error **err)
{
    size_t depth = 0;

    if (root->mark == SIZE_MAX)
        return GPUC_OK;
    path[depth++] = root;
    root->mark = 1;
    while (depth) {
        gpuc__node *node = path[depth - 1];

        if (node->mark - 1 < node->before_count) {
            gpuc__node *before = node->before[node->mark++ - 1];

            if (before->mark == 0) {
                before->mark = 1;
                path[depth++] = before;
            } else if (before->mark != SIZE_MAX) {
                return report_cycle(path, depth, before, err);
            }
        } else {
            node->mark = SIZE_MAX;
            order[(*placed)++] = node;
            depth--;
        }
    }
    return GPUC_OK;
}

gpuc__node **gpuc__graph_order(gpuc__graph *graph, gpuc_error **err)
{
    size_t room = graph->count ? graph->count : 1, placed = 0;
    gpuc__node **order = gpuc__calloc(room, sizeof(*order));
    gpuc__node **path = gpuc__calloc(room, sizeof(*path));
    int rc = GPUC_OK;

    if (!order || !path)
        rc = gpuc__error_nomem(err);
    for (size_t i = 0; i < graph->count; i++)
        graph->nodes[i]->mark = 0;
    for (size_t i = 0; rc == GPUC_OK && i < graph->count; i++)
        rc = visit(graph->nodes[i], path, order, &placed, err);
    gpuc__free(path);
    if (rc != GPUC_OK) {
        gpuc__free(order);
        order = NULL;
    }
    return order;
}

int gpuc__graph_check(gpuc__graph *graph, gpuc_error **err)
{
    gpuc_error *error = NULL;
    gpuc__node **order = gpuc__graph_order(graph, &error);
    int rc = error ? gpuc_error_code(error) : GPUC_OK;

    gpuc__free(order);
    if (err && !*err)
        *err = error;
    else
        gpuc_error_unref(error);
    return rc;
}

/* ---- nodes ---- */

const char *gpuc__node_name(const gpuc__node *node)
{
    return node->machine ? node->key : node->id;
}

const char *gpuc__node_id(const gpuc__node *node)
{
    return node->id;
}

const char *gpuc__node_machine(const gpuc__node *node)
{
    return node->machine;
}

const gpuc__node *gpuc__node_held_by(const gpuc__node *node)
{
    return node->held_by;
}

gpuc__graph *gpuc__node_graph(const gpuc__node *node)
{
    return node->graph;
}

void *gpuc__node_data(const gpuc__node *node)
{
    return node->data;
}

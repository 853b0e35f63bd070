/* SPDX-License-Identifier: Apache-2.0 */
/* What runs and planning share: queues, slots, deadlines, the calls of probe and act, their
 * answers. */
#include <string.h>

#include "core/graph_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define LINE_EVERY_MS 100
#define NAG_EVERY_S 30

/* ---- lists and slots ---- */

void gpuc__list_push(gpuc__node_list *list, gpuc__node *node)
{
    node->next = NULL;
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
}

gpuc__node *gpuc__list_pop(gpuc__node_list *list)
{
    gpuc__node *node = list->first;

    if (node) {
        list->first = node->next;
        if (!list->first)
            list->last = NULL;
        node->next = NULL;
    }
    return node;
}

/* A step that wants to be alone waits for those under way, and those behind it wait for it. */
static bool lane_full(const gpuc__lane *lane)
{
    const gpuc__node *next = lane->ready.first;

    return lane->alone || (next && next->alone && lane->active > 0) ||
           (*lane->key && lane->active >= GPUC__LANE_PARALLEL);
}

/* Lanes take turns, so that no machine starves the others. */
static void queue_lane(gpuc__graph *graph, gpuc__lane *lane)
{
    if (lane->queued || !lane->ready.first || lane_full(lane))
        return;
    lane->queued = true;
    lane->next = NULL;
    if (graph->last_lane)
        graph->last_lane->next = lane;
    else
        graph->first_lane = lane;
    graph->last_lane = lane;
}

void gpuc__graph_ready(gpuc__node *node)
{
    node->state = GPUC__NODE_READY;
    if (node->elsewhere) {
        gpuc__list_push(&node->graph->ready_elsewhere, node);
        return;
    }
    gpuc__list_push(&node->lane->ready, node);
    queue_lane(node->graph, node->lane);
}

static gpuc__node *take_elsewhere(gpuc__graph *graph)
{
    gpuc__node *node = gpuc__list_pop(&graph->ready_elsewhere);

    if (node) {
        node->lane->active++;
        graph->busy++;
        graph->elsewhere++;
    }
    return node;
}

gpuc__node *gpuc__graph_take(gpuc__graph *graph)
{
    gpuc__lane *lane = graph->first_lane;
    gpuc__node *node = take_elsewhere(graph);

    if (node)
        return node;
    if (!lane || graph->busy - graph->elsewhere >= graph->parallel)
        return NULL;
    graph->first_lane = lane->next;
    if (!graph->first_lane)
        graph->last_lane = NULL;
    lane->queued = false;
    node = gpuc__list_pop(&lane->ready);
    lane->active++;
    lane->alone = node->alone;
    graph->busy++;
    queue_lane(graph, lane);
    return node;
}

void gpuc__graph_give_slot(gpuc__node *node)
{
    node->lane->active--;
    node->graph->busy--;
    if (node->elsewhere)
        node->graph->elsewhere--;
    else
        node->lane->alone = false;
    queue_lane(node->graph, node->lane);
}

void gpuc__graph_ended(gpuc__node *node)
{
    gpuc__node_list *list = &node->graph->just_ended;

    node->next_ended = NULL;
    if (list->last)
        list->last->next_ended = node;
    else
        list->first = node;
    list->last = node;
}

gpuc__node *gpuc__graph_next_ended(gpuc__graph *graph)
{
    gpuc__node_list *list = &graph->just_ended;
    gpuc__node *node = list->first;

    if (node) {
        list->first = node->next_ended;
        if (!list->first)
            list->last = NULL;
    }
    return node;
}

/* ---- deadlines: a binary heap and one timer ---- */

static void heap_place(gpuc__graph *graph, size_t at, gpuc__node *node)
{
    graph->heap[at] = node;
    node->heap_at = at;
}

static void heap_up(gpuc__graph *graph, size_t at, gpuc__node *node)
{
    while (at && graph->heap[(at - 1) / 2]->due > node->due) {
        heap_place(graph, at, graph->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(graph, at, node);
}

static void heap_down(gpuc__graph *graph, size_t at, gpuc__node *node)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= graph->heap_count)
            break;
        if (child + 1 < graph->heap_count && graph->heap[child + 1]->due < graph->heap[child]->due)
            child++;
        if (graph->heap[child]->due >= node->due)
            break;
        heap_place(graph, at, graph->heap[child]);
        at = child;
    }
    heap_place(graph, at, node);
}

void gpuc__graph_wake_in(gpuc__node *node, uint64_t ms)
{
    gpuc__graph *graph = node->graph;

    gpuc__graph_wake_not(node);
    node->due = gpuc__clock_ms() + ms;
    heap_up(graph, graph->heap_count++, node);
}

void gpuc__graph_wake_not(gpuc__node *node)
{
    gpuc__graph *graph = node->graph;
    size_t at = node->heap_at;
    gpuc__node *moved;

    if (at == GPUC__NOT_IN_HEAP)
        return;
    node->heap_at = GPUC__NOT_IN_HEAP;
    moved = graph->heap[--graph->heap_count];
    if (moved == node)
        return;
    if (at && graph->heap[(at - 1) / 2]->due > moved->due)
        heap_up(graph, at, moved);
    else
        heap_down(graph, at, moved);
}

static void call_cancel(gpuc__node *node)
{
    if (node->cancel_called || node->answered || !node->ops->cancel)
        return;
    node->cancel_called = true;
    node->ops->cancel(node, node->data);
}

/* The answer to a cancel must come soon; until it does, the node's data cannot be let go, so all
 * that can be done is to say who keeps everybody waiting. */
static void overdue(gpuc__node *node)
{
    if (node->timed_out)
        gpuc__log(node->graph->context, GPUC_LOG_ERROR, "step",
                  "%s was cancelled and does not answer: please report it", gpuc__node_name(node));
    node->timed_out = true;
    gpuc__graph_wake_in(node, (uint64_t)NAG_EVERY_S * node->graph->ms_per_s);
    call_cancel(node);
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__graph *graph = timer->data;
    uint64_t now = gpuc__clock_ms();

    while (graph->heap_count && graph->heap[0]->due <= now) {
        gpuc__node *node = graph->heap[0];

        gpuc__graph_wake_not(node);
        if (node->state == GPUC__NODE_BACKOFF)
            gpuc__graph_ready(node);
        else
            overdue(node);
    }
    gpuc__context_post(graph->context, &graph->task);
}

void gpuc__graph_arm(gpuc__graph *graph)
{
    uint64_t now = gpuc__clock_ms(), due;

    if (!graph->heap_count) {
        uv_timer_stop(graph->timer);
        return;
    }
    due = graph->heap[0]->due;
    uv_update_time(graph->timer->loop);
    uv_timer_start(graph->timer, on_timer, due > now ? due - now : 0, 0);
}

/* ---- calls and answers ---- */

void gpuc__graph_call(gpuc__node *node)
{
    gpuc__graph *graph = node->graph;
    uint64_t limit = (uint64_t)node->timeout_s * graph->ms_per_s;
    uint64_t probe_limit = (uint64_t)GPUC__PROBE_TIMEOUT_S * graph->ms_per_s;

    node->answered = node->cancel_called = node->timed_out = false;
    if (node->state == GPUC__NODE_ACTING) {
        node->act_over = false;
        gpuc__graph_wake_in(node, limit);
        node->act_began = gpuc__clock_ms();
        node->ops->act(node, node->data, node->attempt, node->resumed);
    } else {
        gpuc__graph_wake_in(node, limit < probe_limit ? limit : probe_limit);
        node->ops->probe(node, node->data);
    }
}

void gpuc__graph_cancel_active(gpuc__graph *graph)
{
    graph->cancel_sent = true;
    for (size_t i = 0; i < graph->count; i++) {
        gpuc__node_state state = graph->nodes[i]->state;

        if (state >= GPUC__NODE_PROBING && state <= GPUC__NODE_PROVING)
            call_cancel(graph->nodes[i]);
    }
}

void gpuc__graph_cancel(gpuc__graph *graph)
{
    if (graph->mode == GPUC__GRAPH_IDLE || graph->cancelled)
        return;
    graph->cancelled = true;
    gpuc__context_post(graph->context, &graph->task);
}

static void answer(gpuc__node *node, bool expected, gpuc__verdict verdict, const char *detail,
                   gpuc_error *error)
{
    if (!expected || node->answered) {
        gpuc__log(node->graph->context, GPUC_LOG_ERROR, "step",
                  "%s answers when nothing was asked: ignored, please report it",
                  gpuc__node_name(node));
        gpuc_error_unref(error);
        return;
    }
    gpuc__graph_wake_not(node);
    node->answered = true;
    node->verdict = verdict;
    gpuc__free(node->detail);
    /* Without memory the detail is lost, the verdict is not. */
    node->detail = detail ? gpuc__context_redact(node->graph->context, detail) : NULL;
    node->error = error;
    gpuc__list_push(&node->graph->answered, node);
    gpuc__context_post(node->graph->context, &node->graph->task);
}

void gpuc__node_probed(gpuc__node *node, gpuc__verdict verdict, const char *detail,
                       gpuc_error *error)
{
    answer(node, node->state == GPUC__NODE_PROBING || node->state == GPUC__NODE_PROVING, verdict,
           detail, error);
}

void gpuc__node_acted(gpuc__node *node, gpuc_error *error)
{
    answer(node, node->state == GPUC__NODE_ACTING, GPUC__VERDICT_UNKNOWN, NULL, error);
}

void gpuc__node_act_over(gpuc__node *node)
{
    node->act_over = true;
}

void gpuc__node_progress(gpuc__node *node, const char *line)
{
    uint64_t now = gpuc__clock_ms();

    if (node->state != GPUC__NODE_ACTING ||
        (node->line_shown && now - node->line_shown < LINE_EVERY_MS))
        return;
    node->line_shown = now;
    gpuc__context_emit(
        node->graph->context,
        gpuc__event_new(GPUC_EVENT_STEP_PROGRESS, node->machine, node->id, "%s", line ? line : ""));
}

/* ---- begin and end ---- */

int gpuc__graph_begin(gpuc__graph *graph, gpuc__graph_mode mode, uint32_t parallel,
                      gpuc_error **err)
{
    gpuc__node **heap;
    int rc;

    if (graph->mode != GPUC__GRAPH_IDLE)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_NONE,
                               "the graph is under way already");
    rc = gpuc__graph_check(graph, err);
    if (rc != GPUC_OK)
        return rc;
    heap = gpuc__calloc(graph->count ? graph->count : 1, sizeof(*heap));
    if (!heap)
        return gpuc__error_nomem(err);
    gpuc__graph_reset(graph);
    for (size_t i = 0; i < graph->count; i++)
        graph->nodes[i]->held_by = NULL;
    gpuc__free(graph->heap);
    graph->heap = heap;
    graph->mode = mode;
    graph->parallel = parallel ? parallel : 64;
    gpuc__context_post(graph->context, &graph->task);
    return GPUC_OK;
}

static void reset_node(gpuc__node *node)
{
    gpuc_error_unref(node->error);
    gpuc__free(node->detail);
    node->error = NULL;
    node->detail = NULL;
    node->state = GPUC__NODE_IDLE;
    node->outcome = GPUC__OUTCOME_NONE;
    node->waiting = node->before_count;
    node->culprit = NULL;
    node->next = node->next_ended = NULL;
    node->answered = node->cancel_called = node->timed_out = false;
    node->heap_at = GPUC__NOT_IN_HEAP;
    node->tries = 0;
    node->attempt[0] = '\0';
    node->attempt_open = node->resumed = node->acted = node->stored_done = false;
    node->act_began = node->line_shown = 0;
    node->estimate_ms = -1;
    node->planned = 0;
    node->taint_machine = node->taint_cluster = false;
}

void gpuc__graph_reset(gpuc__graph *graph)
{
    gpuc__context_unpost(graph->context, &graph->task);
    uv_timer_stop(graph->timer);
    for (size_t i = 0; i < graph->count; i++)
        reset_node(graph->nodes[i]);
    for (size_t i = 0; i < graph->lane_count; i++) {
        gpuc__lane *lane = graph->lanes[i];
        char *key = lane->key;

        memset(lane, 0, sizeof(*lane));
        lane->key = key;
    }
    gpuc_error_unref(graph->fatal);
    gpuc_error_unref(graph->first_failure);
    graph->fatal = graph->first_failure = NULL;
    gpuc__free(graph->cluster);
    graph->cluster = NULL;
    graph->mode = GPUC__GRAPH_IDLE;
    graph->op = NULL;
    graph->busy = graph->elsewhere = 0;
    graph->cancelled = graph->cancel_sent = graph->shown_done = false;
    graph->ended = graph->done = graph->failed = graph->skipped = 0;
    graph->progress_shown = 0;
    graph->heap_count = 0;
    graph->first_lane = graph->last_lane = NULL;
    memset(&graph->ready_elsewhere, 0, sizeof(graph->ready_elsewhere));
    memset(&graph->answered, 0, sizeof(graph->answered));
    memset(&graph->starting, 0, sizeof(graph->starting));
    memset(&graph->just_ended, 0, sizeof(graph->just_ended));
}

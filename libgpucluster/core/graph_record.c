/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves behind: rows in the store, events, log lines. A store that cannot be written
 * stops the run: what is not remembered must not be done. */
#include <stdarg.h>
#include <string.h>

#include "core/graph_record.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

#define PROGRESS_EVERY_MS 100

static void stop_with(gpuc__graph *graph, gpuc_error *error)
{
    gpuc__log(graph->context, GPUC_LOG_ERROR, "state", "the run stops: %s",
              error ? gpuc_error_message(error) : "the state cannot be written");
    if (graph->fatal)
        gpuc_error_unref(error);
    else
        graph->fatal = error;
    graph->cancelled = true;
}

/* For results of store functions; takes *error. By its address: the call that sets it may stand in
 * the same argument list. */
static void check(gpuc__graph *graph, int rc, gpuc_error **error)
{
    if (rc == GPUC_OK)
        return;
    if (!*error)
        gpuc__error_set(error, rc, GPUC_DOMAIN_STATE, "the state cannot be written");
    stop_with(graph, *error);
    *error = NULL;
}

void gpuc__record_begin(gpuc__graph *graph)
{
    if (graph->store)
        gpuc__store_batch_begin(graph->store);
}

bool gpuc__record_commit(gpuc__graph *graph)
{
    gpuc_error *error = NULL;

    if (graph->store)
        check(graph, gpuc__store_batch_end(graph->store, &error), &error);
    return graph->fatal == NULL;
}

static void tell(gpuc__node *node, int kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An event for the user, for the store and, at level info, for the log. */
static void tell(gpuc__node *node, int kind, const char *format, ...)
{
    gpuc__graph *graph = node->graph;
    gpuc_error *error = NULL;
    gpuc_event *event;
    char *text, *json;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = n >= 0 ? gpuc__malloc((size_t)n + 1) : NULL;
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)n + 1, format, args);
        va_end(args);
    }
    event = gpuc__event_new(kind, node->machine, node->id, "%s", text ? text : "");
    gpuc__free(text);
    if (!event)
        return;
    gpuc__context_redact_event(graph->context, event);
    gpuc__log(graph->context, kind == GPUC_EVENT_STEP_FAILED ? GPUC_LOG_ERROR : GPUC_LOG_INFO,
              "step", "%s: %s", gpuc__node_name(node), gpuc_event_message(event));
    json = graph->store && !graph->fatal ? gpuc_event_to_json(event) : NULL;
    if (json)
        check(graph, gpuc__store_event_add(graph->store, json, &error), &error);
    gpuc__free(json);
    gpuc__context_emit(graph->context, event);
}

static void set_state(gpuc__node *node, const char *state, const char *error_json,
                      int64_t duration_ms)
{
    gpuc__graph *graph = node->graph;
    gpuc_error *error = NULL;

    if (graph->store && !graph->fatal)
        check(graph,
              gpuc__store_step_set(graph->store, node->machine, node->id, state, error_json,
                                   duration_ms, &error),
              &error);
    node->stored_done = strcmp(state, "done") == 0;
}

/* Marks the nodes that the store knows as done; they need not be written again. */
static void load_states(gpuc__graph *graph)
{
    gpuc_error *error = NULL;
    json_t *steps = NULL;
    size_t i;
    json_t *row;
    int rc = gpuc__store_steps(graph->store, &steps, &error);

    check(graph, rc, &error);
    if (rc != GPUC_OK)
        return;
    json_array_foreach(steps, i, row)
    {
        const char *machine = json_string_value(json_object_get(row, "machine"));
        const char *step = json_string_value(json_object_get(row, "step"));
        const char *state = json_string_value(json_object_get(row, "state"));
        gpuc__node *node =
            step ? gpuc__graph_find(graph, machine && *machine ? machine : NULL, step) : NULL;

        if (node && state)
            node->stored_done = strcmp(state, "done") == 0;
    }
    json_decref(steps);
}

void gpuc__record_load(gpuc__graph *graph)
{
    gpuc__map estimates = {0};

    if (!graph->store)
        return;
    load_states(graph);
    for (size_t i = 0; i < graph->count; i++) {
        gpuc__node *node = graph->nodes[i], *like = gpuc__map_get(&estimates, node->id);

        if (!node->stored_done && !node->skip)
            set_state(node, "waiting", NULL, -1);
        if (like) {
            node->estimate_ms = like->estimate_ms;
        } else {
            node->estimate_ms = gpuc__store_step_estimate(graph->store, node->id);
            gpuc__map_put(&estimates, node->id, node); /* failing costs time only */
        }
        if (node->estimate_ms > 0)
            node->lane->remaining_ms += node->estimate_ms;
    }
    gpuc__map_clear(&estimates);
}

void gpuc__record_open_attempt(gpuc__node *node)
{
    gpuc__graph *graph = node->graph;
    gpuc_error *error = NULL;
    char *attempt = NULL;

    if (!graph->store || graph->fatal)
        return;
    check(graph, gpuc__store_intent_open(graph->store, node->machine, node->id, &attempt, &error),
          &error);
    if (attempt && strlen(attempt) < sizeof(node->attempt)) {
        memcpy(node->attempt, attempt, strlen(attempt) + 1);
        node->attempt_open = true;
    }
    gpuc__free(attempt);
}

void gpuc__record_started(gpuc__node *node)
{
    gpuc__graph *graph = node->graph;
    gpuc_error *error = NULL;

    if (graph->store && !graph->fatal && !node->resumed)
        check(graph,
              gpuc__store_intent_add(graph->store, node->machine, node->id, node->attempt, &error),
              &error);
    set_state(node, "running", NULL, -1);
    tell(node, GPUC_EVENT_STEP_STARTED, "%s%s", node->title,
         node->resumed ? " (taken up again)" : "");
}

void gpuc__record_attempt_end(gpuc__node *node, int code, const char *detail)
{
    gpuc__graph *graph = node->graph;
    char *clean = detail ? gpuc__context_redact(graph->context, detail) : NULL;
    gpuc_error *error = NULL;

    node->attempt_open = false;
    if (graph->store && !graph->fatal)
        check(graph, gpuc__store_intent_end(graph->store, node->attempt, code, clean, &error),
              &error);
    gpuc__free(clean);
}

void gpuc__record_done(gpuc__node *node, const char *detail)
{
    bool measured = node->acted && !node->resumed && node->tries == 0;
    int64_t duration = measured ? (int64_t)(gpuc__clock_ms() - node->act_began) : -1;

    if (!node->stored_done || node->acted)
        set_state(node, "done", NULL, duration);
    tell(node, GPUC_EVENT_STEP_DONE, "%s%s%s", node->title, detail && *detail ? ": " : "",
         detail ? detail : "");
}

void gpuc__record_failed(gpuc__node *node, const gpuc_error *error)
{
    const char *remedy = gpuc_error_remedy(error);
    char *json = gpuc_error_to_json(error);

    set_state(node, "failed", json, -1);
    gpuc__free(json);
    tell(node, GPUC_EVENT_STEP_FAILED, "%s%s%s", gpuc_error_message(error),
         remedy ? "; what to do: " : "", remedy ? remedy : "");
}

void gpuc__record_retry(gpuc__node *node, const gpuc_error *error, uint64_t delay_ms)
{
    tell(node, GPUC_EVENT_STEP_RETRY, "%s; attempt %u of %u in %.1f s", gpuc_error_message(error),
         node->tries + 1, node->retries + 1, (double)delay_ms / 1000);
}

void gpuc__record_skipped(gpuc__node *node)
{
    set_state(node, "skipped", NULL, -1);
    if (node->skip)
        tell(node, GPUC_EVENT_STEP_SKIPPED, "skipped as wished");
    else
        tell(node, GPUC_EVENT_STEP_SKIPPED, "not run, because %s failed",
             gpuc__node_name(node->culprit));
}

void gpuc__record_waiting(gpuc__node *node)
{
    set_state(node, "waiting", NULL, -1);
}

/* The machine with most left to do decides, unless all of them together do. */
static int64_t remaining_ms(const gpuc__graph *graph)
{
    int64_t cluster = 0, longest = 0, total = 0;

    for (size_t i = 0; i < graph->lane_count; i++) {
        const gpuc__lane *lane = graph->lanes[i];

        if (!*lane->key) {
            cluster = lane->remaining_ms;
            continue;
        }
        total += lane->remaining_ms;
        if (lane->remaining_ms > longest)
            longest = lane->remaining_ms;
    }
    if (total / graph->parallel > longest)
        longest = total / graph->parallel;
    return cluster + longest;
}

static bool knows_nothing(const gpuc__graph *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->nodes[i]->estimate_ms >= 0)
            return false;
    }
    return true;
}

void gpuc__record_progress(gpuc__graph *graph, bool last)
{
    int64_t left = -1;
    uint64_t now = gpuc__clock_ms();
    gpuc_event *event;

    if (!last && graph->progress_shown && now - graph->progress_shown < PROGRESS_EVERY_MS)
        return;
    graph->progress_shown = now;
    if (last || !knows_nothing(graph))
        left = last ? 0 : remaining_ms(graph);
    if (graph->op)
        gpuc__op_set_progress(graph->op, (int)graph->done, (int)graph->count, left);
    event = gpuc__event_new(GPUC_EVENT_PROGRESS, NULL, NULL, "%zu of %zu steps are done",
                            graph->done, graph->count);
    gpuc__event_set_progress(event, (int)graph->done, (int)graph->count, left);
    gpuc__context_emit(graph->context, event);
}

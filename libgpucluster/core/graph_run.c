/* SPDX-License-Identifier: Apache-2.0 */
/* Running a graph. One turn of the loop: take the answers, look at what they set free, choose what
 * starts, commit all of that at once, and only then call. */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "core/graph_record.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

#define BACKOFF_MAX_S 60

/* ---- the end of a node ---- */

static void end_node(gpuc__node *node, gpuc__outcome outcome)
{
    gpuc__graph *graph = node->graph;

    node->state = GPUC__NODE_ENDED;
    node->outcome = outcome;
    graph->ended++;
    if (outcome == GPUC__OUTCOME_DONE || outcome == GPUC__OUTCOME_WISHED)
        graph->done++;
    else if (outcome == GPUC__OUTCOME_FAILED)
        graph->failed++;
    else if (outcome == GPUC__OUTCOME_SKIPPED)
        graph->skipped++;
    if (node->estimate_ms > 0)
        node->lane->remaining_ms -= node->estimate_ms;
    gpuc__graph_ended(node);
}

static void node_done(gpuc__node *node, const char *detail)
{
    gpuc__graph_give_slot(node);
    gpuc__record_done(node, detail);
    end_node(node, GPUC__OUTCOME_DONE);
}

static void node_cancelled(gpuc__node *node)
{
    gpuc__record_waiting(node);
    end_node(node, GPUC__OUTCOME_CANCELLED);
}

static void node_failed(gpuc__node *node, gpuc_error *error)
{
    gpuc__graph *graph = node->graph;

    gpuc__error_at(&error, node->machine, node->id);
    if (node->remedy && !gpuc_error_remedy(error))
        gpuc__error_remedy(&error, "%s", node->remedy);
    gpuc__context_redact_error(graph->context, error);
    gpuc__record_failed(node, error);
    if (graph->first_failure)
        gpuc_error_unref(error);
    else
        graph->first_failure = error;
    end_node(node, GPUC__OUTCOME_FAILED);
}

/* ---- retry ---- */

static uint64_t backoff_ms(const gpuc__node *node)
{
    uint64_t seconds = node->backoff_s;
    uint16_t random = 0;
    uint64_t ms;

    for (unsigned i = 1; i < node->tries && seconds < BACKOFF_MAX_S; i++)
        seconds *= 2;
    if (seconds > BACKOFF_MAX_S)
        seconds = BACKOFF_MAX_S;
    ms = seconds * node->graph->ms_per_s;
    /* A quarter either way: machines that failed together do not come back together. */
    if (RAND_bytes((unsigned char *)&random, sizeof(random)) == 1)
        ms = ms * 3 / 4 + ms * random / (2 * 65536);
    return ms;
}

/* Ends or repeats after a failure; consumes the error. The slot is given back either way. */
static void node_trouble(gpuc__node *node, gpuc_error *error)
{
    uint64_t delay;

    gpuc__graph_give_slot(node);
    if (node->graph->cancelled) {
        gpuc_error_unref(error);
        node_cancelled(node);
        return;
    }
    if (!gpuc_error_retryable(error) || node->tries >= node->retries) {
        node_failed(node, error);
        return;
    }
    node->tries++;
    delay = backoff_ms(node);
    node->state = GPUC__NODE_BACKOFF;
    gpuc__graph_wake_in(node, delay);
    gpuc__record_retry(node, error, delay);
    gpuc_error_unref(error);
}

/* The error of a deadline; consumes what the step answered to its cancel. */
static gpuc_error *deadline_error(const gpuc__node *node, gpuc_error *answer)
{
    bool acting = node->state == GPUC__NODE_ACTING;
    uint32_t limit = acting || node->timeout_s < GPUC__PROBE_TIMEOUT_S ? node->timeout_s
                                                                      : GPUC__PROBE_TIMEOUT_S;
    gpuc_error *error = answer;

    gpuc__error_wrap(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_NONE,
                     "%s: %s did not end within its %u seconds", gpuc__node_name(node),
                     acting ? "the act" : "the probe", limit);
    gpuc__error_at(&error, node->machine, node->id);
    /* An act had its time, and a retry would not make the wait end; a probe only looks. */
    gpuc__error_retryable(&error, !acting);
    if (!node->remedy)
        gpuc__error_remedy(&error,
                           "see what it waits for on %s; running again takes it up where it "
                           "is",
                           node->machine ? node->machine : "the cluster");
    return error;
}

/* ---- answers ---- */

static void to_act(gpuc__node *node)
{
    unsigned char random[8];

    node->resumed = node->attempt_open;
    if (!node->attempt_open) {
        if (RAND_bytes(random, sizeof(random)) != 1) {
            gpuc_error *error = NULL;

            gpuc__error_set(&error, GPUC_EINTERNAL, GPUC_DOMAIN_TLS,
                            "the random number generator gives nothing");
            node_trouble(node, error);
            return;
        }
        for (size_t i = 0; i < sizeof(random); i++)
            snprintf(node->attempt + 2 * i, 3, "%02x", random[i]);
        node->attempt_open = true;
    }
    node->state = GPUC__NODE_ACTING;
    gpuc__record_started(node);
    gpuc__list_push(&node->graph->starting, node);
}

static void to_probe(gpuc__node *node, gpuc__node_state state)
{
    node->state = state;
    gpuc__list_push(&node->graph->starting, node);
}

static gpuc_error *not_there(const gpuc__node *node, const char *what)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ESTEP, GPUC_DOMAIN_NONE, "%s: %s%s%s", gpuc__node_name(node), what,
                    node->detail && *node->detail ? ": " : "", node->detail ? node->detail : "");
    return error;
}

static void on_probed(gpuc__node *node, gpuc_error *error)
{
    if (error) {
        node_trouble(node, error);
    } else if (node->verdict == GPUC__VERDICT_PRESENT) {
        if (node->attempt_open)
            gpuc__record_attempt_end(node, GPUC_OK, "its effect was found");
        node_done(node, node->detail ? node->detail : "there already");
    } else if (node->graph->cancelled) {
        gpuc__graph_give_slot(node);
        node_cancelled(node);
    } else if (!node->ops->act) {
        node_trouble(node, not_there(node, "what it looks for is not there"));
    } else {
        to_act(node);
    }
}

static void on_acted(gpuc__node *node, gpuc_error *error)
{
    int code = error ? gpuc_error_code(error) : GPUC_OK;
    /* With these the act may go on where it runs: see core/graph.h. */
    bool lost = !node->act_over && (code == GPUC_ENETWORK || code == GPUC_ETIMEDOUT ||
                                    code == GPUC_ECANCELLED);

    node->acted = true;
    if (error) {
        if (!lost && node->attempt_open)
            gpuc__record_attempt_end(node, code, gpuc_error_message(error));
        node_trouble(node, error);
    } else if (node->graph->cancelled) {
        /* Not looked at any more: the attempt stays open, the next run looks. */
        gpuc__graph_give_slot(node);
        node_cancelled(node);
    } else if (node->ops->probe) {
        to_probe(node, GPUC__NODE_PROVING);
    } else {
        gpuc__record_attempt_end(node, GPUC_OK, NULL);
        node_done(node, NULL);
    }
}

static void on_proved(gpuc__node *node, gpuc_error *error)
{
    if (error) {
        node_trouble(node, error);
    } else if (node->verdict == GPUC__VERDICT_PRESENT) {
        gpuc__record_attempt_end(node, GPUC_OK, NULL);
        node_done(node, node->detail);
    } else {
        error = not_there(node, "acted but its effect is not there");
        gpuc__record_attempt_end(node, GPUC_ESTEP, gpuc_error_message(error));
        node_trouble(node, error);
    }
}

static void take_answer(gpuc__node *node)
{
    gpuc_error *error = node->error;

    node->error = NULL;
    if (node->timed_out && error)
        error = deadline_error(node, error);
    if (node->state == GPUC__NODE_PROBING)
        on_probed(node, error);
    else if (node->state == GPUC__NODE_ACTING)
        on_acted(node, error);
    else
        on_proved(node, error);
}

/* ---- what follows ---- */

static void release(gpuc__node *node)
{
    gpuc__graph *graph = node->graph;

    if (node->skip) {
        gpuc__record_skipped(node);
        end_node(node, GPUC__OUTCOME_WISHED);
    } else if (node->culprit && !node->always) {
        gpuc__record_skipped(node);
        node->held_by = node->culprit;
        end_node(node, GPUC__OUTCOME_SKIPPED);
    } else if (!graph->cancelled) {
        gpuc__graph_ready(node);
    }
}

static void settle(gpuc__graph *graph)
{
    gpuc__node *node;

    while ((node = gpuc__graph_next_ended(graph))) {
        const gpuc__node *culprit = node->outcome == GPUC__OUTCOME_FAILED    ? node
                                    : node->outcome == GPUC__OUTCOME_SKIPPED ? node->culprit
                                                                             : NULL;

        for (size_t i = 0; i < node->after_count; i++) {
            gpuc__node *next = node->after[i];

            if (culprit && !next->culprit)
                next->culprit = culprit;
            if (--next->waiting == 0 && node->outcome != GPUC__OUTCOME_CANCELLED)
                release(next);
        }
    }
}

static void choose(gpuc__graph *graph)
{
    gpuc__node *node;

    while (!graph->cancelled && (node = gpuc__graph_take(graph))) {
        if (node->tries == 0)
            gpuc__record_open_attempt(node);
        if (node->ops->probe)
            to_probe(node, GPUC__NODE_PROBING);
        else
            to_act(node);
        settle(graph);
    }
}

static void stop(gpuc__graph *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        gpuc__node *node = graph->nodes[i];

        if (node->state == GPUC__NODE_BACKOFF) {
            gpuc__graph_wake_not(node);
            node_cancelled(node);
        }
    }
}

/* ---- the whole ---- */

static gpuc_error *summary(gpuc__graph *graph)
{
    gpuc_error *error = graph->first_failure;
    const char *remedy = error ? gpuc_error_remedy(error) : NULL;

    graph->first_failure = NULL;
    if (graph->fatal) {
        gpuc_error_unref(error);
        error = graph->fatal;
        graph->fatal = NULL;
    } else if (graph->cancelled) {
        gpuc__error_wrap(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE,
                         "cancelled: %zu of %zu steps are done, %zu failed", graph->done,
                         graph->count, graph->failed);
        gpuc__error_remedy(&error, "running again goes on from there");
    } else if (error) {
        const char *first = gpuc_error_message(error);

        gpuc__error_wrap(&error, GPUC_ESTEP, GPUC_DOMAIN_NONE,
                         "%zu of %zu steps failed and %zu were not run because of that; first: %s",
                         graph->failed, graph->count, graph->skipped, first);
        if (remedy)
            gpuc__error_remedy(&error, "%s", remedy);
    }
    return error;
}

/* The last thing done with the graph: `done` may free it. */
static void finish(gpuc__graph *graph)
{
    gpuc__run_fn done = graph->run_done;
    void *data = graph->done_data;
    gpuc_error *error = summary(graph);

    gpuc__graph_reset(graph);
    done(data, error);
}

void gpuc__graph_run_turn(gpuc__graph *graph)
{
    size_t before = graph->ended;
    gpuc__node *node;

    gpuc__record_begin(graph);
    while ((node = gpuc__list_pop(&graph->answered)))
        take_answer(node);
    settle(graph);
    if (graph->cancelled)
        stop(graph);
    choose(graph);
    if (gpuc__record_commit(graph)) {
        /* The commit took its time; the steps' own timers start from now. */
        uv_update_time(gpuc__context_loop(graph->context));
        while ((node = gpuc__list_pop(&graph->starting)))
            gpuc__graph_call(node);
    } else {
        /* What was not committed is not begun. */
        while ((node = gpuc__list_pop(&graph->starting))) {
            gpuc__graph_give_slot(node);
            end_node(node, GPUC__OUTCOME_CANCELLED);
        }
    }
    if (graph->cancelled && !graph->cancel_sent)
        gpuc__graph_cancel_active(graph);
    gpuc__graph_arm(graph);
    if (graph->ended != before || graph->ended == graph->count)
        gpuc__record_progress(graph, graph->ended == graph->count);
    if (graph->ended == graph->count || (graph->cancelled && graph->busy == 0))
        finish(graph);
}

int gpuc__graph_run(gpuc__graph *graph, gpuc_op *op, uint32_t parallel, gpuc__run_fn done,
                    void *data, gpuc_error **err)
{
    int rc = gpuc__graph_begin(graph, GPUC__GRAPH_RUN, parallel, err);

    if (rc != GPUC_OK)
        return rc;
    graph->op = op;
    graph->run_done = done;
    graph->done_data = data;
    gpuc__record_begin(graph);
    gpuc__record_load(graph);
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->nodes[i]->before_count == 0)
            release(graph->nodes[i]);
    }
    gpuc__record_commit(graph);
    return GPUC_OK;
}

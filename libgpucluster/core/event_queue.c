/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery of events: to the callback, or to a queue with a limit. */
#include <string.h>

#include "core/context_internal.h"
#include "core/event_internal.h"
#include "util/alloc.h"

bool gpuc__event_is_progress(const gpuc_event *event)
{
    return event->kind == GPUC_EVENT_STEP_PROGRESS || event->kind == GPUC_EVENT_PROGRESS;
}

/* Takes the oldest event out; the oldest progress event is then the head of its own list too. */
static gpuc_event *pop(gpuc__event_queue *queue)
{
    gpuc_event *event = queue->first;

    if (!event)
        return NULL;
    queue->first = event->next;
    if (!queue->first)
        queue->last = NULL;
    if (event == queue->first_progress) {
        queue->first_progress = event->next_progress;
        if (!queue->first_progress)
            queue->last_progress = NULL;
    }
    queue->count--;
    event->next = event->next_progress = NULL;
    return event;
}

/* Drops the oldest progress event, or the oldest of all when none is progress. Its place in the
 * queue is found by walking: this happens only to a program that takes no events. */
static void drop_one(gpuc__event_queue *queue)
{
    gpuc_event *victim = queue->first_progress, *before = queue->first;

    if (!victim || victim == queue->first) {
        gpuc_event_unref(pop(queue));
        return;
    }
    while (before->next != victim)
        before = before->next;
    before->next = victim->next;
    if (queue->last == victim)
        queue->last = before;
    queue->first_progress = victim->next_progress;
    if (!queue->first_progress)
        queue->last_progress = NULL;
    queue->count--;
    gpuc_event_unref(victim);
}

static void push(gpuc__event_queue *queue, gpuc_event *event)
{
    if (queue->count >= GPUC__EVENTS_MAX)
        drop_one(queue);
    event->next = event->next_progress = NULL;
    if (queue->last)
        queue->last->next = event;
    else
        queue->first = event;
    queue->last = event;
    if (gpuc__event_is_progress(event)) {
        if (queue->last_progress)
            queue->last_progress->next_progress = event;
        else
            queue->first_progress = event;
        queue->last_progress = event;
    }
    queue->count++;
}

void gpuc__context_redact_event(gpuc_context *context, gpuc_event *event)
{
    char *clean;

    if (!event || !event->message || context->secret_count == 0)
        return;
    clean = gpuc__context_redact(context, event->message);
    gpuc__free(event->message);
    event->message = clean; /* NULL without memory: better no text than a secret */
}

void gpuc__context_emit(gpuc_context *context, gpuc_event *event)
{
    if (!event)
        return;
    gpuc__context_redact_event(context, event);
    push(&context->queue, event);
    /* The queue may hold events from before the callback was set; an event that the callback itself
     * causes is delivered by the outer call, in order. */
    if (context->delivering)
        return;
    context->delivering = true;
    while (context->event.fn && (event = pop(&context->queue))) {
        gpuc__context_callback_begin(context);
        ((gpuc_event_fn)context->event.fn)(context, event, context->event.userdata);
        gpuc__context_callback_end(context);
        gpuc_event_unref(event);
    }
    context->delivering = false;
}

int gpuc_context_next_event(gpuc_context *context, gpuc_event **out)
{
    gpuc_event *event = context && out && !context->event.fn ? pop(&context->queue) : NULL;

    if (out)
        *out = event;
    return event != NULL;
}

void gpuc__context_clear_events(gpuc_context *context)
{
    gpuc_event *event;

    while ((event = pop(&context->queue)))
        gpuc_event_unref(event);
}

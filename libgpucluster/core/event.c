/* SPDX-License-Identifier: Apache-2.0 */
/* Events as objects. */
#include "core/event_internal.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/buf.h"

#define MESSAGE_MAX (64 * 1024)

static const struct {
    int kind;
    const char *name;
} kinds[] = {
    {GPUC_EVENT_STEP_STARTED, "step_started"}, {GPUC_EVENT_STEP_PROGRESS, "step_progress"},
    {GPUC_EVENT_STEP_DONE, "step_done"},       {GPUC_EVENT_STEP_FAILED, "step_failed"},
    {GPUC_EVENT_STEP_RETRY, "step_retry"},     {GPUC_EVENT_STEP_SKIPPED, "step_skipped"},
    {GPUC_EVENT_PROGRESS, "progress"},         {GPUC_EVENT_NOTICE, "notice"},
    {GPUC_EVENT_LOG_LINE, "log_line"},         {GPUC_EVENT_OP_DONE, "op_done"},
};

static char *format_message(const char *format, va_list args)
{
    gpuc__buf raw = GPUC__BUF_INIT(MESSAGE_MAX);
    char *line = NULL;

    if (gpuc__buf_vprintf(&raw, format, args))
        line = gpuc__text_line(gpuc__buf_text(&raw));
    gpuc__buf_clear(&raw);
    return line;
}

gpuc_event *gpuc__event_new(int kind, const char *machine, const char *step, const char *format,
                            ...)
{
    gpuc_event *event = gpuc__calloc(1, sizeof(*event));
    va_list args;

    if (!event)
        return NULL;
    atomic_init(&event->refs, 1);
    event->kind = kind;
    event->time = gpuc__now_ms();
    event->remaining = -1;
    event->machine = gpuc__strdup(machine);
    event->step = gpuc__strdup(step);
    if (format) {
        va_start(args, format);
        event->message = format_message(format, args);
        va_end(args);
    } else {
        event->message = gpuc__strdup("");
    }
    if ((machine && !event->machine) || (step && !event->step) || !event->message)
        return gpuc_event_unref(event);
    return event;
}

void gpuc__event_set_progress(gpuc_event *event, int done, int total, int64_t remaining_ms)
{
    if (!event)
        return;
    event->done = done;
    event->total = total;
    event->remaining = remaining_ms;
}

int gpuc_event_kind(const gpuc_event *event)
{
    return event->kind;
}

int64_t gpuc_event_time(const gpuc_event *event)
{
    return event->time;
}

const char *gpuc_event_machine(const gpuc_event *event)
{
    return event->machine;
}

const char *gpuc_event_step(const gpuc_event *event)
{
    return event->step;
}

const char *gpuc_event_message(const gpuc_event *event)
{
    return event->message ? event->message : "";
}

int gpuc_event_done(const gpuc_event *event)
{
    return event->done;
}

int gpuc_event_total(const gpuc_event *event)
{
    return event->total;
}

int64_t gpuc_event_remaining(const gpuc_event *event)
{
    return event->remaining;
}

static const char *kind_name(int kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].kind == kind)
            return kinds[i].name;
    }
    return "other";
}

char *gpuc_event_to_json(const gpuc_event *event)
{
    json_t *root =
        json_pack("{s:s, s:i, s:I, s:s?, s:s?, s:s}", "event", kind_name(event->kind), "kind",
                  event->kind, "time_ms", (json_int_t)event->time, "machine", event->machine,
                  "step", event->step, "message", gpuc_event_message(event));
    char *dump = NULL, *text;

    if (root && event->total > 0) {
        json_object_set_new(root, "done", json_integer(event->done));
        json_object_set_new(root, "total", json_integer(event->total));
        json_object_set_new(root, "remaining_ms", json_integer(event->remaining));
    }
    if (root)
        dump = json_dumps(root, JSON_COMPACT);
    text = gpuc__strdup(dump);
    free(dump); /* jansson's own memory */
    json_decref(root);
    return text;
}

gpuc_event *gpuc_event_ref(gpuc_event *event)
{
    atomic_fetch_add(&event->refs, 1);
    return event;
}

gpuc_event *gpuc_event_unref(gpuc_event *event)
{
    if (event && atomic_fetch_sub(&event->refs, 1) == 1) {
        gpuc__free(event->machine);
        gpuc__free(event->step);
        gpuc__free(event->message);
        gpuc__free(event);
    }
    return NULL;
}

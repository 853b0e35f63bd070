/* SPDX-License-Identifier: Apache-2.0 */
/* One reason out of a job, its pod and their events. */
#include "kube/reason.h"

#include <string.h>

#include "kube/status.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

/* One thing somebody said about the pod. */
typedef struct finding {
    const char *from, *reason, *message;
} finding;

void gpuc__reason_clear(gpuc__reason *r)
{
    gpuc__free(r->phase);
    gpuc__free(r->reason);
    gpuc__free(r->text);
    gpuc__free(r->remedy);
    memset(r, 0, sizeof(*r));
    r->exit_code = -1;
}

static const char *event_time(const json_t *event)
{
    const char *time = gpuc__json_text(event, "lastTimestamp", NULL);

    if (!time)
        time = gpuc__json_text(event, "series", "lastObservedTime", NULL);
    if (!time)
        time = gpuc__json_text(event, "eventTime", NULL);
    return time ? time : gpuc__json_text(event, "metadata", "creationTimestamp", NULL);
}

static json_t *load_table(void)
{
    const gpuc__data *data = gpuc__data_get("kube/pod-reasons.json");

    return data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
}

static bool is_ignored(const json_t *table, const char *reason)
{
    const json_t *word;
    size_t i;

    json_array_foreach(json_object_get(table, "ignore_events"), i, word)
    {
        if (strcmp(json_string_value(word), reason) == 0)
            return true;
    }
    return false;
}

const json_t *gpuc__reason_newest_event(const json_t *events, const char *reason)
{
    json_t *table = reason ? NULL : load_table();
    const json_t *event, *newest = NULL;
    const char *best = NULL;
    size_t i;

    json_array_foreach(events, i, event)
    {
        const char *type = gpuc__json_text(event, "type", NULL);
        const char *its = gpuc__json_text(event, "reason", NULL), *time = event_time(event);

        if (!type || strcmp(type, "Warning") != 0 || !its ||
            (reason ? strcmp(reason, its) != 0 : is_ignored(table, its)))
            continue;
        if (!newest || !best || (time && strcmp(time, best) >= 0)) {
            newest = event;
            best = time;
        }
    }
    json_decref(table);
    return newest;
}

/* A condition of this type whose status is `status`. */
static const json_t *condition(const json_t *object, const char *type, const char *status)
{
    const json_t *c;
    size_t i;

    json_array_foreach(gpuc__json_at(object, "status", "conditions", NULL), i, c)
    {
        const char *t = gpuc__json_text(c, "type", NULL), *s = gpuc__json_text(c, "status", NULL);

        if (t && s && strcmp(t, type) == 0 && strcmp(s, status) == 0)
            return c;
    }
    return NULL;
}

/* The first container in this state that is not simply well: for "terminated" one that failed, for
 * "waiting" any. */
static const json_t *container_state(const json_t *pod, const char *state)
{
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
    const json_t *status, *found;
    size_t i;

    for (size_t l = 0; l < 2; l++) {
        json_array_foreach(gpuc__json_at(pod, "status", lists[l], NULL), i, status)
        {
            found = gpuc__json_at(status, "state", state, NULL);
            if (found && (strcmp(state, "terminated") != 0 ||
                          json_integer_value(json_object_get(found, "exitCode")) != 0))
                return found;
        }
    }
    return NULL;
}

/* Waiting that every pod goes through. */
static bool is_plain_waiting(const char *reason)
{
    return !reason || strcmp(reason, "ContainerCreating") == 0 ||
           strcmp(reason, "PodInitializing") == 0;
}

/* The job's own end by its deadline, which the pod shows only as a killed container. */
static const json_t *deadline_exceeded(const json_t *job)
{
    static const char *const types[] = {"Failed", "FailureTarget"};

    for (size_t i = 0; i < 2; i++) {
        const json_t *c = condition(job, types[i], "True");
        const char *reason = gpuc__json_text(c, "reason", NULL);

        if (reason && strcmp(reason, "DeadlineExceeded") == 0)
            return c;
    }
    return NULL;
}

/* Why a pod that has not ended does not run. */
static const json_t *find_waiting(const char **from, const json_t *pod, const json_t *events,
                                  bool pending)
{
    const json_t *found = container_state(pod, "waiting");

    *from = "waiting";
    if (found && !is_plain_waiting(gpuc__json_text(found, "reason", NULL)))
        return found;
    *from = "condition";
    found = condition(pod, "PodScheduled", "False");
    if (found || !pending)
        return found;
    *from = "event";
    return gpuc__reason_newest_event(events, NULL);
}

/* Why a pod has ended. */
static const json_t *find_ended(const char **from, const json_t *job, const json_t *pod,
                                bool failed)
{
    const json_t *found = deadline_exceeded(job);

    *from = "job";
    if (found)
        return found;
    *from = "pod";
    if (failed && gpuc__json_text(pod, "status", "reason", NULL))
        return json_object_get(pod, "status"); /* Evicted, where the container shows only 137 */
    *from = "terminated";
    found = container_state(pod, "terminated");
    if (found)
        return found;
    *from = "job";
    return condition(job, "Failed", "True");
}

/* What stands in the way, the most telling first; false when nothing does. */
static bool find(finding *out, const json_t *job, const json_t *pod, const json_t *events)
{
    const char *phase = gpuc__json_text(pod, "status", "phase", NULL);
    bool failed = phase && strcmp(phase, "Failed") == 0;
    bool pending = !phase || strcmp(phase, "Pending") == 0;
    const json_t *found = find_ended(&out->from, job, pod, failed);

    if (!found && !failed)
        found = find_waiting(&out->from, pod, events, pending);
    if (!found && !failed)
        return false;
    out->reason = gpuc__json_text(found, "reason", NULL);
    out->message = gpuc__json_text(found, "message", NULL);
    if (!out->reason)
        out->reason = "Failed";
    return true;
}

static bool reason_matches(const char *pattern, const char *reason)
{
    size_t length = pattern ? strlen(pattern) : 0;

    if (length && pattern[length - 1] == '*')
        return strncmp(pattern, reason, length - 1) == 0;
    return pattern && strcmp(pattern, reason) == 0;
}

static const json_t *find_rule(const json_t *table, const finding *f)
{
    const json_t *rule;
    size_t i;

    json_array_foreach(json_object_get(table, "rules"), i, rule)
    {
        const char *from = gpuc__json_text(rule, "from", NULL);
        const char *contains = gpuc__json_text(rule, "contains", NULL);

        if (from && strcmp(from, f->from) == 0 &&
            reason_matches(gpuc__json_text(rule, "reason", NULL), f->reason) &&
            (!contains || (f->message && strcasestr(f->message, contains))))
            return rule;
    }
    return NULL;
}

/* The message, the more telling event's instead where the table says so. */
static const char *best_message(const finding *f, const json_t *rule, const json_t *events)
{
    const char *name = gpuc__json_text(rule, "event", NULL), *message;

    if (!name)
        return f->message;
    message = gpuc__json_text(gpuc__reason_newest_event(events, name), "message", NULL);
    if (!message || strcmp(message, "Error: ImagePullBackOff") == 0 ||
        strcmp(message, "Error: ErrImagePull") == 0)
        return f->message;
    return message;
}

static int explain(gpuc__reason *r, const finding *f, const json_t *events, gpuc_error **err)
{
    json_t *table = load_table();
    const json_t *rule = find_rule(table, f);
    const char *say = gpuc__json_text(rule, "say", NULL);
    const char *remedy = gpuc__json_text(rule, "remedy", NULL);
    const char *message = best_message(f, rule, events);
    gpuc__buf text = GPUC__BUF_INIT(16 * 1024);
    int rc = GPUC_OK;

    gpuc__buf_printf(&text, "%s (%.200s)", say ? say : "the pod does not run", f->reason);
    if (r->exit_code > 0 && strcmp(f->from, "terminated") == 0)
        gpuc__buf_printf(&text, ", exit code %d", r->exit_code);
    if (message && *message)
        gpuc__buf_printf(&text, ": %.4000s", message);
    r->grace_s = rule && json_object_get(rule, "grace_s")
                     ? (int)json_integer_value(json_object_get(rule, "grace_s"))
                     : -1;
    r->reason = gpuc__strdup(f->reason);
    r->text = gpuc__buf_take(&text);
    r->remedy = gpuc__strdup(remedy);
    if (!table || !r->reason || !r->text || (remedy && !r->remedy))
        rc = gpuc__error_nomem(err);
    json_decref(table);
    return rc;
}

/* Whether the container runs or has run, so that it has a log. */
static bool has_started(const json_t *pod)
{
    const json_t *status = json_array_get(gpuc__json_at(pod, "status", "containerStatuses", NULL), 0);
    const json_t *ended = gpuc__json_at(status, "state", "terminated", NULL);
    finding f = {"terminated", gpuc__json_text(ended, "reason", NULL),
                 gpuc__json_text(ended, "message", NULL)};
    json_t *table;
    bool started;

    if (!ended)
        return gpuc__json_at(status, "state", "running", NULL) != NULL;
    if (!f.reason)
        return true;
    table = load_table();
    started = !json_is_true(json_object_get(find_rule(table, &f), "never_started"));
    json_decref(table);
    return started;
}

static int exit_code(const json_t *pod)
{
    const json_t *statuses = gpuc__json_at(pod, "status", "containerStatuses", NULL);
    const json_t *code = gpuc__json_at(json_array_get(statuses, 0), "state", "terminated",
                                       "exitCode", NULL);

    return json_is_integer(code) ? (int)json_integer_value(code) : -1;
}

int gpuc__reason_reduce(gpuc__reason *out, const json_t *job, const json_t *pod,
                        const json_t *events, gpuc_error **err)
{
    const char *phase = gpuc__json_text(pod, "status", "phase", NULL);
    gpuc__reason r = {.exit_code = exit_code(pod), .grace_s = -1};
    finding f = {NULL, NULL, NULL};
    bool gone = json_object_get(gpuc__json_at(pod, "metadata", NULL), "deletionTimestamp") != NULL;
    int rc = GPUC_OK;

    if (!phase) {
        phase = condition(job, "Complete", "True") ? "Succeeded"
                : condition(job, "Failed", "True") ? "Failed"
                                                   : "Pending";
        r.ended = strcmp(phase, "Pending") != 0;
    } else {
        r.ended = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
    }
    r.started = has_started(pod) || (pod && strcmp(phase, "Succeeded") == 0);
    r.phase = gpuc__strdup(phase);
    if (!r.phase)
        rc = gpuc__error_nomem(err);
    else if (strcmp(phase, "Succeeded") != 0 &&
             find(&f, job, gone && !r.ended ? NULL : pod, gone ? NULL : events))
        rc = explain(&r, &f, events, err);
    if (rc == GPUC_OK)
        *out = r;
    else
        gpuc__reason_clear(&r);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One reason out of a job, its pod and their events. */
#include "kube/reason.h"

#include <stdlib.h>
#include <string.h>

#include "kube/gpu_nodes.h"
#include "kube/node.h"
#include "kube/status.h"
#include "kube/taint.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

#define MESSAGE_MAX 4000 /* bytes */
#define TAINTS_MAX 8192

/* One thing somebody said about the pod. */
typedef struct finding {
    const char *from, *reason, *message;
    const char *container; /* NULL: of the whole pod, or the only one */
    const char *taints;    /* that keep the pod from nodes; NULL: none are known */
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
    json_t *table = reason || !json_array_size(events) ? NULL : load_table();
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

static bool has_several(const json_t *pod)
{
    return json_array_size(gpuc__json_at(pod, "status", "containerStatuses", NULL)) +
               json_array_size(gpuc__json_at(pod, "status", "initContainerStatuses", NULL)) > 1;
}

/* Waiting that every pod goes through. */
static bool is_plain_waiting(const char *reason)
{
    return !reason || strcmp(reason, "ContainerCreating") == 0 ||
           strcmp(reason, "PodInitializing") == 0;
}

/* An init container that runs beside the others and is stopped after them: how it ends says nothing. */
static bool is_sidecar(const json_t *pod, const json_t *status)
{
    const char *name = gpuc__json_text(status, "name", NULL);
    const json_t *container;
    size_t i;

    json_array_foreach(gpuc__json_at(pod, "spec", "initContainers", NULL), i, container)
    {
        const char *its = gpuc__json_text(container, "name", NULL);
        const char *policy = gpuc__json_text(container, "restartPolicy", NULL);

        if (name && its && strcmp(name, its) == 0)
            return policy && strcmp(policy, "Always") == 0;
    }
    return false;
}

/* Whether this state of a container is simply well. */
static bool is_well(const json_t *pod, const json_t *status, const json_t *state, bool terminated)
{
    if (!terminated)
        return is_plain_waiting(gpuc__json_text(state, "reason", NULL));
    return json_integer_value(json_object_get(state, "exitCode")) == 0 || is_sidecar(pod, status);
}

/* The first container in this state that is not simply well: for "terminated" one that failed, for
 * "waiting" one that stays so. name is set where there are several. */
static const json_t *container_state(const json_t *pod, const char *state, const char **name)
{
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
    bool terminated = strcmp(state, "terminated") == 0;
    const json_t *status, *found;
    size_t i;

    *name = NULL;
    for (size_t l = 0; l < 2; l++) {
        json_array_foreach(gpuc__json_at(pod, "status", lists[l], NULL), i, status)
        {
            found = gpuc__json_at(status, "state", state, NULL);
            if (!found || is_well(pod, status, found, terminated))
                continue;
            if (has_several(pod))
                *name = gpuc__json_text(status, "name", NULL);
            return found;
        }
    }
    return NULL;
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

static long gpus_asked(const json_t *pod)
{
    const json_t *container;
    long sum = 0;
    size_t i;

    json_array_foreach(gpuc__json_at(pod, "spec", "containers", NULL), i, container)
    {
        const char *text = gpuc__json_text(container, "resources", "limits", "nvidia.com/gpu", NULL);

        sum += text ? strtol(text, NULL, 10) : 0;
    }
    return sum;
}

/* What the node itself says against the pod; false: nothing. */
static bool find_node(finding *out, const gpuc__reason_input *in, bool started)
{
    gpuc__node_state state;

    out->from = "node";
    out->message = NULL;
    if (!in->node)
        return false;
    if (json_is_null(in->node)) {
        out->reason = "NodeNotFound";
        return true;
    }
    gpuc__node_read(&state, in->node);
    out->reason = !state.ready ? state.reason : "Cordoned";
    out->message = !state.ready ? state.message : NULL;
    if (!state.ready || (state.unschedulable && !started))
        return true;
    out->reason = "TooFewGpus";
    if (!started && gpus_asked(in->pod) > gpuc__gpu_offered(in->node))
        return true;
    out->reason = "Tainted";
    out->message = out->taints;
    return out->taints != NULL;
}

/* Why a pod that has not ended does not run. */
static bool find_waiting(finding *out, const gpuc__reason_input *in, bool started)
{
    const char *phase = gpuc__json_text(in->pod, "status", "phase", NULL);
    const json_t *found = container_state(in->pod, "waiting", &out->container);

    out->from = "waiting";
    if (!found) {
        if (find_node(out, in, started))
            return true;
        out->from = "condition";
        found = condition(in->pod, "PodScheduled", "False");
    }
    if (!found) {
        out->from = "job";
        found = condition(in->job, "Suspended", "True");
    }
    if (!found && (!phase || strcmp(phase, "Pending") == 0)) {
        out->from = "event";
        found = gpuc__reason_newest_event(in->events, NULL);
    }
    out->reason = gpuc__json_text(found, "reason", NULL);
    out->message = gpuc__json_text(found, "message", NULL);
    return found != NULL;
}

/* Why a pod has ended; NULL when it has not, or by itself and well. */
static const json_t *find_ended(finding *out, const gpuc__reason_input *in, bool failed)
{
    const json_t *found = deadline_exceeded(in->job);

    out->from = "job";
    if (found)
        return found;
    out->from = "pod";
    if (failed && gpuc__json_text(in->pod, "status", "reason", NULL))
        return json_object_get(in->pod, "status"); /* Evicted, where the container shows only 137 */
    out->from = "disruption";
    found = condition(in->pod, "DisruptionTarget", "True");
    if (found)
        return found;
    out->from = "terminated";
    found = container_state(in->pod, "terminated", &out->container);
    if (found)
        return found;
    out->from = "job";
    return condition(in->job, "Failed", "True");
}

/* What stands in the way, the most telling first; false when nothing does. */
static bool find(finding *out, const gpuc__reason_input *in, bool started)
{
    const char *phase = gpuc__json_text(in->pod, "status", "phase", NULL);
    bool failed = phase && strcmp(phase, "Failed") == 0;
    bool going = gpuc__json_at(in->pod, "metadata", "deletionTimestamp", NULL) != NULL;
    const json_t *found = find_ended(out, in, failed);

    out->reason = gpuc__json_text(found, "reason", NULL);
    out->message = gpuc__json_text(found, "message", NULL);
    if (!found && in->deleted) {
        out->from = "deleted";
        out->reason = "PodDeleted";
    } else if (!found && !failed && (going || !find_waiting(out, in, started))) {
        return false;
    }
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

/* How much of it is told: not more than can be read, and no character in halves. */
static int shortened(const char *message)
{
    size_t length = strnlen(message, MESSAGE_MAX + 1);

    if (length <= MESSAGE_MAX)
        return (int)length;
    length = MESSAGE_MAX;
    while (length && ((unsigned char)message[length] & 0xc0) == 0x80)
        length--;
    return (int)length;
}

/* Before what the scheduler says stands what it leaves out. */
static void put_message(gpuc__buf *text, const finding *f, const char *message)
{
    const char *taints = strcmp(f->from, "condition") == 0 ? f->taints : NULL;

    if (taints)
        gpuc__buf_printf(text, ": %s", taints);
    if (message && *message)
        gpuc__buf_printf(text, "%s %.*s", taints ? ";" : ":", shortened(message), message);
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

    if (f->container)
        gpuc__buf_printf(&text, "container %.63s: ", f->container);
    gpuc__buf_printf(&text, "%s (%.200s)", say ? say : "the pod does not run", f->reason);
    if (r->exit_code > 0 && strcmp(f->from, "terminated") == 0)
        gpuc__buf_printf(&text, ", exit code %d", r->exit_code);
    put_message(&text, f, message);
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

bool gpuc__reason_container_started(const json_t *status)
{
    const json_t *ended = gpuc__json_at(status, "state", "terminated", NULL);
    finding f = {.from = "terminated",
                 .reason = gpuc__json_text(ended, "reason", NULL),
                 .message = gpuc__json_text(ended, "message", NULL)};
    json_t *table;
    bool started;

    if (json_integer_value(json_object_get(status, "restartCount")) > 0)
        return true;
    if (!ended)
        return gpuc__json_at(status, "state", "running", NULL) != NULL;
    if (!f.reason || json_integer_value(json_object_get(ended, "exitCode")) == 0)
        return true;
    table = load_table();
    started = !json_is_true(json_object_get(find_rule(table, &f), "never_started"));
    json_decref(table);
    return started;
}

static bool any_started(const json_t *pod)
{
    const json_t *status;
    size_t i;

    json_array_foreach(gpuc__json_at(pod, "status", "containerStatuses", NULL), i, status)
    {
        if (gpuc__reason_container_started(status))
            return true;
    }
    return false;
}

static int exit_code(const json_t *pod)
{
    const json_t *statuses = gpuc__json_at(pod, "status", "containerStatuses", NULL);
    const char *name;
    const json_t *failed = container_state(pod, "terminated", &name);
    const json_t *code = json_object_get(failed, "exitCode");

    if (!failed)
        code = gpuc__json_at(json_array_get(statuses, 0), "state", "terminated", "exitCode", NULL);
    return json_is_integer(code) ? (int)json_integer_value(code) : -1;
}

/* The phase of the pod, or what its job and its going make of it. */
static const char *phase_of(const gpuc__reason_input *in)
{
    const char *phase = gpuc__json_text(in->pod, "status", "phase", NULL);
    bool ended = phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);

    if (ended)
        return phase;
    if (condition(in->job, "Complete", "True"))
        return "Succeeded";
    if (condition(in->job, "Failed", "True") || in->deleted)
        return "Failed";
    return phase ? phase : "Pending";
}

/* Which taints keep a pod that has no node yet from the one that it is for, or from those there are. */
static const char *find_taints(gpuc__buf *out, const gpuc__reason_input *in)
{
    bool any = false;

    if (!in->pod || gpuc__json_text(in->pod, "spec", "nodeName", NULL))
        return NULL;
    if (in->node)
        any = gpuc__taint_tell(out, in->node, in->pod);
    else if (in->tainted)
        any = gpuc__taints_tell(out, in->tainted, in->pod);
    return any ? gpuc__buf_text(out) : NULL;
}

int gpuc__reason_reduce(gpuc__reason *out, const gpuc__reason_input *in, gpuc_error **err)
{
    gpuc__reason r = {.exit_code = exit_code(in->pod), .grace_s = -1};
    const char *phase = phase_of(in);
    gpuc__buf taints = GPUC__BUF_INIT(TAINTS_MAX);
    finding f = {.taints = find_taints(&taints, in)};
    bool succeeded = strcmp(phase, "Succeeded") == 0;
    int rc = GPUC_OK;

    r.ended = succeeded || strcmp(phase, "Failed") == 0;
    r.started = any_started(in->pod) || (in->pod && succeeded);
    r.phase = gpuc__strdup(phase);
    if (!r.phase)
        rc = gpuc__error_nomem(err);
    else if (!succeeded && find(&f, in, r.started))
        rc = explain(&r, &f, in->events, err);
    r.lost = r.started && !r.ended && f.from && strcmp(f.from, "node") == 0;
    gpuc__buf_clear(&taints);
    if (rc == GPUC_OK)
        *out = r;
    else
        gpuc__reason_clear(&r);
    return rc;
}

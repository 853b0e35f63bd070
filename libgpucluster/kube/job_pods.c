/* SPDX-License-Identifier: Apache-2.0 */
/* The pods of a run: where each stands, the logs of its containers, and what came of them. */
#include <string.h>
#include <time.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/job_internal.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define PODS_MAX 10000
#define TAIL_BYTES 4096
#define RESULT_MAX 65536

/* ---- logs ---- */

static void keep_result(gpuc__job_container *c, const char *text, size_t length)
{
    char *copy;

    if (text[0] != '{' || length > RESULT_MAX)
        return;
    copy = gpuc__strndup(text, length);
    if (!copy)
        return;
    gpuc__free(c->result);
    c->result = copy;
}

static void on_line(void *data, const char *text, size_t length)
{
    gpuc__job_container *c = data;
    gpuc__job_run *r = c->pod->run;

    r->line_at = gpuc__clock_ms();
    gpuc__buf_keep_tail(&c->tail, TAIL_BYTES);
    gpuc__buf_add(&c->tail, text, length < TAIL_BYTES ? length : TAIL_BYTES);
    gpuc__buf_putc(&c->tail, '\n');
    if (r->args.json)
        keep_result(c, text, length);
    if (r->args.line)
        r->args.line(r->args.data, c->origin, text, length);
}

static void on_log_end(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_container *c = data;

    c->log = NULL;
    c->log_done = true;
    c->log_error = error;
    gpuc__job_run_evaluate(c->pod->run);
}

static bool is_policy(const gpuc__job_pod *pod, const char *policy)
{
    const char *its = gpuc__json_text(pod->object, "spec", "restartPolicy", NULL);

    return strcmp(its ? its : "Always", policy) == 0;
}

static char *origin_of(const gpuc__job_container *c)
{
    const gpuc__job_pod *pod = c->pod;
    const gpuc__job_run *r = pod->run;
    const char *node = gpuc__json_text(pod->object, "spec", "nodeName", NULL);
    bool several = pod->container_count > 1;

    if (!node)
        node = r->node ? r->node : "?";
    return gpuc__asprintf("%s%s%s%s%s", node, r->args.name_pods ? "/" : "",
                          r->args.name_pods ? pod->name : "", several ? "/" : "",
                          several ? c->name : "");
}

static bool begin_log(gpuc__job_container *c, const json_t *status)
{
    const gpuc__job_pod *pod = c->pod;
    gpuc__job_run *r = pod->run;
    uint64_t now = gpuc__clock_ms();
    bool restarts = !is_policy(pod, "Never") || (c->init && pod->container_count > 1);

    c->log_begun = r->log_begun = true;
    c->origin = origin_of(c);
    if (c->origin)
        c->log = gpuc__log_follow(
            r->kube,
            &(gpuc__log_args){.namespace_ = r->namespace_,
                              .pod = pod->name,
                              .container = c->name,
                              .deadline_ms = r->deadline > now ? (int)(r->deadline - now) : 1,
                              .restarts = restarts,
                              .restarted = json_integer_value(
                                               json_object_get(status, "restartCount")) > 0,
                              .line = on_line,
                              .counts = &c->counts,
                              .done = on_log_end,
                              .data = c});
    return c->log != NULL;
}

/* ---- containers ---- */

static const json_t *find_status(const gpuc__job_container *c)
{
    const json_t *status;
    size_t i;

    json_array_foreach(gpuc__json_at(c->pod->object, "status",
                                     c->init ? "initContainerStatuses" : "containerStatuses", NULL),
                       i, status)
    {
        const char *name = gpuc__json_text(status, "name", NULL);

        if (!name || strcmp(name, c->name) == 0)
            return status;
    }
    return NULL;
}

/* Nothing more will come of it. */
static bool container_is_over(const gpuc__job_container *c, const json_t *status)
{
    const gpuc__job_pod *pod = c->pod;
    const json_t *ended = gpuc__json_at(status, "state", "terminated", NULL);

    if (pod->now.ended || pod->deleted)
        return true;
    return ended && !c->sidecar && (is_policy(pod, "Never") ||
                     (json_integer_value(json_object_get(ended, "exitCode")) == 0 &&
                      (c->init || is_policy(pod, "OnFailure"))));
}

static bool look_at_container(gpuc__job_container *c)
{
    const json_t *status = find_status(c);

    if (!c->log_begun && status && gpuc__reason_container_started(status) && !begin_log(c, status))
        return false;
    if (c->log && container_is_over(c, status))
        gpuc__log_container_ended(c->log);
    return true;
}

static bool add_containers(gpuc__job_pod *pod, const json_t *list, bool init)
{
    const json_t *container;
    size_t i;

    json_array_foreach(list, i, container)
    {
        const char *name = gpuc__json_text(container, "name", NULL);
        const char *policy = gpuc__json_text(container, "restartPolicy", NULL);
        gpuc__job_container *c = &pod->containers[pod->container_count];

        gpuc__buf_init(&c->tail, 4 * TAIL_BYTES);
        c->pod = pod;
        c->init = init;
        c->sidecar = init && policy && strcmp(policy, "Always") == 0;
        c->name = gpuc__strdup(name ? name : "");
        if (!c->name)
            return false;
        pod->container_count++;
    }
    return true;
}

static void pod_free(gpuc__job_pod *pod)
{
    if (!pod)
        return;
    for (size_t i = 0; i < pod->container_count; i++) {
        gpuc__job_container *c = &pod->containers[i];

        gpuc__free(c->name);
        gpuc__free(c->origin);
        gpuc__free(c->result);
        gpuc__buf_clear(&c->tail);
        gpuc_error_unref(c->log_error);
    }
    gpuc__free(pod->containers);
    gpuc__free(pod->name);
    json_decref(pod->object);
    gpuc__reason_clear(&pod->now);
    gpuc__free(pod);
}

static gpuc__job_pod *pod_new(gpuc__job_run *r, const char *name, const json_t *object)
{
    const json_t *init = gpuc__json_at(object, "spec", "initContainers", NULL);
    const json_t *main_ = gpuc__json_at(object, "spec", "containers", NULL);
    gpuc__job_pod *pod = gpuc__calloc(1, sizeof(*pod));

    if (!pod)
        return NULL;
    pod->run = r;
    pod->now.exit_code = -1;
    pod->name = gpuc__strdup(name);
    pod->containers =
        gpuc__calloc(json_array_size(init) + json_array_size(main_) + 1, sizeof(*pod->containers));
    if (pod->name && pod->containers && add_containers(pod, init, true) &&
        add_containers(pod, main_, false))
        return pod;
    pod_free(pod);
    return NULL;
}

/* ---- pods ---- */

static bool has_phase(const gpuc__job_pod *pod, const char *phase)
{
    const char *its = gpuc__json_text(pod->object, "status", "phase", NULL);

    return its && strcmp(its, phase) == 0;
}

static bool has_ended(const gpuc__job_pod *pod)
{
    return has_phase(pod, "Succeeded") || has_phase(pod, "Failed");
}

static bool is_same_object(const json_t *a, const json_t *b)
{
    const char *uid = gpuc__json_text(a, "metadata", "uid", NULL);
    const char *other = gpuc__json_text(b, "metadata", "uid", NULL);

    return !uid || !other || strcmp(uid, other) == 0;
}

static gpuc__job_pod *find_pod(const gpuc__job_run *r, const char *name)
{
    for (size_t i = 0; i < r->pod_count; i++) {
        if (strcmp(r->pods[i]->name, name) == 0)
            return r->pods[i];
    }
    return NULL;
}

static gpuc__job_pod *add_pod(gpuc__job_run *r, const char *name, const json_t *object)
{
    gpuc__job_pod *pod;

    if (r->pod_count == PODS_MAX)
        return NULL;
    if (r->pod_count == r->pod_room) {
        size_t room = r->pod_room ? r->pod_room * 2 : 4;
        gpuc__job_pod **pods = gpuc__realloc(r->pods, room * sizeof(gpuc__job_pod *));

        if (!pods)
            return NULL;
        r->pods = pods;
        r->pod_room = room;
    }
    pod = pod_new(r, name, object);
    if (!pod)
        return NULL;
    if (!r->pod_count) { /* what the job's own events told is over */
        json_decref(r->events);
        r->events = NULL;
    }
    r->pods[r->pod_count++] = pod;
    return pod;
}

bool gpuc__job_pod_seen(gpuc__job_run *r, const char *type, json_t *object)
{
    const char *name = gpuc__json_text(object, "metadata", "name", NULL);
    gpuc__job_pod *pod = name ? find_pod(r, name) : NULL;

    if (!name)
        return true;
    if (!pod && !(pod = add_pod(r, name, object)))
        return false;
    if (has_ended(pod))
        return true; /* its end is known; that it is cleaned away is not its story */
    if (pod->deleted || !is_same_object(pod->object, object)) {
        pod->deleted = true; /* of this name there is another one now */
        return true;
    }
    json_decref(pod->object);
    pod->object = json_incref(object);
    pod->listed = pod->listed || strcmp(type, "LISTED") == 0;
    pod->deleted = strcmp(type, "DELETED") == 0;
    return true;
}

void gpuc__job_pods_synced(gpuc__job_run *r)
{
    for (size_t i = 0; i < r->pod_count; i++) {
        gpuc__job_pod *pod = r->pods[i];

        pod->deleted = pod->deleted || (!pod->listed && !has_ended(pod));
        pod->listed = false;
    }
}

/* Whether the node that was asked for is the pod's, or the one that it is for. */
static bool is_its_node(const gpuc__job_pod *pod)
{
    const gpuc__job_run *r = pod->run;
    const char *its = gpuc__json_text(pod->object, "spec", "nodeName", NULL);

    return (its || r->node) && gpuc__job_same(its ? its : r->node, r->node_name);
}

bool gpuc__job_pods_look(gpuc__job_run *r)
{
    for (size_t i = 0; i < r->pod_count; i++) {
        gpuc__job_pod *pod = r->pods[i];
        gpuc__reason next;

        if (gpuc__reason_reduce(&next,
                                &(gpuc__reason_input){
                                    .job = r->single ? r->job : NULL,
                                    .pod = pod->object,
                                    .events = pod->now.started ? NULL : r->events,
                                    .node = is_its_node(pod) ? r->node_object : NULL,
                                    .tainted = r->node ? NULL : r->tainted,
                                    .deleted = pod->deleted},
                                NULL) != GPUC_OK)
            return false;
        gpuc__reason_clear(&pod->now);
        pod->now = next;
        for (size_t k = 0; k < pod->container_count; k++) {
            if (!look_at_container(&pod->containers[k]))
                return false;
        }
    }
    return true;
}

bool gpuc__job_pods_logs_done(const gpuc__job_run *r)
{
    for (size_t i = 0; i < r->pod_count; i++) {
        for (size_t k = 0; k < r->pods[i]->container_count; k++) {
            if (r->pods[i]->containers[k].log)
                return false;
        }
    }
    return true;
}

static bool has_ended_well(const gpuc__job_pod *pod)
{
    bool begun = pod->container_count > 0;

    for (size_t k = 0; k < pod->container_count; k++)
        begun = begun && pod->containers[k].log_begun;
    return has_phase(pod, "Succeeded") || (pod->deleted && begun);
}

static bool has_ended_badly(const gpuc__job_pod *pod)
{
    return has_phase(pod, "Failed") || pod->deleted ||
           gpuc__json_at(pod->object, "metadata", "deletionTimestamp", NULL);
}

size_t gpuc__job_pods_ended(const gpuc__job_run *r, bool well)
{
    size_t n = 0;

    for (size_t i = 0; i < r->pod_count; i++)
        n += well ? has_ended_well(r->pods[i]) : has_ended_badly(r->pods[i]);
    return n;
}

bool gpuc__job_pods_cancel(gpuc__job_run *r)
{
    bool any = false;

    for (size_t i = 0; i < r->pod_count; i++) {
        for (size_t k = 0; k < r->pods[i]->container_count; k++) {
            gpuc__kube_call *log = r->pods[i]->containers[k].log;

            any = any || log;
            gpuc__kube_cancel(log);
        }
    }
    return any;
}

uint64_t gpuc__job_pods_lines(const gpuc__job_run *r)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < r->pod_count; i++) {
        for (size_t k = 0; k < r->pods[i]->container_count; k++)
            lines += r->pods[i]->containers[k].counts.lines;
    }
    return lines;
}

gpuc_error **gpuc__job_pods_log_error(gpuc__job_run *r)
{
    for (size_t i = 0; i < r->pod_count; i++) {
        for (size_t k = 0; k < r->pods[i]->container_count; k++) {
            if (r->pods[i]->containers[k].log_error)
                return &r->pods[i]->containers[k].log_error;
        }
    }
    return NULL;
}

static bool has_failed(const gpuc__job_container *c)
{
    const json_t *code = gpuc__json_at(find_status(c), "state", "terminated", "exitCode", NULL);

    return json_integer_value(code) != 0 && !c->sidecar;
}

const gpuc__buf *gpuc__job_pods_tail(const gpuc__job_run *r)
{
    static const gpuc__buf none = GPUC__BUF_INIT(0);
    const gpuc__buf *best = &none;

    for (size_t i = 0; i < r->pod_count; i++) {
        const gpuc__job_pod *pod = r->pods[i];

        for (size_t k = 0; k < pod->container_count; k++) {
            const gpuc__job_container *c = &pod->containers[k];

            if (c->tail.length && (pod == r->telling || best == &none) &&
                (has_failed(c) || best == &none))
                best = &c->tail;
        }
    }
    return best;
}

void gpuc__job_pods_free(gpuc__job_run *r)
{
    for (size_t i = 0; i < r->pod_count; i++)
        pod_free(r->pods[i]);
    gpuc__free(r->pods);
    r->pods = NULL;
    r->pod_count = 0;
}

/* ---- results ---- */

static json_t *seconds_between(const json_t *ended)
{
    const char *from = gpuc__json_text(ended, "startedAt", NULL);
    const char *to = gpuc__json_text(ended, "finishedAt", NULL);
    int64_t begin, end;

    if (!from || !to || !gpuc__log_parse_line(from, &begin) || !gpuc__log_parse_line(to, &end))
        return json_null();
    return json_integer((end - begin) / 1000000000);
}

static json_t *container_result(const gpuc__job_container *c)
{
    const json_t *status = find_status(c);
    const json_t *ended = gpuc__json_at(status, "state", "terminated", NULL);
    json_t *code = json_object_get(ended, "exitCode");
    json_t *result = c->result ? json_loads(c->result, 0, NULL) : NULL;

    return json_pack("{s:s, s:b, s:O?, s:s?, s:I, s:o, s:I, s:I, s:I, s:o?}", "name", c->name, "init",
                     c->init, "exit_code", code, "reason", gpuc__json_text(ended, "reason", NULL),
                     "restarts", json_integer_value(json_object_get(status, "restartCount")),
                     "seconds", seconds_between(ended), "lines", (json_int_t)c->counts.lines,
                     "lines_cut", (json_int_t)c->counts.cut, "log_gaps",
                     (json_int_t)c->counts.gaps, "result", result);
}

static json_t *result_of(const gpuc__job_run *r, const gpuc__job_pod *pod)
{
    const gpuc__reason *now = !pod || pod == r->telling ? &r->now : &pod->now;
    const char *node = pod ? gpuc__json_text(pod->object, "spec", "nodeName", NULL) : NULL;
    json_t *containers = json_array();
    json_int_t lines = 0;

    for (size_t i = 0; pod && i < pod->container_count; i++) {
        lines += (json_int_t)pod->containers[i].counts.lines;
        json_array_append_new(containers, container_result(&pod->containers[i]));
    }
    return json_pack("{s:s+, s:s?, s:s?, s:s, s:s?, s:s?, s:s?, s:i, s:I, s:o}", "workload",
                     r->is_pod ? "Pod/" : "Job/", r->name,
                     "node", node ? node : r->node, "pod", pod ? pod->name : NULL, "phase",
                     now->phase ? now->phase : "Pending", "reason", now->reason, "text", now->text,
                     "remedy", now->remedy, "exit_code", now->exit_code, "lines", lines,
                     "containers", containers);
}

json_t *gpuc__job_run_pods(const gpuc__job_run *r)
{
    json_t *pods = json_array();

    for (size_t i = 0; i < r->pod_count; i++)
        json_array_append_new(pods, result_of(r, r->pods[i]));
    if (!r->pod_count)
        json_array_append_new(pods, result_of(r, NULL));
    return pods;
}

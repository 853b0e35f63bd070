/* SPDX-License-Identifier: Apache-2.0 */
/* The run of one workload: create, watch it and its pods, follow their logs, say how it ended, clean
 * up. Everything is told by watches; a tick looks at deadlines, asks for events while a pod does not
 * start, and for its node when that seems to be the trouble. All children end before the run does. */
#include <string.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/job_internal.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define TICK_MS 1000
#define EVENTS_EVERY_MS 3000
#define MARGIN_MS 60000      /* over the workload's own deadline, which the cluster enforces */
#define JOB_VERDICT_MS 5000  /* a failed pod: for the Job to say whether it was the deadline */
#define LOGS_MS 90000        /* after the end of all and the last line: for the rest of the logs */
#define REQUEST_MS 15000

static void settle(gpuc__job_run *r);

static void run_free(gpuc__job_run *r)
{
    gpuc__job_pods_free(r);
    gpuc__free(r->title);
    gpuc__free(r->run_id);
    gpuc__free(r->uid);
    gpuc__free(r->node);
    gpuc__free(r->namespace_);
    gpuc__free(r->name);
    gpuc__free(r->path);
    gpuc__free(r->collection);
    gpuc__free(r->why);
    gpuc__free(r->why_remedy);
    json_decref(r->job);
    json_decref(r->events);
    gpuc__free(r->node_name);
    json_decref(r->node_object);
    json_decref(r->tainted);
    gpuc__reason_clear(&r->now);
    gpuc_error_unref(r->error);
    gpuc__kube_unref(r->kube);
    gpuc__free(r);
}

/* From here on everything is ended; the first error stands (consumed; NULL: none). */
static void stop(gpuc__job_run *r, gpuc_error *error)
{
    if (r->error || r->stopping)
        gpuc_error_unref(error);
    else
        r->error = error;
    r->stopping = true;
}

void gpuc__job_run_stop_nomem(gpuc__job_run *r)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    stop(r, error);
}

void gpuc__job_child(gpuc__job_run *r, int which, gpuc__kube_call *call)
{
    r->children[which] = call;
    if (!call)
        gpuc__job_run_stop_nomem(r);
}

static gpuc__job_pod *last_pod(const gpuc__job_run *r)
{
    return r->pod_count ? r->pods[r->pod_count - 1] : NULL;
}

static gpuc__job_end end_of(const gpuc__job_run *r)
{
    const gpuc__job_pod *pod = r->telling ? r->telling : last_pod(r);
    const char *node = gpuc__json_text(pod ? pod->object : NULL, "spec", "nodeName", NULL);

    return (gpuc__job_end){.node = node ? node : r->node,
                           .pod = pod ? pod->name : NULL,
                           .phase = r->now.phase ? r->now.phase : "Pending",
                           .reason = r->now.reason,
                           .text = r->now.text,
                           .exit_code = r->now.exit_code,
                           .lines = gpuc__job_pods_lines(r)};
}

/* ---- what the state means ---- */

/* When a pod that never started is taken away, by the Job's deadline for one, this is what to tell. */
static void remember_why(gpuc__job_run *r, const gpuc__reason *next)
{
    char *why, *remedy;

    if (next->started || next->ended || !next->text || strcmp(next->reason, "DeadlineExceeded") == 0)
        return;
    why = gpuc__strdup(next->text);
    remedy = gpuc__strdup(next->remedy);
    if (!why) {
        gpuc__free(remedy);
        return;
    }
    gpuc__free(r->why);
    gpuc__free(r->why_remedy);
    r->why = why;
    r->why_remedy = remedy;
}

static void set_reason(gpuc__job_run *r, gpuc__reason *next)
{
    bool news = !gpuc__job_same(r->now.phase, next->phase) || !gpuc__job_same(r->now.text, next->text);
    gpuc__job_end end;

    /* Reasons that are not borne for long may take turns: ErrImagePull, ImagePullBackOff. */
    if (next->grace_s < 0 || r->now.grace_s < 0)
        r->reason_since = gpuc__clock_ms();
    remember_why(r, next);
    gpuc__reason_clear(&r->now);
    r->now = *next;
    end = end_of(r);
    if (r->args.state && news)
        r->args.state(r->args.data, &end);
}

static bool reason_copy(gpuc__reason *to, const gpuc__reason *from)
{
    *to = *from;
    to->phase = gpuc__strdup(from->phase);
    to->reason = gpuc__strdup(from->reason);
    to->text = gpuc__strdup(from->text);
    to->remedy = gpuc__strdup(from->remedy);
    if (to->phase && !to->reason == !from->reason && !to->text == !from->text)
        return true;
    gpuc__reason_clear(to);
    return false;
}

/* Of several pods the one whose trouble is the job's: the last that failed, or the first that hangs. */
static gpuc__job_pod *telling_pod(const gpuc__job_run *r, bool ended)
{
    gpuc__job_pod *found = NULL;

    for (size_t i = 0; i < r->pod_count; i++) {
        gpuc__job_pod *pod = r->pods[i];

        if (!pod->now.text || pod->now.ended != ended)
            continue;
        found = pod;
        if (!ended)
            break;
    }
    return found;
}

/* A job of several pods, or of several tries: it says itself when it has ended. */
static bool reduce_many(gpuc__reason *next, gpuc__job_run *r)
{
    const gpuc__reason_input in = {.job = r->job, .events = r->pod_count ? NULL : r->events};
    gpuc__reason job, pod;
    bool started = false;

    if (gpuc__reason_reduce(&job, &in, NULL) != GPUC_OK)
        return false;
    for (size_t i = 0; i < r->pod_count; i++)
        started = started || r->pods[i]->now.started;
    r->telling = strcmp(job.phase, "Succeeded") == 0 || gpuc__job_same(job.reason, "DeadlineExceeded")
                     ? NULL
                     : telling_pod(r, job.ended);
    if (r->telling) {
        if (!reason_copy(&pod, &r->telling->now)) {
            gpuc__reason_clear(&job);
            return false;
        }
        gpuc__free(pod.phase);
        pod.phase = job.phase;
        pod.ended = job.ended;
        job.phase = NULL;
        gpuc__reason_clear(&job);
        job = pod;
    }
    job.started = started;
    job.lost = false; /* another pod may take its place */
    if (job.exit_code < 0 && strcmp(job.phase, "Succeeded") == 0)
        job.exit_code = 0;
    if (started && !job.ended) {
        gpuc__free(job.phase);
        job.phase = gpuc__strdup("Running");
    }
    *next = job;
    return job.phase != NULL;
}

static bool reduce(gpuc__reason *next, gpuc__job_run *r)
{
    const gpuc__reason_input in = {.job = r->job, .events = r->events, .node = r->node_object};

    if (!r->single)
        return reduce_many(next, r);
    r->telling = last_pod(r);
    return r->telling ? reason_copy(next, &r->telling->now)
                      : gpuc__reason_reduce(next, &in, NULL) == GPUC_OK;
}

/* Adds to the last state why the pod had not started by then. */
static void tell_why(gpuc__job_run *r)
{
    char *text;

    if (r->log_begun || !r->why || (r->now.text && strstr(r->now.text, r->why)))
        return;
    text = gpuc__asprintf("%s%sit never started: %s", r->now.text ? r->now.text : "",
                          r->now.text ? "; " : "", r->why);
    if (!text)
        return;
    gpuc__free(r->now.text);
    gpuc__free(r->now.remedy);
    r->now.text = text;
    r->now.remedy = r->why_remedy;
    r->why_remedy = NULL;
}

/* The error of a run that did not end well. */
static gpuc_error *failure(gpuc__job_run *r, int code, const char *what)
{
    const gpuc__buf *tail = gpuc__job_pods_tail(r);
    gpuc__job_end end = end_of(r);
    gpuc_error *error = NULL;

    tell_why(r);
    gpuc__error_set(&error, code, GPUC_DOMAIN_JOB, "the job %s%s%s %s: %s", r->title,
                    end.node ? " on the node " : "", end.node ? end.node : "", what,
                    r->now.text ? r->now.text : "no reason is known");
    gpuc__error_native(&error, r->log_begun && r->now.exit_code > 0 ? r->now.exit_code : 0);
    gpuc__error_at(&error, end.node, NULL);
    gpuc__error_evidence(&error, gpuc__buf_text(tail), tail->length);
    gpuc__error_remedy(&error, "%s",
                       r->now.remedy ? r->now.remedy
                                     : "look at it: kubectl describe pod, run again with "
                                       "cleanup=never");
    gpuc__error_retryable(&error, code == GPUC_ETIMEDOUT);
    return error;
}

/* Whether its pods have been heard of at all, which the Job's own end may precede, and all that it counts
 * as ended so have been seen to end: when their watch lags, their logs are yet to begin. */
static bool are_pods_known(const gpuc__job_run *r)
{
    bool well = strcmp(r->now.phase, "Succeeded") == 0;
    const json_t *ended = gpuc__json_at(r->job, "status", well ? "succeeded" : "failed", NULL);

    return r->pods_listed && (json_int_t)gpuc__job_pods_ended(r, well) >= json_integer_value(ended);
}

/* The error of a run that ended well but for its logs; NULL when they are read. */
static gpuc_error *log_failure(gpuc__job_run *r)
{
    gpuc_error **log_error = gpuc__job_pods_log_error(r), *error = NULL;
    bool known = are_pods_known(r);
    gpuc__job_end end = end_of(r);

    if (log_error) {
        error = *log_error;
        *log_error = NULL;
    } else if (!known || !gpuc__job_pods_logs_done(r)) {
        gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_JOB, "%s within %llu s",
                        known ? "its stream brought nothing more and did not end"
                              : "the API server did not tell of all its pods",
                        (unsigned long long)r->logs_ms / 1000);
        gpuc__error_remedy(&error, "run it again with cleanup=never and read it with kubectl logs");
        gpuc__error_retryable(&error, true);
    }
    gpuc__call_wrap(&error, "the job %s%s%s succeeded, but its log was not read to its end", r->title,
                    end.node ? " on the node " : "", end.node ? end.node : "");
    gpuc__error_at(&error, end.node, NULL);
    return error;
}

static void conclude(gpuc__job_run *r)
{
    stop(r, strcmp(r->now.phase, "Succeeded") == 0 ? log_failure(r)
                                                   : failure(r, GPUC_EREMOTE, "failed"));
}

/* A failed pod whose Job has not said yet whether its deadline was why. */
static bool verdict_open(const gpuc__job_run *r)
{
    return r->single && !r->is_pod && r->telling && strcmp(r->now.phase, "Failed") == 0 &&
           !json_array_size(gpuc__json_at(r->job, "status", "conditions", NULL)) &&
           gpuc__clock_ms() - r->ended_at < r->verdict_ms;
}

/* Whether the logs are read, as far as they can be: of a pod that was taken away with its node, or by
 * someone, nothing more may come. A log that still brings lines is not cut before the run's deadline,
 * at which its stream ends. */
static bool logs_over(const gpuc__job_run *r)
{
    uint64_t since = r->line_at > r->ended_at ? r->line_at : r->ended_at;
    uint64_t waited = gpuc__clock_ms() - since;
    bool taken = r->telling && strcmp(r->now.phase, "Failed") == 0 &&
                 gpuc__json_at(r->telling->object, "metadata", "deletionTimestamp", NULL);

    return (gpuc__job_pods_logs_done(r) && are_pods_known(r)) || waited > r->logs_ms ||
           (taken && waited > r->verdict_ms);
}

static void check_patience(gpuc__job_run *r)
{
    uint64_t now = gpuc__clock_ms();

    if (now >= r->deadline)
        stop(r, failure(r, GPUC_ETIMEDOUT, "did not end before its deadline"));
    else if ((!r->now.started || r->now.lost) && r->now.reason && r->now.grace_s >= 0 &&
             now - r->reason_since >= (uint64_t)r->now.grace_s * 1000)
        stop(r, failure(r, GPUC_EREMOTE, r->now.lost ? "cannot go on" : "cannot start"));
}

void gpuc__job_run_evaluate(gpuc__job_run *r)
{
    gpuc__reason next;

    if (!r->stopping && r->created) {
        if (!gpuc__job_pods_look(r) || !reduce(&next, r)) {
            gpuc__job_run_stop_nomem(r);
        } else {
            set_reason(r, &next);
            if (r->now.ended && !r->ended_at)
                r->ended_at = gpuc__clock_ms();
            if (!r->now.ended || verdict_open(r))
                check_patience(r);
            else if (logs_over(r))
                conclude(r);
            gpuc__job_node_look(r);
        }
    }
    settle(r);
}

/* ---- watches ---- */

/* Whether the Job is gone: deleted, missing in a list made after a gap in the watch, or another one of
 * its name is there. object NULL: the list is whole. */
static bool is_job_gone(gpuc__job_run *r, const char *type, const json_t *object)
{
    const char *its = gpuc__json_text(object, "metadata", "uid", NULL);
    bool listed = r->job_listed;

    if (!object) {
        r->job_listed = false;
        return !listed;
    }
    r->job_listed = listed || strcmp(type, "LISTED") == 0;
    return strcmp(type, "DELETED") == 0 || (its && r->uid && strcmp(its, r->uid) != 0);
}

static bool on_job(void *data, const char *type, json_t *object)
{
    gpuc__job_run *r = data;
    gpuc_error *error = NULL;
    bool gone = is_job_gone(r, type, object);

    if (object && !gone) {
        json_decref(r->job);
        r->job = json_incref(object);
    } else if (gone && !r->now.ended) {
        gpuc__error_set(&error, GPUC_ENOTFOUND, GPUC_DOMAIN_JOB,
                        "the job %s/%s was deleted by someone while it ran%s%s", r->namespace_,
                        r->name, r->node ? " on the node " : "", r->node ? r->node : "");
        gpuc__error_at(&error, r->node, NULL);
        gpuc__error_remedy(&error, "run it again");
        stop(r, error);
    }
    gpuc__job_run_evaluate(r);
    return true;
}

static bool on_pod(void *data, const char *type, json_t *object)
{
    gpuc__job_run *r = data;
    gpuc_error *error = NULL;

    if (!object) {
        r->pods_listed = true;
        gpuc__job_pods_synced(r);
    } else if (!gpuc__job_pod_seen(r, type, object)) {
        gpuc__error_set(&error, GPUC_ELIMIT, GPUC_DOMAIN_JOB,
                        "the job %s/%s has more pods than can be followed, or memory is short",
                        r->namespace_, r->name);
        gpuc__error_remedy(&error, "run fewer pods in one job");
        stop(r, error);
    }
    gpuc__job_run_evaluate(r);
    return true;
}

static void on_watch_end(gpuc__job_run *r, int which, gpuc_error *error)
{
    r->children[which] = NULL;
    if (error)
        stop(r, error); /* nothing when the run is stopping already */
    settle(r);
}

static void on_jobs_end(void *data, json_t *result, gpuc_error *error)
{
    on_watch_end(data, GPUC__JOB_JOBS, error);
}

static void on_pods_end(void *data, json_t *result, gpuc_error *error)
{
    on_watch_end(data, GPUC__JOB_PODS, error);
}

static void begin_watch(gpuc__job_run *r, int which)
{
    bool pods = which == GPUC__JOB_PODS, by_name = !pods || r->is_pod;
    char *path = gpuc__kube_path(pods ? "/api/v1/namespaces/%s/pods"
                                      : "/apis/batch/v1/namespaces/%s/jobs",
                                 r->namespace_, NULL);
    /* Pods of an earlier run whose Job had this name may still be there: the run's own only. */
    char *query = by_name ? gpuc__kube_path("fieldSelector=metadata.name%%3D%s", r->name, NULL)
                          : gpuc__kube_path("labelSelector=gpucluster/job%%3D%s%%2C"
                                            "gpucluster/run-id%%3D%s",
                                            r->name, r->run_id, NULL);
    gpuc__kube_call *call = NULL;

    if (path && query)
        call = gpuc__kube_watch(
            r->kube, &(gpuc__kube_watch_args){.path = path,
                                              .query = query,
                                              .deadline_ms =
                                                  (int)(r->deadline - r->begun) + REQUEST_MS,
                                              .event = pods ? on_pod : on_job,
                                              .done = pods ? on_pods_end : on_jobs_end,
                                              .data = r});
    gpuc__free(path);
    gpuc__free(query);
    gpuc__job_child(r, which, call);
}

/* ---- events and the tick ---- */

static void on_events(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[GPUC__JOB_EVENTS] = NULL;
    gpuc_error_unref(error); /* without events the rest still stands */
    if (result) {
        json_decref(r->events);
        r->events = json_incref(json_object_get(result, "items"));
    }
    gpuc__job_run_evaluate(r);
}

/* What to ask events of: the first pod that has not started, or the job while there is none. */
static const json_t *silent_one(const gpuc__job_run *r)
{
    for (size_t i = 0; i < r->pod_count; i++) {
        if (!r->pods[i]->now.started && !r->pods[i]->now.ended)
            return r->pods[i]->object;
    }
    return r->pod_count || r->is_pod ? NULL : r->job;
}

static void begin_events(gpuc__job_run *r, const json_t *object)
{
    const char *uid = gpuc__json_text(object, "metadata", "uid", NULL);
    char *path, *query;

    r->events_at = gpuc__clock_ms();
    if (!uid)
        return;
    path = gpuc__kube_path("/api/v1/namespaces/%s/events", r->namespace_, NULL);
    query = gpuc__kube_path("fieldSelector=involvedObject.uid%%3D%s", uid, NULL);
    gpuc__job_child(r, GPUC__JOB_EVENTS,
                    path && query ? gpuc__kube_list(r->kube, path, query, REQUEST_MS, on_events, r)
                                  : NULL);
    gpuc__free(path);
    gpuc__free(query);
}

static void on_tick(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;
    const json_t *silent = silent_one(r);

    r->children[GPUC__JOB_TICK] = NULL;
    gpuc_error_unref(error);
    if (!r->stopping) {
        if (silent && !r->now.ended && !r->children[GPUC__JOB_EVENTS] &&
            gpuc__clock_ms() - r->events_at >= EVENTS_EVERY_MS)
            begin_events(r, silent);
        gpuc__job_child(r, GPUC__JOB_TICK, gpuc__kube_delay(r->kube, TICK_MS, on_tick, r));
    }
    gpuc__job_run_evaluate(r);
}

/* ---- creation ---- */

static void begin_watching(gpuc__job_run *r, json_t *object)
{
    r->events_at = gpuc__clock_ms();
    if (!r->is_pod) {
        r->job = json_incref(object);
        begin_watch(r, GPUC__JOB_JOBS);
    }
    begin_watch(r, GPUC__JOB_PODS);
    gpuc__job_child(r, GPUC__JOB_TICK, gpuc__kube_delay(r->kube, TICK_MS, on_tick, r));
}

static void on_existing(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[GPUC__JOB_CREATE] = NULL;
    if (!error && !gpuc__job_run_owns(r, result)) {
        gpuc__error_set(&error, GPUC_EEXIST, GPUC_DOMAIN_JOB,
                        "a %s %s/%s that is not ours stands in the way", r->is_pod ? "pod" : "job",
                        r->namespace_, r->name);
        gpuc__error_remedy(&error, "delete it, or use another namespace");
        r->may_exist = false;
    }
    if (error) {
        stop(r, error);
    } else { /* when cancelled meanwhile it is to be deleted */
        r->created = true;
        r->uid = gpuc__strdup(gpuc__json_text(result, "metadata", "uid", NULL));
        if (!r->stopping)
            begin_watching(r, result);
    }
    settle(r);
}

/* Whether the only answer to the POST said that nothing was made. A try before it, whose answer was
 * lost, may have made it all the same: then the error wraps that of the last try. */
static bool is_refusal(const gpuc_error *error)
{
    int status = gpuc_error_native_code(error);

    return status >= 400 && status < 500 && !gpuc_error_retryable(error) &&
           gpuc_error_code(error) != GPUC_EEXIST && !gpuc_error_cause(error);
}

static void on_created(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->may_exist = !error || !is_refusal(error);
    if (!error || gpuc_error_code(error) != GPUC_EEXIST || r->stopping) {
        on_existing(r, result, error);
        return;
    }
    gpuc_error_unref(error);
    gpuc__job_child(r, GPUC__JOB_CREATE,
                    gpuc__kube_send(r->kube, &(gpuc__kube_args){.method = "GET",
                                                                .path = r->path,
                                                                .done = on_existing,
                                                                .data = r}));
    settle(r);
}

/* ---- the end ---- */

static bool is_to_go(const gpuc__job_run *r)
{
    return r->cancelled || r->args.cleanup == GPUC__CLEANUP_ALWAYS ||
           (r->args.cleanup == GPUC__CLEANUP_ON_SUCCESS && !r->error);
}

/* Once stopping: children out, then the workload, then the end. May free the run. */
static void settle(gpuc__job_run *r)
{
    bool busy;
    gpuc_error *error;
    gpuc__job_end end;

    if (!r->stopping)
        return;
    busy = gpuc__job_pods_cancel(r);
    for (int i = 0; i < GPUC__JOB_CLEANUP; i++) {
        if (r->children[i])
            gpuc__kube_cancel(r->children[i]);
        busy = busy || r->children[i];
    }
    if (busy)
        return;
    if (r->may_exist && !r->cleaned && is_to_go(r))
        gpuc__job_run_clean(r);
    if (r->children[GPUC__JOB_CLEANUP])
        return;
    error = r->error;
    r->error = NULL;
    end = end_of(r);
    r->args.done(r->args.data, &end, error);
    run_free(r);
}

void gpuc__job_run_cancel(gpuc__job_run *r)
{
    gpuc_error *error = NULL;

    if (r->cancelled && r->children[GPUC__JOB_CLEANUP])
        gpuc__kube_cancel(r->children[GPUC__JOB_CLEANUP]);
    if (r->stopping)
        return;
    r->cancelled = true;
    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_JOB, "the job %s%s%s was cancelled", r->title,
                    r->node ? " on the node " : "", r->node ? r->node : "");
    gpuc__error_at(&error, r->node, NULL);
    stop(r, error);
    gpuc__job_pods_cancel(r);
    for (int i = 0; i < GPUC__JOB_CLEANUP; i++)
        gpuc__kube_cancel(r->children[i]); /* their ends, later, settle the run */
}

/* ---- the beginning ---- */

static json_int_t number(const json_t *object, const char *key, json_int_t otherwise)
{
    const json_t *value = gpuc__json_at(object, "spec", key, NULL);

    return value ? json_integer_value(value) : otherwise;
}

static int read_object(gpuc__job_run *r, const json_t *object, gpuc_error **err)
{
    const char *kind = gpuc__json_text(object, "kind", NULL);
    const char *node = gpuc__json_text(object, "metadata", "annotations", "gpucluster/node", NULL);
    const char *name = gpuc__json_text(object, "metadata", "name", NULL);
    int rc = gpuc__kube_object_path(&r->path, object, err);
    json_int_t tries = number(object, "backoffLimit", 6);

    if (rc != GPUC_OK)
        return rc;
    r->is_pod = gpuc__job_same(kind, "Pod");
    r->single = r->is_pod || (tries == 0 && number(object, "completions", 1) == 1 &&
                              number(object, "parallelism", 1) == 1);
    r->collection = gpuc__strndup(r->path, (size_t)(strrchr(r->path, '/') - r->path));
    r->name = gpuc__strdup(name);
    r->node = gpuc__strdup(node);
    r->namespace_ = gpuc__strdup(gpuc__json_text(object, "metadata", "namespace", NULL));
    r->run_id = gpuc__strdup(gpuc__json_text(object, "metadata", "labels", "gpucluster/run-id",
                                             NULL));
    r->title = r->args.title         ? gpuc__strdup(r->args.title)
               : r->args.params.kind ? gpuc__strdup(r->args.params.kind)
                                     : gpuc__asprintf("%s %s", kind, name);
    r->begun = r->reason_since = gpuc__clock_ms();
    r->deadline = r->begun + MARGIN_MS + 1000 * (uint64_t)number(object, "activeDeadlineSeconds", 0);
    return r->collection && r->name && r->namespace_ && r->run_id && r->title && (r->node || !node)
               ? GPUC_OK
               : gpuc__error_nomem(err);
}

int gpuc__job_run_start(gpuc__job_run **out, gpuc__kube *kube, const gpuc__job_run_args *args,
                        gpuc_error **err)
{
    gpuc__job_run *r = NULL;
    json_t *object = json_incref((json_t *)args->object);
    int rc = object ? GPUC_OK : gpuc__job_manifest(&object, &args->params, err);

    if (rc != GPUC_OK)
        return rc;
    r = gpuc__calloc(1, sizeof(*r));
    if (!r) {
        json_decref(object);
        return gpuc__error_nomem(err);
    }
    r->kube = gpuc__kube_ref(kube);
    r->args = *args;
    r->now.exit_code = r->now.grace_s = -1;
    r->logs_ms = LOGS_MS;
    r->verdict_ms = JOB_VERDICT_MS;
    rc = read_object(r, object, err);
    r->args.params = (gpuc__job_params){0}; /* its strings are the caller's */
    r->args.object = NULL;
    r->args.title = NULL;
    if (rc == GPUC_OK) {
        r->children[GPUC__JOB_CREATE] =
            gpuc__kube_send(kube, &(gpuc__kube_args){.method = "POST",
                                                     .path = r->collection,
                                                     .body = object,
                                                     .done = on_created,
                                                     .data = r});
        if (!r->children[GPUC__JOB_CREATE])
            rc = gpuc__error_nomem(err);
    }
    json_decref(object);
    if (rc != GPUC_OK)
        run_free(r);
    else
        *out = r;
    return rc;
}

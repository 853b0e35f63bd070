/* SPDX-License-Identifier: Apache-2.0 */
/* The run of one Job: create, watch the Job and its pod, follow the log, say how it ended, clean
 * up. Everything is told by watches; a tick looks at deadlines and asks for events while the pod
 * does not start. All children end before the run does. */
#include "kube/job.h"

#include <string.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/log.h"
#include "kube/reason.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define TICK_MS 1000
#define EVENTS_EVERY_MS 3000
#define MARGIN_MS 60000      /* over the Job's own deadline, which the cluster enforces */
#define JOB_VERDICT_MS 5000  /* a failed pod: for the Job to say whether it was the deadline */
#define CLEANUP_MS 15000
#define TAIL_BYTES 4096

enum { CREATE, JOBS, PODS, EVENTS, TICK, LOG, CLEANUP, CHILDREN };

struct gpuc__job_run {
    gpuc__kube *kube;
    gpuc__job_run_args args;
    char *kind, *run_id, *node, *namespace_, *name, *pod_name;
    json_t *job, *pod, *events;
    gpuc__kube_call *children[CHILDREN];
    gpuc__reason now;
    uint64_t begun, deadline, reason_since, ended_at, events_at;
    uint64_t lines;
    char *why, *why_remedy; /* the last known reason why the pod does not start */
    gpuc__buf tail;        /* of the log, evidence of a failure */
    bool created, log_begun, log_done, stopping, cleaned, cancelled;
    gpuc_error *log_error; /* why the log is not whole */
    gpuc_error *error;     /* what the run ends with */
};

static void evaluate(gpuc__job_run *r);
static void settle(gpuc__job_run *r);

static void run_free(gpuc__job_run *r)
{
    gpuc__free(r->kind);
    gpuc__free(r->run_id);
    gpuc__free(r->node);
    gpuc__free(r->namespace_);
    gpuc__free(r->name);
    gpuc__free(r->pod_name);
    gpuc__free(r->why);
    gpuc__free(r->why_remedy);
    json_decref(r->job);
    json_decref(r->pod);
    json_decref(r->events);
    gpuc__reason_clear(&r->now);
    gpuc__buf_clear(&r->tail);
    gpuc_error_unref(r->log_error);
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

static void stop_nomem(gpuc__job_run *r)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    stop(r, error);
}

static void begin_child(gpuc__job_run *r, int which, gpuc__kube_call *call)
{
    r->children[which] = call;
    if (!call)
        stop_nomem(r);
}

static gpuc__job_end end_of(const gpuc__job_run *r)
{
    return (gpuc__job_end){.node = r->node,
                           .pod = r->pod_name,
                           .phase = r->now.phase ? r->now.phase : "Pending",
                           .reason = r->now.reason,
                           .text = r->now.text,
                           .exit_code = r->now.exit_code,
                           .lines = r->lines};
}

/* ---- the log ---- */

static void on_line(void *data, const char *text, size_t length)
{
    gpuc__job_run *r = data;

    r->lines++;
    gpuc__buf_keep_tail(&r->tail, TAIL_BYTES);
    gpuc__buf_add(&r->tail, text, length < TAIL_BYTES ? length : TAIL_BYTES);
    gpuc__buf_putc(&r->tail, '\n');
    if (r->args.line)
        r->args.line(r->args.data, r->node, text, length);
}

static void on_log_end(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[LOG] = NULL;
    r->log_done = true;
    r->log_error = error;
    evaluate(r);
}

static void begin_log(gpuc__job_run *r)
{
    uint64_t now = gpuc__clock_ms();

    r->log_begun = true;
    begin_child(r, LOG,
                gpuc__log_follow(r->kube, &(gpuc__log_args){
                                              .namespace_ = r->namespace_,
                                              .pod = r->pod_name,
                                              .container = r->kind,
                                              .deadline_ms = r->deadline > now
                                                                 ? (int)(r->deadline - now)
                                                                 : 1,
                                              .line = on_line,
                                              .done = on_log_end,
                                              .data = r}));
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
    bool same_reason = (!r->now.reason && !next->reason) ||
                       (r->now.reason && next->reason && strcmp(r->now.reason, next->reason) == 0);
    bool same_text = (!r->now.text && !next->text) ||
                     (r->now.text && next->text && strcmp(r->now.text, next->text) == 0);
    bool same_phase = r->now.phase && strcmp(r->now.phase, next->phase) == 0;
    gpuc__job_end end;

    if (!same_reason)
        r->reason_since = gpuc__clock_ms();
    remember_why(r, next);
    gpuc__reason_clear(&r->now);
    r->now = *next;
    end = end_of(r);
    if (r->args.state && !(same_phase && same_text))
        r->args.state(r->args.data, &end);
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
    gpuc_error *error = NULL;

    tell_why(r);
    gpuc__error_set(&error, code, GPUC_DOMAIN_JOB, "the job %s on the node %s %s: %s", r->kind,
                    r->node, what, r->now.text ? r->now.text : "no reason is known");
    gpuc__error_native(&error, r->log_begun && r->now.exit_code > 0 ? r->now.exit_code : 0);
    gpuc__error_at(&error, r->node, NULL);
    gpuc__error_evidence(&error, gpuc__buf_text(&r->tail), r->tail.length);
    gpuc__error_remedy(&error, "%s",
                       r->now.remedy ? r->now.remedy
                                     : "look at it: kubectl describe pod, run again with keep");
    gpuc__error_retryable(&error, code == GPUC_ETIMEDOUT);
    return error;
}

static void conclude(gpuc__job_run *r)
{
    gpuc_error *error = NULL;

    if (strcmp(r->now.phase, "Succeeded") != 0) {
        error = failure(r, GPUC_EREMOTE, "failed");
    } else if (r->log_error) {
        error = r->log_error;
        r->log_error = NULL;
        gpuc__call_wrap(&error, "the job %s on the node %s succeeded, but its log was not read to "
                                "its end",
                        r->kind, r->node);
        gpuc__error_at(&error, r->node, NULL);
    }
    stop(r, error);
}

/* A failed pod whose Job has not said yet whether its deadline was why. */
static bool verdict_open(gpuc__job_run *r)
{
    uint64_t now = gpuc__clock_ms();

    if (!r->ended_at)
        r->ended_at = now;
    return strcmp(r->now.phase, "Failed") == 0 && r->pod &&
           !json_array_size(gpuc__json_at(r->job, "status", "conditions", NULL)) &&
           now - r->ended_at < JOB_VERDICT_MS;
}

static void check_patience(gpuc__job_run *r)
{
    uint64_t now = gpuc__clock_ms();

    if (now >= r->deadline) {
        stop(r, failure(r, GPUC_ETIMEDOUT, "did not end before its deadline"));
    } else if (!r->now.started && r->now.reason && r->now.grace_s >= 0 &&
               now - r->reason_since >= (uint64_t)r->now.grace_s * 1000) {
        stop(r, failure(r, GPUC_EREMOTE, "cannot start"));
    }
}

static void evaluate(gpuc__job_run *r)
{
    gpuc__reason next;

    if (!r->stopping && r->created) {
        if (gpuc__reason_reduce(&next, r->job, r->pod, r->events, NULL) != GPUC_OK) {
            stop_nomem(r);
        } else {
            set_reason(r, &next);
            if (r->now.started && !r->log_begun)
                begin_log(r);
            if (r->now.ended && r->children[LOG])
                gpuc__log_container_ended(r->children[LOG]);
            if (!r->now.ended || verdict_open(r))
                check_patience(r);
            else if (!r->log_begun || r->log_done)
                conclude(r);
        }
    }
    settle(r);
}

/* ---- watches ---- */

static bool on_job(void *data, const char *type, json_t *object)
{
    gpuc__job_run *r = data;
    gpuc_error *error = NULL;

    if (object && strcmp(type, "DELETED") != 0) {
        json_decref(r->job);
        r->job = json_incref(object);
    } else if (object && !r->now.ended) {
        gpuc__error_set(&error, GPUC_ENOTFOUND, GPUC_DOMAIN_JOB,
                        "the job %s/%s was deleted by someone while it ran on the node %s",
                        r->namespace_, r->name, r->node);
        gpuc__error_at(&error, r->node, NULL);
        gpuc__error_remedy(&error, "run it again");
        stop(r, error);
    }
    evaluate(r);
    return true;
}

/* backoffLimit 0: there is one pod, or none. */
static bool on_pod(void *data, const char *type, json_t *object)
{
    gpuc__job_run *r = data;
    const char *name = gpuc__json_text(object, "metadata", "name", NULL);
    gpuc__reason last = {.exit_code = -1};
    bool ended;

    if (!object || !name)
        return true;
    gpuc__reason_reduce(&last, NULL, r->pod, NULL, NULL);
    ended = r->pod && last.ended;
    gpuc__reason_clear(&last);
    if (strcmp(type, "DELETED") == 0 && !ended) {
        r->pod = (json_decref(r->pod), NULL); /* what is left to know, the Job says */
    } else if (!ended) {
        json_decref(r->pod);
        r->pod = json_incref(object);
        if (!r->pod_name && !(r->pod_name = gpuc__strdup(name)))
            stop_nomem(r);
    }
    evaluate(r);
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
    on_watch_end(data, JOBS, error);
}

static void on_pods_end(void *data, json_t *result, gpuc_error *error)
{
    on_watch_end(data, PODS, error);
}

static void begin_watch(gpuc__job_run *r, int which)
{
    bool pods = which == PODS;
    char *path = gpuc__kube_path(pods ? "/api/v1/namespaces/%s/pods"
                                      : "/apis/batch/v1/namespaces/%s/jobs",
                                 r->namespace_, NULL);
    char *query = gpuc__kube_path(pods ? "labelSelector=gpucluster/job%%3D%s"
                                       : "fieldSelector=metadata.name%%3D%s",
                                  r->name, NULL);
    gpuc__kube_call *call = NULL;

    if (path && query)
        call = gpuc__kube_watch(
            r->kube, &(gpuc__kube_watch_args){.path = path,
                                              .query = query,
                                              .deadline_ms =
                                                  (int)(r->deadline - r->begun) + CLEANUP_MS,
                                              .event = pods ? on_pod : on_job,
                                              .done = pods ? on_pods_end : on_jobs_end,
                                              .data = r});
    gpuc__free(path);
    gpuc__free(query);
    begin_child(r, which, call);
}

/* ---- events and the tick ---- */

static void on_events(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[EVENTS] = NULL;
    gpuc_error_unref(error); /* without events the rest still stands */
    if (result) {
        json_decref(r->events);
        r->events = json_incref(json_object_get(result, "items"));
    }
    evaluate(r);
}

static void begin_events(gpuc__job_run *r)
{
    const char *uid = gpuc__json_text(r->pod ? r->pod : r->job, "metadata", "uid", NULL);
    char *path, *query;

    r->events_at = gpuc__clock_ms();
    if (!uid)
        return;
    path = gpuc__kube_path("/api/v1/namespaces/%s/events", r->namespace_, NULL);
    query = gpuc__kube_path("fieldSelector=involvedObject.uid%%3D%s", uid, NULL);
    begin_child(r, EVENTS, path && query ? gpuc__kube_list(r->kube, path, query, CLEANUP_MS,
                                                           on_events, r)
                                         : NULL);
    gpuc__free(path);
    gpuc__free(query);
}

static void on_tick(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[TICK] = NULL;
    gpuc_error_unref(error);
    if (!r->stopping) {
        if (!r->now.started && !r->now.ended && !r->children[EVENTS] &&
            gpuc__clock_ms() - r->events_at >= EVENTS_EVERY_MS)
            begin_events(r);
        begin_child(r, TICK, gpuc__kube_delay(r->kube, TICK_MS, on_tick, r));
    }
    evaluate(r);
}

/* ---- creation ---- */

static void on_existing(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;
    const char *run_id = gpuc__json_text(result, "metadata", "labels", "gpucluster/run-id", NULL);
    const char *node = gpuc__json_text(result, "metadata", "annotations", "gpucluster/node", NULL);

    r->children[CREATE] = NULL;
    if (!error && (!run_id || !node || strcmp(run_id, r->run_id) != 0 || strcmp(node, r->node) != 0)) {
        gpuc__error_set(&error, GPUC_EEXIST, GPUC_DOMAIN_JOB,
                        "a job %s/%s that is not ours stands in the way", r->namespace_, r->name);
        gpuc__error_remedy(&error, "delete it, or use another namespace");
    }
    if (error) {
        stop(r, error);
    } else if (!r->stopping) {
        r->created = true;
        r->job = json_incref(result);
        r->events_at = gpuc__clock_ms();
        begin_watch(r, JOBS);
        begin_watch(r, PODS);
        begin_child(r, TICK, gpuc__kube_delay(r->kube, TICK_MS, on_tick, r));
    } else {
        r->created = true; /* cancelled meanwhile: it is to be deleted */
    }
    settle(r);
}

static void on_created(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;
    char *path;

    if (!error || gpuc_error_code(error) != GPUC_EEXIST || r->stopping) {
        /* A POST that was cut may have been done all the same: then there is a Job to delete. */
        if (error && r->cancelled)
            r->created = true;
        on_existing(r, result, error);
        return;
    }
    gpuc_error_unref(error);
    path = gpuc__kube_path("/apis/batch/v1/namespaces/%s/jobs/%s", r->namespace_, r->name, NULL);
    begin_child(r, CREATE, path ? gpuc__kube_send(r->kube, &(gpuc__kube_args){.method = "GET",
                                                                              .path = path,
                                                                              .done = on_existing,
                                                                              .data = r})
                                : NULL);
    gpuc__free(path);
    settle(r);
}

/* ---- the end ---- */

static void on_cleaned(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[CLEANUP] = NULL;
    if (error && gpuc_error_code(error) != GPUC_ENOTFOUND)
        gpuc__log(gpuc__kube_context(r->kube), GPUC_LOG_WARN, "kube",
                  "the job %s/%s could not be deleted; it goes by itself an hour after its end: %s",
                  r->namespace_, r->name, gpuc_error_message(error));
    gpuc_error_unref(error);
    settle(r);
}

static void begin_cleanup(gpuc__job_run *r)
{
    char *path = gpuc__kube_path("/apis/batch/v1/namespaces/%s/jobs/%s?propagationPolicy=Background",
                                 r->namespace_, r->name, NULL);

    r->cleaned = true;
    if (path)
        r->children[CLEANUP] =
            gpuc__kube_send(r->kube, &(gpuc__kube_args){.method = "DELETE",
                                                        .path = path,
                                                        .deadline_ms = CLEANUP_MS,
                                                        .done = on_cleaned,
                                                        .data = r});
    gpuc__free(path);
}

/* Once stopping: children out, then the Job, then the end. May free the run. */
static void settle(gpuc__job_run *r)
{
    bool busy = false;
    gpuc_error *error;
    gpuc__job_end end;

    if (!r->stopping)
        return;
    for (int i = 0; i < CLEANUP; i++) {
        if (r->children[i])
            gpuc__kube_cancel(r->children[i]);
        busy = busy || r->children[i];
    }
    if (busy)
        return;
    if (r->created && !r->cleaned && (!r->args.keep || r->cancelled))
        begin_cleanup(r);
    if (r->children[CLEANUP])
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

    if (r->cancelled && r->children[CLEANUP])
        gpuc__kube_cancel(r->children[CLEANUP]);
    if (r->stopping)
        return;
    r->cancelled = true;
    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_JOB, "the job %s on the node %s was cancelled",
                    r->kind, r->node);
    gpuc__error_at(&error, r->node, NULL);
    stop(r, error);
    for (int i = 0; i < CLEANUP; i++)
        gpuc__kube_cancel(r->children[i]); /* their ends, later, settle the run */
}

static bool copy_params(gpuc__job_run *r, const gpuc__job_params *p)
{
    r->kind = gpuc__strdup(p->kind);
    r->run_id = gpuc__strdup(p->run_id);
    r->node = gpuc__strdup(p->node);
    r->namespace_ = gpuc__strdup(p->namespace_ ? p->namespace_ : "default");
    r->name = gpuc__job_name(p);
    return r->kind && r->run_id && r->node && r->namespace_ && r->name;
}

int gpuc__job_run_start(gpuc__job_run **out, gpuc__kube *kube, const gpuc__job_run_args *args,
                        gpuc_error **err)
{
    gpuc__job_run *r = NULL;
    json_t *manifest = NULL;
    char *path = NULL;
    int rc = gpuc__job_manifest(&manifest, &args->params, err);

    if (rc != GPUC_OK)
        return rc;
    r = gpuc__calloc(1, sizeof(*r));
    if (!r) {
        json_decref(manifest);
        return gpuc__error_nomem(err);
    }
    r->kube = gpuc__kube_ref(kube);
    r->args = *args;
    r->args.params = (gpuc__job_params){0}; /* its strings are the caller's */
    r->now.exit_code = -1;
    gpuc__buf_init(&r->tail, 4 * TAIL_BYTES);
    r->begun = r->reason_since = gpuc__clock_ms();
    r->deadline = r->begun + MARGIN_MS +
                  1000 * (uint64_t)json_integer_value(
                             gpuc__json_at(manifest, "spec", "activeDeadlineSeconds", NULL));
    if (copy_params(r, &args->params))
        path = gpuc__kube_path("/apis/batch/v1/namespaces/%s/jobs", r->namespace_, NULL);
    if (path)
        r->children[CREATE] = gpuc__kube_send(kube, &(gpuc__kube_args){.method = "POST",
                                                                       .path = path,
                                                                       .body = manifest,
                                                                       .done = on_created,
                                                                       .data = r});
    gpuc__free(path);
    json_decref(manifest);
    if (!r->children[CREATE]) {
        run_free(r);
        return gpuc__error_nomem(err);
    }
    *out = r;
    return GPUC_OK;
}

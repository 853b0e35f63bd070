/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs on every GPU node: their runs start together, their lines wait in one queue, and the job ends
 * when the last run has. */
#include "cluster/jobs.h"

#include <openssl/rand.h>
#include <string.h>

#include "core/context.h"
#include "core/op.h"
#include "kube/job.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/suggest.h"

#define LINES_MAX 100000 /* that nobody has taken; older ones go */

typedef struct line {
    struct line *next;
    char *node, *text;
} line;

typedef struct run {
    gpuc_job *job;
    char *node;
    gpuc__job_run *run; /* NULL when it has ended */
    char *pod, *phase, *reason, *text;
    int exit_code;
    uint64_t lines;
} run;

struct gpuc_job {
    atomic_int refs;
    gpuc_cluster *cluster;
    char *kind, *image, *namespace_, *only_node;
    json_t *command; /* NULL: the kind's own */
    int gpus, deadline_s;
    bool keep;
    gpuc_op *op;     /* while it runs; borrowed */
    bool started;
    char run_id[13];
    run *runs;
    size_t run_count, running;
    gpuc_error *error; /* the first that failed */
    line *first, *last;
    size_t waiting;
    gpuc__task bury;
};

gpuc_job *gpuc_job_ref(gpuc_job *job)
{
    atomic_fetch_add(&job->refs, 1);
    return job;
}

static void free_line(line *l)
{
    gpuc__free(l->node);
    gpuc__free(l->text);
    gpuc__free(l);
}

static void free_runs(gpuc_job *job)
{
    for (size_t i = 0; i < job->run_count; i++) {
        gpuc__free(job->runs[i].node);
        gpuc__free(job->runs[i].pod);
        gpuc__free(job->runs[i].phase);
        gpuc__free(job->runs[i].reason);
        gpuc__free(job->runs[i].text);
    }
    gpuc__free(job->runs);
    job->runs = NULL;
    job->run_count = 0;
}

static void job_free(void *data)
{
    gpuc_job *job = data;

    while (job->first) {
        line *l = job->first;

        job->first = l->next;
        free_line(l);
    }
    free_runs(job);
    gpuc_error_unref(job->error);
    json_decref(job->command);
    gpuc__free(job->kind);
    gpuc__free(job->image);
    gpuc__free(job->namespace_);
    gpuc__free(job->only_node);
    gpuc_cluster_unref(job->cluster);
    gpuc__free(job);
}

/* From any thread: garbage collectors have threads of their own. */

gpuc_job *gpuc_job_unref(gpuc_job *job)
{
    if (job && atomic_fetch_sub(&job->refs, 1) == 1)
        gpuc__context_bury(gpuc_context_ref(job->cluster->context), &job->bury);
    return NULL;
}

int gpuc__job_create(gpuc_job **out, gpuc_cluster *cluster, const char *kind, gpuc_error **err)
{
    gpuc_job *job = gpuc__calloc(1, sizeof(*job));
    json_t *values = NULL, *row = NULL;
    int rc;

    if (!job)
        return gpuc__error_nomem(err);
    atomic_init(&job->refs, 1);
    job->bury = (gpuc__task){.fn = job_free, .data = job};
    job->cluster = gpuc_cluster_ref(cluster);
    job->gpus = 1;
    rc = gpuc__cluster_manifest_values(&values, cluster, err);
    if (rc == GPUC_OK)
        rc = gpuc__job_kind(&row, kind, values, err);
    if (rc == GPUC_OK) {
        job->kind = gpuc__strdup(kind);
        job->image = gpuc__strdup(json_string_value(json_object_get(row, "image")));
        job->command = json_incref(json_object_get(row, "command"));
        if (!job->kind || !job->image)
            rc = gpuc__error_nomem(err);
    }
    json_decref(values);
    json_decref(row);
    if (rc < 0)
        gpuc_job_unref(job);
    else
        *out = job;
    return rc;
}

/* ---- parameters ---- */

static int set_text(char **field, const char *value, gpuc_error **err)
{
    char *copy = gpuc__strdup(value);

    if (!copy)
        return gpuc__error_nomem(err);
    gpuc__free(*field);
    *field = copy;
    return GPUC_OK;
}

static int set_number(int *field, const char *key, const char *value, long max, gpuc_error **err)
{
    char *end;
    long number = strtol(value, &end, 10);

    if (!value[0] || *end || number < 0 || number > max)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                               "parameter %s: \"%.40s\" is not a number from 0 to %ld", key, value,
                               max);
    *field = (int)number;
    return GPUC_OK;
}

static int set_command(gpuc_job *job, const char *value, gpuc_error **err)
{
    json_t *array = json_loads(value, 0, NULL), *word;
    bool good = json_is_array(array);
    size_t i;

    json_array_foreach(array, i, word)
        good = good && json_is_string(word);
    if (!good) {
        json_decref(array);
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                               "parameter command: it must be a JSON array of strings, as "
                               "[\"nvidia-smi\", \"-L\"]");
    }
    json_decref(job->command);
    job->command = array;
    return GPUC_OK;
}

static int set_keep(gpuc_job *job, const char *value, gpuc_error **err)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                               "parameter keep: \"%.40s\" is neither true nor false", value);
    job->keep = value[0] == 't';
    return GPUC_OK;
}

static int set_node(gpuc_job *job, const char *value, gpuc_error **err)
{
    gpuc__member *member;
    int rc = gpuc__cluster_find(&member, job->cluster, value, err);

    return rc < 0 ? rc : set_text(&job->only_node, value, err);
}

static int unknown_key(const char *key, gpuc_error **err)
{
    static const char *const known[] = {"image", "command",  "gpus", "namespace",
                                        "node",  "deadline", "keep"};
    gpuc__suggest near = gpuc__suggest_for(key);

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        gpuc__suggest_try(&near, known[i]);
    return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                           "a job has no parameter \"%.40s\"%s%s%s; there are image, command, gpus, "
                           "namespace, node, deadline, keep",
                           key, near.best ? "; did you mean \"" : "", near.best ? near.best : "",
                           near.best ? "\"?" : "");
}

int gpuc__job_parameter(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    if (job->started)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB, "the job has been started");
    if (strcmp(key, "image") == 0)
        return set_text(&job->image, value, err);
    if (strcmp(key, "namespace") == 0)
        return set_text(&job->namespace_, value, err);
    if (strcmp(key, "node") == 0)
        return set_node(job, value, err);
    if (strcmp(key, "command") == 0)
        return set_command(job, value, err);
    if (strcmp(key, "gpus") == 0)
        return set_number(&job->gpus, key, value, 64, err);
    if (strcmp(key, "deadline") == 0)
        return set_number(&job->deadline_s, key, value, 7 * 24 * 3600, err);
    if (strcmp(key, "keep") == 0)
        return set_keep(job, value, err);
    return unknown_key(key, err);
}

/* ---- lines ---- */

static void on_line(void *data, const char *node, const char *text, size_t length)
{
    run *r = data;
    gpuc_job *job = r->job;
    line *l = gpuc__calloc(1, sizeof(*l));

    r->lines++;
    gpuc__context_emit(job->cluster->context,
                       gpuc__event_new(GPUC_EVENT_LOG_LINE, node, job->kind, "%.*s", (int)length,
                                       text));
    if (!l || !(l->node = gpuc__strdup(node)) || !(l->text = gpuc__strndup(text, length))) {
        if (l)
            free_line(l);
        return;
    }
    if (job->last)
        job->last->next = l;
    else
        job->first = l;
    job->last = l;
    if (++job->waiting > LINES_MAX) {
        l = job->first;
        job->first = l->next;
        job->waiting--;
        free_line(l);
    }
}

gpuc_context *gpuc__job_context(const gpuc_job *job)
{
    return job->cluster->context;
}

bool gpuc__job_take_line(gpuc_job *job, char **text, char **node)
{
    line *l = job->first;

    if (!l)
        return false;
    job->first = l->next;
    if (!job->first)
        job->last = NULL;
    job->waiting--;
    *text = l->text;
    l->text = NULL;
    if (node) {
        *node = l->node;
        l->node = NULL;
    }
    free_line(l);
    return true;
}

/* ---- runs ---- */

static void replace(char **field, const char *value)
{
    gpuc__free(*field);
    *field = gpuc__strdup(value);
}

static void note_end(run *r, const gpuc__job_end *end)
{
    replace(&r->pod, end->pod);
    replace(&r->phase, end->phase);
    replace(&r->reason, end->reason);
    replace(&r->text, end->text);
    r->exit_code = end->exit_code;
}

static void on_state(void *data, const gpuc__job_end *now)
{
    run *r = data;

    note_end(r, now);
    gpuc__context_emit(r->job->cluster->context,
                       gpuc__event_new(GPUC_EVENT_STEP_PROGRESS, r->node, r->job->kind, "%s%s%s",
                                       now->phase, now->text ? ": " : "",
                                       now->text ? now->text : ""));
}

static void run_over(gpuc_job *job)
{
    gpuc_error *error = job->error;
    gpuc_op *op = job->op;

    if (--job->running)
        return;
    job->error = NULL;
    job->op = NULL;
    gpuc__op_complete(op, error);
}

static void keep_error(gpuc_job *job, const char *node, gpuc_error *error)
{
    if (!error)
        return;
    gpuc__error_at(&error, node, job->kind);
    if (job->error)
        gpuc_error_unref(error);
    else
        job->error = error;
}

static void on_done(void *data, const gpuc__job_end *end, gpuc_error *error)
{
    run *r = data;

    r->run = NULL;
    note_end(r, end);
    keep_error(r->job, r->node, error);
    run_over(r->job);
}

static void cancel(gpuc_op *op, void *data)
{
    gpuc_job *job = data;

    (void)op;
    for (size_t i = 0; i < job->run_count; i++) {
        if (job->runs[i].run)
            gpuc__job_run_cancel(job->runs[i].run);
    }
}

static void release(void *data)
{
    gpuc_job_unref(data);
}

static const gpuc__op_class job_class = {"job", cancel, release};

static bool runs_on(const gpuc_job *job, const gpuc__member *member)
{
    if (job->only_node)
        return strcmp(job->only_node, member->name) == 0;
    return member->model && member->gpus > 0;
}

static int make_runs(gpuc_job *job, gpuc_error **err)
{
    gpuc_cluster *cluster = job->cluster;

    free_runs(job); /* of a start that failed */
    job->runs = gpuc__calloc(cluster->member_count + 1, sizeof(*job->runs));
    if (!job->runs)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < cluster->member_count; i++) {
        run *r = &job->runs[job->run_count];

        if (!runs_on(job, cluster->members[i]))
            continue;
        r->job = job;
        r->exit_code = -1;
        r->node = gpuc__strdup(cluster->members[i]->name);
        if (!r->node)
            return gpuc__error_nomem(err);
        job->run_count++;
    }
    if (!job->run_count)
        return gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_JOB,
                               "cluster %s has no machine with a GPU to run on", cluster->name);
    return GPUC_OK;
}

static int start_run(run *r, gpuc__kube *kube, gpuc_error **err)
{
    gpuc_job *job = r->job;
    gpuc__job_run_args args = {
        .params = {.kind = job->kind,
                   .run_id = job->run_id,
                   .node = r->node,
                   .namespace_ = job->namespace_,
                   .image = job->image,
                   .command = job->command,
                   .gpus = job->gpus,
                   .deadline_s = job->deadline_s,
                   .keep = job->keep},
        .cleanup = job->keep ? GPUC__CLEANUP_NEVER : GPUC__CLEANUP_ALWAYS,
        .line = on_line,
        .state = on_state,
        .done = on_done,
        .data = r,
    };

    return gpuc__job_run_start(&r->run, kube, &args, err);
}

static int prepare(gpuc_job *job, gpuc__kube **kube, gpuc_error **err)
{
    gpuc_cluster *cluster = job->cluster;
    unsigned char random[6];
    int rc = GPUC_OK;

    if (job->started)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB, "the job has been started");
    if (!gpuc__cluster_is_up(cluster))
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB,
                               "cluster %s is not up yet; run `gpucluster up` first", cluster->name);
    if (!cluster->identity.uuid)
        rc = gpuc__identity_load(cluster, false, err);
    if (rc == GPUC_OK)
        rc = gpuc__cluster_kube(kube, cluster, err);
    if (rc == GPUC_OK)
        rc = make_runs(job, err);
    if (rc == GPUC_OK && RAND_bytes(random, sizeof(random)) != 1)
        rc = gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_TLS, "no random bytes to be had");
    for (size_t i = 0; rc == GPUC_OK && i < sizeof(random); i++)
        snprintf(job->run_id + 2 * i, 3, "%02x", random[i]);
    return rc;
}

int gpuc__job_begin(gpuc_op **out, gpuc_job *job, gpuc_error **err)
{
    gpuc__kube *kube;
    int rc = prepare(job, &kube, err);

    if (rc == GPUC_OK)
        rc = gpuc__op_new(&job->op, job->cluster->context, &job_class, job, err);
    if (rc < 0)
        return rc;
    gpuc_job_ref(job); /* the operation's */
    job->started = true;
    job->running = job->run_count + 1;
    for (size_t i = 0; i < job->run_count; i++) {
        gpuc_error *error = NULL;

        if (start_run(&job->runs[i], kube, &error) < 0) {
            replace(&job->runs[i].text, gpuc_error_message(error));
            keep_error(job, job->runs[i].node, error);
            job->running--;
        }
    }
    *out = job->op;
    run_over(job);
    return GPUC_OK;
}

json_t *gpuc__job_results(const gpuc_job *job)
{
    json_t *nodes = json_array();

    for (size_t i = 0; i < job->run_count; i++) {
        const run *r = &job->runs[i];

        json_array_append_new(
            nodes, json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:i, s:I}", "node", r->node, "pod",
                             r->pod, "phase", r->phase, "reason", r->reason, "text", r->text,
                             "exit_code", r->exit_code, "lines", (json_int_t)r->lines));
    }
    return json_pack("{s:s, s:s, s:o}", "kind", job->kind, "run", job->run_id, "nodes", nodes);
}

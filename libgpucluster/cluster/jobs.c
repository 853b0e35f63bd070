/* SPDX-License-Identifier: Apache-2.0 */
/* A job from its making to its results: where wanted, its machines are looked at again, what its
 * workloads need is created, their runs go together,
 * their lines wait in one queue, and the job ends when the last run has and all is cleaned away. */
#include "cluster/jobs.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

#include "cluster/jobs_internal.h"
#include "cluster/others.h"
#include "core/context.h"
#include "core/op.h"
#include "kube/documents.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define FILE_MAX (4u * 1024 * 1024)

gpuc_job *gpuc_job_ref(gpuc_job *job)
{
    atomic_fetch_add(&job->refs, 1);
    return job;
}

static void job_free(void *data)
{
    gpuc_job *job = data;

    gpuc__job_lines_clear(&job->lines);
    gpuc__job_parts_free(job);
    gpuc__free(job->looks);
    gpuc_error_unref(job->error);
    json_decref(job->documents);
    json_decref(job->objects);
    json_decref(job->command);
    json_decref(job->args);
    json_decref(job->env);
    gpuc__free(job->kind);
    gpuc__free(job->name);
    gpuc__free(job->image);
    gpuc__free(job->namespace_);
    gpuc__free(job->context_namespace);
    gpuc__free(job->only_node);
    gpuc__free(job->runtime_class);
    gpuc__free(job->kubeconfig);
    gpuc__free(job->kube_context);
    json_decref(job->nodes);
    gpuc__kube_unref(job->kube);
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

/* What its kind and remedies about its manifests are filled with. */
static int values_of(json_t **out, const gpuc_job *job, gpuc_error **err)
{
    return job->kubeconfig ? gpuc__job_values(out, err)
                           : gpuc__cluster_manifest_values(out, job->cluster, err);
}

static int set_kind(gpuc_job *job, const char *kind, gpuc_error **err)
{
    json_t *values = NULL, *row = NULL, *env;
    int rc = values_of(&values, job, err);

    if (rc == GPUC_OK)
        rc = gpuc__job_kind(&row, kind, values, err);
    if (rc == GPUC_OK) {
        job->kind = gpuc__strdup(kind);
        job->image = gpuc__strdup(json_string_value(json_object_get(row, "image")));
        job->command = json_incref(json_object_get(row, "command"));
        job->json = json_is_true(json_object_get(row, "json"));
        env = json_object_get(row, "env");
        if (!job->kind || !job->image || (env && json_object_update(job->env, env) != 0))
            rc = gpuc__error_nomem(err);
    }
    json_decref(values);
    json_decref(row);
    return rc;
}

/* kubeconfig NULL: the cluster is ours. */
static int create(gpuc_job **out, gpuc_cluster *cluster, const char *kubeconfig, const char *kind,
                  gpuc_error **err)
{
    gpuc_job *job = gpuc__calloc(1, sizeof(*job));
    int rc = GPUC_OK;

    if (!job)
        return gpuc__error_nomem(err);
    atomic_init(&job->refs, 1);
    job->bury = (gpuc__task){.fn = job_free, .data = job};
    job->cluster = gpuc_cluster_ref(cluster);
    job->gpus = 1;
    job->documents = json_array();
    job->objects = json_array();
    job->env = json_object();
    job->kubeconfig = gpuc__strdup(kubeconfig);
    if (!job->documents || !job->objects || !job->env || (kubeconfig && !job->kubeconfig))
        rc = gpuc__error_nomem(err);
    else if (kind)
        rc = set_kind(job, kind, err);
    if (rc < 0)
        gpuc_job_unref(job);
    else
        *out = job;
    return rc;
}

int gpuc__job_create(gpuc_job **out, gpuc_cluster *cluster, const char *kind, gpuc_error **err)
{
    return create(out, cluster, NULL, kind, err);
}

int gpuc__job_create_for_others(gpuc_job **out, gpuc_context *context, const char *kubeconfig,
                                const char *kind, gpuc_error **err)
{
    gpuc_cluster *cluster = NULL;
    int rc = gpuc__cluster_bare(&cluster, context, "kubernetes", NULL, 1, err);

    if (rc == GPUC_OK)
        rc = create(out, cluster, kubeconfig, kind, err);
    gpuc_cluster_unref(cluster);
    return rc;
}

/* ---- manifests ---- */

int gpuc__job_add_manifest(gpuc_job *job, const char *text, size_t length, const char *filename,
                           gpuc_error **err)
{
    json_t *values = NULL;
    int rc;

    if (job->started)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB, "the job has been started");
    if (job->kind)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB,
                               "the job is of the kind %s; a job of manifests has none", job->kind);
    rc = values_of(&values, job, err);
    if (rc == GPUC_OK)
        rc = gpuc__documents_read(job->documents, text, length, filename ? filename : "manifest",
                                  values, err);
    json_decref(values);
    return rc;
}

int gpuc__job_add_file(gpuc_job *job, const char *path, gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(FILE_MAX);
    FILE *file = fopen(path, "re");
    char block[4096];
    size_t n;
    int rc = GPUC_OK;

    if (!file)
        return gpuc__error_errno(err, errno, "reading the manifest %s", path);
    while (!text.failed && (n = fread(block, 1, sizeof(block), file)) > 0)
        gpuc__buf_add(&text, block, n);
    if (ferror(file))
        rc = gpuc__error_errno(err, errno, "reading the manifest %s", path);
    else if (text.failed)
        rc = gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_JOB,
                             "%s:1:1: larger than the limit of 4 MiB", path);
    fclose(file);
    if (rc == GPUC_OK)
        rc = gpuc__job_add_manifest(job, gpuc__buf_text(&text), text.length, path, err);
    gpuc__buf_clear(&text);
    return rc;
}

/* ---- lines ---- */

gpuc_context *gpuc__job_context(const gpuc_job *job)
{
    return job->cluster->context;
}

bool gpuc__job_take_line(gpuc_job *job, char **text, char **origin)
{
    return gpuc__job_lines_take(&job->lines, text, origin);
}

/* ---- the run ---- */

void gpuc__job_keep_error(gpuc_job *job, const char *node, gpuc_error *error)
{
    if (!error)
        return;
    gpuc__error_at(&error, node, job->kind);
    if (job->error)
        gpuc_error_unref(error);
    else
        job->error = error;
}

static void finish(gpuc_job *job)
{
    gpuc_error *error = job->error;
    gpuc_op *op = job->op;

    job->ended = gpuc__clock_ms();
    job->error = NULL;
    job->op = NULL;
    gpuc__kube_unref(job->kube);
    job->kube = NULL;
    gpuc__op_complete(op, error);
}

static bool is_to_go(const gpuc_job *job)
{
    return job->cancelled || job->cleanup == GPUC__CLEANUP_ALWAYS ||
           (job->cleanup == GPUC__CLEANUP_ON_SUCCESS && !job->error);
}

void gpuc__job_part_over(gpuc_job *job)
{
    if (--job->running)
        return;
    if (is_to_go(job))
        gpuc__job_objects_delete(job, finish);
    else
        finish(job);
}

/* After a part of the way: false when the job ends here. */
static bool goes_on(gpuc_job *job)
{
    if (job->cancelled && !job->error)
        gpuc__error_set(&job->error, GPUC_ECANCELLED, GPUC_DOMAIN_JOB, "the job was cancelled");
    if (!job->error)
        return true;
    job->running = 1;
    gpuc__job_part_over(job);
    return false;
}

/* Its objects are there, or could not be made. */
static void on_objects(gpuc_job *job)
{
    if (goes_on(job))
        gpuc__job_parts_start(job);
}

static void submit(gpuc_job *job)
{
    if (json_array_size(job->objects))
        gpuc__job_objects_create(job, on_objects);
    else
        gpuc__job_parts_start(job);
}

/* What had to be known beforehand is. */
static void on_ready(gpuc_job *job)
{
    if (goes_on(job))
        submit(job);
}

static void cancel(gpuc_op *op, void *data)
{
    gpuc_job *job = data;

    (void)op;
    job->cancelled = true;
    if (!job->cleaning) /* what is being taken away goes, each object within its deadline */
        gpuc__kube_cancel(job->call);
    gpuc__job_looks_cancel(job);
    for (size_t i = 0; i < job->part_count; i++) {
        if (job->parts[i].run)
            gpuc__job_run_cancel(job->parts[i].run);
    }
}

static void release(void *data)
{
    gpuc_job_unref(data);
}

static const gpuc__op_class job_class = {"job", cancel, release};

/* The API server of a cluster of ours. */
static int open_ours(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc__kube *kube; /* the cluster's */
    int rc = GPUC_OK;

    if (!gpuc__cluster_is_up(cluster))
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB,
                               "cluster %s is not up yet; run `gpucluster up` first", cluster->name);
    if (!cluster->identity.uuid)
        rc = gpuc__identity_load(cluster, false, err);
    return rc == GPUC_OK ? gpuc__cluster_kube(&kube, cluster, err) : rc;
}

static int prepare(gpuc_job *job, gpuc_error **err)
{
    unsigned char random[6];
    int rc;

    if (job->started)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB, "the job has been started");
    rc = job->kubeconfig ? gpuc__job_others_open(job, err) : open_ours(job->cluster, err);
    if (rc == GPUC_OK && RAND_bytes(random, sizeof(random)) != 1)
        rc = gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_TLS, "no random bytes to be had");
    for (size_t i = 0; rc == GPUC_OK && i < sizeof(random); i++)
        snprintf(job->run_id + 2 * i, 3, "%02x", random[i]);
    if (rc == GPUC_OK && !gpuc__job_others_lists(job))
        rc = gpuc__job_parts_make(job, err);
    return rc == GPUC_OK && job->verify ? gpuc__job_looks_make(job, err) : rc;
}

int gpuc__job_begin(gpuc_op **out, gpuc_job *job, gpuc_error **err)
{
    int rc = prepare(job, err);

    if (rc == GPUC_OK)
        rc = gpuc__op_new(&job->op, job->cluster->context, &job_class, job, err);
    if (rc < 0)
        return rc;
    gpuc_job_ref(job); /* the operation's */
    job->kube = gpuc__kube_ref(job->cluster->kube);
    job->started = true;
    job->begun = gpuc__clock_ms();
    *out = job->op;
    if (job->kubeconfig)
        gpuc__job_others_ask(job, on_ready);
    else if (job->verify)
        gpuc__job_look_again(job, on_ready);
    else
        submit(job);
    return GPUC_OK;
}

/* ---- results ---- */

json_t *gpuc__job_results(const gpuc_job *job)
{
    json_t *pods = json_array();
    uint64_t end = job->ended ? job->ended : job->begun ? gpuc__clock_ms() : 0;

    for (size_t i = 0; i < job->part_count; i++) {
        const gpuc__job_part *part = &job->parts[i];
        json_t *its = part->run ? gpuc__job_run_pods(part->run) : json_incref(part->pods);

        if (its)
            json_array_extend(pods, its);
        json_decref(its);
    }
    return json_pack("{s:s?, s:s, s:f, s:I, s:o}", "kind", job->kind, "run", job->run_id, "seconds",
                     (double)(end - job->begun) / 1000, "lines_dropped",
                     (json_int_t)job->lines.dropped, "pods", pods);
}

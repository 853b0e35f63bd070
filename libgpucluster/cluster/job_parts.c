/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads of a job, each a run: which there are, and their beginning and end. */
#include <string.h>

#include "cluster/jobs_internal.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define GIVEN_DEADLINE_S (24 * 3600)

void gpuc__job_parts_free(gpuc_job *job)
{
    for (size_t i = 0; i < job->part_count; i++) {
        gpuc__free(job->parts[i].node);
        json_decref(job->parts[i].object);
        json_decref(job->parts[i].pods);
    }
    gpuc__free(job->parts);
    job->parts = NULL;
    job->part_count = 0;
}

static gpuc__job_part *add_part(gpuc_job *job, const char *node, gpuc_error **err)
{
    gpuc__job_part *parts =
        gpuc__realloc(job->parts, (job->part_count + 1) * sizeof(*job->parts));
    gpuc__job_part *part;

    if (parts) {
        job->parts = parts;
        part = &parts[job->part_count];
        *part = (gpuc__job_part){.job = job, .node = gpuc__strdup(node), .containers = 1};
        if (part->node || !node) {
            job->part_count++;
            return part;
        }
    }
    gpuc__error_nomem(err);
    return NULL;
}

static bool runs_on(const gpuc_job *job, const gpuc__member *member)
{
    if (job->only_node)
        return strcmp(job->only_node, member->name) == 0;
    return member->model && member->gpus > 0;
}

gpuc__job_per gpuc__job_per_of(const gpuc_job *job)
{
    if (job->per)
        return job->per;
    return job->kind || job->only_node ? GPUC__PER_NODE : GPUC__PER_GIVEN;
}

const char *gpuc__job_namespace(const gpuc_job *job)
{
    return job->namespace_ ? job->namespace_ : job->context_namespace;
}

/* The error of a manifest's object, with the place where it stands. */
static int at_place(const json_t *entry, int rc, gpuc_error **err)
{
    const char *where = gpuc__json_text(entry, "where", NULL);

    if (err && *err)
        gpuc__error_wrap(err, rc, GPUC_DOMAIN_JOB, "%s: %s", where, gpuc_error_message(*err));
    return rc;
}

static int add_workload(gpuc_job *job, const json_t *entry, const char *node, gpuc_error **err)
{
    const gpuc__job_given given = {.run_id = job->run_id,
                                   .namespace_ = gpuc__job_namespace(job),
                                   .node = node,
                                   .deadline_s = job->deadline_s ? job->deadline_s
                                                                 : GIVEN_DEADLINE_S,
                                   .keep = job->cleanup != GPUC__CLEANUP_ALWAYS};
    json_t *object = NULL;
    gpuc__job_part *part;
    int rc = gpuc__job_adopt(&object, json_object_get(entry, "object"), &given, err);

    if (rc != GPUC_OK)
        return at_place(entry, rc, err);
    part = add_part(job, node, err);
    if (!part) {
        json_decref(object);
        return GPUC_ENOMEM;
    }
    part->object = object;
    return GPUC_OK;
}

static int no_machine(const gpuc_job *job, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_JOB,
                    "cluster %s has no machine with a GPU to run on", job->cluster->name);
    gpuc__error_remedy(err, "name a machine (node=NAME), or let the scheduler choose (per=given) with "
                            "gpus=0");
    return GPUC_ENOTFOUND;
}

/* entry NULL: of the kind. */
static int add_for_node(gpuc_job *job, const json_t *entry, const char *node, int gpus,
                        gpuc_error **err)
{
    gpuc__job_part *part;

    if (entry)
        return add_workload(job, entry, node, err);
    part = add_part(job, node, err);
    if (!part)
        return GPUC_ENOMEM;
    if (job->per == GPUC__PER_GPU && gpus > 1)
        part->containers = gpus;
    return GPUC_OK;
}

/* One for each machine, or node of others. */
static int add_for_nodes(gpuc_job *job, const json_t *entry, gpuc_error **err)
{
    const gpuc_cluster *cluster = job->cluster;
    size_t before = job->part_count;
    const char *node;
    json_t *gpus;
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        const gpuc__member *member = cluster->members[i];

        if (runs_on(job, member))
            rc = add_for_node(job, entry, member->name, member->gpus, err);
    }
    json_object_foreach(job->nodes, node, gpus)
    {
        if (rc == GPUC_OK)
            rc = add_for_node(job, entry, node, (int)json_integer_value(gpus), err);
    }
    return rc == GPUC_OK && job->part_count == before ? no_machine(job, err) : rc;
}

static int add_document(gpuc_job *job, const json_t *entry, gpuc_error **err)
{
    const json_t *object = json_object_get(entry, "object");
    const gpuc__job_given given = {.run_id = job->run_id, .namespace_ = gpuc__job_namespace(job)};
    json_t *copy = NULL;
    int rc;

    if (gpuc__job_is_workload(object))
        return gpuc__job_per_of(job) == GPUC__PER_NODE ? add_for_nodes(job, entry, err)
                                             : add_workload(job, entry, job->only_node, err);
    rc = gpuc__job_adopt(&copy, object, &given, err);
    if (rc != GPUC_OK)
        return at_place(entry, rc, err);
    return json_array_append_new(job->objects, json_pack("{s:O, s:o}", "where",
                                                         json_object_get(entry, "where"), "object",
                                                         copy)) == 0
               ? GPUC_OK
               : gpuc__error_nomem(err);
}

static int make_of_manifests(gpuc_job *job, gpuc_error **err)
{
    const json_t *entry;
    size_t i;
    int rc = GPUC_OK;

    json_array_foreach(job->documents, i, entry)
    {
        rc = add_document(job, entry, err);
        if (rc != GPUC_OK)
            return rc;
    }
    if (job->part_count)
        return GPUC_OK;
    rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                         "the manifests hold no Job and no Pod: nothing that would end");
    gpuc__error_remedy(err, "add a Job or a Pod, or use kubectl apply");
    return rc;
}

int gpuc__job_parts_make(gpuc_job *job, gpuc_error **err)
{
    gpuc__job_parts_free(job); /* of a start that failed */
    json_array_clear(job->objects);
    if (!job->kind)
        return make_of_manifests(job, err);
    if (gpuc__job_per_of(job) != GPUC__PER_GIVEN)
        return add_for_nodes(job, NULL, err);
    return add_part(job, job->only_node, err) ? GPUC_OK : GPUC_ENOMEM;
}

/* ---- runs ---- */

static void on_line(void *data, const char *origin, const char *text, size_t length)
{
    gpuc_job *job = ((gpuc__job_part *)data)->job;
    gpuc_context *context = job->cluster->context;

    gpuc__context_emit(context, gpuc__event_new(GPUC_EVENT_LOG_LINE, origin, job->kind, "%.*s",
                                                (int)length, text));
    if (gpuc__job_lines_add(&job->lines, origin, text, length))
        gpuc__log(context, GPUC_LOG_WARN, "job",
                  "log lines come faster than they are taken: the oldest that wait are dropped");
}

static void on_state(void *data, const gpuc__job_end *now)
{
    const gpuc_job *job = ((gpuc__job_part *)data)->job;

    gpuc__context_emit(job->cluster->context,
                       gpuc__event_new(GPUC_EVENT_STEP_PROGRESS, now->node, job->kind, "%s%s%s",
                                       now->phase, now->text ? ": " : "",
                                       now->text ? now->text : ""));
}

static void on_done(void *data, const gpuc__job_end *end, gpuc_error *error)
{
    gpuc__job_part *part = data;

    json_decref(part->pods);
    part->pods = gpuc__job_run_pods(part->run);
    part->run = NULL;
    gpuc__job_keep_error(part->job, end->node ? end->node : part->node, error);
    gpuc__job_part_over(part->job);
}

static int start_part(gpuc__job_part *part, gpuc_error **err)
{
    const gpuc_job *job = part->job;
    gpuc__job_run_args args = {
        .params = {.kind = job->name ? job->name : job->kind,
                   .run_id = job->run_id,
                   .node = part->node,
                   .namespace_ = gpuc__job_namespace(job),
                   .image = job->image,
                   .command = job->command,
                   .args = job->args,
                   .env = job->env,
                   .gpus = job->per == GPUC__PER_GPU && job->gpus ? 1 : job->gpus,
                   .containers = part->containers,
                   .deadline_s = job->deadline_s,
                   .runtime_class = job->runtime_class,
                   .keep = job->cleanup != GPUC__CLEANUP_ALWAYS},
        .object = part->object,
        .cleanup = job->cleanup,
        .name_pods = !job->kind,
        .json = job->json,
        .line = on_line,
        .state = on_state,
        .done = on_done,
        .data = part,
    };

    return gpuc__job_run_start(&part->run, job->kube, &args, err);
}

void gpuc__job_parts_start(gpuc_job *job)
{
    job->running = job->part_count + 1;
    for (size_t i = 0; i < job->part_count; i++) {
        gpuc_error *error = NULL;

        if (start_part(&job->parts[i], &error) < 0) {
            gpuc__job_keep_error(job, job->parts[i].node, error);
            job->running--;
        }
    }
    gpuc__job_part_over(job);
}

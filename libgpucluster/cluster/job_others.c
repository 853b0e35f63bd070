/* SPDX-License-Identifier: Apache-2.0 */
/* A job on a cluster that others made: whether it may do there what it needs, the runtime class of its
 * pods, and the nodes to run on, which only the API server knows. */
#include <string.h>

#include "cluster/jobs_internal.h"
#include "cluster/others.h"
#include "core/context.h"
#include "kube/gpu_nodes.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define ASK_MAX_S 60

/* Who does not answer within the job's deadline need not be waited for. */
static int ask_ms(const gpuc_job *job)
{
    return 1000 * (job->deadline_s && job->deadline_s < ASK_MAX_S ? job->deadline_s : ASK_MAX_S);
}

/* Of one node that is named only per=gpu must know more: how many GPUs it has. */
bool gpuc__job_others_lists(const gpuc_job *job)
{
    return job->kubeconfig && gpuc__job_per_of(job) != GPUC__PER_GIVEN &&
           (!job->only_node || job->per == GPUC__PER_GPU);
}

int gpuc__job_others_open(gpuc_job *job, gpuc_error **err)
{
    gpuc_cluster *cluster = job->cluster; /* this job's alone */
    gpuc__others others = {0};
    int rc = gpuc__others_open(&others, cluster->context, job->kubeconfig, job->kube_context, job->exec,
                               err);

    if (rc < 0)
        return rc;
    gpuc__free(cluster->name);
    cluster->name = others.name;
    gpuc__kube_unref(cluster->kube); /* of a start that failed */
    cluster->kube = others.kube;
    gpuc__free(job->context_namespace);
    job->context_namespace = others.namespace_;
    json_decref(job->nodes);
    job->nodes = json_object();
    if (!job->nodes || (job->only_node && !gpuc__job_others_lists(job) &&
                        json_object_set_new(job->nodes, job->only_node, json_integer(1)) != 0))
        return gpuc__error_nomem(err);
    return GPUC_OK;
}

/* The error (consumed) or a cancel ends the asking. */
static bool stopped(gpuc_job *job, gpuc_error *error)
{
    job->call = NULL;
    gpuc__job_keep_error(job, NULL, error);
    if (!error && !job->cancelled)
        return false;
    job->next(job);
    return true;
}

static void wait_for(gpuc_job *job, gpuc__kube_call *call)
{
    gpuc_error *error = NULL;

    job->call = call;
    if (call)
        return;
    gpuc__error_nomem(&error);
    stopped(job, error);
}

/* ---- nodes ---- */

static int add_node(gpuc_job *job, const char *name, const json_t *node, gpuc_error **err)
{
    bool cordoned = json_is_true(gpuc__json_at(node, "spec", "unschedulable", NULL));
    long gpus = gpuc__gpu_offered(node);

    if (job->only_node ? strcmp(job->only_node, name) != 0 : gpus <= 0)
        return GPUC_OK;
    if (cordoned && !job->only_node) {
        gpuc__context_emit(job->cluster->context,
                           gpuc__event_new(GPUC_EVENT_NOTICE, name, job->kind,
                                           "the node is cordoned: no job is made for it"));
        return GPUC_OK;
    }
    return json_object_set_new(job->nodes, name, json_integer(gpus)) == 0 ? GPUC_OK
                                                                         : gpuc__error_nomem(err);
}

static int no_node(const gpuc_job *job, size_t count, gpuc_error **err)
{
    if (job->only_node)
        return gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_JOB, "cluster %s has no node %s",
                               job->cluster->name, job->only_node);
    gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_JOB,
                    "none of the %zu nodes of cluster %s takes pods and offers nvidia.com/gpu", count,
                    job->cluster->name);
    gpuc__error_remedy(err, "look at what is missing (gpucluster verify --kubeconfig), name a node "
                            "(node=NAME), or let the scheduler choose (per=given)");
    return GPUC_ENOTFOUND;
}

static void on_nodes(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;
    const json_t *items = json_object_get(result, "items"), *node;
    int rc = GPUC_OK;
    size_t i;

    if (stopped(job, error))
        return;
    json_array_foreach(items, i, node)
    {
        const char *name = gpuc__json_text(node, "metadata", "name", NULL);

        if (name && rc == GPUC_OK)
            rc = add_node(job, name, node, &error);
    }
    if (rc == GPUC_OK && !json_object_size(job->nodes))
        rc = no_node(job, json_array_size(items), &error);
    if (rc == GPUC_OK)
        gpuc__job_parts_make(job, &error);
    gpuc__job_keep_error(job, NULL, error);
    job->next(job);
}

static void ask_nodes(gpuc_job *job)
{
    if (gpuc__job_others_lists(job))
        wait_for(job, gpuc__kube_list(job->kube, "/api/v1/nodes", NULL, ask_ms(job), on_nodes, job));
    else
        job->next(job);
}

/* ---- before them ---- */

static void on_runtime_classes(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;

    if (job->cancelled) {
        stopped(job, error);
        return;
    }
    gpuc_error_unref(error); /* they may not be read: the cluster's own is used */
    error = NULL;
    job->runtime_class = gpuc__strdup(gpuc__others_runtime_class(result));
    if (!job->runtime_class)
        gpuc__error_nomem(&error);
    if (!stopped(job, error))
        ask_nodes(job);
}

static void ask_runtime_classes(gpuc_job *job)
{
    if (job->kind && job->gpus && !job->runtime_class)
        wait_for(job, gpuc__kube_list(job->kube, "/apis/node.k8s.io/v1/runtimeclasses", NULL, ask_ms(job),
                                      on_runtime_classes, job));
    else
        ask_nodes(job);
}

static void on_reviewed(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;

    if (!error && !job->cancelled)
        error = gpuc__others_refusal(job->cluster->context, result, "a job");
    if (!stopped(job, error))
        ask_runtime_classes(job);
}

/* The objects of manifests may be of any kind and namespace: what is refused of them is told as they are
 * made. */
void gpuc__job_others_ask(gpuc_job *job, void (*next)(gpuc_job *job))
{
    size_t first = gpuc__job_others_lists(job) ? 0 : GPUC__OTHERS_RUN;

    job->next = next;
    if (job->kind)
        wait_for(job, gpuc__access_review(job->kube, gpuc__others_rights + first,
                                          GPUC__OTHERS_LOOK - first, gpuc__job_namespace(job),
                                          ask_ms(job), on_reviewed, job));
    else
        ask_nodes(job);
}

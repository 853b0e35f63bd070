/* SPDX-License-Identifier: Apache-2.0 */
/* A job's machines looked at again before anything of it is submitted: over SSH, as hosts are verified.
 * GPUs with running processes are left alone, no pod is made and nothing is written down. */
#include <string.h>

#include "cluster/jobs_internal.h"
#include "cluster/look.h"
#include "cluster/mark.h"
#include "cluster/rules.h"
#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define VERIFY_STEP "job.verify"

struct gpuc__job_look {
    gpuc_job *job;
    gpuc__member *member;
    gpuc__look *look; /* NULL: not begun, or over */
};

static void begin_looks(gpuc_job *job);

/* Where the scheduler chooses, any machine of the spec. */
static bool runs_on(const gpuc_job *job, const gpuc__member *member)
{
    if (!member->model || !member->gpus)
        return false;
    for (size_t i = 0; i < job->part_count; i++) {
        if (!job->parts[i].node || strcmp(job->parts[i].node, member->name) == 0)
            return true;
    }
    return false;
}

static void on_progress(void *data, const char *what)
{
    const gpuc__job_look *l = data;

    gpuc__context_emit(l->job->cluster->context,
                       gpuc__event_new(GPUC_EVENT_STEP_PROGRESS, l->member->name, VERIFY_STEP, "%s",
                                       what));
}

/* Each failure is told at once; the job's error is the first. */
static void keep_failure(const gpuc__job_look *l, gpuc_error *error)
{
    if (error && !l->job->cancelled)
        gpuc__context_emit(l->job->cluster->context,
                           gpuc__event_new(GPUC_EVENT_NOTICE, l->member->name, VERIFY_STEP,
                                           "nothing is submitted: %s", gpuc_error_message(error)));
    gpuc__job_keep_error(l->job, l->member->name, error);
}

static void on_look(void *data, gpuc__machine_proof *proof, gpuc_error *error)
{
    gpuc__job_look *l = data;

    l->look = NULL;
    l->job->looking--;
    if (!error)
        error = gpuc__proof_failure(l->member->name, VERIFY_STEP, proof);
    gpuc__proof_free(proof);
    keep_failure(l, error);
    begin_looks(l->job);
}

static void begin_look(gpuc__job_look *l)
{
    gpuc__look_args args = {.remote = l->member->remote,
                            .name = l->member->name,
                            .expected_gpus = l->member->gpus,
                            .progress = on_progress,
                            .done = on_look,
                            .data = l};
    gpuc_error *error = NULL;

    if (gpuc__member_connect(l->member, &error) == GPUC_OK &&
        gpuc__cluster_rules(&args.rules, l->member->cluster, &error) == GPUC_OK)
        gpuc__look_start(&l->look, &args, &error);
    gpuc__rules_unref(args.rules);
    if (error)
        keep_failure(l, error);
    else
        l->job->looking++;
}

/* As many at a time as steps of an `up`. */
static void begin_looks(gpuc_job *job)
{
    while (!job->cancelled && job->looking < job->cluster->parallel && job->look_next < job->look_count)
        begin_look(&job->looks[job->look_next++]);
    if (job->looking)
        return;
    job->cluster->busy = NULL;
    job->next(job);
}

int gpuc__job_looks_make(gpuc_job *job, gpuc_error **err)
{
    const gpuc_cluster *cluster = job->cluster;

    if (cluster->busy)
        return gpuc__error_set(err, GPUC_EBUSY, GPUC_DOMAIN_STATE,
                               "cluster %s: another operation of this program is under way",
                               cluster->name);
    gpuc__free(job->looks); /* of a start that failed */
    job->look_count = job->look_next = 0;
    job->looks = gpuc__calloc(cluster->member_count ? cluster->member_count : 1, sizeof(*job->looks));
    if (!job->looks)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (runs_on(job, cluster->members[i]))
            job->looks[job->look_count++] =
                (gpuc__job_look){.job = job, .member = cluster->members[i]};
    }
    return GPUC_OK;
}

void gpuc__job_look_again(gpuc_job *job, void (*next)(gpuc_job *job))
{
    job->next = next;
    job->cluster->busy = job->op; /* its machines must stay what they are meanwhile */
    begin_looks(job);
}

void gpuc__job_looks_cancel(const gpuc_job *job)
{
    for (size_t i = 0; i < job->look_next; i++) {
        if (job->looks[i].look)
            gpuc__look_cancel(job->looks[i].look);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod on the machine says of the machine's GPUs: k8s.pod and k8s.compute. */
#include <stdio.h>
#include <string.h>

#include "gpu/proof.h"
#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/error.h"

#define ID "k8s.compute"
#define NODE_ID "cuda.compute"

typedef struct judging {
    gpuc__machine_proof *proof;
    const gpuc__probe *probe;
    bool all; /* the pod was given all GPUs */
    bool cut; /* a container of it ended before its probe did */
    size_t passed, failed; /* of the machine's GPUs and MIG devices */
    size_t left_alone;     /* of the machine's GPUs, which are in use */
    gpuc_error **err;
    int rc;
} judging;

static void result(judging *j, const char *gpu, int status, const char *observed, const char *remedy,
                   const char *evidence)
{
    if (!j->rc)
        j->rc = gpuc__proof_set(j->proof, ID, gpu, status, observed, NULL, remedy, evidence, j->err);
}

/* A device that the probe speaks of. */
static void judge_device(judging *j, const gpuc__probe_gpu *g)
{
    gpuc__cuda_reason why;
    char text[512];

    if (g->status == GPUC_CHECK_PASS) {
        snprintf(text, sizeof(text), "0 wrong words in 3 x %ld MiB", g->mib);
        result(j, g->device, GPUC_CHECK_PASS, text, NULL, NULL);
        j->passed++;
        return;
    }
    j->failed++;
    if (!j->rc)
        j->rc = gpuc__cuda_reason_get(&why, g->code, g->error, j->err);
    if (j->rc)
        return;
    snprintf(text, sizeof(text), "%s: %d %s: %s", g->stage, g->code, why.name, why.reason);
    result(j, g->device, GPUC_CHECK_FAIL, text, why.remedy, g->detail);
    gpuc__cuda_reason_clear(&why);
}

static const gpuc__probe_gpu *device_of(const gpuc__probe *probe, const char *uuid)
{
    for (size_t i = 0; i < probe->gpu_count; i++) {
        if (strcmp(probe->gpus[i].device, uuid) == 0 || strcmp(probe->gpus[i].parent, uuid) == 0)
            return &probe->gpus[i];
    }
    return NULL;
}

static bool is_skip(const gpuc__check *check)
{
    return check && check->status == GPUC_CHECK_SKIP && !check->idle;
}

/* Why it was left out on the machine; NULL. Of MIG devices that are in use the GPU tells. */
static const gpuc__check *left_out(const judging *j, const char *uuid)
{
    const gpuc__check *own = gpuc__proof_find(j->proof, NODE_ID, uuid);
    const gpuc__proof_gpu *gpu = gpuc__proof_gpu_of(j->proof, uuid);

    if (!is_skip(own) && gpu && gpu->uuid)
        own = gpuc__proof_find(j->proof, NODE_ID, gpu->uuid);
    return is_skip(own) ? own : NULL;
}

/* One of the machine of which the pod said nothing. */
static void judge_missing(judging *j, const char *uuid)
{
    const gpuc__check *on_node = left_out(j, uuid);

    if (on_node) {
        result(j, uuid, GPUC_CHECK_SKIP, on_node->observed, NULL, NULL);
        j->left_alone++;
    } else if (!j->all) {
        result(j, uuid, GPUC_CHECK_SKIP, "the pod was given others: this one is in use", NULL, NULL);
    } else {
        result(j, uuid, GPUC_CHECK_FAIL,
               j->cut ? "a container of the pod ended before it spoke of this GPU"
                      : "the pod was not given this GPU",
               NULL, NULL);
        j->failed++;
    }
}

/* The whole of it: of a GPU that is cut into MIG devices all of these. */
static bool passed_in_pod(const judging *j, const char *uuid)
{
    size_t passed = 0;

    for (size_t i = 0; i < j->probe->gpu_count; i++) {
        const gpuc__probe_gpu *g = &j->probe->gpus[i];

        if (strcmp(g->device, uuid) != 0 && !(j->all && strcmp(g->parent, uuid) == 0))
            continue;
        if (g->status != GPUC_CHECK_PASS)
            return false;
        passed++;
    }
    return passed > 0;
}

/* Where nothing on the machine could run the probe, the pod's word counts. */
static void judge_by_pod_alone(judging *j, const char *uuid)
{
    const gpuc__check *on_node = gpuc__proof_find(j->proof, NODE_ID, uuid);

    if (on_node && on_node->status == GPUC_CHECK_SKIP && on_node->evidence &&
        strcmp(on_node->evidence, GPUC__PROBE_NO_RUNNER) == 0 && passed_in_pod(j, uuid))
        gpuc__proof_set_idle(j->proof, NODE_ID, uuid);
}

static const char *foreign(const judging *j)
{
    for (size_t i = 0; i < j->probe->gpu_count; i++) {
        const gpuc__probe_gpu *g = &j->probe->gpus[i];
        const char *owner = g->parent[0] ? g->parent : g->device;

        if (!gpuc__proof_gpu_of(j->proof, owner))
            return owner;
    }
    return NULL;
}

/* A GPU of the machine, or a MIG device. */
static void judge_listed(judging *j, const char *uuid)
{
    if (!device_of(j->probe, uuid))
        judge_missing(j, uuid);
    judge_by_pod_alone(j, uuid);
}

/* migs: as the proof has them. */
static void judge_migs(judging *j, const char *migs)
{
    char uuid[128];

    while (*migs && !j->rc) {
        size_t length = strcspn(migs, "\n");

        snprintf(uuid, sizeof(uuid), "%.*s", (int)length, migs);
        if (length)
            judge_listed(j, uuid);
        migs += length + (migs[length] != '\0');
    }
}

/* A GPU that is cut into MIG devices computes in them. */
static void judge_each(judging *j)
{
    for (size_t i = 0; i < j->probe->gpu_count; i++)
        judge_device(j, &j->probe->gpus[i]);
    for (size_t i = 0; i < j->proof->gpu_count && !j->rc; i++) {
        const gpuc__proof_gpu *g = &j->proof->gpus[i];

        if (g->migs && *g->migs)
            judge_migs(j, g->migs);
        else if (g->uuid)
            judge_listed(j, g->uuid);
    }
}

/* error: why the pod failed; NULL. */
static void judge_all(judging *j, const gpuc_error *error)
{
    const char *stranger = foreign(j);
    char text[200];

    judge_each(j);
    snprintf(text, sizeof(text), "%zu devices computed right in the pod, %zu failed", j->passed,
             j->failed);
    if (stranger)
        snprintf(text, sizeof(text), "the pod was given %.100s, which nvidia-smi on the machine does "
                                     "not list", stranger);
    if (error && j->cut)
        result(j, NULL, GPUC_CHECK_FAIL, gpuc_error_message(error), gpuc_error_remedy(error), NULL);
    else if (!stranger && j->left_alone && !j->passed && !j->failed)
        result(j, NULL, GPUC_CHECK_SKIP, "the GPUs are in use, and were left alone", NULL, NULL);
    else
        result(j, NULL, stranger || j->failed || !j->passed ? GPUC_CHECK_FAIL : GPUC_CHECK_PASS, text,
               NULL, NULL);
}

static int set_pod(judging *j, const gpuc_error *error, const char *log)
{
    if (!error)
        return gpuc__proof_set(j->proof, "k8s.pod", NULL, GPUC_CHECK_PASS,
                               "nvidia-smi ran in a pod and ended with 0", NULL, NULL, NULL, j->err);
    return gpuc__proof_set(j->proof, "k8s.pod", NULL, GPUC_CHECK_FAIL, gpuc_error_message(error), NULL,
                           gpuc_error_remedy(error), log, j->err);
}

int gpuc__proof_set_pod(gpuc__machine_proof *proof, const char *log, size_t length, bool all,
                        size_t containers, const gpuc_error *error, gpuc_error **err)
{
    judging j = {.proof = proof, .all = all, .err = err};
    gpuc__probe *probe = NULL;
    bool began;

    j.rc = gpuc__probe_parse(&probe, 0, log, length, "", 0, err);
    if (j.rc)
        return j.rc;
    j.probe = probe;
    j.cut = probe->ends < containers;
    began = probe->begun >= containers; /* nvidia-smi came first, and had to work */
    j.rc = set_pod(&j, began ? NULL : error, log);
    if (probe->fatal && !probe->gpu_count)
        result(&j, NULL, GPUC_CHECK_SKIP, probe->detail, NULL, NULL);
    else if (!probe->begun)
        result(&j, NULL, GPUC_CHECK_SKIP, "the pod did not get so far: see k8s.pod", NULL, NULL);
    else
        judge_all(&j, error);
    gpuc__probe_free(probe);
    return j.rc;
}

int gpuc__proof_in_use(char ***out, size_t *count, const gpuc__machine_proof *proof, gpuc_error **err)
{
    char **list = gpuc__calloc(proof->check_count + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; list && i < proof->check_count; i++) {
        const gpuc__check *c = &proof->checks[i];

        if (strcmp(c->id, NODE_ID) != 0 || c->status != GPUC_CHECK_SKIP || !c->gpu ||
            !strstr(c->observed, "left alone") ||
            (strncmp(c->gpu, "GPU-", 4) != 0 && strncmp(c->gpu, "MIG-", 4) != 0))
            continue;
        list[n] = gpuc__strdup(c->gpu);
        if (!list[n++]) {
            gpuc__proof_targets_free(list);
            list = NULL;
        }
    }
    if (!list)
        return gpuc__error_nomem(err);
    *out = list;
    *count = n;
    return GPUC_OK;
}

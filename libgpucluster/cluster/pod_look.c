/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/pod_look.h"

#include <string.h>

#include "cluster/look.h"
#include "cluster/verify_tally.h"
#include "core/context.h"
#include "gpu/collect.h"
#include "gpu/probe.h"
#include "kube/job.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define KIND "gpucluster-verify"
#define DEADLINE_S 600
#define LOG_MAX (6u * 1024 * 1024)

struct gpuc__pod_look {
    gpuc__pod_look_args args; /* only kube, count, rules and what is called back */
    char *node, nonce[33];
    int64_t started_ms;
    gpuc__buf log;
    gpuc__job_run *run;
    bool cancelled, shared; /* shared: what is asked for are no whole GPUs */
};

static void look_free(gpuc__pod_look *look)
{
    gpuc__kube_unref(look->args.kube);
    gpuc__rules_unref(look->args.rules);
    gpuc__buf_clear(&look->log);
    gpuc__free(look->node);
    gpuc__free(look);
}

static void on_line(void *data, const char *origin, const char *text, size_t length)
{
    gpuc__pod_look *look = data;

    (void)origin;
    gpuc__buf_add(&look->log, text, length);
    gpuc__buf_putc(&look->log, '\n');
}

static void on_state(void *data, const gpuc__job_end *now)
{
    const gpuc__pod_look *look = data;
    char line[300];

    if (!look->args.progress || !now->text)
        return;
    snprintf(line, sizeof(line), "the pod is %s: %s", now->phase, now->text);
    look->args.progress(look->args.data, line);
}

/* A pod's /sys has every device of the machine: those that it was not given are not judged. */
static void keep_given(gpuc__collect *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->pci_count; i++) {
        bool given = false;

        for (size_t k = 0; c->smi && k < c->smi->gpu_count; k++)
            given = given || strcmp(c->smi->gpus[k].bus, c->pci[i].bus) == 0;
        if (given)
            c->pci[kept++] = c->pci[i];
    }
    c->pci_count = kept;
}

/* A pod sees its own GPUs: what the machine as a whole has, it cannot judge. */
static int leave_machine_out(gpuc__machine_proof *proof, gpuc_error **err)
{
    static const char *const ids[] = {"gpu.pci.present", "dev.nodes", "log.xid", "log.fallen", "fabric"};
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (gpuc__proof_find(proof, ids[i], NULL))
            rc = gpuc__tally_leave_out(proof, ids[i], "a pod sees its own GPUs only", err);
    }
    for (size_t i = 0; i < proof->check_count; i++) {
        gpuc__check *c = &proof->checks[i];

        if (c->status == GPUC_CHECK_SKIP && strcmp(c->id, "cuda.compute") != 0 &&
            strncmp(c->id, "k8s.", 4) != 0)
            c->idle = true;
    }
    return rc;
}

/* As many as the pod was given; of devices that share a GPU that cannot be said. */
static int count_gpus(gpuc__machine_proof *proof, const gpuc__pod_look *look,
                      const gpuc__collect *collect, gpuc_error **err)
{
    size_t listed = collect->smi ? collect->smi->gpu_count : 0;
    char seen[120];

    if (look->shared)
        return gpuc__tally_leave_out(proof, "gpu.count", "the pod was given devices that are no whole "
                                                         "GPUs", err);
    snprintf(seen, sizeof(seen), "the pod was given %ld, nvidia-smi lists %zu", look->args.count,
             listed);
    return gpuc__proof_set(proof, "gpu.count", NULL,
                           (long)listed == look->args.count ? GPUC_CHECK_PASS : GPUC_CHECK_FAIL, seen,
                           NULL, NULL, NULL, err);
}

/* Both scripts have come to their end. */
static bool is_whole(const gpuc__collect *collect, const gpuc__probe *probe)
{
    return collect->complete && (!collect->smi || (probe && (probe->ends || probe->fatal)));
}

/* The status that the probe is judged by: of a pod that was ended it is how, as a shell has it. */
static int probe_status(int exit_code, int code)
{
    if (code == GPUC_ETIMEDOUT)
        return 124;
    return code == GPUC_OK || (exit_code >= 0 && exit_code < 128) ? exit_code : 137;
}

/* code: what the Job ended with. *whole: nothing of the answer is missing. */
static int judge(gpuc__machine_proof **out, bool *whole, const gpuc__pod_look *look, int exit_code,
                 int code, gpuc_error **err)
{
    const char *text = gpuc__buf_text(&look->log), *rest;
    gpuc__machine_proof *proof = NULL;
    gpuc__collect *collect = NULL;
    gpuc__probe *probe = NULL;
    char mark[64];
    int rc = gpuc__collect_parse(&collect, look->nonce, text, look->log.length, look->args.rules, err);

    if (rc < 0)
        return rc;
    /* Of the bus and of device nodes a pod has its share only, or all of another view. */
    collect->pci_known = collect->nodes_known = false;
    keep_given(collect);
    snprintf(mark, sizeof(mark), "==%s done\n", look->nonce);
    rest = strstr(text, mark);
    if (collect->smi && rest)
        rc = gpuc__probe_parse(&probe, probe_status(exit_code, code), rest,
                               look->log.length - (size_t)(rest - text), "", 0, err);
    *whole = is_whole(collect, probe);
    if (rc == GPUC_OK)
        rc = gpuc__proof_evaluate(&proof, look->node, -1, collect, probe,
                                  *whole ? "nvidia-smi could not be read in the pod"
                                         : "the pod's answer was cut",
                                  look->args.rules, err);
    if (rc == GPUC_OK)
        rc = leave_machine_out(proof, err);
    if (rc == GPUC_OK)
        rc = count_gpus(proof, look, collect, err);
    if (rc == GPUC_OK) {
        proof->started_ms = look->started_ms;
        proof->finished_ms = gpuc__now_ms();
        *out = proof;
    } else {
        gpuc__proof_free(proof);
    }
    gpuc__probe_free(probe);
    gpuc__collect_free(collect);
    return rc;
}

/* The container's status is the probe's, which the proof judges: it is no error when all that was
 * looked for is in the log. */
static void on_done(void *data, const gpuc__job_end *end, gpuc_error *error)
{
    gpuc__pod_look *look = data;
    gpuc__pod_look_args args = look->args;
    gpuc__machine_proof *proof = NULL;
    gpuc_error *unread = NULL;
    int code = error ? gpuc_error_code(error) : GPUC_OK;
    bool whole = false;

    if (!look->cancelled && (code == GPUC_OK || code == GPUC_EREMOTE || code == GPUC_ETIMEDOUT))
        judge(&proof, &whole, look, end->exit_code, code, &unread);
    if (whole || code == GPUC_OK) {
        gpuc_error_unref(error);
        error = unread; /* NULL with a proof */
    } else {
        gpuc_error_unref(unread);
    }
    args.kube = NULL; /* these go with the look */
    args.rules = NULL;
    look_free(look);
    args.done(args.data, proof, error);
}

/* sh -c 'first, then second', both as if they came over SSH. */
static json_t *command(const gpuc__pod_look *look, gpuc_error **err)
{
    const gpuc__probe_request every_gpu = {0};
    char *collect = NULL, *probe = NULL;
    json_t *words = NULL;

    if (gpuc__collect_script(&collect, look->nonce, err) == GPUC_OK &&
        gpuc__probe_script(&probe, &every_gpu, err) == GPUC_OK)
        words = json_pack("[s, s, s, s, s]", "sh", "-c",
                          "printf '%s\n' \"$0\" | sh -s; printf '%s\n' \"$1\" | sh -s", collect, probe);
    gpuc__free(collect);
    gpuc__free(probe);
    return words;
}

/* A node under a taint is looked at all the same. */
static void tolerate_all(json_t *job)
{
    json_object_set_new(gpuc__json_at(job, "spec", "template", "spec", NULL), "tolerations",
                        json_pack("[{s:s}]", "operator", "Exists"));
}

static int manifest(json_t **out, const gpuc__pod_look *look, const gpuc__pod_look_args *args,
                    gpuc_error **err)
{
    gpuc__job_params params = {.kind = KIND,
                               .run_id = args->run_id,
                               .node = args->node,
                               .namespace_ = args->namespace_,
                               .image = args->image,
                               .runtime_class = args->runtime_class,
                               .gpus = (int)args->count,
                               .resources = args->resources,
                               .deadline_s = DEADLINE_S};
    json_t *words = command(look, err);
    int rc;

    if (!words)
        return gpuc__error_nomem(err);
    params.command = words;
    rc = gpuc__job_manifest(out, &params, err);
    if (rc == GPUC_OK)
        tolerate_all(*out);
    json_decref(words);
    return rc;
}

static bool whole_gpus(const json_t *resources)
{
    return json_object_size(resources) == 1 && json_object_get(resources, "nvidia.com/gpu");
}

int gpuc__pod_look_start(gpuc__pod_look **out, const gpuc__pod_look_args *args, gpuc_error **err)
{
    gpuc__pod_look *look = gpuc__calloc(1, sizeof(*look));
    gpuc__job_run_args run = {.line = on_line, .state = on_state, .done = on_done};
    json_t *job = NULL;
    int rc;

    if (!look)
        return gpuc__error_nomem(err);
    look->args = (gpuc__pod_look_args){.kube = gpuc__kube_ref(args->kube),
                                       .count = args->count,
                                       .progress = args->progress,
                                       .done = args->done,
                                       .data = args->data};
    gpuc__buf_init(&look->log, LOG_MAX);
    look->shared = args->shared || !whole_gpus(args->resources);
    look->started_ms = gpuc__now_ms();
    look->node = gpuc__strdup(args->node);
    rc = look->node ? gpuc__rules_take(&look->args.rules, args->rules, err) : gpuc__error_nomem(err);
    if (rc == GPUC_OK)
        rc = gpuc__look_nonce(look->nonce, sizeof(look->nonce), err);
    if (rc == GPUC_OK)
        rc = manifest(&job, look, args, err);
    if (rc == GPUC_OK) {
        run.object = job;
        run.title = "verification";
        run.data = look;
        rc = gpuc__job_run_start(&look->run, args->kube, &run, err);
    }
    json_decref(job);
    if (rc < 0)
        look_free(look);
    else
        *out = look;
    return rc;
}

void gpuc__pod_look_cancel(gpuc__pod_look *look)
{
    look->cancelled = true;
    gpuc__job_run_cancel(look->run);
}

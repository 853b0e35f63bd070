/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of one machine: nvidia-smi is read, each GPU computes, Kubernetes counts them, a pod runs
 * on them; then labels and startup taint follow the verdict and the record is kept. */
#include <string.h>

#include "cluster/action.h"
#include "cluster/chain.h"
#include "cluster/look.h"
#include "cluster/mark.h"
#include "cluster/proof_record.h"
#include "cluster/rules.h"
#include "core/context.h"
#include "gpu/probe.h"
#include "gpu/proof.h"
#include "kube/gpu_nodes.h"
#include "kube/job.h"
#include "kube/node.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define CHAIN_MS 30000
#define POD_DEADLINE_S 600
#define POD_LOG_MAX (256 * 1024)
#define PODS_MS 30000

typedef struct proving {
    gpuc__look *look;
    gpuc__machine_proof *proof;
    gpuc__buf pod_log;
    gpuc__job_run *job;
    json_t *node;         /* as it was when its GPUs were counted */
    json_t *free_ones;    /* what the pod asks for */
    long offered, wanted; /* allocatable GPUs and MIG devices of the node; how many the pod asks for */
    bool unproven;        /* the node has the startup taint */
} proving;

static void free_proving(gpuc__action *action)
{
    proving *p = action->work;

    action->work = NULL;
    if (!p)
        return;
    gpuc__proof_free(p->proof);
    gpuc__buf_clear(&p->pod_log);
    json_decref(p->node);
    json_decref(p->free_ones);
    gpuc__free(p);
}

static void finish(gpuc__action *action, gpuc_error *error)
{
    free_proving(action);
    if (!gpuc__action_was_cancelled(action, error))
        gpuc__action_answer(action, GPUC__VERDICT_PRESENT, NULL, error);
}

static void finish_nomem(gpuc__action *action)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    finish(action, error);
}

static void on_labels_look(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    const char *lack;

    if (gpuc__action_was_cancelled(action, error))
        return;
    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND) {
        gpuc_error_unref(error);
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, "it is no node of the cluster", NULL);
    } else if (error) {
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    } else if ((lack = gpuc__mark_lacks(action->member, result))) {
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, lack, NULL);
    } else {
        gpuc__action_answer(action, GPUC__VERDICT_PRESENT, "proven on this boot", NULL);
    }
}

static void look_at_labels(gpuc__action *action)
{
    gpuc_error *error = NULL;
    gpuc__kube *kube;

    if (!gpuc__action_kube(action, &kube))
        return;
    action->kube_call = gpuc__node_get(kube, action->member->name, on_labels_look, action);
    if (action->kube_call)
        return;
    gpuc__error_nomem(&error);
    gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
}

void gpuc__proof_probe(gpuc__action *action)
{
    char why[200] = "";
    gpuc__proof_record_state state = gpuc__proof_record_read(action->member, why, sizeof(why));

    if ((action->cluster->prove_again || action->member->doubted) && !action->proved)
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, "to be proven again", NULL);
    else if (state == GPUC__PROOF_RECORD_HOLDS)
        look_at_labels(action);
    else if (state == GPUC__PROOF_RECORD_PARTLY && action->proved)
        gpuc__action_answer(action, GPUC__VERDICT_PRESENT, why, NULL); /* no more could be done */
    else
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, why, NULL);
}

static int save(const gpuc__action *action, gpuc_error **err)
{
    proving *p = action->work;

    p->proof->finished_ms = gpuc__now_ms();
    return gpuc__proof_record_save(action->member, p->proof, err);
}

static void on_labelled(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    proving *p = action->work;

    (void)result;
    action->kube_call = NULL;
    if (!error)
        save(action, &error);
    if (!error) {
        action->proved = true;
        error = gpuc__proof_failure(action->member->name, gpuc__node_id(action->node), p->proof);
    }
    finish(action, error);
}

static void set_labels(gpuc__action *action)
{
    const proving *p = action->work;
    gpuc__kube *kube = NULL;
    gpuc_error *error = NULL;

    if (gpuc__cluster_kube(&kube, action->cluster, &error) == GPUC_OK)
        action->kube_call = gpuc__mark_proven(kube, action->member, p->proof, p->unproven, on_labelled,
                                              action);
    if (error)
        finish(action, error);
    else if (!action->kube_call)
        finish_nomem(action);
}

/* Without the API server no label can be changed; but a GPU that fails is what is to be told. */
static void finish_unlabelled(gpuc__action *action, gpuc_error *error)
{
    proving *p = action->work;
    gpuc_error *failure = action->cancelled ? NULL : gpuc__proof_failure(action->member->name, gpuc__node_id(action->node), p->proof);

    if (failure) {
        gpuc__log(action->cluster->context, GPUC_LOG_WARN, "proof", "%s: its labels stay: %s",
                  action->member->name, gpuc_error_message(error));
        gpuc_error_unref(error);
        error = NULL;
        if (save(action, &error) == GPUC_OK)
            error = failure;
        else
            gpuc_error_unref(failure);
    }
    finish(action, error);
}

static void on_pod_line(void *data, const char *node, const char *text, size_t length)
{
    gpuc__action *action = data;
    proving *p = action->work;

    (void)node;
    gpuc__buf_add(&p->pod_log, text, length);
    gpuc__buf_putc(&p->pod_log, '\n');
}

/* Why it has not begun yet, while there is still time to do something about it. */
static void on_pod_state(void *data, const gpuc__job_end *now)
{
    const gpuc__action *action = data;
    char line[300];

    if (!now->text)
        return;
    snprintf(line, sizeof(line), "the pod is %s: %s", now->phase, now->text);
    gpuc__node_progress(action->node, line);
}

static void on_pod_done(void *data, const gpuc__job_end *end, gpuc_error *error)
{
    gpuc__action *action = data;
    proving *p = action->work;
    gpuc_error *ours = NULL;

    (void)end;
    p->job = NULL;
    action->cancel_work = NULL;
    if (action->cancelled) {
        finish(action, error);
        return;
    }
    gpuc__proof_set_pod(p->proof, gpuc__buf_text(&p->pod_log), p->pod_log.length,
                        p->wanted == p->offered, json_object_size(p->free_ones), error, &ours);
    gpuc_error_unref(error);
    if (ours)
        finish(action, ours);
    else
        set_labels(action);
}

static void cancel_pod(gpuc__action *action)
{
    proving *p = action->work;

    if (p && p->job)
        gpuc__job_run_cancel(p->job);
}

/* The command of the kind "cuda", with what must be left alone. New array. */
static json_t *pod_command(const proving *p, gpuc_error **err)
{
    gpuc__probe_request request = {.container = true};
    char **skip = NULL, *script = NULL;
    json_t *command = NULL;

    if (gpuc__proof_in_use(&skip, &request.skip_count, p->proof, err) == GPUC_OK) {
        request.skip = (const char *const *)skip;
        gpuc__probe_script_for_pod(&script, &request, err);
    }
    if (script && !(command = json_pack("[s, s, s]", "sh", "-c", script)))
        gpuc__error_nomem(err);
    gpuc__proof_targets_free(skip);
    gpuc__free(script);
    return command;
}

static int start_pod(gpuc__action *action, gpuc__kube *kube, gpuc_error **err)
{
    proving *p = action->work;
    json_t *values = NULL, *kind = NULL, *command = NULL;
    gpuc__job_run_args args = {
        .params = {.kind = "gpucluster-proof", .node = action->member->name,
                   .run_id = action->attempt, .gpus = (int)p->wanted, .resources = p->free_ones,
                   .deadline_s = POD_DEADLINE_S, .proves = true},
        .line = on_pod_line,
        .state = on_pod_state,
        .done = on_pod_done,
        .data = action};
    int rc = gpuc__cluster_manifest_values(&values, action->cluster, err);

    if (rc == GPUC_OK)
        rc = gpuc__job_kind(&kind, "cuda", values, err);
    if (rc == GPUC_OK && !(command = pod_command(p, err)))
        rc = GPUC_ENOMEM;
    if (rc == GPUC_OK) {
        args.params.image = json_string_value(json_object_get(kind, "image"));
        args.params.command = command;
        rc = gpuc__job_run_start(&p->job, kube, &args, err);
    }
    json_decref(values);
    json_decref(kind);
    json_decref(command);
    return rc;
}

/* No GPU is free: the pod would only wait. */
static void leave_pod_out(gpuc__action *action, const char *why)
{
    static const char *const ids[] = {"k8s.pod", "k8s.compute"};
    proving *p = action->work;
    gpuc_error *error = NULL;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && !error; i++)
        gpuc__proof_set(p->proof, ids[i], NULL, GPUC_CHECK_SKIP, why, NULL, NULL, NULL, &error);
    if (error)
        finish(action, error);
    else
        set_labels(action);
}

/* The Job has the attempt's name: a second start of the same attempt finds the first. */
static void on_pods(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    proving *p = action->work;
    gpuc__kube *kube;
    json_t *usage;
    char why[120];

    action->kube_call = NULL;
    if (error || action->cancelled) {
        finish_unlabelled(action, error);
        return;
    }
    usage = gpuc__gpu_usage(result, action->attempt);
    p->free_ones = usage ? gpuc__gpu_free(&p->wanted, p->node, usage) : NULL;
    json_decref(usage);
    if (!p->free_ones) {
        finish_nomem(action);
        return;
    }
    if (gpuc__gpu_shared(p->node)) {
        leave_pod_out(action, "the node offers shares of its GPUs, and a pod cannot ask for all of them");
        return;
    }
    if (p->wanted == 0) {
        snprintf(why, sizeof(why), p->offered ? "left alone: pods hold all %ld GPUs of the node"
                                              : "the node offers %ld GPUs", p->offered);
        leave_pod_out(action, why);
        return;
    }
    if (gpuc__cluster_kube(&kube, action->cluster, &error) == GPUC_OK) {
        gpuc__node_progress(action->node, "computing in a pod");
        action->cancel_work = cancel_pod;
        start_pod(action, kube, &error);
    }
    if (error)
        finish(action, error);
}

static void run_pod(gpuc__action *action)
{
    gpuc_error *error = NULL;
    gpuc__kube *kube;

    if (gpuc__cluster_kube(&kube, action->cluster, &error) == GPUC_OK)
        action->kube_call =
            gpuc__node_pods(kube, action->member->name, PODS_MS, on_pods, action);
    if (error)
        finish_unlabelled(action, error);
    else if (!action->kube_call)
        finish_nomem(action);
}

/* k8s.alloc is judged: on to the pod, or to the labels. */
static void on_counted(gpuc__action *action, gpuc_error *error)
{
    proving *p = action->work;

    if (error)
        finish(action, error);
    else if (gpuc__proof_verdict(p->proof) == GPUC_CHECK_FAIL)
        set_labels(action); /* a pod on a GPU that fails would prove nothing */
    else
        run_pod(action);
}

/* At least as many as wanted are offered: nothing is missing. */
static void count(gpuc__action *action, const json_t *node, long wanted)
{
    proving *p = action->work;
    gpuc_error *error = NULL;
    char seen[80];

    p->node = json_incref((json_t *)node);
    p->offered = gpuc__chain_gpus(node, false);
    snprintf(seen, sizeof(seen), "%s: %ld",
             p->offered == gpuc__gpu_offered(node) ? "nvidia.com/gpu" : "GPUs and MIG devices",
             p->offered);
    gpuc__proof_set(p->proof, "k8s.alloc", NULL, p->offered == wanted ? GPUC_CHECK_PASS : GPUC_CHECK_FAIL, seen,
                    NULL, NULL, NULL, &error);
    on_counted(action, error);
}

/* Too few are offered: which link between the driver and the kubelet is missing? */
static void on_chain(void *data, json_t *facts, gpuc_error *error)
{
    gpuc__action *action = data;
    proving *p = action->work;
    gpuc__chain chain = {0};
    const json_t *node;
    long wanted;

    action->kube_call = NULL;
    if (action->cancelled || error) {
        finish_unlabelled(action, error);
        return;
    }
    node = json_object_get(facts, "node");
    wanted = gpuc__chain_wanted(action->member->gpus, node, &p->proof->chain);
    if (gpuc__chain_diagnose(&chain, wanted, facts, &p->proof->chain, &error) == GPUC_OK && !chain.link) {
        gpuc__chain_clear(&chain);
        count(action, node, wanted); /* the plugin has come meanwhile */
        return;
    }
    if (!error)
        gpuc__proof_set(p->proof, "k8s.alloc", NULL, GPUC_CHECK_FAIL, chain.observed, NULL,
                        chain.remedy, chain.evidence, &error);
    gpuc__chain_clear(&chain);
    on_counted(action, error);
}

static void ask_why(gpuc__action *action)
{
    gpuc_error *error = NULL;
    gpuc__kube *kube;

    gpuc__node_progress(action->node, "looking why the node offers too few GPUs");
    if (gpuc__cluster_kube(&kube, action->cluster, &error) == GPUC_OK)
        action->kube_call =
            gpuc__chain_gather(kube, action->member->name, CHAIN_MS, on_chain, action);
    if (error)
        finish_unlabelled(action, error);
    else if (!action->kube_call)
        finish_nomem(action);
}

static void on_node(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    proving *p = action->work;
    long wanted;

    action->kube_call = NULL;
    if (error || action->cancelled) {
        finish_unlabelled(action, error);
        return;
    }
    p->unproven = gpuc__node_is_unproven(result);
    wanted = gpuc__chain_wanted(action->member->gpus, result, &p->proof->chain);
    if (gpuc__chain_gpus(result, false) < wanted)
        ask_why(action);
    else
        count(action, result, wanted);
}

static void look_at_node(gpuc__action *action)
{
    gpuc_error *error = NULL;
    gpuc__kube *kube;

    if (gpuc__cluster_kube(&kube, action->cluster, &error) == GPUC_OK)
        action->kube_call = gpuc__node_get(kube, action->member->name, on_node, action);
    if (error)
        finish_unlabelled(action, error);
    else if (!action->kube_call)
        finish_nomem(action);
}

static void on_look(void *data, gpuc__machine_proof *proof, gpuc_error *error)
{
    gpuc__action *action = data;
    proving *p = action->work;

    p->look = NULL;
    p->proof = proof;
    action->cancel_work = NULL;
    if (error || action->cancelled)
        finish(action, error);
    else
        look_at_node(action);
}

static void on_progress(void *data, const char *what)
{
    const gpuc__action *action = data;

    gpuc__node_progress(action->node, what);
}

static void cancel_look(gpuc__action *action)
{
    const proving *p = action->work;

    if (p && p->look)
        gpuc__look_cancel(p->look);
}

void gpuc__proof_act(gpuc__action *action)
{
    gpuc__look_args args = {.remote = action->member->remote,
                            .name = action->member->name,
                            .expected_gpus = action->member->gpus,
                            .progress = on_progress,
                            .done = on_look,
                            .data = action};
    proving *p = gpuc__calloc(1, sizeof(*p));
    gpuc_error *error = NULL;

    action->work = p;
    if (!p) {
        finish_nomem(action);
        return;
    }
    gpuc__buf_init(&p->pod_log, POD_LOG_MAX);
    action->cancel_work = cancel_look;
    if (gpuc__cluster_rules(&args.rules, action->cluster, &error) == GPUC_OK)
        gpuc__look_start(&p->look, &args, &error);
    gpuc__rules_unref(args.rules);
    if (error)
        finish(action, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/verify_nodes.h"

#include <limits.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/chain.h"
#include "cluster/others.h"
#include "cluster/pod_look.h"
#include "cluster/verify_tally.h"
#include "core/context.h"
#include "core/op.h"
#include "kube/gpu_nodes.h"
#include "kube/manifest.h"
#include "kube/node.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define PARALLEL 32
#define ASK_MS 60000

typedef struct node {
    struct work *work;
    struct node *next, **link;
    json_t *object;
    const char *name; /* borrowed from it */
    gpuc__kube_call *call;
    gpuc__pod_look *look;
    gpuc__machine_proof *proof;
    json_t *free_ones;
    long offered, free_count;
    long unnamed; /* free ones of other names than the pod asks for */
    bool shared; /* offered are shares of GPUs */
    gpuc__chain chain; /* why it offers too few; link NULL: it does not */
} node;

typedef struct work {
    gpuc_context *context;
    gpuc__tally tally;
    gpuc__kube *kube;
    gpuc__kube_call *call; /* before there are nodes */
    char *namespace_, *image, *runtime_class;
    bool runtime_given, label;
    long gpus;             /* expected of each node; -1: not declared */
    size_t parallel, next, working;
    json_t *nodes, *usage; /* those with GPUs; what pods hold */
    gpuc__rules *rules;
    node *first;
    gpuc_error *error;
    gpuc__task begin;
    bool cancelled, ended, filling;
    char run_id[13];
} work;

static void fill(work *w);
static void end_when_done(work *w);

static void free_work(void *data)
{
    work *w = data;

    gpuc__kube_unref(w->kube);
    gpuc_report_unref(w->tally.report);
    gpuc_error_unref(w->error);
    json_decref(w->nodes);
    json_decref(w->usage);
    gpuc__rules_unref(w->rules);
    gpuc__free(w->namespace_);
    gpuc__free(w->image);
    gpuc__free(w->runtime_class);
    gpuc_context_unref(w->context);
    gpuc__free(w);
}

static void stop_all(const work *w)
{
    if (w->call)
        gpuc__kube_cancel(w->call);
    for (const node *n = w->first; n; n = n->next) {
        if (n->look)
            gpuc__pod_look_cancel(n->look);
        else if (n->call)
            gpuc__kube_cancel(n->call);
    }
}

static void cancel_work(gpuc_op *op, void *data)
{
    work *w = data;

    (void)op;
    w->cancelled = true;
    stop_all(w);
}

static const gpuc__op_class verify_class = {"verify", cancel_work, free_work};

static void fail(work *w, gpuc_error *error)
{
    if (w->error || w->cancelled)
        gpuc_error_unref(error);
    else
        w->error = error;
    stop_all(w);
    end_when_done(w);
}

static void fail_nomem(work *w)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    fail(w, error);
}

static void end_when_done(work *w)
{
    gpuc_error *error = w->error;
    bool more = !w->nodes || w->next < json_array_size(w->nodes);

    if (w->ended || w->first || w->call || (more && !w->cancelled && !w->error))
        return;
    w->ended = true;
    w->error = NULL;
    if (!error)
        error = gpuc__tally_end(&w->tally, w->cancelled);
    gpuc__context_unpost(w->context, &w->begin);
    gpuc__op_complete(w->tally.op, error);
}

/* ---- one node ---- */

static void free_node(node *n)
{
    *n->link = n->next;
    if (n->next)
        n->next->link = n->link;
    gpuc__chain_clear(&n->chain);
    gpuc__proof_free(n->proof);
    json_decref(n->free_ones);
    json_decref(n->object);
    gpuc__free(n);
}

/* error: of ours; consumed. */
static void node_done(node *n, gpuc_error *error)
{
    work *w = n->work;
    gpuc__machine_proof *proof = error || w->cancelled || w->error ? NULL : n->proof;

    if (proof)
        n->proof = NULL;
    free_node(n);
    w->working--;
    if (proof)
        gpuc__tally_add(&w->tally, proof, &error);
    if (error) {
        fail(w, error);
        return;
    }
    fill(w);
    end_when_done(w);
}

static void on_labelled(void *data, json_t *result, gpuc_error *error)
{
    node *n = data;

    n->call = NULL;
    if (error) /* the proof stands; that its label does not follow is told beside it */
        gpuc__log(n->work->context, GPUC_LOG_WARN, "verify", "%s: its labels stay: %s", n->name,
                  gpuc_error_message(error));
    gpuc_error_unref(error);
    node_done(n, NULL);
}

static void label(node *n)
{
    gpuc__label_wish gpu, cuda;
    json_t *labels;

    gpuc__proof_labels(n->proof, true, &gpu, &cuda);
    if (gpuc__proof_verdict(n->proof) == GPUC_CHECK_FAIL)
        cuda = GPUC__LABEL_REMOVE;
    if (!n->work->label || cuda == GPUC__LABEL_KEEP || n->work->cancelled) {
        node_done(n, NULL);
        return;
    }
    labels = cuda == GPUC__LABEL_SET ? json_pack("{s:s, s:s}", "gpu", "true", "cuda", "true")
                                     : json_pack("{s:n, s:n}", "gpu", "cuda");
    n->call = labels ? gpuc__node_label(n->work->kube, n->name, labels, on_labelled, n) : NULL;
    json_decref(labels);
    if (!n->call) {
        gpuc_error *error = NULL;

        gpuc__error_nomem(&error);
        node_done(n, error);
    }
}

/* What the node offers, as a check of the proof, which is made here when no pod has made one. */
static void judge_offer(node *n, gpuc_error **err)
{
    long want = n->work->gpus;
    bool other = want >= 0 && !n->shared && want != gpuc__chain_gpus(n->object, true);
    char seen[160];

    if (!n->proof) {
        n->proof = gpuc__proof_new(n->name, n->work->rules, err);
        if (!n->proof)
            return;
    }
    snprintf(seen, sizeof(seen), "nvidia.com/gpu: %ld of %ld", n->offered,
             gpuc__chain_gpus(n->object, true));
    if (n->chain.link)
        gpuc__proof_set(n->proof, "k8s.alloc", NULL, GPUC_CHECK_FAIL, n->chain.observed, NULL,
                        n->chain.remedy, n->chain.evidence, err);
    else
        gpuc__proof_set(n->proof, "k8s.alloc", NULL, other ? GPUC_CHECK_FAIL : GPUC_CHECK_PASS, seen,
                        NULL, NULL, NULL, err);
}

/* The end of the look, however it went: status and text of k8s.pod. */
static void conclude(node *n, int status, const char *text, const char *remedy, const char *evidence)
{
    gpuc_error *error = NULL;

    judge_offer(n, &error);
    if (n->proof && !error)
        gpuc__proof_set(n->proof, "k8s.pod", NULL, status, text, NULL, remedy, evidence, &error);
    if (n->proof && !error)
        gpuc__tally_leave_out(n->proof, "host.reach", "the node was looked at from a pod", &error);
    if (n->proof && !error)
        gpuc__tally_leave_out(n->proof, "k8s.compute", "what the pod computed is cuda.compute", &error);
    if (error)
        node_done(n, error);
    else
        label(n);
}

/* Of a node with shares of GPUs one GPU is looked at. */
static void conclude_shared(node *n)
{
    const char *gpus = gpuc__json_text(n->object, "metadata", "labels", "nvidia.com/gpu.count", NULL);

    if (gpus && strcmp(gpus, "1") == 0)
        conclude(n, GPUC_CHECK_PASS, "a pod looked at the GPU of which the node offers shares", NULL, NULL);
    else
        conclude(n, GPUC_CHECK_SKIP, "a pod looked at one GPU; the node offers shares of its GPUs, and "
                                     "a pod cannot ask for all of them", NULL, NULL);
}

static void on_look(void *data, gpuc__machine_proof *proof, gpuc_error *error)
{
    node *n = data;
    char text[200];

    n->look = NULL;
    n->proof = proof;
    if (n->work->cancelled || n->work->error ||
        (error && gpuc_error_code(error) == GPUC_ENOMEM)) {
        node_done(n, n->work->error || n->work->cancelled ? gpuc_error_unref(error) : error);
        return;
    }
    if (error) {
        conclude(n, GPUC_CHECK_FAIL, gpuc_error_message(error), gpuc_error_remedy(error),
                 gpuc_error_evidence(error));
    } else if (n->shared) {
        conclude_shared(n);
    } else if (n->unnamed) {
        snprintf(text, sizeof(text),
                 "a pod looked at %ld of %ld GPUs and MIG devices: %ld have another name, and a container "
                 "is given those of one name; %ld are held by pods",
                 n->free_count, n->offered, n->unnamed, n->offered - n->free_count - n->unnamed);
        conclude(n, GPUC_CHECK_SKIP, text, NULL, NULL);
    } else if (n->free_count < n->offered) {
        snprintf(text, sizeof(text),
                 "a pod looked at %ld of %ld GPUs; pods hold the others, which were left alone",
                 n->free_count, n->offered);
        conclude(n, GPUC_CHECK_SKIP, text, NULL, NULL);
    } else {
        snprintf(text, sizeof(text), "a pod looked at all of its %ld GPUs", n->free_count);
        conclude(n, GPUC_CHECK_PASS, text, NULL, NULL);
    }
    gpuc_error_unref(error);
}

static void on_progress(void *data, const char *what)
{
    const node *n = data;

    gpuc__context_emit(n->work->context, gpuc__event_new(GPUC_EVENT_STEP_PROGRESS, n->name,
                                                         GPUC__VERIFY_STEP, "%s", what));
}

static void look_from_a_pod(node *n)
{
    const work *w = n->work;
    const gpuc__pod_look_args args = {.kube = w->kube,
                                      .node = n->name,
                                      .namespace_ = w->namespace_,
                                      .image = w->image,
                                      .runtime_class = w->runtime_class,
                                      .run_id = w->run_id,
                                      .resources = n->free_ones,
                                      .count = n->shared ? 1 : n->free_count,
                                      .shared = n->shared,
                                      .rules = w->rules,
                                      .progress = on_progress,
                                      .done = on_look,
                                      .data = n};
    gpuc_error *error = NULL;

    on_progress(n, "looking from a pod");
    if (json_object_size(n->free_ones) > 1) /* there was no memory to leave one */
        gpuc__error_nomem(&error);
    else
        gpuc__pod_look_start(&n->look, &args, &error);
    if (error)
        node_done(n, error);
}

/* A pod is worth it only where it can run. */
static void try_pod(node *n)
{
    gpuc__node_state state;
    char text[300];

    gpuc__node_read(&state, n->object);
    if (!n->offered) {
        conclude(n, GPUC_CHECK_SKIP, "the node offers no GPU to look at", NULL, NULL);
    } else if (!state.ready) {
        snprintf(text, sizeof(text), "the node is not ready: %s %s", state.reason, state.message);
        conclude(n, GPUC_CHECK_FAIL, text, "mend the node first: kubectl describe node", NULL);
    } else if (!n->free_count) {
        snprintf(text, sizeof(text), "pods hold all %ld GPUs, which were left alone", n->offered);
        conclude(n, GPUC_CHECK_SKIP, text, NULL, NULL);
    } else if (n->shared && n->free_count < n->offered) {
        snprintf(text, sizeof(text),
                 "pods hold %ld of %ld shares of its GPUs: no GPU is known to be free",
                 n->offered - n->free_count, n->offered);
        conclude(n, GPUC_CHECK_SKIP, text, NULL, NULL);
    } else {
        look_from_a_pod(n);
    }
}

/* Of the shares of a GPU a pod may be refused more than one. */
static void ask_for_one(json_t *free_ones)
{
    static const char *const names[] = {"nvidia.com/gpu", "nvidia.com/gpu.shared"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_object_get(free_ones, names[i]))
            json_object_set_new(free_ones, names[i], json_string("1"));
    }
}

/* Whole GPUs first, else those of which there are most; why not all: kube/job_manifest.c, limits. */
static void ask_for_one_name(node *n)
{
    const char *name, *best = NULL;
    json_t *value, *only;
    long most = 0;

    n->unnamed = 0;
    json_object_foreach(n->free_ones, name, value)
    {
        long count = strcmp(name, "nvidia.com/gpu") == 0 ? LONG_MAX
                                                         : strtol(json_string_value(value), NULL, 10);

        if (count > most) {
            most = count;
            best = name;
        }
    }
    value = best ? json_object_get(n->free_ones, best) : NULL;
    only = value ? json_pack("{s:O}", best, value) : NULL;
    if (!only)
        return;
    n->unnamed = n->free_count - strtol(json_string_value(value), NULL, 10);
    n->free_count -= n->unnamed;
    json_decref(n->free_ones);
    n->free_ones = only;
}

static void count_gpus(node *n)
{
    json_decref(n->free_ones);
    n->offered = gpuc__chain_gpus(n->object, false);
    n->free_ones = gpuc__gpu_free(&n->free_count, n->object, n->work->usage);
    n->shared = gpuc__gpu_shared(n->object);
    ask_for_one_name(n);
    if (n->shared) {
        ask_for_one(n->free_ones);
        n->free_count += n->unnamed;
        n->unnamed = 0;
    }
}

/* The node as it is by now. */
static void take_node(node *n, json_t *object)
{
    const char *name = gpuc__json_text(object, "metadata", "name", NULL);

    if (!name || strcmp(name, n->name) != 0)
        return;
    json_incref(object);
    json_decref(n->object);
    n->object = object;
    n->name = name;
    count_gpus(n);
}

static void on_chain(void *data, json_t *facts, gpuc_error *error)
{
    node *n = data;

    n->call = NULL;
    if (n->work->cancelled || n->work->error) {
        gpuc_error_unref(error);
        node_done(n, NULL);
        return;
    }
    if (!error)
        gpuc__chain_diagnose(&n->chain, -1, facts, NULL, &error);
    if (error) {
        node_done(n, error);
        return;
    }
    if (!n->chain.link) /* enough is offered meanwhile */
        take_node(n, json_object_get(facts, "node"));
    try_pod(n);
}

static void start_node(work *w, json_t *object)
{
    node *n = gpuc__calloc(1, sizeof(*n));

    if (!n) {
        fail_nomem(w);
        return;
    }
    n->work = w;
    n->object = json_incref(object);
    n->name = gpuc__json_text(object, "metadata", "name", NULL);
    n->next = w->first;
    n->link = &w->first;
    if (n->next)
        n->next->link = &n->next;
    w->first = n;
    w->working++;
    count_gpus(n);
    if (n->offered && n->offered >= gpuc__chain_gpus(object, true)) {
        try_pod(n);
        return;
    }
    n->call = gpuc__chain_gather(w->kube, n->name, ASK_MS, on_chain, n);
    if (!n->call) {
        gpuc_error *error = NULL;

        gpuc__error_nomem(&error);
        node_done(n, error);
    }
}

/* A node that needs no pod may be done within start_node, which then comes back to here. */
static void fill(work *w)
{
    if (w->filling)
        return;
    w->filling = true;
    while (w->working < w->parallel && w->next < json_array_size(w->nodes) && !w->cancelled &&
           !w->error)
        start_node(w, json_array_get(w->nodes, w->next++));
    w->filling = false;
}

/* ---- before the nodes ---- */

static bool stopped(work *w, gpuc_error *error)
{
    w->call = NULL;
    if (!error && !w->cancelled)
        return false;
    fail(w, error);
    return true;
}

static void begin_nodes(void *data)
{
    work *w = data;

    fill(w);
    end_when_done(w);
}

/* Without a word on it: the class that NVIDIA's toolkit brings, where there is one. */
static void on_runtime_classes(void *data, json_t *result, gpuc_error *error)
{
    work *w = data;

    w->call = NULL;
    if (w->cancelled) {
        fail(w, error);
        return;
    }
    gpuc_error_unref(error); /* it may not be read: the cluster's own is used */
    gpuc__free(w->runtime_class);
    w->runtime_class = gpuc__strdup(gpuc__others_runtime_class(result));
    if (w->runtime_class)
        begin_nodes(w);
    else
        fail_nomem(w);
}

static void on_pods(void *data, json_t *result, gpuc_error *error)
{
    work *w = data;

    if (stopped(w, error))
        return;
    w->usage = gpuc__gpu_usage(result, NULL);
    if (w->runtime_given) {
        begin_nodes(w);
        return;
    }
    w->call = gpuc__kube_list(w->kube, "/apis/node.k8s.io/v1/runtimeclasses", NULL, ASK_MS,
                              on_runtime_classes, w);
    if (!w->call)
        fail_nomem(w);
}

static void on_nodes(void *data, json_t *result, gpuc_error *error)
{
    work *w = data;
    json_t *object;
    size_t i;

    if (stopped(w, error))
        return;
    w->nodes = json_array();
    json_array_foreach(json_object_get(result, "items"), i, object)
    {
        bool has = false;

        if (!error && gpuc__gpu_node(&has, object, &error) == GPUC_OK && has &&
            gpuc__json_text(object, "metadata", "name", NULL))
            json_array_append(w->nodes, object);
    }
    w->tally.total = json_array_size(w->nodes);
    if (!error && !w->tally.total) {
        gpuc__error_set(&error, GPUC_ENOTFOUND, GPUC_DOMAIN_KUBERNETES,
                        "none of the cluster's %zu nodes has GPUs: none offers nvidia.com/gpu, and none "
                        "is labelled as having some",
                        json_array_size(json_object_get(result, "items")));
        gpuc__error_remedy(&error, "install NVIDIA's device plugin, or look at kubectl get nodes "
                                   "--show-labels");
    }
    if (!error)
        w->call = gpuc__kube_list(w->kube, "/api/v1/pods", NULL, ASK_MS, on_pods, w);
    if (error)
        fail(w, error);
    else if (!w->call)
        fail_nomem(w);
}

static void on_reviewed(void *data, json_t *result, gpuc_error *error)
{
    work *w = data;

    if (stopped(w, error))
        return;
    error = gpuc__others_refusal(w->context, result, "a verification");
    if (error) {
        fail(w, error);
        return;
    }
    w->call = gpuc__kube_list(w->kube, "/api/v1/nodes", NULL, ASK_MS, on_nodes, w);
    if (!w->call)
        fail_nomem(w);
}

static void begin(void *data)
{
    work *w = data;

    if (w->cancelled) {
        end_when_done(w);
        return;
    }
    w->call = gpuc__access_review(w->kube, gpuc__others_rights,
                                  w->label ? GPUC__OTHERS_RIGHTS : GPUC__OTHERS_LABEL, w->namespace_,
                                  ASK_MS, on_reviewed, w);
    if (!w->call)
        fail_nomem(w);
}

/* ---- the beginning ---- */

static bool is_true(const gpuc_verification *v, gpuc__verify_key key)
{
    const char *text = gpuc__verification_text(v, key);

    return text && strcmp(text, "true") == 0;
}

static int open_kube(work *w, const gpuc_verification *v, gpuc_error **err)
{
    const char *namespace_ = gpuc__verification_text(v, GPUC__VERIFY_NAMESPACE);
    gpuc__others others = {0};
    int rc = gpuc__others_open(&others, v->context, gpuc__verification_text(v, GPUC__VERIFY_KUBECONFIG),
                               gpuc__verification_text(v, GPUC__VERIFY_CONTEXT),
                               is_true(v, GPUC__VERIFY_EXEC), err);

    if (rc < 0)
        return rc;
    w->kube = gpuc__kube_ref(others.kube);
    w->tally.report = gpuc__report_new(others.name);
    w->namespace_ = gpuc__strdup(namespace_ ? namespace_ : others.namespace_);
    if (!w->tally.report || !w->namespace_)
        rc = gpuc__error_nomem(err);
    gpuc__others_clear(&others);
    return rc;
}

/* An image that has what the scripts need. */
static int choose_image(work *w, const gpuc_verification *v, gpuc_error **err)
{
    const char *given = gpuc__verification_text(v, GPUC__VERIFY_IMAGE);
    json_t *values = NULL;
    int rc = given ? GPUC_OK : gpuc__manifest_values(&values, err);

    if (rc == GPUC_OK) {
        w->image = gpuc__strdup(given ? given : gpuc__json_text(values, "PYTHON_IMAGE", NULL));
        if (!w->image)
            rc = gpuc__error_nomem(err);
    }
    json_decref(values);
    return rc;
}

static int prepare(work *w, const gpuc_verification *v, gpuc_error **err)
{
    const char *runtime = gpuc__verification_text(v, GPUC__VERIFY_RUNTIME_CLASS);
    unsigned char random[6];
    int rc = open_kube(w, v, err);

    if (rc == GPUC_OK)
        rc = choose_image(w, v, err);
    if (rc == GPUC_OK && RAND_bytes(random, sizeof(random)) != 1)
        rc = gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_TLS, "no random bytes to be had");
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(w->run_id + 2 * i, 3, "%02x", random[i]);
    w->runtime_given = runtime != NULL;
    w->runtime_class = gpuc__strdup(runtime && strcmp(runtime, "none") != 0 ? runtime : "");
    w->label = is_true(v, GPUC__VERIFY_LABEL);
    w->gpus = gpuc__verification_number(v, GPUC__VERIFY_GPUS, -1);
    w->parallel = (size_t)gpuc__verification_number(v, GPUC__VERIFY_PARALLEL, PARALLEL);
    return w->runtime_class ? GPUC_OK : gpuc__error_nomem(err);
}

int gpuc__verify_nodes_start(gpuc_op **out, const gpuc_verification *v, gpuc_error **err)
{
    work *w = gpuc__calloc(1, sizeof(*w));
    int rc;

    if (!w)
        return gpuc__error_nomem(err);
    w->context = w->tally.context = gpuc_context_ref(v->context);
    w->begin = (gpuc__task){.fn = begin, .data = w};
    rc = gpuc__rules_new(&w->rules, v->limits, err);
    if (rc == GPUC_OK)
        rc = prepare(w, v, err);
    if (rc == GPUC_OK)
        rc = gpuc__op_new(&w->tally.op, w->context, &verify_class, w, err);
    if (rc < 0) {
        free_work(w);
        return rc;
    }
    gpuc__context_post(w->context, &w->begin);
    *out = w->tally.op;
    return GPUC_OK;
}

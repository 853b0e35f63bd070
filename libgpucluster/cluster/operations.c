/* SPDX-License-Identifier: Apache-2.0 */
/* plan, up, verify, down as operations: prepare the state, build the graph, run it, tell the end. */
#include "cluster/operations.h"

#include <string.h>

#include "cluster/provide.h"
#include "cluster/verify_hosts.h"
#include "core/context.h"
#include "core/op.h"
#include "core/plan.h"
#include "util/alloc.h"
#include "util/error.h"

typedef struct work {
    gpuc_cluster *cluster;
    gpuc_op *op;           /* borrowed: it holds a reference on itself while it runs */
    gpuc__graph *graph;
    gpuc__work_kind kind;
    uint32_t flags;
    gpuc_error *error;     /* how it ended, until the loop is out of the graph */
    bool doubting;         /* its machines that were proven are proven again */
    bool fresh, begun;     /* no `up` before it has begun; it has itself */
    gpuc_plan *plan;
    bool cancelled;        /* before there was a graph */
    gpuc__task end;
} work;

static void free_work(void *data)
{
    work *w = data;

    gpuc__graph_free(w->graph);
    gpuc_plan_unref(w->plan);
    gpuc_error_unref(w->error);
    gpuc_cluster_unref(w->cluster);
    gpuc__free(w);
}

static void cancel_work(gpuc_op *op, void *data)
{
    work *w = data;

    (void)op;
    w->cancelled = true;
    if (w->graph)
        gpuc__graph_cancel(w->graph);
    else
        gpuc__provider_get(w->cluster->model->provider)->cancel(w->cluster->provider, w);
}

static const gpuc__op_class classes[] = {
    [GPUC__WORK_PLAN] = {"plan", cancel_work, free_work},
    [GPUC__WORK_UP] = {"up", cancel_work, free_work},
    [GPUC__WORK_VERIFY] = {"verify", cancel_work, free_work},
    [GPUC__WORK_DOWN] = {"down", cancel_work, free_work},
};

/* The spec and what the caller added, so that a later process finds them. */
static int keep_spec(gpuc_cluster *cluster, gpuc_error **err)
{
    char *text = gpuc_spec_to_json(cluster->spec);
    int rc = text ? gpuc__store_set(cluster->store, NULL, "spec", text, err) : gpuc__error_nomem(err);

    gpuc_free(text);
    return rc < 0 ? rc : gpuc__customs_save(cluster, err);
}

static int keep_replacements(gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        if (cluster->members[i]->replace)
            rc = gpuc__store_set(cluster->store, cluster->members[i]->name, "replace", "1", err);
    }
    return rc;
}

static int resolve_sources(gpuc_cluster *cluster, gpuc_error **err)
{
    int rc;

    if (cluster->sources_known)
        return GPUC_OK;
    rc = gpuc__sources_resolve(&cluster->sources, cluster->model->kubernetes_version,
                               cluster->model->source_bundle, err);
    cluster->sources_known = rc == GPUC_OK;
    return rc;
}

static int lock_state(gpuc_cluster *cluster, const char *what, bool create, gpuc_error **err)
{
    int rc = gpuc__cluster_open_store(cluster, create, err);

    if (rc == GPUC_OK)
        rc = gpuc__store_lock(cluster->store, what, err);
    cluster->locked = rc == GPUC_OK;
    return rc;
}

static void unlock_state(gpuc_cluster *cluster)
{
    if (cluster->locked && cluster->store)
        gpuc__store_unlock(cluster->store);
    cluster->locked = false;
}

static int see_whether_fresh(work *w, gpuc_error **err)
{
    char *spec = NULL;
    int rc = gpuc__store_get(w->cluster->store, NULL, "spec", &spec, err);

    w->fresh = rc == GPUC_OK && !spec;
    gpuc__free(spec);
    return rc;
}

/* What all kinds need before their graph can be built. Planning writes nothing. */
static int prepare(work *w, gpuc_error **err)
{
    gpuc_cluster *cluster = w->cluster;
    bool writes = w->kind != GPUC__WORK_PLAN;
    int rc = writes ? lock_state(cluster, classes[w->kind].kind, w->kind == GPUC__WORK_UP, err)
                    : GPUC_OK;

    if (rc == GPUC_OK && w->kind == GPUC__WORK_UP)
        rc = see_whether_fresh(w, err);
    if (rc == GPUC_OK)
        rc = gpuc__identity_load(cluster, w->kind == GPUC__WORK_UP, err);
    if (rc == GPUC_OK)
        rc = gpuc__cluster_open_provider(cluster, err);
    if (rc == GPUC_OK && w->kind != GPUC__WORK_DOWN)
        rc = resolve_sources(cluster, err);
    cluster->purge_driver = w->kind == GPUC__WORK_DOWN && (w->flags & GPUC_DOWN_PURGE_DRIVER);
    cluster->prove_again = w->kind == GPUC__WORK_VERIFY;
    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        gpuc__remote_forget(cluster->members[i]->remote);
        if (cluster->members[i]->has_info)
            rc = gpuc__member_connect(cluster->members[i], err);
    }
    return rc < 0 ? rc : gpuc__cluster_learned(cluster, NULL, err);
}

static int build_graph(work *w, gpuc_error **err)
{
    switch (w->kind) {
    case GPUC__WORK_VERIFY:
        return gpuc__cluster_verify_graph(&w->graph, w->cluster, err);
    case GPUC__WORK_DOWN:
        return gpuc__cluster_down_graph(&w->graph, w->cluster, w->flags, err);
    default:
        return gpuc__cluster_up_graph(&w->graph, w->cluster, w->flags, err);
    }
}

/* A proof that failed is an answer of its own, not just a step that did not work. */
static gpuc_error *name_end(gpuc_error *error)
{
    const gpuc_error *cause = error;

    while (cause && gpuc_error_code(cause) != GPUC_EPROOF)
        cause = gpuc_error_cause(cause);
    if (cause && error != cause)
        gpuc__error_wrap(&error, GPUC_EPROOF, GPUC_DOMAIN_GPU, "%s", gpuc_error_message(cause));
    return error;
}

static void add_report(work *w)
{
    gpuc_report *report = NULL;

    if (gpuc__cluster_report(&report, w->cluster, NULL) == GPUC_OK)
        gpuc__op_set_report(w->op, report);
    gpuc_report_unref(report);
}

/* Machines that left the cluster and are gone leave the state as well. */
static void forget_gone(gpuc_cluster *cluster)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        const gpuc__member *member = cluster->members[i];
        gpuc_error *error = NULL;

        if (member->model || member->has_info)
            continue;
        if (gpuc__store_forget_machine(cluster->store, member->name, &error) < 0)
            gpuc__log(cluster->context, GPUC_LOG_WARN, "state", "%s", gpuc_error_message(error));
        gpuc_error_unref(error);
    }
}

/* After the last machine: the state, and what was made from it, so that another `up` begins anew. */
static gpuc_error *leave_nothing(gpuc_cluster *cluster)
{
    gpuc_error *error = NULL;

    gpuc__cluster_drop_kube(cluster);
    gpuc__store_destroy(cluster->store, &error);
    gpuc__store_close(cluster->store); /* its database is closed either way */
    cluster->store = NULL;
    cluster->locked = false;
    gpuc__identity_clear(&cluster->identity);
    gpuc__cluster_forget_keys(cluster);
    return error;
}

static void on_doubted(void *data, gpuc_error *error)
{
    work *w = data;

    if (error)
        gpuc__log(w->cluster->context, GPUC_LOG_WARN, "proof", "%s", gpuc_error_message(error));
    gpuc_error_unref(error);
    gpuc__context_post(w->cluster->context, &w->end);
}

/* An `up` that failed on the way to a proof leaves labels that speak of an earlier one: those
 * machines are proven again, and lose the labels if they have lost a GPU. True: that is under way. */
static bool doubt(work *w)
{
    gpuc_error *error = NULL;
    gpuc__graph *graph = NULL;

    if (w->kind != GPUC__WORK_UP || w->doubting || !w->error || !w->graph ||
        gpuc_error_code(w->error) != GPUC_ESTEP || (w->flags & GPUC_UP_NO_PROOF))
        return false;
    w->doubting = true;
    if (gpuc__cluster_doubt_graph(&graph, w->cluster, w->graph, &error) == GPUC_OK && graph) {
        gpuc__graph_free(w->graph);
        w->graph = graph;
        if (gpuc__graph_run(graph, w->op, w->cluster->parallel, on_doubted, w, &error) == GPUC_OK)
            return true;
    }
    if (error)
        gpuc__log(w->cluster->context, GPUC_LOG_WARN, "proof", "%s", gpuc_error_message(error));
    gpuc_error_unref(error);
    return false;
}

/* A first `up` that was refused leaves no state. */
static void leave_unbegun(work *w)
{
    if (w->fresh && !w->begun && w->cluster->locked)
        gpuc_error_unref(leave_nothing(w->cluster));
}

/* On the loop, outside the graph: it can be let go now. */
static void finish(void *data)
{
    work *w = data;
    gpuc_error *error;
    gpuc_op *op = w->op;
    bool ran;

    if (doubt(w))
        return;
    error = w->error;
    w->error = NULL;
    ran = w->graph != NULL; /* refused beforehand: nothing has been looked at */
    gpuc__graph_free(w->graph);
    w->graph = NULL;
    if (w->plan)
        gpuc__op_set_plan(op, w->plan);
    if (w->kind == GPUC__WORK_UP && w->cluster->locked)
        forget_gone(w->cluster);
    if (ran && (w->kind == GPUC__WORK_UP || w->kind == GPUC__WORK_VERIFY))
        add_report(w);
    if (w->kind == GPUC__WORK_DOWN && !error)
        error = leave_nothing(w->cluster);
    leave_unbegun(w);
    unlock_state(w->cluster);
    w->cluster->busy = NULL;
    gpuc__op_complete(op, error ? name_end(error) : NULL);
}

static void on_run(void *data, gpuc_error *error)
{
    work *w = data;

    w->error = error;
    gpuc__context_post(w->cluster->context, &w->end);
}

static void on_plan(void *data, gpuc_plan *plan, gpuc_error *error)
{
    work *w = data;

    const gpuc__provider_ops *provider = gpuc__cluster_ops(w->cluster);

    if (plan && provider->describe)
        gpuc__plan_describe(plan, provider->describe(w->cluster->provider));
    w->plan = plan;
    w->error = error;
    gpuc__context_post(w->cluster->context, &w->end);
}

/* What was refused beforehand is not kept: `down` and others go by the spec of what there is. */
static int keep(work *w, gpuc_error **err)
{
    int rc;

    if (w->kind != GPUC__WORK_UP)
        return GPUC_OK;
    rc = keep_spec(w->cluster, err);
    return rc < 0 ? rc : keep_replacements(w->cluster, err);
}

static int launch(work *w, gpuc_error **err)
{
    int rc = build_graph(w, err);

    if (rc == GPUC_OK)
        rc = keep(w, err);
    w->begun = rc == GPUC_OK;
    if (rc < 0)
        return rc;
    if (w->kind == GPUC__WORK_PLAN)
        return gpuc__graph_plan(w->graph, w->cluster->name, on_plan, w, err);
    return gpuc__graph_run(w->graph, w->op, w->cluster->parallel, on_run, w, err);
}

static int cancelled_early(gpuc_error **err)
{
    return gpuc__error_set(err, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "cancelled before the first step");
}

/* Machines that carry the cluster's label but that neither spec nor state knows (a client was killed
 * while it made them, and the spec has changed since) are taken away as well. */
static void on_listed(void *data, const char *const *names, gpuc_error *error)
{
    work *w = data;
    int rc = error ? gpuc_error_code(error) : GPUC_OK;

    if (rc == GPUC_OK && w->cancelled)
        rc = cancelled_early(&error);
    for (; rc == GPUC_OK && names && *names; names++)
        rc = gpuc__cluster_add_stray(w->cluster, *names, &error);
    if (rc == GPUC_OK)
        rc = launch(w, &error);
    if (rc < 0)
        on_run(w, error);
}

static int list_or_launch(work *w, gpuc_error **err)
{
    if (w->kind == GPUC__WORK_VERIFY || !w->cluster->identity.uuid)
        return launch(w, err);
    gpuc__cluster_ops(w->cluster)->list(w->cluster->provider, on_listed, w);
    return GPUC_OK;
}

static void on_checked(void *data, gpuc_error *error)
{
    work *w = data;
    int rc = error ? gpuc_error_code(error) : GPUC_OK;

    if (rc == GPUC_OK && w->cancelled)
        rc = cancelled_early(&error);
    if (rc == GPUC_OK)
        rc = list_or_launch(w, &error);
    if (rc < 0)
        on_run(w, error);
}

/* A plan shows whether its machines can be made, and what they cost; an `up` asks beforehand where
 * machines cost money, and finds out elsewhere when it makes them. */
static bool wants_check(const work *w)
{
    const gpuc_cluster *cluster = w->cluster;
    const gpuc__provider_ops *provider = gpuc__cluster_ops(cluster);

    if (!provider->makes_machines || !provider->check ||
        !(w->kind == GPUC__WORK_PLAN || (w->kind == GPUC__WORK_UP && provider->describe)))
        return false;
    for (size_t i = 0; i < cluster->member_count; i++) {
        const gpuc__member *member = cluster->members[i];

        if (member->model && (!member->has_info || member->replace))
            return true;
    }
    return false;
}

static int begin(work *w, gpuc_error **err)
{
    int rc = prepare(w, err);

    if (rc < 0)
        return rc;
    if (!wants_check(w))
        return list_or_launch(w, err);
    gpuc__cluster_ops(w->cluster)->check(w->cluster->provider, on_checked, w);
    return GPUC_OK;
}

int gpuc__cluster_start(gpuc_op **out, gpuc_cluster *cluster, gpuc__work_kind kind, uint32_t flags,
                        gpuc_error **err)
{
    work *w;
    int rc;

    if (cluster->busy)
        return gpuc__error_set(err, GPUC_EBUSY, GPUC_DOMAIN_STATE,
                               "cluster %s: another operation of this program is under way",
                               cluster->name);
    if (kind == GPUC__WORK_VERIFY && !gpuc__cluster_is_up(cluster))
        return gpuc__verify_unmade_start(out, cluster, err);
    w = gpuc__calloc(1, sizeof(*w));
    if (!w)
        return gpuc__error_nomem(err);
    w->cluster = gpuc_cluster_ref(cluster);
    w->kind = kind;
    w->flags = flags;
    w->end = (gpuc__task){.fn = finish, .data = w};
    rc = gpuc__op_new(&w->op, cluster->context, &classes[kind], w, err);
    if (rc < 0) {
        free_work(w);
        return rc;
    }
    cluster->busy = w->op;
    rc = begin(w, err);
    if (rc < 0) {
        leave_unbegun(w);
        unlock_state(cluster);
        cluster->busy = NULL;
        gpuc__op_discard(w->op);
        return rc;
    }
    *out = w->op;
    return GPUC_OK;
}

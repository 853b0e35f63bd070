/* SPDX-License-Identifier: Apache-2.0 */
/* What `up` and `verify` consist of: the recipe's steps on the machines they apply to, and the way
 * out of the cluster for machines that are no longer in the spec. */
#include <string.h>

#include "cluster/action.h"
#include "cluster/provide.h"
#include "cluster/proof_record.h"
#include "util/alloc.h"
#include "util/error.h"

typedef struct builder {
    gpuc__graph *graph;
    gpuc_cluster *cluster;
    gpuc__member *first; /* first control plane */
    bool verify;         /* looks for machines, makes none */
    bool doubted_only;   /* of machines that are not in doubt there is nothing */
} builder;

static bool applies(const builder *b, const gpuc__recipe_step *step, const gpuc__member *member)
{
    return member->model && (member->doubted || !b->doubted_only) &&
           gpuc__recipe_applies(step, member->role, member == b->first,
                                                 member->gpus, gpuc__cluster_source(b->cluster));
}

/* Steps of the cluster apply when any machine of their roles is in it. */
static bool any_applies(const builder *b, const gpuc__recipe_step *step)
{
    gpuc__recipe_step as_of_machine = *step;

    as_of_machine.cluster = false;
    for (size_t i = 0; i < b->cluster->member_count; i++) {
        if (applies(b, &as_of_machine, b->cluster->members[i]))
            return true;
    }
    return false;
}

static int add_step(builder *b, const gpuc__recipe_step *step, gpuc__member *member,
                    gpuc_error **err)
{
    const char *name = member ? member->name : NULL;

    if (step->builtin && strcmp(step->builtin, "cloud.shared") == 0 &&
        !gpuc__cluster_ops(b->cluster)->make_shared)
        return GPUC_OK;
    if (step->builtin) {
        bool looks = b->verify && strcmp(step->builtin, "machine.create") == 0;

        return gpuc__action_add(b->graph, b->cluster, member, step, looks ? "machine.there" : NULL,
                                NULL, err);
    }
    return gpuc__remote_add_step(b->graph, member->remote, b->cluster->recipe, step, false,
                                 gpuc__cluster_skips(b->cluster, step->id, name), NULL, err);
}

static int add_steps(builder *b, bool (*wanted)(const gpuc__recipe_step *), gpuc_error **err)
{
    const gpuc__recipe_step *step;
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && (step = gpuc__recipe_at(b->cluster->recipe, i)); i++) {
        if (!wanted(step))
            continue;
        if (step->cluster && any_applies(b, step))
            rc = add_step(b, step, NULL, err);
        for (size_t m = 0; rc == GPUC_OK && !step->cluster && m < b->cluster->member_count; m++) {
            if (applies(b, step, b->cluster->members[m]))
                rc = add_step(b, step, b->cluster->members[m], err);
        }
    }
    return rc;
}

static int depend_on(builder *b, gpuc__node *node, const char *machine, const char *const *ids,
                     gpuc_error **err)
{
    int rc = GPUC_OK;

    for (; rc == GPUC_OK && *ids; ids++) {
        gpuc__node *before = gpuc__graph_find(b->graph, machine, *ids);

        if (before && before != node)
            rc = gpuc__graph_depend(b->graph, node, before, err);
    }
    return rc;
}

static int depend(builder *b, const gpuc__recipe_step *step, const char *machine, gpuc_error **err)
{
    gpuc__node *node = gpuc__graph_find(b->graph, machine, step->id);
    int rc = GPUC_OK;

    if (!node)
        return GPUC_OK;
    rc = depend_on(b, node, machine, step->after, err);
    if (rc == GPUC_OK && b->first)
        rc = depend_on(b, node, b->first->name, step->after_first, err);
    if (rc == GPUC_OK)
        rc = depend_on(b, node, NULL, step->after_cluster, err);
    for (size_t i = 0; rc == GPUC_OK && *step->after_all && i < b->cluster->member_count; i++)
        rc = depend_on(b, node, b->cluster->members[i]->name, step->after_all, err);
    return rc;
}

static int depend_all(builder *b, gpuc_error **err)
{
    const gpuc__recipe_step *step;
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && (step = gpuc__recipe_at(b->cluster->recipe, i)); i++) {
        if (step->cluster)
            rc = depend(b, step, NULL, err);
        for (size_t m = 0; rc == GPUC_OK && !step->cluster && m < b->cluster->member_count; m++)
            rc = depend(b, step, b->cluster->members[m]->name, err);
    }
    return rc;
}

/* A machine on its way out: its Node is drained and deleted, then the machine goes. One that is to be
 * replaced is made anew after that. */
static int add_removal(builder *b, gpuc__member *member, gpuc_error **err)
{
    gpuc__node *last = NULL, *create;
    int rc = gpuc__removal_add(b->graph, b->cluster, member, true, &last, err);

    create = gpuc__graph_find(b->graph, member->name, "machine.create");
    if (rc == GPUC_OK && create)
        rc = gpuc__graph_depend(b->graph, create, last, err);
    return rc;
}

static int add_removals(builder *b, gpuc_error **err)
{
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < b->cluster->member_count; i++) {
        gpuc__member *member = b->cluster->members[i];

        if (!member->model || member->replace)
            rc = add_removal(b, member, err);
    }
    return rc;
}

static bool is_any(const gpuc__recipe_step *step)
{
    (void)step;
    return true;
}

static bool is_before_proof(const gpuc__recipe_step *step)
{
    return !step->builtin || strcmp(step->builtin, "proof") != 0;
}

/* To prove again, machines must be there and answer; nothing else is looked at. */
static bool is_of_proof(const gpuc__recipe_step *step)
{
    return step->builtin && (strcmp(step->builtin, "proof") == 0 ||
                             strcmp(step->builtin, "machine.create") == 0 ||
                             strcmp(step->builtin, "machine.reach") == 0);
}

static int build(gpuc__graph **out, bool (*wanted)(const gpuc__recipe_step *), builder b,
                 gpuc_error **err)
{
    gpuc_cluster *cluster = b.cluster;
    int rc = gpuc__graph_new(&b.graph, cluster->context, cluster->store, err);

    b.first = gpuc__cluster_first_control_plane(cluster);
    if (rc == GPUC_OK)
        rc = add_steps(&b, wanted, err);
    if (rc == GPUC_OK)
        rc = depend_all(&b, err);
    if (rc == GPUC_OK && !b.verify)
        rc = add_removals(&b, err);
    if (rc == GPUC_OK)
        rc = gpuc__graph_check(b.graph, err);
    if (rc < 0)
        gpuc__graph_free(b.graph);
    else
        *out = b.graph;
    return rc;
}

int gpuc__cluster_up_graph(gpuc__graph **out, gpuc_cluster *cluster, uint32_t flags,
                           gpuc_error **err)
{
    for (size_t i = 0; i < cluster->member_count; i++)
        cluster->members[i]->doubted = false;
    return build(out, flags & GPUC_UP_NO_PROOF ? is_before_proof : is_any,
                 (builder){.cluster = cluster}, err);
}

int gpuc__cluster_verify_graph(gpuc__graph **out, gpuc_cluster *cluster, gpuc_error **err)
{
    return build(out, is_of_proof, (builder){.cluster = cluster, .verify = true}, err);
}

/* A machine that does not answer is no reason: nothing can be said of its GPUs then. */
static bool is_doubtful(gpuc__member *member, gpuc__graph *failed)
{
    const gpuc__node *proof = gpuc__graph_find(failed, member->name, "proof");
    const gpuc__node *culprit = proof ? gpuc__node_held_by(proof) : NULL;
    const char *where = culprit ? gpuc__node_machine(culprit) : NULL;
    char why[200];

    return where && strcmp(where, member->name) == 0 &&
           strncmp(gpuc__node_id(culprit), "machine.", 8) != 0 &&
           gpuc__proof_record_read(member, why, sizeof(why)) == GPUC__PROOF_RECORD_HOLDS;
}

int gpuc__cluster_doubt_graph(gpuc__graph **out, gpuc_cluster *cluster, gpuc__graph *failed,
                              gpuc_error **err)
{
    bool any = false;

    for (size_t i = 0; i < cluster->member_count; i++) {
        cluster->members[i]->doubted = is_doubtful(cluster->members[i], failed);
        any = any || cluster->members[i]->doubted;
    }
    *out = NULL;
    return any ? build(out, is_of_proof,
                       (builder){.cluster = cluster, .verify = true, .doubted_only = true}, err)
               : GPUC_OK;
}

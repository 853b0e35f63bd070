/* SPDX-License-Identifier: Apache-2.0 */
/* The way out: machines that were made are deleted; adopted hosts get back what they were. */
#include <string.h>

#include "cluster/action.h"
#include "cluster/provide.h"
#include "util/alloc.h"
#include "util/error.h"

static int then(gpuc__graph *graph, gpuc__node *node, gpuc__node **last, gpuc_error **err)
{
    int rc = *last ? gpuc__graph_depend(graph, node, *last, err) : GPUC_OK;

    *last = node;
    return rc;
}

static int add_action(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                      const char *builtin, const char *title, bool gate, gpuc__node **last,
                      gpuc_error **err)
{
    gpuc__step_desc desc = {
        .id = builtin, .title = title, .timeout_s = 600, .retries = 2, .backoff_s = 3, .gate = gate};
    gpuc__node *node = NULL;
    int rc;

    if (gate)
        desc.remedy = "Start the host, so that what was done on it can be undone; if it is gone for "
                      "good, let go of it: gpucluster down --let-go MACHINE.";
    rc = gpuc__action_add_desc(graph, cluster, member, &desc, builtin, &node, err);
    return rc < 0 ? rc : then(graph, node, last, err);
}

static int add_undo_step(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                         const gpuc__recipe_step *step, gpuc__node **last, gpuc_error **err)
{
    gpuc__node *node = NULL;
    int rc = gpuc__remote_add_step(graph, member->remote, cluster->recipe, step, true, false, &node,
                                   err);

    return rc < 0 ? rc : then(graph, node, last, err);
}

/* A control plane holds a member of etcd, which counts for the quorum until it has left: kubeadm takes
 * it out, as long as the Node is there, and one machine after the other. */
static int add_leave(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                     gpuc__node **last, gpuc_error **err)
{
    int rc = add_action(graph, cluster, member, "node.drain", "drained", false, last, err);

    if (rc == GPUC_OK)
        rc = add_action(graph, cluster, member, "machine.reach", "answers over SSH", true, last, err);
    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        const gpuc__member *other = cluster->members[i];
        gpuc__node *before = gpuc__graph_find(graph, other->name, "undo.kube.join");

        if (other != member && before)
            rc = gpuc__graph_depend(graph, *last, before, err);
    }
    return rc < 0 ? rc : add_undo_step(graph, cluster, member,
                                       gpuc__recipe_find(cluster->recipe, "kube.join"), last, err);
}

/* The recipe backwards, on a host that stays. */
static int add_undo(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                    gpuc__node **last, gpuc_error **err)
{
    const gpuc__recipe_step *step;
    size_t count = 0;
    int rc = GPUC_OK;

    if (!gpuc__graph_find(graph, member->name, "machine.reach"))
        rc = add_action(graph, cluster, member, "machine.reach", "answers over SSH", true, last, err);
    while (gpuc__recipe_at(cluster->recipe, count))
        count++;
    while (rc == GPUC_OK && count-- > 0) {
        step = gpuc__recipe_at(cluster->recipe, count);
        if (step->cluster || step->builtin || step->check || (step->custom[0] && !step->custom[2]))
            continue;
        if (strcmp(step->id, "kube.join") == 0 &&
            gpuc__graph_find(graph, member->name, "undo.kube.join"))
            continue; /* it has left already */
        rc = add_undo_step(graph, cluster, member, step, last, err);
    }
    return rc;
}

int gpuc__removal_add(gpuc__graph *graph, gpuc_cluster *cluster, gpuc__member *member,
                      bool from_cluster, gpuc__node **last, gpuc_error **err)
{
    bool made = gpuc__provider_get(cluster->model->provider)->makes_machines;
    bool reachable = member->has_info && !member->let_go;
    int rc = GPUC_OK;

    if (from_cluster && reachable && member->role == GPUC__ROLE_CONTROL_PLANE)
        rc = add_leave(graph, cluster, member, last, err);
    if (rc == GPUC_OK && from_cluster)
        rc = add_action(graph, cluster, member, "node.remove", "drained and out of the cluster",
                        false, last, err);
    if (rc == GPUC_OK && !made && reachable)
        rc = add_undo(graph, cluster, member, last, err);
    if (rc == GPUC_OK)
        rc = add_action(graph, cluster, member, "machine.destroy",
                        made ? "the machine is deleted" : "the host is let go", false, last, err);
    return rc;
}

/* After the last machine: what they shared. Without an identity nothing was ever made. */
static int add_clean(gpuc__graph *graph, gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc__node *clean = NULL;
    int rc;

    if (!gpuc__cluster_ops(cluster)->drop_shared || !cluster->identity.uuid)
        return GPUC_OK;
    rc = add_action(graph, cluster, NULL, "cloud.clean", "what the machines shared is gone", false,
                    &clean, err);
    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++)
        rc = gpuc__graph_depend(
            graph, clean,
            gpuc__graph_find(graph, cluster->members[i]->name, "machine.destroy"), err);
    return rc;
}

int gpuc__cluster_down_graph(gpuc__graph **out, gpuc_cluster *cluster, uint32_t flags,
                             gpuc_error **err)
{
    gpuc__graph *graph = NULL;
    int rc = gpuc__graph_new(&graph, cluster->context, cluster->store, err);

    (void)flags;
    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        gpuc__node *last = NULL;

        rc = gpuc__removal_add(graph, cluster, cluster->members[i], false, &last, err);
    }
    if (rc == GPUC_OK)
        rc = add_clean(graph, cluster, err);
    if (rc == GPUC_OK)
        rc = gpuc__graph_check(graph, err);
    if (rc < 0)
        gpuc__graph_free(graph);
    else
        *out = graph;
    return rc;
}

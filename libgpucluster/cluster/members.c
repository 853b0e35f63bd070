/* SPDX-License-Identifier: Apache-2.0 */
/* The machines of a cluster: those of the spec, and those that the state still knows. */
#include <string.h>

#include "cluster/provide.h"
#include "cluster/verify_hosts.h"
#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/suggest.h"

/* Of a machine that has left the spec the state alone knows what it was. */
static json_t *member_to_json(const gpuc__member *member)
{
    json_t *root = gpuc__machine_info_to_json(&member->info);

    json_object_set_new(root, "role", json_integer(member->role));
    json_object_set_new(root, "gpus", json_integer(member->gpus));
    return root;
}

static int member_from_json(gpuc__member *member, json_t *root, gpuc_error **err)
{
    int rc = gpuc__machine_info_from_json(&member->info, root, err);

    if (!member->model) {
        member->role = (gpuc__role)json_integer_value(json_object_get(root, "role"));
        member->gpus = (int)json_integer_value(json_object_get(root, "gpus"));
    }
    member->has_info = rc == GPUC_OK && member->info.address && member->info.user;
    return rc;
}

static int read_info(gpuc__member *member, gpuc_error **err)
{
    char *text = NULL;
    json_t *root;
    int rc = gpuc__store_get(member->cluster->store, member->name, "info", &text, err);

    if (rc < 0 || !text)
        return rc;
    root = json_loads(text, 0, NULL);
    gpuc__free(text);
    if (root)
        rc = member_from_json(member, root, err);
    json_decref(root);
    if (rc < 0)
        return rc;
    text = NULL;
    rc = gpuc__store_get(member->cluster->store, member->name, "replace", &text, err);
    member->replace = text != NULL;
    gpuc__free(text);
    return rc;
}

static int add_member(gpuc_cluster *cluster, const char *name, const gpuc__machine_model *model,
                      gpuc_error **err)
{
    gpuc__member *member = gpuc__calloc(1, sizeof(*member));
    gpuc__member **grown = gpuc__realloc(cluster->members,
                                         (cluster->member_count + 1) * sizeof(*grown));

    if (grown)
        cluster->members = grown;
    if (!member || !grown || !(member->name = gpuc__strdup(name))) {
        gpuc__free(member);
        return gpuc__error_nomem(err);
    }
    cluster->members[cluster->member_count++] = member;
    member->cluster = cluster;
    member->model = model;
    if (model) {
        member->role = model->role;
        member->gpus = model->gpus;
    }
    if (gpuc__remote_new(&member->remote, cluster->context, name, err) < 0)
        return GPUC_ENOMEM;
    return cluster->store ? read_info(member, err) : GPUC_OK;
}

static void free_member(gpuc__member *member)
{
    gpuc__remote_unref(member->remote);
    gpuc__ssh_unref(member->ssh);
    gpuc__machine_info_clear(&member->info);
    gpuc__free(member->name);
    gpuc__free(member);
}

int gpuc__cluster_load_members(gpuc_cluster *cluster, gpuc_error **err)
{
    json_t *known = NULL, *name;
    gpuc__member **old;
    size_t i, old_count;
    int rc = GPUC_OK;

    old = cluster->members;
    old_count = cluster->member_count;
    cluster->members = NULL;
    cluster->member_count = 0;
    for (i = 0; rc == GPUC_OK && i < cluster->model->machine_count; i++)
        rc = add_member(cluster, cluster->model->machines[i].name, &cluster->model->machines[i], err);
    if (rc == GPUC_OK && cluster->store)
        rc = gpuc__store_machines(cluster->store, &known, err);
    json_array_foreach(known, i, name) {
        const char *text = json_string_value(name);

        if (rc == GPUC_OK && text && text[0] && !gpuc__cluster_member(cluster, text))
            rc = add_member(cluster, text, NULL, err);
    }
    json_decref(known);
    for (i = 0; i < old_count; i++) {
        gpuc__member *member = gpuc__cluster_member(cluster, old[i]->name);

        if (member && old[i]->replace) /* a wish that no `up` has written down yet */
            member->replace = true;
        if (member)
            member->let_go = old[i]->let_go;
        free_member(old[i]);
    }
    gpuc__free(old);
    return rc;
}

int gpuc__cluster_add_stray(gpuc_cluster *cluster, const char *name, gpuc_error **err)
{
    return gpuc__cluster_member(cluster, name) ? GPUC_OK : add_member(cluster, name, NULL, err);
}

int gpuc__cluster_add_host(gpuc_cluster *cluster, const char *name, const gpuc__machine_info *info,
                           int gpus, gpuc_error **err)
{
    int rc = add_member(cluster, name, NULL, err);
    gpuc__member *member;

    if (rc < 0)
        return rc;
    member = cluster->members[cluster->member_count - 1];
    member->role = GPUC__ROLE_WORKER;
    member->gpus = gpus;
    gpuc__remote_set_foreign(member->remote);
    rc = gpuc__machine_info_copy(&member->info, info, err);
    member->has_info = rc == GPUC_OK;
    return rc;
}

void gpuc__cluster_free_members(gpuc_cluster *cluster)
{
    for (size_t i = 0; i < cluster->member_count; i++)
        free_member(cluster->members[i]);
    gpuc__free(cluster->members);
    cluster->members = NULL;
    cluster->member_count = 0;
}

gpuc__member *gpuc__cluster_member(gpuc_cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (strcmp(cluster->members[i]->name, name) == 0)
            return cluster->members[i];
    }
    return NULL;
}

gpuc__member *gpuc__cluster_first_control_plane(gpuc_cluster *cluster)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i]->role == GPUC__ROLE_CONTROL_PLANE)
            return cluster->members[i];
    }
    return NULL;
}

int gpuc__cluster_find(gpuc__member **out, gpuc_cluster *cluster, const char *name,
                       gpuc_error **err)
{
    gpuc__suggest near = gpuc__suggest_for(name);

    *out = gpuc__cluster_member(cluster, name);
    if (*out)
        return GPUC_OK;
    for (size_t i = 0; i < cluster->member_count; i++)
        gpuc__suggest_try(&near, cluster->members[i]->name);
    gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_MACHINE,
                    "cluster %s has no machine \"%.80s\"%s%s%s", cluster->name, name,
                    near.best ? "; did you mean \"" : "", near.best ? near.best : "",
                    near.best ? "\"?" : "");
    gpuc__error_remedy(err, "`gpucluster status %s` lists the machines", cluster->name);
    return GPUC_ENOTFOUND;
}

/* Committed with the record of the step that has learnt it; a run that is killed before learns it
 * again. */
static int keep_info(gpuc__member *member, gpuc_error **err)
{
    json_t *root = member_to_json(member);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    int rc = text ? gpuc__store_set_soon(member->cluster->store, member->name, "info", text, err)
                  : gpuc__error_nomem(err);

    free(text); /* jansson's own memory */
    json_decref(root);
    return rc;
}

int gpuc__member_set_info(gpuc__member *member, const gpuc__machine_info *info, gpuc_error **err)
{
    gpuc__machine_info copy;
    int rc = gpuc__machine_info_copy(&copy, info, err);
    bool moved;

    if (rc < 0) {
        gpuc__machine_info_clear(&copy);
        return rc;
    }
    moved = !member->has_info || !gpuc__machine_info_same_place(&member->info, &copy);
    gpuc__machine_info_clear(&member->info);
    member->info = copy;
    member->has_info = true;
    if (moved) {
        gpuc__ssh_unref(member->ssh);
        member->ssh = NULL;
        if (member == gpuc__cluster_first_control_plane(member->cluster))
            gpuc__cluster_drop_tunnels(member->cluster);
    }
    /* Planning has no lock and writes nothing. */
    if (member->cluster->locked)
        rc = keep_info(member, err);
    return rc < 0 ? rc : gpuc__member_connect(member, err);
}

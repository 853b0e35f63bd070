/* SPDX-License-Identifier: Apache-2.0 */
/* What the state knows, as JSON; also while another process works on the cluster. */
#include <string.h>

#include "cluster/cluster.h"
#include "cluster/proof_record.h"
#include "util/alloc.h"
#include "util/error.h"

/* Of a cloud's machines alone. */
static void set_places(json_t *machine, const gpuc__machine_info *info)
{
    if (info->zone)
        json_object_set_new(machine, "zone", json_string(info->zone));
    if (info->machine_type)
        json_object_set_new(machine, "machine_type", json_string(info->machine_type));
    if (info->internal_ip)
        json_object_set_new(machine, "internal_ip", json_string(info->internal_ip));
    if (info->external_ip)
        json_object_set_new(machine, "external_ip", json_string(info->external_ip));
}

static json_t *machine_status(gpuc__member *member)
{
    json_t *record = gpuc__proof_record_load(member);
    const char *verdict = json_string_value(json_object_get(record, "verdict"));
    json_t *machine;

    machine = json_pack(
        "{s:s, s:s, s:s?, s:i, s:s?, s:s, s:i, s:b, s:s?, s:b}", "name", member->name, "role",
        member->role == GPUC__ROLE_CONTROL_PLANE ? "control-plane" : "worker", "address",
        member->has_info ? member->info.address : NULL, "port", member->info.port, "user",
        member->info.user, "status",
        !member->model ? "leaving" : (member->has_info ? (member->info.status ? member->info.status
                                                                              : "there")
                                                       : "not made"),
        "gpus", member->gpus, "made_here", member->info.made_here, "proof",
        member->gpus ? (verdict ? verdict : "none yet") : NULL, "simulated",
        json_is_true(json_object_get(record, "simulated")));
    json_decref(record);
    set_places(machine, &member->info);
    return machine;
}

int gpuc__cluster_status_json(char **out, gpuc_cluster *cluster, gpuc_error **err)
{
    json_t *machines = json_array(), *steps = NULL, *root;
    json_t *holder = cluster->store ? gpuc__store_holder(cluster->store) : NULL;
    char *dump;
    int rc = GPUC_OK;

    /* Another process may have changed them; but the steps of an operation hold their machines. */
    if (!cluster->busy)
        rc = gpuc__cluster_load_members(cluster, err);
    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++)
        json_array_append_new(machines, machine_status(cluster->members[i]));
    if (rc == GPUC_OK && cluster->store)
        rc = gpuc__store_steps(cluster->store, &steps, err);
    root = json_pack("{s:s, s:o, s:o, s:o}", "cluster", cluster->name, "holder",
                     holder ? holder : json_null(), "machines", machines, "steps",
                     steps ? steps : json_array());
    dump = rc == GPUC_OK && root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (rc < 0)
        return rc;
    *out = gpuc__strdup(dump);
    free(dump); /* jansson's own memory */
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

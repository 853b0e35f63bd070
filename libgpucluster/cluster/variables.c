/* SPDX-License-Identifier: Apache-2.0 */
/* What the recipe's scripts are told: docs/recipe.md lists the names. Variables that are not known
 * yet are left out; a step that needs one runs after the step that finds it out. */
#include <string.h>
#include <time.h>

#include "cluster/cluster.h"
#include "gpu/driver.h"
#include "util/alloc.h"
#include "util/error.h"

static void put(json_t *variables, const char *name, const char *value)
{
    if (value && value[0])
        json_object_set_new(variables, name, json_string(value));
}

static void put_always(json_t *variables, const char *name, const char *value)
{
    json_object_set_new(variables, name, json_string(value ? value : ""));
}

static void put_number(json_t *variables, const char *name, long long value)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", value);
    json_object_set_new(variables, name, json_string(text));
}

const char *gpuc__cluster_source(const gpuc_cluster *cluster)
{
    if (cluster->model->source_bundle)
        return "bundle";
    return cluster->model->source_mirror ? "mirror" : "upstream";
}

/* Upstream's hosts are part of the paths; a mirror is put before them. */
static void put_base_url(json_t *variables, const gpuc_cluster *cluster)
{
    const char *mirror = cluster->model->source_mirror;
    char url[2048];
    size_t n = mirror ? strlen(mirror) : 0;

    if (!mirror)
        return;
    snprintf(url, sizeof(url), "%s%s", mirror, mirror[n - 1] == '/' ? "" : "/");
    put(variables, "GPUC_BASE_URL", url);
}

static void put_network(json_t *variables, gpuc__member *member)
{
    gpuc__member *first = gpuc__cluster_first_control_plane(member->cluster);
    const gpuc__facts *own = gpuc__remote_last_facts(member->remote);
    const gpuc__facts *facts = first ? gpuc__remote_last_facts(first->remote) : NULL;
    char text[600];

    put(variables, "GPUC_NODE_IP", own ? own->address : NULL);
    if (!facts || !facts->address[0])
        return;
    snprintf(text, sizeof(text), "%s:6443", facts->address);
    put(variables, "GPUC_ENDPOINT", text);
    snprintf(text, sizeof(text), "127.0.0.1 localhost %s %s", facts->address,
             first->has_info ? first->info.address : "");
    put(variables, "GPUC_CERT_SANS", text);
}

static void put_secrets(json_t *variables, const gpuc__identity *identity)
{
    put(variables, "GPUC_CA_CERT", identity->ca_cert);
    put(variables, "GPUC_CA_KEY", identity->ca_key);
    put(variables, "GPUC_CA_HASH", identity->ca_hash);
    put(variables, "GPUC_TOKEN", identity->token);
    put(variables, "GPUC_CERTIFICATE_KEY", identity->certificate_key);
}

/* The driver that the machine's GPUs need, once they are known. */
static int put_driver(json_t *variables, gpuc__member *member, gpuc_error **err)
{
    const gpuc__facts *facts = gpuc__remote_last_facts(member->remote);
    gpuc__driver_choice choice = {0};
    char branch[16] = "none";
    int rc;

    put_number(variables, "GPUC_PURGE_DRIVER", member->cluster->purge_driver);
    if (!facts || !member->gpus)
        return GPUC_OK;
    rc = gpuc__driver_choose(&choice, facts->gpu_devices, facts->gpu_count,
                             member->cluster->model->gpu_driver, err);
    if (rc < 0)
        return rc;
    if (choice.install)
        snprintf(branch, sizeof(branch), "%d", choice.branch);
    put(variables, "GPUC_GPU_DRIVER", branch);
    put_number(variables, "GPUC_GPU_OPEN", choice.open);
    gpuc__driver_choice_clear(&choice);
    return GPUC_OK;
}

json_t *gpuc__member_variables(gpuc__member *member, gpuc_error **err)
{
    gpuc_cluster *cluster = member->cluster;
    json_t *v = json_object();

    if (!v) {
        gpuc__error_nomem(err);
        return NULL;
    }
    put(v, "GPUC_CLUSTER", cluster->name);
    put_always(v, "GPUC_CLUSTER_ID", cluster->identity.uuid);
    put(v, "GPUC_MACHINE", member->name);
    put(v, "GPUC_ROLE", member->role == GPUC__ROLE_CONTROL_PLANE ? "control-plane" : "worker");
    put_number(v, "GPUC_GPUS", member->gpus);
    put(v, "GPUC_SOURCE", gpuc__cluster_source(cluster));
    put_base_url(v, cluster);
    put_always(v, "GPUC_FILES", cluster->sources.files);
    put(v, "GPUC_K8S_VERSION", cluster->sources.kubernetes);
    put(v, "GPUC_CONTAINERD_MIN", cluster->sources.containerd_min);
    put(v, "GPUC_POD_SUBNET", cluster->model->pod_subnet);
    put(v, "GPUC_SERVICE_SUBNET", cluster->model->service_subnet);
    put_number(v, "GPUC_TIME", (long long)time(NULL));
    put_number(v, "GPUC_CONTAINERS", cluster->model->provider == GPUC__PROVIDER_LOCAL);
    put_number(v, "GPUC_STARTUP_TAINT", cluster->model->startup_taint);
    put_network(v, member);
    put_secrets(v, &cluster->identity);
    if (put_driver(v, member, err) < 0) {
        json_decref(v);
        return NULL;
    }
    return v;
}

static int tell(gpuc__member *member, gpuc_error **err)
{
    json_t *variables = gpuc__member_variables(member, err);
    int rc = variables ? gpuc__remote_set_variables(member->remote, variables, err)
                       : GPUC_EINVAL; /* *err says why */

    json_decref(variables);
    return rc;
}

int gpuc__cluster_learned(gpuc_cluster *cluster, gpuc__member *member, gpuc_error **err)
{
    int rc = GPUC_OK;

    if (member && member != gpuc__cluster_first_control_plane(cluster))
        return tell(member, err);
    /* The first control plane's address concerns them all. What another machine cannot be told, such
     * as the driver of a GPU that has none, is said when that machine is reached. */
    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        gpuc_error *error = NULL;
        bool fatal = tell(cluster->members[i], &error) < 0 &&
                     (cluster->members[i] == member || gpuc_error_code(error) == GPUC_ENOMEM);

        if (fatal)
            rc = gpuc_error_code(error);
        if (fatal && err && !*err)
            *err = gpuc_error_ref(error);
        gpuc_error_unref(error);
    }
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a cluster: its spec, its state, what the caller adds to the recipe. */
#include <string.h>

#include "cluster/provide.h"
#include "cluster/others.h"
#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

int gpuc__cluster_open_store(gpuc_cluster *cluster, bool create, gpuc_error **err)
{
    char *warning = NULL;
    int rc;

    if (cluster->store)
        return GPUC_OK;
    rc = gpuc__store_open(&cluster->store, cluster->state_dir, cluster->name, create, &warning, err);
    if (warning)
        gpuc__log(cluster->context, GPUC_LOG_WARN, "state", "%s", warning);
    gpuc__free(warning);
    return rc;
}

/* Opens the state if there is one; none yet is fine when a spec is given. */
static int open_existing(gpuc_cluster *cluster, bool needed, gpuc_error **err)
{
    gpuc_error *error = NULL;
    int rc = gpuc__cluster_open_store(cluster, false, &error);

    if (rc == GPUC_ENOTFOUND && !needed) {
        gpuc_error_unref(error);
        return GPUC_OK;
    }
    if (rc < 0 && err)
        *err = error;
    else
        gpuc_error_unref(error);
    return rc;
}

/* The spec of the last `up`, as it was kept: with absolute paths. */
static int load_spec(gpuc_cluster *cluster, gpuc_error **err)
{
    char *text = NULL, *file;
    int rc = gpuc__store_get(cluster->store, NULL, "spec", &text, err);

    if (rc == GPUC_OK && !text)
        rc = gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_STATE,
                             "cluster %s: no spec was kept; its first `up` did not begin",
                             cluster->name);
    if (rc < 0)
        return rc;
    file = gpuc__asprintf("the spec kept of cluster %s", cluster->name);
    rc = gpuc_spec_parse(&cluster->spec, text, strlen(text), file, err);
    gpuc__free(text);
    gpuc__free(file);
    return rc;
}

static int build_model(gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = gpuc__spec_model_new(&cluster->model, cluster->spec, err);

    if (rc == GPUC_OK && !(cluster->limits = json_deep_copy(cluster->model->checks)))
        rc = gpuc__error_nomem(err);
    return rc;
}

static int fill(gpuc_cluster *cluster, const gpuc_spec *spec, const char *name, gpuc_error **err)
{
    int rc = GPUC_OK;

    cluster->name = gpuc__strdup(spec ? gpuc_spec_name(spec) : name);
    if (!cluster->name)
        return gpuc__error_nomem(err);
    if (spec)
        cluster->spec = gpuc_spec_ref((gpuc_spec *)spec);
    rc = open_existing(cluster, !spec, err);
    if (rc == GPUC_OK && !spec)
        rc = load_spec(cluster, err);
    if (rc == GPUC_OK)
        rc = build_model(cluster, err);
    if (rc == GPUC_OK && !gpuc__provider_get(cluster->model->provider))
        rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_PROVIDER,
                             "this build has no provider of that kind");
    if (rc == GPUC_OK && gpuc__cluster_ops(cluster)->settle)
        rc = gpuc__cluster_ops(cluster)->settle(cluster->model, err);
    if (rc == GPUC_OK)
        rc = gpuc__recipe_new(&cluster->recipe, err);
    if (rc == GPUC_OK)
        rc = gpuc__customs_load(cluster, err);
    if (rc == GPUC_OK)
        rc = gpuc__cluster_load_members(cluster, err);
    return rc;
}

/* The context's reference goes with the burial. */
static void cluster_free(void *data)
{
    gpuc_cluster *cluster = data;

    gpuc__cluster_drop_kube(cluster);
    gpuc__cluster_free_members(cluster);
    gpuc__ssh_unref(cluster->jump);
    gpuc__cluster_forget_keys(cluster);
    if (cluster->provider)
        gpuc__provider_get(cluster->model->provider)->free(cluster->provider);
    gpuc__recipe_unref(cluster->recipe);
    gpuc__sources_clear(&cluster->sources);
    json_decref(cluster->customs);
    json_decref(cluster->skips);
    json_decref(cluster->limits);
    gpuc__rules_unref(cluster->rules);
    gpuc__identity_clear(&cluster->identity);
    gpuc__store_close(cluster->store);
    gpuc__spec_model_free(cluster->model);
    gpuc_spec_unref(cluster->spec);
    gpuc__free(cluster->name);
    gpuc__free(cluster->state_dir);
    gpuc__free(cluster);
}

int gpuc__cluster_new(gpuc_cluster **out, gpuc_context *context, const gpuc_spec *spec,
                      const char *name, const char *state_dir, uint32_t parallel, gpuc_error **err)
{
    gpuc_cluster *cluster = gpuc__calloc(1, sizeof(*cluster));
    int rc;

    if (!cluster)
        return gpuc__error_nomem(err);
    atomic_init(&cluster->refs, 1);
    cluster->bury = (gpuc__task){.fn = cluster_free, .data = cluster};
    cluster->context = gpuc_context_ref(context);
    cluster->parallel = parallel ? parallel : 64;
    cluster->skips = json_array();
    cluster->customs = json_array();
    cluster->state_dir = gpuc__strdup(state_dir);
    if (!cluster->skips || !cluster->customs || (state_dir && !cluster->state_dir))
        rc = gpuc__error_nomem(err);
    else
        rc = fill(cluster, spec, name, err);
    if (rc < 0)
        gpuc_cluster_unref(cluster);
    else
        *out = cluster;
    return rc;
}

/* Only what connections need: no spec, no state, no recipe. */
int gpuc__cluster_bare(gpuc_cluster **out, gpuc_context *context, const char *name,
                       gpuc__spec_model *model, uint32_t parallel, gpuc_error **err)
{
    gpuc_cluster *cluster = gpuc__calloc(1, sizeof(*cluster));

    if (!cluster) {
        gpuc__spec_model_free(model);
        return gpuc__error_nomem(err);
    }
    atomic_init(&cluster->refs, 1);
    cluster->bury = (gpuc__task){.fn = cluster_free, .data = cluster};
    cluster->context = gpuc_context_ref(context);
    cluster->model = model;
    cluster->parallel = parallel;
    cluster->name = gpuc__strdup(name);
    if (!cluster->name) {
        gpuc_cluster_unref(cluster);
        return gpuc__error_nomem(err);
    }
    *out = cluster;
    return GPUC_OK;
}

gpuc_cluster *gpuc_cluster_ref(gpuc_cluster *cluster)
{
    atomic_fetch_add(&cluster->refs, 1);
    return cluster;
}

gpuc_cluster *gpuc_cluster_unref(gpuc_cluster *cluster)
{
    if (cluster && atomic_fetch_sub(&cluster->refs, 1) == 1)
        gpuc__context_bury(cluster->context, &cluster->bury);
    return NULL;
}

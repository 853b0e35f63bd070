/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster gives its provider: its identity, its key, and a place to write things down. */
#include <string.h>

#include "cluster/provide.h"
#include "util/alloc.h"
#include "util/error.h"

#define KEY_MAX 200

static int journal_key(char out[KEY_MAX], const char *key, gpuc_error **err)
{
    int length = snprintf(out, KEY_MAX, "provider.%s", key);

    if (length >= KEY_MAX)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_PROVIDER,
                               "the provider's key \"%.40s…\" is too long", key);
    return GPUC_OK;
}

typedef int (*store_fn)(gpuc__store *store, const char *machine, const char *key, const char *value,
                        gpuc_error **err);

static int journal_write(gpuc_cluster *cluster, store_fn write, const char *machine,
                         const char *key, const char *value, gpuc_error **err)
{
    char name[KEY_MAX];
    int rc;

    if (!cluster->locked || !cluster->store)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_STATE,
                               "cluster %s: its state is not held for writing; nothing may be made "
                               "now",
                               cluster->name);
    rc = journal_key(name, key, err);
    return rc < 0 ? rc : write(cluster->store, machine, name, value, err);
}

static int journal_set(void *data, const char *machine, const char *key, const char *value,
                       gpuc_error **err)
{
    return journal_write(data, gpuc__store_set, machine, key, value, err);
}

static int journal_set_soon(void *data, const char *machine, const char *key, const char *value,
                            gpuc_error **err)
{
    return journal_write(data, gpuc__store_set_soon, machine, key, value, err);
}

static int journal_get(void *data, const char *machine, const char *key, char **out,
                       gpuc_error **err)
{
    gpuc_cluster *cluster = data;
    char name[KEY_MAX];
    int rc = journal_key(name, key, err);

    if (rc == GPUC_OK && !cluster->store)
        *out = NULL;
    else if (rc == GPUC_OK)
        rc = gpuc__store_get(cluster->store, machine, name, out, err);
    return rc;
}

gpuc__journal gpuc__cluster_journal(gpuc_cluster *cluster)
{
    return (gpuc__journal){journal_set, journal_get, cluster, journal_set_soon};
}

const gpuc__provider_ops *gpuc__cluster_ops(const gpuc_cluster *cluster)
{
    return gpuc__provider_get(cluster->model->provider);
}

/* Its tunnels end with it: what goes through them connects again at its next use. */
static void drop_provider(gpuc_cluster *cluster)
{
    bool any = false;

    for (size_t i = 0; i < cluster->member_count; i++) {
        gpuc__member *member = cluster->members[i];

        if (member->has_info && member->info.tunnelled && member->ssh)
            gpuc__ssh_shut(member->ssh);
        any = any || member->info.tunnelled;
    }
    if (any)
        gpuc__cluster_drop_tunnels(cluster);
    if (cluster->provider)
        gpuc__cluster_ops(cluster)->free(cluster->provider);
    cluster->provider = NULL;
}

int gpuc__cluster_open_provider(gpuc_cluster *cluster, gpuc_error **err)
{
    const gpuc__provider_ops *ops = gpuc__cluster_ops(cluster);
    gpuc__ssh_key *key = NULL;
    gpuc__provider_config config = {
        .context = cluster->context,
        .spec = cluster->model,
        .cluster_uuid = cluster->identity.uuid ? cluster->identity.uuid : "",
        .journal = gpuc__cluster_journal(cluster),
    };
    int rc = GPUC_OK;

    drop_provider(cluster);
    if (cluster->model->ssh_identity)
        rc = gpuc__cluster_key(&key, cluster, cluster->model->ssh_identity, err);
    config.ssh_public_key = key ? gpuc__ssh_key_public(key) : cluster->identity.ssh_public;
    return rc < 0 ? rc : ops->new_(&cluster->provider, &config, err);
}

int gpuc__cluster_open_way(void *data, const char *machine, int port, int *fd, gpuc_error **err)
{
    gpuc_cluster *cluster = data;
    const gpuc__provider_ops *ops = gpuc__cluster_ops(cluster);
    int rc = GPUC_OK;

    if (!ops->tunnel)
        return gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_PROVIDER,
                               "machine %s has no address of its own, and provider %s has no other "
                               "way to it",
                               machine, ops->kind);
    if (!cluster->provider)
        rc = gpuc__cluster_open_provider(cluster, err);
    return rc < 0 ? rc : ops->tunnel(cluster->provider, machine, port, fd, err);
}

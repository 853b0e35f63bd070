/* SPDX-License-Identifier: Apache-2.0 */
/* SSH connections of the machines: which keys, which host keys, which way. */
#include <string.h>

#include "cluster/provide.h"
#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

/* The environment variable's value; an error when it is named but not set. */
static int from_environment(const char **out, const char *variable, const char *what,
                            gpuc_error **err)
{
    *out = NULL;
    if (!variable)
        return GPUC_OK;
    *out = getenv(variable);
    if (*out)
        return GPUC_OK;
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SPEC,
                    "the spec takes %s from the environment variable %s, which is not set", what,
                    variable);
    gpuc__error_remedy(err, "export %s before the command", variable);
    return GPUC_EINVAL;
}

static int remember_key(gpuc_cluster *cluster, const char *path, gpuc__ssh_key *key, gpuc_error **err)
{
    size_t n = cluster->key_count + 1;
    gpuc__ssh_key **keys = gpuc__realloc(cluster->keys, n * sizeof(*keys));
    char **paths;

    if (keys)
        cluster->keys = keys;
    paths = gpuc__realloc(cluster->key_paths, n * sizeof(*paths));
    if (paths)
        cluster->key_paths = paths;
    if (!keys || !paths || !(paths[n - 1] = gpuc__strdup(path))) {
        gpuc__ssh_key_unref(key);
        return gpuc__error_nomem(err);
    }
    keys[n - 1] = key;
    cluster->key_count = n;
    return GPUC_OK;
}

void gpuc__cluster_forget_keys(gpuc_cluster *cluster)
{
    for (size_t i = 0; i < cluster->key_count; i++) {
        gpuc__ssh_key_unref(cluster->keys[i]);
        gpuc__free(cluster->key_paths[i]);
    }
    gpuc__free(cluster->keys);
    gpuc__free(cluster->key_paths);
    cluster->keys = NULL;
    cluster->key_paths = NULL;
    cluster->key_count = 0;
}

/* The key at path (NULL: the cluster's own), parsed at most once. */
int gpuc__cluster_key(gpuc__ssh_key **out, gpuc_cluster *cluster, const char *path,
                      gpuc_error **err)
{
    const char *name = path ? path : "", *passphrase;
    gpuc__ssh_key *key = NULL;
    int rc;

    for (size_t i = 0; i < cluster->key_count; i++) {
        if (strcmp(cluster->key_paths[i], name) == 0) {
            *out = cluster->keys[i];
            return GPUC_OK;
        }
    }
    rc = from_environment(&passphrase, cluster->model->ssh_passphrase_env, "the key's passphrase",
                          err);
    if (rc == GPUC_OK && path)
        rc = gpuc__ssh_key_load(&key, path, passphrase, err);
    else if (rc == GPUC_OK)
        rc = gpuc__ssh_key_parse(&key, cluster->identity.ssh_private,
                                 strlen(cluster->identity.ssh_private), NULL, "the cluster's key",
                                 err);
    if (rc == GPUC_OK)
        rc = remember_key(cluster, name, key, err);
    if (rc == GPUC_OK)
        *out = key;
    return rc;
}

/* Fills what all connections of the cluster have in common. */
static int base_config(gpuc__ssh_config *config, gpuc_cluster *cluster, const char *identity,
                       gpuc__ssh_key **key, gpuc_error **err)
{
    int rc = GPUC_OK;

    memset(config, 0, sizeof(*config));
    config->agent = cluster->model->ssh_agent;
    config->known_hosts = cluster->model->ssh_known_hosts;
    config->trust_first_use = cluster->model->ssh_trust_first_use;
    if (identity || cluster->identity.ssh_private)
        rc = gpuc__cluster_key(key, cluster, identity, err);
    if (rc == GPUC_OK && *key) {
        config->keys = key;
        config->key_count = 1;
    }
    return rc;
}

int gpuc__jump_split(const char *text, char **user, char **host, int *port)
{
    const char *at = strrchr(text, '@'), *start = at ? at + 1 : text, *end, *colon;

    if (*start == '[' && (end = strchr(start, ']'))) {
        start++;
        colon = end + 1;
    } else {
        end = colon = start + strcspn(start, ":");
        if (*colon && strchr(colon + 1, ':')) /* a bare IPv6 address */
            end = colon = start + strlen(start);
    }
    *port = *colon == ':' ? (int)strtol(colon + 1, NULL, 10) : 22;
    *user = at ? gpuc__strndup(text, (size_t)(at - text)) : NULL;
    *host = gpuc__strndup(start, (size_t)(end - start));
    return *host && (!at || *user) ? GPUC_OK : GPUC_ENOMEM;
}

static int open_jump(gpuc_cluster *cluster, gpuc_error **err)
{
    char *user = NULL, *host = NULL;
    gpuc__ssh_key *key = NULL;
    gpuc__ssh_config config;
    int port, rc;

    if (cluster->jump || !cluster->model->ssh_jump)
        return GPUC_OK;
    rc = base_config(&config, cluster, cluster->model->ssh_identity, &key, err);
    if (rc == GPUC_OK && gpuc__jump_split(cluster->model->ssh_jump, &user, &host, &port) < 0)
        rc = gpuc__error_nomem(err);
    if (rc == GPUC_OK) {
        config.machine = "jump host";
        config.host = host;
        config.port = port;
        config.user = user ? user : cluster->model->ssh_user;
        config.host_keys = (const char *const *)cluster->model->ssh_jump_host_keys;
        rc = gpuc__ssh_new(&cluster->jump, cluster->context, &config, err);
    }
    gpuc__free(user);
    gpuc__free(host);
    return rc;
}

/* A connection of its own to the machine. */
int gpuc__member_open_ssh(gpuc__ssh **out, gpuc__member *member, gpuc_error **err)
{
    gpuc_cluster *cluster = member->cluster;
    const char *identity = member->model ? member->model->identity : cluster->model->ssh_identity;
    gpuc__ssh_key *key = NULL;
    gpuc__ssh_config config;
    int rc = open_jump(cluster, err);

    if (rc == GPUC_OK)
        rc = base_config(&config, cluster, identity, &key, err);
    if (rc < 0)
        return rc;
    config.machine = member->name;
    config.host = member->info.address;
    config.port = member->info.port;
    config.user = member->info.user;
    config.host_keys = (const char *const *)member->info.host_keys;
    config.jump = cluster->jump;
    config.connect_timeout_ms = (int)cluster->connect_timeout_s * 1000;
    if (member->info.tunnelled && !cluster->jump) {
        config.open_way = gpuc__cluster_open_way;
        config.way_data = cluster;
    }
    return gpuc__ssh_new(out, cluster->context, &config, err);
}

int gpuc__member_connect(gpuc__member *member, gpuc_error **err)
{
    const char *password;
    int rc = GPUC_OK;

    if (!member->has_info)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_MACHINE,
                               "machine %s has no address yet", member->name);
    if (!member->ssh)
        rc = gpuc__member_open_ssh(&member->ssh, member, err);
    if (rc == GPUC_OK)
        rc = from_environment(&password, member->cluster->model->ssh_sudo_password_env,
                              "sudo's password", err);
    if (rc == GPUC_OK && password)
        rc = gpuc__context_add_secret(member->cluster->context, password, err);
    if (rc == GPUC_OK && password)
        rc = gpuc__remote_set_sudo_password(member->remote, password, err);
    if (rc == GPUC_OK)
        gpuc__remote_set_ssh(member->remote, member->ssh);
    return rc;
}

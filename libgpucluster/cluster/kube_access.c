/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the API server: through an SSH connection of its own to the first control plane, so that
 * only port 22 need be open; and what others are given to reach it. */
#include <string.h>

#include "cluster/cluster.h"
#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define API_PORT 6443

/* data: the context, which lives as long as the connection. A tunnel must hold no reference on the
 * cluster: pooled connections keep tunnels open for as long as the cluster lives. */
static void on_tunnel_end(void *data, gpuc_error *error)
{
    /* The HTTP side sees the end of its descriptor and says what it was doing. */
    if (error)
        gpuc__log(data, GPUC_LOG_DEBUG, "kube", "tunnel: %s", gpuc_error_message(error));
    gpuc_error_unref(error);
}

int gpuc__cluster_open_tunnel(gpuc_cluster *cluster, int *fd, gpuc_error **err)
{
    gpuc__member *first = gpuc__cluster_first_control_plane(cluster);
    int rc = GPUC_OK;

    if (!first || !first->has_info)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_KUBERNETES,
                               "cluster %s has no control plane yet; run `gpucluster up` first",
                               cluster->name);
    if (!cluster->api_ssh)
        rc = gpuc__member_open_ssh(&cluster->api_ssh, first, err);
    if (rc < 0)
        return rc;
    if (!gpuc__ssh_tunnel(cluster->api_ssh, "127.0.0.1", API_PORT, fd, on_tunnel_end,
                          cluster->context))
        return gpuc__error_nomem(err);
    return GPUC_OK;
}

static int connect_tunnel(void *data)
{
    gpuc_cluster *cluster = data;
    gpuc_error *error = NULL;
    int fd = -1;

    if (gpuc__cluster_open_tunnel(cluster, &fd, &error) < 0) {
        gpuc__log(cluster->context, GPUC_LOG_WARN, "kube", "%s", gpuc_error_message(error));
        gpuc_error_unref(error);
        return -1;
    }
    return fd;
}

int gpuc__cluster_kube(gpuc__kube **out, gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc__member *first = gpuc__cluster_first_control_plane(cluster);
    char server[128];
    int rc = GPUC_OK;

    if (!cluster->identity.uuid || !cluster->identity.ca_cert || !cluster->identity.admin_key)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_KUBERNETES,
                               "cluster %s is not up yet; run `gpucluster up` first", cluster->name);
    if (!cluster->kube) {
        /* A host name that is this cluster's alone: pooled connections never cross clusters. */
        gpuc__kubeconfig config = {
            .context = cluster->name,
            .server = server,
            .ca_pem = cluster->identity.ca_cert,
            .cert_pem = cluster->identity.admin_cert,
            .key_pem = cluster->identity.admin_key,
            .tls_server_name = (char *)"kubernetes",
        };

        snprintf(server, sizeof(server), "https://%s.gpucluster.internal:%d", cluster->identity.uuid,
                 API_PORT);
        rc = gpuc__kube_open(&cluster->kube, cluster->context, &config, connect_tunnel, cluster,
                             first ? first->name : NULL, err);
    }
    if (rc == GPUC_OK)
        *out = cluster->kube;
    return rc;
}

bool gpuc__cluster_is_up(gpuc_cluster *cluster)
{
    char *up = NULL;
    bool is_up;

    if (cluster->store)
        gpuc__store_get(cluster->store, NULL, "up", &up, NULL);
    is_up = up != NULL;
    gpuc__free(up);
    return is_up;
}

int gpuc__cluster_set_up(gpuc_cluster *cluster, gpuc_error **err)
{
    if (!cluster->locked || gpuc__cluster_is_up(cluster))
        return GPUC_OK;
    return gpuc__store_set(cluster->store, NULL, "up", "1", err);
}

void gpuc__cluster_drop_kube(gpuc_cluster *cluster)
{
    gpuc__kube_unref(cluster->kube);
    cluster->kube = NULL;
    gpuc__cluster_drop_tunnels(cluster);
}

void gpuc__cluster_drop_tunnels(gpuc_cluster *cluster)
{
    gpuc__ssh *ssh = cluster->api_ssh;

    cluster->api_ssh = NULL;
    if (ssh)
        gpuc__ssh_shut(ssh);
    gpuc__ssh_unref(ssh);
}

/* The control plane's own address as the nodes know it; it is in the certificate. */
static int own_server(char *out, size_t size, gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc__member *first = gpuc__cluster_first_control_plane(cluster);

    if (!first || !first->has_info || !cluster->identity.admin_key)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_KUBERNETES,
                               "cluster %s is not up yet; run `gpucluster up` first", cluster->name);
    snprintf(out, size, strchr(first->info.address, ':') ? "https://[%s]:%d" : "https://%s:%d",
             first->info.address, API_PORT);
    return GPUC_OK;
}

int gpuc__cluster_write_kubeconfig(char **out, gpuc_cluster *cluster, const char *server,
                                   gpuc_error **err)
{
    char own[600];
    int rc = GPUC_OK;

    if (!cluster->identity.uuid)
        rc = gpuc__identity_load(cluster, false, err);
    if (rc == GPUC_OK)
        rc = own_server(own, sizeof(own), cluster, err);
    if (rc == GPUC_OK) {
        gpuc__kubeconfig config = {
            .context = cluster->name,
            .server = server ? (char *)server : own,
            .ca_pem = cluster->identity.ca_cert,
            .cert_pem = cluster->identity.admin_cert,
            .key_pem = cluster->identity.admin_key,
            /* Another address is a way to the same server, whose certificate does not name it. */
            .tls_server_name = server ? (char *)"kubernetes" : NULL,
        };

        rc = gpuc__kubeconfig_write(out, &config, err);
    }
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/access.h: arguments checked, the core called. */
#include "cluster/access.h"

#include <string.h>

#include "kube/kubeconfig.h"
#include "util/error.h"

int gpuc_cluster_kubeconfig(char **out, gpuc_cluster *cluster, const char *server, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster);
    if (server && !server[0])
        server = NULL; /* languages without a null string */
    return gpuc__cluster_write_kubeconfig(out, cluster, server, err);
}

int gpuc_cluster_proxy_start(gpuc_op **out, gpuc_cluster *cluster, int port, int *bound,
                             gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && bound);
    GPUC__CHECK_ARG(err, port >= 0 && port <= 65535);
    return gpuc__proxy_start(out, cluster, port, bound, err);
}

int gpuc_cluster_exec_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine,
                            const char *command, gpuc_output_fn output, void *userdata,
                            uint32_t timeout_s, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && machine && command);
    GPUC__CHECK_ARG(err, timeout_s <= 7 * 24 * 3600);
    return gpuc__exec_start(out, cluster, machine, command, output, userdata, timeout_s, err);
}

int gpuc_cluster_copy_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine,
                            const char *local, const char *remote, int to_machine, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && machine && local && remote && local[0] && remote[0]);
    return gpuc__copy_start(out, cluster, machine, local, remote, to_machine != 0, err);
}

int gpuc_cluster_shell_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine,
                             const char *command, int fd_in, int fd_out, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && machine && fd_in >= 0 && fd_out >= 0);
    if (command && !command[0])
        command = NULL; /* languages without a null string */
    return gpuc__shell_start(out, cluster, machine, command, fd_in, fd_out, err);
}

int gpuc_kubeconfig_merge(char **out, const char *existing, const char *addition, gpuc_error **err)
{
    gpuc__kubeconfig config = {0};
    int rc;

    GPUC__CHECK_ARG(err, out && addition);
    existing = existing ? existing : "";
    rc = gpuc__kubeconfig_parse(&config, addition, strlen(addition), "addition", NULL, err);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_merge(out, existing, strlen(existing), "existing", &config, false, err);
    gpuc__kubeconfig_clear(&config);
    return rc;
}

int gpuc_kubeconfig_store(char **out, const char *paths, const char *addition, int set_current,
                          gpuc_error **err)
{
    gpuc__kubeconfig config = {0};
    int rc;

    GPUC__CHECK_ARG(err, out && addition);
    rc = gpuc__kubeconfig_parse(&config, addition, strlen(addition), "addition", NULL, err);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_store(out, paths, &config, set_current != 0, err);
    gpuc__kubeconfig_clear(&config);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Access to a cluster's machines and API server, outside any step graph. The public functions of
 * gpucluster/access.h describe them. */
#ifndef GPUC__CLUSTER_ACCESS_H
#define GPUC__CLUSTER_ACCESS_H
#include "cluster/cluster.h"

/* access.c */
int gpuc__exec_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine, const char *command,
                     gpuc_output_fn output, void *userdata, uint32_t timeout_s, gpuc_error **err);
int gpuc__copy_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine, const char *local,
                     const char *remote, bool to_machine, gpuc_error **err);
int gpuc__shell_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine, const char *command,
                      int fd_in, int fd_out, gpuc_error **err);
/* proxy.c. Ends only by cancel. GPUC_EIO: the port is taken. */
int gpuc__proxy_start(gpuc_op **out, gpuc_cluster *cluster, int port, int *bound, gpuc_error **err);
#endif

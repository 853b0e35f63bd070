/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster and its provider. */
#ifndef GPUC__CLUSTER_PROVIDE_H
#define GPUC__CLUSTER_PROVIDE_H
#include "cluster/cluster.h"

const gpuc__provider_ops *gpuc__cluster_ops(const gpuc_cluster *cluster);
/* Makes it, anew if there is one: a plan before the first `up` had no identity to give it. */
int gpuc__cluster_open_provider(gpuc_cluster *cluster, gpuc_error **err);
/* In the state, under keys that begin with "provider."; writable while the state is locked. */
gpuc__journal gpuc__cluster_journal(gpuc_cluster *cluster);
/* data: the cluster. A stream to a machine that only the provider can reach (transport/ssh.h). */
int gpuc__cluster_open_way(void *data, const char *machine, int port, int *fd, gpuc_error **err);

/* info.c: what a provider said of a machine, as the state keeps it. */
json_t *gpuc__machine_info_to_json(const gpuc__machine_info *info);
/* *out is empty before. GPUC_ENOMEM leaves it to be cleared. */
int gpuc__machine_info_from_json(gpuc__machine_info *out, json_t *root, gpuc_error **err);
int gpuc__machine_info_copy(gpuc__machine_info *out, const gpuc__machine_info *from,
                            gpuc_error **err);
/* Whether a connection made with the one serves for the other. */
bool gpuc__machine_info_same_place(const gpuc__machine_info *a, const gpuc__machine_info *b);
#endif

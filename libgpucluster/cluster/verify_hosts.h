/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of machines as hosts, over SSH alone: nothing is installed, changed or kept. */
#ifndef GPUC__VERIFY_HOSTS_H
#define GPUC__VERIFY_HOSTS_H
#include "cluster/cluster.h"

/* Looks at every machine of the cluster whose GPUs are declared (gpus > 0) or not known (-1), and
 * whose address is known. The operation's report has them all: one that cannot be reached is a
 * machine that failed. It ends with GPUC_EPROOF when one failed. The errors are those of
 * gpuc_verification_start. */
int gpuc__verify_hosts_start(gpuc_op **out, gpuc_cluster *cluster, gpuc_error **err);
/* The same for a cluster that is not up: of its spec's hosts, or of the machines that it has so far.
 * GPUC_ESTATE: it has none. */
int gpuc__verify_unmade_start(gpuc_op **out, gpuc_cluster *cluster, gpuc_error **err);

/* members.c. gpus: expected; -1: not known. */
int gpuc__cluster_add_host(gpuc_cluster *cluster, const char *name, const gpuc__machine_info *info,
                           int gpus, gpuc_error **err);
#endif

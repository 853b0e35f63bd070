/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster's machines are judged by: the tables with the limits of its spec and of its caller. */
#ifndef GPUC__CLUSTER_RULES_H
#define GPUC__CLUSTER_RULES_H
#include "cluster/cluster.h"

/* A reference; they are read when first needed. */
int gpuc__cluster_rules(gpuc__rules **out, gpuc_cluster *cluster, gpuc_error **err);
int gpuc__cluster_set_check(gpuc_cluster *cluster, const char *check, const char *value, gpuc_error **err);
#endif

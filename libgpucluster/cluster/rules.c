/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/rules.h"

#include "gpu/limits.h"

int gpuc__cluster_rules(gpuc__rules **out, gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = cluster->rules ? GPUC_OK : gpuc__rules_new(&cluster->rules, cluster->limits, err);

    return rc ? rc : gpuc__rules_take(out, cluster->rules, err);
}

int gpuc__cluster_set_check(gpuc_cluster *cluster, const char *check, const char *value, gpuc_error **err)
{
    gpuc__rules_unref(cluster->rules);
    cluster->rules = NULL;
    return gpuc__limits_set(cluster->limits, check, value, err);
}

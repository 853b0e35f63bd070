/* SPDX-License-Identifier: Apache-2.0 */
/* Actions that go through the API server: how they ask. */
#include "cluster/action.h"
#include "util/alloc.h"
#include "util/error.h"

bool gpuc__action_kube(gpuc__action *action, gpuc__kube **kube)
{
    gpuc_error *error = NULL;

    /* In a run, the steps before this one have seen to it that the control plane is there. */
    if (!action->cluster->locked && !gpuc__cluster_is_up(action->cluster)) {
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, "the control plane is not up yet", NULL);
        return false;
    }
    if (gpuc__cluster_kube(kube, action->cluster, &error) < 0) {
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
        return false;
    }
    return true;
}

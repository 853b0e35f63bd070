/* SPDX-License-Identifier: Apache-2.0 */
/* What the cluster's machines share at the provider (firewall rules, a key of the project): made
 * before the first machine, taken away after the last. */
#include "cluster/action.h"
#include "cluster/provide.h"
#include "util/error.h"

static void cancel_provider(gpuc__action *action)
{
    gpuc__cluster_ops(action->cluster)->cancel(action->cluster->provider, action);
}

static void on_there(void *data, bool there, const char *detail, gpuc_error *error)
{
    gpuc__action *action = data;

    if (gpuc__action_was_cancelled(action, error))
        return;
    gpuc__action_answer(action, there ? GPUC__VERDICT_PRESENT : GPUC__VERDICT_NEEDED, detail, error);
}

void gpuc__shared_probe(gpuc__action *action)
{
    action->cancel_work = cancel_provider;
    gpuc__cluster_ops(action->cluster)->look_shared(action->cluster->provider, on_there, action);
}

static void on_done(void *data, gpuc_error *error)
{
    gpuc__action *action = data;

    if (!gpuc__action_was_cancelled(action, error))
        gpuc__action_answer(action, GPUC__VERDICT_PRESENT, NULL, error);
}

void gpuc__shared_make(gpuc__action *action)
{
    action->cancel_work = cancel_provider;
    gpuc__cluster_ops(action->cluster)->make_shared(action->cluster->provider, on_done, action);
}

void gpuc__shared_drop(gpuc__action *action)
{
    action->cancel_work = cancel_provider;
    gpuc__cluster_ops(action->cluster)->drop_shared(action->cluster->provider, on_done, action);
}

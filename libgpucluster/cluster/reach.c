/* SPDX-License-Identifier: Apache-2.0 */
/* First contact: the machine answers over SSH, its host key is the expected one, its facts are read. */
#include "cluster/action.h"
#include "cluster/provide.h"
#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define RETRY_MS 1500 /* a booting machine's sshd is there within seconds */
/* A host that was there before is not booting for minutes: whoever waits wants to know. */
#define ADOPTED_WAIT_MS 60000
/* A guest agent has put users and keys onto a new machine by then. */
#define KEYS_WAIT_MS 180000

static void try_reach(gpuc__action *action);

/* A machine that is still booting refuses or drops connections, and where keys follow, refuses its
 * user; anything else will not pass. */
static bool may_pass(const gpuc__action *action, const gpuc_error *error)
{
    if (gpuc_error_code(error) == GPUC_EAUTH)
        return action->member->info.made_here && gpuc__cluster_ops(action->cluster)->keys_follow;
    return gpuc_error_code(error) == GPUC_ENETWORK || gpuc_error_code(error) == GPUC_ETIMEDOUT;
}

static bool waited_enough(const gpuc__action *action, const gpuc_error *error)
{
    uint64_t limit = gpuc_error_code(error) == GPUC_EAUTH ? KEYS_WAIT_MS : ADOPTED_WAIT_MS;

    return action->acting &&
           (!action->member->info.made_here || gpuc_error_code(error) == GPUC_EAUTH) &&
           gpuc__clock_ms() >= action->since_ms + limit;
}

static void failed(gpuc__action *action, gpuc_error *error)
{
    if (!may_pass(action, error) || waited_enough(action, error)) {
        gpuc__error_retryable(&error, false); /* it was tried again all the time */
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    } else if (action->acting) {
        gpuc__node_progress(action->node, gpuc_error_message(error));
        gpuc_error_unref(error);
        gpuc__action_wait(action, RETRY_MS, try_reach);
    } else {
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, gpuc_error_message(error), NULL);
        gpuc_error_unref(error);
    }
}

static void on_facts(void *data, const gpuc__facts *facts, gpuc_error *error)
{
    gpuc__action *action = data;
    char detail[256];

    action->ssh_op = NULL;
    if (gpuc__action_was_cancelled(action, error))
        return;
    if (!error)
        gpuc__cluster_learned(action->cluster, action->member, &error);
    if (error) {
        failed(action, error);
        return;
    }
    snprintf(detail, sizeof(detail), "%s, Linux %s%s", facts->os, facts->kernel,
             facts->simulated ? ", SIMULATED GPU" : "");
    if (facts->simulated && !action->acting)
        gpuc__context_emit(action->cluster->context,
                           gpuc__event_new(GPUC_EVENT_NOTICE, action->member->name,
                                           gpuc__node_id(action->node),
                                           "SIMULATED GPU: this machine's GPU is a stand-in"));
    gpuc__action_answer(action, GPUC__VERDICT_PRESENT, detail, NULL);
}

static void on_connected(void *data, gpuc_error *error)
{
    gpuc__action *action = data;

    action->ssh_op = NULL;
    if (gpuc__action_was_cancelled(action, error))
        return;
    if (!error)
        action->ssh_op = gpuc__remote_facts(action->member->remote, on_facts, action, &error);
    if (error)
        failed(action, error);
}

static void try_reach(gpuc__action *action)
{
    gpuc_error *error = NULL;

    if (gpuc__member_connect(action->member, &error) == GPUC_OK) {
        action->ssh_op = gpuc__ssh_connect(action->member->ssh, on_connected, action);
        if (action->ssh_op)
            return;
        gpuc__error_nomem(&error);
    }
    gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
}

void gpuc__reach_probe(gpuc__action *action)
{
    if (!action->member->has_info)
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, "the machine is not there yet", NULL);
    else
        try_reach(action);
}

void gpuc__reach_act(gpuc__action *action)
{
    action->since_ms = gpuc__clock_ms();
    try_reach(action);
}

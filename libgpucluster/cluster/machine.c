/* SPDX-License-Identifier: Apache-2.0 */
/* Machines made and unmade, through the provider. */
#include <string.h>

#include "cluster/action.h"
#include "util/alloc.h"
#include "util/error.h"

static const gpuc__provider_ops *ops_of(const gpuc__action *action)
{
    return gpuc__provider_get(action->cluster->model->provider);
}

static void cancel_provider(gpuc__action *action)
{
    ops_of(action)->cancel(action->cluster->provider, action);
}

/* Takes over what the provider found or made, and answers. */
static void take(gpuc__action *action, const gpuc__machine_info *info)
{
    gpuc_error *error = NULL;
    char detail[1000];

    gpuc__member_set_info(action->member, info, &error);
    snprintf(detail, sizeof(detail), "%s at %s%s%s", info->status ? info->status : "there",
             info->address, info->note ? "; " : "", info->note ? info->note : "");
    gpuc__action_answer(action, GPUC__VERDICT_PRESENT, detail, error);
}

static void on_look(void *data, const gpuc__machine_info *info, gpuc_error *error)
{
    gpuc__action *action = data;

    if (gpuc__action_was_cancelled(action, error))
        return;
    if (error)
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    else if (action->member->replace)
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED, "it is to be replaced", NULL);
    else if (info && info->address)
        take(action, info);
    else
        gpuc__action_answer(action, GPUC__VERDICT_NEEDED,
                            info ? "it is there but has no address" : "the machine is not there yet",
                            NULL);
}

void gpuc__machine_probe(gpuc__action *action)
{
    action->cancel_work = cancel_provider;
    ops_of(action)->look(action->cluster->provider, action->member->name, on_look, action);
}

static void on_created(void *data, const gpuc__machine_info *info, gpuc_error *error)
{
    gpuc__action *action = data;

    if (gpuc__action_was_cancelled(action, error))
        return;
    if (error)
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    else
        take(action, info);
}

void gpuc__machine_create(gpuc__action *action)
{
    action->cancel_work = cancel_provider;
    ops_of(action)->create(action->cluster->provider, action->member->model, action->attempt,
                           on_created, action);
}

static char *provider_shell(const gpuc__action *action, bool destroy)
{
    gpuc__machine_model gone = {.name = action->member->name};
    const gpuc__machine_model *model = action->member->model ? action->member->model : &gone;

    if (!action->cluster->provider)
        return NULL;
    return ops_of(action)->shell(action->cluster->provider, model, destroy);
}

char *gpuc__machine_shell(const gpuc__action *action)
{
    return provider_shell(action, false);
}

char *gpuc__machine_destroy_shell(const gpuc__action *action)
{
    return provider_shell(action, true);
}

/* What was known of the machine goes with it: one of the same name is another machine. */
static void forget(gpuc__member *member, gpuc_error **err)
{
    static const char *const keys[] = {"info", "proof", "replace"};
    int rc = GPUC_OK;

    gpuc__remote_set_ssh(member->remote, NULL);
    gpuc__ssh_unref(member->ssh);
    member->ssh = NULL;
    gpuc__machine_info_clear(&member->info);
    member->has_info = false;
    member->replace = false;
    /* The rows of its steps go when the run is over: it still writes down how this one ended. */
    for (size_t i = 0; rc == GPUC_OK && i < sizeof(keys) / sizeof(keys[0]); i++)
        rc = gpuc__store_set(member->cluster->store, member->name, keys[i], NULL, err);
}

static void on_look_gone(void *data, const gpuc__machine_info *info, gpuc_error *error)
{
    gpuc__action *action = data;
    gpuc__member *member = action->member;

    const char *detail = info ? "the machine is there" : "the machine is gone";

    if (gpuc__action_was_cancelled(action, error))
        return;
    if (error && gpuc_error_code(error) == GPUC_EEXIST) { /* it has the name; it stays */
        error = gpuc_error_unref(error);
        detail = "the machine that has its name is another's";
    }
    /* Deleted by an earlier run that did not live to write it down. Planning writes nothing. */
    if (!error && !info && member->has_info && member->cluster->locked)
        forget(member, &error);
    if (error)
        gpuc__action_answer(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    else
        gpuc__action_answer(action, info ? GPUC__VERDICT_NEEDED : GPUC__VERDICT_PRESENT, detail,
                            NULL);
}

void gpuc__machine_probe_gone(gpuc__action *action)
{
    if (!ops_of(action)->makes_machines) { /* an adopted host stays; the state lets go of it */
        bool held = action->member->has_info;

        gpuc__action_answer(action, held ? GPUC__VERDICT_NEEDED : GPUC__VERDICT_PRESENT,
                            held ? "the state still has it" : "let go", NULL);
        return;
    }
    action->cancel_work = cancel_provider;
    ops_of(action)->look(action->cluster->provider, action->member->name, on_look_gone, action);
}

static void on_destroyed(void *data, gpuc_error *error)
{
    gpuc__action *action = data;

    if (gpuc__action_was_cancelled(action, error))
        return;
    if (!error)
        forget(action->member, &error);
    gpuc__action_answer(action, GPUC__VERDICT_PRESENT, NULL, error);
}

void gpuc__machine_destroy(gpuc__action *action)
{
    action->cancel_work = cancel_provider;
    ops_of(action)->destroy(action->cluster->provider, action->member->name, on_destroyed, action);
}

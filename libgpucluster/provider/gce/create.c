/* SPDX-License-Identifier: Apache-2.0 */
/* Making machines. Each call of create first has what was begun earlier brought to its end, then
 * looks; all that are missing in one turn are made together (create_batch.c), and what is there is
 * waited for until it can be logged in to (create_boot.c). */
#include <string.h>

#include "provider/gce/create.h"
#include "util/alloc.h"
#include "util/error.h"

#define LIVES 2

void gpuc__gce_ask_end(gpuc__gce_ask *ask, gpuc_error *error)
{
    gpuc__provider *provider = ask->provider;

    *ask->link = ask->next;
    if (ask->next)
        ask->next->link = ask->link;
    gpuc__gce_find_drop(&ask->find);
    if (error)
        gpuc__error_at(&error, ask->model->name, NULL);
    else
        gpuc__gce_seen_keep(provider, ask->name, ask->instance);
    ask->done(ask->data, error ? NULL : &ask->info, error);
    gpuc__machine_info_clear(&ask->info);
    json_decref(ask->instance);
    gpuc__free(ask->tried);
    gpuc__free(ask->name);
    gpuc__free(ask);
    gpuc__gce_unref(provider);
}

static void on_found(gpuc__gce_find *find, json_t *ours, json_t *foreign, gpuc_error *error)
{
    gpuc__gce_ask *ask = find->data;

    if (!error && !ours && foreign)
        gpuc__gce_set_foreign(ask->provider, ask->model->name, foreign, &error);
    if (error) {
        gpuc__gce_ask_end(ask, error);
    } else if (ours) {
        gpuc__gce_boot(ask, json_array_get(ours, 0));
    } else {
        ask->state = GPUC__GCE_MISSING;
        gpuc__context_post(ask->provider->context, &ask->provider->machines->creating);
    }
}

/* Whether sending it again makes just what would be made now. */
static bool is_wanted(const gpuc__gce_record *record)
{
    gpuc__provider *provider = record->provider;
    const gpuc__machine_model *model = NULL;
    json_t *name, *now, *then;
    bool same;
    size_t i;

    json_array_foreach(record->names, i, name) {
        model = gpuc__spec_model_machine(provider->spec, json_string_value(name));
        if (!model)
            return false;
    }
    if (record->kind != GPUC__GCE_INSERT && record->kind != GPUC__GCE_BULK)
        return true;
    now = gpuc__gce_batch_body(provider, model, record->kind, record->zone, record->names, NULL,
                               NULL);
    then = json_copy(record->body);
    if (now)
        json_object_del(now, "locationPolicy"); /* zones found full meanwhile */
    if (then)
        json_object_del(then, "locationPolicy");
    same = now && then && json_equal(now, then);
    json_decref(now);
    json_decref(then);
    return same;
}

/* First what was begun earlier for this machine comes to its end. */
static void settle(gpuc__gce_ask *ask)
{
    gpuc__gce_record *record = gpuc__gce_journal_find(ask->provider, ask->model->name);

    if (!record) {
        ask->state = GPUC__GCE_FINDING;
        ask->find = (gpuc__gce_find){.name = ask->name, .done = on_found, .data = ask};
        gpuc__gce_find_begin(ask->provider, &ask->find);
        return;
    }
    if (!record->busy && record->error && ask->resumed) {
        gpuc__gce_ask_end(ask, gpuc__gce_error_copy(record->error, ask->model->name));
        return;
    }
    ask->resumed = true;
    if (!record->busy)
        gpuc__gce_resume(record, is_wanted(record));
}

static void end_cancelled(gpuc__gce_ask *ask)
{
    gpuc_error *error = NULL;

    if (ask->state == GPUC__GCE_MAKING)
        gpuc__gce_batch_leave(ask);
    if (ask->state == GPUC__GCE_KEYS)
        gpuc__gce_host_keys_cancel(ask->provider, ask);
    gpuc__context_post(ask->provider->context, &ask->provider->machines->looking);
    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER, "making the machine: cancelled");
    gpuc__gce_ask_end(ask, error);
}

void gpuc__gce_create_turn(void *data)
{
    gpuc__provider *provider = data;
    gpuc__gce_ask *ask, *next;
    bool due = false;

    provider->refs++;
    for (ask = provider->machines->asks; ask; ask = next) {
        next = ask->next;
        due |= ask->state == GPUC__GCE_WAITING || ask->state == GPUC__GCE_MISSING;
        if (ask->cancelled && !ask->call)
            end_cancelled(ask);
    }
    if (due && gpuc__gce_ready(provider)) {
        for (ask = provider->machines->asks; ask; ask = next) {
            next = ask->next;
            if (ask->state == GPUC__GCE_WAITING)
                settle(ask);
        }
        gpuc__gce_batch_all(provider);
    }
    gpuc__gce_unref(provider);
}

void gpuc__gce_create_fail(gpuc__provider *provider, const gpuc_error *error)
{
    gpuc__gce_ask *next;

    for (gpuc__gce_ask *ask = provider->machines->asks; ask; ask = next) {
        next = ask->next;
        if (ask->state == GPUC__GCE_WAITING)
            gpuc__gce_ask_end(ask, gpuc__gce_error_copy(error, ask->model->name));
    }
}

void gpuc__gce_create_cancel(gpuc__provider *provider, const void *data)
{
    for (gpuc__gce_ask *ask = provider->machines->asks; ask; ask = ask->next) {
        if (data && ask->data != data)
            continue;
        ask->cancelled = true;
        if (ask->call)
            gpuc__gce_call_cancel(ask->call);
        gpuc__context_post(provider->context, &provider->machines->creating);
    }
}

void gpuc__gce_create(gpuc__provider *provider, const gpuc__machine_model *machine,
                      const char *attempt, gpuc__machine_fn done, void *data)
{
    gpuc__gce_ask *ask = gpuc__calloc(1, sizeof(*ask));
    gpuc_error *error = NULL;

    (void)attempt; /* the records of requests say more */
    if (ask)
        ask->name = gpuc__gce_instance_name(provider->spec->name, machine->name);
    if (!ask || !ask->name) { /* without memory there is no later */
        gpuc__free(ask);
        gpuc__error_nomem(&error);
        done(data, NULL, error);
        return;
    }
    ask->provider = provider;
    provider->refs++;
    ask->model = machine;
    ask->done = done;
    ask->data = data;
    ask->lives = LIVES;
    for (ask->link = &provider->machines->asks; *ask->link;)
        ask->link = &(*ask->link)->next;
    *ask->link = ask;
    gpuc__context_post(provider->context, &provider->machines->creating);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting machines. What was begun to make one comes to its end first, and nothing is made for it;
 * then every instance of ours of that name goes, boot disk and all. */
#include <string.h>

#include "provider/gce/machines.h"
#include "util/alloc.h"
#include "util/error.h"

#define AT_ONCE 200 /* each may need a connection of its own */

enum state { WAITING, FINDING, FOUND, DUE, DELETING };

typedef struct gpuc__gce_gone {
    struct gpuc__gce_gone *next, **link;
    gpuc__provider *provider;
    char *machine, *name;
    gpuc__provider_fn done;
    void *data;
    enum state state;
    bool cancelled, resumed;
    gpuc__gce_find find;
    json_t *zones; /* where there are instances of it */
    gpuc__gce_record *record;
    gpuc__gce_call *call;
} gone;

static void end(gone *g, gpuc_error *error)
{
    gpuc__provider *provider = g->provider;

    *g->link = g->next;
    if (g->next)
        g->next->link = g->link;
    gpuc__gce_find_drop(&g->find);
    if (error)
        gpuc__error_at(&error, g->machine, NULL);
    else
        gpuc__gce_keys_forget(provider, g->machine);
    g->done(g->data, error);
    json_decref(g->zones);
    gpuc__free(g->machine);
    gpuc__free(g->name);
    gpuc__free(g);
    gpuc__gce_unref(provider);
}

static void on_found(gpuc__gce_find *find, json_t *ours, json_t *foreign, gpuc_error *error)
{
    gone *g = find->data;
    json_t *instance;
    size_t i;

    (void)foreign; /* another's machine is left alone */
    g->zones = json_array();
    json_array_foreach(ours, i, instance) {
        const char *zone = gpuc__gce_tail(json_string_value(json_object_get(instance, "zone")));

        if (json_array_append_new(g->zones, json_string(zone)) != 0)
            gpuc__error_nomem(&error);
    }
    if (error || !ours) {
        end(g, error);
        return;
    }
    g->state = FOUND;
    gpuc__context_post(g->provider->context, &g->provider->machines->destroying);
}

/* First what was begun earlier for this machine comes to its end. */
static void settle(gone *g)
{
    gpuc__gce_record *record = gpuc__gce_journal_find(g->provider, g->machine);

    if (!record) {
        g->state = FINDING;
        g->find = (gpuc__gce_find){.name = g->name, .done = on_found, .data = g};
        gpuc__gce_find_begin(g->provider, &g->find);
        return;
    }
    if (!record->busy && record->error && g->resumed) {
        end(g, gpuc__gce_error_copy(record->error, g->machine));
        return;
    }
    g->resumed = true;
    if (!record->busy)
        gpuc__gce_resume(record, false);
}

static void on_deleted(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gone *g = data;

    g->call = NULL;
    if (!answer && gpuc__gce_lost(scope, error)) {
        g->record->busy = false; /* the next destroy takes it up */
    } else {
        gpuc__gce_journal_end(g->record);
    }
    g->record = NULL;
    /* gone is gone, whoever did it; but an operation that is forgotten tells nothing */
    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND && scope != GPUC__GCE_SCOPE_LOOK)
        error = gpuc_error_unref(error);
    json_array_remove(g->zones, 0);
    gpuc__context_post(g->provider->context, &g->provider->machines->destroying);
    if (error || !json_array_size(g->zones)) {
        end(g, error);
        return;
    }
    g->state = FOUND;
}

static void send_delete(gone *g)
{
    gpuc_error *error = NULL;
    gpuc__gce_args args;
    char *path = NULL;

    g->state = DELETING;
    if (gpuc__gce_record_args(&args, g->record, &path, &error) == GPUC_OK) {
        args.done = on_deleted;
        args.data = g;
        g->call = gpuc__gce_mutate(g->provider->client, &args);
        if (!g->call)
            gpuc__error_nomem(&error);
    }
    gpuc__free(path);
    if (g->call)
        return;
    gpuc__gce_journal_end(g->record);
    g->record = NULL;
    end(g, error);
}

static void add_record(gone *g, gpuc_error **err)
{
    const char *zone = json_string_value(json_array_get(g->zones, 0));
    json_t *names = json_pack("[s]", g->machine);

    if (names)
        g->record = gpuc__gce_journal_add(g->provider, GPUC__GCE_DELETE, zone, NULL, names, NULL,
                                          err);
    else
        gpuc__error_nomem(err);
    json_decref(names);
}

/* Those whose turn it is get a record each; how many. */
static size_t add_records(gpuc__provider *provider, gpuc_error **err)
{
    size_t busy = 0, added = 0;
    gone *g;

    for (g = provider->machines->gones; g; g = g->next)
        busy += g->state == DELETING;
    for (g = provider->machines->gones; g && !*err && busy + added < AT_ONCE; g = g->next) {
        if (g->state != FOUND)
            continue;
        g->state = DUE;
        added++;
        add_record(g, err);
    }
    return added;
}

/* All that were found in one turn are written down at once, then sent. */
static void delete_found(gpuc__provider *provider)
{
    gpuc_error *error = NULL;
    size_t added = add_records(provider, &error);
    gone *g, *next;

    if (!added)
        return;
    if (!error)
        gpuc__gce_journal_commit(provider, &error);
    for (g = provider->machines->gones; g; g = next) {
        next = g->next;
        if (g->state != DUE)
            continue;
        if (!error) {
            send_delete(g);
            continue;
        }
        if (g->record)
            gpuc__gce_journal_end(g->record);
        g->record = NULL;
        end(g, gpuc__gce_error_copy(error, g->machine));
    }
    gpuc_error_unref(error);
}

void gpuc__gce_destroy_turn(void *data)
{
    gpuc__provider *provider = data;
    gone *g, *next;
    bool due = false;

    provider->refs++;
    for (g = provider->machines->gones; g; g = next) {
        gpuc_error *error = NULL;

        next = g->next;
        if (g->cancelled && !g->call) {
            gpuc__context_post(provider->context, &provider->machines->looking);
            gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                            "deleting the machine: cancelled");
            end(g, error);
        } else {
            due |= g->state == WAITING || g->state == FOUND;
        }
    }
    if (due && gpuc__gce_ready(provider)) {
        for (g = provider->machines->gones; g; g = next) {
            next = g->next;
            if (g->state == WAITING)
                settle(g);
        }
        delete_found(provider);
    }
    gpuc__gce_unref(provider);
}

void gpuc__gce_destroy_fail(gpuc__provider *provider, const gpuc_error *error)
{
    gone *next;

    for (gone *g = provider->machines->gones; g; g = next) {
        next = g->next;
        if (g->state == WAITING)
            end(g, gpuc__gce_error_copy(error, g->machine));
    }
}

void gpuc__gce_destroy_cancel(gpuc__provider *provider, const void *data)
{
    for (gone *g = provider->machines->gones; g; g = g->next) {
        if (data && g->data != data)
            continue;
        g->cancelled = true;
        if (g->call)
            gpuc__gce_call_cancel(g->call);
        gpuc__context_post(provider->context, &provider->machines->destroying);
    }
}

void gpuc__gce_destroy(gpuc__provider *provider, const char *machine, gpuc__provider_fn done,
                       void *data)
{
    gone *g = gpuc__calloc(1, sizeof(*g));
    gpuc_error *error = NULL;

    if (g) {
        g->machine = gpuc__strdup(machine);
        g->name = gpuc__gce_instance_name(provider->spec->name, machine);
    }
    if (!g || !g->machine || !g->name) { /* without memory there is no later */
        if (g) {
            gpuc__free(g->machine);
            gpuc__free(g->name);
        }
        gpuc__free(g);
        gpuc__error_nomem(&error);
        done(data, error);
        return;
    }
    gpuc__gce_seen_forget(provider, g->name);
    g->provider = provider;
    provider->refs++;
    g->done = done;
    g->data = data;
    for (g->link = &provider->machines->gones; *g->link;)
        g->link = &(*g->link)->next;
    *g->link = g;
    gpuc__context_post(provider->context, &provider->machines->destroying);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Instances that were made and that no list has shown yet. */
#include "provider/gce/machines.h"
#include "util/alloc.h"

void gpuc__gce_record_made(gpuc__gce_record *record, const json_t *machines)
{
    gpuc__provider *provider = record->provider;
    json_t *machine, *unseen = json_object();
    size_t i;

    json_array_foreach(machines, i, machine) {
        char *name = gpuc__gce_instance_name(provider->spec->name, json_string_value(machine));

        if (name)
            json_object_set_new(unseen, name, json_true());
        gpuc__free(name);
    }
    record->busy = false;
    if (!json_object_size(unseen)) { /* or without memory */
        json_decref(unseen);
        gpuc__gce_journal_end(record);
        return;
    }
    json_decref(record->unseen);
    record->unseen = unseen;
    record->until = gpuc__clock_ms() + (uint64_t)provider->machines->lag_ms;
    gpuc__gce_wake_all(provider);
}

bool gpuc__gce_unseen(gpuc__provider *provider, const char *name)
{
    gpuc__gce_record *next;
    bool unseen = false;

    for (gpuc__gce_record *r = provider->machines->records; r; r = next) {
        next = r->next;
        if (!json_object_get(r->unseen, name))
            continue;
        if (gpuc__clock_ms() < r->until)
            unseen = true;
        else
            gpuc__gce_journal_end(r);
    }
    return unseen;
}

void gpuc__gce_unseen_listed(gpuc__provider *provider, const char *name)
{
    gpuc__gce_record *next;

    for (gpuc__gce_record *r = provider->machines->records; r; r = next) {
        next = r->next;
        if (r->unseen && json_object_del(r->unseen, name) == 0 && !json_object_size(r->unseen))
            gpuc__gce_journal_end(r);
    }
}

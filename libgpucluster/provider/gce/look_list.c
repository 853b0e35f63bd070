/* SPDX-License-Identifier: Apache-2.0 */
/* All machines that carry the cluster's label, by their names in the spec. */
#include <string.h>

#include "provider/gce/machines.h"
#include "util/alloc.h"
#include "util/error.h"

typedef struct gpuc__gce_names {
    struct gpuc__gce_names *next, **link;
    gpuc__provider *provider;
    gpuc__names_fn done;
    void *data;
    gpuc__gce_call *call;
    bool cancelled;
} wanted_names;

static void end(wanted_names *names, const char *const *list, gpuc_error *error)
{
    gpuc__provider *provider = names->provider;

    *names->link = names->next;
    if (names->next)
        names->next->link = names->link;
    names->done(names->data, list, error);
    gpuc__free(names);
    gpuc__gce_unref(provider);
}

/* The machine's name in the spec. An instance that bulkInsert made carries it in its own name only,
 * which then is not cut. */
static const char *machine_of(const gpuc__provider *provider, const json_t *instance)
{
    const json_t *labels = json_object_get(instance, "labels");
    const char *machine = json_string_value(json_object_get(labels, GPUC__GCE_LABEL_MACHINE));
    const char *name = json_string_value(json_object_get(instance, "name"));
    size_t length = strlen(provider->spec->name);

    if (machine || !name)
        return machine;
    return strncmp(name, provider->spec->name, length) == 0 && name[length] == '-'
               ? name + length + 1
               : NULL;
}

static void on_list(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    wanted_names *names = data;
    gpuc__provider *provider = names->provider;
    size_t i, n = 0, size = json_array_size(answer);
    const char **list = error ? NULL : gpuc__calloc(size + 1, sizeof(*list));
    json_t *instance;

    if (!error && !list)
        gpuc__error_nomem(&error);
    json_array_foreach(error ? NULL : answer, i, instance) {
        const json_t *labels = json_object_get(instance, "labels");
        const char *uuid = json_string_value(json_object_get(labels, GPUC__GCE_LABEL));
        const char *machine = machine_of(provider, instance);

        if (uuid && machine && strcmp(uuid, provider->uuid) == 0)
            list[n++] = machine;
    }
    end(names, list, error);
    gpuc__free(list);
    gpuc__gce_unref(provider);
}

void gpuc__gce_names_turn(gpuc__provider *provider)
{
    wanted_names *next;

    for (wanted_names *names = provider->machines->names; names; names = next) {
        gpuc_error *error = NULL;
        char *filter;

        next = names->next;
        if (names->call)
            continue;
        filter = gpuc__asprintf("labels." GPUC__GCE_LABEL "=%s", provider->uuid);
        if (filter)
            names->call = gpuc__gce_list_instances(provider, filter, on_list, names);
        gpuc__free(filter);
        if (!names->call) {
            gpuc__error_nomem(&error);
            end(names, NULL, error);
        }
    }
}

/* Before they could be begun. */
void gpuc__gce_names_fail(gpuc__provider *provider, const gpuc_error *error)
{
    wanted_names *next;

    for (wanted_names *names = provider->machines->names; names; names = next) {
        next = names->next;
        if (!names->call)
            end(names, NULL, gpuc__gce_error_copy(error, NULL));
    }
}

void gpuc__gce_names_reap(gpuc__provider *provider)
{
    wanted_names *next;

    for (wanted_names *names = provider->machines->names; names; names = next) {
        gpuc_error *error = NULL;

        next = names->next;
        if (!names->cancelled || names->call)
            continue;
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                        "listing the machines: cancelled");
        end(names, NULL, error);
    }
}

void gpuc__gce_names_cancel(gpuc__provider *provider, const void *data)
{
    for (wanted_names *names = provider->machines->names; names; names = names->next) {
        if (data && names->data != data)
            continue;
        names->cancelled = true;
        if (names->call)
            gpuc__gce_call_cancel(names->call);
        else
            gpuc__context_post(provider->context, &provider->machines->looking);
    }
}

void gpuc__gce_list_machines(gpuc__provider *provider, gpuc__names_fn done, void *data)
{
    wanted_names *names = gpuc__calloc(1, sizeof(*names));
    gpuc_error *error = NULL;

    if (!names) { /* without memory there is no later */
        gpuc__error_nomem(&error);
        done(data, NULL, error);
        return;
    }
    names->provider = provider;
    provider->refs++;
    names->done = done;
    names->data = data;
    names->link = &provider->machines->names;
    names->next = *names->link;
    if (names->next)
        names->next->link = &names->next;
    *names->link = names;
    gpuc__context_post(provider->context, &provider->machines->looking);
}

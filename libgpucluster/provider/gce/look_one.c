/* SPDX-License-Identifier: Apache-2.0 */
/* Looking one machine up: where it is, and its host keys where they can be had at once. */
#include <string.h>

#include "provider/gce/machines.h"
#include "util/alloc.h"
#include "util/error.h"


struct gpuc__gce_look {
    struct gpuc__gce_look *next, **link;
    gpuc__provider *provider;
    char *machine, *name;
    gpuc__gce_find find;
    bool cancelled, reading; /* reading: its host keys */
    json_t *instance;
    gpuc__machine_info info;
    gpuc__machine_fn done;
    void *data;
};

static void look_end(struct gpuc__gce_look *look, gpuc_error *error)
{
    gpuc__provider *provider = look->provider;

    *look->link = look->next;
    if (look->next)
        look->next->link = look->link;
    gpuc__gce_find_drop(&look->find);
    if (error)
        gpuc__error_at(&error, look->machine, NULL);
    look->done(look->data, !error && look->info.provider_id ? &look->info : NULL, error);
    gpuc__machine_info_clear(&look->info);
    json_decref(look->instance);
    gpuc__free(look->machine);
    gpuc__free(look->name);
    gpuc__free(look);
    gpuc__gce_unref(provider);
}

/* Without keys nobody can log in safely: no address is given, so that create waits for them. */
static void look_without_address(struct gpuc__gce_look *look)
{
    gpuc__free(look->info.address);
    look->info.address = NULL;
    look_end(look, NULL);
}

static void on_keys(void *data, char **keys, gpuc_error *error)
{
    struct gpuc__gce_look *look = data;

    look->reading = false;
    gpuc_error_unref(error);
    if (keys) {
        gpuc__gce_keys_keep(look->provider, look->machine, look->instance, keys);
        look->info.host_keys = keys;
        look_end(look, NULL);
    } else {
        look_without_address(look);
    }
}

static void look_found(struct gpuc__gce_look *look, json_t *instance)
{
    gpuc__provider *provider = look->provider;
    const gpuc__machine_model *model = gpuc__spec_model_machine(provider->spec, look->machine);
    gpuc_error *error = NULL;

    if (gpuc__gce_read_instance(&look->info, instance, provider->spec->external_ip, &error) < 0) {
        look_end(look, error);
        return;
    }
    look->info.user = gpuc__strdup(model ? model->user : provider->spec->ssh_user);
    look->info.host_keys = gpuc__gce_keys_known(provider, look->machine, instance);
    look->instance = json_incref(instance);
    if (strcmp(look->info.status, "RUNNING") != 0 || !look->info.address) {
        look_without_address(look);
    } else if (look->info.host_keys) {
        look_end(look, NULL);
    } else {
        look->reading = true;
        gpuc__gce_host_keys(provider, look->machine, look->info.zone, 0, on_keys, look);
    }
}

static bool is_begun(const gpuc__provider *provider, const char *machine)
{
    const gpuc__gce_record *record = gpuc__gce_journal_find(provider, machine);

    return record && (record->kind == GPUC__GCE_INSERT || record->kind == GPUC__GCE_BULK);
}

/* What an earlier run began may still come: a machine that is not there yet is not gone. Create and
 * destroy bring that to its end. */
static void look_begun(struct gpuc__gce_look *look)
{
    gpuc_error *error = NULL;

    look->info.made_here = true;
    look->info.provider_id = gpuc__strdup(look->name);
    look->info.status = gpuc__strdup("begun");
    if (!look->info.provider_id || !look->info.status)
        gpuc__error_nomem(&error);
    look_end(look, error);
}

static void on_found(gpuc__gce_find *find, json_t *ours, json_t *foreign, gpuc_error *error)
{
    struct gpuc__gce_look *look = find->data;

    if (!error && !ours && is_begun(look->provider, look->machine)) {
        look_begun(look);
        return;
    }
    if (!error && !ours && foreign)
        gpuc__gce_set_foreign(look->provider, look->machine, foreign, &error);
    if (error || !ours)
        look_end(look, error);
    else
        look_found(look, json_array_get(ours, 0));
}

void gpuc__gce_look(gpuc__provider *provider, const char *machine, gpuc__machine_fn done, void *data)
{
    struct gpuc__gce_look *look = gpuc__calloc(1, sizeof(*look));
    gpuc_error *error = NULL;

    if (look) {
        look->machine = gpuc__strdup(machine);
        look->name = gpuc__gce_instance_name(provider->spec->name, machine);
    }
    if (!look || !look->machine || !look->name) { /* without memory there is no later */
        gpuc__error_nomem(&error);
        if (look)
            gpuc__free(look->machine);
        if (look)
            gpuc__free(look->name);
        gpuc__free(look);
        done(data, NULL, error);
        return;
    }
    look->provider = provider;
    provider->refs++;
    look->done = done;
    look->data = data;
    look->next = provider->machines->looks;
    look->link = &provider->machines->looks;
    if (look->next)
        look->next->link = &look->next;
    provider->machines->looks = look;
    look->find = (gpuc__gce_find){.name = look->name, .seen_will_do = true, .done = on_found,
                                  .data = look};
    gpuc__gce_find_begin(provider, &look->find);
}

/* Those that were cancelled end here. */
void gpuc__gce_look_reap(gpuc__provider *provider)
{
    struct gpuc__gce_look *look = provider->machines->looks;

    while (look) {
        struct gpuc__gce_look *next = look->next;
        gpuc_error *error = NULL;

        if (look->cancelled) {
            if (look->reading)
                gpuc__gce_host_keys_cancel(provider, look);
            gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                            "looking the machine up: cancelled");
            look_end(look, error);
        }
        look = next;
    }
}

void gpuc__gce_look_cancel(gpuc__provider *provider, const void *data)
{
    for (struct gpuc__gce_look *look = provider->machines->looks; look; look = look->next) {
        if (data && look->data != data)
            continue;
        look->cancelled = true;
        gpuc__context_post(provider->context, &provider->machines->looking);
    }
}

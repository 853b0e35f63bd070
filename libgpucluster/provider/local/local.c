/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `local`: its table of functions. */
#include "provider/local/local.h"

#include "util/alloc.h"
#include "util/error.h"

/* How long each call may take in all; create adds its wait for an address. */
#define CREATE_MS 600000
#define DESTROY_MS 180000
#define LOOK_MS 60000
#define REQUEST_MS 30000

static int local_new(gpuc__provider **out, const gpuc__provider_config *config, gpuc_error **err)
{
    gpuc__provider *provider = gpuc__calloc(1, sizeof(*provider));

    if (!provider)
        return gpuc__error_nomem(err);
    provider->refs = 1;
    provider->request_ms = REQUEST_MS;
    provider->context = gpuc_context_ref(config->context);
    provider->spec = config->spec;
    provider->uuid = gpuc__strdup(config->cluster_uuid);
    provider->public_key = gpuc__strdup(config->ssh_public_key);
    provider->socket = gpuc__local_find_socket(config->spec); /* for `shell`; asked again later */
    if (!provider->uuid || (config->ssh_public_key && !provider->public_key)) {
        gpuc__local_unref(provider);
        return gpuc__error_nomem(err);
    }
    *out = provider;
    return GPUC_OK;
}

static void local_free(gpuc__provider *provider)
{
    if (!provider)
        return;
    gpuc__local_cancel(provider, NULL);
    gpuc__local_unref(provider);
}

static void local_check(gpuc__provider *provider, gpuc__provider_fn done, void *data)
{
    gpuc__local_begin(provider, &(gpuc__local_task){.provider_done = done, .data = data}, NULL,
                      LOOK_MS, gpuc__local_check);
}

static void local_look(gpuc__provider *provider, const char *machine, gpuc__machine_fn done,
                       void *data)
{
    gpuc__local_begin(provider, &(gpuc__local_task){.machine_done = done, .data = data}, machine,
                      LOOK_MS, gpuc__local_look);
}

static void local_create(gpuc__provider *provider, const gpuc__machine_model *machine,
                         const char *attempt, gpuc__machine_fn done, void *data)
{
    gpuc__local_begin(provider,
                      &(gpuc__local_task){.model = machine,
                                          .attempt = (char *)attempt,
                                          .machine_done = done,
                                          .data = data},
                      machine->name, CREATE_MS, gpuc__local_create);
}

static void local_destroy(gpuc__provider *provider, const char *machine, gpuc__provider_fn done,
                          void *data)
{
    gpuc__local_begin(provider, &(gpuc__local_task){.provider_done = done, .data = data}, machine,
                      DESTROY_MS, gpuc__local_destroy);
}

static void local_list(gpuc__provider *provider, gpuc__names_fn done, void *data)
{
    gpuc__local_begin(provider, &(gpuc__local_task){.names_done = done, .data = data}, NULL,
                      LOOK_MS, gpuc__local_list);
}

const gpuc__provider_ops gpuc__provider_local = {.kind = "local",
                                                 .makes_machines = true,
                                                 .new_ = local_new,
                                                 .free = local_free,
                                                 .check = local_check,
                                                 .look = local_look,
                                                 .create = local_create,
                                                 .destroy = local_destroy,
                                                 .list = local_list,
                                                 .find_left = gpuc__local_find_left,
                                                 .remove_left = gpuc__local_remove_left,
                                                 .shell = gpuc__local_shell,
                                                 .cancel = gpuc__local_cancel};

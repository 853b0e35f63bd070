/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `ssh`: hosts that are there already and stay there. It knows what the spec says of
 * them and nothing else; whether they answer is found out over SSH. */
#include "provider/provider.h"

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

/* An answer on its way: given on the loop, never inside the call. */
typedef struct answer {
    gpuc__task task;
    gpuc__provider *provider;
    struct answer *next, **link;
    bool cancelled;
    const gpuc__machine_model *machine;
    gpuc__machine_fn machine_done;
    gpuc__provider_fn provider_done;
    gpuc__names_fn names_done;
    void *data;
} answer;

struct gpuc__provider {
    gpuc_context *context;
    const gpuc__spec_model *spec;
    answer *answers;
};

static void give_machine(const answer *a, gpuc_error *error)
{
    const gpuc__machine_model *m = a->machine;
    gpuc__machine_info info;

    if (error || !m) {
        a->machine_done(a->data, NULL, error);
        return;
    }
    info = (gpuc__machine_info){.address = m->host,
                                .port = m->port,
                                .user = m->user,
                                .host_keys = m->host_keys && m->host_keys[0] ? m->host_keys : NULL,
                                .provider_id = m->host,
                                .status = (char *)"Adopted"};
    a->machine_done(a->data, &info, NULL);
}

static void give_names(const answer *a, gpuc_error *error)
{
    const gpuc__spec_model *spec = error ? NULL : a->provider->spec;
    const char **names = spec ? gpuc__calloc(spec->machine_count + 1, sizeof(*names)) : NULL;

    if (spec && !names)
        gpuc__error_nomem(&error);
    for (size_t i = 0; names && i < spec->machine_count; i++)
        names[i] = spec->machines[i].name;
    a->names_done(a->data, names, error);
    gpuc__free(names);
}

static void give(const answer *a, gpuc_error *error)
{
    if (a->machine_done)
        give_machine(a, error);
    else if (a->names_done)
        give_names(a, error);
    else
        a->provider_done(a->data, error);
}

static void answer_run(void *data)
{
    answer *a = data;
    gpuc_error *error = NULL;

    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    if (a->cancelled)
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER, "cancelled");
    give(a, error);
    gpuc__free(a);
}

static void answer_post(gpuc__provider *provider, const answer *what)
{
    answer *a = gpuc__malloc(sizeof(*a));

    if (!a) { /* without memory there is no later */
        gpuc_error *error = NULL;

        gpuc__error_nomem(&error);
        give(what, error);
        return;
    }
    *a = *what;
    a->provider = provider;
    a->next = provider->answers;
    a->link = &provider->answers;
    if (a->next)
        a->next->link = &a->next;
    provider->answers = a;
    a->task = (gpuc__task){.fn = answer_run, .data = a};
    gpuc__context_post(provider->context, &a->task);
}

static int ssh_new(gpuc__provider **out, const gpuc__provider_config *config, gpuc_error **err)
{
    gpuc__provider *provider = gpuc__calloc(1, sizeof(*provider));

    if (!provider)
        return gpuc__error_nomem(err);
    provider->context = gpuc_context_ref(config->context);
    provider->spec = config->spec;
    *out = provider;
    return GPUC_OK;
}

static void ssh_cancel(gpuc__provider *provider, const void *data)
{
    for (answer *a = provider->answers; a; a = a->next)
        a->cancelled |= !data || a->data == data;
}

static void ssh_free(gpuc__provider *provider)
{
    if (!provider)
        return;
    ssh_cancel(provider, NULL);
    while (provider->answers) { /* the spec may go with the provider */
        answer *a = provider->answers;

        gpuc__context_unpost(provider->context, &a->task);
        answer_run(a);
    }
    gpuc_context_unref(provider->context);
    gpuc__free(provider);
}

static void ssh_check(gpuc__provider *provider, gpuc__provider_fn done, void *data)
{
    answer_post(provider, &(answer){.provider_done = done, .data = data});
}

static void ssh_look(gpuc__provider *provider, const char *machine, gpuc__machine_fn done,
                     void *data)
{
    const gpuc__machine_model *model = gpuc__spec_model_machine(provider->spec, machine);

    answer_post(provider, &(answer){.machine = model, .machine_done = done, .data = data});
}

static void ssh_create(gpuc__provider *provider, const gpuc__machine_model *machine,
                       const char *attempt, gpuc__machine_fn done, void *data)
{
    answer_post(provider, &(answer){.machine = machine, .machine_done = done, .data = data});
}

static void ssh_destroy(gpuc__provider *provider, const char *machine, gpuc__provider_fn done,
                        void *data)
{
    answer_post(provider, &(answer){.provider_done = done, .data = data});
}

static void ssh_list(gpuc__provider *provider, gpuc__names_fn done, void *data)
{
    answer_post(provider, &(answer){.provider = provider, .names_done = done, .data = data});
}

static char *ssh_shell(gpuc__provider *provider, const gpuc__machine_model *machine, bool destroy)
{
    return gpuc__asprintf("# %s is a host of yours: it is neither made nor deleted\n",
                          machine->name);
}

const gpuc__provider_ops gpuc__provider_ssh = {.kind = "ssh",
                                               .makes_machines = false,
                                               .new_ = ssh_new,
                                               .free = ssh_free,
                                               .check = ssh_check,
                                               .look = ssh_look,
                                               .create = ssh_create,
                                               .destroy = ssh_destroy,
                                               .list = ssh_list,
                                               .shell = ssh_shell,
                                               .cancel = ssh_cancel};

/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `gce`: its table of functions, and what must be known before the first call. */
#include <string.h>

#include "provider/gce/machines.h"
#include "util/alloc.h"
#include "util/error.h"

#define LIMIT_MS 600000
#define SETTLE_MS 10000
#define BOOT_MS 600000
#define KEYS_MS 600000
#define POLL_MS 500
#define LAG_MS 20000
#define PROJECT_KEY "gce.project" /* where the cluster's machines are */

static void set_task(gpuc__task *task, void (*fn)(void *data), gpuc__provider *provider)
{
    task->fn = fn;
    task->data = provider;
}

/* In another project its machines would be lost from sight, and made again. */
static int other_project(const char *kept, const char *wanted, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_PROVIDER,
                    "the cluster is in project %.63s, and its spec now names project %.63s", kept,
                    wanted);
    gpuc__error_remedy(err,
                       "set provider.project to %.63s again; to move the cluster, delete it there "
                       "first (`gpucluster down` with that spec)",
                       kept);
    return GPUC_ESTATE;
}

/* The project of earlier runs. */
static int read_project(gpuc__provider *provider, gpuc_error **err)
{
    gpuc__journal *journal = &provider->journal;
    const char *wanted = provider->spec->provider_project;
    char *kept = NULL;
    int rc;

    if (!journal->get)
        return GPUC_OK;
    rc = journal->get(journal->data, NULL, PROJECT_KEY, &kept, err);
    if (rc == GPUC_OK && kept && wanted && strcmp(kept, wanted) != 0)
        rc = other_project(kept, wanted, err);
    if (rc == GPUC_OK && kept) {
        gpuc__free(provider->project);
        provider->project = kept;
        provider->project_kept = true;
        kept = NULL;
    }
    gpuc__free(kept);
    return rc;
}

static int gce_new(gpuc__provider **out, const gpuc__provider_config *config, gpuc_error **err)
{
    gpuc__provider *provider = gpuc__calloc(1, sizeof(*provider));
    struct gpuc__gce_machines *m = gpuc__calloc(1, sizeof(*m));
    int rc;

    if (!provider || !m) {
        gpuc__free(provider);
        gpuc__free(m);
        return gpuc__error_nomem(err);
    }
    provider->refs = 1;
    provider->machines = m;
    m->limit_ms = LIMIT_MS;
    m->settle_ms = SETTLE_MS;
    m->lag_ms = LAG_MS;
    m->boot_ms = BOOT_MS;
    m->keys_ms = KEYS_MS;
    m->poll_ms = POLL_MS;
    provider->context = gpuc_context_ref(config->context);
    provider->spec = config->spec;
    provider->journal = config->journal;
    provider->uuid = gpuc__strdup(config->cluster_uuid);
    provider->public_key = gpuc__strdup(config->ssh_public_key);
    provider->project = gpuc__strdup(config->spec->provider_project);
    m->keys = json_object();
    m->seen = json_object();
    set_task(&m->looking, gpuc__gce_look_turn, provider);
    set_task(&m->creating, gpuc__gce_create_turn, provider);
    set_task(&m->destroying, gpuc__gce_destroy_turn, provider);
    rc = gpuc__gce_catalogue_new(&provider->catalogue, err);
    if (rc == GPUC_OK && (!provider->uuid || !m->keys || !m->seen ||
                          (config->ssh_public_key && !provider->public_key) ||
                          (config->spec->provider_project && !provider->project)))
        rc = gpuc__error_nomem(err);
    if (rc == GPUC_OK)
        rc = read_project(provider, err);
    if (rc < 0)
        gpuc__gce_unref(provider);
    else
        *out = provider;
    return rc;
}

void gpuc__gce_unref(gpuc__provider *provider)
{
    struct gpuc__gce_machines *m = provider->machines;

    if (--provider->refs > 0)
        return;
    while (m->records)
        gpuc__gce_journal_end(m->records);
    gpuc__context_unpost(provider->context, &m->flush);
    gpuc__context_unpost(provider->context, &m->looking);
    gpuc__context_unpost(provider->context, &m->creating);
    gpuc__context_unpost(provider->context, &m->destroying);
    gpuc__gce_timer_free(m->poll);
    gpuc__gce_timer_free(m->late_timer);
    gpuc__gce_timer_free(m->key_timer);
    json_decref(m->keys);
    json_decref(m->seen);
    gpuc__free(m);
    gpuc__gce_client_unref(provider->client);
    gpuc__gce_auth_unref(provider->auth);
    gpuc__gce_catalogue_free(provider->catalogue);
    json_decref(provider->described);
    json_decref(provider->zones);
    gpuc__free(provider->project);
    gpuc__free(provider->uuid);
    gpuc__free(provider->public_key);
    gpuc_context_unref(provider->context);
    gpuc__free(provider);
}

static void gce_free(gpuc__provider *provider)
{
    if (!provider)
        return;
    gpuc__gce_cancel(provider, NULL);
    gpuc__gce_tunnels_close(provider);
    gpuc__gce_resume_stop(provider);
    if (provider->machines->list)
        gpuc__gce_call_cancel(provider->machines->list);
    if (provider->machines->opening)
        gpuc__gce_auth_cancel(provider->auth, provider);
    gpuc__gce_journal_close(provider);
    gpuc__gce_unref(provider);
}

int gpuc__gce_keep_project(gpuc__provider *provider, gpuc_error **err)
{
    gpuc__journal *journal = &provider->journal;
    int rc = GPUC_OK;

    if (provider->project_kept || !provider->project || !journal->set)
        return GPUC_OK;
    rc = journal->set(journal->data, NULL, PROJECT_KEY, provider->project, err);
    if (rc == GPUC_OK)
        provider->project_kept = true;
    return rc;
}

int gpuc__gce_open(gpuc__provider *provider, gpuc_error **err)
{
    int rc = GPUC_OK;

    if (!provider->auth)
        rc = gpuc__gce_auth_new(&provider->auth, provider->context, err);
    if (rc == GPUC_OK && !provider->client)
        rc = gpuc__gce_client_new(&provider->client, provider->context, provider->auth, NULL, err);
    if (rc == GPUC_OK && !provider->project && gpuc__gce_auth_project(provider->auth)) {
        provider->project = gpuc__strdup(gpuc__gce_auth_project(provider->auth));
        rc = provider->project ? GPUC_OK : gpuc__error_nomem(err);
    }
    return rc;
}

int gpuc__gce_need_project(const gpuc__provider *provider, gpuc_error **err)
{
    if (provider->project)
        return GPUC_OK;
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                    "no project is named, by the spec, the environment or %s",
                    gpuc__gce_auth_describe(provider->auth));
    gpuc__error_remedy(err, "set provider.project in the spec, or CLOUDSDK_CORE_PROJECT");
    return GPUC_EINVAL;
}

/* Everything that waits hears of it. */
static void open_failed(gpuc__provider *provider, gpuc_error *error)
{
    provider->refs++;
    gpuc__gce_find_fail(provider, error);
    gpuc__gce_names_fail(provider, error);
    gpuc__gce_create_fail(provider, error);
    gpuc__gce_destroy_fail(provider, error);
    gpuc_error_unref(error);
    gpuc__gce_unref(provider);
}

static void on_token(void *data, const char *token, gpuc_error *error)
{
    gpuc__provider *provider = data;

    (void)token; /* with it the project is known, where the metadata server tells it */
    provider->machines->opening = false;
    if (!error && gpuc__gce_open(provider, &error) == GPUC_OK)
        gpuc__gce_need_project(provider, &error);
    if (error) {
        open_failed(provider, error);
    } else {
        gpuc__context_post(provider->context, &provider->machines->looking);
        gpuc__gce_wake_all(provider);
    }
    gpuc__gce_unref(provider);
}

bool gpuc__gce_ready(gpuc__provider *provider)
{
    gpuc_error *error = NULL;

    if (provider->machines->opening)
        return false;
    if (gpuc__gce_open(provider, &error) < 0 || gpuc__gce_journal_load(provider, &error) < 0) {
        open_failed(provider, error);
        return false;
    }
    if (provider->project)
        return true;
    provider->machines->opening = true;
    provider->refs++;
    gpuc__gce_auth_token(provider->auth, on_token, provider);
    return false;
}

void gpuc__gce_wake_all(gpuc__provider *provider)
{
    gpuc__context_post(provider->context, &provider->machines->creating);
    gpuc__context_post(provider->context, &provider->machines->destroying);
}

gpuc_error *gpuc__gce_error_copy(const gpuc_error *error, const char *machine)
{
    const char *evidence = gpuc_error_evidence(error), *remedy = gpuc_error_remedy(error);
    gpuc_error *copy = NULL;

    gpuc__error_set(&copy, gpuc_error_code(error), gpuc_error_domain(error), "%s",
                    gpuc_error_message(error));
    gpuc__error_native(&copy, gpuc_error_native_code(error));
    gpuc__error_at(&copy, machine ? machine : gpuc_error_machine(error), gpuc_error_step(error));
    gpuc__error_evidence(&copy, evidence, evidence ? strlen(evidence) : 0);
    if (remedy)
        gpuc__error_remedy(&copy, "%s", remedy);
    gpuc__error_retryable(&copy, gpuc_error_retryable(error));
    return copy;
}

void gpuc__gce_cancel(gpuc__provider *provider, const void *data)
{
    gpuc__gce_look_cancel(provider, data);
    gpuc__gce_names_cancel(provider, data);
    gpuc__gce_create_cancel(provider, data);
    gpuc__gce_destroy_cancel(provider, data);
    gpuc__gce_check_cancel(provider, data);
    gpuc__gce_shared_cancel(provider, data);
    gpuc__gce_left_cancel(provider, data);
}

const gpuc__provider_ops gpuc__provider_gce = {.kind = "gce",
                                               .makes_machines = true,
                                               .keys_follow = true,
                                               .bulk = true,
                                               .settle = gpuc__gce_settle,
                                               .new_ = gce_new,
                                               .free = gce_free,
                                               .check = gpuc__gce_check,
                                               .describe = gpuc__gce_describe,
                                               .look = gpuc__gce_look,
                                               .create = gpuc__gce_create,
                                               .destroy = gpuc__gce_destroy,
                                               .look_shared = gpuc__gce_look_shared,
                                               .make_shared = gpuc__gce_make_shared,
                                               .drop_shared = gpuc__gce_drop_shared,
                                               .tunnel = gpuc__gce_tunnel,
                                               .list = gpuc__gce_list_machines,
                                               .find_left = gpuc__gce_find_left,
                                               .remove_left = gpuc__gce_remove_left,
                                               .shell = gpuc__gce_shell,
                                               .cancel = gpuc__gce_cancel};

/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `gce` against the small server of gce_server.h (SIMULATED), with a journal whose
 * content can be looked at when a request arrives, and that can be cut off like a killed process. */
#ifndef TEST_GCE_PROVIDER_H
#define TEST_GCE_PROVIDER_H
#include "support/gce_server.h"
#include "support/provider_client.h"

#include "provider/gce/call.h"
#include "provider/gce/machines.h"
#include "util/error.h"

static json_t *journal; /* "MACHINE/KEY": text */
static bool journal_dead, journal_refuses;
static gpuc_context *context;
static gpuc__provider *provider;

static char cluster_name[] = "c1", project_name[] = "p1", user_name[] = "ubuntu";
static char region_name[] = "us-east1", type_name[] = "n1-standard-2", gpu_name[] = "nvidia-tesla-t4";
static char network_name[] = "default";
static char zone_a[] = "us-east1-b", zone_b[] = "us-east1-c", zone_c[] = "us-west1-a";
static char *three_zones[] = {zone_a, zone_b, zone_c, NULL};
static char *no_labels[] = {NULL};
#define GCE_MACHINES 1000
static char names[GCE_MACHINES][16];
static gpuc__machine_model machines[GCE_MACHINES];
static gpuc__spec_model spec;

static int journal_set(void *data, const char *machine, const char *key, const char *value,
                       gpuc_error **err)
{
    char whole[200];

    (void)data;
    if (journal_refuses)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_STATE, "planning");
    snprintf(whole, sizeof(whole), "%s/%s", machine ? machine : "", key);
    pthread_mutex_lock(&gce.lock);
    if (!journal_dead && value)
        json_object_set_new(journal, whole, json_string(value));
    else if (!journal_dead)
        json_object_del(journal, whole);
    pthread_mutex_unlock(&gce.lock);
    return GPUC_OK;
}

static int journal_get(void *data, const char *machine, const char *key, char **out,
                       gpuc_error **err)
{
    char whole[200];

    (void)data;
    (void)err;
    snprintf(whole, sizeof(whole), "%s/%s", machine ? machine : "", key);
    *out = gpuc__strdup(json_string_value(json_object_get(journal, whole)));
    return GPUC_OK;
}

static inline const char *journal_text(void)
{
    const char *text = json_string_value(json_object_get(journal, "/gce.open"));

    return text ? text : "";
}

/* What an earlier run has written down becomes older by this. */
static inline void journal_age(int64_t ms)
{
    json_t *root = json_loads(journal_text(), 0, NULL), *record;
    size_t i;
    char *text;

    assert_true(json_array_size(json_object_get(root, "records")) > 0);
    json_array_foreach(json_object_get(root, "records"), i, record) {
        json_int_t at = json_integer_value(json_object_get(record, "at"));

        json_object_set_new(record, "at", json_integer(at - ms));
    }
    text = json_dumps(root, JSON_COMPACT);
    json_object_set_new(journal, "/gce.open", json_string(text));
    free(text);
    json_decref(root);
}

/* A provider of its own, as a new process has it. */
static inline void gce_provider_new(void)
{
    gpuc__provider_config config = {.context = context, .spec = &spec, .cluster_uuid = "u-1",
                                    .ssh_public_key = "ssh-ed25519 LOGIN me",
                                    .journal = {journal_set, journal_get, NULL}};

    assert_int_equal(gpuc__provider_gce.new_(&provider, &config, NULL), GPUC_OK);
    provider->machines->settle_ms = 100;
    provider->machines->lag_ms = 100;
    provider->machines->poll_ms = 10;
    assert_int_equal(gpuc__gce_open(provider, NULL), GPUC_OK);
    provider->client->ms_per_s = 10;
}

static inline void gce_begin_at(const char *url, int count)
{
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", url, 1);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "token-of-the-test", 1);
    journal = json_object();
    journal_dead = journal_refuses = false;
    spec = (gpuc__spec_model){.name = cluster_name, .provider_project = project_name,
                              .zones = three_zones, .region = region_name, .labels = no_labels,
                              .ssh_user = user_name, .external_ip = true, .max_price = -1,
                              .network = network_name, .machines = machines,
                              .machine_count = (size_t)count};
    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "m%d", i + 1);
        machines[i] = (gpuc__machine_model){.name = names[i], .role = GPUC__ROLE_WORKER,
                                            .user = user_name, .machine_type = type_name,
                                            .gpus = 1, .accelerator = gpu_name};
    }
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    gce_provider_new();
}

static inline void gce_begin(int count)
{
    char url[128];

    memset(&gce, 0, sizeof(gce));
    pthread_mutex_init(&gce.lock, NULL);
    http_server_start(&gce.http, NULL, gce_serve, NULL);
    snprintf(url, sizeof(url), "%s/compute/v1/", gce.http.url);
    gce_begin_at(url, count);
}

static inline void gce_turns(int count)
{
    for (int i = 0; i < count; i++)
        gpuc_context_run(context, 10, NULL);
}

/* The process ends here, mid-air: what it would still write down is lost. */
static inline void gce_kill(void)
{
    journal_dead = true;
    gpuc__provider_gce.free(provider);
    gce_turns(5);
    journal_dead = false;
    provider = NULL;
}

static inline void gce_finish_at(void)
{
    gpuc__provider_gce.free(provider);
    gce_turns(3);
    gpuc_context_unref(context);
    json_decref(journal);
    provider = NULL;
}

static inline void gce_finish(void)
{
    gce_finish_at();
    http_server_stop(&gce.http);
}

static inline provider_result gce_create_one(int index)
{
    provider_result r = {0};

    gpuc__provider_gce.create(provider, &machines[index], "a-1", provider_on_machine, &r);
    provider_wait(context, &r, 20000);
    return r;
}

static inline provider_result gce_destroy_one(const char *machine)
{
    provider_result r = {0};

    gpuc__provider_gce.destroy(provider, machine, provider_on_done, &r);
    provider_wait(context, &r, 20000);
    return r;
}

static inline provider_result gce_look_one(const char *machine)
{
    provider_result r = {0};

    gpuc__provider_gce.look(provider, machine, provider_on_machine, &r);
    provider_wait(context, &r, 20000);
    return r;
}

static inline void gce_await(const int *done)
{
    uint64_t end = gpuc__clock_ms() + 60000;

    while (!*(const volatile int *)done && gpuc__clock_ms() < end)
        gpuc_context_run(context, 50, NULL);
    assert_true(*done);
}

/* All machines of the spec in one turn. */
static inline void gce_create_all(provider_result *results, int count)
{
    memset(results, 0, (size_t)count * sizeof(*results));
    for (int i = 0; i < count; i++)
        gpuc__provider_gce.create(provider, &machines[i], "a-1", provider_on_machine, &results[i]);
    for (int i = 0; i < count; i++) {
        gce_await(&results[i].done);
    }
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* From an instance of ours to a machine that can be logged in to: it runs, has an address, and its
 * host keys are known. */
#include <string.h>

#include "provider/gce/create.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

static const struct {
    const char *status;
    char what; /* w: wait, r: runs, s: stopped, S: suspended */
} statuses[] = {{"PROVISIONING", 'w'}, {"STAGING", 'w'},       {"RUNNING", 'r'},
                {"STOPPING", 'w'},     {"PENDING_STOP", 'w'},  {"SUSPENDING", 'w'},
                {"REPAIRING", 'w'},    {"DEPROVISIONING", 'w'}, {"STOPPED", 's'},
                {"TERMINATED", 's'},   {"SUSPENDED", 'S'},     {"PENDING", 'w'}};

static char meaning(const char *status)
{
    for (size_t i = 0; status && i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(statuses[i].status, status) == 0)
            return statuses[i].what;
    }
    return 'w';
}

static const char *status_of(const gpuc__gce_ask *ask)
{
    const char *status = json_string_value(json_object_get(ask->instance, "status"));

    return status ? status : "unknown";
}

static const char *zone_of(const gpuc__gce_ask *ask)
{
    return gpuc__gce_tail(json_string_value(json_object_get(ask->instance, "zone")));
}

/* ---- waiting ---- */

static void on_seen(gpuc__gce_find *find, json_t *ours, json_t *foreign, gpuc_error *error)
{
    gpuc__gce_ask *ask = find->data;

    (void)foreign;
    if (error) {
        gpuc__gce_ask_end(ask, error);
    } else if (ours) {
        gpuc__gce_boot(ask, json_array_get(ours, 0));
    } else if (ask->lives-- > 0) { /* taken away while it started: made once more */
        gpuc__log(ask->provider->context, GPUC_LOG_WARN, "provider", "%s has gone again",
                  ask->name);
        ask->since = 0;
        ask->state = GPUC__GCE_MISSING;
        gpuc__context_post(ask->provider->context, &ask->provider->machines->creating);
    } else {
        gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_PROVIDER,
                        "the machine is made and goes again, each time");
        gpuc__error_remedy(&error, "see the operations of its zone (`gcloud compute operations "
                                   "list`): it may have been preempted; try another zone, or "
                                   "without spot");
        gpuc__gce_ask_end(ask, error);
    }
}

static void on_poll(void *data)
{
    gpuc__provider *provider = data;

    for (gpuc__gce_ask *ask = provider->machines->asks; ask; ask = ask->next) {
        if (ask->state != GPUC__GCE_BOOTING || ask->find.link)
            continue;
        ask->find = (gpuc__gce_find){.name = ask->name, .done = on_seen, .data = ask};
        gpuc__gce_find_begin(provider, &ask->find);
    }
}

static void end_late(gpuc__gce_ask *ask, const char *console)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_PROVIDER,
                    "the machine is %s in %s and does not come to run", status_of(ask),
                    zone_of(ask));
    gpuc__error_remedy(&error, "see `gcloud compute instances describe %s --zone=%s`", ask->name,
                       zone_of(ask));
    if (console)
        gpuc__error_evidence(&error, console, strlen(console));
    gpuc__gce_ask_end(ask, error);
}

static void on_console(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_ask *ask = data;

    (void)scope;
    ask->call = NULL;
    if (ask->cancelled) {
        gpuc__gce_ask_end(ask, error);
        return;
    }
    end_late(ask, error ? NULL : json_string_value(json_object_get(answer, "contents")));
    gpuc_error_unref(error);
}

static void too_late(gpuc__gce_ask *ask)
{
    char *project = gpuc__http_escape(ask->provider->project), *path = NULL;

    ask->state = GPUC__GCE_LATE;
    if (project)
        path = gpuc__asprintf("projects/%s/zones/%s/instances/%s", project, zone_of(ask), ask->name);
    if (path)
        ask->call = gpuc__gce_console(ask->provider, ask->model->name, path, on_console, ask);
    gpuc__free(project);
    gpuc__free(path);
    if (!ask->call)
        end_late(ask, NULL);
}

static void wait_more(gpuc__gce_ask *ask)
{
    struct gpuc__gce_machines *m = ask->provider->machines;
    uint64_t now = gpuc__clock_ms(), age = now - ask->since;
    gpuc_error *error = NULL;

    ask->state = GPUC__GCE_BOOTING;
    if (now >= ask->deadline) {
        too_late(ask);
        return;
    }
    if (!m->poll)
        m->poll = gpuc__gce_timer_new(ask->provider->context, on_poll, ask->provider);
    if (!m->poll) {
        gpuc__error_nomem(&error);
        gpuc__gce_ask_end(ask, error);
        return;
    }
    gpuc__gce_timer_set(m->poll, (uint64_t)m->poll_ms * (age < 5000 ? 1 : age < 60000 ? 4 : 10));
}

/* ---- starting what was stopped ---- */

static void start_failed(gpuc__gce_ask *ask, gpuc__gce_scope scope, gpuc_error *error)
{
    if (scope == GPUC__GCE_SCOPE_ZONE || scope == GPUC__GCE_SCOPE_REGION) {
        gpuc__error_wrap(&error, gpuc_error_code(error), gpuc_error_domain(error),
                         "the machine is stopped in %s and cannot be started there: %s",
                         zone_of(ask), gpuc_error_message(error));
        gpuc__error_remedy(&error,
                           "try again later, or delete the machine (`gcloud compute instances "
                           "delete %s --zone=%s`) and run this again: it is then made where there "
                           "is room",
                           ask->name, zone_of(ask));
    }
    gpuc__gce_ask_end(ask, error);
}

static void on_started(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_ask *ask = data;
    gpuc__gce_record *record = ask->record;

    ask->call = NULL;
    ask->record = NULL;
    if (!answer && gpuc__gce_lost(scope, error))
        record->busy = false;
    else
        gpuc__gce_journal_end(record);
    if (error)
        start_failed(ask, scope, error);
    else
        wait_more(ask);
}

static void start(gpuc__gce_ask *ask, gpuc__gce_change how)
{
    gpuc__provider *provider = ask->provider;
    json_t *names = json_pack("[s]", ask->model->name);
    gpuc_error *error = NULL;
    gpuc__gce_args args;
    char *path = NULL;

    ask->state = GPUC__GCE_STARTING;
    if (names)
        ask->record = gpuc__gce_journal_add(provider, how, zone_of(ask), NULL, names, NULL, &error);
    else
        gpuc__error_nomem(&error);
    json_decref(names);
    if (ask->record && gpuc__gce_journal_commit(provider, &error) == GPUC_OK &&
        gpuc__gce_record_args(&args, ask->record, &path, &error) == GPUC_OK) {
        args.done = on_started;
        args.data = ask;
        ask->call = gpuc__gce_mutate(provider->client, &args);
        if (!ask->call)
            gpuc__error_nomem(&error);
    }
    gpuc__free(path);
    if (ask->call)
        return;
    if (ask->record)
        gpuc__gce_journal_end(ask->record);
    ask->record = NULL;
    gpuc__gce_ask_end(ask, error);
}

/* ---- running ---- */

static void on_keys(void *data, char **keys, gpuc_error *error)
{
    gpuc__gce_ask *ask = data;

    if (keys) {
        gpuc__gce_keys_keep(ask->provider, ask->model->name, ask->instance, keys);
        ask->info.host_keys = keys;
    }
    gpuc__gce_ask_end(ask, error);
}

static void running(gpuc__gce_ask *ask)
{
    gpuc__provider *provider = ask->provider;
    gpuc_error *error = NULL;

    gpuc__machine_info_clear(&ask->info);
    if (gpuc__gce_read_instance(&ask->info, ask->instance, provider->spec->external_ip, &error) < 0) {
        gpuc__gce_ask_end(ask, error);
        return;
    }
    if (!ask->info.address) {
        wait_more(ask);
        return;
    }
    ask->info.user = gpuc__strdup(ask->model->user);
    ask->info.note = gpuc__strdup(ask->tried);
    ask->info.host_keys = gpuc__gce_keys_known(provider, ask->model->name, ask->instance);
    if (!ask->info.user)
        gpuc__error_nomem(&error);
    if (error || ask->info.host_keys) {
        gpuc__gce_ask_end(ask, error);
        return;
    }
    ask->state = GPUC__GCE_KEYS;
    gpuc__gce_host_keys(provider, ask->model->name, ask->info.zone,
                        gpuc__clock_ms() + (uint64_t)provider->machines->keys_ms, on_keys, ask);
}

void gpuc__gce_boot(gpuc__gce_ask *ask, json_t *instance)
{
    json_incref(instance);
    json_decref(ask->instance);
    ask->instance = instance;
    if (!ask->since) {
        ask->since = gpuc__clock_ms();
        ask->deadline = ask->since + (uint64_t)ask->provider->machines->boot_ms;
    }
    switch (meaning(status_of(ask))) {
    case 'r':
        running(ask);
        break;
    case 's':
        start(ask, GPUC__GCE_START);
        break;
    case 'S':
        start(ask, GPUC__GCE_RESUME);
        break;
    default:
        wait_more(ask);
    }
}

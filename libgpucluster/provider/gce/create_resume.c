/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that an earlier run, or an earlier try, sent or was about to send. */
#include <string.h>

#include "provider/gce/machines.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define AGAIN_MS 2000

bool gpuc__gce_lost(gpuc__gce_scope scope, const gpuc_error *error)
{
    if (!error)
        return false;
    switch (gpuc_error_code(error)) {
    case GPUC_ECANCELLED:
    case GPUC_ENETWORK:
    case GPUC_ETIMEDOUT:
    case GPUC_ENOMEM:
    case GPUC_EPROTO:
        return true;
    case GPUC_ELIMIT: /* an endless answer has no status */
        return scope == GPUC__GCE_SCOPE_RETRY || !gpuc_error_native_code(error);
    default:
        return scope == GPUC__GCE_SCOPE_RETRY || scope == GPUC__GCE_SCOPE_LOOK;
    }
}

static const char *first_name(const gpuc__gce_record *record)
{
    return json_string_value(json_array_get(record->names, 0));
}

int gpuc__gce_record_args(gpuc__gce_args *args, const gpuc__gce_record *record, char **path,
                          gpuc_error **err)
{
    static const char *const doing[] = {"", "making the machine", "making machines",
                                        "deleting the machine", "starting the machine",
                                        "resuming the machine"};
    const char *kind = record->zone ? "zones" : "regions";
    const char *place = record->zone ? record->zone : record->region;
    gpuc__provider *provider = record->provider;
    char *project = gpuc__http_escape(provider->project);
    char *name = gpuc__gce_instance_name(provider->spec->name, first_name(record));

    *path = NULL;
    if (project && name) {
        gpuc__buf text = GPUC__BUF_INIT(4096);

        gpuc__buf_printf(&text, "projects/%s/%s/%s/instances", project, kind, place);
        if (record->kind == GPUC__GCE_BULK)
            gpuc__buf_puts(&text, "/bulkInsert");
        else if (record->kind != GPUC__GCE_INSERT)
            gpuc__buf_printf(&text, "/%s%s", name,
                             record->kind == GPUC__GCE_START    ? "/start"
                             : record->kind == GPUC__GCE_RESUME ? "/resume"
                                                                : "");
        *path = gpuc__buf_take(&text);
    }
    gpuc__free(project);
    gpuc__free(name);
    if (!*path)
        return gpuc__error_nomem(err);
    *args = (gpuc__gce_args){.method = record->kind == GPUC__GCE_DELETE ? "DELETE" : "POST",
                             .path = *path,
                             .body = record->body,
                             .request_id = record->id,
                             .doing = doing[record->kind],
                             .machine = first_name(record),
                             .limit_ms = provider->machines->limit_ms};
    return GPUC_OK;
}

/* It is over, one way or the other: what is there is looked at afterwards. */
static void settled(gpuc__gce_record *record, bool good)
{
    if (good && (record->kind == GPUC__GCE_INSERT || record->kind == GPUC__GCE_BULK))
        gpuc__gce_record_made(record, record->names);
    else
        gpuc__gce_journal_end(record);
}

static void failed(gpuc__gce_record *record, gpuc_error *error)
{
    record->busy = false;
    gpuc_error_unref(record->error);
    record->error = error;
    gpuc__gce_wake_all(record->provider);
}

static void on_sent(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_record *record = data;
    gpuc__provider *provider = record->provider;

    record->call = NULL;
    if (!answer && gpuc__gce_lost(scope, error)) {
        failed(record, error);
    } else {
        bool good = !error;

        if (error)
            gpuc__log(provider->context, GPUC_LOG_INFO, "provider",
                      "a request of an earlier run has failed: %s", gpuc_error_message(error));
        gpuc_error_unref(error);
        settled(record, good);
    }
    gpuc__gce_unref(provider);
}

static void started(gpuc__gce_record *record, gpuc__gce_call *call)
{
    gpuc_error *error = NULL;

    record->call = call;
    if (call) {
        record->provider->refs++;
        return;
    }
    gpuc__error_nomem(&error);
    failed(record, error);
}

static void send_again(gpuc__gce_record *record)
{
    gpuc_error *error = NULL;
    gpuc__gce_args args;
    char *path;

    if (gpuc__gce_record_args(&args, record, &path, &error) < 0) {
        failed(record, error);
        return;
    }
    args.done = on_sent;
    args.data = record;
    started(record, gpuc__gce_mutate(record->provider->client, &args));
    gpuc__free(path);
}

static void read_operations(void *data);

/* A request that was just sent may take a moment to show. */
static void none_yet(gpuc__gce_record *record)
{
    int64_t age = gpuc__now_ms() - record->at;

    if (age >= record->provider->machines->settle_ms || age < 0) {
        settled(record, false);
        return;
    }
    if (!record->timer)
        record->timer = gpuc__gce_timer_new(record->provider->context, read_operations, record);
    if (record->timer)
        gpuc__gce_timer_set(record->timer, AGAIN_MS < record->provider->machines->settle_ms
                                               ? AGAIN_MS
                                               : 50);
    else
        started(record, NULL);
}

static void on_operations(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_record *record = data;
    gpuc__provider *provider = record->provider;
    json_t *operation, *open = NULL;
    bool good = false;
    size_t i;

    record->call = NULL;
    json_array_foreach(error ? NULL : answer, i, operation) {
        const char *status = json_string_value(json_object_get(operation, "status"));
        const char *id = json_string_value(json_object_get(operation, "clientOperationId"));

        if (!id || strcmp(id, record->id) != 0)
            continue;
        if (status && strcmp(status, "DONE") != 0)
            open = operation;
        good = good || !json_object_get(operation, "error");
    }
    if (error) {
        failed(record, error);
    } else if (open) {
        gpuc__gce_args args = {.doing = "waiting for what an earlier run began",
                               .machine = first_name(record),
                               .limit_ms = provider->machines->limit_ms,
                               .done = on_sent,
                               .data = record};

        started(record, gpuc__gce_wait(provider->client, open, &args));
    } else if (json_array_size(answer)) {
        settled(record, good);
    } else {
        none_yet(record);
    }
    gpuc__gce_unref(provider);
}

static void read_operations(void *data)
{
    gpuc__gce_record *record = data;
    gpuc__provider *provider = record->provider;
    char *project = gpuc__http_escape(provider->project), *path = NULL, *filter, *escaped = NULL;
    char *query = NULL;

    if (project)
        path = gpuc__asprintf("projects/%s/%s/%s/operations", project,
                              record->zone ? "zones" : "regions",
                              record->zone ? record->zone : record->region);
    filter = gpuc__asprintf("clientOperationId eq \"%s\"", record->id);
    if (filter)
        escaped = gpuc__http_escape(filter);
    if (escaped)
        query = gpuc__asprintf("filter=%s", escaped);
    if (path && query) {
        gpuc__gce_args args = {.method = "GET",
                               .path = path,
                               .query = query,
                               .doing = "looking for what an earlier run began",
                               .machine = first_name(record),
                               .done = on_operations,
                               .data = record};

        started(record, gpuc__gce_list(provider->client, &args, NULL));
    } else {
        started(record, NULL);
    }
    gpuc__free(project);
    gpuc__free(path);
    gpuc__free(filter);
    gpuc__free(escaped);
    gpuc__free(query);
}

/* Under an id that the server no longer knows it would be a new request: a second machine in
 * another zone, or the end of what has the name by now. Then what is there decides. */
void gpuc__gce_resume(gpuc__gce_record *record, bool make)
{
    int64_t age = gpuc__now_ms() - record->at;
    bool known = age >= 0 && age < GPUC__GCE_ID_MS;

    record->busy = true;
    record->error = gpuc_error_unref(record->error);
    if (known && (make || record->kind == GPUC__GCE_DELETE))
        send_again(record);
    else
        read_operations(record);
}

void gpuc__gce_resume_stop(gpuc__provider *provider)
{
    for (gpuc__gce_record *r = provider->machines->records; r; r = r->next) {
        if (r->call)
            gpuc__gce_call_cancel(r->call);
        if (r->timer) {
            gpuc__gce_timer_free(r->timer);
            r->timer = NULL;
        }
    }
}

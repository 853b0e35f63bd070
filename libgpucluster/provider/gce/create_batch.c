/* SPDX-License-Identifier: Apache-2.0 */
/* Equal machines made by one request; what a place cannot give is asked for at the next one. After
 * each request, failed or not, the machines are looked for by name before anything else is tried. */
#include <string.h>

#include "provider/gce/body.h"
#include "provider/gce/create_batch.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define REPEATS_MAX 3 /* of a name that is said to be taken while nothing is there */

static const char *zone_of(const gpuc__gce_batch *batch)
{
    char **zones = batch->provider->spec->zones;

    return zones && zones[0] ? zones[batch->zone] : NULL;
}

static const gpuc__machine_model *model_of(const gpuc__gce_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->asks[i])
            return batch->asks[i]->model;
    }
    return NULL;
}

/* A request whose end is not known: when all that it asks for is there, it is at its end. */
static void let_go(gpuc__gce_batch *batch)
{
    gpuc__gce_record *record = batch->record;

    batch->record = NULL;
    if (!record)
        return;
    if (batch->found == json_array_size(record->names) || (batch->error && !batch->lost)) {
        gpuc__gce_journal_end(record);
    } else if (!batch->lost) {
        gpuc__gce_record_made(record, record->names);
    } else {
        record->busy = false; /* the next create takes it up */
        gpuc__gce_wake_all(batch->provider);
    }
}

static void batch_free(gpuc__gce_batch *batch)
{
    gpuc__provider *provider = batch->provider;

    let_go(batch);
    gpuc__free(batch->group);
    *batch->link = batch->next;
    if (batch->next)
        batch->next->link = batch->link;
    gpuc__buf_clear(&batch->tried);
    gpuc_error_unref(batch->error);
    json_decref(batch->denied);
    gpuc__free(batch->key);
    gpuc__free(batch->asks);
    gpuc__free(batch);
    gpuc__gce_unref(provider);
}

static void drop_ask(gpuc__gce_batch *batch, gpuc__gce_ask *ask)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->asks[i] == ask) {
            batch->asks[i] = NULL;
            batch->left--;
        }
    }
    ask->batch = NULL;
}

/* ---- the request ---- */

/* NULL-terminated strings of a JSON array, each through `each` where given; free with free_list. */
static char **list_of(const json_t *array, char *(*each)(const char *cluster, const char *name),
                      const char *cluster)
{
    size_t n = json_array_size(array);
    char **list = gpuc__calloc(n + 1, sizeof(*list));

    for (size_t i = 0; list && i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        list[i] = each ? each(cluster, text) : gpuc__strdup(text);
        if (!list[i]) {
            gpuc__gce_keys_free(list);
            return NULL;
        }
    }
    return list;
}

json_t *gpuc__gce_batch_body(const gpuc__provider *provider, const gpuc__machine_model *model,
                             gpuc__gce_change kind, const char *zone, json_t *machines,
                             json_t *denied, gpuc_error **err)
{
    gpuc__gce_shape shape;
    char **names, **zones;
    json_t *body = NULL;

    if (gpuc__gce_catalogue_shape(&shape, provider->catalogue, model, err) < 0)
        return NULL;
    if (kind == GPUC__GCE_INSERT) {
        body = gpuc__gce_body_instance(provider, model, &shape, zone);
    } else {
        names = list_of(machines, gpuc__gce_instance_name, provider->spec->name);
        zones = list_of(denied, NULL, NULL);
        if (names && zones)
            body = gpuc__gce_body_bulk(provider, model, &shape, (const char *const *)names, zone,
                                       (const char *const *)zones);
        gpuc__gce_keys_free(names);
        gpuc__gce_keys_free(zones);
    }
    if (!body)
        gpuc__error_nomem(err);
    return body;
}

static json_t *names_of(const gpuc__gce_batch *batch)
{
    json_t *names = json_array();

    for (size_t i = 0; i < batch->count; i++) {
        if (batch->asks[i] &&
            json_array_append_new(names, json_string(batch->asks[i]->model->name)) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

/* Everyone who is still without a machine gets the error, with all that was tried. */
static void fail(gpuc__gce_batch *batch, gpuc_error *error)
{
    const char *tried = gpuc__buf_text(&batch->tried);

    if (batch->tries > 1 && error)
        gpuc__error_wrap(&error, gpuc_error_code(error), gpuc_error_domain(error),
                         "none of the places that were tried could make it: %s",
                         gpuc_error_message(error));
    if (batch->tries)
        gpuc__error_evidence(&error, tried, strlen(tried));
    for (size_t i = 0; i < batch->count; i++) {
        gpuc__gce_ask *ask = batch->asks[i];

        if (!ask)
            continue;
        drop_ask(batch, ask);
        gpuc__gce_ask_end(ask, gpuc__gce_error_copy(error, ask->model->name));
    }
    gpuc_error_unref(error);
    batch_free(batch);
}

/* ---- where to go on ---- */

static size_t region_length(const char *zone)
{
    const char *dash = strrchr(zone, '-');

    return dash ? (size_t)(dash - zone) : strlen(zone);
}

static bool same_region(const char *one, const char *other)
{
    size_t length = region_length(one);

    return length == region_length(other) && strncmp(one, other, length) == 0;
}

/* The next place, or false: there is none. */
static bool next_place(gpuc__gce_batch *batch)
{
    char *const *zones = batch->provider->spec->zones;
    size_t from = batch->zone;

    if (!zone_of(batch)) /* more of the region, where a zone gave some */
        return batch->found && batch->scope != GPUC__GCE_SCOPE_REGION;
    for (size_t i = from + 1; zones[i]; i++) {
        if (batch->scope == GPUC__GCE_SCOPE_REGION && same_region(zones[i], zones[from]))
            continue;
        batch->zone = i;
        return true;
    }
    return false;
}

static bool ask_why(gpuc__gce_batch *batch);
static void look_for_all(gpuc__gce_batch *batch);

/* These machines came of the request, which has succeeded. */
static void made(gpuc__gce_batch *batch, const json_t *machines)
{
    gpuc__gce_record *record = batch->record;

    batch->record = NULL;
    if (record)
        gpuc__gce_record_made(record, machines);
}

/* True: not all of what succeeded has been listed, and that is being seen to. */
static bool see_to_rest(gpuc__gce_batch *batch)
{
    if (batch->error || batch->lost)
        return false;
    if (batch->record && !batch->found) { /* one of them at least has been made */
        made(batch, batch->record->names);
        look_for_all(batch);
        return true;
    }
    return batch->group && batch->place[0] && ask_why(batch);
}

static void advance(gpuc__gce_batch *batch)
{
    gpuc_error *error = batch->error;
    bool again = false;

    if (batch->left && see_to_rest(batch))
        return;
    let_go(batch);
    if (!batch->left) {
        batch_free(batch);
        return;
    }
    batch->error = NULL;
    if (batch->scope == GPUC__GCE_SCOPE_EXISTS)
        again = batch->repeats++ < REPEATS_MAX;
    else if (!batch->lost && (error ? batch->scope == GPUC__GCE_SCOPE_ZONE ||
                                          batch->scope == GPUC__GCE_SCOPE_REGION
                                    : batch->found > 0)) /* none, and no error: not seen yet */
        again = next_place(batch);
    if (again) {
        gpuc_error_unref(error);
        gpuc__gce_batch_send(batch);
        return;
    }
    if (!error) {
        gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_PROVIDER,
                        "fewer machines were made than asked for");
        gpuc__error_remedy(&error, "run it again: what was made is kept");
        gpuc__error_retryable(&error, true);
    }
    fail(batch, error);
}

/* ---- what came of it ---- */

static void note_try(gpuc__gce_batch *batch)
{
    const gpuc__spec_model *spec = batch->provider->spec;
    const char *place = zone_of(batch) ? zone_of(batch) : spec->region;
    const char *why = batch->error ? gpuc_error_message(batch->error) : "done";

    gpuc__buf_printf(&batch->tried, "%s: %s\n", place, why);
    if (batch->error)
        gpuc__log(batch->provider->context, GPUC_LOG_INFO, "provider", "%zu machines (%s, …) in %s: %s",
                  batch->left, model_of(batch) ? model_of(batch)->name : "", place, why);
}

/* "tried before: us-east1-b (no room)": the last try, which made it, is left out. */
static char *tried_before(const gpuc__gce_batch *batch)
{
    const char *text = gpuc__buf_text(&batch->tried), *last;
    char *note;

    if (batch->tries < 2)
        return NULL;
    for (last = text + strlen(text) - 1; last > text && last[-1] != '\n';)
        last--;
    if (last == text)
        return NULL;
    note = gpuc__asprintf("tried before: %.*s", (int)(last - 1 - text), text);
    for (char *c = note; c && *c; c++) {
        if (*c == '\n')
            *c = ';';
    }
    return note;
}

/* The machine of this batch that an operation has made; NULL: none. */
static const char *made_by(const gpuc__gce_batch *batch, const json_t *operation)
{
    const char *name = gpuc__gce_tail(json_string_value(json_object_get(operation, "targetLink")));

    for (size_t i = 0; i < batch->count; i++) {
        if (batch->asks[i] && strcmp(batch->asks[i]->name, name) == 0)
            return batch->asks[i]->model->name;
    }
    return NULL;
}

/* Each machine of a bulk request has an operation of its own, which says why it failed. */
static void on_reasons(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_batch *batch = data;
    json_t *operation, *unseen = json_array();
    size_t i;
    bool wait;

    batch->call = NULL;
    batch->lost = !batch->left; /* cancelled: nobody has seen what came of it */
    json_array_foreach(error ? NULL : answer, i, operation) {
        gpuc_error *why = NULL;
        gpuc__gce_scope reach;

        if (!json_object_get(operation, "error")) {
            const char *machine = made_by(batch, operation);

            if (machine)
                json_array_append_new(unseen, json_string(machine));
            continue;
        }
        reach = gpuc__gce_classify(200, operation, "making the machine", &why);
        if (reach > batch->scope && reach <= GPUC__GCE_SCOPE_FINAL) {
            gpuc_error_unref(batch->error);
            batch->error = why;
            batch->scope = reach;
        } else {
            gpuc_error_unref(why);
        }
    }
    if (error && batch->record) /* nobody says which: any may come */
        json_array_extend(unseen, batch->record->names);
    gpuc_error_unref(error);
    if (batch->error)
        note_try(batch);
    wait = batch->left && batch->record && json_array_size(unseen);
    if (batch->left)
        made(batch, unseen);
    json_decref(unseen);
    if (wait)
        look_for_all(batch);
    else
        advance(batch);
}

/* False: nobody is asked. */
static bool ask_why(gpuc__gce_batch *batch)
{
    gpuc__provider *provider = batch->provider;
    char *project = gpuc__http_escape(provider->project), *path = NULL, *query = NULL;
    char *group = gpuc__http_escape(batch->group);
    gpuc__gce_args args = {.method = "GET", .doing = "reading why machines were not made",
                           .done = on_reasons, .data = batch};

    gpuc__free(batch->group);
    batch->group = NULL;
    if (project && group) {
        path = gpuc__asprintf("projects/%s/zones/%s/operations", project, batch->place);
        query = gpuc__asprintf("filter=operationGroupId%%20eq%%20%%22%s%%22", group);
    }
    args.path = path;
    args.query = query;
    if (path && query)
        batch->call = gpuc__gce_list(provider->client, &args, NULL);
    gpuc__free(project);
    gpuc__free(group);
    gpuc__free(path);
    gpuc__free(query);
    return batch->call;
}

static void deny_zone(gpuc__gce_batch *batch, const json_t *instance)
{
    const char *zone = gpuc__gce_tail(json_string_value(json_object_get(instance, "zone")));
    json_t *known;
    size_t i;

    if (!batch->denied)
        batch->denied = json_array();
    json_array_foreach(batch->denied, i, known) {
        if (strcmp(json_string_value(known), zone) == 0)
            return;
    }
    json_array_append_new(batch->denied, json_string(zone));
}

static void on_after(gpuc__gce_find *find, json_t *ours, json_t *foreign, gpuc_error *error)
{
    gpuc__gce_ask *ask = find->data;
    gpuc__gce_batch *batch = ask->batch;

    if (!error && !ours && foreign)
        gpuc__gce_set_foreign(ask->provider, ask->model->name, foreign, &error);
    if (error || ours)
        drop_ask(batch, ask);
    if (ours) {
        batch->found++;
        snprintf(batch->place, sizeof(batch->place), "%s",
                 gpuc__gce_tail(json_string_value(
                     json_object_get(json_array_get(ours, 0), "zone"))));
        deny_zone(batch, json_array_get(ours, 0));
        ask->made = true;
        if (!ask->tried)
            ask->tried = tried_before(batch);
        gpuc__gce_boot(ask, json_array_get(ours, 0));
    } else if (error) {
        gpuc__gce_ask_end(ask, error);
    }
    if (--batch->looking == 0)
        advance(batch);
}

static void look_for_all(gpuc__gce_batch *batch)
{
    batch->looking = batch->left;
    for (size_t i = 0; i < batch->count; i++) {
        gpuc__gce_ask *ask = batch->asks[i];

        if (ask) {
            ask->find = (gpuc__gce_find){.name = ask->name, .done = on_after, .data = ask};
            gpuc__gce_find_begin(batch->provider, &ask->find);
        }
    }
}

static void on_sent(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_batch *batch = data;

    batch->call = NULL;
    batch->scope = scope;
    batch->error = error;
    batch->lost = !answer && gpuc__gce_lost(scope, error);
    batch->found = 0;
    if (!batch->left) { /* all cancelled: the spec may be gone with the cluster */
        batch->lost = batch->lost || !error; /* nobody has seen what came of it */
        batch_free(batch);
        return;
    }
    gpuc__free(batch->group);
    batch->group = gpuc__strdup(json_string_value(json_object_get(answer, "operationGroupId")));
    snprintf(batch->place, sizeof(batch->place), "%s", zone_of(batch) ? zone_of(batch) : "");
    if (error && !batch->lost)
        let_go(batch);
    else if (!error && batch->record->kind == GPUC__GCE_INSERT)
        made(batch, batch->record->names);
    batch->tries++;
    note_try(batch);
    look_for_all(batch);
}

void gpuc__gce_batch_send(gpuc__gce_batch *batch)
{
    gpuc__provider *provider = batch->provider;
    const char *zone = zone_of(batch);
    gpuc__gce_change kind = zone && batch->left == 1 ? GPUC__GCE_INSERT : GPUC__GCE_BULK;
    json_t *names = names_of(batch), *body = NULL;
    gpuc_error *error = NULL;
    gpuc__gce_args args;
    char *path = NULL;

    if (!names)
        gpuc__error_nomem(&error);
    else
        body = gpuc__gce_batch_body(provider, model_of(batch), kind, zone, names, batch->denied,
                                    &error);
    if (body)
        batch->record = gpuc__gce_journal_add(provider, kind, zone,
                                              zone ? NULL : provider->spec->region, names, body,
                                              &error);
    if (batch->record && gpuc__gce_journal_commit(provider, &error) == GPUC_OK &&
        gpuc__gce_record_args(&args, batch->record, &path, &error) == GPUC_OK) {
        args.done = on_sent;
        args.data = batch;
        batch->call = gpuc__gce_mutate(provider->client, &args);
        if (!batch->call)
            gpuc__error_nomem(&error);
    }
    gpuc__free(path);
    json_decref(names);
    json_decref(body);
    if (batch->call)
        return;
    if (batch->record)
        gpuc__gce_journal_end(batch->record);
    batch->record = NULL;
    fail(batch, error);
}

void gpuc__gce_batch_leave(gpuc__gce_ask *ask)
{
    gpuc__gce_batch *batch = ask->batch;
    bool looking = ask->find.link;

    drop_ask(batch, ask);
    gpuc__gce_find_drop(&ask->find);
    if (batch->call && !batch->left)
        gpuc__gce_call_cancel(batch->call);
    else if (looking && --batch->looking == 0)
        advance(batch);
}

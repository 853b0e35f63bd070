/* SPDX-License-Identifier: Apache-2.0 */
/* Equal machines made by one request; what a place cannot give is asked for at the next one. After
 * each request, failed or not, the machines are looked for by name before anything else is tried. */
#include <string.h>

#include "provider/gce/body.h"
#include "provider/gce/machines.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define BULK_MAX 1000
#define REPEATS_MAX 3 /* of a name that is said to be taken while nothing is there */
#define TRIED_MAX (64 * 1024)

struct gpuc__gce_batch {
    struct gpuc__gce_batch *next, **link;
    gpuc__provider *provider;
    gpuc__gce_ask **asks; /* NULL: made, failed or cancelled */
    size_t count, left;
    size_t looking;       /* finds under way */
    char *key;            /* equal for equal machines */
    size_t zone;          /* of the spec's list; regional without one */
    json_t *denied;       /* zones of the region that are full */
    gpuc__gce_record *record;
    gpuc__gce_call *call;
    gpuc__gce_scope scope; /* of the last try */
    gpuc_error *error;     /* likewise */
    bool lost;             /* likewise: its end is not known */
    size_t found;          /* machines that came of it */
    char place[64];        /* the zone where they are */
    char *group;           /* of the operations that a bulk request began; NULL: not known */
    int repeats, tries;
    gpuc__buf tried;
};

static void send_batch(gpuc__gce_batch *batch);

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
    if (!batch->lost || batch->found == json_array_size(record->names)) {
        gpuc__gce_journal_end(record);
        return;
    }
    record->busy = false; /* the next create takes it up */
    gpuc__gce_wake_all(batch->provider);
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

static void advance(gpuc__gce_batch *batch)
{
    gpuc_error *error = batch->error;
    bool again = false;

    let_go(batch);
    if (!batch->left) {
        batch_free(batch);
        return;
    }
    if (!error && batch->group && batch->place[0] && ask_why(batch))
        return;
    batch->error = NULL;
    if (batch->scope == GPUC__GCE_SCOPE_EXISTS)
        again = batch->repeats++ < REPEATS_MAX;
    else if (!batch->lost && (!error || batch->scope == GPUC__GCE_SCOPE_ZONE ||
                              batch->scope == GPUC__GCE_SCOPE_REGION))
        again = next_place(batch);
    if (again) {
        gpuc_error_unref(error);
        send_batch(batch);
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

/* Each machine of a bulk request has an operation of its own, which says why it failed. */
static void on_reasons(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_batch *batch = data;
    json_t *operation;
    size_t i;

    batch->call = NULL;
    json_array_foreach(error ? NULL : answer, i, operation) {
        gpuc_error *why = NULL;
        gpuc__gce_scope reach;

        if (!json_object_get(operation, "error"))
            continue;
        reach = gpuc__gce_classify(200, operation, "making the machine", &why);
        if (reach > batch->scope && reach <= GPUC__GCE_SCOPE_FINAL) {
            gpuc_error_unref(batch->error);
            batch->error = why;
            batch->scope = reach;
        } else {
            gpuc_error_unref(why);
        }
    }
    gpuc_error_unref(error); /* without reasons it goes on as if the place were full */
    if (batch->error)
        note_try(batch);
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
        if (batch->tries > 1)
            ask->tried = gpuc__strdup(gpuc__buf_text(&batch->tried));
        gpuc__gce_boot(ask, json_array_get(ours, 0));
    } else if (error) {
        gpuc__gce_ask_end(ask, error);
    }
    if (--batch->looking == 0)
        advance(batch);
}

static void on_sent(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_batch *batch = data;

    batch->call = NULL;
    batch->scope = scope;
    batch->error = error;
    batch->lost = !answer && gpuc__gce_lost(scope, error);
    batch->found = 0;
    gpuc__free(batch->group);
    batch->group = gpuc__strdup(json_string_value(json_object_get(answer, "operationGroupId")));
    snprintf(batch->place, sizeof(batch->place), "%s", zone_of(batch) ? zone_of(batch) : "");
    if (!batch->lost)
        let_go(batch);
    batch->tries++;
    note_try(batch);
    if (!batch->left) {
        batch_free(batch);
        return;
    }
    batch->looking = batch->left;
    for (size_t i = 0; i < batch->count; i++) {
        gpuc__gce_ask *ask = batch->asks[i];

        if (ask) {
            ask->find = (gpuc__gce_find){.name = ask->name, .done = on_after, .data = ask};
            gpuc__gce_find_begin(batch->provider, &ask->find);
        }
    }
}

static void send_batch(gpuc__gce_batch *batch)
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

/* ---- who goes together ---- */

/* The text of a request for this machine alone, but for its name. */
static char *key_of(const gpuc__gce_ask *ask, gpuc_error **err)
{
    static const char *const nobody[] = {NULL};
    const gpuc__provider *provider = ask->provider;
    char **zones = provider->spec->zones;
    gpuc__gce_shape shape;
    json_t *body;
    char *text, *key;
    bool whole;

    if (gpuc__gce_catalogue_shape(&shape, provider->catalogue, ask->model, err) < 0)
        return NULL;
    body = gpuc__gce_body_bulk(provider, ask->model, &shape, nobody, zones ? zones[0] : NULL, NULL);
    text = body ? json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(body);
    /* A name that was cut is told by a label only, which such a request cannot give. */
    whole = strlen(provider->spec->name) + 1 + strlen(ask->model->name) == strlen(ask->name);
    key = text ? gpuc__asprintf("%s%s", text, whole ? "" : ask->name) : NULL;
    free(text); /* jansson's own memory */
    if (!key)
        gpuc__error_nomem(err);
    return key;
}

static gpuc__gce_batch *batch_new(gpuc__provider *provider, size_t room)
{
    gpuc__gce_batch *batch = gpuc__calloc(1, sizeof(*batch));

    if (batch)
        batch->asks = gpuc__calloc(room, sizeof(gpuc__gce_ask *));
    if (!batch || !batch->asks) {
        gpuc__free(batch);
        return NULL;
    }
    batch->provider = provider;
    provider->refs++;
    gpuc__buf_init(&batch->tried, TRIED_MAX);
    batch->link = &provider->machines->batches;
    batch->next = *batch->link;
    if (batch->next)
        batch->next->link = &batch->next;
    *batch->link = batch;
    return batch;
}

static bool has_place(const gpuc__provider *provider, gpuc_error **err)
{
    const gpuc__spec_model *spec = provider->spec;

    if ((spec->zones && spec->zones[0]) || spec->region)
        return true;
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SPEC, "provider: neither zones nor a region");
    gpuc__error_remedy(err, "set provider.zones or provider.region in the spec");
    return false;
}

/* Puts it into a batch that is not sent yet, or ends it. */
static void join(gpuc__gce_ask *ask, size_t room)
{
    gpuc__provider *provider = ask->provider;
    gpuc_error *error = NULL;
    char *key = has_place(provider, &error) ? key_of(ask, &error) : NULL;
    gpuc__gce_batch *batch = NULL;

    for (gpuc__gce_batch *b = provider->machines->batches; key && b && !batch; b = b->next) {
        if (!b->tries && !b->call && b->count < BULK_MAX && strcmp(b->key, key) == 0)
            batch = b;
    }
    if (!batch && key) {
        batch = batch_new(provider, room < BULK_MAX ? room : BULK_MAX);
        if (batch) {
            batch->key = key;
            key = NULL;
        }
    }
    gpuc__free(key);
    if (!batch) {
        if (!error)
            gpuc__error_nomem(&error);
        gpuc__gce_ask_end(ask, error);
        return;
    }
    batch->asks[batch->count++] = ask;
    batch->left++;
    ask->batch = batch;
    ask->state = GPUC__GCE_MAKING;
}

void gpuc__gce_batch_all(gpuc__provider *provider)
{
    gpuc__gce_ask *ask, *next;
    gpuc__gce_batch *batch, *after;
    size_t missing = 0;

    for (ask = provider->machines->asks; ask; ask = ask->next)
        missing += ask->state == GPUC__GCE_MISSING;
    for (ask = provider->machines->asks; ask && missing; ask = next) {
        next = ask->next;
        if (ask->state == GPUC__GCE_MISSING)
            join(ask, missing);
    }
    for (batch = provider->machines->batches; batch; batch = after) {
        after = batch->next;
        if (!batch->tries && !batch->call && batch->left)
            send_batch(batch);
    }
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

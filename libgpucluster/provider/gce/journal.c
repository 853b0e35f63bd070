/* SPDX-License-Identifier: Apache-2.0 */
/* Mutations whose end is not known, kept as one text of the cluster: {"records": [...]}. */
#include <string.h>

#include "provider/gce/machines.h"
#include "util/alloc.h"
#include "util/error.h"

#define KEY "gce.open"
#define RECORDS_MAX 20000

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void record_free(gpuc__gce_record *record)
{
    *record->link = record->next;
    if (record->next)
        record->next->link = record->link;
    gpuc__gce_timer_free(record->timer);
    gpuc__free(record->zone);
    gpuc__free(record->region);
    json_decref(record->names);
    json_decref(record->body);
    json_decref(record->unseen);
    gpuc_error_unref(record->error);
    gpuc__free(record);
}

static gpuc__gce_record *record_new(gpuc__provider *provider, gpuc__gce_change kind,
                                    const char *zone, const char *region, json_t *names,
                                    json_t *body)
{
    gpuc__gce_record *record = gpuc__calloc(1, sizeof(*record));

    if (!record)
        return NULL;
    record->provider = provider;
    record->kind = kind;
    record->link = &provider->machines->records;
    record->next = *record->link;
    if (record->next)
        record->next->link = &record->next;
    *record->link = record;
    record->names = json_incref(names);
    record->body = json_incref(body);
    record->zone = gpuc__strdup(zone);
    record->region = gpuc__strdup(region);
    if ((zone && !record->zone) || (region && !record->region)) {
        record_free(record);
        return NULL;
    }
    return record;
}

bool gpuc__gce_is_name(const char *text)
{
    return text && text[0] && strlen(text) < 64 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static int take_record(gpuc__provider *provider, const json_t *entry, gpuc_error **err)
{
    const char *id = text_at(entry, "id"), *zone = text_at(entry, "zone");
    const char *region = text_at(entry, "region");
    json_int_t kind = json_integer_value(json_object_get(entry, "kind"));
    json_t *names = json_object_get(entry, "names"), *name;
    gpuc__gce_record *record;
    size_t i;
    bool good = id && strlen(id) == 36 && (zone || region) && (!zone || gpuc__gce_is_name(zone)) &&
                (!region || gpuc__gce_is_name(region)) && kind >= GPUC__GCE_INSERT &&
                kind <= GPUC__GCE_RESUME && json_array_size(names);

    json_array_foreach(names, i, name) {
        good = good && gpuc__gce_is_name(json_string_value(name));
    }
    if (!good)
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_STATE,
                               "the state's record of a request to Compute Engine cannot be read");
    record = record_new(provider, (gpuc__gce_change)kind, zone, region, names,
                        json_object_get(entry, "body"));
    if (!record)
        return gpuc__error_nomem(err);
    memcpy(record->id, id, sizeof(record->id));
    record->at = json_integer_value(json_object_get(entry, "at"));
    return GPUC_OK;
}

int gpuc__gce_journal_load(gpuc__provider *provider, gpuc_error **err)
{
    gpuc__journal *journal = &provider->journal;
    json_t *root = NULL, *records, *entry;
    char *text = NULL;
    size_t i;
    int rc = GPUC_OK;

    if (provider->machines->loaded)
        return GPUC_OK;
    if (journal->get)
        rc = journal->get(journal->data, NULL, KEY, &text, err);
    if (rc == GPUC_OK && text && !(root = json_loads(text, 0, NULL)))
        rc = gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_STATE,
                             "the state's records of requests to Compute Engine are not JSON");
    records = json_object_get(root, "records");
    if (rc == GPUC_OK && json_array_size(records) > RECORDS_MAX)
        rc = gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_STATE,
                             "the state has more than %d records of open requests", RECORDS_MAX);
    json_array_foreach(records, i, entry) {
        if (rc == GPUC_OK)
            rc = take_record(provider, entry, err);
    }
    gpuc__free(text);
    json_decref(root);
    if (rc == GPUC_OK)
        provider->machines->loaded = true;
    while (rc < 0 && provider->machines->records)
        record_free(provider->machines->records);
    return rc;
}

static json_t *record_json(const gpuc__gce_record *record)
{
    return json_pack("{s:s, s:i, s:s*, s:s*, s:O, s:O*, s:I}", "id", record->id, "kind",
                     (int)record->kind, "zone", record->zone, "region", record->region, "names",
                     record->names, "body", record->body, "at", (json_int_t)record->at);
}

int gpuc__gce_journal_commit(gpuc__provider *provider, gpuc_error **err)
{
    struct gpuc__gce_machines *m = provider->machines;
    gpuc__journal *journal = &provider->journal;
    json_t *list = json_array(), *root = NULL;
    char *text = NULL;
    int rc = list ? GPUC_OK : GPUC_ENOMEM;

    gpuc__context_unpost(provider->context, &m->flush);
    m->dirty = false;
    if (journal->set && m->records) {
        for (gpuc__gce_record *r = m->records; rc == GPUC_OK && r; r = r->next) {
            if (json_array_append_new(list, record_json(r)) != 0)
                rc = GPUC_ENOMEM;
        }
        root = rc == GPUC_OK ? json_pack("{s:O}", "records", list) : NULL;
        text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
        rc = text ? GPUC_OK : GPUC_ENOMEM;
    }
    if (rc == GPUC_ENOMEM)
        gpuc__error_nomem(err);
    else if (text)
        rc = gpuc__gce_keep_project(provider, err);
    if (rc == GPUC_OK && journal->set)
        rc = journal->set(journal->data, NULL, KEY, text, err);
    free(text); /* jansson's own memory */
    json_decref(root);
    json_decref(list);
    return rc;
}

/* What has ended and stays written down is sent once more by a next run, under its old id: no harm. */
static void flush(void *data)
{
    gpuc__provider *provider = data;
    gpuc_error *error = NULL;

    if (provider->machines->dirty && gpuc__gce_journal_commit(provider, &error) < 0)
        gpuc__log(provider->context, GPUC_LOG_WARN, "provider",
                  "a request's end could not be written down: %s", gpuc_error_message(error));
    gpuc_error_unref(error);
}

gpuc__gce_record *gpuc__gce_journal_add(gpuc__provider *provider, gpuc__gce_change kind,
                                        const char *zone, const char *region, json_t *names,
                                        json_t *body, gpuc_error **err)
{
    gpuc__gce_record *record = record_new(provider, kind, zone, region, names, body);

    if (!record) {
        gpuc__error_nomem(err);
        return NULL;
    }
    record->at = gpuc__now_ms();
    record->busy = true;
    if (gpuc__gce_uuid(record->id, err) < 0) {
        record_free(record);
        return NULL;
    }
    return record;
}

void gpuc__gce_journal_end(gpuc__gce_record *record)
{
    gpuc__provider *provider = record->provider;

    record_free(record);
    provider->machines->dirty = true;
    provider->machines->flush.fn = flush;
    provider->machines->flush.data = provider;
    gpuc__context_post(provider->context, &provider->machines->flush);
    gpuc__gce_wake_all(provider);
}

gpuc__gce_record *gpuc__gce_journal_find(const gpuc__provider *provider, const char *machine)
{
    for (gpuc__gce_record *r = provider->machines->records; r; r = r->next) {
        json_t *name;
        size_t i;

        if (r->unseen) /* its end is known */
            continue;
        json_array_foreach(r->names, i, name) {
            if (strcmp(json_string_value(name), machine) == 0)
                return r;
        }
    }
    return NULL;
}

void gpuc__gce_journal_close(gpuc__provider *provider)
{
    flush(provider);
    provider->journal = (gpuc__journal){0};
}

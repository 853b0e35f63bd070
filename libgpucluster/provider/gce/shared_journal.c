/* SPDX-License-Identifier: Apache-2.0 */
/* The mutation under way of what machines share, kept as one text of the cluster. */
#include <string.h>

#include "provider/gce/shared.h"
#include "util/alloc.h"
#include "util/error.h"

#define KEY "gce.shared"          /* the record */
#define HAS_KEY "gce.project-key" /* "yes": our key is, or may be, in the project's metadata */

static const char *const methods[] = {"POST", "PATCH", "DELETE"};

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void gpuc__gce_shared_record_clear(gpuc__gce_shared_record *record)
{
    gpuc__free(record->name);
    gpuc__free(record->fingerprint);
    json_decref(record->body);
    memset(record, 0, sizeof(*record));
}

static int unreadable(gpuc_error **err)
{
    return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_STATE,
                           "the state's record of a shared request to Compute Engine cannot be "
                           "read");
}

static int take(gpuc__gce_shared_record *record, const json_t *root, gpuc_error **err)
{
    const char *id = text_at(root, "id"), *method = text_at(root, "method");
    const char *name = text_at(root, "name"), *fingerprint = text_at(root, "fingerprint");
    gpuc__gce_shared_record read = {.body = json_incref(json_object_get(root, "body")),
                                    .drop = json_is_true(json_object_get(root, "drop")),
                                    .at = json_integer_value(json_object_get(root, "at"))};

    for (size_t i = 0; method && i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i], method) == 0)
            read.method = methods[i];
    }
    read.name = gpuc__strdup(name);
    read.fingerprint = gpuc__strdup(fingerprint);
    if ((name && !read.name) || (fingerprint && !read.fingerprint)) {
        gpuc__gce_shared_record_clear(&read);
        return gpuc__error_nomem(err);
    }
    /* the name goes into a path */
    if (!id || strlen(id) != 36 || (method ? !read.method || !name : !fingerprint) ||
        (name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))) {
        gpuc__gce_shared_record_clear(&read);
        return unreadable(err);
    }
    memcpy(read.id, id, sizeof(read.id));
    *record = read;
    return GPUC_OK;
}

int gpuc__gce_shared_load(gpuc__gce_shared *work, gpuc_error **err)
{
    gpuc__journal *journal = &work->provider->journal;
    char *text = NULL;
    json_t *root;
    int rc = GPUC_OK;

    if (journal->get)
        rc = journal->get(journal->data, NULL, KEY, &text, err);
    if (rc < 0 || !text)
        return rc;
    root = json_loads(text, 0, NULL);
    rc = root ? take(&work->record, root, err) : unreadable(err);
    json_decref(root);
    gpuc__free(text);
    return rc;
}

int gpuc__gce_shared_keep(gpuc__gce_shared *work, gpuc_error **err)
{
    gpuc__gce_shared_record *r = &work->record;
    gpuc__journal *journal = &work->provider->journal;
    int rc = gpuc__gce_uuid(r->id, err);
    json_t *root = NULL;
    char *text = NULL;

    if (rc < 0 || !journal->set)
        return rc;
    rc = gpuc__gce_keep_project(work->provider, err);
    if (rc < 0) {
        r->id[0] = '\0';
        return rc;
    }
    r->at = gpuc__now_ms();
    root = json_pack("{s:s, s:s*, s:s*, s:O*, s:s*, s:b, s:I}", "id", r->id, "method", r->method,
                     "name", r->name, "body", r->body, "fingerprint", r->fingerprint, "drop",
                     r->drop, "at", (json_int_t)r->at);
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    rc = text ? journal->set(journal->data, NULL, KEY, text, err) : gpuc__error_nomem(err);
    json_decref(root);
    gpuc__free(text);
    if (rc < 0)
        r->id[0] = '\0';
    return rc;
}

int gpuc__gce_shared_forget(gpuc__gce_shared *work, gpuc_error **err)
{
    gpuc__journal *journal = &work->provider->journal;

    gpuc__gce_shared_record_clear(&work->record);
    return journal->set ? journal->set(journal->data, NULL, KEY, NULL, err) : GPUC_OK;
}

int gpuc__gce_shared_had_key(gpuc__gce_shared *work, bool *had, gpuc_error **err)
{
    gpuc__journal *journal = &work->provider->journal;
    char *text = NULL;
    int rc = journal->get ? journal->get(journal->data, NULL, HAS_KEY, &text, err) : GPUC_OK;

    if (rc == GPUC_OK)
        *had = text != NULL;
    gpuc__free(text);
    return rc;
}

int gpuc__gce_shared_set_key(gpuc__gce_shared *work, bool has, gpuc_error **err)
{
    gpuc__journal *journal = &work->provider->journal;

    return journal->set ? journal->set(journal->data, NULL, HAS_KEY, has ? "yes" : NULL, err)
                        : GPUC_OK;
}

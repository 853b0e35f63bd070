/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the machines that are missing go into one request: those that differ in their names only. */
#include <string.h>

#include "provider/gce/body.h"
#include "provider/gce/create_batch.h"
#include "util/alloc.h"
#include "util/error.h"

#define BULK_MAX 1000
#define TRIED_MAX (64 * 1024)

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
            gpuc__gce_batch_send(batch);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the machines of a cluster share: its firewall rules, and its key in the project's metadata.
 * Looked at, made and dropped one mutation after the other, each kept in the journal until its end is
 * known. */
#include "provider/gce/shared.h"

#include <string.h>

#include "util/alloc.h"
#include "util/error.h"

void gpuc__gce_shared_end(gpuc__gce_shared *work, gpuc_error *error)
{
    gpuc__provider *provider = work->provider;

    *work->link = work->next;
    if (work->next)
        work->next->link = work->link;
    gpuc__context_unpost(provider->context, &work->task);
    if (work->there_done)
        work->there_done(work->data, !error && !work->missing, work->detail, error);
    else
        work->done(work->data, error);
    gpuc__gce_shared_record_clear(&work->record);
    json_decref(work->plan);
    gpuc__free(work->detail);
    gpuc__free(work);
    gpuc__gce_unref(provider);
}

static void end_cancelled(gpuc__gce_shared *work)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                    "what the machines share: cancelled");
    gpuc__gce_shared_end(work, error);
}

static void run(void *data)
{
    gpuc__gce_shared *work = data;

    if (!work->cancelled)
        work->then(work);
    else if (!work->call && !work->asking)
        end_cancelled(work);
}

void gpuc__gce_shared_then(gpuc__gce_shared *work, void (*fn)(gpuc__gce_shared *work))
{
    work->then = fn;
    gpuc__context_post(work->provider->context, &work->task);
}

void gpuc__gce_shared_wait(gpuc__gce_shared *work, gpuc__gce_call *call)
{
    gpuc_error *error = NULL;

    work->call = call;
    if (call)
        return;
    gpuc__error_nomem(&error);
    gpuc__gce_shared_end(work, error);
}

bool gpuc__gce_shared_stopped(gpuc__gce_shared *work, gpuc_error **error)
{
    work->call = NULL;
    if (!work->cancelled)
        return false;
    gpuc_error_unref(*error);
    *error = NULL;
    end_cancelled(work);
    return true;
}

/* ---- before the first request ---- */

/* Sent under an id that the server no longer knows, it would be a new request: the rule of that name
 * may be another's by now. */
static bool is_old(const gpuc__gce_shared_record *record)
{
    int64_t age = gpuc__now_ms() - record->at;

    return record->at && (age < 0 || age >= GPUC__GCE_ID_MS);
}

/* A mutation of an earlier run comes first: it may still be on its way. */
static void resume(gpuc__gce_shared *work)
{
    gpuc_error *error = NULL;

    if (gpuc__gce_shared_load(work, &error) < 0) {
        gpuc__gce_shared_end(work, error);
    } else if (work->mode == GPUC__GCE_SHARED_LOOK) {
        work->open = work->record.id[0]; /* left to make and drop */
        gpuc__gce_shared_record_clear(&work->record);
        gpuc__gce_shared_rules(work);
    } else if (work->record.id[0] && work->record.method && is_old(&work->record)) {
        if (gpuc__gce_shared_forget(work, &error) < 0)
            gpuc__gce_shared_end(work, error);
        else
            gpuc__gce_shared_rules(work);
    } else if (work->record.id[0] && work->record.method) {
        gpuc__gce_shared_send_rule(work);
    } else if (work->record.id[0]) {
        gpuc__gce_shared_key(work); /* sees by the fingerprint whether it can still come */
    } else {
        gpuc__gce_shared_rules(work);
    }
}

static void with_project(gpuc__gce_shared *work)
{
    gpuc_error *error = NULL;

    if (gpuc__gce_need_project(work->provider, &error) < 0)
        gpuc__gce_shared_end(work, error);
    else
        resume(work);
}

static void on_token(void *data, const char *token, gpuc_error *error)
{
    gpuc__gce_shared *work = data;

    (void)token; /* with it the project is known, where the metadata server tells it */
    work->asking = false;
    if (!error && !work->cancelled)
        gpuc__gce_open(work->provider, &error);
    if (work->cancelled) {
        gpuc_error_unref(error);
        end_cancelled(work);
    } else if (error) {
        gpuc__gce_shared_end(work, error);
    } else {
        with_project(work);
    }
}

static void open_client(gpuc__gce_shared *work)
{
    gpuc__provider *provider = work->provider;
    gpuc_error *error = NULL;

    if (gpuc__gce_open(provider, &error) < 0) {
        gpuc__gce_shared_end(work, error);
    } else if (provider->project) {
        with_project(work);
    } else {
        work->asking = true;
        gpuc__gce_auth_token(provider->auth, on_token, work);
    }
}

/* ---- the provider's functions ---- */

static void begin(gpuc__provider *provider, gpuc__gce_shared_mode mode, gpuc__there_fn there_done,
                  gpuc__provider_fn done, void *data)
{
    gpuc__gce_shared *work = gpuc__calloc(1, sizeof(*work));
    gpuc_error *error = NULL;

    if (!work) { /* without memory there is no later */
        gpuc__error_nomem(&error);
        if (there_done)
            there_done(data, false, NULL, error);
        else
            done(data, error);
        return;
    }
    provider->refs++;
    work->provider = provider;
    work->mode = mode;
    work->there_done = there_done;
    work->done = done;
    work->data = data;
    work->task = (gpuc__task){.fn = run, .data = work};
    work->next = provider->shared;
    work->link = &provider->shared;
    if (work->next)
        work->next->link = &work->next;
    provider->shared = work;
    gpuc__gce_shared_then(work, open_client);
}

void gpuc__gce_look_shared(gpuc__provider *provider, gpuc__there_fn done, void *data)
{
    begin(provider, GPUC__GCE_SHARED_LOOK, done, NULL, data);
}

void gpuc__gce_make_shared(gpuc__provider *provider, gpuc__provider_fn done, void *data)
{
    begin(provider, GPUC__GCE_SHARED_MAKE, NULL, done, data);
}

void gpuc__gce_drop_shared(gpuc__provider *provider, gpuc__provider_fn done, void *data)
{
    begin(provider, GPUC__GCE_SHARED_DROP, NULL, done, data);
}

void gpuc__gce_shared_cancel(gpuc__provider *provider, const void *data)
{
    for (gpuc__gce_shared *work = provider->shared; work; work = work->next) {
        if (data && work->data != data)
            continue;
        work->cancelled = true;
        if (work->call)
            gpuc__gce_call_cancel(work->call);
        else if (work->asking)
            gpuc__gce_auth_cancel(provider->auth, work);
        else
            gpuc__context_post(provider->context, &work->task);
    }
}

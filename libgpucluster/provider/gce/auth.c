/* SPDX-License-Identifier: Apache-2.0 */
/* The life of credentials: who waits for a token, which token is kept, when the next is fetched. */
#include <string.h>

#include "gpu/tables.h"
#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define FILE_AGAIN_MS 60000 /* a token file is read again after that */
#define OLD_MIN_MS 10000    /* a token that ends sooner does not stand in for the next */
#define OLD_AGAIN_MS 20000  /* how long it does, before the next is asked for again */

static void waiter_end(gpuc__gce_auth *auth, gpuc__gce_waiter *waiter, gpuc_error *failure)
{
    gpuc_error *error = NULL;

    if (waiter->cancelled) {
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                        "the wait for a token from the %s: cancelled", auth->description);
    } else if (failure) { /* each gets its own, to add to */
        error = gpuc_error_ref(failure);
        gpuc__error_wrap(&error, gpuc_error_code(failure), GPUC_DOMAIN_PROVIDER,
                         "no access token for Google from the %s", auth->description);
    }
    waiter->done(waiter->data, error ? NULL : auth->token, error);
    gpuc__free(waiter);
}

static gpuc__gce_waiter *pop_due(gpuc__gce_auth *auth)
{
    gpuc__gce_waiter **link = &auth->waiting, *waiter;

    while (*link && !(*link)->due)
        link = &(*link)->next;
    waiter = *link;
    if (waiter)
        *link = waiter->next;
    return waiter;
}

/* Ends the waits of all, or only of those that were cancelled. A done may begin and end waits. */
static void deliver(gpuc__gce_auth *auth, bool all, gpuc_error *failure)
{
    gpuc__gce_waiter *waiter;

    auth->holds++;
    for (waiter = auth->waiting; waiter; waiter = waiter->next)
        waiter->due = waiter->due || all || waiter->cancelled;
    while ((waiter = pop_due(auth)))
        waiter_end(auth, waiter, failure);
    auth->holds--;
}

static bool somebody_waits(const gpuc__gce_auth *auth)
{
    const gpuc__gce_waiter *waiter = auth->waiting;

    while (waiter && waiter->cancelled)
        waiter = waiter->next;
    return waiter != NULL;
}

static bool is_usable(const gpuc__gce_auth *auth)
{
    if (!auth->token || gpuc__clock_ms() >= auth->renew)
        return false;
    return auth->credential.kind != GPUC__GCE_CALLER ||
           gpuc__context_google_token(auth->context).serial == auth->serial;
}

static void on_turn(void *data)
{
    gpuc__gce_auth *auth = data;
    gpuc_error *error = NULL;

    auth->holds++;
    if (auth->refresh && !somebody_waits(auth)) {
        /* They are told when it has ended: nothing is under way any more then. */
        gpuc__gce_refresh_cancel(auth->refresh);
    } else {
        deliver(auth, false, NULL);
        if (!auth->refresh && is_usable(auth)) {
            deliver(auth, true, NULL);
        } else if (!auth->refresh && auth->waiting &&
                   gpuc__gce_refresh_begin(auth, &error) != GPUC_OK) {
            deliver(auth, true, error);
            gpuc_error_unref(error);
        }
    }
    gpuc__gce_auth_unhold(auth);
}

static int keep_token(gpuc__gce_auth *auth, char *token, int64_t left_ms, gpuc_error **err)
{
    uint64_t now = gpuc__clock_ms(), left = left_ms < 0 ? 0 : (uint64_t)left_ms, reserve;
    int rc = GPUC_OK;

    if (auth->refused && strcmp(token, auth->refused) == 0) {
        gpuc__free_secret(auth->refused); /* one more time it may be tried, later */
        auth->refused = NULL;
        rc = gpuc__error_set(err, GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                             "Google refused the token of the %s (401), and the same one came "
                             "again",
                             auth->description);
        gpuc__error_remedy(err, "%s",
                           auth->credential.kind <= GPUC__GCE_TOKEN_VARIABLE
                               ? "it has ended or was revoked: put a new one in its place, or "
                                 "unset what names it so that other credentials are found"
                               : "the account was disabled or deleted, or its access revoked: "
                                 "check it, and make its credentials anew");
    }
    if (rc == GPUC_OK)
        rc = gpuc__context_add_secret(auth->context, token, err);
    if (rc != GPUC_OK) {
        gpuc__free_secret(token);
        return rc;
    }
    reserve = 1000 * (uint64_t)gpuc__gce_auth_number(auth, NULL, "refresh_below_seconds");
    if (reserve > left / 2)
        reserve = left / 2;
    /* What ended long ago is no secret; the one before this may still be in somebody's hands. */
    if (auth->stale && now > auth->stale_until)
        gpuc__context_drop_secret(auth->context, auth->stale);
    gpuc__free_secret(auth->stale);
    auth->stale = auth->token;
    auth->stale_until = auth->until;
    auth->token = token;
    auth->until = left_ms < 0 ? UINT64_MAX : now + left;
    auth->renew = left_ms < 0 ? UINT64_MAX : auth->until - reserve;
    if (auth->credential.kind == GPUC__GCE_TOKEN_FILE)
        auth->renew = now + FILE_AGAIN_MS;
    return GPUC_OK;
}

/* A token that is still good for a while serves when the next cannot be had yet. */
static bool old_serves(gpuc__gce_auth *auth, gpuc_error *error)
{
    uint64_t now = gpuc__clock_ms();

    if (!auth->token || auth->credential.kind == GPUC__GCE_CALLER ||
        !gpuc_error_retryable(error) || auth->until < now + OLD_MIN_MS)
        return false;
    gpuc__log(auth->context, GPUC_LOG_WARN, "gce",
              "no new access token yet, the old one is used until it ends: %s",
              gpuc_error_message(error));
    auth->renew = now + OLD_AGAIN_MS < auth->until ? now + OLD_AGAIN_MS : auth->until;
    return true;
}

void gpuc__gce_auth_take(gpuc__gce_auth *auth, char *token, int64_t left_ms, unsigned serial,
                         bool cancelled, gpuc_error *error)
{
    cancelled = cancelled && error;
    if (!error && keep_token(auth, token, left_ms, &error) == GPUC_OK)
        auth->serial = serial;
    if (error && !cancelled && old_serves(auth, error))
        error = gpuc_error_unref(error);
    if (error)
        gpuc__context_redact_error(auth->context, error);
    deliver(auth, !cancelled, error);
    /* Nobody waited any more, and the fetching was ended; then somebody came. */
    if (auth->waiting && auth->refs)
        gpuc__context_post(auth->context, &auth->turn);
    gpuc_error_unref(error);
}

void gpuc__gce_auth_token(gpuc__gce_auth *auth, gpuc__gce_token_fn done, void *data)
{
    gpuc__gce_waiter *waiter = gpuc__calloc(1, sizeof(*waiter)), **end = &auth->waiting;
    gpuc_error *error = NULL;

    if (!waiter) { /* without memory there is no later */
        gpuc__error_nomem(&error);
        done(data, NULL, error);
        return;
    }
    waiter->done = done;
    waiter->data = data;
    while (*end)
        end = &(*end)->next;
    *end = waiter;
    gpuc__context_post(auth->context, &auth->turn);
}

void gpuc__gce_auth_cancel(gpuc__gce_auth *auth, const void *data)
{
    for (gpuc__gce_waiter *waiter = auth->waiting; waiter; waiter = waiter->next) {
        if (waiter->data == data)
            waiter->cancelled = true;
    }
    gpuc__context_post(auth->context, &auth->turn);
}

void gpuc__gce_auth_reject(gpuc__gce_auth *auth, const char *token)
{
    if (!auth->token || strcmp(auth->token, token) != 0)
        return;
    gpuc__free_secret(auth->refused);
    auth->refused = auth->token; /* kept: who rejects it may have it borrowed */
    auth->token = NULL;
}

static void auth_free(gpuc__gce_auth *auth)
{
    gpuc__context_unpost(auth->context, &auth->turn);
    gpuc__gce_credential_clear(&auth->credential);
    json_decref(auth->table);
    gpuc__free(auth->description);
    gpuc__free(auth->project);
    gpuc__free(auth->quota_project);
    gpuc__free_secret(auth->token);
    gpuc__free_secret(auth->refused);
    gpuc__free_secret(auth->stale);
    gpuc_context_unref(auth->context);
    gpuc__free(auth);
}

void gpuc__gce_auth_unhold(gpuc__gce_auth *auth)
{
    if (--auth->holds == 0 && auth->refs == 0)
        auth_free(auth);
}

gpuc__gce_auth *gpuc__gce_auth_ref(gpuc__gce_auth *auth)
{
    auth->refs++;
    return auth;
}

void gpuc__gce_auth_unref(gpuc__gce_auth *auth)
{
    if (!auth || --auth->refs > 0)
        return;
    auth->holds++;
    for (gpuc__gce_waiter *waiter = auth->waiting; waiter; waiter = waiter->next)
        waiter->cancelled = true;
    deliver(auth, true, NULL);
    if (auth->refresh)
        gpuc__gce_refresh_cancel(auth->refresh);
    gpuc__gce_auth_unhold(auth);
}

const char *gpuc__gce_auth_project(const gpuc__gce_auth *auth)
{
    return auth->project;
}

const char *gpuc__gce_auth_quota_project(const gpuc__gce_auth *auth)
{
    return auth->quota_project;
}

const char *gpuc__gce_auth_describe(const gpuc__gce_auth *auth)
{
    return auth->description;
}

static const json_t *row(const gpuc__gce_auth *auth, const char *group, const char *name)
{
    return json_object_get(group ? json_object_get(auth->table, group) : auth->table, name);
}

long gpuc__gce_auth_number(const gpuc__gce_auth *auth, const char *group, const char *name)
{
    return (long)json_integer_value(row(auth, group, name));
}

const char *gpuc__gce_auth_text(const gpuc__gce_auth *auth, const char *group, const char *name)
{
    const char *text = json_string_value(row(auth, group, name));

    return text ? text : "";
}

int gpuc__gce_auth_new(gpuc__gce_auth **out, gpuc_context *context, gpuc_error **err)
{
    gpuc__gce_auth *auth = gpuc__calloc(1, sizeof(*auth));
    int rc;

    if (!auth)
        return gpuc__error_nomem(err);
    auth->refs = 1;
    auth->context = gpuc_context_ref(context);
    auth->turn = (gpuc__task){.fn = on_turn, .data = auth};
    rc = gpuc__table_load(&auth->table, "provider/gce/auth.json", err);
    if (rc == GPUC_OK) {
        auth->first_delay_ms = (int)gpuc__gce_auth_number(auth, "retry", "first_delay_ms");
        rc = gpuc__gce_credential_find(&auth->credential, auth, err);
    }
    if (rc != GPUC_OK) {
        if (err && *err)
            gpuc__context_redact_error(context, *err);
        gpuc__gce_auth_unref(auth);
        return rc;
    }
    *out = auth;
    return GPUC_OK;
}

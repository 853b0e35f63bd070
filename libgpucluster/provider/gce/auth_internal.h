/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the auth*.c files only: who waits for a token, and how one is got. */
#ifndef GPUC__GCE_AUTH_INTERNAL_H
#define GPUC__GCE_AUTH_INTERNAL_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/context.h"
#include "provider/gce/auth_credential.h"
#include "transport/http.h"

typedef struct gpuc__gce_waiter {
    struct gpuc__gce_waiter *next;
    gpuc__gce_token_fn done;
    void *data;
    bool cancelled, due; /* due: it is being told */
} gpuc__gce_waiter;

/* Getting one token: a few requests, one after the other, each with its repetitions. */
typedef struct gpuc__gce_refresh {
    gpuc__gce_auth *auth;
    struct gpuc__gce_wake *wake; /* the timer, freed when it is closed */
    gpuc__google_watch watch;    /* the program's next token */
    gpuc__http *http;
    gpuc__http_request *request;
    /* the request, kept for its repetition */
    const char *method;
    char *url, *body, **headers; /* body and headers secret */
    bool direct;
    int timeout_ms, attempts, attempt;
    void (*then)(struct gpuc__gce_refresh *refresh, const json_t *answer, const char *text);
    void (*failed)(struct gpuc__gce_refresh *refresh, int status, gpuc_error *error); /* or NULL */
    void (*on_wake)(struct gpuc__gce_refresh *refresh);
    char *token; /* secret: got so far */
    int64_t left_ms;
    unsigned serial; /* of the program's token */
    char *hidden[3]; /* secrets that only this refresh knows */
    size_t hidden_count;
    bool cancelled;
} gpuc__gce_refresh;

struct gpuc__gce_auth {
    int refs, holds; /* of others; of work under way */
    gpuc_context *context;
    json_t *table; /* auth.json */
    gpuc__gce_credential credential;
    char *description, *project, *quota_project;
    char *token;             /* secret; NULL: none yet */
    uint64_t renew, until;   /* gpuc__clock_ms: from when a new one is fetched; when it ends */
    uint64_t stale_until;
    unsigned serial;         /* of the program's token that was taken */
    char *refused;           /* secret: the token that the API answered 401 to */
    char *stale;             /* secret: the one before, still hidden in logs */
    gpuc__gce_waiter *waiting;
    gpuc__gce_refresh *refresh; /* NULL: none under way */
    gpuc__task turn;
    int first_delay_ms;      /* between attempts */
};

/* auth_jwt.c: the signed assertion of a service account, as a new secret string; the time is in
 * seconds since 1970. */
int gpuc__gce_jwt(char **out, const gpuc__gce_auth *auth, int64_t now_s, gpuc_error **err);

/* auth_refresh.c */
int gpuc__gce_refresh_begin(gpuc__gce_auth *auth, gpuc_error **err);
void gpuc__gce_refresh_cancel(gpuc__gce_refresh *refresh);
/* A secret that is hidden until the refresh ends. */
int gpuc__gce_refresh_hide(gpuc__gce_refresh *refresh, const char *secret, gpuc_error **err);
/* Ends it: with the token in refresh->token, or an error (consumed). */
void gpuc__gce_refresh_end(gpuc__gce_refresh *refresh, gpuc_error *error);
void gpuc__gce_refresh_later(gpuc__gce_refresh *refresh, int ms,
                             void (*fn)(gpuc__gce_refresh *refresh));
/* auth_request.c: sends; then comes with a 2xx answer only, any failure ends the refresh. url, body
 * and headers are consumed; a NULL url or a failed body means that there was no memory. */
void gpuc__gce_request(gpuc__gce_refresh *refresh, const char *method, char *url, char *body,
                       char **headers,
                       void (*then)(gpuc__gce_refresh *, const json_t *, const char *));
void gpuc__gce_request_clear(gpuc__gce_refresh *refresh);
/* Headers for gpuc__gce_request; second (consumed) may be NULL. NULL without memory. */
char **gpuc__gce_headers(const char *first, char *second);
void gpuc__gce_headers_free(char **headers);
/* auth_exchange.c: timeout and attempts of the token endpoints. */
void gpuc__gce_refresh_times(gpuc__gce_refresh *refresh);
/* Keeps access_token and expires_in; false: the refresh has ended because of them. */
bool gpuc__gce_exchange_keep(gpuc__gce_refresh *refresh, const json_t *answer);
/* auth_exchange.c: what is sent to the token endpoints, and what comes of it. */
void gpuc__gce_exchange_begin(gpuc__gce_refresh *refresh);
/* An external account's own token is known: exchange it. */
void gpuc__gce_exchange_subject(gpuc__gce_refresh *refresh, const char *subject);
void gpuc__gce_external_begin(gpuc__gce_refresh *refresh); /* auth_external.c */
void gpuc__gce_metadata_begin(gpuc__gce_refresh *refresh); /* auth_metadata.c */

/* auth.c: what a refresh brought. */
void gpuc__gce_auth_take(gpuc__gce_auth *auth, char *token, int64_t left_ms, unsigned serial,
                         bool cancelled, gpuc_error *error);
void gpuc__gce_auth_unhold(gpuc__gce_auth *auth);
/* A whole number of the table: "retry.attempts". */
long gpuc__gce_auth_number(const gpuc__gce_auth *auth, const char *group, const char *name);
const char *gpuc__gce_auth_text(const gpuc__gce_auth *auth, const char *group, const char *name);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the Compute Engine API: a token, a request, its retries, the operation it starts. What
 * is repeated, and how an error is classed, is data (errors.json). */
#ifndef GPUC__GCE_CLIENT_H
#define GPUC__GCE_CLIENT_H
#include <jansson.h>
#include <stdbool.h>

#include "provider/gce/auth.h"

typedef struct gpuc__gce_client gpuc__gce_client;
typedef struct gpuc__gce_call gpuc__gce_call; /* valid until its done has returned */

/* How far a failure reaches: where to go on. */
typedef enum gpuc__gce_scope {
    GPUC__GCE_SCOPE_NONE = 0,     /* no failure */
    GPUC__GCE_SCOPE_RETRY = 1,    /* transient; the client's own tries are used up */
    GPUC__GCE_SCOPE_CONFLICT = 2, /* 412: read again, apply again */
    GPUC__GCE_SCOPE_EXISTS = 3,   /* the name is taken: look whose it is */
    GPUC__GCE_SCOPE_ZONE = 4,     /* the zone cannot: the next zone may */
    GPUC__GCE_SCOPE_REGION = 5,   /* the region's quota: the next region may */
    GPUC__GCE_SCOPE_FINAL = 6,    /* stop and say so */
    GPUC__GCE_SCOPE_LOOK = 7      /* what became of it is not known: look before anything else */
} gpuc__gce_scope;

/* endpoint NULL: CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE, else Google's. Plain http goes to this
 * machine only: the token would travel in the clear. */
int gpuc__gce_client_new(gpuc__gce_client **out, gpuc_context *context, gpuc__gce_auth *auth,
                         const char *endpoint, gpuc_error **err);
gpuc__gce_client *gpuc__gce_client_ref(gpuc__gce_client *client);
void gpuc__gce_client_unref(gpuc__gce_client *client);
const char *gpuc__gce_client_endpoint(const gpuc__gce_client *client); /* ".../compute/v1/" */
/* API requests sent so far, retries included: what tests and benchmarks count. */
uint64_t gpuc__gce_client_requests(const gpuc__gce_client *client);
/* For tests: how many milliseconds a second of a pause or of one try has. limit_ms stays real. */
void gpuc__gce_client_scale_time(gpuc__gce_client *client, uint32_t ms_per_s);

/* answer is borrowed, NULL when there is none; with an error it is the operation that failed. error
 * (consumed) set for every status of 300 and above, a bad body, another project's resources and a
 * lost connection. On the loop, once, never inside the call; the call may be let go of, cancelled or
 * a new one begun there. */
typedef void (*gpuc__gce_done_fn)(void *data, json_t *answer, gpuc__gce_scope scope,
                                  gpuc_error *error);

typedef struct gpuc__gce_args {
    const char *method;
    const char *path;       /* below the endpoint: "projects/P/zones/Z/instances", segments escaped
                             * by the caller (gpuc__http_escape) */
    const char *query;      /* "a=b&c=d", escaped; may be NULL */
    const json_t *body;     /* referenced; NULL: none */
    const char *request_id; /* UUID: makes a mutation safe to repeat; NULL: not repeated unless GET,
                             * but for a 401, which comes before anything was done */
    bool safe;           /* a POST that changes nothing (testIamPermissions): repeated as a GET */
    const char *doing;   /* "making kubernetes-worker-gpu-1", for errors */
    const char *machine; /* named in errors; may be NULL */
    int limit_ms;        /* with all its repetitions; 0: 300000 */
    size_t answer_max;   /* 0: 8 MiB; of a list: of each page */
    const char *const *without; /* of a list: fields of its entries that nobody needs: not kept.
                                 * NULL-terminated, static; NULL: all are kept */
    gpuc__gce_done_fn done;
    void *data;
} gpuc__gce_args;

/* NULL only without memory; done does not come then. Strings are copied. What it repeats on its
 * own, within limit_ms and under the same request id: lost connections, time-outs, 429, 5xx, rate
 * limits, answers that are no JSON; and once after a 401. */
gpuc__gce_call *gpuc__gce_send(gpuc__gce_client *client, const gpuc__gce_args *args);
/* As send, for a request that answers with an operation: waits until that is DONE and gives it. A
 * failed operation is an error, classed by what it says; asked again it needs a new request id, since
 * the old one names the failed operation. So it is never SCOPE_RETRY: one that failed for a passing
 * reason is SCOPE_FINAL with an error that is retryable. An operation that the server has forgotten
 * is GPUC_ENOTFOUND with SCOPE_LOOK; so are, under codes of their own, other answers after which
 * nobody knows whether it was carried out. limit_ms covers the wait. */
gpuc__gce_call *gpuc__gce_mutate(gpuc__gce_client *client, const gpuc__gce_args *args);
/* Waits for an operation; name and scope are read from `operation`. args: doing, limit_ms, done,
 * data; path ("projects/P") where the operation may lack its selfLink. */
gpuc__gce_call *gpuc__gce_wait(gpuc__gce_client *client, const json_t *operation,
                               const gpuc__gce_args *args);
/* All pages: answer is an array of all items; of an aggregated list with `kind` ("instances") the
 * items of every zone. A zone that could not be asked is an error, classed retry. With `fields` in
 * the query, name nextPageToken, selfLink and warning there too. */
gpuc__gce_call *gpuc__gce_list(gpuc__gce_client *client, const gpuc__gce_args *args,
                               const char *kind);
void gpuc__gce_call_cancel(gpuc__gce_call *call); /* done comes with GPUC_ECANCELLED, later */

/* errors.c: pure. Sets the error for an answer of that status, or for a failed operation (status
 * 200), and tells its scope; NONE and no error when it says of no failure. */
gpuc__gce_scope gpuc__gce_classify(int status, const json_t *answer, const char *doing,
                                   gpuc_error **err);
/* True when it clears at the next full minute (rate quota). */
bool gpuc__gce_is_rate_limit(int status, const json_t *answer);

/* link.c: pure. The part of a link that names the resource, "projects/…"; the host before it
 * differs from the one asked (www.googleapis.com). Borrowed; NULL when it names none. */
const char *gpuc__gce_link_path(const char *link);
bool gpuc__gce_same_link(const char *one, const char *other);
/* Its last segment; link itself without a slash. */
const char *gpuc__gce_link_name(const char *link);

/* A random UUID (version 4) into 37 bytes. */
int gpuc__gce_uuid(char out[37], gpuc_error **err);
#endif

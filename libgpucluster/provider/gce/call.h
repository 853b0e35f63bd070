/* SPDX-License-Identifier: Apache-2.0 */
/* How the calls of the Compute Engine client are made: shared by its files only. */
#ifndef GPUC__GCE_CALL_H
#define GPUC__GCE_CALL_H
#include <uv.h>

#include "provider/gce/client.h"
#include "transport/http.h"

typedef enum gpuc__gce_slot_kind {
    GPUC__GCE_SLOT_REQUEST = 0,
    GPUC__GCE_SLOT_WAIT = 1,
    GPUC__GCE_SLOT_KINDS = 2
} gpuc__gce_slot_kind;

typedef struct gpuc__gce_slots {
    unsigned taken;
    gpuc__gce_call *first, *last; /* who waits for one */
} gpuc__gce_slots;

struct gpuc__gce_client {
    int refs; /* the owner's and one for each call */
    gpuc_context *context;
    gpuc__http *http;
    gpuc__gce_auth *auth;
    char *endpoint;
    uint64_t requests;
    bool answered; /* the server has, once */
    uint32_t ms_per_s;
    gpuc__gce_slots slots[GPUC__GCE_SLOT_KINDS];
};

/* How long to wait before a repetition. */
typedef enum gpuc__gce_pace {
    GPUC__GCE_PACE_BACKOFF = 0, /* 1 s, doubling, at most 30 s */
    GPUC__GCE_PACE_SLOW = 1,    /* 10 s, doubling, at most 60 s */
    GPUC__GCE_PACE_MINUTE = 2   /* until the next full minute of the clock */
} gpuc__gce_pace;

struct gpuc__gce_call {
    gpuc__gce_client *client;
    uv_timer_t timer;
    void (*on_timer)(gpuc__gce_call *call);
    bool cancelled, finished;
    bool lost; /* a try of it may have been carried out */
    gpuc__gce_done_fn done;
    void *data;

    /* what the caller asked for; doing is never NULL */
    char *method, *path, *query, *body, *request_id, *doing, *machine;
    bool safe;
    size_t body_length, answer_max;
    uint64_t begun, deadline; /* gpuc__clock_ms */

    /* the request under way: first asks for a token, then is sent, and again until it succeeds */
    const char *now_method;
    char *target; /* path and query */
    char *token;
    bool now_safe, now_bare; /* bare: without the body */
    bool asking, rejected;   /* waits for a token; a token of it was rejected already */
    int try_s;
    gpuc__gce_slots *slot; /* held from the token to the answer; NULL: none */
    bool queued;           /* for a slot */
    gpuc__gce_call *before, *behind;
    void (*on_slot)(gpuc__gce_call *call);
    uint64_t unreached; /* since when there has been no connection, gpuc__clock_ms; 0: there was */
    unsigned failures, odd; /* of this request: all, and those of answers that make no sense */
    gpuc_error *failure;    /* of the try before this one */
    bool cut_short;         /* this try ends with the call's limit */
    uint64_t sent_at;
    gpuc__http_request *request;
    void (*on_answer)(gpuc__gce_call *call, json_t *answer); /* borrowed; NULL: empty */

    char *operation; /* operation.c: path of the one waited for */
    unsigned rounds;
    char *kind; /* list.c */
    const char *const *without;
    json_t *items;
    char *page;
    unsigned pages;
    size_t bytes;
};

/* call.c: the life of a call. NULL without memory. */
gpuc__gce_call *gpuc__gce_call_new(gpuc__gce_client *client, const gpuc__gce_args *args);
void gpuc__gce_call_drop(gpuc__gce_call *call); /* before it was begun: without a word */
void gpuc__gce_call_after(gpuc__gce_call *call, uint64_t ms, void (*fn)(gpuc__gce_call *call));
/* Ends it; error consumed. Only from the loop. */
void gpuc__gce_call_finish(gpuc__gce_call *call, json_t *answer, gpuc__gce_scope scope,
                           gpuc_error *error);
/* Prefixes what was being done. */
void gpuc__gce_call_fail(gpuc__gce_call *call, gpuc__gce_scope scope, gpuc_error *error);
void gpuc__gce_call_fail_with(gpuc__gce_call *call, json_t *answer, gpuc__gce_scope scope,
                              gpuc_error *error);
void gpuc__gce_call_cancelled(gpuc__gce_call *call);
void gpuc__gce_call_nomem(gpuc__gce_call *call);
uint64_t gpuc__gce_call_scaled(const gpuc__gce_call *call, uint64_t ms);

/* request.c: begins a request. target: new string, consumed, NULL without memory. Not inside the
 * call that begins the call. */
void gpuc__gce_call_request(gpuc__gce_call *call, const char *method, char *target, bool safe,
                            void (*on_answer)(gpuc__gce_call *call, json_t *answer));
/* What the caller asked for: target with its query, more ("a=b", may be NULL) and the request id.
 */
char *gpuc__gce_call_target(const gpuc__gce_call *call, const char *more);
/* The answer to the request makes no sense, or not yet: again a few times, then the error. */
void gpuc__gce_call_odd(gpuc__gce_call *call, gpuc_error *error);

/* slot.c: false: queued; on_slot is called, from the timer, when there is one. Releasing leaves the
 * queue too, and may be done at any time. */
bool gpuc__gce_slot_take(gpuc__gce_call *call);
void gpuc__gce_slot_release(gpuc__gce_call *call);

/* retry.c: pure. failures from 1; retry_after in seconds, 0: none; now: wall clock. Milliseconds.
 */
uint64_t gpuc__gce_delay(gpuc__gce_pace pace, unsigned failures, unsigned retry_after,
                         int64_t now_ms, unsigned char jitter);
/* Seconds of a Retry-After header; 0 when there is none or it is no number. */
unsigned gpuc__gce_retry_after(const char *header);

/* errors.c */
/* How long a failure of the connection is waited out; 0: as long as the call may last. */
uint64_t gpuc__gce_patience_ms(const gpuc_error *error, bool answered);
gpuc__gce_pace gpuc__gce_pace_of(int status, const json_t *answer);

/* operation.c: "projects/P/zones/Z/operations/NAME" of an operation; project_path says where it is
 * when it does not say so itself, may be NULL. New string. */
int gpuc__gce_operation_path(char **out, const json_t *operation, const char *project_path,
                             gpuc_error **err);
void gpuc__gce_operation_take(gpuc__gce_call *call, json_t *operation);

/* link.c: pure. GPUC_EPROTO when the answer is about another project than the path asked. */
int gpuc__gce_check_project(const char *path, const json_t *answer, gpuc_error **err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How the asynchronous calls of this room are made: shared by its files only. */
#ifndef GPUC__KUBE_CALL_H
#define GPUC__KUBE_CALL_H
#include <uv.h>

#include "kube/auth.h"
#include "kube/client.h"
#include "util/buf.h"

struct gpuc__kube {
    int refs;
    gpuc_context *context;
    gpuc__http *http;
    gpuc__kube_auth *auth;  /* NULL: the pool alone says who we are */
    uint64_t warnings[64];  /* hashes of what the server has warned of and was told on */
    size_t warning_count;
};

struct gpuc__kube_call {
    gpuc__kube *kube;
    uv_timer_t timer;
    void (*on_timer)(gpuc__kube_call *call);
    gpuc__kube_done_fn done;
    void *data;
    uint64_t begun, deadline; /* gpuc__clock_ms */
    /* What it waits for, at most one of the two; neither: its timer. */
    gpuc__kube_call *child;
    gpuc__http_request *request;
    bool cancelled, finished;
    void (*then)(gpuc__kube_call *call); /* what waits for credentials */
    unsigned credential;                 /* the one it was last sent with */
    bool refused;                        /* that one was refused, and another one tried */
    void (*clear)(void *state); /* frees what the state holds */
    void *state;
};

/* A call with zeroed state of state_size bytes. NULL without memory. */
gpuc__kube_call *gpuc__call_new(gpuc__kube *kube, int deadline_ms, size_t state_size,
                                void (*clear)(void *state), gpuc__kube_done_fn done, void *data);
/* Runs fn on the loop after ms. A composed call starts with 0. */
void gpuc__call_after(gpuc__kube_call *call, uint64_t ms, void (*fn)(gpuc__kube_call *call));
/* Ends it: result is stolen, error consumed. Only on the loop, not in the starting function. */
void gpuc__call_finish(gpuc__kube_call *call, json_t *result, gpuc_error *error);
/* Ends it without a word: in the starting function, when that returns NULL after all. */
void gpuc__call_drop(gpuc__kube_call *call);
/* First thing in a child's done: true when the call has been ended, because it was cancelled or
 * because of the error (consumed). */
bool gpuc__call_ended(gpuc__kube_call *call, gpuc_error *error);
/* The same with only the cancelling looked at; then error is consumed. */
bool gpuc__call_was_cancelled(gpuc__kube_call *call, gpuc_error *error);
/* Takes a started child; NULL ends the call for want of memory. */
void gpuc__call_wait(gpuc__kube_call *call, gpuc__kube_call *child);
/* Sends it with the credentials; request NULL without memory. */
void gpuc__call_request(gpuc__kube_call *call, const gpuc__http_args *args);
/* Tells the person of an answer's Warning headers, each text once. */
void gpuc__call_warnings(gpuc__kube_call *call, const char *what);
int gpuc__call_remaining(const gpuc__kube_call *call); /* ms to its deadline, 0 when passed */
/* Backoff with jitter for the n-th failure (from 1): 250 ms, doubling, at most 5 s. */
int gpuc__call_backoff(int failures);
/* Wraps an error under the same code, message first, keeping the remedy. */
void gpuc__call_wrap(gpuc_error **err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* JSON appended to a buffer. */
bool gpuc__json_dump(gpuc__buf *out, const json_t *value);
#endif

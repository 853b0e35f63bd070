/* SPDX-License-Identifier: Apache-2.0 */
/* What the library itself needs of a context: its libuv loop, logging, events. */
#ifndef GPUC__CONTEXT_H
#define GPUC__CONTEXT_H
#include <gpucluster.h>
#include <stdbool.h>
#include <uv.h>

uv_loop_t *gpuc__context_loop(gpuc_context *context);

/* One log line; control bytes are made visible, registered secrets redacted. */
void gpuc__log(gpuc_context *context, int level, const char *category, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A secret that must never appear in logs, events, errors or the store; copied. */
int gpuc__context_add_secret(gpuc_context *context, const char *secret, gpuc_error **err);
/* Replaces every registered secret in a new copy of text by "[redacted]"; NULL without memory. */
char *gpuc__context_redact(gpuc_context *context, const char *text);

/* Takes back a secret of one line, once it is worth nothing any more. */
void gpuc__context_drop_secret(gpuc_context *context, const char *secret);

/* Delivers an event to the callback or the queue; consumes the reference. NULL is ignored. */
void gpuc__context_emit(gpuc_context *context, gpuc_event *event);

/* Run once, soon, on the loop; freed by itself. The way to complete "later, never inside the call".
 */
int gpuc__context_defer(gpuc_context *context, void (*fn)(void *data), void *data);

/* The same without memory of its own: the task is part of the caller's object, which must outlive
 * it. Posting a task that is posted already does nothing. unpost takes it back. */
typedef struct gpuc__task {
    void (*fn)(void *data);
    void *data;
    struct gpuc__task *next, *prev;
    bool posted;
} gpuc__task;
void gpuc__context_post(gpuc_context *context, gpuc__task *task);
void gpuc__context_unpost(gpuc_context *context, gpuc__task *task);

/* From any thread: fn runs on the loop. The caller keeps the task's memory until then. */
void gpuc__context_send(gpuc_context *context, gpuc__task *task);
/* From any thread, the last thing that an object does whose last reference has gone: fn, which
 * frees it, runs at once on the context's thread, otherwise at its next turn or with the context
 * itself. Consumes the object's reference on the context. */
void gpuc__context_bury(gpuc_context *context, gpuc__task *task);

/* Around every call of a callback of the user's: running the context inside it is refused. */
void gpuc__context_callback_begin(gpuc_context *context);
void gpuc__context_callback_end(gpuc_context *context);
/* GPUC_ESTATE where running it would be refused: blocking calls ask before they begin anything. */
int gpuc__context_check_idle(gpuc_context *context, gpuc_error **err);
uint64_t gpuc__context_next_id(gpuc_context *context);

/* Rooms that hold loop handles keep the context alive with a plain gpuc_context_ref. On closing:
 * uv_close first, then let the context go at once; its end runs the loop until every close callback
 * has been called, and those may only free memory. (A reference dropped in the close callback would
 * keep a context alive whose loop nobody runs any more.) */

/* core/google.c: the access token for Google's APIs that the program gives. */
typedef struct gpuc__google_token {
    const char *text; /* borrowed until the program gives another; NULL: none */
    int64_t left_ms;  /* how long it is good; -1: not known */
    unsigned serial;  /* another with each token given */
} gpuc__google_token;
typedef struct gpuc__google_watch {
    void (*fn)(void *data); /* called inside gpuc_context_set_google_token */
    void *data;
    struct gpuc__google_watch *next, **link; /* link NULL: not watching */
} gpuc__google_watch;
gpuc__google_token gpuc__context_google_token(gpuc_context *context);
/* Whether the program asked for its token or its callback to be used. */
bool gpuc__context_has_google(gpuc_context *context);
bool gpuc__context_can_ask_google(gpuc_context *context);
/* Calls the callback; what that answered. */
int gpuc__context_ask_google(gpuc_context *context);
void gpuc__context_watch_google(gpuc_context *context, gpuc__google_watch *watch);
void gpuc__context_unwatch_google(gpuc__google_watch *watch);

/* core/event.c: makes an event; any string may be NULL. NULL without memory. */
gpuc_event *gpuc__event_new(int kind, const char *machine, const char *step, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));
void gpuc__event_set_progress(gpuc_event *event, int done, int total, int64_t remaining_ms);
/* Takes registered secrets out of the event's text; done by emit too. */
void gpuc__context_redact_event(gpuc_context *context, gpuc_event *event);
/* Takes registered secrets out of every text of an error that is not shared yet. */
void gpuc__context_redact_error(gpuc_context *context, gpuc_error *error);

/* core/text.c: one line of valid UTF-8 from anything: control bytes and broken sequences become
 * \n, \t, \xNN. New string; NULL without memory. */
char *gpuc__text_line(const char *text);

int64_t gpuc__now_ms(void);    /* wall clock, since 1970 */
uint64_t gpuc__clock_ms(void); /* monotonic */
#endif

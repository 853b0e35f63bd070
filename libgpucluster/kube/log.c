/* SPDX-License-Identifier: Apache-2.0 */
/* A log stream that survives its connection, its API server, its kubelet and its container.
 *
 * The API can begin again only at a whole second (sinceTime), so the lines of the last two seconds are
 * remembered; a new stream begins at the older of the two, and what it repeats is skipped. A line cut
 * in the middle was never counted and comes again whole; its rest, where sinceTime cuts into a long
 * line, is held until what follows tells.
 *
 * A stream that repeats nothing is another log: that of the container's next life, whose last one is
 * then read to its end first (previous), or what a rotation has left, which is counted as a gap. Lives
 * follow one another, so timestamps order them all and nothing of them can come twice. */
#include "kube/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/log_window.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/rfc3339.h"

#define LINE_MAX_BYTES (1024u * 1024)
#define STAMP_MAX 64
#define DRAIN_MS 5000   /* for the stream to end once the container has */
#define QUIET_MS 60000  /* no byte for so long: a dead connection looks like this, too */
#define ENDED_TRY_MS 60000 /* for reading the rest of an ended container's log */

typedef struct log_state {
    char *namespace_, *pod, *container;
    void (*line)(void *data, const char *text, size_t length);
    gpuc__log_counts *counts, own;
    gpuc__buf partial;
    bool oversize;          /* the rest of this line is dropped */
    gpuc__log_window window;
    char *held;             /* the first line of a stream, maybe the rest of one we had */
    bool gave;              /* this stream has brought a new line */
    bool restarts;          /* the container may have further lives */
    bool previous;          /* this stream is that of the life before */
    bool previous_tried, previous_read; /* since the last new line */
    bool drained;           /* all of this life is read, as far as one can tell */
    bool turn;              /* this stream is given up for that of the life before */
    bool ended, opened_after_end, reopen;
    uint64_t ended_at;
    int failures;
} log_state;

static void log_clear(void *state)
{
    log_state *s = state;

    gpuc__free(s->namespace_);
    gpuc__free(s->pod);
    gpuc__free(s->container);
    gpuc__buf_clear(&s->partial);
    gpuc__log_window_clear(&s->window);
    gpuc__free(s->held);
}

const char *gpuc__log_parse_line(const char *line, int64_t *at)
{
    const char *rest = gpuc__rfc3339_parse(line, at);

    if (!rest || (*rest != ' ' && *rest != '\0'))
        return NULL;
    return *rest ? rest + 1 : rest;
}

static uint64_t hash_of(const char *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

static void warn(gpuc__kube_call *call, const char *what)
{
    const log_state *s = call->state;

    gpuc__log(call->kube->context, GPUC_LOG_WARN, "kube", "log of %s, container %s: %s", s->pod,
              s->container, what);
}

static void give_line(gpuc__kube_call *call, const char *line, size_t length)
{
    log_state *s = call->state;
    int64_t at = 0;
    const char *text = gpuc__log_parse_line(line, &at);

    gpuc__log_window_add(&s->window, at, hash_of(line, length));
    s->counts->lines++;
    s->failures = 0;
    s->gave = true;
    s->drained = s->previous_tried = s->previous_read = false;
    s->line(call->data, text, length - (size_t)(text - line));
}

static void drop_held(log_state *s)
{
    gpuc__free(s->held);
    s->held = NULL;
}

static void give_held(gpuc__kube_call *call)
{
    log_state *s = call->state;
    char *held = s->held;

    s->held = NULL;
    if (held)
        give_line(call, held, strlen(held));
    gpuc__free(held);
}

static void count_gap(gpuc__kube_call *call)
{
    log_state *s = call->state;

    s->counts->gaps++;
    warn(call, "its node has thrown away what came before; lines may be missing here");
}

/* A stream that does not go on where the last one broke. False: the life before comes first. */
static bool accept_stream(gpuc__kube_call *call)
{
    log_state *s = call->state;
    bool whole = s->drained || s->previous_read;

    if (s->restarts && !s->previous && !whole && !s->previous_tried) {
        s->turn = true;
        return false;
    }
    if (!whole)
        count_gap(call);
    gpuc__log_window_accept(&s->window);
    give_held(call);
    return true;
}

static void take_line(gpuc__kube_call *call)
{
    log_state *s = call->state;
    const char *line = gpuc__buf_text(&s->partial), *text;
    size_t length = s->partial.length;
    int64_t at = 0;

    text = gpuc__log_parse_line(line, &at);
    if (!text) { /* the kubelet speaking, not the container */
        if (length)
            warn(call, line);
        return;
    }
    switch (gpuc__log_window_judge(&s->window, at, hash_of(line, length))) {
    case GPUC__LOG_REPEAT:
        drop_held(s);
        return;
    case GPUC__LOG_STRANGE:
        if (at <= s->window.until && !s->held && (s->held = gpuc__strdup(line)))
            return;
        if (!accept_stream(call))
            return;
        break;
    case GPUC__LOG_NEW:
        break;
    }
    s->counts->cut += s->oversize;
    give_line(call, line, length);
}

static void end_line(gpuc__kube_call *call)
{
    log_state *s = call->state;

    take_line(call);
    gpuc__buf_reset(&s->partial);
    s->oversize = false;
}

static bool on_chunk(void *data, const char *bytes, size_t length)
{
    gpuc__kube_call *call = data;
    log_state *s = call->state;

    call->refused = false; /* these credentials are taken */
    while (length && !call->cancelled && !s->turn) {
        const char *newline = memchr(bytes, '\n', length);
        size_t n = newline ? (size_t)(newline - bytes) : length;
        size_t space = s->partial.max - s->partial.length;

        if (n > space && !s->oversize) {
            s->oversize = true;
            warn(call, "a line longer than 1 MiB is cut");
        }
        gpuc__buf_add(&s->partial, bytes, n < space ? n : space);
        if (newline) {
            end_line(call);
            n++;
        }
        bytes += n;
        length -= n;
    }
    return !call->cancelled && !s->turn;
}

static void log_open(gpuc__kube_call *call);
static void log_send(gpuc__kube_call *call);

/* Again after a while, or the end with this error (consumed). */
static void log_again(gpuc__kube_call *call, gpuc_error *error)
{
    log_state *s = call->state;
    int wait = gpuc__call_backoff(++s->failures);
    bool over = gpuc__call_remaining(call) <= wait ||
                (s->ended && gpuc__clock_ms() > s->ended_at + ENDED_TRY_MS);

    if (over) {
        if (!error)
            gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                            "the log of %s/%s did not end before the deadline", s->namespace_,
                            s->pod);
        gpuc__call_finish(call, NULL, error);
        return;
    }
    if (error)
        gpuc__log(call->kube->context, GPUC_LOG_DEBUG, "kube", "log of %s again in %d ms: %s",
                  s->pod, wait, gpuc_error_message(error));
    gpuc_error_unref(error);
    gpuc__call_after(call, (uint64_t)wait, log_open);
}

/* The log of the life before has ended, or is not to be had: on to the one that is. */
static void leave_previous(gpuc__kube_call *call, bool read)
{
    log_state *s = call->state;

    if (!read && !s->window.any)
        count_gap(call); /* there was a life before, and this is all that is left of it */
    s->previous = false;
    s->previous_tried = true;
    s->previous_read = read && (s->gave || s->window.matched);
    gpuc__call_after(call, 0, log_open);
}

/* A status the log endpoint answers with: again or over. */
static void log_refused(gpuc__kube_call *call, int status, const char *body, size_t length)
{
    log_state *s = call->state;
    gpuc_error *error = NULL;

    if (status == 400 && s->previous) {
        leave_previous(call, false);
        return;
    }
    gpuc__kube_status_error(&error, "GET the pod's log", status, body, length);
    if (status >= 500)
        gpuc__error_remedy(&error, "the API server reads logs from the kubelet: port 10250 of the "
                                   "node must be open to the control plane");
    if (gpuc_error_retryable(error) || (status == 400 && (!s->ended || s->failures < 5)))
        log_again(call, error); /* 400: the container is still being started */
    else
        gpuc__call_finish(call, NULL, error);
}

/* The stream has ended as streams should. */
static void on_clean_end(gpuc__kube_call *call)
{
    log_state *s = call->state;

    if (s->partial.length && (s->opened_after_end || s->previous))
        end_line(call); /* a last line without its newline */
    if (s->previous) {
        leave_previous(call, true);
        return;
    }
    if (!s->gave && s->window.matched)
        s->drained = true;
    if (s->opened_after_end) {
        give_held(call);
        gpuc__call_finish(call, NULL, NULL);
    } else if (s->ended || s->gave) {
        gpuc__call_after(call, 0, log_open); /* once more, to be sure of the end */
    } else {
        log_again(call, NULL);
    }
}

static void on_stream_end(void *data, int status, const char *body, size_t length,
                          gpuc_error *error)
{
    gpuc__kube_call *call = data;
    log_state *s = call->state;
    bool again = (s->reopen && error) || s->turn;

    if (gpuc__call_was_cancelled(call, error))
        return;
    if (s->turn)
        s->previous = true;
    s->reopen = s->turn = false;
    if (again) {
        gpuc_error_unref(error);
        gpuc__call_after(call, 0, log_open);
    } else if (error && gpuc_error_retryable(error)) {
        log_again(call, error);
    } else if (error) {
        gpuc__call_finish(call, NULL, error);
    } else if (status == 401 && gpuc__auth_again(call, log_send)) {
        return;
    } else if (status >= 400) {
        log_refused(call, status, body, length);
    } else {
        on_clean_end(call);
    }
}

static char *log_path(const log_state *s)
{
    char *path = gpuc__kube_path("/api/v1/namespaces/%s/pods/%s/log?container=%s&timestamps=true",
                                 s->namespace_, s->pod, s->container, NULL);
    char text[STAMP_MAX] = "", *whole;
    int64_t second;
    time_t since;
    struct tm t;

    if (gpuc__log_window_since(&s->window, &second)) {
        since = (time_t)second;
        if (gmtime_r(&since, &t))
            strftime(text, sizeof(text), "&sinceTime=%Y-%m-%dT%H%%3A%M%%3A%SZ", &t);
    }
    whole = path ? gpuc__asprintf("%s%s%s", path, s->previous ? "&previous=true" : "&follow=true",
                                  text)
                 : NULL;
    gpuc__free(path);
    return whole;
}

static void log_open(gpuc__kube_call *call)
{
    gpuc__auth_then(call, log_send);
}

static void log_send(gpuc__kube_call *call)
{
    log_state *s = call->state;
    char *path = log_path(s);
    gpuc_error *error = NULL;
    int remaining = gpuc__call_remaining(call);

    gpuc__buf_reset(&s->partial);
    drop_held(s);
    s->oversize = s->gave = false;
    gpuc__log_window_begin(&s->window);
    s->opened_after_end = s->ended;
    if (path)
        gpuc__call_request(call, &(gpuc__http_args){.method = "GET",
                                                    .path = path,
                                                    .timeout_ms = remaining > 0 ? remaining : 1,
                                                    .idle_ms = s->ended ? DRAIN_MS : QUIET_MS,
                                                    .chunk = on_chunk,
                                                    .done = on_stream_end,
                                                    .data = call});
    gpuc__free(path);
    if (!call->request) {
        gpuc__error_nomem(&error);
        gpuc__call_finish(call, NULL, error);
    }
}

/* The stream should have ended with its container: a dead connection does not tell. */
static void log_reopen(gpuc__kube_call *call)
{
    log_state *s = call->state;

    if (call->request) {
        s->reopen = true;
        gpuc__http_cancel(call->request);
    }
}

void gpuc__log_container_ended(gpuc__kube_call *call)
{
    log_state *s = call->state;

    if (s->ended || call->finished || call->cancelled)
        return;
    s->ended = true;
    s->ended_at = gpuc__clock_ms();
    s->failures = 0;
    if (call->request)
        gpuc__call_after(call, DRAIN_MS, log_reopen);
    else if (!call->child) /* else it waits for credentials, and opens then */
        gpuc__call_after(call, 0, log_open);
}

gpuc__kube_call *gpuc__log_follow(gpuc__kube *kube, const gpuc__log_args *args)
{
    gpuc__kube_call *call = gpuc__call_new(kube, args->deadline_ms, sizeof(log_state), log_clear,
                                           args->done, args->data);
    log_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    gpuc__buf_init(&s->partial, LINE_MAX_BYTES + STAMP_MAX);
    s->line = args->line;
    s->counts = args->counts ? args->counts : &s->own;
    s->restarts = args->restarts;
    s->previous = args->restarted;
    s->namespace_ = gpuc__strdup(args->namespace_);
    s->pod = gpuc__strdup(args->pod);
    s->container = gpuc__strdup(args->container);
    if (!s->namespace_ || !s->pod || !s->container) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, log_open);
    return call;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A log stream that survives its connection.
 *
 * The API can begin again only at a whole second (sinceTime), and timestamps repeat and may step
 * back a little where stdout and stderr race. So the lines of the last two seconds are remembered,
 * as hashes in their order; a new stream begins at the older of the two, and what it repeats is
 * skipped line by line. A line cut in the middle was never counted and comes again whole. */
#include "kube/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define LINE_MAX_BYTES (1024u * 1024)
#define STAMP_MAX 64
#define WINDOW_MAX (1u << 20)
#define DRAIN_MS 5000   /* for the stream to end once the container has */
#define ENDED_TRY_MS 60000 /* for reading the rest of an ended container's log */

typedef struct remembered {
    int64_t second;
    uint64_t hash;
} remembered;

typedef struct log_state {
    char *namespace_, *pod, *container;
    void (*line)(void *data, const char *text, size_t length);
    gpuc__buf partial;
    bool oversize;          /* the rest of this line is dropped */
    remembered *window;
    size_t count, room;
    int64_t newest;         /* second of the newest line; window holds newest-1 and later */
    bool any, forgot;       /* a line has come; the window was too small */
    bool resync;            /* this stream still repeats what we have */
    size_t cursor;          /* 0: its place in the window is not found yet */
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
    gpuc__free(s->window);
}

const char *gpuc__log_parse_line(const char *line, int64_t *seconds)
{
    struct tm t = {0};
    const char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &t);
    int hours = 0, minutes = 0, used = 0, sign;
    int64_t offset = 0;

    if (!rest || rest - line != 19)
        return NULL;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest == 'Z') {
        rest++;
    } else if (*rest == '+' || *rest == '-') { /* the node's own zone */
        sign = *rest == '-' ? -1 : 1;
        if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
            return NULL;
        offset = sign * (hours * 3600 + minutes * 60);
        rest += 6;
    } else {
        return NULL;
    }
    if (*rest != ' ' && *rest != '\0')
        return NULL;
    *seconds = (int64_t)timegm(&t) - offset;
    return *rest ? rest + 1 : rest;
}

static uint64_t hash_of(const char *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

static void remember(log_state *s, int64_t second, uint64_t hash)
{
    size_t kept = 0;

    if (!s->any || second > s->newest) {
        s->any = true;
        s->newest = second;
        for (size_t i = 0; i < s->count; i++) {
            if (s->window[i].second >= second - 1)
                s->window[kept++] = s->window[i];
        }
        s->count = kept;
    }
    if (second < s->newest - 1)
        return; /* a new stream would not repeat it */
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 256;
        remembered *window =
            room <= WINDOW_MAX ? gpuc__realloc(s->window, room * sizeof(*window)) : NULL;

        if (!window) {
            s->forgot = true;
            return;
        }
        s->window = window;
        s->room = room;
    }
    s->window[s->count++] = (remembered){second, hash};
}

/* Whether a line of a new stream is one we have had. */
static bool is_repeat(log_state *s, int64_t second, uint64_t hash)
{
    size_t i = s->cursor;

    if (!s->resync)
        return false;
    if (second < s->newest - 1)
        return true;
    if (s->cursor == 0) { /* after a rotation the stream may begin in the middle of our window */
        while (i < s->count && s->window[i].hash != hash)
            i++;
    }
    if (i < s->count && s->window[i].hash == hash) {
        s->cursor = i + 1;
        return true;
    }
    s->resync = false;
    return false;
}

static void take_line(gpuc__kube_call *call)
{
    log_state *s = call->state;
    const char *line = gpuc__buf_text(&s->partial), *text;
    size_t length = s->partial.length;
    int64_t second = 0;
    uint64_t hash;

    text = gpuc__log_parse_line(line, &second);
    if (!text) { /* the kubelet speaking, not the container */
        if (length)
            gpuc__log(call->kube->context, GPUC_LOG_WARN, "kube", "log of %s: %.500s", s->pod, line);
    } else {
        hash = hash_of(line, length);
        if (!is_repeat(s, second, hash)) {
            remember(s, second, hash);
            s->line(call->data, text, length - (size_t)(text - line));
        }
    }
    gpuc__buf_reset(&s->partial);
    s->oversize = false;
}

static bool on_chunk(void *data, const char *bytes, size_t length)
{
    gpuc__kube_call *call = data;
    log_state *s = call->state;

    s->failures = 0;
    call->refused = false; /* these credentials are taken */
    while (length && !call->cancelled) {
        const char *newline = memchr(bytes, '\n', length);
        size_t n = newline ? (size_t)(newline - bytes) : length;
        size_t space = s->partial.max - s->partial.length;

        if (n > space && !s->oversize) {
            s->oversize = true;
            gpuc__log(call->kube->context, GPUC_LOG_WARN, "kube",
                      "log of %s: a line longer than 1 MiB is cut", s->pod);
        }
        gpuc__buf_add(&s->partial, bytes, n < space ? n : space);
        if (newline) {
            take_line(call);
            n++;
        }
        bytes += n;
        length -= n;
    }
    return !call->cancelled;
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

/* A status the log endpoint answers with: again or over. */
static void log_refused(gpuc__kube_call *call, int status, const char *body, size_t length)
{
    log_state *s = call->state;
    gpuc_error *error = NULL;

    gpuc__kube_status_error(&error, "GET the pod's log", status, body, length);
    if (status >= 500)
        gpuc__error_remedy(&error, "the API server reads logs from the kubelet: port 10250 of the "
                                   "node must be open to the control plane");
    if (gpuc_error_retryable(error) || (status == 400 && (!s->ended || s->failures < 5)))
        log_again(call, error); /* 400: the container is still being started */
    else
        gpuc__call_finish(call, NULL, error);
}

static void on_stream_end(void *data, int status, const char *body, size_t length,
                          gpuc_error *error)
{
    gpuc__kube_call *call = data;
    log_state *s = call->state;
    bool reopen = s->reopen;

    s->reopen = false;
    if (gpuc__call_was_cancelled(call, error))
        return;
    if (reopen && error) {
        gpuc_error_unref(error);
        gpuc__call_after(call, 0, log_open);
        return;
    }
    if (!error && status == 401 && gpuc__auth_again(call, log_send))
        return;
    if (!error && status >= 400) {
        log_refused(call, status, body, length);
    } else if (error) {
        if (gpuc_error_retryable(error))
            log_again(call, error);
        else
            gpuc__call_finish(call, NULL, error);
    } else if (s->opened_after_end) {
        if (s->partial.length)
            take_line(call); /* a last line without its newline */
        gpuc__call_finish(call, NULL, NULL);
    } else if (s->ended) {
        gpuc__call_after(call, 0, log_open); /* once more, to be sure of the end */
    } else {
        log_again(call, NULL);
    }
}

static char *log_path(const log_state *s)
{
    char *path = gpuc__kube_path("/api/v1/namespaces/%s/pods/%s/log?container=%s"
                                 "&follow=true&timestamps=true",
                                 s->namespace_, s->pod, s->container, NULL);
    time_t since = (time_t)(s->newest - 1);
    char text[STAMP_MAX], *whole;
    struct tm t;

    if (!path || !s->any || !gmtime_r(&since, &t))
        return path;
    strftime(text, sizeof(text), "%Y-%m-%dT%H%%3A%M%%3A%SZ", &t);
    whole = gpuc__asprintf("%s&sinceTime=%s", path, text);
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
    s->oversize = false;
    s->resync = s->any;
    s->cursor = 0;
    s->opened_after_end = s->ended;
    if (s->forgot)
        gpuc__log(call->kube->context, GPUC_LOG_WARN, "kube",
                  "log of %s: very many lines a second; some may come twice", s->pod);
    if (path)
        gpuc__call_request(call, &(gpuc__http_args){.method = "GET",
                                                    .path = path,
                                                    .timeout_ms = remaining > 0 ? remaining : 1,
                                                    .idle_ms = s->ended ? DRAIN_MS : 0,
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

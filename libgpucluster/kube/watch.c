/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: a list, then newline-separated JSON events from its version on. The stream ends every
 * minute and goes on from the last version seen; when that is too old (410) all is listed again. */
#include <string.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define STREAM_SECONDS 60
#define IDLE_MS ((STREAM_SECONDS + 15) * 1000) /* then the connection is dead */
#define EVENT_MAX (16u * 1024 * 1024)

typedef struct watch_state {
    char *path, *query, *version;
    bool (*event)(void *data, const char *type, json_t *object);
    gpuc__buf line;
    int failures;
    uint64_t opened;
    bool stop;    /* the receiver has seen enough */
    bool stale;   /* the version is too old: list again */
    gpuc_error *error; /* what the stream itself told */
} watch_state;

static void watch_clear(void *state)
{
    watch_state *s = state;

    gpuc__free(s->path);
    gpuc__free(s->query);
    gpuc__free(s->version);
    gpuc__buf_clear(&s->line);
    gpuc_error_unref(s->error);
}

static void watch_list(gpuc__kube_call *call);
static void watch_stream(gpuc__kube_call *call);
static void watch_send(gpuc__kube_call *call);

static void set_version(watch_state *s, const json_t *object)
{
    char *version = gpuc__strdup(gpuc__json_text(object, "metadata", "resourceVersion", NULL));

    if (version) {
        gpuc__free(s->version);
        s->version = version;
    }
}

/* Tells the receiver; false when it has seen enough or has cancelled meanwhile. */
static bool tell(gpuc__kube_call *call, const char *type, json_t *object)
{
    watch_state *s = call->state;

    if (!s->stop && !call->cancelled && !s->event(call->data, type, object))
        s->stop = true;
    return !s->stop && !call->cancelled;
}

static void on_listed(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    watch_state *s = call->state;
    json_t *item;
    size_t i;

    if (gpuc__call_ended(call, error))
        return;
    gpuc__free(s->version);
    s->version = gpuc__strdup(gpuc__json_text(result, "resourceVersion", NULL));
    s->stale = false;
    json_array_foreach(json_object_get(result, "items"), i, item)
    {
        if (!tell(call, "LISTED", item))
            break;
    }
    tell(call, "SYNCED", NULL);
    if (gpuc__call_was_cancelled(call, NULL))
        return;
    if (s->stop)
        gpuc__call_finish(call, NULL, NULL);
    else
        watch_stream(call);
}

static void watch_list(gpuc__kube_call *call)
{
    watch_state *s = call->state;

    gpuc__call_wait(call, gpuc__kube_list(call->kube, s->path, s->query,
                                          gpuc__call_remaining(call) + 1, on_listed, call));
}

/* An ERROR event carries a Status. */
static void on_error_event(watch_state *s, const json_t *object)
{
    gpuc__buf text = GPUC__BUF_INIT(64 * 1024);
    int code = (int)json_integer_value(json_object_get(object, "code"));

    if (code == 410) {
        s->stale = true;
        return;
    }
    gpuc__json_dump(&text, object);
    gpuc__kube_status_error(&s->error, s->path, code ? code : 500, gpuc__buf_text(&text),
                            text.length);
    gpuc__buf_clear(&text);
}

static bool on_line(gpuc__kube_call *call, const char *line, size_t length)
{
    watch_state *s = call->state;
    json_t *event = json_loadb(line, length, 0, NULL), *object = json_object_get(event, "object");
    const char *type = gpuc__json_text(event, "type", NULL);
    bool more = true;

    if (!type || !json_is_object(object)) {
        gpuc__error_set(&s->error, GPUC_EPROTO, GPUC_DOMAIN_KUBERNETES,
                        "GET %s: a line of the watch is no event", s->path);
        gpuc__error_evidence(&s->error, line, length < 512 ? length : 512);
        gpuc__error_retryable(&s->error, true);
        more = false;
    } else if (strcmp(type, "ERROR") == 0) {
        on_error_event(s, object);
        more = false;
    } else {
        set_version(s, object);
        s->failures = 0;
        if (strcmp(type, "BOOKMARK") != 0)
            more = tell(call, type, object);
    }
    json_decref(event);
    return more;
}

static bool on_chunk(void *data, const char *bytes, size_t length)
{
    gpuc__kube_call *call = data;
    watch_state *s = call->state;
    size_t begin = 0;
    const char *newline;

    if (call->cancelled || s->stop)
        return false;
    call->refused = false; /* these credentials are taken */
    if (!gpuc__buf_add(&s->line, bytes, length)) {
        gpuc__error_set(&s->error, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                        "GET %s: an event of more than %u bytes", s->path, EVENT_MAX);
        return false;
    }
    while ((newline = memchr(s->line.data + begin, '\n', s->line.length - begin))) {
        size_t end = (size_t)(newline - s->line.data);

        if (end > begin && !on_line(call, s->line.data + begin, end - begin))
            return false;
        begin = end + 1;
    }
    gpuc__buf_consume(&s->line, begin);
    return true;
}

/* Again after a while, at least retry_after, or the end. error is consumed; NULL: the stream just
 * ended. */
static void watch_again(gpuc__kube_call *call, gpuc_error *error, int retry_after)
{
    watch_state *s = call->state;
    int wait = 0, remaining = gpuc__call_remaining(call);

    if (error && !gpuc_error_retryable(error)) {
        gpuc__call_finish(call, NULL, error);
        return;
    }
    if (error || gpuc__clock_ms() - s->opened < 1000)
        wait = gpuc__call_backoff(++s->failures);
    if (retry_after > wait)
        wait = retry_after;
    if (wait >= remaining) {
        if (error && gpuc_error_code(error) == GPUC_ETIMEDOUT)
            error = gpuc_error_unref(error);
        if (!error)
            gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                            "watching %s: the deadline of %.0f s has passed", s->path,
                            (double)(call->deadline - call->begun) / 1000);
        gpuc__call_finish(call, NULL, error);
        return;
    }
    if (error)
        gpuc__log(call->kube->context, GPUC_LOG_DEBUG, "kube", "watch again in %d ms: %s", wait,
                  gpuc_error_message(error));
    gpuc_error_unref(error);
    gpuc__call_after(call, (uint64_t)wait, s->stale ? watch_list : watch_stream);
}

static void on_stream_end(void *data, int status, const char *body, size_t length,
                          gpuc_error *error)
{
    gpuc__kube_call *call = data;
    watch_state *s = call->state;
    gpuc__http_request *request = call->request;
    int retry_after = -1;

    gpuc__call_warnings(call, s->path);
    if (gpuc__call_was_cancelled(call, error))
        return;
    if (s->stop) {
        gpuc_error_unref(error);
        gpuc__call_finish(call, NULL, NULL);
        return;
    }
    if (s->error || s->stale) { /* we ended the stream ourselves, for this */
        gpuc_error_unref(error);
        error = s->error;
        s->error = NULL;
    } else if (!error && status == 410) {
        s->stale = true;
    } else if (!error && status == 401 && gpuc__auth_again(call, watch_send)) {
        return;
    } else if (!error && status >= 400) {
        gpuc__kube_status_error(&error, s->path, status, body, length);
        retry_after = gpuc__kube_retry_after(gpuc__http_header(request, "Retry-After"));
    }
    watch_again(call, error, retry_after);
}

static void watch_stream(gpuc__kube_call *call)
{
    gpuc__auth_then(call, watch_send);
}

static void watch_send(gpuc__kube_call *call)
{
    watch_state *s = call->state;
    int remaining = gpuc__call_remaining(call);
    char *path = gpuc__asprintf("%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%d"
                                "&resourceVersion=%s%s%s",
                                s->path, STREAM_SECONDS, s->version ? s->version : "0",
                                s->query ? "&" : "", s->query ? s->query : "");
    static const char *const headers[] = {"Accept: application/json", NULL};
    gpuc_error *error = NULL;

    gpuc__buf_reset(&s->line);
    s->opened = gpuc__clock_ms();
    if (path && remaining > 0)
        gpuc__call_request(call, &(gpuc__http_args){.method = "GET",
                                                    .path = path,
                                                    .headers = headers,
                                                    .timeout_ms = remaining,
                                                    .idle_ms = IDLE_MS,
                                                    .chunk = on_chunk,
                                                    .done = on_stream_end,
                                                    .data = call});
    gpuc__free(path);
    if (call->request)
        return;
    if (remaining > 0)
        gpuc__error_nomem(&error);
    watch_again(call, error, -1);
}

gpuc__kube_call *gpuc__kube_watch(gpuc__kube *kube, const gpuc__kube_watch_args *args)
{
    gpuc__kube_call *call = gpuc__call_new(kube, args->deadline_ms, sizeof(watch_state),
                                           watch_clear, args->done, args->data);
    watch_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    gpuc__buf_init(&s->line, EVENT_MAX);
    s->event = args->event;
    s->path = gpuc__strdup(args->path);
    s->query = gpuc__strdup(args->query);
    if (!s->path || (args->query && !s->query)) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, watch_list);
    return call;
}

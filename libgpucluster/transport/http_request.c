/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a request: begun by its timer, never inside gpuc__http_send, so that it may be sent
 * from any callback; ended once, by curl, by a deadline or by the caller. */
#include "transport/http_internal.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define TIMEOUT_DEFAULT_MS 60000

static void on_closed(uv_handle_t *handle)
{
    gpuc__http_request *r = handle->data;
    gpuc__http *http = r->http;

    if (r->secret && r->send_body)
        OPENSSL_cleanse(r->send_body, r->send_length);
    gpuc__buf_clear(&r->body);
    gpuc__buf_clear(&r->head);
    gpuc__free(r->where);
    gpuc__free(r->send_body);
    gpuc_error_unref(r->error);
    gpuc__free(r);
    gpuc__http_handle_closed(http);
}

void gpuc__http_request_done(gpuc__http_request *r, CURLcode result)
{
    void (*connected)(void *data, gpuc__http_request *request) = r->connected;

    if (r->finished)
        return;
    if (result != CURLE_OK || r->error || !connected) {
        gpuc__http_request_finish(r, result);
        return;
    }
    /* The handle stays: curl closes such a connection with it. */
    r->connected = NULL;
    r->timeout_ms = -1;
    connected(r->data, r);
}

void gpuc__http_request_finish(gpuc__http_request *r, CURLcode result)
{
    gpuc__http *http = r->http;
    gpuc__http_request *outer = http->current;
    gpuc_error *error = r->error;
    long status = 0;

    if (r->finished)
        return;
    r->finished = true;
    if (r->easy)
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!error && result != CURLE_OK)
        gpuc__http_error_from(r, result, &error);
    r->error = NULL;
    if (error)
        gpuc__error_at(&error, http->machine, NULL);
    if (r->started)
        gpuc__http_multi_remove(http, r->easy);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->headers);
    r->easy = NULL;
    gpuc__http_connection_drop(r);
    if (r->file >= 0)
        close(r->file);
    gpuc__log(http->context, GPUC_LOG_DEBUG, "http", "%s: %ld, %zu bytes in %d ms%s%s",
              r->where ? r->where : "request", status, r->body.length,
              (int)(gpuc__clock_ms() - r->begun), error ? ": " : "",
              error ? gpuc_error_message(error) : "");
    http->current = r;
    if (r->done)
        r->done(r->data, (int)status, gpuc__buf_text(&r->body), r->body.length, error);
    else
        gpuc_error_unref(error);
    http->current = outer;
    uv_close((uv_handle_t *)&r->timer, on_closed);
    gpuc__http_unref(http);
}

static void on_timer(uv_timer_t *timer);

static void wake_at(gpuc__http_request *r, uint64_t when)
{
    uint64_t now = gpuc__clock_ms();

    uv_update_time(gpuc__context_loop(r->http->context));
    uv_timer_start(&r->timer, on_timer, when > now ? when - now : 0, 0);
}

/* Sets the timer for whichever rule can be broken first. */
static void arm(gpuc__http_request *r)
{
    uint64_t when = UINT64_MAX;

    if (r->timeout_ms >= 0)
        when = r->begun + (uint64_t)r->timeout_ms;
    if (r->idle_ms > 0 && r->last_byte + (uint64_t)r->idle_ms < when)
        when = r->last_byte + (uint64_t)r->idle_ms;
    if (when != UINT64_MAX)
        wake_at(r, when);
}

static void start(gpuc__http_request *r)
{
    CURLMcode result = gpuc__http_multi_add(r->http, r->easy);

    if (result != CURLM_OK) {
        gpuc__error_set(&r->error, result == CURLM_OUT_OF_MEMORY ? GPUC_ENOMEM : GPUC_EINTERNAL,
                        r->http->domain, "%s: %s", r->where, curl_multi_strerror(result));
        gpuc__http_request_finish(r, CURLE_OK);
        return;
    }
    r->started = true;
    arm(r);
}

static void check_deadlines(gpuc__http_request *r)
{
    uint64_t now = gpuc__clock_ms();
    curl_off_t sent = 0;

    curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (sent != r->uploaded) {
        r->uploaded = sent;
        r->last_byte = now;
    }
    if (r->timeout_ms >= 0 && now >= r->begun + (uint64_t)r->timeout_ms)
        gpuc__error_set(&r->error, GPUC_ETIMEDOUT, r->http->domain,
                        "%s: no complete answer within %d ms", r->where, r->timeout_ms);
    else if (r->idle_ms > 0 && now >= r->last_byte + (uint64_t)r->idle_ms)
        gpuc__error_set(&r->error, GPUC_ETIMEDOUT, r->http->domain,
                        "%s: no byte came for %d ms", r->where, r->idle_ms);
    if (r->error) {
        gpuc__error_remedy(&r->error, "check that the server is not overloaded or stuck; then try "
                                      "again");
        gpuc__http_request_finish(r, CURLE_OK);
    } else {
        arm(r);
    }
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__http_request *r = timer->data;

    if (r->error)
        gpuc__http_request_finish(r, CURLE_OK);
    else if (!r->started)
        start(r);
    else
        check_deadlines(r);
}

gpuc__http_request *gpuc__http_send(gpuc__http *http, const gpuc__http_args *args)
{
    gpuc__http_request *r = gpuc__calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->http = gpuc__http_ref(http);
    http->handles++;
    uv_timer_init(gpuc__context_loop(http->context), &r->timer);
    r->timer.data = r;
    r->file = r->connection = r->stand_in = -1;
    r->timeout_ms = args->timeout_ms ? args->timeout_ms : TIMEOUT_DEFAULT_MS;
    r->idle_ms = args->idle_ms;
    r->secret = args->secret;
    r->chunk = args->chunk;
    r->done = args->done;
    r->connected = args->connected;
    r->data = args->data;
    r->begun = r->last_byte = gpuc__clock_ms();
    gpuc__http_easy_new(r, args, &r->error); /* a failure is told by done, like any other */
    wake_at(r, 0);
    return r;
}

void gpuc__http_cancel(gpuc__http_request *r)
{
    if (r->finished)
        return;
    if (!r->error)
        gpuc__error_set(&r->error, GPUC_ECANCELLED, r->http->domain, "%s: cancelled",
                        r->where ? r->where : "request");
    wake_at(r, 0);
}

void gpuc__http_drop(gpuc__http_request *r)
{
    r->done = NULL;
    gpuc__http_request_finish(r, CURLE_OK);
}

const char *gpuc__http_header_at(gpuc__http_request *r, const char *name, size_t n)
{
    const char *line = gpuc__buf_text(&r->head), *end = line + r->head.length;
    size_t length = strlen(name);

    for (; line < end; line += strlen(line) + 1) {
        if (strncasecmp(line, name, length) == 0 && line[length] == ':' && n-- == 0) {
            line += length + 1;
            return line + strspn(line, " \t");
        }
    }
    return NULL;
}

const char *gpuc__http_header(gpuc__http_request *r, const char *name)
{
    return gpuc__http_header_at(r, name, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a WebSocket: connected, shaken hands, open, closing. Everything moves in `pump`. */
#include "transport/websocket.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/context.h"
#include "transport/http_internal.h"
#include "transport/websocket_frame.h"
#include "util/alloc.h"
#include "util/error.h"

#define DEFAULT_MAX (1024u * 1024)
#define OPEN_MS 60000
#define CLOSE_MS 2000
#define HEAD_MAX (16u * 1024)
#define BLOCK (16 * 1024)
#define ROUNDS 8              /* blocks read before others on the loop have their turn */
#define COMPACT (64u * 1024)  /* sent bytes kept in front of the queue at most */

enum state { CONNECTING, SHAKING, OPEN, CLOSING };

/* They outlive the socket by a turn of the loop. */
struct handles {
    uv_timer_t timer;
    uv_poll_t poll;
    bool has_poll;
    int events, closing;
    gpuc__websocket *ws; /* NULL once let go */
};

struct gpuc__websocket {
    gpuc__http *http;
    gpuc_context *context;
    gpuc__http_request *request; /* NULL: ended */
    struct handles *handles;
    gpuc__task task;
    enum state state;
    bool paused, dropped, over, pumping;
    char *where, *subprotocol;
    char accept[GPUC__WS_ACCEPT_SIZE];
    gpuc__buf head, out;
    size_t out_start; /* bytes of out that were sent */
    gpuc__ws_reader reader;
    int code;         /* of the closing */
    char reason[GPUC__WS_CONTROL_MAX];
    gpuc_error *error;
    gpuc__websocket_args is; /* the callbacks; its strings are not kept */
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct handles *h = handle->data;

    if (--h->closing == 0)
        gpuc__free(h);
}

static void close_handles(gpuc__websocket *ws)
{
    struct handles *h = ws->handles;

    if (!h)
        return;
    ws->handles = NULL;
    h->ws = NULL;
    h->closing = h->has_poll ? 2 : 1;
    if (h->has_poll)
        uv_close((uv_handle_t *)&h->poll, on_handle_closed);
    uv_close((uv_handle_t *)&h->timer, on_handle_closed);
}

static void ws_free(gpuc__websocket *ws)
{
    gpuc__context_unpost(ws->context, &ws->task);
    close_handles(ws); /* before the connection: its number may be another's right after */
    if (ws->request)
        gpuc__http_drop(ws->request);
    gpuc__free(ws->where);
    gpuc__free(ws->subprotocol);
    gpuc__buf_clear(&ws->head);
    gpuc__buf_clear(&ws->out);
    gpuc__ws_reader_clear(&ws->reader);
    gpuc_error_unref(ws->error);
    gpuc__http_unref(ws->http);
    gpuc__free(ws);
}

/* The one end of a socket that was not dropped. */
static void finish(gpuc__websocket *ws)
{
    gpuc_error *error = ws->error;

    ws->error = NULL;
    ws->pumping = true; /* a drop inside closed is too late */
    ws->is.closed(ws->is.data, error ? 0 : ws->code, error ? "" : ws->reason, error);
    ws_free(ws);
}

static void pump_later(gpuc__websocket *ws)
{
    gpuc__context_post(ws->context, &ws->task);
}

static void watch(gpuc__websocket *ws);

/* Ends it with what *err says, or in order. */
static void end(gpuc__websocket *ws)
{
    ws->over = true;
}

static bool put(gpuc__websocket *ws, gpuc__ws_opcode opcode, const void *bytes, size_t length)
{
    unsigned char mask[4];

    if (ws->out_start >= COMPACT || ws->out_start == ws->out.length) {
        gpuc__buf_consume(&ws->out, ws->out_start);
        ws->out_start = 0;
    }
    if (RAND_bytes(mask, sizeof(mask)) != 1 || !gpuc__ws_put(&ws->out, opcode, mask, bytes, length))
        return false;
    pump_later(ws);
    return true;
}

static void flush(gpuc__websocket *ws)
{
    size_t left, n = 0;
    bool had = ws->out.length > ws->out_start;
    int code = GPUC_OK;

    while (code == GPUC_OK && (left = ws->out.length - ws->out_start) > 0) {
        code = gpuc__http_write(&n, ws->request, ws->out.data + ws->out_start, left, &ws->error);
        if (code == GPUC_OK)
            ws->out_start += n;
    }
    if (code < 0) {
        end(ws);
        return;
    }
    if (!had || ws->out_start < ws->out.length)
        return;
    if (ws->state == SHAKING) /* there may be a token in the request */
        OPENSSL_cleanse(ws->out.data, ws->out.capacity);
    gpuc__buf_reset(&ws->out);
    ws->out_start = 0;
    if (ws->state == OPEN && ws->is.empty)
        ws->is.empty(ws->is.data);
}

/* The other end says goodbye: so do we, once. */
static void take_close(gpuc__websocket *ws, const gpuc__ws_event *event)
{
    unsigned char code[2] = {(unsigned char)(event->code >> 8), (unsigned char)event->code};

    ws->code = event->code;
    snprintf(ws->reason, sizeof(ws->reason), "%.*s", (int)event->length,
             (const char *)event->bytes);
    if (ws->state == OPEN && put(ws, GPUC__WS_CLOSE, code, event->code == 1005 ? 0 : 2)) {
        ws->state = CLOSING;
        flush(ws);
    }
    end(ws);
}

static void take_event(gpuc__websocket *ws, const gpuc__ws_event *event)
{
    switch (event->opcode) {
    case GPUC__WS_TEXT:
    case GPUC__WS_BINARY:
        if (ws->state == OPEN)
            ws->is.message(ws->is.data, event->opcode == GPUC__WS_TEXT, event->bytes,
                           event->length);
        break;
    case GPUC__WS_PING:
        if (ws->state == OPEN) /* without room it goes unanswered, like one lost on the way */
            put(ws, GPUC__WS_PONG, event->bytes, event->length);
        break;
    case GPUC__WS_CLOSE:
        take_close(ws, event);
        break;
    default:
        break;
    }
}

/* Nothing more is to be read now. */
static bool is_held(const gpuc__websocket *ws)
{
    return ws->over || ws->dropped || ws->paused;
}

static void take_events(gpuc__websocket *ws)
{
    gpuc__ws_event event;
    bool there = true;

    while (there && !is_held(ws)) {
        if (gpuc__ws_reader_next(&ws->reader, &event, &there, &ws->error) != GPUC_OK)
            end(ws);
        else if (there)
            take_event(ws, &event);
    }
}

/* Behind the head of the answer, once all of it is there; else NULL. */
static char *head_end(const gpuc__websocket *ws)
{
    char *stop = ws->head.length ? strstr(ws->head.data, "\r\n\r\n") : NULL;

    return stop ? stop + 4 : NULL;
}

static int check_head(gpuc__websocket *ws, char *rest)
{
    rest[-2] = '\0'; /* frames may follow */
    return gpuc__ws_check_answer(ws->head.data, ws->accept, ws->subprotocol, ws->where, rest,
                                 ws->head.length - (size_t)(rest - ws->head.data), &ws->error);
}

static void head_too_large(gpuc__websocket *ws)
{
    gpuc__error_set(&ws->error, GPUC_ELIMIT, GPUC_DOMAIN_HTTP,
                    "%s: the answer's head is larger than the %u bytes allowed", ws->where, HEAD_MAX);
    end(ws);
}

static void become_open(gpuc__websocket *ws, const char *frames, size_t length)
{
    ws->state = OPEN;
    uv_timer_stop(&ws->handles->timer);
    if (gpuc__ws_reader_add(&ws->reader, frames, length, &ws->error) != GPUC_OK)
        end(ws);
    gpuc__buf_clear(&ws->head);
    if (!ws->over)
        ws->is.open(ws->is.data);
}

/* The head of the answer, or a part of it; what follows it are frames, or why there are none. */
static void take_head(gpuc__websocket *ws, const char *bytes, size_t length)
{
    char *rest;
    size_t size, kept = ws->head.length;

    if (!gpuc__buf_add(&ws->head, bytes, length)) {
        gpuc__error_nomem(&ws->error);
        end(ws);
        return;
    }
    rest = head_end(ws);
    size = rest ? (size_t)(rest - ws->head.data) : ws->head.length;
    if (size > HEAD_MAX)
        head_too_large(ws);
    else if (!rest || gpuc__ws_answer_is_cut(ws->head.data, ws->head.length - size))
        return;
    else if (check_head(ws, rest) != GPUC_OK)
        end(ws);
    else
        become_open(ws, bytes + (size - kept), length - (size - kept));
}

/* Whether a refusal has come as far as it will: that is the error then. */
static bool was_refused(gpuc__websocket *ws)
{
    char *rest = ws->state == SHAKING ? head_end(ws) : NULL;

    return rest && check_head(ws, rest) != GPUC_OK;
}

/* The connection broke with this error, consumed. */
static void take_loss(gpuc__websocket *ws, gpuc_error *error)
{
    if (was_refused(ws))
        gpuc_error_unref(error);
    else
        ws->error = error;
    end(ws);
}

static void take_end(gpuc__websocket *ws)
{
    if (ws->state != CLOSING && !was_refused(ws)) {
        gpuc__error_set(&ws->error, GPUC_ENETWORK, GPUC_DOMAIN_HTTP,
                        "%s: the other end closed the connection without a word", ws->where);
        gpuc__error_remedy(&ws->error, "the connection was lost on the way; try again");
    }
    end(ws);
}

/* One block; false when there is nothing more now. */
static bool read_block(gpuc__websocket *ws)
{
    char block[BLOCK];
    gpuc_error *error = NULL;
    size_t n = 0;
    int code = gpuc__http_read(&n, ws->request, block, sizeof(block), &error);

    if (code == GPUC__HTTP_AGAIN)
        return false;
    if (code < 0)
        take_loss(ws, error);
    else if (n == 0)
        take_end(ws);
    else if (ws->state == SHAKING)
        take_head(ws, block, n);
    else if (gpuc__ws_reader_add(&ws->reader, block, n, &ws->error) != GPUC_OK)
        end(ws);
    return !ws->over;
}

/* Sends and reads what can be; true when there may be more to read. */
static bool move(gpuc__websocket *ws)
{
    bool more = true;

    flush(ws);
    for (int rounds = 0; more && rounds < ROUNDS; rounds++) {
        if (!is_held(ws))
            take_events(ws);
        more = !is_held(ws) && read_block(ws);
    }
    if (!is_held(ws))
        take_events(ws);
    return more;
}

static void pump(void *data)
{
    gpuc__websocket *ws = data;
    bool more = false;

    if (ws->pumping)
        return;
    ws->pumping = true;
    if (ws->state >= SHAKING && !ws->over)
        more = move(ws);
    ws->pumping = false;
    if (ws->dropped) {
        ws_free(ws);
    } else if (ws->over) {
        finish(ws);
    } else {
        if (more)
            pump_later(ws);
        watch(ws);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct handles *h = poll->data;

    if (h->ws)
        pump(h->ws);
}

static void watch(gpuc__websocket *ws)
{
    struct handles *h = ws->handles;
    int events = 0;

    if (!h->has_poll)
        return;
    if (!ws->paused)
        events |= UV_READABLE;
    if (ws->out.length > ws->out_start)
        events |= UV_WRITABLE;
    if (events == h->events)
        return;
    h->events = events;
    if (events)
        uv_poll_start(&h->poll, events, on_poll);
    else
        uv_poll_stop(&h->poll);
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__websocket *ws = ((struct handles *)timer->data)->ws;

    if (!ws)
        return;
    if (ws->state != CLOSING && !was_refused(ws)) {
        gpuc__error_set(&ws->error, GPUC_ETIMEDOUT, GPUC_DOMAIN_HTTP,
                        "%s: the server did not open the WebSocket in time", ws->where);
        gpuc__error_remedy(&ws->error, "check that the server is not overloaded or stuck; then try "
                                       "again");
    }
    end(ws);
    pump(ws);
}

static void arm(gpuc__websocket *ws, int ms)
{
    uv_update_time(gpuc__context_loop(ws->context));
    uv_timer_start(&ws->handles->timer, on_timer, (uint64_t)ms, 0);
}

static void on_connected(void *data, gpuc__http_request *request)
{
    gpuc__websocket *ws = data;
    struct handles *h = ws->handles;
    int fd = gpuc__http_socket(request);

    if (fd < 0 || uv_poll_init(gpuc__context_loop(ws->context), &h->poll, fd) != 0) {
        gpuc__error_set(&ws->error, GPUC_EINTERNAL, GPUC_DOMAIN_HTTP,
                        "%s: the connection's socket cannot be watched", ws->where);
        end(ws);
    } else {
        h->poll.data = h;
        h->has_poll = true;
        ws->state = SHAKING;
    }
    pump_later(ws);
}

static void on_request_done(void *data, int status, const char *body, size_t length,
                            gpuc_error *error)
{
    gpuc__websocket *ws = data;

    ws->request = NULL;
    if (ws->error)
        gpuc_error_unref(error);
    else
        ws->error = error;
    end(ws);
    pump_later(ws);
}

/* "host:port" and "/path?query" of the whole address. */
static bool put_target(gpuc__buf *out, const gpuc__websocket_args *args)
{
    char *whole = gpuc__asprintf("%s%s", args->http->request_base, args->path);
    char *host = NULL, *port = NULL, *path = NULL, *query = NULL;
    CURLU *url = curl_url();
    bool ok = whole && url && curl_url_set(url, CURLUPART_URL, whole, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK;

    if (ok) {
        curl_url_get(url, CURLUPART_PORT, &port, 0);
        curl_url_get(url, CURLUPART_QUERY, &query, 0);
        gpuc__buf_printf(out, "GET %s%s%s HTTP/1.1\r\nHost: %s%s%s\r\n", path, query ? "?" : "",
                         query ? query : "", host, port ? ":" : "", port ? port : "");
    }
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
    curl_url_cleanup(url);
    gpuc__free(whole);
    return ok;
}

static void put_request(gpuc__websocket *ws, const gpuc__websocket_args *args)
{
    unsigned char random[16];
    char key[25];

    if (RAND_bytes(random, sizeof(random)) != 1)
        ws->out.failed = true;
    EVP_EncodeBlock((unsigned char *)key, random, sizeof(random));
    if (!gpuc__ws_accept(ws->accept, key) || !put_target(&ws->out, args))
        ws->out.failed = true;
    gpuc__buf_printf(&ws->out,
                     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: %s\r\n",
                     key);
    if (args->subprotocol)
        gpuc__buf_printf(&ws->out, "Sec-WebSocket-Protocol: %s\r\n", args->subprotocol);
    for (const char *const *h = args->headers; h && *h; h++) {
        if (strpbrk(*h, "\r\n") || !strchr(*h, ':'))
            gpuc__error_set(&ws->error, GPUC_EINVAL, GPUC_DOMAIN_HTTP,
                            "%s: a request header is not one \"Name: value\" line", ws->where);
        gpuc__buf_printf(&ws->out, "%s\r\n", *h);
    }
    gpuc__buf_puts(&ws->out, "\r\n");
}

static bool fill(gpuc__websocket *ws, const gpuc__websocket_args *args)
{
    struct handles *h = gpuc__calloc(1, sizeof(*h));
    gpuc__http_args request = {.method = "GET",
                               .path = args->path,
                               .timeout_ms = args->open_ms ? args->open_ms : OPEN_MS,
                               .connected = on_connected,
                               .done = on_request_done,
                               .data = ws};

    ws->handles = h;
    if (!h)
        return false;
    uv_timer_init(gpuc__context_loop(ws->context), &h->timer);
    h->timer.data = h;
    h->ws = ws;
    ws->where = gpuc__asprintf("WebSocket %s%.*s", ws->http->base_url,
                               (int)strcspn(args->path, "?"), args->path);
    ws->subprotocol = gpuc__strdup(args->subprotocol);
    if (!ws->where || (args->subprotocol && !ws->subprotocol))
        return false;
    put_request(ws, args);
    if (ws->out.failed)
        return false;
    if (ws->error) {
        end(ws);
        pump_later(ws);
        return true;
    }
    ws->request = gpuc__http_send(ws->http, &request);
    if (ws->request)
        arm(ws, request.timeout_ms);
    return ws->request != NULL;
}

gpuc__websocket *gpuc__websocket_open(const gpuc__websocket_args *args)
{
    gpuc__websocket *ws = gpuc__calloc(1, sizeof(*ws));
    size_t queue_max = args->queue_max ? args->queue_max : DEFAULT_MAX;

    if (!ws)
        return NULL;
    ws->is = *args;
    ws->http = gpuc__http_ref(args->http);
    ws->context = args->http->context;
    ws->task = (gpuc__task){.fn = pump, .data = ws};
    gpuc__buf_init(&ws->head, HEAD_MAX + 2 * BLOCK); /* with the beginning of what follows */
    gpuc__buf_init(&ws->out, queue_max + COMPACT);
    gpuc__ws_reader_init(&ws->reader, args->message_max ? args->message_max : DEFAULT_MAX);
    if (!fill(ws, args)) {
        ws_free(ws);
        return NULL;
    }
    return ws;
}

bool gpuc__websocket_send(gpuc__websocket *ws, const void *bytes, size_t length)
{
    return ws->state == OPEN && !ws->over && put(ws, GPUC__WS_BINARY, bytes, length);
}

size_t gpuc__websocket_queued(const gpuc__websocket *ws)
{
    return ws->out.length - ws->out_start;
}

void gpuc__websocket_pause(gpuc__websocket *ws, bool paused)
{
    if (ws->paused == paused)
        return;
    ws->paused = paused;
    pump_later(ws);
}

void gpuc__websocket_close(gpuc__websocket *ws, int code)
{
    unsigned char bytes[2] = {(unsigned char)(code >> 8), (unsigned char)code};

    if (ws->over || ws->state == CLOSING)
        return;
    ws->code = code;
    ws->paused = false; /* the answer is to be read */
    if (ws->state == OPEN && put(ws, GPUC__WS_CLOSE, bytes, sizeof(bytes))) {
        ws->state = CLOSING;
        arm(ws, CLOSE_MS);
        return;
    }
    if (ws->state != OPEN)
        gpuc__error_set(&ws->error, GPUC_ECANCELLED, GPUC_DOMAIN_HTTP, "%s: cancelled", ws->where);
    end(ws);
    pump_later(ws);
}

/* Without it the other end would keep what it holds for us until it notices. */
static void say_gone(gpuc__websocket *ws)
{
    static const unsigned char going_away[2] = {1001 >> 8, 1001 & 0xff};

    if (ws->over || ws->state != OPEN || !put(ws, GPUC__WS_CLOSE, going_away, sizeof(going_away)))
        return;
    ws->state = CLOSING; /* nobody hears that the queue is empty */
    flush(ws);
}

void gpuc__websocket_drop(gpuc__websocket *ws)
{
    if (!ws)
        return;
    ws->dropped = true;
    say_gone(ws);
    if (!ws->pumping)
        ws_free(ws);
}

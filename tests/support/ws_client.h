/* SPDX-License-Identifier: Apache-2.0 */
/* One WebSocket, what came of it, and waiting for its end: what its tests share. */
#ifndef TEST_WS_CLIENT_H
#define TEST_WS_CLIENT_H
#include "support/http_client.h"
#include "support/ws_server.h"
#include "util/buf.h"

#define PROTOCOL "relay.test"
#define BIG (3 * 1024 * 1024)

typedef struct talk {
    gpuc__websocket *ws;
    int opened, closed, messages, texts, emptied, code, error, native;
    char *reason, *message, *evidence;
    gpuc__buf got;
    int close_after;  /* messages after which the client closes; 0: never */
    bool drop_inside; /* drops it inside the first message */
    const char *say;  /* sent when it opens */
    size_t say_length;
} talk;

static inline void on_open(void *data)
{
    talk *t = data;

    t->opened++;
    if (t->say)
        assert_true(gpuc__websocket_send(t->ws, t->say, t->say_length));
}

static inline void on_message(void *data, bool text, const void *bytes, size_t length)
{
    talk *t = data;

    t->messages++;
    t->texts += text;
    gpuc__buf_add(&t->got, bytes, length);
    if (t->drop_inside) {
        gpuc__websocket_drop(t->ws);
        t->closed = 100;
    } else if (t->messages == t->close_after) {
        gpuc__websocket_close(t->ws, 1000);
    }
}

static inline void on_empty(void *data)
{
    ((talk *)data)->emptied++;
}

static inline void on_closed(void *data, int code, const char *reason, gpuc_error *error)
{
    talk *t = data;

    t->closed++;
    t->code = code;
    t->reason = gpuc__strdup(reason);
    if (error) {
        t->error = gpuc_error_code(error);
        t->native = (int)gpuc_error_native_code(error);
        t->message = gpuc__strdup(gpuc_error_message(error));
        t->evidence = gpuc__strdup(gpuc_error_evidence(error));
        gpuc_error_unref(error);
    }
}

static inline void wait_closed(talk *t)
{
    uint64_t end = gpuc__clock_ms() + 20000;

    while (!t->closed && gpuc__clock_ms() < end)
        assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    assert_true(t->closed > 0);
}

static inline void start(talk *t, gpuc__websocket_args args)
{
    gpuc__buf_init(&t->got, 2 * BIG);
    args.http = http;
    args.path = args.path ? args.path : "/v4/connect?port=22";
    args.open = on_open;
    args.message = on_message;
    args.empty = on_empty;
    args.closed = on_closed;
    args.data = t;
    t->ws = gpuc__websocket_open(&args);
    assert_non_null(t->ws);
    assert_int_equal(t->opened + t->closed, 0);
}

static inline void clear(talk *t)
{
    gpuc__free(t->reason);
    gpuc__free(t->message);
    gpuc__free(t->evidence);
    gpuc__buf_clear(&t->got);
    memset(t, 0, sizeof(*t));
}

static inline void run(talk *t, gpuc__websocket_args args)
{
    start(t, args);
    wait_closed(t);
}
#endif

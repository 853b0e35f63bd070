/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket (RFC 6455), client's side, over a connection of the HTTP transport: TLS and proxies are
 * as there. Callbacks run on the loop, never inside a call. */
#ifndef GPUC__WEBSOCKET_H
#define GPUC__WEBSOCKET_H
#include <gpucluster.h>
#include <stdbool.h>

#include "transport/http.h"

typedef struct gpuc__websocket gpuc__websocket; /* valid until `closed` has returned, or drop */

typedef struct gpuc__websocket_args {
    gpuc__http *http;           /* the server; kept by a reference */
    const char *path;           /* "/v4/connect?port=22", appended to the server's base */
    const char *const *headers; /* "Name: value" beside those of the handshake; may be NULL */
    const char *subprotocol;    /* asked for; another answer is GPUC_EPROTO; NULL: none */
    size_t message_max;         /* 0: 1 MiB; more is GPUC_ELIMIT */
    size_t queue_max;           /* bytes that may wait to be sent; 0: 1 MiB */
    int open_ms;                /* until it is open; 0: 60000 */
    void (*open)(void *data);
    void (*message)(void *data, bool text, const void *bytes, size_t length); /* borrowed */
    void (*empty)(void *data);  /* all that was queued has been sent; may be NULL */
    /* Once. error NULL: closed in order, with the other end's code (1005: it gave none) and reason.
     * Else error (consumed) says why; the native code of a refusal is its HTTP status. */
    void (*closed)(void *data, int code, const char *reason, gpuc_error *error);
    void *data;
} gpuc__websocket_args;

/* NULL without memory: closed does not come then. Strings are copied. */
gpuc__websocket *gpuc__websocket_open(const gpuc__websocket_args *args);
/* One binary message; false when it is not open, the queue is full or there is no memory. */
bool gpuc__websocket_send(gpuc__websocket *ws, const void *bytes, size_t length);
size_t gpuc__websocket_queued(const gpuc__websocket *ws);
/* While paused no message comes, and the other end is held up once the socket is full. */
void gpuc__websocket_pause(gpuc__websocket *ws, bool paused);
/* Ends it in order: what is queued is sent; closed comes, after a short while at most. */
void gpuc__websocket_close(gpuc__websocket *ws, int code);
/* Ends it at once: no callback comes any more. The other end is told, where that needs no waiting.
 * NULL is ignored. */
void gpuc__websocket_drop(gpuc__websocket *ws);

/* websocket_handshake.c: pure. The value that the server has to answer to a key. */
#define GPUC__WS_ACCEPT_SIZE 29
bool gpuc__ws_accept(char out[GPUC__WS_ACCEPT_SIZE], const char *key);
/* Whether what came after the head of a refusal is not yet all that says why, as far as that is wanted. */
bool gpuc__ws_answer_is_cut(const char *head, size_t rest_length);
/* Checks the head of the answer, up to and with the empty line; NUL-terminated. rest: what of a
 * body came with it, for the error of a refusal. `where` names the connection. */
int gpuc__ws_check_answer(const char *head, const char *accept, const char *subprotocol,
                          const char *where, const char *rest, size_t rest_length,
                          gpuc_error **err);
#endif

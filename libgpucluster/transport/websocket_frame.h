/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of RFC 6455 as a client sees them: pure functions over memory. */
#ifndef GPUC__WEBSOCKET_FRAME_H
#define GPUC__WEBSOCKET_FRAME_H
#include <gpucluster.h>
#include <stdbool.h>

#include "util/buf.h"

typedef enum gpuc__ws_opcode {
    GPUC__WS_CONTINUATION = 0,
    GPUC__WS_TEXT = 1,
    GPUC__WS_BINARY = 2,
    GPUC__WS_CLOSE = 8,
    GPUC__WS_PING = 9,
    GPUC__WS_PONG = 10
} gpuc__ws_opcode;

#define GPUC__WS_CONTROL_MAX 125 /* payload of a control frame */
#define GPUC__WS_HEADER_MAX 14

typedef struct gpuc__ws_reader {
    size_t message_max;
    gpuc__buf in;      /* bytes not yet taken apart */
    size_t start;      /* of the next frame in `in` */
    gpuc__buf message; /* the parts of a fragmented message so far */
    int fragmented;    /* its opcode; 0: none is open */
} gpuc__ws_reader;

/* A whole message, or a control frame. */
typedef struct gpuc__ws_event {
    gpuc__ws_opcode opcode; /* never CONTINUATION */
    const unsigned char *bytes; /* valid until the next call on the reader */
    size_t length;
    int code;               /* of a CLOSE: 1005 when it gives none; its reason is in bytes */
} gpuc__ws_event;

void gpuc__ws_reader_init(gpuc__ws_reader *reader, size_t message_max);
void gpuc__ws_reader_clear(gpuc__ws_reader *reader);
/* Adds at most this much at once; take all events before adding more. */
#define GPUC__WS_READ_MAX (32 * 1024)
int gpuc__ws_reader_add(gpuc__ws_reader *reader, const void *bytes, size_t length,
                        gpuc_error **err);
/* *there: an event was taken. GPUC_EPROTO for what a server must not send, GPUC_ELIMIT for a message
 * above message_max; nothing can be read after either. */
int gpuc__ws_reader_next(gpuc__ws_reader *reader, gpuc__ws_event *out, bool *there,
                         gpuc_error **err);

/* Appends one whole frame, masked. false when it does not fit (out is left as it was) or there is
 * no memory. */
bool gpuc__ws_put(gpuc__buf *out, gpuc__ws_opcode opcode, const unsigned char mask[4],
                  const void *bytes, size_t length);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a WebSocket server sends: they end with events inside the bounds, or an error;
 * and the same ones however the bytes were cut. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/websocket_frame.h"

#define MESSAGE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct outcome {
    uint64_t sum, events;
    int code;
} outcome;

static int take_all(gpuc__ws_reader *reader, outcome *o)
{
    gpuc_error *err = NULL;
    gpuc__ws_event event;
    bool there = true;

    while ((o->code = gpuc__ws_reader_next(reader, &event, &there, &err)) == GPUC_OK && there) {
        size_t limit = event.opcode >= GPUC__WS_CLOSE ? GPUC__WS_CONTROL_MAX : MESSAGE_MAX;

        if (event.length > limit || event.opcode == GPUC__WS_CONTINUATION)
            abort();
        o->events++;
        o->sum = o->sum * 31 + event.opcode + (uint64_t)event.code;
        for (size_t i = 0; i < event.length; i++)
            o->sum = o->sum * 31 + event.bytes[i];
    }
    if ((o->code != GPUC_OK) != (err != NULL))
        abort();
    gpuc_error_unref(err);
    return o->code;
}

static outcome read_in_blocks(const uint8_t *data, size_t size, size_t block)
{
    gpuc__ws_reader reader;
    outcome o = {0};

    gpuc__ws_reader_init(&reader, MESSAGE_MAX);
    for (size_t at = 0; at < size && o.code == GPUC_OK; at += block) {
        size_t n = size - at < block ? size - at : block;

        if (gpuc__ws_reader_add(&reader, data + at, n, NULL) != GPUC_OK)
            abort();
        take_all(&reader, &o);
    }
    gpuc__ws_reader_clear(&reader);
    return o;
}

/* What a client sends is read back once its mask is taken off. */
static void try_round(const uint8_t *data, size_t size)
{
    static const unsigned char no_mask[4];
    gpuc__buf out = GPUC__BUF_INIT(2 * MESSAGE_MAX);
    gpuc__ws_reader reader;
    gpuc__ws_event event;
    bool there = false;

    gpuc__ws_reader_init(&reader, MESSAGE_MAX);
    if (!gpuc__ws_put(&out, GPUC__WS_BINARY, no_mask, data, size))
        abort();
    /* drop the mask's bit and its four bytes */
    out.data[1] &= 0x7f;
    memmove(out.data + out.length - size - 4, out.data + out.length - size, size);
    if (gpuc__ws_reader_add(&reader, out.data, out.length - 4, NULL) != GPUC_OK ||
        gpuc__ws_reader_next(&reader, &event, &there, NULL) != GPUC_OK || !there ||
        event.length != size || (size && memcmp(event.bytes, data, size)))
        abort();
    gpuc__ws_reader_clear(&reader);
    gpuc__buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    outcome one, whole;

    if (size > GPUC__WS_READ_MAX)
        return 0;
    whole = read_in_blocks(data, size, GPUC__WS_READ_MAX);
    one = read_in_blocks(data, size, 1);
    if (one.sum != whole.sum || one.events != whole.events || one.code != whole.code)
        abort();
    if (size <= MESSAGE_MAX)
        try_round(data, size);
    return 0;
}

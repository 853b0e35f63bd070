/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of RFC 6455: the reader of what a server sends, the writer of what a client sends. */
#include "transport/websocket_frame.h"

#include <stdint.h>
#include <string.h>

#include "util/error.h"

#define FIN 0x80
#define RSV 0x70
#define MASKED 0x80

/* One frame's header, taken apart. */
struct header {
    int opcode;
    bool last;
    size_t size;     /* of the header */
    uint64_t length; /* of the payload */
};

void gpuc__ws_reader_init(gpuc__ws_reader *reader, size_t message_max)
{
    memset(reader, 0, sizeof(*reader));
    reader->message_max = message_max;
    /* the largest frame, and what comes after it in the same read */
    gpuc__buf_init(&reader->in, message_max + GPUC__WS_HEADER_MAX + GPUC__WS_READ_MAX +
                                    GPUC__WS_CONTROL_MAX);
    gpuc__buf_init(&reader->message, message_max);
}

void gpuc__ws_reader_clear(gpuc__ws_reader *reader)
{
    gpuc__buf_clear(&reader->in);
    gpuc__buf_clear(&reader->message);
    reader->start = 0;
}

int gpuc__ws_reader_add(gpuc__ws_reader *reader, const void *bytes, size_t length,
                        gpuc_error **err)
{
    if (reader->start) {
        gpuc__buf_consume(&reader->in, reader->start);
        reader->start = 0;
    }
    return gpuc__buf_add(&reader->in, bytes, length) ? GPUC_OK : gpuc__error_nomem(err);
}

static int broken(gpuc_error **err, const char *what)
{
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_HTTP, "the WebSocket's other end sent %s", what);
    gpuc__error_remedy(err, "check that the address leads to the right kind of server, and that no "
                            "proxy changes what passes");
    return GPUC_EPROTO;
}

static bool is_control(int opcode)
{
    return opcode >= GPUC__WS_CLOSE;
}

static int check_header(const gpuc__ws_reader *reader, const struct header *h, unsigned first,
                        unsigned second, gpuc_error **err)
{
    bool known = h->opcode <= GPUC__WS_BINARY ||
                 (h->opcode >= GPUC__WS_CLOSE && h->opcode <= GPUC__WS_PONG);

    if (first & RSV)
        return broken(err, "a frame with reserved bits set");
    if (!known)
        return broken(err, "a frame of an unknown kind");
    if (second & MASKED)
        return broken(err, "a masked frame, which only a client may");
    if (is_control(h->opcode) && (!h->last || (second & 0x7f) > GPUC__WS_CONTROL_MAX))
        return broken(err, "a control frame in parts, or too long");
    if (h->opcode == GPUC__WS_CONTINUATION && !reader->fragmented)
        return broken(err, "the rest of a message that was not begun");
    if ((h->opcode == GPUC__WS_TEXT || h->opcode == GPUC__WS_BINARY) && reader->fragmented)
        return broken(err, "a new message inside another");
    return GPUC_OK;
}

/* Reads the header at bytes; *out.size 0: more bytes are needed. */
static int read_header(const gpuc__ws_reader *reader, const unsigned char *bytes, size_t length,
                       struct header *out, gpuc_error **err)
{
    size_t extra;
    int code;

    out->size = 0;
    if (length < 2)
        return GPUC_OK;
    out->opcode = bytes[0] & 0x0f;
    out->last = bytes[0] & FIN;
    code = check_header(reader, out, bytes[0], bytes[1], err);
    if (code != GPUC_OK)
        return code;
    out->length = bytes[1] & 0x7f;
    extra = out->length == 126 ? 2 : out->length == 127 ? 8 : 0;
    if (length < 2 + extra)
        return GPUC_OK;
    if (extra)
        out->length = 0;
    for (size_t i = 0; i < extra; i++)
        out->length = out->length << 8 | bytes[2 + i];
    if ((extra == 2 && out->length < 126) || (extra == 8 && out->length < 65536))
        return broken(err, "a length that is not in its shortest form");
    if (!is_control(out->opcode) &&
        (out->length > reader->message_max ||
         reader->message.length > reader->message_max - out->length))
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_HTTP,
                               "the WebSocket's other end sent a message above the %zu bytes "
                               "allowed",
                               reader->message_max);
    out->size = 2 + extra;
    return GPUC_OK;
}

static int take_close(gpuc__ws_event *event, gpuc_error **err)
{
    if (event->length == 1)
        return broken(err, "half a close code");
    event->code = 1005;
    if (event->length >= 2) {
        event->code = event->bytes[0] << 8 | event->bytes[1];
        event->bytes += 2;
        event->length -= 2;
    }
    return GPUC_OK;
}

/* A frame that is there as a whole. *there false: it was a part, more are to come. */
static int take_frame(gpuc__ws_reader *reader, const struct header *h, const unsigned char *payload,
                      gpuc__ws_event *out, bool *there, gpuc_error **err)
{
    gpuc__ws_event event = {.opcode = h->opcode, .bytes = payload, .length = (size_t)h->length};
    int code = GPUC_OK;

    if (is_control(h->opcode)) {
        if (h->opcode == GPUC__WS_CLOSE)
            code = take_close(&event, err);
    } else if (!h->last || reader->fragmented) {
        if (!gpuc__buf_add(&reader->message, payload, (size_t)h->length))
            return gpuc__error_nomem(err);
        if (!reader->fragmented)
            reader->fragmented = h->opcode;
        if (!h->last)
            return GPUC_OK;
        event.opcode = reader->fragmented;
        event.bytes = (const unsigned char *)gpuc__buf_text(&reader->message);
        event.length = reader->message.length;
        reader->fragmented = 0;
    }
    if (code != GPUC_OK)
        return code;
    *out = event;
    *there = true;
    return GPUC_OK;
}

int gpuc__ws_reader_next(gpuc__ws_reader *reader, gpuc__ws_event *out, bool *there,
                         gpuc_error **err)
{
    *there = false;
    if (!reader->fragmented)
        gpuc__buf_reset(&reader->message); /* the last event pointed into it */
    while (!*there) {
        const unsigned char *bytes = (const unsigned char *)gpuc__buf_text(&reader->in);
        size_t left = reader->in.length - reader->start;
        struct header h;
        int code = read_header(reader, bytes + reader->start, left, &h, err);

        if (code != GPUC_OK)
            return code;
        if (!h.size || left - h.size < h.length)
            return GPUC_OK;
        code = take_frame(reader, &h, bytes + reader->start + h.size, out, there, err);
        if (code != GPUC_OK)
            return code;
        reader->start += h.size + (size_t)h.length;
    }
    return GPUC_OK;
}

bool gpuc__ws_put(gpuc__buf *out, gpuc__ws_opcode opcode, const unsigned char mask[4],
                  const void *bytes, size_t length)
{
    unsigned char header[GPUC__WS_HEADER_MAX];
    size_t n = 0, at;

    header[n++] = (unsigned char)(FIN | opcode);
    if (length < 126) {
        header[n++] = (unsigned char)(MASKED | length);
    } else {
        int size = length < 65536 ? 2 : 8;

        header[n++] = MASKED | (size == 2 ? 126 : 127);
        for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
            header[n++] = (unsigned char)((uint64_t)length >> shift);
    }
    memcpy(header + n, mask, 4);
    n += 4;
    if (out->failed || length > out->max || out->length > out->max - length - n ||
        n > out->max - length)
        return false;
    if (!gpuc__buf_add(out, header, n))
        return false;
    at = out->length;
    if (!gpuc__buf_add(out, bytes, length))
        return false;
    for (size_t i = 0; i < length; i++)
        out->data[at + i] = (char)((unsigned char)out->data[at + i] ^ mask[i & 3]);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of a WebSocket, blocking, on a connection of http_server.h. */
#ifndef TEST_WS_SERVER_H
#define TEST_WS_SERVER_H
#include <stdbool.h>
#include <stdint.h>

#include "support/http_server.h"
#include "transport/websocket.h"

typedef struct ws_frame {
    int opcode;
    size_t length;
    unsigned char bytes[70000];
} ws_frame;

static inline bool ws_server_recv(int fd, void *to, size_t length)
{
    unsigned char *p = to;

    while (length) {
        ssize_t n = recv(fd, p, length, 0);

        if (n <= 0)
            return false;
        p += n;
        length -= (size_t)n;
    }
    return true;
}

/* The head of the answer to a request that was read; protocol may be NULL. */
static inline void ws_server_head(char *out, size_t size, const http_server_request *r,
                                  const char *protocol)
{
    char key[64] = "", accept[GPUC__WS_ACCEPT_SIZE] = "";
    const char *at = strcasestr(r->head, "\r\nSec-WebSocket-Key: ");

    if (at)
        sscanf(at + 21, "%63s", key);
    gpuc__ws_accept(accept, key);
    snprintf(out, size,
             "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
             "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
             accept, protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
             protocol ? "\r\n" : "");
}

/* Reads the request and agrees to it; free r->body. */
static inline bool ws_server_open(int fd, http_server_request *r, const char *protocol)
{
    char head[512];

    if (!http_server_read(fd, r))
        return false;
    ws_server_head(head, sizeof(head), r, protocol);
    http_server_puts(fd, head);
    return true;
}

static inline void ws_server_send(int fd, int first, const void *bytes, size_t length)
{
    unsigned char header[10] = {(unsigned char)first, (unsigned char)length};
    size_t n = 2;

    if (length >= 126 && length < 65536) {
        header[1] = 126;
        header[n++] = (unsigned char)(length >> 8);
        header[n++] = (unsigned char)length;
    } else if (length >= 65536) {
        header[1] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            header[n++] = (unsigned char)((uint64_t)length >> shift);
    }
    http_server_write(fd, header, n);
    http_server_write(fd, bytes, length);
}

static inline void ws_server_binary(int fd, const void *bytes, size_t length)
{
    ws_server_send(fd, 0x82, bytes, length);
}

static inline void ws_server_close(int fd, int code, const char *reason)
{
    unsigned char bytes[128] = {(unsigned char)(code >> 8), (unsigned char)code};

    memcpy(bytes + 2, reason, strlen(reason));
    ws_server_send(fd, 0x88, bytes, 2 + strlen(reason));
}

/* One frame of the client, its mask taken off; false at the end. It must be masked. */
static inline bool ws_server_read(int fd, ws_frame *f)
{
    unsigned char header[2], size[8], mask[4];
    int extra;

    if (!ws_server_recv(fd, header, 2) || !(header[1] & 0x80) || !(header[0] & 0x80))
        return false;
    f->opcode = header[0] & 0x0f;
    f->length = header[1] & 0x7f;
    extra = f->length == 126 ? 2 : f->length == 127 ? 8 : 0;
    if (!ws_server_recv(fd, size, (size_t)extra))
        return false;
    if (extra)
        f->length = 0;
    for (int i = 0; i < extra; i++)
        f->length = f->length << 8 | size[i];
    if (f->length > sizeof(f->bytes) || !ws_server_recv(fd, mask, 4) ||
        !ws_server_recv(fd, f->bytes, f->length))
        return false;
    for (size_t i = 0; i < f->length; i++)
        f->bytes[i] ^= mask[i & 3];
    return true;
}
#endif

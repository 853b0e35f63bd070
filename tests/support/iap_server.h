/* SPDX-License-Identifier: Apache-2.0 */
/* A relay of IAP that echoes, and the list of the one instance behind it (SIMULATED). */
#ifndef TEST_IAP_SERVER_H
#define TEST_IAP_SERVER_H
#include "support/ws_server.h"

#define IAP_UUID "0b1c2d3e-0000-4000-8000-000000000001"
#define IAP_PROTOCOL "relay.tunnel.cloudproxy.app"
#define IAP_ALL (600 * 1024)

/* Connections are begun one at a time: each has a number, a session and a token of its own. */
static pthread_mutex_t relay_lock = PTHREAD_MUTEX_INITIALIZER;

/* The relay: what it is to do, and what it saw. */
static struct {
    http_server http;
    struct session {
        unsigned char all[IAP_ALL];
        size_t got;
    } sessions[4];
    size_t cut_after;           /* the connection goes after so many more bytes, `cuts` times */
    int cuts, connects, reconnects, status, code, codes;
    atomic_int lists, goodbyes;
    bool silent, bad;
    char first[2048];           /* head of the first handshake */
    char tokens[4][64];
} relay;

static inline void put_u64(unsigned char *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (unsigned char)value;
}

static inline void say_number(int fd, int tag, uint64_t value)
{
    unsigned char message[10] = {0, (unsigned char)tag};

    put_u64(message + 2, value);
    ws_server_binary(fd, message, sizeof(message));
}

static inline void say_data(int fd, int tag, const unsigned char *bytes, size_t length)
{
    static __thread unsigned char message[6 + 16384];

    while (length) {
        size_t n = length < 16384 ? length : 16384;

        memset(message, 0, 6);
        message[1] = (unsigned char)tag;
        message[4] = (unsigned char)(n >> 8);
        message[5] = (unsigned char)n;
        memcpy(message + 6, bytes, n);
        ws_server_binary(fd, message, 6 + n);
        bytes += n;
        length -= n;
    }
}

static inline void echo(int fd, struct session *session)
{
    static __thread ws_frame f;
    size_t here = 0, size;

    while (ws_server_read(fd, &f)) {
        if (f.opcode == 8) {
            relay.goodbyes += f.length == 2 && f.bytes[0] == 3 && f.bytes[1] == 0xe8;
            ws_server_send(fd, 0x88, f.bytes, f.length);
            return;
        }
        if (f.length < 6 || f.bytes[1] != 4)
            continue;
        size = f.length - 6;
        here += size;
        if (relay.cuts && here >= relay.cut_after) { /* half of it arrives */
            memcpy(session->all + session->got, f.bytes + 6, size / 2);
            session->got += size / 2;
            relay.cuts--;
            return;
        }
        memcpy(session->all + session->got, f.bytes + 6, size);
        session->got += size;
        say_number(fd, 7, session->got);
        say_data(fd, 4, f.bytes + 6, size);
    }
}

/* Notes the connection that r asks for; its session. */
static inline struct session *note_connection(const http_server_request *r, bool again)
{
    const char *bearer = strcasestr(r->head, "\r\nAuthorization: Bearer ");
    const char *sid = strstr(r->target, "sid=sid-");
    struct session *session;
    int nth;

    pthread_mutex_lock(&relay_lock);
    nth = relay.connects + relay.reconnects;
    session = &relay.sessions[(sid ? sid[8] - '0' : relay.connects) & 3];
    if (bearer && nth < 4)
        sscanf(bearer + 24, "%63s", relay.tokens[nth]);
    if (nth == 0)
        snprintf(relay.first, sizeof(relay.first), "%.2000s", r->head);
    *(again ? &relay.reconnects : &relay.connects) += 1;
    pthread_mutex_unlock(&relay_lock);
    return session;
}

static inline void serve_tunnel(int fd, const http_server_request *r)
{
    const char *ack = strstr(r->target, "ack=");
    bool again = strstr(r->target, "/v4/reconnect?") != NULL;
    struct session *session = note_connection(r, again);
    char head[512], begin[8];

    if (relay.status) {
        http_server_answer(fd, relay.status, "no");
        return;
    }
    ws_server_head(head, sizeof(head), r, IAP_PROTOCOL);
    http_server_puts(fd, head);
    if (relay.codes && relay.codes--) {
        ws_server_close(fd, relay.code, "said so");
        http_server_hang(fd);
    } else if (relay.silent) {
        http_server_hang(fd);
    } else if (again) {
        size_t from = ack ? strtoul(ack + 4, NULL, 10) : 0;

        say_number(fd, 2, session->got);
        say_data(fd, 4, session->all + from, session->got - from);
        echo(fd, session);
    } else {
        snprintf(begin, sizeof(begin), "sid-%d", (int)(session - relay.sessions));
        say_data(fd, relay.bad ? 4 : 1, (const unsigned char *)begin, 5);
        echo(fd, session);
    }
}

static inline void iap_serve(http_server *s, int fd)
{
    http_server_request r;

    while (http_server_read(fd, &r)) {
        bool tunnel = strncmp(r.target, "/v4/", 4) == 0;

        if (tunnel)
            serve_tunnel(fd, &r);
        else
            http_server_answer(fd, 200,
                               "{\"items\":{\"zones/z1-a\":{\"instances\":[{\"name\":\"demo-m1\","
                               "\"zone\":\"https://x/compute/v1/projects/p1/zones/z1-a\","
                               "\"status\":\"RUNNING\",\"labels\":{\"gpucluster\":\"" IAP_UUID
                               "\"}}]}}}");
        relay.lists += !tunnel;
        free(r.body);
        if (tunnel)
            return;
    }
    free(r.body);
}
#endif

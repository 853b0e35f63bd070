/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP server for tests: a thread per connection, each run by the test's own function, so
 * that a test can truncate, reset, drip or hang as it likes. */
#ifndef TEST_HTTP_SERVER_H
#define TEST_HTTP_SERVER_H
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef HTTP_SERVER_CONNECTIONS
#define HTTP_SERVER_CONNECTIONS 64
#endif

typedef struct http_server {
    int listener, port;
    char url[64];         /* "http://127.0.0.1:PORT"; empty for a unix socket */
    char path[108];       /* of the unix socket; empty for TCP */
    pthread_t acceptor, threads[HTTP_SERVER_CONNECTIONS];
    struct http_server_connection {
        struct http_server *server;
        int fd;
    } connections[HTTP_SERVER_CONNECTIONS];
    atomic_int accepted;
    void (*serve)(struct http_server *server, int fd);
    void *data;
} http_server;

typedef struct http_server_request {
    char method[16], target[1024];
    char head[8192];
    char *body; /* NUL-terminated */
    size_t length;
} http_server_request;

static inline void *http_server_connection_run(void *data)
{
    struct http_server_connection *c = data;

    c->server->serve(c->server, c->fd);
    shutdown(c->fd, SHUT_RDWR);
    close(c->fd);
    return NULL;
}

static inline void *http_server_accept(void *data)
{
    http_server *s = data;

    while (s->accepted < HTTP_SERVER_CONNECTIONS) {
        int fd = accept(s->listener, NULL, NULL), n = s->accepted, on = 1;

        if (fd < 0)
            break;
        if (!s->path[0]) /* head and body go out apart: 40 ms otherwise */
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        s->connections[n] = (struct http_server_connection){s, fd};
        pthread_create(&s->threads[n], NULL, http_server_connection_run, &s->connections[n]);
        s->accepted++;
    }
    return NULL;
}

/* unix_path NULL: TCP on a free port of 127.0.0.1. */
static inline void http_server_start(http_server *s, const char *unix_path,
                                     void (*serve)(http_server *server, int fd), void *data)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(in);
    int bound;

    memset(s, 0, sizeof(*s));
    s->serve = serve;
    s->data = data;
    s->listener = socket(unix_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (unix_path) {
        snprintf(s->path, sizeof(s->path), "%s", unix_path);
        memcpy(un.sun_path, s->path, sizeof(un.sun_path));
        bound = bind(s->listener, (struct sockaddr *)&un, sizeof(un));
    } else {
        bound = bind(s->listener, (struct sockaddr *)&in, sizeof(in));
        getsockname(s->listener, (struct sockaddr *)&in, &length);
        s->port = ntohs(in.sin_port);
        snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
    }
    if (bound != 0 || listen(s->listener, HTTP_SERVER_CONNECTIONS) != 0 ||
        pthread_create(&s->acceptor, NULL, http_server_accept, s) != 0) {
        perror("http_server_start");
        abort();
    }
}

/* Every connection must have been let go of by the client, or be ended by its own function. */
static inline void http_server_stop(http_server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->acceptor, NULL);
    close(s->listener);
    for (int i = 0; i < s->accepted; i++)
        pthread_join(s->threads[i], NULL);
    if (s->path[0])
        unlink(s->path);
}

static inline void http_server_write(int fd, const void *bytes, size_t length)
{
    const char *p = bytes;

    while (length) {
        ssize_t n = send(fd, p, length, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        p += n;
        length -= (size_t)n;
    }
}

static inline void http_server_puts(int fd, const char *text)
{
    http_server_write(fd, text, strlen(text));
}

static inline void http_server_answer(int fd, int status, const char *body)
{
    char head[256];

    snprintf(head, sizeof(head), "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n\r\n", status,
             strlen(body));
    http_server_puts(fd, head);
    http_server_puts(fd, body);
}

/* 1 with a request (free its body), 0 at the end of the connection. */
static inline int http_server_read(int fd, http_server_request *r)
{
    size_t n = 0;
    char *length;

    memset(r, 0, sizeof(*r));
    while (n < sizeof(r->head) - 1 && !strstr(r->head, "\r\n\r\n")) {
        if (recv(fd, r->head + n, 1, 0) != 1)
            return 0;
        n++;
    }
    if (sscanf(r->head, "%15s %1023s", r->method, r->target) != 2)
        return 0;
    length = strcasestr(r->head, "\r\nContent-Length:");
    r->length = length ? strtoul(length + 17, NULL, 10) : 0;
    r->body = calloc(1, r->length + 1);
    for (n = 0; n < r->length;) {
        ssize_t got = recv(fd, r->body + n, r->length - n, 0);

        if (got <= 0)
            return 0;
        n += (size_t)got;
    }
    return 1;
}

/* Blocks until the client closes. */
static inline void http_server_hang(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        ;
}
#endif

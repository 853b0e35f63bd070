/* SPDX-License-Identifier: Apache-2.0 */
/* The API server on a local port: each connection accepted there is carried by a tunnel. TLS goes
 * through untouched. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "cluster/access.h"
#include "core/context.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

#define CHUNK 65536

typedef struct proxy {
    gpuc_cluster *cluster;
    gpuc_op *op;
    uv_tcp_t listener;
    struct pair *pairs;
} proxy;

/* Two streams, each written what the other reads; a write under way stops the reading. */
typedef struct pair {
    proxy *proxy;
    struct pair *next;
    uv_tcp_t client;
    uv_pipe_t tunnel;
    int open; /* handles that are not closed yet */
    bool closing;
} pair;

typedef struct chunk {
    uv_write_t request;
    uv_stream_t *source;
    char data[CHUNK];
} chunk;

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void proxy_unref(proxy *p)
{
    if (!p->pairs && !p->op) {
        gpuc_cluster_unref(p->cluster);
        gpuc__free(p);
    }
}

static void on_pair_closed(uv_handle_t *handle)
{
    pair *k = handle->data;
    proxy *p = k->proxy;

    if (--k->open)
        return;
    for (pair **link = &p->pairs; *link; link = &(*link)->next) {
        if (*link == k) {
            *link = k->next;
            break;
        }
    }
    gpuc__free(k);
    proxy_unref(p);
}

static void close_pair(pair *k)
{
    if (k->closing)
        return;
    k->closing = true;
    uv_close((uv_handle_t *)&k->client, on_pair_closed);
    uv_close((uv_handle_t *)&k->tunnel, on_pair_closed);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    chunk *c = gpuc__malloc(sizeof(*c));

    (void)handle;
    (void)size;
    *buf = uv_buf_init(c ? c->data : NULL, c ? CHUNK : 0);
}

static void on_written(uv_write_t *request, int status)
{
    chunk *c = request->data;
    uv_stream_t *source = c->source;
    pair *k = source->data;

    gpuc__free(c);
    if (status < 0)
        close_pair(k);
    else if (!k->closing)
        uv_read_start(source, on_alloc, on_read);
}

static uv_stream_t *other(uv_stream_t *stream)
{
    pair *k = stream->data;

    return stream == (uv_stream_t *)&k->client ? (uv_stream_t *)&k->tunnel
                                               : (uv_stream_t *)&k->client;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    chunk *c = buf->base ? (chunk *)(buf->base - offsetof(chunk, data)) : NULL;
    uv_buf_t out;

    if (n <= 0) {
        gpuc__free(c);
        if (n < 0)
            close_pair(stream->data);
        return;
    }
    out = uv_buf_init(c->data, (unsigned)n);
    c->source = stream;
    c->request.data = c;
    uv_read_stop(stream);
    if (uv_write(&c->request, other(stream), &out, 1, on_written) < 0) {
        gpuc__free(c);
        close_pair(stream->data);
    }
}

static void start_pair(pair *k, int fd)
{
    int rc = uv_accept((uv_stream_t *)&k->proxy->listener, (uv_stream_t *)&k->client);

    if (rc == 0)
        rc = uv_pipe_open(&k->tunnel, fd);
    if (rc < 0)
        close(fd);
    if (rc < 0 ||
        uv_read_start((uv_stream_t *)&k->client, on_alloc, on_read) < 0 ||
        uv_read_start((uv_stream_t *)&k->tunnel, on_alloc, on_read) < 0)
        close_pair(k);
}

static void on_connection(uv_stream_t *listener, int status)
{
    proxy *p = listener->data;
    uv_loop_t *loop = listener->loop;
    gpuc_error *error = NULL;
    pair *k = status < 0 ? NULL : gpuc__calloc(1, sizeof(*k));
    int fd = -1;

    if (!k)
        return;
    k->proxy = p;
    k->open = 2;
    uv_tcp_init(loop, &k->client);
    uv_pipe_init(loop, &k->tunnel, 0);
    k->client.data = k->tunnel.data = k;
    k->next = p->pairs;
    p->pairs = k;
    if (gpuc__cluster_open_tunnel(p->cluster, &fd, &error) < 0) {
        gpuc__log(p->cluster->context, GPUC_LOG_WARN, "proxy", "%s", gpuc_error_message(error));
        gpuc_error_unref(error);
        uv_accept(listener, (uv_stream_t *)&k->client);
        close_pair(k);
        return;
    }
    start_pair(k, fd);
}

static void on_listener_closed(uv_handle_t *handle)
{
    proxy *p = handle->data;
    gpuc_error *error = NULL;
    gpuc_op *op = p->op;

    if (op) {
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "the proxy was stopped");
        p->op = NULL;
        gpuc__op_complete(op, error);
    }
    proxy_unref(p);
}

static void cancel(gpuc_op *op, void *data)
{
    proxy *p = data;

    (void)op;
    for (pair *k = p->pairs; k; k = k->next)
        close_pair(k);
    uv_close((uv_handle_t *)&p->listener, on_listener_closed);
}

static const gpuc__op_class proxy_class = {"proxy", cancel, NULL};

static int listen_on(proxy *p, int port, int *bound, gpuc_error **err)
{
    struct sockaddr_storage name;
    int length = sizeof(name), rc;
    struct sockaddr_in address;

    uv_ip4_addr("127.0.0.1", port, &address);
    rc = uv_tcp_bind(&p->listener, (const struct sockaddr *)&address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&p->listener, 64, on_connection);
    if (rc == 0)
        rc = uv_tcp_getsockname(&p->listener, (struct sockaddr *)&name, &length);
    if (rc < 0)
        return gpuc__error_errno(err, -rc, "cannot listen on 127.0.0.1:%d", port);
    *bound = ntohs(((struct sockaddr_in *)&name)->sin_port);
    return GPUC_OK;
}

int gpuc__proxy_start(gpuc_op **out, gpuc_cluster *cluster, int port, int *bound, gpuc_error **err)
{
    proxy *p;
    int rc;

    if (!gpuc__cluster_is_up(cluster))
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_KUBERNETES,
                               "cluster %s is not up yet; run `gpucluster up` first", cluster->name);
    p = gpuc__calloc(1, sizeof(*p));
    if (!p)
        return gpuc__error_nomem(err);
    rc = gpuc__op_new(&p->op, cluster->context, &proxy_class, p, err);
    if (rc < 0) {
        gpuc__free(p);
        return rc;
    }
    p->cluster = gpuc_cluster_ref(cluster);
    uv_tcp_init(gpuc__context_loop(cluster->context), &p->listener);
    p->listener.data = p;
    rc = listen_on(p, port, bound, err);
    if (rc < 0) {
        /* Nothing holds the context when the handle closes: its end waits for that. */
        gpuc_op *op = p->op;
        gpuc_cluster *held = p->cluster;

        p->op = NULL;
        p->cluster = NULL;
        uv_close((uv_handle_t *)&p->listener, on_listener_closed);
        gpuc__op_discard(op);
        gpuc_cluster_unref(held);
        return rc;
    }
    *out = p->op;
    return GPUC_OK;
}

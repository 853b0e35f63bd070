/* SPDX-License-Identifier: Apache-2.0 */
/* A tunnel: a direct-tcpip channel bridged to one end of a socketpair. Each direction has one
 * bounded buffer; while it is full nothing more is read, so that back-pressure goes through. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define BLOCK (32 * 1024)

struct tunnel_op;

/* The poll handle outlives the operation by a turn of the loop. */
struct tunnel_end {
    uv_poll_t poll;
    gpuc__ssh *ssh; /* NULL once let go */
    bool readable, writable;
    int events;
};

struct pipe {
    char bytes[BLOCK];
    size_t start, end;
    bool eof;    /* the source has ended */
    bool passed; /* and the sink was told */
};

struct tunnel_op {
    gpuc__ssh_op op;
    char *host;
    int port, fd;
    struct tunnel_end *end;
    struct pipe up, down; /* to the channel, from the channel */
    gpuc__ssh_done_fn done;
    void *data;
};

static int tunnel_open(gpuc__ssh_op *op)
{
    struct tunnel_op *self = (struct tunnel_op *)op;
    LIBSSH2_SESSION *session = op->ssh->link->session;

    op->channel = libssh2_channel_direct_tcpip_ex(session, self->host, self->port, "127.0.0.1", 0);
    return op->channel ? 0 : libssh2_session_last_errno(session);
}

static void on_end_poll(uv_poll_t *poll, int status, int events)
{
    struct tunnel_end *end = poll->data;

    if (!end->ssh)
        return;
    if (status < 0 || (events & (UV_READABLE | UV_DISCONNECT)))
        end->readable = true;
    if (status < 0 || (events & UV_WRITABLE))
        end->writable = true;
    gpuc__ssh_pump(end->ssh);
}

static void end_free(uv_handle_t *handle)
{
    gpuc__free(handle->data);
}

static bool begin_polling(struct tunnel_op *self)
{
    gpuc_context *context = self->op.ssh->context;
    struct tunnel_end *end = gpuc__calloc(1, sizeof(*end));

    if (!end || uv_poll_init(gpuc__context_loop(context), &end->poll, self->fd)) {
        gpuc__free(end);
        return false;
    }
    end->poll.data = end;
    end->ssh = self->op.ssh;
    end->readable = end->writable = true;
    self->end = end;
    return true;
}

static void close_end(struct tunnel_op *self)
{
    if (self->end) {
        self->end->ssh = NULL;
        uv_close((uv_handle_t *)&self->end->poll, end_free);
        self->end = NULL;
    }
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

/* The socket's side: true when something moved. */
static bool socket_to_pipe(struct tunnel_op *self)
{
    struct pipe *up = &self->up;
    ssize_t n;

    if (up->start < up->end || up->eof || !self->end->readable ||
        gpuc__ssh_link_queued(self->op.ssh->link) >= GPUC__SSH_OUT_HIGH)
        return false;
    n = read(self->fd, up->bytes, BLOCK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        self->end->readable = errno == EINTR;
        return errno == EINTR;
    }
    up->start = 0;
    up->end = n > 0 ? (size_t)n : 0;
    up->eof = n <= 0;
    return true;
}

static bool pipe_to_socket(struct tunnel_op *self)
{
    struct pipe *down = &self->down;
    ssize_t n;

    if (down->start == down->end) {
        if (!down->eof || down->passed)
            return false;
        shutdown(self->fd, SHUT_WR);
        down->passed = true;
        return true;
    }
    if (!self->end->writable)
        return false;
    n = send(self->fd, down->bytes + down->start, down->end - down->start, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        self->end->writable = errno == EINTR;
        return errno == EINTR;
    }
    if (n < 0) {
        /* the caller has closed its end: nobody wants the rest */
        down->start = down->end = 0;
        down->eof = down->passed = self->up.eof = true;
        return true;
    }
    down->start += (size_t)n;
    return true;
}

/* The channel's side: 1 moved, 0 not, else a libssh2 error. */
static int pipe_to_channel(struct tunnel_op *self)
{
    struct pipe *up = &self->up;
    ssize_t n;

    if (up->start == up->end) {
        if (!up->eof || up->passed)
            return 0;
        n = libssh2_channel_send_eof(self->op.channel);
        if (n == LIBSSH2_ERROR_EAGAIN)
            return 0;
        up->passed = true;
        return n < 0 ? (int)n : 1;
    }
    n = libssh2_channel_write(self->op.channel, up->bytes + up->start, up->end - up->start);
    if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
        return 0;
    if (n < 0)
        return (int)n;
    up->start += (size_t)n;
    return 1;
}

static int channel_to_pipe(struct tunnel_op *self)
{
    struct pipe *down = &self->down;
    ssize_t n;

    if (down->start < down->end || down->eof)
        return 0;
    n = libssh2_channel_read(self->op.channel, down->bytes, BLOCK);
    if (n == LIBSSH2_ERROR_EAGAIN)
        return 0;
    if (n < 0)
        return (int)n;
    down->start = 0;
    down->end = (size_t)n;
    if (n == 0)
        down->eof = libssh2_channel_eof(self->op.channel) == 1;
    return n > 0 || down->eof;
}

static void watch_end(struct tunnel_op *self)
{
    struct tunnel_end *end = self->end;
    int events = 0;

    if (!self->up.eof && !end->readable && self->up.start == self->up.end)
        events |= UV_READABLE;
    if (!end->writable)
        events |= UV_WRITABLE;
    if (events == end->events)
        return;
    end->events = events;
    if (events)
        uv_poll_start(&end->poll, events, on_end_poll);
    else
        uv_poll_stop(&end->poll);
}

/* Both directions have ended, or the machine's side is closed altogether. */
static bool has_ended(const struct tunnel_op *self, LIBSSH2_CHANNEL *channel)
{
    return self->down.passed &&
           (self->up.passed || libssh2_channel_wait_closed(channel) != LIBSSH2_ERROR_EAGAIN);
}

static gpuc__ssh_next tunnel_step(gpuc__ssh_op *op, gpuc_error **err)
{
    struct tunnel_op *self = (struct tunnel_op *)op;
    bool moved = false, again = true;

    op->deadline = 0; /* it was for the opening */
    if (!self->end && !begin_polling(self)) {
        gpuc__error_nomem(err);
        return GPUC__SSH_FAIL;
    }
    for (int i = 0; again && i < 16; i++) {
        int up, down;

        again = socket_to_pipe(self);
        up = pipe_to_channel(self);
        down = channel_to_pipe(self);
        again |= pipe_to_socket(self);
        if ((up < 0 || down < 0) && op->ssh->link->ended)
            return GPUC__SSH_WAIT;
        if (up < 0 || down < 0) {
            GPUC__AUTOFREE char *doing = gpuc__ssh_op_doing(op);

            gpuc__ssh_error_session(op->ssh, err, doing ? doing : op->class->verb);
            return GPUC__SSH_FAIL;
        }
        again |= up || down;
        moved |= again;
    }
    if (has_ended(self, op->channel))
        return GPUC__SSH_DONE;
    watch_end(self);
    return moved ? GPUC__SSH_ON : GPUC__SSH_WAIT;
}

static void tunnel_finish(gpuc__ssh_op *op, gpuc_error *error)
{
    struct tunnel_op *self = (struct tunnel_op *)op;

    self->done(self->data, error);
}

static bool tunnel_clean(gpuc__ssh_op *op)
{
    close_end((struct tunnel_op *)op);
    return gpuc__ssh_channel_clean(op);
}

static void tunnel_free(gpuc__ssh_op *op)
{
    struct tunnel_op *self = (struct tunnel_op *)op;

    close_end(self);
    gpuc__free(self->host);
}

static const gpuc__ssh_op_class tunnel_class = {
    .verb = "tunnelling",
    .channel = true,
    .open = tunnel_open,
    .step = tunnel_step,
    .finish = tunnel_finish,
    .clean = tunnel_clean,
    .free = tunnel_free,
};

gpuc__ssh_op *gpuc__ssh_tunnel(gpuc__ssh *ssh, const char *host, int port, int *fd,
                               gpuc__ssh_done_fn done, void *data)
{
    struct tunnel_op *self = gpuc__calloc(1, sizeof(*self));
    int pair[2];

    if (!self)
        return NULL;
    self->host = gpuc__strdup(host);
    if (!self->host ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        gpuc__free(self->host);
        gpuc__free(self);
        return NULL;
    }
    self->port = port;
    self->fd = pair[0];
    self->done = done;
    self->data = data;
    *fd = pair[1];
    gpuc__ssh_op_start(ssh, &self->op, &tunnel_class, gpuc__asprintf("%s:%d", host, port),
                       2 * ssh->connect_timeout_ms);
    return &self->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* An interactive shell or command with a pseudo-terminal. The caller's descriptors are never made
 * non-blocking (they are shared with the shell that started the program), and may be what epoll
 * does not take (a file): they are looked at by poll, on a short timer. A terminal is raw so long. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define BLOCK 4096
#define LOOK_MS 20 /* how often a descriptor that cannot be polled, and the window, are looked at */

struct pty_op {
    gpuc__ssh_op op;
    char *command; /* NULL: the login shell */
    int fd_in, fd_out; /* the caller's */
    bool has_pty, started, input_ended, eof_sent, raw;
    struct termios saved;
    struct winsize size;
    char up[BLOCK], down[BLOCK];
    size_t up_start, up_end, down_start, down_end;
    uv_timer_t *timer;
    int status;
    gpuc__ssh_shell_fn done;
    void *data;
};

static int pty_open(gpuc__ssh_op *op)
{
    op->channel = libssh2_channel_open_session(op->ssh->link->session);
    if (!op->channel)
        return libssh2_session_last_errno(op->ssh->link->session);
    /* everything goes to one descriptor, and unread bytes would hide the end */
    libssh2_channel_handle_extended_data2(op->channel, LIBSSH2_CHANNEL_EXTENDED_DATA_MERGE);
    return 0;
}

static void on_look(uv_timer_t *timer)
{
    gpuc__ssh_pump(((struct pty_op *)timer->data)->op.ssh);
}

static void timer_free(uv_handle_t *handle)
{
    gpuc__free(handle);
}

static bool begin_looking(struct pty_op *self)
{
    self->timer = gpuc__calloc(1, sizeof(*self->timer));
    if (!self->timer)
        return false;
    uv_timer_init(gpuc__context_loop(self->op.ssh->context), self->timer);
    self->timer->data = self;
    uv_timer_start(self->timer, on_look, LOOK_MS, LOOK_MS);
    return true;
}

static void set_raw(struct pty_op *self)
{
    struct termios raw;

    if (!isatty(self->fd_in) || tcgetattr(self->fd_in, &self->saved))
        return;
    raw = self->saved;
    cfmakeraw(&raw);
    self->raw = tcsetattr(self->fd_in, TCSANOW, &raw) == 0;
}

static gpuc__ssh_next pty_fail(struct pty_op *self, int rc, gpuc_error **err)
{
    if (rc == LIBSSH2_ERROR_EAGAIN || self->op.ssh->link->ended)
        return GPUC__SSH_WAIT;
    gpuc__ssh_error_session(self->op.ssh, err, self->op.class->verb);
    return GPUC__SSH_FAIL;
}

static gpuc__ssh_next pty_begin(struct pty_op *self, gpuc_error **err)
{
    const char *term = getenv("TERM"), *request = self->command ? "exec" : "shell";
    int rc;

    if (!term || !*term)
        term = "dumb";
    if (!self->has_pty) {
        if (ioctl(self->fd_out, TIOCGWINSZ, &self->size) || !self->size.ws_col)
            self->size = (struct winsize){.ws_row = 24, .ws_col = 80};
        rc = libssh2_channel_request_pty_ex(self->op.channel, term, (unsigned)strlen(term), NULL, 0,
                                            self->size.ws_col, self->size.ws_row, 0, 0);
        if (rc)
            return pty_fail(self, rc, err);
        self->has_pty = true;
    }
    rc = libssh2_channel_process_startup(self->op.channel, request, (unsigned)strlen(request),
                                         self->command,
                                         self->command ? (unsigned)strlen(self->command) : 0);
    if (rc)
        return pty_fail(self, rc, err);
    if (!begin_looking(self)) {
        gpuc__error_nomem(err);
        return GPUC__SSH_FAIL;
    }
    self->started = true;
    set_raw(self);
    return GPUC__SSH_ON;
}

static bool ready(int fd, short events)
{
    struct pollfd one = {fd, events, 0};

    return poll(&one, 1, 0) > 0;
}

static bool read_input(struct pty_op *self)
{
    ssize_t n;

    if (self->input_ended || self->up_start < self->up_end || !ready(self->fd_in, POLLIN))
        return false;
    n = read(self->fd_in, self->up, BLOCK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    self->up_start = 0;
    self->up_end = n > 0 ? (size_t)n : 0;
    self->input_ended = n <= 0;
    return true;
}

static int send_input(struct pty_op *self)
{
    ssize_t n;

    if (self->up_start == self->up_end) {
        if (!self->input_ended || self->eof_sent)
            return 0;
        n = libssh2_channel_send_eof(self->op.channel);
        self->eof_sent = n != LIBSSH2_ERROR_EAGAIN;
        return self->eof_sent;
    }
    n = libssh2_channel_write(self->op.channel, self->up + self->up_start,
                              self->up_end - self->up_start);
    if (n > 0)
        self->up_start += (size_t)n;
    return n == LIBSSH2_ERROR_EAGAIN ? 0 : n < 0 ? -1 : n > 0;
}

static int read_output(struct pty_op *self)
{
    ssize_t n;

    if (self->down_start < self->down_end)
        return 0;
    n = libssh2_channel_read(self->op.channel, self->down, BLOCK);
    self->down_start = 0;
    self->down_end = n > 0 ? (size_t)n : 0;
    return n == LIBSSH2_ERROR_EAGAIN ? 0 : n < 0 ? -1 : n > 0;
}

static bool write_output(struct pty_op *self)
{
    ssize_t n;

    if (self->down_start == self->down_end || !ready(self->fd_out, POLLOUT))
        return false;
    n = write(self->fd_out, self->down + self->down_start, self->down_end - self->down_start);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    self->down_start = n < 0 ? self->down_end : self->down_start + (size_t)n;
    return true;
}

static void follow_size(struct pty_op *self)
{
    struct winsize now;

    if (ioctl(self->fd_out, TIOCGWINSZ, &now) || !now.ws_col ||
        (now.ws_col == self->size.ws_col && now.ws_row == self->size.ws_row))
        return;
    if (libssh2_channel_request_pty_size(self->op.channel, now.ws_col, now.ws_row) !=
        LIBSSH2_ERROR_EAGAIN)
        self->size = now;
}

static gpuc__ssh_next pty_end(struct pty_op *self, gpuc_error **err)
{
    int rc = libssh2_channel_wait_closed(self->op.channel);

    if (rc)
        return pty_fail(self, rc, err);
    self->status = gpuc__ssh_channel_status(self->op.channel);
    return GPUC__SSH_DONE;
}

static gpuc__ssh_next pty_step(gpuc__ssh_op *op, gpuc_error **err)
{
    struct pty_op *self = (struct pty_op *)op;
    bool moved;
    int up, down;

    if (!self->started)
        return pty_begin(self, err);
    follow_size(self);
    moved = read_input(self);
    up = send_input(self);
    down = read_output(self);
    moved |= write_output(self);
    if (up < 0 || down < 0)
        return pty_fail(self, 0, err);
    if (self->down_start == self->down_end && libssh2_channel_eof(op->channel) == 1)
        return pty_end(self, err);
    return moved || up || down ? GPUC__SSH_ON : GPUC__SSH_WAIT;
}

static void let_go(struct pty_op *self)
{
    if (self->timer)
        uv_close((uv_handle_t *)self->timer, timer_free);
    self->timer = NULL;
    if (self->raw)
        tcsetattr(self->fd_in, TCSANOW, &self->saved);
    self->raw = false;
}

static void pty_finish(gpuc__ssh_op *op, gpuc_error *error)
{
    struct pty_op *self = (struct pty_op *)op;

    let_go(self);
    self->done(self->data, self->status, error);
}

static void pty_free(gpuc__ssh_op *op)
{
    struct pty_op *self = (struct pty_op *)op;

    let_go(self);
    gpuc__free(self->command);
}

static const gpuc__ssh_op_class pty_class = {
    .verb = "in an interactive session",
    .channel = true,
    .session_channel = true,
    .open = pty_open,
    .step = pty_step,
    .finish = pty_finish,
    .clean = gpuc__ssh_channel_clean,
    .free = pty_free,
};

gpuc__ssh_op *gpuc__ssh_interactive(gpuc__ssh *ssh, const char *command, int fd_in, int fd_out,
                                    gpuc__ssh_shell_fn done, void *data)
{
    struct pty_op *self = gpuc__calloc(1, sizeof(*self));

    if (!self)
        return NULL;
    self->command = gpuc__strdup(command);
    if (command && !self->command) {
        gpuc__free(self);
        return NULL;
    }
    self->fd_in = fd_in;
    self->fd_out = fd_out;
    self->done = done;
    self->data = data;
    gpuc__ssh_op_start(ssh, &self->op, &pty_class, gpuc__strdup(command), 0);
    return &self->op;
}

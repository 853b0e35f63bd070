/* SPDX-License-Identifier: Apache-2.0 */
/* Running a command: input, both outputs, exit status or signal. */
#include <string.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define OUTPUT_MAX_DEFAULT (1024 * 1024)
#define TIMEOUT_DEFAULT_MS 600000
#define READ_SIZE (32 * 1024)

struct exec_op {
    gpuc__ssh_op op;
    gpuc__ssh_exec_args args;
    char *input;
    size_t written;
    bool started, eof_sent, drained;
    gpuc__buf out[2]; /* stdout, stderr */
    int status;
};

/* Signal numbers of Linux; SSH has the names. */
static int exec_open(gpuc__ssh_op *op)
{
    op->channel = libssh2_channel_open_session(op->ssh->link->session);
    return op->channel ? 0 : libssh2_session_last_errno(op->ssh->link->session);
}

static gpuc__ssh_next exec_fail(struct exec_op *self, gpuc_error **err)
{
    GPUC__AUTOFREE char *doing = gpuc__ssh_op_doing(&self->op);

    if (self->op.ssh->link->ended)
        return GPUC__SSH_WAIT; /* the pump reports the loss */
    gpuc__ssh_error_session(self->op.ssh, err, doing ? doing : self->op.class->verb);
    return GPUC__SSH_FAIL;
}

static gpuc__ssh_next exec_begin(struct exec_op *self, gpuc_error **err)
{
    int rc = libssh2_channel_process_startup(self->op.channel, "exec", 4, self->op.subject,
                                             (unsigned)strlen(self->op.subject));

    if (rc == LIBSSH2_ERROR_EAGAIN)
        return GPUC__SSH_WAIT;
    if (rc)
        return exec_fail(self, err);
    self->started = true;
    return GPUC__SSH_ON;
}

/* 0 nothing, 1 moved, -1 failed. A command need not read its input: errors of a closed channel end
 * the writing, not the command. */
static int exec_write(struct exec_op *self)
{
    size_t length = self->args.input_length;
    int moved = 0, rc;

    while (self->written < length &&
           gpuc__ssh_link_queued(self->op.ssh->link) < GPUC__SSH_OUT_HIGH) {
        ssize_t n = libssh2_channel_write(self->op.channel, self->input + self->written,
                                          length - self->written);

        if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
            return moved;
        if (n == LIBSSH2_ERROR_CHANNEL_CLOSED || n == LIBSSH2_ERROR_CHANNEL_EOF_SENT) {
            self->written = length;
            break;
        }
        if (n < 0)
            return -1;
        self->written += (size_t)n;
        moved = 1;
    }
    if (self->written < length || self->eof_sent)
        return moved;
    rc = libssh2_channel_send_eof(self->op.channel);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return moved;
    self->eof_sent = true;
    return 1;
}

static gpuc__ssh_next exec_keep(struct exec_op *self, int stream, const char *bytes, size_t length,
                                gpuc_error **err)
{
    size_t max = self->args.output_max;
    gpuc__buf *out = &self->out[stream], *other = &self->out[!stream];

    if (self->args.output) {
        self->args.output(self->args.data, stream + 1, bytes, length);
        if (length > max) {
            bytes += length - max;
            length = max;
        }
        if (!gpuc__buf_add(out, bytes, length))
            goto out_of_memory;
        if (out->length > 2 * max)
            gpuc__buf_keep_tail(out, max);
        return GPUC__SSH_ON;
    }
    if (length > max || out->length + other->length > max - length) {
        GPUC__AUTOFREE char *doing = gpuc__ssh_op_doing(&self->op);

        gpuc__ssh_error(self->op.ssh, err, GPUC_ELIMIT, 0, "more than %zu bytes of output while %s",
                        max, doing ? doing : "");
        gpuc__error_evidence(err, gpuc__buf_text(out), out->length);
        gpuc__error_remedy(err, "see why the command prints so much");
        return GPUC__SSH_FAIL;
    }
    if (gpuc__buf_add(out, bytes, length))
        return GPUC__SSH_ON;
out_of_memory:
    gpuc__error_nomem(err);
    return GPUC__SSH_FAIL;
}

static gpuc__ssh_next exec_read(struct exec_op *self, int stream, gpuc_error **err)
{
    char block[READ_SIZE];
    gpuc__ssh_next moved = GPUC__SSH_WAIT;

    for (;;) {
        ssize_t n = libssh2_channel_read_ex(self->op.channel, stream, block, sizeof(block));

        if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
            return moved;
        if (n < 0)
            return exec_fail(self, err);
        moved = exec_keep(self, stream, block, (size_t)n, err);
        if (moved == GPUC__SSH_FAIL)
            return moved;
    }
}

static gpuc__ssh_next exec_end(struct exec_op *self, gpuc__ssh_op *op, gpuc_error **err)
{
    int rc = libssh2_channel_wait_closed(op->channel);

    if (rc == LIBSSH2_ERROR_EAGAIN)
        return exec_write(self) > 0 ? GPUC__SSH_ON : GPUC__SSH_WAIT;
    if (rc)
        return exec_fail(self, err);
    self->status = gpuc__ssh_channel_status(op->channel);
    return GPUC__SSH_DONE;
}

static gpuc__ssh_next exec_step(gpuc__ssh_op *op, gpuc_error **err)
{
    struct exec_op *self = (struct exec_op *)op;
    gpuc__ssh_next out, errout;
    int wrote;

    if (!self->started)
        return exec_begin(self, err);
    out = self->drained ? GPUC__SSH_WAIT : exec_read(self, 0, err);
    if (out == GPUC__SSH_FAIL)
        return out;
    errout = self->drained ? GPUC__SSH_WAIT : exec_read(self, 1, err);
    if (errout == GPUC__SSH_FAIL)
        return errout;
    if (!self->drained && libssh2_channel_eof(op->channel) == 1)
        self->drained = true; /* and what came before it has been read */
    if (self->drained)
        return exec_end(self, op, err);
    wrote = exec_write(self);
    if (wrote < 0)
        return exec_fail(self, err);
    return wrote || out == GPUC__SSH_ON || errout == GPUC__SSH_ON ? GPUC__SSH_ON : GPUC__SSH_WAIT;
}

static void exec_finish(gpuc__ssh_op *op, gpuc_error *error)
{
    struct exec_op *self = (struct exec_op *)op;

    for (int i = 0; i < 2; i++)
        gpuc__buf_keep_tail(&self->out[i], self->args.output_max);
    self->args.done(self->args.data, self->status, gpuc__buf_text(&self->out[0]),
                    self->out[0].length, gpuc__buf_text(&self->out[1]), self->out[1].length, error);
    gpuc__buf_clear(&self->out[0]);
    gpuc__buf_clear(&self->out[1]);
}

static void exec_free(gpuc__ssh_op *op)
{
    struct exec_op *self = (struct exec_op *)op;

    gpuc__buf_clear(&self->out[0]);
    gpuc__buf_clear(&self->out[1]);
    gpuc__free(self->input);
}

static const gpuc__ssh_op_class exec_class = {
    .verb = "running",
    .channel = true,
    .session_channel = true,
    .open = exec_open,
    .step = exec_step,
    .finish = exec_finish,
    .clean = gpuc__ssh_channel_clean,
    .free = exec_free,
};

gpuc__ssh_op *gpuc__ssh_exec(gpuc__ssh *ssh, const gpuc__ssh_exec_args *args)
{
    struct exec_op *self = gpuc__calloc(1, sizeof(*self));
    char *command = gpuc__strdup(args->command);

    if (!self || !command)
        goto out_of_memory;
    self->args = *args;
    self->status = -1;
    if (!self->args.output_max)
        self->args.output_max = OUTPUT_MAX_DEFAULT;
    if (args->input && args->input_length) {
        self->input = gpuc__malloc(args->input_length);
        if (!self->input)
            goto out_of_memory;
        memcpy(self->input, args->input, args->input_length);
    } else {
        self->args.input_length = 0;
    }
    self->args.command = NULL;
    self->args.input = NULL;
    for (int i = 0; i < 2; i++)
        gpuc__buf_init(&self->out[i], 3 * self->args.output_max);
    gpuc__ssh_op_start(ssh, &self->op, &exec_class, command,
                       args->timeout_ms ? args->timeout_ms : TIMEOUT_DEFAULT_MS);
    return &self->op;
out_of_memory:
    gpuc__free(command);
    gpuc__free(self);
    return NULL;
}

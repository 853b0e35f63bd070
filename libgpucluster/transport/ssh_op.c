/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of a connection: their queue, the opening of channels one at a time, their end. */
#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

void gpuc__ssh_op_start(gpuc__ssh *ssh, gpuc__ssh_op *op, const gpuc__ssh_op_class *class,
                        char *subject, int timeout_ms)
{
    op->ssh = gpuc__ssh_ref(ssh);
    op->class = class;
    op->subject = subject;
    op->epoch = ssh->epoch;
    op->deadline = timeout_ms ? gpuc__clock_ms() + (uint64_t)timeout_ms : 0;
    op->previous = ssh->last;
    if (ssh->last)
        ssh->last->next = op;
    else
        ssh->first = op;
    ssh->last = op;
    gpuc__ssh_kick(ssh);
}

void gpuc__ssh_op_cancel(gpuc__ssh_op *op)
{
    if (op && !op->finished) {
        op->cancelled = true;
        gpuc__ssh_kick(op->ssh);
    }
}

void gpuc__ssh_op_end(gpuc__ssh_op *op, gpuc_error *error)
{
    gpuc__ssh *ssh = op->ssh;

    op->finished = true;
    op->class->finish(op, error);
    ssh->refs--; /* the pump holds one, so this is not the last */
}

void gpuc__ssh_op_unlink(gpuc__ssh_op *op)
{
    gpuc__ssh *ssh = op->ssh;

    if (op->previous)
        op->previous->next = op->next;
    else
        ssh->first = op->next;
    if (op->next)
        op->next->previous = op->previous;
    else
        ssh->last = op->previous;
    if (op->counted)
        ssh->sessions--;
    if (ssh->opener == op)
        ssh->opener = NULL;
    if (op->class->free)
        op->class->free(op);
    gpuc__free(op->subject);
    gpuc__free(op);
}

bool gpuc__ssh_channel_clean(gpuc__ssh_op *op)
{
    if (op->channel && libssh2_channel_free(op->channel) == LIBSSH2_ERROR_EAGAIN)
        return false;
    op->channel = NULL;
    return true;
}

#define REFUSALS_MAX 100

static gpuc__ssh_next op_refused(gpuc__ssh_op *op, gpuc_error **err)
{
    gpuc__ssh *ssh = op->ssh;
    GPUC__AUTOFREE char *doing = NULL;
    char *text = NULL;
    int native = libssh2_session_last_error(ssh->link->session, &text, NULL, 0);

    /* the server allows fewer at a time than we have: wait for one of them to end */
    if (native == LIBSSH2_ERROR_CHANNEL_FAILURE && op->class->session_channel &&
        ssh->sessions > 1) {
        ssh->sessions--;
        ssh->sessions_max = ssh->sessions;
        op->counted = false;
        return GPUC__SSH_WAIT;
    }
    /* It still counts a session that has just been closed here: ask again, each time a round trip. */
    if (native == LIBSSH2_ERROR_CHANNEL_FAILURE && op->class->session_channel &&
        ++op->refusals < REFUSALS_MAX) {
        ssh->sessions--;
        op->counted = false;
        return GPUC__SSH_ON;
    }
    doing = gpuc__ssh_op_doing(op);
    if (native == LIBSSH2_ERROR_CHANNEL_FAILURE) {
        gpuc__ssh_error(ssh, err, GPUC_ENETWORK, native, "the server refused a channel for %s: %s",
                        doing ? doing : "", text ? text : "");
        gpuc__error_retryable(err, !op->class->session_channel);
        gpuc__error_remedy(err, op->class->session_channel
                                    ? "see MaxSessions, Subsystem sftp and ForceCommand in the "
                                      "machine's sshd_config"
                                    : "see whether the target listens, and AllowTcpForwarding in "
                                      "the machine's sshd_config");
        return GPUC__SSH_FAIL;
    }
    gpuc__ssh_error_session(ssh, err, doing ? doing : op->class->verb);
    return GPUC__SSH_FAIL;
}

static gpuc__ssh_next op_open(gpuc__ssh_op *op, gpuc_error **err)
{
    gpuc__ssh *ssh = op->ssh;
    int rc;

    if (ssh->opener && ssh->opener != op)
        return GPUC__SSH_WAIT;
    if (!ssh->opener) {
        if (op->class->session_channel && ssh->sessions >= ssh->sessions_max)
            return GPUC__SSH_WAIT;
        if (op->class->session_channel) {
            ssh->sessions++;
            op->counted = true;
        }
        ssh->opener = op;
    }
    rc = op->class->open(op);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return GPUC__SSH_WAIT;
    ssh->opener = NULL;
    if (rc)
        return op_refused(op, err);
    op->opened = true;
    return GPUC__SSH_ON;
}

static gpuc__ssh_next op_step(gpuc__ssh_op *op, gpuc_error **err)
{
    if (op->class->channel && !op->opened)
        return op_open(op, err);
    return op->class->step(op, err);
}

/* A finished operation on its way out; true when it is gone. */
static bool op_reap(gpuc__ssh_op *op)
{
    gpuc__ssh *ssh = op->ssh;

    if (ssh->link && ssh->link->session && ssh->state == GPUC__SSH_READY) {
        /* an open under way cannot be broken off: libssh2 keeps it in the session */
        if (ssh->opener == op) {
            int rc = op->class->open(op);

            if (rc == LIBSSH2_ERROR_EAGAIN && !ssh->link->ended)
                return false;
            ssh->opener = NULL;
        }
        if (!op->class->clean(op))
            return false;
    }
    gpuc__ssh_op_unlink(op);
    return true;
}

bool gpuc__ssh_ops_turn(gpuc__ssh *ssh)
{
    bool moved = false;

    for (gpuc__ssh_op *op = ssh->first, *next; op; op = next) {
        gpuc_error *error = NULL;
        gpuc__ssh_next result;

        if (op->finished) {
            next = op->next;
            moved |= op_reap(op);
            continue;
        }
        result = op_step(op, &error);
        if (result == GPUC__SSH_DONE || result == GPUC__SSH_FAIL)
            gpuc__ssh_op_end(op, error);
        moved |= result != GPUC__SSH_WAIT;
        next = op->next; /* callbacks only append */
    }
    return moved;
}

void gpuc__ssh_ops_expire(gpuc__ssh *ssh)
{
    uint64_t now = gpuc__clock_ms();

    for (gpuc__ssh_op *op = ssh->first; op; op = op->next) {
        gpuc_error *error = NULL;
        GPUC__AUTOFREE char *doing = NULL;

        if (op->finished || (!op->cancelled && (!op->deadline || now < op->deadline)))
            continue;
        doing = gpuc__ssh_op_doing(op);
        if (op->cancelled) {
            gpuc__ssh_error(ssh, &error, GPUC_ECANCELLED, 0, "cancelled while %s", doing);
        } else {
            gpuc__ssh_error(ssh, &error, GPUC_ETIMEDOUT, 0, "the deadline passed while %s%s%s",
                            doing, ssh->state == GPUC__SSH_READY ? "" : ", still ",
                            ssh->state == GPUC__SSH_READY ? "" : gpuc__ssh_state_name(ssh));
            gpuc__error_remedy(&error, "give it more time, or see on the machine what it waits "
                                       "for");
        }
        gpuc__ssh_op_end(op, error);
    }
}


/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on a connection: what each kind provides, and the queue. */
#ifndef GPUC__SSH_OP_H
#define GPUC__SSH_OP_H
#include <libssh2.h>

#include "transport/ssh.h"

typedef enum { GPUC__SSH_WAIT, GPUC__SSH_ON, GPUC__SSH_DONE, GPUC__SSH_FAIL } gpuc__ssh_next;

typedef struct gpuc__ssh_op_class {
    const char *verb; /* "running", for errors */
    bool channel;     /* needs a channel, opened by `open` before the first step */
    bool session_channel; /* counts against the server's MaxSessions */
    int (*open)(gpuc__ssh_op *op); /* 0 or a libssh2 error, -37 for later */
    gpuc__ssh_next (*step)(gpuc__ssh_op *op, gpuc_error **err);
    /* Calls the user's done; consumes the error. */
    void (*finish)(gpuc__ssh_op *op, gpuc_error *error);
    /* Gives back what it holds of the session; true when nothing is left. On a dead link it must
     * return true. */
    bool (*clean)(gpuc__ssh_op *op);
    void (*free)(gpuc__ssh_op *op); /* its own fields; may be NULL */
} gpuc__ssh_op_class;

struct gpuc__ssh_op {
    gpuc__ssh *ssh;
    const gpuc__ssh_op_class *class;
    gpuc__ssh_op *previous, *next;
    char *subject; /* what the verb is done to: the command, the path */
    uint64_t deadline; /* 0: none */
    unsigned epoch;
    bool cancelled, opened, finished, counted;
    unsigned refusals; /* opens of its channel that the server refused */
    LIBSSH2_CHANNEL *channel;
};

/* Fills in op, takes the subject (a new string, may be NULL after a failed copy) and queues it. */
void gpuc__ssh_op_start(gpuc__ssh *ssh, gpuc__ssh_op *op, const gpuc__ssh_op_class *class,
                        char *subject, int timeout_ms);
/* done is called here and nowhere else; consumes the error. */
void gpuc__ssh_op_end(gpuc__ssh_op *op, gpuc_error *error);
void gpuc__ssh_op_unlink(gpuc__ssh_op *op); /* and frees */
bool gpuc__ssh_ops_turn(gpuc__ssh *ssh);    /* one step of each; true when something moved */
void gpuc__ssh_ops_expire(gpuc__ssh *ssh);  /* ends the cancelled and the late */
/* The default clean, for classes with nothing but a channel. */
bool gpuc__ssh_channel_clean(gpuc__ssh_op *op);
/* Of a channel that the server has closed: the exit status, 128+n for a signal. (The status comes
 * before the close; libssh2_channel_close does not wait for that: it returns after any one packet,
 * even another channel's, so libssh2_channel_wait_closed is what to call before.) */
int gpuc__ssh_channel_status(LIBSSH2_CHANNEL *channel);
/* "running: nvidia-smi -q" as a new string, shortened, secrets redacted. */
char *gpuc__ssh_op_doing(const gpuc__ssh_op *op);
#endif

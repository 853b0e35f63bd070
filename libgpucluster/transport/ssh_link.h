/* SPDX-License-Identifier: Apache-2.0 */
/* The socket under a connection and libssh2's view of it. */
#ifndef GPUC__SSH_LINK_H
#define GPUC__SSH_LINK_H
#include <libssh2.h>
#include <uv.h>

#include "transport/ssh.h"
#include "util/buf.h"

#define GPUC__SSH_OUT_HIGH (512 * 1024) /* above it operations stop writing */

/* A socket and the libssh2 session on it. libssh2 reads from `in` and writes to `out`:
 * a packet is thus never half sent, which libssh2 could not bear with several channels, and one
 * system call moves many packets. */
typedef struct gpuc__ssh_link {
    gpuc__ssh *ssh; /* NULL once let go */
    int fd;
    uv_poll_t poll;
    int events;
    LIBSSH2_SESSION *session;
    char *in;
    size_t in_start, in_end;
    char *out;
    size_t out_start, out_end, out_capacity;
    bool readable; /* recv may have something */
    bool ended;    /* the peer closed, or an error: no more bytes will come */
    int ended_errno;
    bool dead; /* being torn down: libssh2 gets errors at once */
    bool half_made; /* the handshake is under way in libssh2, and keeps memory of its own */
    gpuc__buf greeting; /* what came in during the handshake, to explain its failure */
    unsigned would_block; /* in a row, in one turn of the pump */
    uint64_t last_received;
} gpuc__ssh_link;

gpuc__ssh_link *gpuc__ssh_link_new(gpuc__ssh *ssh, int fd); /* owns fd, also on failure */
bool gpuc__ssh_link_start(gpuc__ssh_link *link); /* makes the libssh2 session */
bool gpuc__ssh_link_fill(gpuc__ssh_link *link); /* one recv; true when bytes came */
void gpuc__ssh_link_flush(gpuc__ssh_link *link);
void gpuc__ssh_link_watch(gpuc__ssh_link *link, bool connecting);
void gpuc__ssh_link_drop(gpuc__ssh_link *link); /* frees the session */
size_t gpuc__ssh_link_queued(const gpuc__ssh_link *link);
#endif

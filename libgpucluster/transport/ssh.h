/* SPDX-License-Identifier: Apache-2.0 */
/* SSH connections: non-blocking libssh2 on the context's loop. One connection serves any number of
 * operations, queued where libssh2 needs it (opens of channels never interleave on a session).
 * Callbacks run on the loop, never inside the call that takes them, exactly once. */
#ifndef GPUC__SSH_H
#define GPUC__SSH_H
#include <gpucluster.h>
#include <stdbool.h>

#include "transport/ssh_key.h"

typedef struct gpuc__ssh gpuc__ssh;
/* Valid until its done callback has returned. The calls that start one answer NULL only without
 * memory; done then does not come. */
typedef struct gpuc__ssh_op gpuc__ssh_op;

typedef struct gpuc__ssh_config {
    const char *machine;         /* the name used in errors; NULL: the host */
    const char *host;            /* name or address */
    int port;
    const char *user;
    gpuc__ssh_key *const *keys;  /* tried in order; referenced; may be empty */
    size_t key_count;
    bool agent;                  /* then the agent at $SSH_AUTH_SOCK */
    const char *const *host_keys; /* accepted "type base64" lines; NULL-terminated; may be NULL */
    const char *known_hosts;     /* file consulted when host_keys is empty; NULL: none */
    bool trust_first_use;        /* accept an unknown key (never a changed one); reported */
    gpuc__ssh *jump;             /* go through this connection; referenced */
    /* Instead of TCP: *fd becomes one end of a stream to the machine's port, the connection's. Called
     * at each connect; way_data must outlive the connection's use. */
    int (*open_way)(void *way_data, const char *machine, int port, int *fd, gpuc_error **err);
    void *way_data;
    int connect_timeout_ms;      /* TCP, handshake and authentication together; 0: 30000 */
    int keepalive_s;             /* 0: 15; after 3 unanswered the connection is lost */
} gpuc__ssh_config;

/* Makes a connection object; connects at the first use, and again at the next use after a loss.
 * Name lookup: numeric addresses at once, names through uv_getaddrinfo. */
int gpuc__ssh_new(gpuc__ssh **out, gpuc_context *context, const gpuc__ssh_config *config,
                  gpuc_error **err);
gpuc__ssh *gpuc__ssh_ref(gpuc__ssh *ssh);
void gpuc__ssh_unref(gpuc__ssh *ssh); /* closes it politely with the last reference */
/* Closes at once: operations under way end with GPUC_ECANCELLED. It can be used again. */
void gpuc__ssh_close(gpuc__ssh *ssh);
/* The same inside this call, for an owner that goes away: done of its operations comes before it
 * returns (soon after it, when it is called from a callback of this connection). */
void gpuc__ssh_shut(gpuc__ssh *ssh);
/* The accepted host key as "type base64", borrowed; NULL before the first connect. */
const char *gpuc__ssh_host_key(const gpuc__ssh *ssh);
bool gpuc__ssh_trusted_first_use(const gpuc__ssh *ssh);

typedef void (*gpuc__ssh_done_fn)(void *data, gpuc_error *error); /* error consumed; NULL: fine */

/* Only connects and authenticates. */
gpuc__ssh_op *gpuc__ssh_connect(gpuc__ssh *ssh, gpuc__ssh_done_fn done, void *data);

typedef struct gpuc__ssh_exec_args {
    const char *command;      /* for the remote login shell; the caller quotes */
    const char *input;        /* written to stdin, then EOF; copied; may be NULL */
    size_t input_length;
    size_t output_max;        /* bytes of stdout+stderr kept for `done`; 0: 1 MiB; more is GPUC_ELIMIT
                                 unless `output` is set, which gets everything (tail is kept) */
    int timeout_ms;           /* for the whole operation, connecting included; 0: 600000 */
    void (*output)(void *data, int stream, const char *bytes, size_t length); /* may be NULL */
    void (*done)(void *data, int status, const char *out, size_t out_length, const char *errout,
                 size_t errout_length, gpuc_error *error);
    /* status: exit status, 128+n for a signal; error (consumed) is set only when the command did not
     * run to its end (a status other than 0 is not an error here) */
    void *data;
} gpuc__ssh_exec_args;

gpuc__ssh_op *gpuc__ssh_exec(gpuc__ssh *ssh, const gpuc__ssh_exec_args *args);

/* A shell or command with a pseudo-terminal, for `gpucluster ssh`: bytes are passed both ways until
 * EOF. fd_in/fd_out are the caller's and stay open. status as in gpuc__ssh_exec_args. */
typedef void (*gpuc__ssh_shell_fn)(void *data, int status, gpuc_error *error);
gpuc__ssh_op *gpuc__ssh_interactive(gpuc__ssh *ssh, const char *command, int fd_in, int fd_out,
                                    gpuc__ssh_shell_fn done, void *data);

/* SFTP. upload writes to path.part and renames; mode as in chmod. */
gpuc__ssh_op *gpuc__ssh_upload(gpuc__ssh *ssh, const char *local_path, const char *remote_path,
                               int mode, gpuc__ssh_done_fn done, void *data);
gpuc__ssh_op *gpuc__ssh_download(gpuc__ssh *ssh, const char *remote_path, const char *local_path,
                                 gpuc__ssh_done_fn done, void *data);

/* Opens direct-tcpip to host:port as seen from the machine and bridges it to one end of a
 * socketpair; the other end is given to opened() at once (bytes wait until the channel opens) and
 * belongs to the caller. done comes when the tunnel ends. */
gpuc__ssh_op *gpuc__ssh_tunnel(gpuc__ssh *ssh, const char *host, int port, int *fd,
                               gpuc__ssh_done_fn done, void *data);

/* Ends an operation with GPUC_ECANCELLED; done still comes, later. */
void gpuc__ssh_op_cancel(gpuc__ssh_op *op);
#endif

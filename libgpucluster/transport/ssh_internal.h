/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of a connection, shared by the ssh_*.c files. Everything runs on the loop's thread.
 *
 * One function, the pump (ssh_pump.c), drives all: it advances the connection's state and every
 * operation until nothing moves, then waits for the socket or the timer. User calls only mark what
 * is wanted and start the timer, so no callback ever runs inside them.
 *
 * Handles that are closing hold no reference on the context: its end runs their close callbacks. */
#ifndef GPUC__SSH_INTERNAL_H
#define GPUC__SSH_INTERNAL_H
#include <netdb.h>

#include "core/context.h"
#include "transport/ssh.h"
#include "transport/ssh_agent.h"
#include "transport/ssh_key_internal.h"
#include "transport/ssh_link.h"
#include "transport/ssh_op.h"

typedef enum {
    GPUC__SSH_IDLE,      /* not connected; begins when there is an operation */
    GPUC__SSH_JUMP,      /* waiting for the connection this one goes through */
    GPUC__SSH_LOOKUP,    /* name lookup */
    GPUC__SSH_TCP,       /* TCP connect */
    GPUC__SSH_HANDSHAKE, /* banner and key exchange */
    GPUC__SSH_HOSTKEY,   /* is it the right machine? */
    GPUC__SSH_AUTH,      /* user authentication */
    GPUC__SSH_READY,
    GPUC__SSH_STATES
} gpuc__ssh_state;

/* A host key that is accepted, or revoked, for this host. */
typedef struct gpuc__ssh_expected {
    gpuc__buf blob;
    bool revoked;
    unsigned line; /* of known_hosts; 0: given */
} gpuc__ssh_expected;

typedef struct gpuc__ssh_lookup gpuc__ssh_lookup;
typedef struct gpuc__ssh_through gpuc__ssh_through;

struct gpuc__ssh {
    gpuc_context *context;
    int refs;
    char *machine, *host, *user, *known_hosts, *label;
    char **host_keys;
    gpuc__ssh_key **keys;
    size_t key_count;
    bool agent_wanted, trust_first_use;
    gpuc__ssh *jump;
    int (*open_way)(void *way_data, const char *machine, int port, int *fd, gpuc_error **err);
    void *way_data;
    int port, connect_timeout_ms, keepalive_s;

    gpuc__ssh_state state;
    uint64_t connect_deadline;
    uv_timer_t timer;
    bool pumping, kicked, close_wanted;
    unsigned epoch; /* operations of earlier epochs fail with a lost connection */

    gpuc__ssh_lookup *lookup;   /* ssh_connect.c */
    gpuc__ssh_through *through;
    struct addrinfo *addresses, *address;
    uint64_t address_deadline;
    gpuc__ssh_link *link;
    unsigned keepalives; /* unanswered */
    uint64_t idle_since;

    /* ssh_auth.c */
    gpuc__agent *agent;
    size_t key_at;    /* the key being tried */
    bool agent_turn;  /* keys are through */
    bool agent_listed, agent_signing, agent_signed, auth_listing, rsa_renamed;
    gpuc__agent_identity *identities;
    size_t identity_count;
    gpuc__buf agent_signature;
    gpuc_error *agent_error;
    gpuc__buf tried; /* what has been refused, for the error */

    gpuc__ssh_expected *expected; /* ssh_hostkey.c, while connecting */
    size_t expected_count;
    char *accepted_key;
    bool trusted_first_use;

    gpuc__ssh_op *first, *last;
    gpuc__ssh_op *opener; /* the operation whose channel is being opened: one at a time */
    int sessions, sessions_max;
};

/* ssh_pump.c */
void gpuc__ssh_kick(gpuc__ssh *ssh); /* pump soon */
void gpuc__ssh_pump(gpuc__ssh *ssh);
void gpuc__ssh_set_state(gpuc__ssh *ssh, gpuc__ssh_state state);
void gpuc__ssh_let_go(gpuc__ssh *ssh, bool politely); /* of link, session and channels */
const char *gpuc__ssh_state_name(const gpuc__ssh *ssh);

/* ssh_connect.c, ssh_hostkey.c, ssh_auth.c: one function per state */
gpuc__ssh_next gpuc__ssh_step_idle(gpuc__ssh *ssh, gpuc_error **err);
gpuc__ssh_next gpuc__ssh_step_jump(gpuc__ssh *ssh, gpuc_error **err);
gpuc__ssh_next gpuc__ssh_step_lookup(gpuc__ssh *ssh, gpuc_error **err);
gpuc__ssh_next gpuc__ssh_step_tcp(gpuc__ssh *ssh, gpuc_error **err);
gpuc__ssh_next gpuc__ssh_step_handshake(gpuc__ssh *ssh, gpuc_error **err);
gpuc__ssh_next gpuc__ssh_step_hostkey(gpuc__ssh *ssh, gpuc_error **err);
gpuc__ssh_next gpuc__ssh_step_auth(gpuc__ssh *ssh, gpuc_error **err);
/* Sets a preference to those of the list that the installed libssh2 has. */
void gpuc__ssh_prefer(LIBSSH2_SESSION *session, int method, const char *list);
void gpuc__ssh_connect_reset(gpuc__ssh *ssh); /* lets go of lookup, jump, addresses */
void gpuc__ssh_auth_reset(gpuc__ssh *ssh);
/* Collects the expected keys and sets the session's preference: types we know of first. */
int gpuc__ssh_hostkey_prepare(gpuc__ssh *ssh, gpuc_error **err);
void gpuc__ssh_hostkey_reset(gpuc__ssh *ssh);
/* The error of the connection this one goes through; NULL without. */
const gpuc_error *gpuc__ssh_through_error(const gpuc__ssh *ssh);

/* ssh_error.c */
int gpuc__ssh_error(gpuc__ssh *ssh, gpuc_error **err, int code, long native, const char *format,
                    ...) __attribute__((format(printf, 5, 6)));
/* From the session's last libssh2 error, or the socket's end; `doing` completes "… while %s". */
int gpuc__ssh_error_session(gpuc__ssh *ssh, gpuc_error **err, const char *doing);
int gpuc__ssh_error_lost(gpuc__ssh *ssh, gpuc_error **err, const char *doing);
/* Errors are immutable and callers add to them: each operation gets its own. */
gpuc_error *gpuc__ssh_error_copy(const gpuc_error *error, const char *doing);
#endif

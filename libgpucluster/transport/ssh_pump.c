/* SPDX-License-Identifier: Apache-2.0 */
/* The pump: one turn of a connection and its operations, and what it waits for next. */
#include <errno.h>
#include <stdint.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define ROUNDS_MAX 64            /* then the loop gets a turn */
#define KEEPALIVES_MAX 3
#define IDLE_CLOSE_MS 600000     /* an unused connection is closed politely */

static const struct {
    const char *name;
    gpuc__ssh_next (*step)(gpuc__ssh *ssh, gpuc_error **err);
} states[GPUC__SSH_STATES] = {
    [GPUC__SSH_IDLE] = {"idle", gpuc__ssh_step_idle},
    [GPUC__SSH_JUMP] = {"waiting for the jump host", gpuc__ssh_step_jump},
    [GPUC__SSH_LOOKUP] = {"looking up the name", gpuc__ssh_step_lookup},
    [GPUC__SSH_TCP] = {"connecting", gpuc__ssh_step_tcp},
    [GPUC__SSH_HANDSHAKE] = {"exchanging keys", gpuc__ssh_step_handshake},
    [GPUC__SSH_HOSTKEY] = {"checking the host key", gpuc__ssh_step_hostkey},
    [GPUC__SSH_AUTH] = {"authenticating", gpuc__ssh_step_auth},
    [GPUC__SSH_READY] = {"ready", NULL},
};

void gpuc__ssh_set_state(gpuc__ssh *ssh, gpuc__ssh_state state)
{
    if (ssh->state == state)
        return;
    gpuc__log(ssh->context, GPUC_LOG_DEBUG, "ssh", "%s: %s", ssh->label, states[state].name);
    ssh->state = state;
}

const char *gpuc__ssh_state_name(const gpuc__ssh *ssh)
{
    return states[ssh->state].name;
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__ssh *ssh = timer->data;

    ssh->kicked = false;
    gpuc__ssh_pump(ssh);
}

void gpuc__ssh_kick(gpuc__ssh *ssh)
{
    ssh->kicked = true;
    if (!ssh->pumping) {
        uv_ref((uv_handle_t *)&ssh->timer);
        uv_timer_start(&ssh->timer, on_timer, 0, 0);
    }
}

void gpuc__ssh_let_go(gpuc__ssh *ssh, bool politely)
{
    gpuc__ssh_link *link = ssh->link;

    if (!link)
        return;
    if (politely && link->session && !link->ended) {
        libssh2_session_disconnect(link->session, "done");
        gpuc__ssh_link_flush(link);
    }
    link->dead = true; /* every clean now ends at once */
    if (link->half_made)
        libssh2_session_handshake(link->session, link->fd); /* fails, and frees that */
    for (gpuc__ssh_op *op = ssh->first; op; op = op->next) {
        if (link->session && op->class->clean)
            op->class->clean(op);
        op->channel = NULL;
        op->counted = false;
    }
    ssh->sessions = 0;
    ssh->opener = NULL;
    ssh->link = NULL;
    gpuc__ssh_link_drop(link);
}

/* Back to idle. Operations of before fail with a copy of the error, which is consumed; it may be
 * NULL when there are none. */
static void disconnect(gpuc__ssh *ssh, gpuc_error *error, bool politely)
{
    unsigned epoch = ++ssh->epoch;

    gpuc__ssh_connect_reset(ssh);
    gpuc__ssh_auth_reset(ssh);
    gpuc__ssh_let_go(ssh, politely);
    gpuc__ssh_set_state(ssh, GPUC__SSH_IDLE);
    for (gpuc__ssh_op *op = ssh->first, *next; op; op = next) {
        if (!op->finished && op->epoch != epoch)
            gpuc__ssh_op_end(op, gpuc__ssh_error_copy(error, NULL));
        next = op->next;
    }
    for (gpuc__ssh_op *op = ssh->first, *next; op; op = next) {
        next = op->next;
        if (op->finished)
            gpuc__ssh_op_unlink(op);
    }
    gpuc_error_unref(error);
}

static void link_lost(gpuc__ssh *ssh)
{
    gpuc_error *error = NULL;

    for (gpuc__ssh_op *op = ssh->first; op && ssh->state == GPUC__SSH_READY; op = op->next) {
        GPUC__AUTOFREE char *doing = NULL;

        if (op->finished)
            continue;
        doing = gpuc__ssh_op_doing(op);
        gpuc__ssh_error_lost(ssh, &error, doing ? doing : op->class->verb);
        gpuc__ssh_op_end(op, error);
        error = NULL;
    }
    gpuc__ssh_error_lost(ssh, &error, states[ssh->state].name);
    disconnect(ssh, error, false);
}

static bool have_work(const gpuc__ssh *ssh)
{
    for (const gpuc__ssh_op *op = ssh->first; op; op = op->next) {
        if (!op->finished)
            return true;
    }
    return false;
}

static bool connection_turn(gpuc__ssh *ssh)
{
    gpuc_error *error = NULL;
    gpuc__ssh_next result;

    if (!have_work(ssh)) {
        if (ssh->state != GPUC__SSH_IDLE)
            disconnect(ssh, NULL, false);
        return false;
    }
    if (ssh->state > GPUC__SSH_JUMP && gpuc__clock_ms() >= ssh->connect_deadline) {
        gpuc__ssh_error(ssh, &error, GPUC_ETIMEDOUT, 0, "no answer within %d ms while %s",
                        ssh->connect_timeout_ms, states[ssh->state].name);
        gpuc__error_remedy(&error, "see whether the machine runs, whether a firewall drops port "
                                   "%d, and whether the address is right", ssh->port);
        result = GPUC__SSH_FAIL;
    } else {
        result = states[ssh->state].step(ssh, &error);
    }
    if (result == GPUC__SSH_FAIL)
        disconnect(ssh, error, false);
    return result != GPUC__SSH_WAIT;
}

static void keep_alive(gpuc__ssh *ssh)
{
    uint64_t now = gpuc__clock_ms(), period = (uint64_t)ssh->keepalive_s * 1000;
    int next;

    if (now < ssh->link->last_received + period * (ssh->keepalives + 1))
        return;
    if (ssh->keepalives >= KEEPALIVES_MAX) {
        ssh->link->ended = true;
        ssh->link->ended_errno = ETIMEDOUT;
        return;
    }
    ssh->keepalives++;
    libssh2_keepalive_config(ssh->link->session, 1, 2);
    libssh2_keepalive_send(ssh->link->session, &next);
}

static void earlier(uint64_t *next, uint64_t at)
{
    if (at && at < *next)
        *next = at;
}

static void schedule(gpuc__ssh *ssh)
{
    uint64_t next = UINT64_MAX, now = gpuc__clock_ms();
    bool work = have_work(ssh);

    if (ssh->kicked)
        next = now;
    for (gpuc__ssh_op *op = ssh->first; op; op = op->next) {
        if (!op->finished)
            earlier(&next, op->deadline);
    }
    if (ssh->state == GPUC__SSH_READY) {
        earlier(&next, ssh->link->last_received +
                           (uint64_t)ssh->keepalive_s * 1000 * (ssh->keepalives + 1));
        if (work)
            ssh->idle_since = now;
        earlier(&next, ssh->idle_since + IDLE_CLOSE_MS);
    } else if (ssh->state > GPUC__SSH_JUMP) {
        earlier(&next, ssh->connect_deadline);
        earlier(&next, ssh->address_deadline);
    }
    if (next == UINT64_MAX)
        uv_timer_stop(&ssh->timer);
    else
        uv_timer_start(&ssh->timer, on_timer, next > now ? next - now : 0, 0);
    /* an unused connection does not keep a loop running */
    (work || ssh->kicked ? uv_ref : uv_unref)((uv_handle_t *)&ssh->timer);
    if (ssh->link) {
        gpuc__ssh_link_watch(ssh->link, ssh->state == GPUC__SSH_TCP);
        (work ? uv_ref : uv_unref)((uv_handle_t *)&ssh->link->poll);
    }
}

static void close_if_wanted(gpuc__ssh *ssh)
{
    gpuc_error *error = NULL;

    if (ssh->close_wanted) {
        ssh->close_wanted = false;
        gpuc__ssh_error(ssh, &error, GPUC_ECANCELLED, 0, "the connection was closed by the caller");
        disconnect(ssh, error, true);
    } else if (ssh->state == GPUC__SSH_READY && !have_work(ssh) &&
               gpuc__clock_ms() >= ssh->idle_since + IDLE_CLOSE_MS) {
        disconnect(ssh, NULL, true);
    }
}

/* One turn of everything that can move; false when nothing did. */
static bool turn(gpuc__ssh *ssh)
{
    bool moved;

    gpuc__ssh_ops_expire(ssh);
    if (ssh->link) {
        ssh->link->would_block = 0;
        if (ssh->link->session && ssh->link->readable)
            gpuc__ssh_link_fill(ssh->link);
    }
    moved = ssh->state == GPUC__SSH_READY ? gpuc__ssh_ops_turn(ssh) : connection_turn(ssh);
    if (ssh->link && ssh->state != GPUC__SSH_TCP)
        gpuc__ssh_link_flush(ssh->link);
    return moved;
}

void gpuc__ssh_pump(gpuc__ssh *ssh)
{
    bool moved = true;

    if (ssh->pumping)
        return;
    ssh->pumping = true;
    ssh->refs++;
    close_if_wanted(ssh);
    if (ssh->state == GPUC__SSH_READY)
        keep_alive(ssh);
    for (int round = 0; moved && round < ROUNDS_MAX; round++)
        moved = turn(ssh);
    if (moved)
        ssh->kicked = true;
    else if (ssh->link && ssh->link->ended)
        link_lost(ssh);
    for (gpuc__ssh_op *op = ssh->first, *next; op && !ssh->link; op = next) {
        next = op->next;
        if (op->finished)
            gpuc__ssh_op_unlink(op);
    }
    ssh->pumping = false;
    schedule(ssh);
    gpuc__ssh_unref(ssh);
}

void gpuc__ssh_shut(gpuc__ssh *ssh)
{
    ssh->close_wanted = true;
    if (ssh->pumping)
        gpuc__ssh_kick(ssh);
    else
        gpuc__ssh_pump(ssh);
}

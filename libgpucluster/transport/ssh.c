/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: its life, its operations, and the pump that drives them. */
#include "transport/ssh.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define ROUNDS_MAX 64            /* then the loop gets a turn */
#define KEEPALIVES_MAX 3
#define IDLE_CLOSE_MS 600000     /* an unused connection is closed politely */
#define SESSIONS_MAX 10          /* OpenSSH's MaxSessions as shipped; lowered when refused */

static uv_once_t libssh2_once = UV_ONCE_INIT;

static void libssh2_start(void)
{
    libssh2_init(0);
}

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

/* Operations */

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

/* done is called here and nowhere else. */
static void op_end(gpuc__ssh_op *op, gpuc_error *error)
{
    gpuc__ssh *ssh = op->ssh;

    op->finished = true;
    op->class->finish(op, error);
    ssh->refs--; /* the pump holds one, so this is not the last */
}

static void op_unlink(gpuc__ssh_op *op)
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

static gpuc__ssh_next op_refused(gpuc__ssh_op *op, gpuc_error **err)
{
    gpuc__ssh *ssh = op->ssh;
    GPUC__AUTOFREE char *doing = NULL;
    char *text = NULL;
    int native = libssh2_session_last_error(ssh->link->session, &text, NULL, 0);

    /* the server allows fewer at a time than we have: wait for one of them to end */
    if (native == LIBSSH2_ERROR_CHANNEL_FAILURE && op->class->session_channel && ssh->sessions > 1) {
        ssh->sessions--;
        ssh->sessions_max = ssh->sessions;
        op->counted = false;
        return GPUC__SSH_WAIT;
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
    op_unlink(op);
    return true;
}

static bool ops_turn(gpuc__ssh *ssh)
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
            op_end(op, error);
        moved |= result != GPUC__SSH_WAIT;
        next = op->next; /* callbacks only append */
    }
    return moved;
}

static void ops_expire(gpuc__ssh *ssh)
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
                            ssh->state == GPUC__SSH_READY ? "" : states[ssh->state].name);
            gpuc__error_remedy(&error, "give it more time, or see on the machine what it waits for");
        }
        op_end(op, error);
    }
}

/* Connection */

static void link_let_go(gpuc__ssh *ssh, bool politely)
{
    gpuc__ssh_link *link = ssh->link;

    if (!link)
        return;
    if (politely && link->session && !link->ended) {
        libssh2_session_disconnect(link->session, "done");
        gpuc__ssh_link_flush(link);
    }
    link->dead = true; /* every clean now ends at once */
    if (ssh->state == GPUC__SSH_HANDSHAKE && link->session)
        libssh2_session_handshake(link->session, link->fd); /* fails, and frees its half-made keys */
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
    link_let_go(ssh, politely);
    gpuc__ssh_set_state(ssh, GPUC__SSH_IDLE);
    for (gpuc__ssh_op *op = ssh->first, *next; op; op = next) {
        if (!op->finished && op->epoch != epoch)
            op_end(op, gpuc__ssh_error_copy(error, NULL));
        next = op->next;
    }
    for (gpuc__ssh_op *op = ssh->first, *next; op; op = next) {
        next = op->next;
        if (op->finished)
            op_unlink(op);
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
        op_end(op, error);
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
        gpuc__error_remedy(&error, "see whether the machine runs, whether a firewall drops port %d, "
                                   "and whether the address is right", ssh->port);
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
    for (int round = 0; moved && round < ROUNDS_MAX; round++) {
        ops_expire(ssh);
        if (ssh->link) {
            ssh->link->would_block = 0;
            if (ssh->link->session && ssh->link->readable)
                gpuc__ssh_link_fill(ssh->link);
        }
        moved = ssh->state == GPUC__SSH_READY ? ops_turn(ssh) : connection_turn(ssh);
        if (ssh->link && ssh->state != GPUC__SSH_TCP)
            gpuc__ssh_link_flush(ssh->link);
    }
    if (moved)
        ssh->kicked = true;
    else if (ssh->link && ssh->link->ended)
        link_lost(ssh);
    for (gpuc__ssh_op *op = ssh->first, *next; op && !ssh->link; op = next) {
        next = op->next;
        if (op->finished)
            op_unlink(op);
    }
    ssh->pumping = false;
    schedule(ssh);
    gpuc__ssh_unref(ssh);
}

/* Life */

static char **copy_strings(const char *const *strings)
{
    size_t count = 0;
    char **copy;

    while (strings && strings[count])
        count++;
    copy = gpuc__calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = gpuc__strdup(strings[i]);
        if (!copy[i]) {
            while (i)
                gpuc__free(copy[--i]);
            gpuc__free(copy);
            return NULL;
        }
    }
    return copy;
}

static bool copy_config(gpuc__ssh *ssh, const gpuc__ssh_config *config)
{
    const char *machine = config->machine ? config->machine : config->host;
    bool v6 = strchr(config->host, ':') != NULL;
    GPUC__AUTOFREE char *where = NULL;

    ssh->port = config->port ? config->port : 22;
    ssh->connect_timeout_ms = config->connect_timeout_ms ? config->connect_timeout_ms : 30000;
    ssh->keepalive_s = config->keepalive_s ? config->keepalive_s : 15;
    ssh->agent_wanted = config->agent;
    ssh->trust_first_use = config->trust_first_use;
    ssh->machine = gpuc__strdup(machine);
    ssh->host = gpuc__strdup(config->host);
    ssh->user = gpuc__strdup(config->user);
    ssh->known_hosts = gpuc__strdup(config->known_hosts);
    ssh->host_keys = copy_strings(config->host_keys);
    where = gpuc__asprintf("%s@%s%s%s:%d", config->user, v6 ? "[" : "", config->host, v6 ? "]" : "",
                           ssh->port);
    if (where)
        ssh->label = strcmp(machine, config->host) ? gpuc__asprintf("%s (%s)", machine, where)
                                                   : gpuc__strdup(where);
    ssh->keys = gpuc__calloc(config->key_count ? config->key_count : 1, sizeof(gpuc__ssh_key *));
    if (!ssh->keys)
        return false;
    for (size_t i = 0; i < config->key_count; i++)
        ssh->keys[i] = gpuc__ssh_key_ref(config->keys[i]);
    ssh->key_count = config->key_count;
    if (config->jump)
        ssh->jump = gpuc__ssh_ref(config->jump);
    return ssh->machine && ssh->host && ssh->user && ssh->host_keys && ssh->label &&
           (ssh->known_hosts || !config->known_hosts);
}

static void ssh_free(gpuc__ssh *ssh)
{
    for (size_t i = 0; i < ssh->key_count; i++)
        gpuc__ssh_key_unref(ssh->keys[i]);
    for (size_t i = 0; ssh->host_keys && ssh->host_keys[i]; i++)
        gpuc__free(ssh->host_keys[i]);
    gpuc__free(ssh->keys);
    gpuc__free(ssh->host_keys);
    gpuc__free(ssh->machine);
    gpuc__free(ssh->host);
    gpuc__free(ssh->user);
    gpuc__free(ssh->known_hosts);
    gpuc__free(ssh->label);
    gpuc__free(ssh->accepted_key);
    gpuc__buf_clear(&ssh->tried);
    gpuc__buf_clear(&ssh->agent_signature);
    gpuc__free(ssh);
}

static void timer_closed(uv_handle_t *handle)
{
    ssh_free(handle->data);
}

int gpuc__ssh_new(gpuc__ssh **out, gpuc_context *context, const gpuc__ssh_config *config,
                  gpuc_error **err)
{
    gpuc__ssh *ssh;

    GPUC__CHECK_ARG(err, config->host && *config->host && config->user && *config->user);
    GPUC__CHECK_ARG(err, config->port >= 0 && config->port <= 65535);
    uv_once(&libssh2_once, libssh2_start);
    ssh = gpuc__calloc(1, sizeof(*ssh));
    if (!ssh)
        return gpuc__error_nomem(err);
    ssh->refs = 1;
    ssh->context = gpuc_context_ref(context);
    ssh->sessions_max = SESSIONS_MAX;
    gpuc__buf_init(&ssh->tried, 16 * 1024);
    gpuc__buf_init(&ssh->agent_signature, 64 * 1024);
    if (!copy_config(ssh, config)) {
        gpuc__ssh_unref(ssh->jump);
        gpuc_context_unref(context);
        ssh_free(ssh);
        return gpuc__error_nomem(err);
    }
    uv_timer_init(gpuc__context_loop(context), &ssh->timer);
    ssh->timer.data = ssh;
    *out = ssh;
    return GPUC_OK;
}

gpuc__ssh *gpuc__ssh_ref(gpuc__ssh *ssh)
{
    ssh->refs++;
    return ssh;
}

void gpuc__ssh_unref(gpuc__ssh *ssh)
{
    gpuc_context *context;

    if (!ssh || --ssh->refs > 0)
        return;
    /* operations that are not finished hold a reference: what is left only needs cleaning up */
    ssh->pumping = true;
    gpuc__ssh_connect_reset(ssh);
    gpuc__ssh_auth_reset(ssh);
    link_let_go(ssh, ssh->state == GPUC__SSH_READY);
    while (ssh->first)
        op_unlink(ssh->first);
    gpuc__ssh_unref(ssh->jump);
    context = ssh->context;
    uv_close((uv_handle_t *)&ssh->timer, timer_closed);
    gpuc_context_unref(context); /* the last one frees the connection with the loop */
}

void gpuc__ssh_close(gpuc__ssh *ssh)
{
    ssh->close_wanted = true;
    gpuc__ssh_kick(ssh);
}

const char *gpuc__ssh_host_key(const gpuc__ssh *ssh)
{
    return ssh->accepted_key;
}

bool gpuc__ssh_trusted_first_use(const gpuc__ssh *ssh)
{
    return ssh->trusted_first_use;
}

/* Connecting as an operation of its own: it ends as soon as the connection is ready. */

struct connect_op {
    gpuc__ssh_op op;
    gpuc__ssh_done_fn done;
    void *data;
};

static gpuc__ssh_next connect_step(gpuc__ssh_op *op, gpuc_error **err)
{
    return GPUC__SSH_DONE;
}

static void connect_finish(gpuc__ssh_op *op, gpuc_error *error)
{
    struct connect_op *self = (struct connect_op *)op;

    self->done(self->data, error);
}

static const gpuc__ssh_op_class connect_class = {
    .verb = "connecting",
    .step = connect_step,
    .finish = connect_finish,
    .clean = gpuc__ssh_channel_clean,
};

gpuc__ssh_op *gpuc__ssh_connect(gpuc__ssh *ssh, gpuc__ssh_done_fn done, void *data)
{
    struct connect_op *self = gpuc__calloc(1, sizeof(*self));

    if (!self)
        return NULL;
    self->done = done;
    self->data = data;
    gpuc__ssh_op_start(ssh, &self->op, &connect_class, NULL, 0);
    return &self->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's life: making, sharing, closing; connecting as an operation of its own. */
#include "transport/ssh.h"

#include <string.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define SESSIONS_MAX 10 /* OpenSSH's MaxSessions as shipped; lowered when refused */

static uv_once_t libssh2_once = UV_ONCE_INIT;

static void libssh2_start(void)
{
    libssh2_init(0);
}

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

/* How errors name the connection: "machine (user@host:port)". */
static char *make_label(const gpuc__ssh_config *config, const char *machine, int port)
{
    bool v6 = strchr(config->host, ':') != NULL;
    GPUC__AUTOFREE char *where = gpuc__asprintf("%s@%s%s%s:%d", config->user, v6 ? "[" : "",
                                                config->host, v6 ? "]" : "", port);

    if (!where || strcmp(machine, config->host) == 0)
        return gpuc__strdup(where);
    return gpuc__asprintf("%s (%s)", machine, where);
}

static bool copy_config(gpuc__ssh *ssh, const gpuc__ssh_config *config)
{
    const char *machine = config->machine ? config->machine : config->host;

    ssh->port = config->port ? config->port : 22;
    ssh->connect_timeout_ms = config->connect_timeout_ms ? config->connect_timeout_ms : 30000;
    ssh->keepalive_s = config->keepalive_s ? config->keepalive_s : 15;
    ssh->agent_wanted = config->agent;
    ssh->trust_first_use = config->trust_first_use;
    ssh->open_way = config->open_way;
    ssh->way_data = config->way_data;
    ssh->machine = gpuc__strdup(machine);
    ssh->host = gpuc__strdup(config->host);
    ssh->user = gpuc__strdup(config->user);
    ssh->known_hosts = gpuc__strdup(config->known_hosts);
    ssh->host_keys = copy_strings(config->host_keys);
    ssh->label = make_label(config, machine, ssh->port);
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
    gpuc__ssh_let_go(ssh, ssh->state == GPUC__SSH_READY);
    while (ssh->first)
        gpuc__ssh_op_unlink(ssh->first);
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

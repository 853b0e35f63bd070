/* SPDX-License-Identifier: Apache-2.0 */
/* Commands, shells and files on a machine: one SSH operation each. */
#include "cluster/access.h"

#include "core/context.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

typedef struct session {
    gpuc_cluster *cluster;
    gpuc_op *op;
    gpuc__ssh *ssh;
    gpuc__ssh_op *ssh_op;
    char *machine;
    gpuc_output_fn output;
    void *userdata;
} session;

static void free_session(void *data)
{
    session *a = data;

    gpuc__ssh_unref(a->ssh);
    gpuc_cluster_unref(a->cluster);
    gpuc__free(a->machine);
    gpuc__free(a);
}

static void cancel(gpuc_op *op, void *data)
{
    session *a = data;

    (void)op;
    if (a->ssh_op)
        gpuc__ssh_op_cancel(a->ssh_op);
}

static const gpuc__op_class session_class = {"access", cancel, free_session};

static int load_identity(gpuc_cluster *cluster, gpuc_error **err)
{
    return cluster->identity.uuid ? GPUC_OK : gpuc__identity_load(cluster, false, err);
}

/* An adopted host that `up` has not seen yet is where the spec says. */
static int place(gpuc__member *member, gpuc_error **err)
{
    const gpuc__machine_model *m = member->model;
    gpuc__machine_info info;

    if (member->has_info)
        return GPUC_OK;
    if (!m || !m->host)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_MACHINE,
                               "machine %s has no address yet; run `gpucluster up` first",
                               member->name);
    info = (gpuc__machine_info){
        .address = m->host, .port = m->port, .user = m->user, .host_keys = m->host_keys};
    return gpuc__member_set_info(member, &info, err);
}

static int new_session(session **out, gpuc_cluster *cluster, const char *machine, gpuc_error **err)
{
    gpuc__member *member;
    session *a = NULL;
    int rc = gpuc__cluster_find(&member, cluster, machine, err);

    if (rc == GPUC_OK)
        rc = load_identity(cluster, err);
    if (rc == GPUC_OK)
        rc = place(member, err);
    if (rc == GPUC_OK && !(a = gpuc__calloc(1, sizeof(*a))))
        rc = gpuc__error_nomem(err);
    if (rc < 0)
        return rc;
    a->cluster = gpuc_cluster_ref(cluster);
    a->machine = gpuc__strdup(machine);
    rc = a->machine ? gpuc__member_open_ssh(&a->ssh, member, err) : gpuc__error_nomem(err);
    if (rc == GPUC_OK)
        rc = gpuc__op_new(&a->op, cluster->context, &session_class, a, err);
    if (rc < 0)
        free_session(a);
    else
        *out = a;
    return rc;
}

/* The operation's end; the SSH operation is over. */
static void ended(session *a, gpuc_error *error)
{
    a->ssh_op = NULL;
    gpuc__op_complete(a->op, error);
}

static void on_done(void *data, gpuc_error *error)
{
    ended(data, error);
}

static void on_output(void *data, int stream, const char *bytes, size_t length)
{
    session *a = data;

    if (!a->output)
        return;
    gpuc__context_callback_begin(a->cluster->context);
    a->output(stream, bytes, length, a->userdata);
    gpuc__context_callback_end(a->cluster->context);
}

static gpuc_error *status_error(const session *a, int status)
{
    gpuc_error *error = NULL;

    if (!status)
        return NULL;
    gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_MACHINE,
                    "the command on %s ended with status %d", a->machine, status);
    gpuc__error_native(&error, status);
    gpuc__error_at(&error, a->machine, NULL);
    return error;
}

static void on_exec(void *data, int status, const char *out, size_t out_length, const char *errout,
                    size_t errout_length, gpuc_error *error)
{
    (void)out;
    (void)out_length;
    if (!error && (error = status_error(data, status)))
        gpuc__error_evidence(&error, errout, errout_length);
    ended(data, error);
}

static void on_shell(void *data, int status, gpuc_error *error)
{
    ended(data, error ? error : status_error(data, status));
}

/* Without memory for the SSH operation there is none to wait for. */
static int started(gpuc_op **out, session *a, gpuc_error **err)
{
    gpuc_op *op = a->op;

    if (!a->ssh_op) {
        gpuc__op_discard(op);
        return gpuc__error_nomem(err);
    }
    *out = op;
    return GPUC_OK;
}

int gpuc__exec_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine, const char *command,
                     gpuc_output_fn output, void *userdata, uint32_t timeout_s, gpuc_error **err)
{
    gpuc__ssh_exec_args args = {.command = command, .output = on_output, .done = on_exec};
    session *a;
    int rc = new_session(&a, cluster, machine, err);

    if (rc < 0)
        return rc;
    a->output = output;
    a->userdata = userdata;
    args.data = a;
    args.timeout_ms = (int)(timeout_s ? timeout_s : 3600) * 1000;
    a->ssh_op = gpuc__ssh_exec(a->ssh, &args);
    return started(out, a, err);
}

int gpuc__copy_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine, const char *local,
                     const char *remote, bool to_machine, gpuc_error **err)
{
    session *a;
    int rc = new_session(&a, cluster, machine, err);

    if (rc < 0)
        return rc;
    a->ssh_op = to_machine ? gpuc__ssh_upload(a->ssh, local, remote, 0644, on_done, a)
                           : gpuc__ssh_download(a->ssh, remote, local, on_done, a);
    return started(out, a, err);
}

int gpuc__shell_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine, const char *command,
                      int fd_in, int fd_out, gpuc_error **err)
{
    session *a;
    int rc = new_session(&a, cluster, machine, err);

    if (rc < 0)
        return rc;
    a->ssh_op = gpuc__ssh_interactive(a->ssh, command, fd_in, fd_out, on_shell, a);
    return started(out, a, err);
}

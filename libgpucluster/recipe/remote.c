/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's connection as the recipe uses it: scripts as root, facts. */
#include "recipe/remote_internal.h"

#include <string.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/quote.h"

enum { INPUT_MAX = 16 * 1024 * 1024, FACTS_TIMEOUT_MS = 60000 };

/* nvidia-smi's XML of many GPUs is long; of what is followed anyhow only the end is kept. */
enum { OUTPUT_MAX = 20 * 1024 * 1024, FOREIGN_MAX = 6 * 1024 * 1024, TAIL_MAX = 1024 * 1024 };

static size_t output_max(const gpuc__remote *remote, bool followed)
{
    if (followed)
        return TAIL_MAX;
    return remote->foreign ? FOREIGN_MAX : OUTPUT_MAX;
}

/* Root is not asked for sudo. The script comes on stdin and never on a command line. */
static const char plain_command[] =
    "if [ \"$(id -u)\" = 0 ]; then exec sh -s; fi; exec sudo -n sh -s";
/* With a password: it is the first line, and whoever does not read it, drops it. */
static const char password_command[] =
    "d='while IFS= read -r l; do [ \"$l\" = GPUC-BEGIN ] && exec sh -s; done'; "
    "if [ \"$(id -u)\" = 0 ]; then exec sh -c \"$d\"; fi; "
    "if sudo -n true 2>/dev/null; then exec sudo -n sh -c \"$d\"; fi; "
    "exec sudo -S -p '' sh -c \"$d\"";

/* Whoever is refused goes on as who they are. */
static const char unprivileged_command[] =
    "if [ \"$(id -u)\" != 0 ] && sudo -n true 2>/dev/null; then exec sudo -n sh -s; fi; exec sh -s";
static const char unprivileged_password_command[] =
    "d='while IFS= read -r l; do [ \"$l\" = GPUC-BEGIN ] && exec sh -s; done'; "
    "if [ \"$(id -u)\" = 0 ] || ! command -v sudo >/dev/null; then exec sh -c \"$d\"; fi; "
    "if sudo -n true 2>/dev/null; then exec sudo -n sh -c \"$d\"; fi; "
    "exec sudo -S -p '' sh -c \"$d\"";

int gpuc__remote_new(gpuc__remote **out, gpuc_context *context, const char *machine,
                     gpuc_error **err)
{
    gpuc__remote *remote = gpuc__calloc(1, sizeof(*remote));
    if (!remote)
        return gpuc__error_nomem(err);
    remote->refs = 1;
    remote->context = gpuc_context_ref(context);
    remote->machine = gpuc__strdup(machine);
    remote->variables = json_object();
    if (!remote->machine || !remote->variables) {
        gpuc__remote_unref(remote);
        return gpuc__error_nomem(err);
    }
    *out = remote;
    return GPUC_OK;
}

gpuc__remote *gpuc__remote_ref(gpuc__remote *remote)
{
    remote->refs++;
    return remote;
}

void gpuc__remote_unref(gpuc__remote *remote)
{
    if (!remote || --remote->refs > 0)
        return;
    gpuc__ssh_unref(remote->ssh);
    gpuc__free_secret(remote->sudo_password);
    json_decref(remote->variables);
    gpuc__free(remote->machine);
    gpuc_context_unref(remote->context);
    gpuc__free(remote);
}

void gpuc__remote_set_ssh(gpuc__remote *remote, gpuc__ssh *ssh)
{
    if (ssh == remote->ssh)
        return;
    if (ssh)
        gpuc__ssh_ref(ssh);
    gpuc__ssh_unref(remote->ssh);
    remote->ssh = ssh;
    remote->has_facts = false;
    gpuc__remote_forget(remote);
}

int gpuc__remote_set_sudo_password(gpuc__remote *remote, const char *password, gpuc_error **err)
{
    char *copy = gpuc__strdup(password);
    if (password && !copy)
        return gpuc__error_nomem(err);
    if (password && strchr(password, '\n')) {
        gpuc__free_secret(copy);
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SSH,
                               "%s: the sudo password has a line end in it", remote->machine);
    }
    gpuc__free_secret(remote->sudo_password);
    remote->sudo_password = copy;
    return GPUC_OK;
}

void gpuc__remote_set_foreign(gpuc__remote *remote)
{
    remote->foreign = true;
}

static const char *root_command(const gpuc__remote *remote)
{
    if (remote->sudo_password)
        return remote->foreign ? unprivileged_password_command : password_command;
    return remote->foreign ? unprivileged_command : plain_command;
}

int gpuc__remote_set_variables(gpuc__remote *remote, const json_t *variables, gpuc_error **err)
{
    json_t *copy = json_deep_copy(variables);
    if (!copy)
        return gpuc__error_nomem(err);
    json_decref(remote->variables);
    remote->variables = copy;
    return GPUC_OK;
}

void gpuc__remote_forget(gpuc__remote *remote)
{
    if (remote->cache != GPUC__CACHE_RUNNING)
        remote->cache = GPUC__CACHE_NONE;
}

const char *gpuc__remote_machine(const gpuc__remote *remote)
{
    return remote->machine;
}

gpuc_error *gpuc__remote_copy_error(const gpuc_error *error)
{
    gpuc_error *copy = NULL;
    const char *evidence = gpuc_error_evidence(error), *remedy = gpuc_error_remedy(error);
    gpuc__error_set(&copy, gpuc_error_code(error), gpuc_error_domain(error), "%s",
                    gpuc_error_message(error));
    gpuc__error_native(&copy, gpuc_error_native_code(error));
    if (evidence)
        gpuc__error_evidence(&copy, evidence, strlen(evidence));
    if (remedy)
        gpuc__error_remedy(&copy, "%s", remedy);
    gpuc__error_retryable(&copy, gpuc_error_retryable(error));
    return copy;
}

typedef struct call {
    gpuc__remote *remote;
    gpuc__remote_fn done;
    gpuc__facts_fn facts_done;
    void (*output)(void *data, int stream, const char *bytes, size_t length);
    void *data;
} call;

static void free_call(call *c)
{
    gpuc__remote_unref(c->remote);
    gpuc__free(c);
}

/* sudo itself said no, before the script began. */
static bool sudo_refused(int status, size_t out_length, const char *errout, size_t length)
{
    char *text = status != 0 && out_length == 0 ? gpuc__strndup(errout, length) : NULL;
    bool refused = text && (strncmp(text, "sudo: ", 6) == 0 || strstr(text, "\nsudo: ") ||
                            strstr(text, "not in the sudoers") || strstr(text, "sudo: not found"));
    gpuc__free(text);
    return refused;
}

static void on_output(void *data, int stream, const char *bytes, size_t length)
{
    call *c = data;
    c->output(c->data, stream, bytes, length);
}

static void on_done(void *data, int status, const char *out, size_t out_length, const char *errout,
                    size_t errout_length, gpuc_error *error)
{
    call *c = data;
    if (!error && sudo_refused(status, out_length, errout, errout_length)) {
        gpuc__error_set(&error, GPUC_EPERM, GPUC_DOMAIN_MACHINE, "%s: sudo was refused: %.*s",
                        c->remote->machine, (int)strcspn(errout, "\n"), errout);
        gpuc__error_remedy(&error,
                           "Let the user use sudo without a password, name the variable with "
                           "the password (ssh.sudo_password_env), or log in as root.");
        gpuc__error_native(&error, status);
    }
    gpuc__error_at(&error, c->remote->machine, NULL);
    c->done(c->data, status, out, out_length, errout, errout_length, error);
    free_call(c);
}

static int build_input(gpuc__buf *input, const gpuc__remote *remote, const char *script,
                       size_t length, gpuc_error **err)
{
    if (remote->sudo_password) {
        gpuc__buf_puts(input, remote->sudo_password);
        gpuc__buf_puts(input, "\nGPUC-BEGIN\n");
    }
    gpuc__buf_add(input, script, length);
    return input->failed ? gpuc__error_nomem(err) : GPUC_OK;
}

static gpuc__ssh_op *start(call *c, const char *script, size_t length, int timeout_ms,
                           gpuc_error **err)
{
    gpuc__remote *remote = c->remote;
    gpuc__buf input = GPUC__BUF_INIT(INPUT_MAX);
    gpuc__buf command = GPUC__BUF_INIT(4096);
    gpuc__ssh_op *op = NULL;
    gpuc__buf_puts(&command, "sh -c ");
    gpuc__quote_shell(&command, root_command(remote));
    if (!remote->ssh) {
        gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_MACHINE, "%s: the machine is not there yet",
                        remote->machine);
    } else if (build_input(&input, remote, script, length, err) == GPUC_OK && !command.failed) {
        const gpuc__ssh_exec_args args = {.command = gpuc__buf_text(&command),
                                          .input = gpuc__buf_text(&input),
                                          .input_length = input.length,
                                          .output_max = output_max(remote, c->output != NULL),
                                          .timeout_ms = timeout_ms,
                                          .output = c->output ? on_output : NULL,
                                          .done = on_done,
                                          .data = c};
        op = gpuc__ssh_exec(remote->ssh, &args);
        if (!op)
            gpuc__error_nomem(err);
    }
    /* It may hold secrets. */
    if (input.data)
        explicit_bzero(input.data, input.capacity);
    gpuc__buf_clear(&input);
    gpuc__buf_clear(&command);
    if (!op)
        free_call(c);
    return op;
}

static call *new_call(gpuc__remote *remote, void *data, gpuc_error **err)
{
    call *c = gpuc__calloc(1, sizeof(*c));
    if (!c) {
        gpuc__error_nomem(err);
        return NULL;
    }
    c->remote = gpuc__remote_ref(remote);
    c->data = data;
    return c;
}

gpuc__ssh_op *gpuc__remote_follow(gpuc__remote *remote, const char *script, size_t length,
                                  int timeout_ms,
                                  void (*output)(void *data, int stream, const char *bytes,
                                                 size_t length),
                                  gpuc__remote_fn done, void *data, gpuc_error **err)
{
    call *c = new_call(remote, data, err);
    if (!c)
        return NULL;
    c->done = done;
    c->output = output;
    return start(c, script, length, timeout_ms, err);
}

gpuc__ssh_op *gpuc__remote_run(gpuc__remote *remote, const char *script, size_t length,
                               int timeout_ms, gpuc__remote_fn done, void *data, gpuc_error **err)
{
    return gpuc__remote_follow(remote, script, length, timeout_ms, NULL, done, data, err);
}

static void on_facts(void *data, int status, const char *out, size_t out_length, const char *errout,
                     size_t errout_length, gpuc_error *error)
{
    call *c = data;
    gpuc__remote *remote = c->remote;
    gpuc__facts facts;
    if (!error && gpuc__facts_parse(&facts, out, out_length, &error) == GPUC_OK) {
        remote->facts = facts;
        remote->has_facts = true;
    } else {
        gpuc__error_at(&error, remote->machine, NULL);
        gpuc__error_native(&error, status);
        gpuc__error_evidence(&error, errout, errout_length);
    }
    c->facts_done(c->data, error ? NULL : &remote->facts, error);
    free_call(c);
}

gpuc__ssh_op *gpuc__remote_facts(gpuc__remote *remote, gpuc__facts_fn done, void *data,
                                 gpuc_error **err)
{
    char *script = NULL;
    call *c = new_call(remote, data, err);
    if (!c)
        return NULL;
    c->facts_done = done;
    if (gpuc__recipe_render_fragment(&script, "facts.sh", err) != GPUC_OK) {
        free_call(c);
        return NULL;
    }
    gpuc__ssh_op *op = gpuc__remote_run(remote, script, strlen(script), FACTS_TIMEOUT_MS, on_facts, c,
                                        err);
    gpuc__free(script);
    if (!op)
        free_call(c);
    return op;
}

const gpuc__facts *gpuc__remote_last_facts(const gpuc__remote *remote)
{
    return remote->has_facts ? &remote->facts : NULL;
}

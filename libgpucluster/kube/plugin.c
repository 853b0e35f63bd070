/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a credential plugin on the loop: its two pipes, its end by a pidfd, a deadline. It
 * gets a process group of its own, so that all it has started ends with it. */
#include "kube/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define OUTPUT_MAX (1024u * 1024)
#define MESSAGES_MAX (64u * 1024)
#define LIST_MAX 4096  /* arguments, or variables of the environment */
#define KILL_WAIT_MS 1000

extern char **environ;

enum { OUTPUT, MESSAGES, PROCESS, POLLS };

struct gpuc__plugin {
    gpuc_context *context;
    const char *command; /* of config, which outlives the run */
    char *api_version, *hint;
    uv_timer_t timer;
    uv_poll_t polls[POLLS];
    int fds[POLLS]; /* -1: not open */
    bool polled[POLLS];
    int handles; /* not yet closed */
    pid_t pid;   /* 0: not running */
    gpuc__buf output, messages;
    gpuc_error *error; /* why it could not be started */
    int deadline_ms;
    void (*done)(void *data, gpuc__credential *credential, gpuc_error *error);
    void *data;
};

static void on_closed(uv_handle_t *handle)
{
    gpuc__plugin *p = handle->data;

    if (--p->handles > 0)
        return;
    gpuc__buf_clear(&p->output);
    gpuc__buf_clear(&p->messages);
    gpuc__free(p->api_version);
    gpuc__free(p->hint);
    gpuc_error_unref(p->error);
    gpuc__free(p);
}

/* Ends what still runs and takes its exit status; a killed process is gone within a moment. */
static void reap(gpuc__plugin *p, siginfo_t *info)
{
    struct pollfd fd = {.fd = p->fds[PROCESS], .events = POLLIN};

    if (!p->pid)
        return;
    kill(-p->pid, SIGKILL); /* its children too; harmless when all have ended */
    if (p->fds[PROCESS] < 0)
        (void)waitpid(p->pid, NULL, 0);
    else if (poll(&fd, 1, KILL_WAIT_MS) > 0)
        (void)waitid(P_PIDFD, (id_t)p->fds[PROCESS], info, WEXITED | WNOHANG);
    p->pid = 0;
}

/* Nothing is reported after this. */
static void shut(gpuc__plugin *p)
{
    gpuc_context *context = p->context;
    siginfo_t info;

    reap(p, &info);
    for (int i = 0; i < POLLS; i++) {
        if (p->polled[i])
            uv_close((uv_handle_t *)&p->polls[i], on_closed);
        if (p->fds[i] >= 0)
            close(p->fds[i]);
        p->fds[i] = -1;
    }
    uv_close((uv_handle_t *)&p->timer, on_closed);
    gpuc_context_unref(context);
}

void gpuc__plugin_drop(gpuc__plugin *p)
{
    if (p)
        shut(p);
}

static void finish(gpuc__plugin *p, gpuc__credential *credential, gpuc_error *error)
{
    p->done(p->data, credential, error);
    shut(p);
}

/* What is in a pipe now. false: the answer is too large. */
static bool drain(gpuc__plugin *p, int which)
{
    gpuc__buf *to = which == OUTPUT ? &p->output : &p->messages;
    char chunk[4096];
    ssize_t n;

    while (p->fds[which] >= 0 && (n = read(p->fds[which], chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return true;
        if (which == MESSAGES && to->length + (size_t)n > to->max)
            gpuc__buf_keep_tail(to, to->max / 2);
        if (!gpuc__buf_add(to, chunk, (size_t)n))
            return false;
    }
    if (p->polled[which])
        uv_poll_stop(&p->polls[which]); /* the end of the stream would be told again and again */
    return true;
}

/* An error with what the plugin had to say. */
static gpuc_error *failure(gpuc__plugin *p, int code, const char *what, int number)
{
    gpuc_error *error = NULL;
    char *said = gpuc__text_line(gpuc__buf_text(&p->messages));

    gpuc__error_set(&error, code, GPUC_DOMAIN_KUBERNETES,
                    "the credential plugin %.200s %s%.0d%s%.400s", p->command, what, number, said && *said ? ": " : "", said ? said : "");
    gpuc__error_native(&error, number);
    gpuc__error_evidence(&error, gpuc__buf_text(&p->messages), p->messages.length);
    gpuc__error_remedy(&error, "run the plugin by hand and log in again with its provider's tool "
                               "where it asks for that");
    gpuc__free(said);
    return error;
}

static void on_end(gpuc__plugin *p)
{
    gpuc__credential credential = {0};
    gpuc_error *error = NULL;
    siginfo_t info = {0};

    if (!drain(p, OUTPUT) || !drain(p, MESSAGES)) {
        finish(p, NULL, failure(p, GPUC_ELIMIT, "printed more than 1 MiB", 0));
        return;
    }
    reap(p, &info);
    if (info.si_code == CLD_EXITED && info.si_status != 0)
        error = failure(p, GPUC_EAUTH, "ended with status ", info.si_status);
    else if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
        error = failure(p, GPUC_EAUTH, "was ended by signal ", info.si_status);
    else
        (void)gpuc__credential_parse(&credential, gpuc__buf_text(&p->output), p->output.length,
                                     p->api_version, &error);
    finish(p, error ? NULL : &credential, error);
    gpuc__credential_clear(&credential);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    gpuc__plugin *p = poll->data;

    (void)events;
    if (poll == &p->polls[PROCESS])
        on_end(p);
    else if (status < 0)
        uv_poll_stop(poll);
    else if (!drain(p, poll == &p->polls[OUTPUT] ? OUTPUT : MESSAGES))
        finish(p, NULL, failure(p, GPUC_ELIMIT, "printed more than 1 MiB", 0));
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__plugin *p = timer->data;
    gpuc_error *error = p->error;

    p->error = NULL;
    if (!error) {
        drain(p, MESSAGES);
        error = failure(p, GPUC_ETIMEDOUT, "has not ended in time; seconds given: ",
                        p->deadline_ms / 1000);
    }
    finish(p, NULL, error);
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Our environment, what the kubeconfig adds, what the protocol adds; the strings are borrowed. */
static char **make_env(char **added, char *info)
{
    char **env;
    size_t n = 0, m = 0, k = 0;

    while (environ && environ[n])
        n++;
    while (added && added[m])
        m++;
    if (n > LIST_MAX || m > LIST_MAX)
        return NULL;
    env = gpuc__calloc(n + m + 2, sizeof(*env));
    for (size_t i = 0; env && i < n; i++) {
        bool replaced = same_name(info, environ[i]);

        for (size_t j = 0; j < m && !replaced; j++)
            replaced = same_name(added[j], environ[i]);
        if (!replaced)
            env[k++] = environ[i];
    }
    for (size_t j = 0; env && j < m; j++)
        env[k++] = added[j];
    if (env)
        env[k] = info;
    return env;
}

static char **make_argv(const gpuc__kubeconfig_exec *exec)
{
    size_t n = 0;
    char **argv;

    while (exec->args && exec->args[n])
        n++;
    argv = n > LIST_MAX ? NULL : gpuc__calloc(n + 2, sizeof(*argv));
    if (!argv)
        return NULL;
    argv[0] = exec->command;
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = exec->args[i];
    return argv;
}

/* Standard streams only, all signals as a shell would give them. 0 or an errno value. */
static int spawn(gpuc__plugin *p, char **argv, char **env, int out, int messages)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t set;
    int rc = posix_spawn_file_actions_init(&files);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0) {
        posix_spawn_file_actions_destroy(&files);
        return rc;
    }
    rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&files, out, 1);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&files, messages, 2);
#if defined __GLIBC_PREREQ && __GLIBC_PREREQ(2, 34)
    rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&files, 3);
#endif
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attributes, &set);
    sigfillset(&set);
    posix_spawnattr_setsigdefault(&attributes, &set);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    rc = rc ? rc : posix_spawnp(&p->pid, argv[0], &files, &attributes, argv, env);
    if (rc != 0)
        p->pid = 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

static int start_failed(gpuc__plugin *p, int number)
{
    gpuc__error_errno(&p->error, number, "the credential plugin %.200s cannot be started",
                      p->command);
    gpuc__error_remedy(&p->error, "%s%.1000s",
                       p->hint ? "" : "install it, or correct exec.command in the kubeconfig",
                       p->hint ? p->hint : "");
    return -1;
}

static int watch(gpuc__plugin *p, int which)
{
    if (uv_poll_init(gpuc__context_loop(p->context), &p->polls[which], p->fds[which]) != 0)
        return start_failed(p, EMFILE);
    p->polls[which].data = p;
    p->polled[which] = true;
    p->handles++;
    return uv_poll_start(&p->polls[which], UV_READABLE, on_ready) ? start_failed(p, EMFILE) : 0;
}

/* Starts it with pipes, of which our ends are left in ends. 0 or an errno value. */
static int launch(gpuc__plugin *p, char **argv, char **env, int ends[2])
{
    int pipes[2][2] = {{-1, -1}, {-1, -1}}, number = 0;

    if (pipe2(pipes[0], O_CLOEXEC) != 0 || pipe2(pipes[1], O_CLOEXEC) != 0 ||
        fcntl(pipes[0][0], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(pipes[1][0], F_SETFL, O_NONBLOCK) != 0)
        number = errno;
    if (number == 0)
        number = spawn(p, argv, env, pipes[0][1], pipes[1][1]);
    if (number == 0 && (p->fds[PROCESS] = (int)syscall(SYS_pidfd_open, p->pid, 0)) < 0)
        number = errno;
    for (int i = 0; i < 2; i++) {
        ends[i] = pipes[i][0];
        if (pipes[i][1] >= 0)
            close(pipes[i][1]);
    }
    return number;
}

/* Where it fails p->error is set. */
static void start(gpuc__plugin *p, const gpuc__kubeconfig *config)
{
    char *info = gpuc__plugin_info(config), *variable = NULL, **argv = NULL, **env = NULL;
    int ends[2] = {-1, -1}, number;

    variable = info ? gpuc__asprintf("KUBERNETES_EXEC_INFO=%s", info) : NULL;
    argv = make_argv(&config->exec);
    env = variable ? make_env(config->exec.env, variable) : NULL;
    if (!argv || !env) {
        gpuc__error_nomem(&p->error);
        goto done;
    }
    number = launch(p, argv, env, ends);
    p->fds[OUTPUT] = ends[OUTPUT];
    p->fds[MESSAGES] = ends[MESSAGES];
    if (number != 0)
        start_failed(p, number);
    for (int i = 0; number == 0 && i < POLLS; i++)
        number = watch(p, i);
done:
    gpuc__free(info);
    gpuc__free_secret(variable);
    gpuc__free(argv);
    gpuc__free(env);
}

gpuc__plugin *gpuc__plugin_run(gpuc_context *context, const gpuc__kubeconfig *config,
                               int deadline_ms,
                               void (*done)(void *data, gpuc__credential *credential,
                                            gpuc_error *error),
                               void *data)
{
    gpuc__plugin *p = gpuc__calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    gpuc__buf_init(&p->output, OUTPUT_MAX);
    gpuc__buf_init(&p->messages, MESSAGES_MAX);
    p->output.secret = true;
    p->fds[OUTPUT] = p->fds[MESSAGES] = p->fds[PROCESS] = -1;
    p->command = config->exec.command;
    p->api_version = gpuc__strdup(config->exec.api_version);
    p->hint = config->exec.install_hint ? gpuc__text_line(config->exec.install_hint) : NULL;
    if (!p->api_version || uv_timer_init(gpuc__context_loop(context), &p->timer) != 0) {
        gpuc__free(p->api_version);
        gpuc__free(p->hint);
        gpuc__free(p);
        return NULL;
    }
    p->timer.data = p;
    p->handles = 1;
    p->context = gpuc_context_ref(context);
    p->deadline_ms = deadline_ms;
    p->done = done;
    p->data = data;
    if (config->exec.terminal) {
        gpuc__error_set(&p->error, GPUC_EUNSUPPORTED, GPUC_DOMAIN_KUBERNETES,
                        "the credential plugin %.200s wants a terminal (interactiveMode: Always), "
                        "which it cannot have here",
                        p->command);
        gpuc__error_remedy(&p->error, "log in with the plugin's own tool first and set "
                                      "interactiveMode: IfAvailable, or use a token");
    } else {
        start(p, config);
    }
    uv_update_time(gpuc__context_loop(context));
    uv_timer_start(&p->timer, on_timer, p->error ? 0 : (uint64_t)deadline_ms, 0);
    return p;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of SSH connections share: one context, one server, results as plain values. */
#ifndef TEST_SSH_CLIENT_H
#define TEST_SSH_CLIENT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/context.h"
#include "support/sshd.h"
#include "transport/ssh.h"
#include "util/alloc.h"

static gpuc_context *context;
static test_sshd server;

typedef struct result {
    int done, status;
    char *out, *errout;
    size_t out_length, errout_length, streamed;
    int code, retryable;
    char *message, *remedy, *machine;
} result;

static inline void result_clear(result *r)
{
    gpuc__free(r->out);
    gpuc__free(r->errout);
    gpuc__free(r->message);
    gpuc__free(r->remedy);
    gpuc__free(r->machine);
    memset(r, 0, sizeof(*r));
}

static inline void take_error(result *r, gpuc_error *error)
{
    if (!error)
        return;
    r->code = gpuc_error_code(error);
    r->retryable = gpuc_error_retryable(error);
    r->message = gpuc__strdup(gpuc_error_message(error));
    r->remedy = gpuc__strdup(gpuc_error_remedy(error));
    r->machine = gpuc__strdup(gpuc_error_machine(error));
    gpuc_error_unref(error);
}

static inline char *copy_bytes(const char *bytes, size_t length)
{
    char *copy = gpuc__malloc(length + 1);

    memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

static inline void on_exec(void *data, int status, const char *out, size_t out_length,
                           const char *errout, size_t errout_length, gpuc_error *error)
{
    result *r = data;

    r->done++;
    r->status = status;
    r->out = copy_bytes(out, out_length);
    r->out_length = out_length;
    r->errout = copy_bytes(errout, errout_length);
    r->errout_length = errout_length;
    take_error(r, error);
}

static inline void on_done(void *data, gpuc_error *error)
{
    result *r = data;

    r->done++;
    take_error(r, error);
}

static inline void on_output(void *data, int stream, const char *bytes, size_t length)
{
    ((result *)data)->streamed += length;
}

/* Turns the loop until *done reaches `count`, or 100 s are over: a busy machine is slow. */
static inline bool wait_for(const int *done, int count)
{
    uint64_t end = gpuc__clock_ms() + 100000;

    while (*done < count && gpuc__clock_ms() < end)
        gpuc_context_run(context, 200, NULL);
    return *done >= count;
}

static inline void turn_for(int ms)
{
    uint64_t end = gpuc__clock_ms() + (uint64_t)ms;

    while (gpuc__clock_ms() < end)
        gpuc_context_run(context, 5, NULL);
}

static inline gpuc__ssh_key *load_key(const test_sshd *s, const char *name)
{
    gpuc__ssh_key *key = NULL;

    assert_int_equal(gpuc__ssh_key_load(&key, sshd_path(s, name), NULL, NULL), GPUC_OK);
    return key;
}

/* A connection to s with its key "id" and pinned host key, changed by `adjust` first if given. */
static inline gpuc__ssh *client_with(const test_sshd *s, void (*adjust)(gpuc__ssh_config *config))
{
    gpuc__ssh_key *key = load_key(s, "id");
    const char *host_keys[] = {s->host_key, NULL};
    gpuc__ssh_config config = {.machine = "gpu-1", .host = "127.0.0.1", .port = s->port,
                               .user = s->user, .keys = &key, .key_count = 1,
                               .host_keys = host_keys, .connect_timeout_ms = 60000};
    gpuc__ssh *ssh = NULL;

    if (adjust)
        adjust(&config);
    assert_int_equal(gpuc__ssh_new(&ssh, context, &config, NULL), GPUC_OK);
    gpuc__ssh_key_unref(key);
    return ssh;
}

static inline gpuc__ssh *client(void)
{
    return client_with(&server, NULL);
}

static inline gpuc__ssh_op *exec_start(gpuc__ssh *ssh, const char *command, result *r)
{
    return gpuc__ssh_exec(ssh, &(gpuc__ssh_exec_args){
                                   .command = command, .done = on_exec, .data = r,
                                   .timeout_ms = 100000});
}

static inline void exec_wait(gpuc__ssh *ssh, const char *command, result *r)
{
    memset(r, 0, sizeof(*r));
    exec_start(ssh, command, r);
    assert_true(wait_for(&r->done, 1));
}

static inline void connect_wait(gpuc__ssh *ssh, result *r)
{
    memset(r, 0, sizeof(*r));
    gpuc__ssh_connect(ssh, on_done, r);
    assert_true(wait_for(&r->done, 1));
}

static inline void assert_contains(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text ? text : "(null)", part);
}

/* Group fixtures */
static inline int set_up(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    if (gpuc_context_new(&context, NULL))
        return -1;
    if (!sshd_start(&server)) {
        print_message("cannot start %s\n", sshd_binary() ? sshd_binary() : "sshd: not installed");
        return -1;
    }
    return 0;
}

static inline int tear_down(void **state)
{
    sshd_stop(&server);
    gpuc_context_unref(context);
    return 0;
}

/* For main: without a server there is nothing to test. */
static inline bool sshd_missing(void)
{
    if (sshd_binary())
        return false;
    print_message("SKIP: no OpenSSH server (openssh-server) is installed\n");
    return true;
}
#endif

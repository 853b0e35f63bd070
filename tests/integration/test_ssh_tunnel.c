/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels, jump hosts, interactive sessions. */
#include <poll.h>

#include "support/ssh_client.h"
#include "util/error.h"

/* A TCP server that sends back what it gets, one connection at a time; its port. */
static pid_t echo_server(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static char block[65536];
    pid_t pid;

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&a, &length);
    *port = ntohs(a.sin_port);
    pid = fork();
    while (pid == 0) {
        int one = accept(fd, NULL, NULL);
        ssize_t n;

        while ((n = read(one, block, sizeof(block))) > 0) {
            for (ssize_t at = 0, w; at < n; at += w) {
                w = write(one, block + at, (size_t)(n - at));
                if (w < 0)
                    break;
            }
        }
        close(one);
    }
    close(fd);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static char pattern(size_t at)
{
    return (char)((at * 2654435761u) >> 15);
}

/* Sends `size` bytes through fd and checks that they come back; shuts down behind them. */
static void echo_through(int fd, size_t size)
{
    uint64_t end = gpuc__clock_ms() + 100000;
    size_t sent = 0, got = 0;
    static char block[65536];
    bool eof = false;

    while (!eof && gpuc__clock_ms() < end) {
        struct pollfd one = {fd, (short)(POLLIN | (sent < size ? POLLOUT : 0)), 0};
        ssize_t n;

        gpuc_context_run(context, poll(&one, 1, 0) > 0 ? 0 : 20, NULL);
        if (sent < size) {
            size_t want = size - sent < sizeof(block) ? size - sent : sizeof(block);

            for (size_t i = 0; i < want; i++)
                block[i] = pattern(sent + i);
            n = write(fd, block, want);
            sent += n > 0 ? (size_t)n : 0;
            if (sent == size)
                shutdown(fd, SHUT_WR);
        }
        n = read(fd, block, sizeof(block));
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(block[i], pattern(got + (size_t)i));
        got += n > 0 ? (size_t)n : 0;
        eof = n == 0;
    }
    assert_true(eof);
    assert_int_equal(got, size);
}

static void test_ssh_tunnel__ten_megabytes_there_and_back(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0};
    int port, fd = -1;
    pid_t pid = echo_server(&port);

    assert_non_null(gpuc__ssh_tunnel(ssh, "127.0.0.1", port, &fd, on_done, &r));
    echo_through(fd, 10 * 1000 * 1000);
    assert_true(wait_for(&r.done, 1));
    assert_null(r.message);
    close(fd);
    stop(pid);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_tunnel__nobody_listens_there(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0};
    int fd = -1;
    char c;

    gpuc__ssh_tunnel(ssh, "127.0.0.1", free_port(), &fd, on_done, &r);
    assert_true(wait_for(&r.done, 1));
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_contains(r.message, "127.0.0.1:");
    assert_contains(r.remedy, "AllowTcpForwarding");
    turn_for(50);
    assert_int_equal(read(fd, &c, 1), 0); /* the caller's end sees the end */
    close(fd);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_tunnel__the_caller_closes(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0};
    int port, fd = -1;
    pid_t pid = echo_server(&port);

    gpuc__ssh_tunnel(ssh, "127.0.0.1", port, &fd, on_done, &r);
    assert_int_equal(write(fd, "hello", 5), 5);
    turn_for(300);
    close(fd);
    assert_true(wait_for(&r.done, 1));
    assert_null(r.message);
    stop(pid);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_tunnel__cancelled_or_cut(void **state)
{
    int port;
    pid_t pid = echo_server(&port);

    for (int i = 0; i < 10; i++) {
        gpuc__ssh *ssh = client();
        result r = {0};
        int fd = -1;
        gpuc__ssh_op *op = gpuc__ssh_tunnel(ssh, "127.0.0.1", port, &fd, on_done, &r);

        assert_int_equal(write(fd, "hello", 5), 5);
        turn_for(i * 12);
        if (i % 2)
            gpuc__ssh_op_cancel(op);
        else
            sshd_kill(&server, true);
        assert_true(wait_for(&r.done, 1));
        assert_int_equal(r.code, i % 2 ? GPUC_ECANCELLED : GPUC_ENETWORK);
        result_clear(&r);
        close(fd);
        gpuc__ssh_unref(ssh);
        if (!server.pid)
            assert_true(sshd_launch(&server));
    }
    stop(pid);
}

static gpuc__ssh *use_jump;

static void through_jump(gpuc__ssh_config *config)
{
    config->machine = "inner";
    config->jump = use_jump;
}

static void test_ssh_tunnel__jump_host(void **state)
{
    test_sshd inner;
    gpuc__ssh *ssh;
    result r;

    assert_true(sshd_start(&inner));
    use_jump = client();
    ssh = client_with(&inner, through_jump);
    gpuc__ssh_unref(use_jump); /* the connection through it keeps it */
    exec_wait(ssh, "echo $SSH_CONNECTION; head -c 3000000 /dev/zero | wc -c", &r);
    assert_null(r.message);
    assert_contains(r.out, "3000000\n");
    result_clear(&r);
    sshd_kill(&inner, true);
    turn_for(100);
    exec_wait(ssh, "true", &r);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_contains(r.message, "inner (");
    result_clear(&r);
    assert_true(sshd_launch(&inner));
    exec_wait(ssh, "echo again", &r);
    assert_null(r.message);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    sshd_stop(&inner);
}

static void test_ssh_tunnel__jump_host_that_refuses(void **state)
{
    test_sshd jump;
    gpuc__ssh *ssh;
    result r;

    assert_true(sshd_start(&jump));
    write_file(sshd_path(&jump, "authorized_keys"), "");
    use_jump = client_with(&jump, NULL);
    ssh = client_with(&server, through_jump);
    gpuc__ssh_unref(use_jump);
    exec_wait(ssh, "true", &r);
    assert_int_equal(r.code, GPUC_EAUTH);
    assert_contains(r.message, "inner (");
    assert_contains(r.message, "through the jump host gpu-1");
    assert_contains(r.remedy, "authorized_keys");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    sshd_stop(&jump);
}

typedef struct way {
    int calls, refuse;
    char machine[32];
} way;

/* A way of the caller's own: here a plain TCP connection. */
static int open_way(void *data, const char *machine, int port, int *fd, gpuc_error **err)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    way *w = data;

    w->calls++;
    snprintf(w->machine, sizeof(w->machine), "%s", machine);
    if (w->refuse)
        return gpuc__error_set(err, GPUC_ENETWORK, GPUC_DOMAIN_PROVIDER, "no way to %s", machine);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(*fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return GPUC_OK;
}

static way own_way;

static void by_own_way(gpuc__ssh_config *config)
{
    config->host = "192.0.2.1"; /* nobody connects there */
    config->open_way = open_way;
    config->way_data = &own_way;
}

static void test_ssh_tunnel__a_way_of_the_callers_own(void **state)
{
    gpuc__ssh *ssh;
    result r;

    memset(&own_way, 0, sizeof(own_way));
    ssh = client_with(&server, by_own_way);
    exec_wait(ssh, "head -c 3000000 /dev/zero | wc -c", &r);
    assert_null(r.message);
    assert_contains(r.out, "3000000\n");
    assert_string_equal(own_way.machine, "gpu-1");
    result_clear(&r);
    gpuc__ssh_close(ssh);
    turn_for(50);
    exec_wait(ssh, "echo again", &r); /* opened anew */
    assert_null(r.message);
    assert_int_equal(own_way.calls, 2);
    result_clear(&r);
    gpuc__ssh_close(ssh);
    turn_for(50);
    own_way.refuse = 1;
    exec_wait(ssh, "true", &r);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_contains(r.message, "no way to gpu-1");
    assert_string_equal(r.machine, "gpu-1");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void on_shell(void *data, int status, gpuc_error *error)
{
    ((result *)data)->status = status;
    on_done(data, error);
}

static void test_ssh_tunnel__interactive(void **state)
{
    gpuc__ssh *ssh = client();
    int in[2], out[2];
    char text[4096] = "";
    size_t length = 0;
    result r = {0};
    ssize_t n;

    assert_int_equal(pipe(in) | pipe(out), 0);
    gpuc__ssh_interactive(ssh, "test -t 0 && echo terminal; read word; echo \"got $word\"; exit 9",
                          in[0], out[1], on_shell, &r);
    assert_int_equal(write(in[1], "hello\n", 6), 6);
    assert_true(wait_for(&r.done, 1));
    assert_null(r.message);
    assert_int_equal(r.status, 9);
    close(out[1]);
    while ((n = read(out[0], text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    assert_contains(text, "terminal");
    assert_contains(text, "got hello");
    close(in[0]);
    close(in[1]);
    close(out[0]);
    gpuc__ssh_unref(ssh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_tunnel__ten_megabytes_there_and_back),
        cmocka_unit_test(test_ssh_tunnel__nobody_listens_there),
        cmocka_unit_test(test_ssh_tunnel__the_caller_closes),
        cmocka_unit_test(test_ssh_tunnel__cancelled_or_cut),
        cmocka_unit_test(test_ssh_tunnel__jump_host),
        cmocka_unit_test(test_ssh_tunnel__jump_host_that_refuses),
        cmocka_unit_test(test_ssh_tunnel__a_way_of_the_callers_own),
        cmocka_unit_test(test_ssh_tunnel__interactive),
    };

    return sshd_missing() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}

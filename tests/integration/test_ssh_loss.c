/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that are not there, say nothing, go away; and connecting again. */
#include "support/ssh_client.h"

static int use_port;

static void with_port(gpuc__ssh_config *config)
{
    config->port = use_port;
    config->connect_timeout_ms = 800;
}

static void with_fast_keepalive(gpuc__ssh_config *config)
{
    config->keepalive_s = 1;
}

static void with_name(gpuc__ssh_config *config)
{
    config->host = "no-such-host.invalid";
    config->connect_timeout_ms = 5000;
}

/* A listening socket; with `backlog` 0 it is never accepted from. */
static int listener(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&a, &length);
    use_port = ntohs(a.sin_port);
    return fd;
}

/* A child that takes one connection, says `text`, waits, and closes. */
static pid_t talker(const char *text, int wait_ms)
{
    int fd = listener();
    pid_t pid = fork();

    if (pid == 0) {
        int one = accept(fd, NULL, NULL);

        pause_ms(30);
        if (write(one, text, strlen(text)) < 0)
            _exit(1);
        pause_ms(wait_ms);
        close(one);
        _exit(0);
    }
    close(fd);
    return pid;
}

static void test_ssh_loss__refused(void **state)
{
    gpuc__ssh *ssh;
    result r;

    use_port = free_port();
    ssh = client_with(&server, with_port);
    exec_wait(ssh, "true", &r);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_int_equal(r.retryable, 1);
    assert_contains(r.message, "refused");
    assert_contains(r.message, "gpu-1 (");
    assert_contains(r.remedy, "sshd");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_loss__black_hole(void **state)
{
    int fd = listener();
    uint64_t start = gpuc__clock_ms();
    gpuc__ssh *ssh = client_with(&server, with_port);
    result r;

    exec_wait(ssh, "true", &r);
    assert_int_equal(r.code, GPUC_ETIMEDOUT);
    assert_contains(r.message, "800 ms");
    assert_in_range(gpuc__clock_ms() - start, 700, 3000);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    close(fd);
}

static void test_ssh_loss__closes_at_once(void **state)
{
    pid_t pid = talker("", 0);
    gpuc__ssh *ssh = client_with(&server, with_port);
    result r;

    exec_wait(ssh, "true", &r);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_contains(r.message, "closed the connection");
    assert_contains(r.remedy, "MaxStartups");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    waitpid(pid, NULL, 0);
}

static void test_ssh_loss__half_a_greeting(void **state)
{
    pid_t pid = talker("SSH-2.0-half\r\n\0\0", 50);
    gpuc__ssh *ssh = client_with(&server, with_port);
    result r;

    exec_wait(ssh, "true", &r);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_contains(r.message, "exchanging keys");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    waitpid(pid, NULL, 0);
}

static void test_ssh_loss__not_ssh(void **state)
{
    pid_t pid = talker("HTTP/1.1 400 Bad Request\r\n\r\n", 2000);
    gpuc__ssh *ssh = client_with(&server, with_port);
    result r;

    exec_wait(ssh, "true", &r);
    assert_true(r.code == GPUC_EPROTO || r.code == GPUC_ETIMEDOUT);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_ssh_loss__name_without_address(void **state)
{
    gpuc__ssh *ssh = client_with(&server, with_name);
    result r;

    exec_wait(ssh, "true", &r);
    assert_true(r.code == GPUC_ENETWORK || r.code == GPUC_ETIMEDOUT);
    assert_contains(r.message, "no-such-host.invalid");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_loss__server_killed_in_mid_command(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0}, other = {0};

    exec_wait(ssh, "true", &r);
    assert_int_equal(r.status, 0);
    result_clear(&r);
    exec_start(ssh, "sleep 20", &r);
    exec_start(ssh, "cat /dev/zero", &other); /* fails by its limit or by the loss */
    turn_for(200);
    sshd_kill(&server, true);
    assert_true(wait_for(&r.done, 1) && wait_for(&other.done, 1));
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_contains(r.message, "sleep 20");
    assert_int_equal(r.retryable, 1);
    result_clear(&r);
    result_clear(&other);
    exec_wait(ssh, "true", &r); /* nobody there now */
    assert_int_equal(r.code, GPUC_ENETWORK);
    result_clear(&r);
    assert_true(sshd_launch(&server));
    exec_wait(ssh, "echo again", &r); /* and the same object connects again */
    assert_null(r.message);
    assert_string_equal(r.out, "again\n");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

/* Whatever has been answered counts, though the connection is cut right behind it. */
static void test_ssh_loss__command_that_ends_its_own_connection(void **state)
{
    gpuc__ssh *ssh = client();
    result r;

    exec_wait(ssh, "echo last words; sleep 0.5; kill -KILL $PPID; sleep 5", &r);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_string_equal(r.out, "last words\n");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

/* The machine stops answering without closing: only the keepalive can tell. */
static void test_ssh_loss__silence_is_noticed(void **state)
{
    const char *argv[] = {"pkill", "-STOP", "-P", NULL, NULL};
    gpuc__ssh *ssh = client_with(&server, with_fast_keepalive);
    char pid[16];
    result r = {0};

    exec_start(ssh, "sleep 20", &r);
    turn_for(300);
    snprintf(pid, sizeof(pid), "%d", (int)server.pid);
    argv[3] = pid;
    run_program(argv);
    argv[1] = "-CONT";
    assert_true(wait_for(&r.done, 1));
    run_program(argv);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_contains(r.message, "nothing comes back");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

/* The keepalive must not harm a connection that is only quiet. */
static void test_ssh_loss__quiet_is_not_lost(void **state)
{
    gpuc__ssh *ssh = client_with(&server, with_fast_keepalive);
    result r;

    exec_wait(ssh, "sleep 6; echo still here", &r);
    assert_null(r.message);
    assert_string_equal(r.out, "still here\n");
    result_clear(&r);
    turn_for(5000); /* unused, with nobody reading the answers */
    exec_wait(ssh, "echo and here", &r);
    assert_null(r.message);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_loss__cut_at_any_moment(void **state)
{
    result r;

    for (int i = 0; i < 12; i++) {
        gpuc__ssh *ssh = client();

        memset(&r, 0, sizeof(r));
        exec_start(ssh, "cat /dev/zero | head -c 200000 | wc -c", &r);
        turn_for(i * 8);
        sshd_kill(&server, true);
        assert_true(wait_for(&r.done, 1));
        assert_true(r.code == GPUC_ENETWORK || (r.code == 0 && r.status == 0));
        result_clear(&r);
        gpuc__ssh_unref(ssh);
        assert_true(sshd_launch(&server));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_loss__refused),
        cmocka_unit_test(test_ssh_loss__black_hole),
        cmocka_unit_test(test_ssh_loss__closes_at_once),
        cmocka_unit_test(test_ssh_loss__half_a_greeting),
        cmocka_unit_test(test_ssh_loss__not_ssh),
        cmocka_unit_test(test_ssh_loss__name_without_address),
        cmocka_unit_test(test_ssh_loss__server_killed_in_mid_command),
        cmocka_unit_test(test_ssh_loss__command_that_ends_its_own_connection),
        cmocka_unit_test(test_ssh_loss__silence_is_noticed),
        cmocka_unit_test(test_ssh_loss__quiet_is_not_lost),
        cmocka_unit_test(test_ssh_loss__cut_at_any_moment),
    };

    return sshd_missing() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}

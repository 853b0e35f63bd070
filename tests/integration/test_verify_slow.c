/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of hosts that take long to answer, and then answer all at once: a relay before a real sshd
 * lets them wait. No more of them speak at a time than may be under way, and a cancel ends those that
 * wait, too. */
#include "support/ssh_client.h"

#include <poll.h>
#include <pthread.h>

#include "support/gpu_verification.h"

#define GATE_S 12 /* by then the one turn has gone to the third: each keeps it for five seconds */
#define SLOW "127.1.0.1:%d\n127.1.0.2:%d\n127.1.0.3:%d\n"

static int relay, relay_port;
static struct timespec opens; /* of the monotonic clock */

static void open_later(void)
{
    clock_gettime(CLOCK_MONOTONIC, &opens);
    opens.tv_sec += GATE_S;
}

static int loopback(struct sockaddr_in *a, in_addr_t address, int port)
{
    *a = (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(address)};
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Bytes in both directions, until one end closes. */
static void carry(const int *ends)
{
    struct pollfd wait[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
    char block[16384];

    while (poll(wait, 2, 60000) > 0) {
        for (int i = 0; i < 2; i++) {
            ssize_t n = wait[i].revents ? read(ends[i], block, sizeof(block)) : 0;

            if (wait[i].revents && (n <= 0 || write(ends[!i], block, (size_t)n) != n))
                return;
        }
    }
}

/* The host that is meant stays: gpu_host.sh sees it as its own address. */
static void *pass_on(void *data)
{
    struct sockaddr_in to, meant;
    socklen_t length = sizeof(meant);
    int ends[2] = {(int)(intptr_t)data, -1};

    getsockname(ends[0], (struct sockaddr *)&meant, &length);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &opens, NULL);
    ends[1] = loopback(&to, ntohl(meant.sin_addr.s_addr), server.port);
    if (connect(ends[1], (struct sockaddr *)&to, sizeof(to)) == 0)
        carry(ends);
    close(ends[0]);
    close(ends[1]);
    return NULL;
}

static void *take(void *data)
{
    pthread_t thread;
    int fd;

    while ((fd = accept(relay, NULL, NULL)) >= 0) {
        if (pthread_create(&thread, NULL, pass_on, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

static pthread_t taker;

static int begin(void **state)
{
    struct sockaddr_in a;
    socklen_t length = sizeof(a);
    char line[1200];

    if (gpuc_context_new(&context, NULL) || !sshd_make(&server, NULL, NULL))
        return -1;
    relay = loopback(&a, INADDR_ANY, 0);
    assert_int_equal(bind(relay, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(relay, 16), 0);
    getsockname(relay, (struct sockaddr *)&a, &length);
    relay_port = ntohs(a.sin_port);
    gpu_hosts_force();
    snprintf(line, sizeof(line), "[127.1.*]:%d %s\n[127.1.*]:%d %s\n", server.port, server.host_key,
             relay_port, server.host_key);
    put_file("known_hosts", line);
    gpu_hosts_answers();
    if (pthread_create(&taker, NULL, take, NULL) != 0)
        return -1;
    return sshd_launch(&server) ? 0 : -1;
}

static int end(void **state)
{
    shutdown(relay, SHUT_RDWR);
    pthread_join(taker, NULL);
    close(relay);
    return tear_down(state);
}

static gpuc_verification *slow_ones(const char *fault)
{
    gpuc_verification *v = verification(SLOW, relay_port, relay_port, relay_port);
    char name[32];

    for (int i = 1; i <= 3; i++) {
        snprintf(name, sizeof(name), "127.1.0.%d", i);
        put_file(name, fault);
    }
    gpuc_verification_set(v, "parallel", "1", NULL);
    open_later();
    return v;
}

static void test_verify_slow__one_speaks_at_a_time(void **state)
{
    char message[600], late[200];
    json_t *root;
    int code;

    root = run(slow_ones("late\n"), &code, message, sizeof(message));
    if (code != GPUC_OK)
        fail_msg("%s", message);
    assert_int_equal(json_array_size(json_object_get(root, "machines")), 3);
    read_text(sshd_path(&server, "late"), late, sizeof(late));
    assert_string_equal(late, "begin\nend\nbegin\nend\nbegin\nend\n");
    json_decref(root);
}

/* One says nothing more, and the others wait for it. */
static void test_verify_slow__cancelled(void **state)
{
    gpuc_verification *v = slow_ones("hang\n");
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    struct timespec now;

    assert_int_equal(gpuc_verification_start(&op, v, NULL), GPUC_OK);
    do {
        gpuc_context_run(context, 100, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < opens.tv_sec + 4);
    gpuc_op_cancel(op);
    assert_int_equal(gpuc_op_wait(op, 20000, &error), GPUC_ECANCELLED);
    assert_contains(gpuc_error_message(error), "after 0 of 3 machines");
    gpuc_error_unref(error);
    gpuc_op_unref(op);
    gpuc_verification_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_slow__one_speaks_at_a_time),
        cmocka_unit_test(test_verify_slow__cancelled),
    };

    if (sshd_missing())
        return 0;
    return cmocka_run_group_tests(tests, begin, end);
}

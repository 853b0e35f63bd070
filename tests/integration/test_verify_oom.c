/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of hosts over a real sshd when memory ends at any time, for good or for once: it comes to
 * its end, says so, and the next one is well. */
#include "support/ssh_client.h"

#include "support/gpu_verification.h"

#include <stdatomic.h>

#define POINTS 24 /* over all allocations of a good run */

/* libssh2 1.10 forgets a key of libcrypto's where a key exchange ends for want of memory. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libcrypto.so";
}

static atomic_long count;
static atomic_long first = -1, last = -1; /* allocations that fail; -1: none */

static bool fails(void)
{
    long n = count++;

    return first >= 0 && n >= first && n <= last;
}

static void *failing_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

static void *failing_realloc(void *memory, size_t size)
{
    return fails() ? NULL : realloc(memory, size);
}

static int begin(void **state)
{
    static const gpuc_allocator allocator = {failing_malloc, failing_realloc, free};
    char line[2048];

    gpuc_set_allocator(&allocator);
    if (gpuc_context_new(&context, NULL) || !sshd_make(&server, NULL, NULL))
        return -1;
    gpu_hosts_force();
    snprintf(line, sizeof(line), "[127.1.*]:%d %s\n", server.port, server.host_key);
    put_file("known_hosts", line);
    gpu_hosts_answers();
    return sshd_launch(&server) ? 0 : -1;
}

static int end(void **state)
{
    int rc = tear_down(state);

    gpuc_set_allocator(NULL);
    return rc;
}

/* libssh2 may drop a packet that it has no memory for, and its answer then never comes: the look's own
 * deadline is not waited for. */
static int outcome_of(gpuc_op *op, int ms, gpuc_error **err)
{
    int rc = gpuc_op_wait(op, ms, err);

    if (gpuc_op_state(op) != GPUC_OP_RUNNING)
        return rc;
    assert_int_equal(ms, 4000);
    gpuc_error_unref(*err);
    *err = NULL;
    gpuc_op_cancel(op);
    rc = gpuc_op_wait(op, 60000, err);
    assert_int_equal(rc, GPUC_ECANCELLED);
    return rc;
}

/* Hosts that take turns, and the allocations from..to fail. The operation's code. */
static int verify(long from, long to)
{
    gpuc_verification *v = verification("127.1.0.1\n127.1.0.2\n127.1.0.3\n127.1.0.4");
    gpuc_op *op = NULL;
    gpuc_error *error = NULL;
    int rc;

    assert_int_equal(gpuc_verification_set(v, "parallel", "2", NULL), GPUC_OK);
    count = 0;
    last = to;
    first = from;
    rc = gpuc_verification_start(&op, v, &error);
    if (rc == GPUC_OK)
        rc = outcome_of(op, from == to ? 4000 : 60000, &error);
    first = -1;
    assert_true(rc == GPUC_OK || (error && gpuc_error_code(error) == rc));
    gpuc_error_unref(error);
    gpuc_op_unref(op);
    gpuc_verification_unref(v);
    return rc;
}

static long allocations_of_a_good_run(void)
{
    assert_int_equal(verify(-1, -1), GPUC_OK);
    return count;
}

static void test_verify_oom__for_good(void **state)
{
    long all = allocations_of_a_good_run();

    for (long i = 0; i < POINTS; i++) /* no two runs have the same number of them */
        assert_int_equal(verify(all * 9 / 10 * i / POINTS, LONG_MAX), GPUC_ENOMEM);
    assert_int_equal(verify(-1, -1), GPUC_OK);
}

/* Where one host could not be looked at for it, the host has failed, or all of it ends. */
static void test_verify_oom__for_once(void **state)
{
    long all = allocations_of_a_good_run();
    int failed = 0;

    for (long i = 0; i < POINTS / 2; i++) {
        long at = all * 2 * i / POINTS + i;
        int rc = verify(at, at);

        if (rc && rc != GPUC_ENOMEM && rc != GPUC_EPROOF && rc != GPUC_ECANCELLED)
            fail_msg("allocation %ld of %ld: %d", at, all, rc);
        failed += rc != GPUC_OK;
    }
    assert_true(failed > POINTS / 8);
    assert_int_equal(verify(-1, -1), GPUC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_oom__for_good),
        cmocka_unit_test(test_verify_oom__for_once),
    };

    if (sshd_missing())
        return 0;
    return cmocka_run_group_tests(tests, begin, end);
}

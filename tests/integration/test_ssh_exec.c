/* SPDX-License-Identifier: Apache-2.0 */
/* Commands over a real sshd. */
#include "support/ssh_client.h"

static void test_ssh_exec__outputs_and_status(void **state)
{
    gpuc__ssh *ssh = client();
    result r;

    exec_wait(ssh, "echo to-stdout; echo to-stderr >&2; exit 7", &r);
    assert_null(r.message);
    assert_int_equal(r.status, 7);
    assert_string_equal(r.out, "to-stdout\n");
    assert_string_equal(r.errout, "to-stderr\n");
    assert_string_equal(gpuc__ssh_host_key(ssh), server.host_key);
    assert_false(gpuc__ssh_trusted_first_use(ssh));
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__signal_is_128_plus_n(void **state)
{
    gpuc__ssh *ssh = client();
    result r;

    exec_wait(ssh, "kill -TERM $$", &r);
    assert_null(r.message);
    assert_int_equal(r.status, 128 + SIGTERM);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__done_never_comes_inside_the_call(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0};

    exec_start(ssh, "true", &r);
    assert_int_equal(r.done, 0);
    assert_true(wait_for(&r.done, 1));
    turn_for(100);
    assert_int_equal(r.done, 1);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__no_input_is_an_empty_one(void **state)
{
    gpuc__ssh *ssh = client();
    result r;

    exec_wait(ssh, "cat; echo end", &r);
    assert_string_equal(r.out, "end\n");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__big_input_and_output(void **state)
{
    enum { SIZE = 8 * 1024 * 1024 };
    gpuc__ssh *ssh = client();
    result r = {0};
    char *input = malloc(SIZE);

    for (size_t i = 0; i < SIZE; i++)
        input[i] = (char)((i * 2654435761u) >> 13);
    gpuc__ssh_exec(ssh, &(gpuc__ssh_exec_args){.command = "cat", .input = input,
                                               .input_length = SIZE, .output_max = SIZE,
                                               .done = on_exec, .data = &r});
    assert_true(wait_for(&r.done, 1));
    assert_null(r.message);
    assert_int_equal(r.out_length, SIZE);
    assert_memory_equal(r.out, input, SIZE);
    free(input);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__a_command_need_not_read_its_input(void **state)
{
    enum { SIZE = 4 * 1024 * 1024 };
    gpuc__ssh *ssh = client();
    result r = {0};
    char *input = calloc(1, SIZE);

    gpuc__ssh_exec(ssh, &(gpuc__ssh_exec_args){.command = "echo early; exit 4", .input = input,
                                               .input_length = SIZE, .done = on_exec, .data = &r});
    assert_true(wait_for(&r.done, 1));
    assert_null(r.message);
    assert_int_equal(r.status, 4);
    assert_string_equal(r.out, "early\n");
    free(input);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__too_much_output_is_an_error(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0};

    gpuc__ssh_exec(ssh, &(gpuc__ssh_exec_args){.command = "yes", .output_max = 100000,
                                               .done = on_exec, .data = &r});
    assert_true(wait_for(&r.done, 1));
    assert_int_equal(r.code, GPUC_ELIMIT);
    assert_contains(r.message, "100000");
    assert_contains(r.message, "yes");
    assert_string_equal(r.machine, "gpu-1");
    result_clear(&r);
    exec_wait(ssh, "echo the connection still works", &r);
    assert_int_equal(r.status, 0);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__a_stream_gets_everything_and_done_the_tail(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0};

    gpuc__ssh_exec(ssh, &(gpuc__ssh_exec_args){
                            .command = "i=0; while [ $i -lt 20000 ]; do echo line $i; "
                                       "i=$((i+1)); done",
                            .output_max = 100, .output = on_output, .done = on_exec, .data = &r});
    assert_true(wait_for(&r.done, 1));
    assert_null(r.message);
    assert_int_equal(r.streamed, 208890);
    assert_int_equal(r.out_length, 100);
    assert_contains(r.out, "line 19999\n");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__deadline(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0};

    gpuc__ssh_exec(ssh, &(gpuc__ssh_exec_args){.command = "sleep 20", .timeout_ms = 700,
                                               .done = on_exec, .data = &r});
    assert_true(wait_for(&r.done, 1));
    assert_int_equal(r.code, GPUC_ETIMEDOUT);
    assert_contains(r.message, "sleep 20");
    assert_non_null(r.remedy);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__fifty_at_once_on_one_connection(void **state)
{
    gpuc__ssh *ssh = client();
    result r[50] = {{0}};
    char command[64], expected[16];

    for (int i = 0; i < 50; i++) {
        snprintf(command, sizeof(command), "sleep 0.1; echo %d; exit %d", i, i);
        exec_start(ssh, command, &r[i]);
    }
    for (int i = 0; i < 50; i++) {
        assert_true(wait_for(&r[i].done, 1));
        assert_null(r[i].message);
        assert_int_equal(r[i].status, i);
        snprintf(expected, sizeof(expected), "%d\n", i);
        assert_string_equal(r[i].out, expected);
        result_clear(&r[i]);
    }
    gpuc__ssh_unref(ssh);
}

static void few_sessions(gpuc__ssh_config *config)
{
    config->machine = "few";
}

static void test_ssh_exec__a_server_that_allows_two_sessions_gets_two(void **state)
{
    test_sshd small;
    gpuc__ssh *ssh;
    result r[9] = {{0}};

    assert_true(sshd_make(&small, NULL, "MaxSessions 2") && sshd_launch(&small));
    ssh = client_with(&small, few_sessions);
    for (int i = 0; i < 9; i++)
        exec_start(ssh, "sleep 0.05; echo fine", &r[i]);
    for (int i = 0; i < 9; i++) {
        assert_true(wait_for(&r[i].done, 1));
        assert_null(r[i].message);
        assert_string_equal(r[i].out, "fine\n");
        result_clear(&r[i]);
    }
    gpuc__ssh_unref(ssh);
    sshd_stop(&small);
}

static void test_ssh_exec__cancel(void **state)
{
    gpuc__ssh *ssh = client();
    result r = {0}, other = {0};
    gpuc__ssh_op *op = exec_start(ssh, "sleep 20", &r);

    turn_for(300);
    gpuc__ssh_op_cancel(op);
    assert_int_equal(r.done, 0); /* later, never inside */
    assert_true(wait_for(&r.done, 1));
    assert_int_equal(r.code, GPUC_ECANCELLED);
    exec_wait(ssh, "echo next", &other);
    assert_string_equal(other.out, "next\n");
    result_clear(&r);
    result_clear(&other);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_exec__cancelled_at_any_moment(void **state)
{
    result r;

    for (int i = 0; i < 30; i++) {
        gpuc__ssh *ssh = client();
        uint64_t end = gpuc__clock_ms() + (uint64_t)(i * 4);
        gpuc__ssh_op *op;

        memset(&r, 0, sizeof(r));
        op = exec_start(ssh, "echo a; sleep 5", &r);
        do
            gpuc_context_run(context, 1, NULL);
        while (gpuc__clock_ms() < end);
        if (i % 3 == 0)
            gpuc__ssh_close(ssh);
        else
            gpuc__ssh_op_cancel(op);
        if (i % 2)
            gpuc__ssh_unref(ssh);
        assert_true(wait_for(&r.done, 1));
        assert_int_equal(r.code, GPUC_ECANCELLED);
        result_clear(&r);
        if (i % 2 == 0)
            gpuc__ssh_unref(ssh);
    }
}

static gpuc__ssh *again_ssh;

static void on_again(void *data, int status, const char *out, size_t out_length, const char *errout,
                     size_t errout_length, gpuc_error *error)
{
    result *r = data;

    r->done++;
    gpuc_error_unref(error);
    if (r->done < 5)
        gpuc__ssh_exec(again_ssh, &(gpuc__ssh_exec_args){.command = "true", .done = on_again,
                                                         .data = r});
    else
        gpuc__ssh_unref(again_ssh);
}

static void test_ssh_exec__callbacks_may_start_and_let_go(void **state)
{
    result r = {0};

    again_ssh = client();
    gpuc__ssh_exec(again_ssh,
                   &(gpuc__ssh_exec_args){.command = "true", .done = on_again, .data = &r});
    assert_true(wait_for(&r.done, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_exec__outputs_and_status),
        cmocka_unit_test(test_ssh_exec__signal_is_128_plus_n),
        cmocka_unit_test(test_ssh_exec__done_never_comes_inside_the_call),
        cmocka_unit_test(test_ssh_exec__no_input_is_an_empty_one),
        cmocka_unit_test(test_ssh_exec__big_input_and_output),
        cmocka_unit_test(test_ssh_exec__a_command_need_not_read_its_input),
        cmocka_unit_test(test_ssh_exec__too_much_output_is_an_error),
        cmocka_unit_test(test_ssh_exec__a_stream_gets_everything_and_done_the_tail),
        cmocka_unit_test(test_ssh_exec__deadline),
        cmocka_unit_test(test_ssh_exec__fifty_at_once_on_one_connection),
        cmocka_unit_test(test_ssh_exec__a_server_that_allows_two_sessions_gets_two),
        cmocka_unit_test(test_ssh_exec__cancel),
        cmocka_unit_test(test_ssh_exec__cancelled_at_any_moment),
        cmocka_unit_test(test_ssh_exec__callbacks_may_start_and_let_go),
    };

    return sshd_missing() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}

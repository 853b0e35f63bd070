/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a verification: what is refused before anything is contacted. */
#include "util_test.h"

#include <unistd.h>

static gpuc_context *context;
static gpuc_verification *v;

static int set_up(void **state)
{
    return gpuc_context_new(&context, NULL) || gpuc_verification_new(&v, context, NULL);
}

static int tear_down(void **state)
{
    gpuc_verification_unref(v);
    gpuc_context_unref(context);
    return 0;
}

static void refused(int rc, int code, gpuc_error *error, const char *part)
{
    assert_int_equal(rc, code);
    if (!strstr(gpuc_error_message(error), part))
        fail_msg("\"%s\" does not contain \"%s\"", gpuc_error_message(error), part);
    gpuc_error_unref(error);
}

static void set_refused(const char *key, const char *value, const char *part)
{
    gpuc_error *error = NULL;
    int rc = gpuc_verification_set(v, key, value, &error);

    refused(rc, GPUC_EINVAL, error, part);
}

static void set(const char *key, const char *value)
{
    assert_int_equal(gpuc_verification_set(v, key, value, NULL), GPUC_OK);
}

static void start_refused(int code, const char *part)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    int rc = gpuc_verification_start(&op, v, &error);

    refused(rc, code, error, part);
    assert_null(op);
}

static void add(const char *text)
{
    assert_int_equal(gpuc_verification_add_hosts(v, text, NULL, NULL), GPUC_OK);
}

static void test_verification__settings(void **state)
{
    set_refused("idenity", "x", "did you mean \"identity\"");
    set_refused("parallel", "0", "no number from 1 to 1000");
    set_refused("parallel", "many", "no number from 1 to 1000");
    set_refused("port", "70000", "no number from 1 to 65535");
    set_refused("gpus", "-1", "no number");
    set_refused("agent", "yes", "neither true nor false");
    set_refused("jump", "a b", "jump:1: ");
    set_refused("jump", "host:99999", "jump:1: ");
    set_refused("jump", "one\ntwo", "not one");
    set_refused("jump", "one gpus=1", "not one");
    set("jump", "me@gate:2222");
    set("parallel", "1000");
    set("agent", "");
}

static void test_verification__nothing_to_do(void **state)
{
    start_refused(GPUC_EINVAL, "there is no host");
    add("# none\n");
    start_refused(GPUC_EINVAL, "there is no host");
}

static void test_verification__host_twice(void **state)
{
    gpuc_error *error = NULL;
    int rc;

    add("gpu-1");
    rc = gpuc_verification_add_hosts(v, "\ngpu-1", "fleet.txt", &error);
    refused(rc, GPUC_EINVAL, error, "fleet.txt:2: the host gpu-1");
}

static void test_verification__key_that_is_none(void **state)
{
    add("gpu-1");
    set("identity", "/no/such/key");
    start_refused(GPUC_ENOTFOUND, "/no/such/key");
    set("identity", "/dev/null");
    start_refused(GPUC_EINVAL, "/dev/null");
}

/* Neither an agent nor a key at home. */
static void test_verification__no_key_at_all(void **state)
{
    char home[] = "/tmp/gpuc-home.XXXXXX";

    assert_non_null(mkdtemp(home));
    setenv("HOME", home, 1);
    unsetenv("SSH_AUTH_SOCK");
    add("gpu-1");
    start_refused(GPUC_EAUTH, "no key to log in with");
    rmdir(home);
}

static void test_verification__password_that_is_not_set(void **state)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    int rc;

    unsetenv("NO_SUCH_VARIABLE");
    add("127.0.0.1:1");
    set("agent", "true");
    set("sudo_password_env", "NO_SUCH_VARIABLE");
    assert_int_equal(gpuc_verification_start(&op, v, NULL), GPUC_OK);
    rc = gpuc_op_wait(op, 10000, &error);
    refused(rc, GPUC_EINVAL, error, "NO_SUCH_VARIABLE");
    gpuc_op_unref(op);
}

static void test_verification__arguments(void **state)
{
    gpuc_verification *other = NULL;
    gpuc_report *report = NULL;
    gpuc_op *op = NULL;

    assert_int_equal(gpuc_verification_new(NULL, context, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_new(&other, NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_add_hosts(NULL, "a", NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_add_hosts(v, NULL, NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_set(v, NULL, "a", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_set(v, "user", NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_start(NULL, v, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_start(&op, NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_verification_run(&report, NULL, NULL), GPUC_EINVAL);
    assert_null(gpuc_verification_unref(NULL));
    assert_null(gpuc_verification_unref(gpuc_verification_ref(v)));
}

/* Each allocation failing in turn, until it starts. */
static void test_verification__without_memory(void **state)
{
    int rc = GPUC_ENOMEM;

    add("me@127.0.0.1:1\nme@127.0.0.2:1");
    set("agent", "true");
    for (int n = 0; rc == GPUC_ENOMEM && n < 500; n++) {
        gpuc_op *op = NULL;

        allow_allocations(n);
        rc = gpuc_verification_start(&op, v, NULL);
        allow_allocations(-1);
        if (op)
            gpuc_op_cancel(op);
        if (op)
            gpuc_op_wait(op, 10000, NULL);
        gpuc_op_unref(op);
    }
    assert_int_equal(rc, GPUC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verification__settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verification__nothing_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verification__host_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verification__key_that_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verification__no_key_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verification__password_that_is_not_set, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_verification__arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verification__without_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The context: running it, being run by a host's loop, tasks, logs and secrets. */
#include "graph_fake.h"
#include "support/clock.h"

#include <poll.h>
#include <pthread.h>

static gpuc_context *fresh(void)
{
    gpuc_context *context = NULL;

    ASSERT_OK(gpuc_context_new(&context, NULL));
    return context;
}

static void count(void *data)
{
    ++*(int *)data;
}

static void test_context__run_is_bounded(void **state)
{
    gpuc_context *context = fresh();
    uint64_t start = gpuc__clock_ms();

    ASSERT_OK(gpuc_context_run(context, 30, NULL));
    assert_in_range(gpuc__clock_ms() - start, 25, 5000);
    start = gpuc__clock_ms();
    ASSERT_OK(gpuc_context_process(context, NULL));
    ASSERT_OK(gpuc_context_run(context, 0, NULL));
    assert_in_range(gpuc__clock_ms() - start, 0, 1000);
    assert_int_equal(gpuc_context_run(context, -2, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_context_run(NULL, 0, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_context_new(NULL, NULL), GPUC_EINVAL);
    gpuc_context_unref(context);
}

static void *wake(void *data)
{
    usleep(20000);
    gpuc_context_wakeup(data);
    return NULL;
}

/* Where the time is over before the loop has polled, nothing else would end the poll. */
static void test_context__run_is_bounded_on_a_busy_machine(void **state)
{
    gpuc_context *context = NULL;

    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    alarm(20);
    clock_step_ms = 5;
    for (int i = 0; i < 10; i++)
        assert_int_equal(gpuc_context_run(context, 2, NULL), GPUC_OK);
    clock_step_ms = 0;
    alarm(0);
    gpuc_context_unref(context);
}

static void test_context__wakeup_from_another_thread(void **state)
{
    gpuc_context *context = fresh();
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, wake, context), 0);
    ASSERT_OK(gpuc_context_run(context, -1, NULL)); /* without it: for ever */
    pthread_join(thread, NULL);
    /* One that comes before the wait is not lost. */
    gpuc_context_wakeup(context);
    ASSERT_OK(gpuc_context_run(context, -1, NULL));
    gpuc_context_unref(context);
}

/* A host that only polls the descriptor for the time it was told must miss nothing. */
static int host_turns(gpuc_context *context, const int *until, int limit)
{
    int turns = 0;

    while (*until == 0 && turns < limit) {
        struct pollfd fd = {.fd = gpuc_context_fd(context), .events = POLLIN};

        turns++;
        assert_true(poll(&fd, 1, gpuc_context_timeout(context)) >= 0);
        ASSERT_OK(gpuc_context_process(context, NULL));
    }
    return turns;
}

static void test_context__host_loop_sees_deferred_work(void **state)
{
    gpuc_context *context = fresh();
    int done = 0;

    ASSERT_OK(gpuc_context_process(context, NULL));
    ASSERT_OK(gpuc__context_defer(context, count, &done));
    assert_int_equal(done, 0); /* never inside the call */
    assert_int_equal(gpuc_context_timeout(context), 0);
    assert_in_range(host_turns(context, &done, 10), 1, 2);
    ASSERT_OK(gpuc_context_process(context, NULL));
    assert_int_equal(gpuc_context_timeout(context), -1); /* idle: no limit */
    gpuc_context_unref(context);
}

static void on_timer(uv_timer_t *timer)
{
    count(timer->data);
}

static void test_context__host_loop_sees_timers_and_threads(void **state)
{
    gpuc_context *context = fresh();
    uv_timer_t timer;
    pthread_t thread;
    int fired = 0;
    struct pollfd fd = {.fd = gpuc_context_fd(context), .events = POLLIN};

    uv_timer_init(gpuc__context_loop(context), &timer);
    timer.data = &fired;
    uv_timer_start(&timer, on_timer, 15, 0);
    assert_in_range(gpuc_context_timeout(context), 0, 16);
    host_turns(context, &fired, 50);
    assert_int_equal(fired, 1);
    uv_close((uv_handle_t *)&timer, NULL);
    assert_int_equal(gpuc_context_timeout(context), 0); /* a handle that closes needs a turn */
    ASSERT_OK(gpuc_context_process(context, NULL));
    assert_int_equal(pthread_create(&thread, NULL, wake, context), 0);
    assert_int_equal(poll(&fd, 1, 5000), 1);
    pthread_join(thread, NULL);
    gpuc_context_unref(context);
}

typedef struct nested {
    gpuc_context *context;
    int rc, destroyed, calls;
    char last[512];
} nested;

static void nested_destroy(void *userdata)
{
    ((nested *)userdata)->destroyed++;
}

static void nested_event(gpuc_context *context, gpuc_event *event, void *userdata)
{
    nested *n = userdata;

    n->calls++;
    n->rc = gpuc_context_run(context, 0, NULL);
    assert_int_equal(gpuc_context_process(context, NULL), GPUC_ESTATE);
    gpuc_context_set_event(context, NULL, NULL, NULL); /* replaces itself while it runs */
    assert_int_equal(n->destroyed, 0);
}

static void test_context__running_it_in_a_callback_is_refused(void **state)
{
    nested n = {.context = fresh()};

    gpuc_context_set_event(n.context, nested_event, &n, nested_destroy);
    gpuc__context_emit(n.context, gpuc__event_new(GPUC_EVENT_NOTICE, NULL, NULL, "x"));
    assert_int_equal(n.calls, 1);
    assert_int_equal(n.rc, GPUC_ESTATE);
    assert_int_equal(n.destroyed, 1);
    ASSERT_OK(gpuc_context_process(n.context, NULL));
    gpuc_context_unref(n.context);
}

static void run_inside(void *data)
{
    nested *n = data;

    n->rc = gpuc_context_run(n->context, 0, NULL);
}

static void test_context__running_it_in_itself_is_refused(void **state)
{
    nested n = {.context = fresh()};

    ASSERT_OK(gpuc__context_defer(n.context, run_inside, &n));
    ASSERT_OK(gpuc_context_process(n.context, NULL));
    assert_int_equal(n.rc, GPUC_ESTATE);
    gpuc_context_unref(n.context);
}

static void keep_line(gpuc_context *context, int level, const char *category, const char *message,
                      void *userdata)
{
    nested *n = userdata;

    n->calls++;
    snprintf(n->last, sizeof(n->last), "%d %s %s", level, category, message);
    gpuc__log(context, GPUC_LOG_ERROR, "again", "inside"); /* does not recurse */
}

static void test_context__log_lines_are_clean(void **state)
{
    nested n = {.context = fresh()};

    gpuc_context_set_log(n.context, keep_line, GPUC_LOG_INFO, &n, nested_destroy);
    gpuc__log(n.context, GPUC_LOG_DEBUG, "ssh", "not wanted");
    assert_int_equal(n.calls, 0);
    gpuc__log(n.context, GPUC_LOG_WARN, "ssh", "a\nb\x1b[31m\t\xff\xc3\xa9%s", "!");
    assert_string_equal(n.last, "1 ssh a\\nb\\x1b[31m\\t\\xff\xc3\xa9!");
    assert_int_equal(n.calls, 1);
    gpuc_context_set_log(n.context, NULL, 0, NULL, NULL);
    assert_int_equal(n.destroyed, 1);
    gpuc__log(n.context, GPUC_LOG_ERROR, "ssh", "nobody hears");
    assert_int_equal(n.calls, 1);
    gpuc_context_unref(n.context);
}

static void test_context__secrets_are_redacted(void **state)
{
    static const char key[] =
        "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\nshort\n-----END KEY-----\n";
    nested n = {.context = fresh()};
    gpuc_event *event = NULL;
    char *text;

    gpuc_context_set_log(n.context, keep_line, GPUC_LOG_DEBUG, &n, NULL);
    ASSERT_OK(gpuc__context_add_secret(n.context, "abcdef.0123456789abcdef", NULL));
    ASSERT_OK(gpuc__context_add_secret(n.context, "abcdef", NULL));
    ASSERT_OK(gpuc__context_add_secret(n.context, "abcdef", NULL));
    ASSERT_OK(gpuc__context_add_secret(n.context, "", NULL));
    ASSERT_OK(gpuc__context_add_secret(n.context, key, NULL));
    gpuc__log(n.context, GPUC_LOG_INFO, "x", "token abcdef.0123456789abcdef, id abcdef.");
    assert_string_equal(n.last, "2 x token [redacted], id [redacted].");
    gpuc__log(n.context, GPUC_LOG_INFO, "x", "key: %s end", key);
    assert_string_equal(n.last, "2 x key: [redacted] end");
    gpuc__log(n.context, GPUC_LOG_INFO, "x", "line MC4CAQAwBQYDK2VwBCIEIJ short");
    assert_string_equal(n.last, "2 x line [redacted] short");
    gpuc__context_emit(n.context, gpuc__event_new(GPUC_EVENT_NOTICE, "m", "s", "say abcdef"));
    assert_int_equal(gpuc_context_next_event(n.context, &event), 1);
    assert_string_equal(gpuc_event_message(event), "say [redacted]");
    gpuc_event_unref(event);
    gpuc__context_drop_secret(n.context, NULL);
    gpuc__context_drop_secret(n.context, "unknown");
    gpuc__context_drop_secret(n.context, "abcdef.0123456789abcdef");
    gpuc__log(n.context, GPUC_LOG_INFO, "x", "token abcdef.0123456789abcdef");
    assert_string_equal(n.last, "2 x token [redacted].0123456789[redacted]");
    text = gpuc__context_redact(n.context, "nothing here");
    assert_string_equal(text, "nothing here");
    gpuc__free(text);
    gpuc_context_unref(n.context);
}

static void post_again(void *data)
{
    nested *n = data;

    n->calls++;
}

static void test_context__posted_tasks_can_be_taken_back(void **state)
{
    nested n = {.context = fresh()};
    gpuc__task a = {.fn = post_again, .data = &n}, b = a, c = a;

    gpuc__context_post(n.context, &a);
    gpuc__context_post(n.context, &b);
    gpuc__context_post(n.context, &b);
    gpuc__context_post(n.context, &c);
    gpuc__context_unpost(n.context, &b);
    gpuc__context_unpost(n.context, &b);
    ASSERT_OK(gpuc_context_process(n.context, NULL));
    assert_int_equal(n.calls, 2);
    gpuc_context_unref(n.context);
}

static void test_context__dies_with_handles_open(void **state)
{
    gpuc_context *context = fresh();
    uv_timer_t timer;
    int done = 0;

    uv_timer_init(gpuc__context_loop(context), &timer);
    uv_timer_start(&timer, on_timer, 100000, 0);
    ASSERT_OK(gpuc__context_defer(context, count, &done));
    assert_null(gpuc_context_unref(gpuc_context_ref(context)));
    gpuc_context_unref(context);
    assert_int_equal(done, 1);
    assert_null(gpuc_context_unref(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_context__run_is_bounded),
        cmocka_unit_test(test_context__run_is_bounded_on_a_busy_machine),
        cmocka_unit_test(test_context__wakeup_from_another_thread),
        cmocka_unit_test(test_context__host_loop_sees_deferred_work),
        cmocka_unit_test(test_context__host_loop_sees_timers_and_threads),
        cmocka_unit_test(test_context__running_it_in_a_callback_is_refused),
        cmocka_unit_test(test_context__running_it_in_itself_is_refused),
        cmocka_unit_test(test_context__log_lines_are_clean),
        cmocka_unit_test(test_context__secrets_are_redacted),
        cmocka_unit_test(test_context__posted_tasks_can_be_taken_back),
        cmocka_unit_test(test_context__dies_with_handles_open),
    };

    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}

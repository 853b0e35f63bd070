/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: one completion each, cancel and release from any thread. */
#include "graph_fake.h"

#include <poll.h>
#include <pthread.h>

typedef struct work {
    gpuc_op *op;
    int cancels, frees, dones, destroyed, wait_rc;
} work;

static void work_cancel(gpuc_op *op, void *data)
{
    gpuc_error *error = NULL;

    ((work *)data)->cancels++;
    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "cancelled as asked");
    gpuc__op_complete(op, error);
}

static void work_free(void *data)
{
    ((work *)data)->frees++;
}

static const gpuc__op_class work_class = {"work", work_cancel, work_free};

static gpuc_context *start(work *w)
{
    gpuc_context *context = NULL;

    memset(w, 0, sizeof(*w));
    ASSERT_OK(gpuc_context_new(&context, NULL));
    ASSERT_OK(gpuc__op_new(&w->op, context, &work_class, w, NULL));
    return context;
}

static void on_done(gpuc_op *op, void *userdata)
{
    work *w = userdata;

    w->dones++;
    w->wait_rc = gpuc_op_wait(op, -1, NULL); /* complete: answers at once, even here */
}

static void on_destroy(void *userdata)
{
    ((work *)userdata)->destroyed++;
}

static void complete_later(void *data)
{
    gpuc__op_complete(((work *)data)->op, NULL);
}

static void test_op__completes_once(void **state)
{
    work w;
    gpuc_context *context = start(&w);
    gpuc_error *error = NULL;
    gpuc_event *event;
    int events = 0;

    assert_int_equal(gpuc_op_state(w.op), GPUC_OP_RUNNING);
    assert_int_equal(gpuc_op_id(w.op), 1);
    gpuc_op_set_done(w.op, on_done, &w, on_destroy);
    gpuc__op_complete(w.op, NULL);
    assert_int_equal(w.dones, 0); /* never inside the call */
    gpuc__error_set(&error, GPUC_EIO, GPUC_DOMAIN_NONE, "too late");
    gpuc__op_complete(w.op, error);
    ASSERT_OK(gpuc_op_wait(w.op, -1, NULL));
    ASSERT_OK(gpuc_context_process(context, NULL));
    assert_int_equal(w.dones, 1);
    assert_int_equal(w.destroyed, 1);
    assert_int_equal(gpuc_op_state(w.op), GPUC_OP_DONE);
    assert_null(gpuc_op_error(w.op));
    assert_null(gpuc_op_plan(w.op));
    assert_null(gpuc_op_report(w.op));
    while (gpuc_context_next_event(context, &event)) {
        events += gpuc_event_kind(event) == GPUC_EVENT_OP_DONE;
        gpuc_event_unref(event);
    }
    assert_int_equal(events, 1);
    gpuc_op_unref(w.op);
    assert_int_equal(w.frees, 1);
    gpuc_context_unref(context);
}

static void test_op__callback_set_late_is_called(void **state)
{
    work w;
    gpuc_context *context = start(&w);

    ASSERT_OK(gpuc__context_defer(context, complete_later, &w));
    ASSERT_OK(gpuc_op_wait(w.op, 1000, NULL));
    gpuc_op_set_done(w.op, on_done, &w, on_destroy);
    assert_int_equal(w.dones, 0);
    ASSERT_OK(gpuc_context_run(context, 1000, NULL));
    assert_int_equal(w.dones, 1);
    assert_int_equal(w.wait_rc, GPUC_OK);
    gpuc_op_unref(w.op);
    gpuc_context_unref(context);
    assert_int_equal(w.destroyed, 1);
}

static void test_op__wait_gives_the_error_or_times_out(void **state)
{
    work w;
    gpuc_context *context = start(&w);
    gpuc_error *error = NULL;

    assert_int_equal(gpuc_op_wait(w.op, 10, &error), GPUC_ETIMEDOUT);
    error = gpuc_error_unref(error);
    ASSERT_OK(gpuc__context_add_secret(context, "hunter2", NULL));
    gpuc__error_set(&error, GPUC_EAUTH, GPUC_DOMAIN_SSH, "password hunter2 was refused");
    gpuc__op_complete(w.op, error);
    error = NULL;
    assert_int_equal(gpuc__op_finish(gpuc_op_ref(w.op), &error), GPUC_EAUTH);
    assert_string_equal(gpuc_error_message(error), "password [redacted] was refused");
    assert_ptr_equal(gpuc_op_error(w.op), error);
    assert_int_equal(gpuc_op_state(w.op), GPUC_OP_FAILED);
    gpuc_error_unref(error);
    gpuc_op_unref(w.op);
    gpuc_context_unref(context);
}

static void *cancel_thread(void *data)
{
    gpuc_op_cancel(data);
    gpuc_op_cancel(data);
    return NULL;
}

static void test_op__cancel_from_another_thread(void **state)
{
    work w;
    gpuc_context *context = start(&w);
    pthread_t thread;
    struct pollfd fd = {.fd = gpuc_context_fd(context), .events = POLLIN};

    ASSERT_OK(gpuc_context_process(context, NULL));
    assert_int_equal(pthread_create(&thread, NULL, cancel_thread, w.op), 0);
    assert_int_equal(poll(&fd, 1, 5000), 1); /* a host that only polls hears of it */
    assert_int_equal(gpuc_op_wait(w.op, 5000, NULL), GPUC_ECANCELLED);
    pthread_join(thread, NULL);
    assert_int_equal(gpuc_op_state(w.op), GPUC_OP_CANCELLED);
    gpuc_op_cancel(w.op);
    ASSERT_OK(gpuc_context_process(context, NULL));
    assert_int_equal(w.cancels, 1);
    gpuc_op_unref(w.op);
    gpuc_context_unref(context);
}

static void *unref_thread(void *data)
{
    gpuc_op_unref(data);
    return NULL;
}

static void test_op__released_elsewhere_is_freed_here(void **state)
{
    work w;
    gpuc_context *context = start(&w);
    pthread_t thread;

    gpuc__op_complete(w.op, NULL);
    ASSERT_OK(gpuc_op_wait(w.op, -1, NULL));
    assert_int_equal(pthread_create(&thread, NULL, unref_thread, w.op), 0);
    pthread_join(thread, NULL);
    assert_int_equal(w.frees, 0); /* not on that thread */
    ASSERT_OK(gpuc_context_process(context, NULL));
    assert_int_equal(w.frees, 1);
    gpuc_context_unref(context);
}

static void test_op__released_elsewhere_goes_with_the_context(void **state)
{
    work w;
    gpuc_context *context = start(&w);
    pthread_t thread;

    gpuc__op_complete(w.op, NULL);
    ASSERT_OK(gpuc_op_wait(w.op, -1, NULL));
    assert_int_equal(pthread_create(&thread, NULL, unref_thread, w.op), 0);
    pthread_join(thread, NULL);
    gpuc_context_unref(context); /* no turn of the loop any more */
    assert_int_equal(w.frees, 1);
}

static void test_op__runs_on_without_its_handle(void **state)
{
    work w;
    gpuc_context *context = start(&w);

    gpuc_op_unref(w.op);
    gpuc__op_set_progress(w.op, 1, 2, 30);
    assert_int_equal(w.frees, 0);
    ASSERT_OK(gpuc__context_defer(context, complete_later, &w));
    for (int i = 0; i < 4; i++)
        ASSERT_OK(gpuc_context_process(context, NULL));
    assert_int_equal(w.frees, 1);
    gpuc_context_unref(context);
}

static void test_op__tells_progress(void **state)
{
    work w;
    gpuc_context *context = start(&w);
    int done = -1, total = -1;
    int64_t left = 0;

    gpuc_op_progress(w.op, &done, &total, &left);
    assert_int_equal(left, -1);
    gpuc__op_set_progress(w.op, 3, 9, 1500);
    gpuc_op_progress(w.op, &done, &total, &left);
    gpuc_op_progress(w.op, NULL, NULL, NULL);
    assert_int_equal(done, 3);
    assert_int_equal(total, 9);
    assert_int_equal(left, 1500);
    gpuc__op_complete(w.op, NULL);
    assert_int_equal(gpuc__op_finish(w.op, NULL), GPUC_OK);
    gpuc_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_op__completes_once),
        cmocka_unit_test(test_op__callback_set_late_is_called),
        cmocka_unit_test(test_op__wait_gives_the_error_or_times_out),
        cmocka_unit_test(test_op__cancel_from_another_thread),
        cmocka_unit_test(test_op__released_elsewhere_is_freed_here),
        cmocka_unit_test(test_op__released_elsewhere_goes_with_the_context),
        cmocka_unit_test(test_op__runs_on_without_its_handle),
        cmocka_unit_test(test_op__tells_progress),
    };

    return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}

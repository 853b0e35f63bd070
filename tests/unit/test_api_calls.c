/* SPDX-License-Identifier: Apache-2.0 */
/* The public API from inside its own callbacks, and its handles dropped in every order. It uses nothing
 * but the public headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/api.h"

typedef struct caller {
    gpuc_context *context;
    gpuc_cluster *cluster;
    gpuc_job *job;
    gpuc_op *op;
    int events, logs, done;
} caller;

static void assert_state(int rc, gpuc_error **err)
{
    assert_int_equal(rc, GPUC_ESTATE);
    assert_int_equal(gpuc_error_code(*err), GPUC_ESTATE);
    *err = gpuc_error_unref(*err);
}

/* What runs the context is refused, before it has begun anything; the rest works. */
static void call_everything(caller *c)
{
    gpuc_error *error = NULL;
    gpuc_plan *plan = NULL;
    gpuc_report *report = NULL;
    char *text = NULL;

    assert_state(gpuc_context_run(c->context, 0, &error), &error);
    assert_state(gpuc_context_process(c->context, &error), &error);
    assert_state(gpuc_cluster_plan(&plan, c->cluster, 0, &error), &error);
    assert_state(gpuc_cluster_up(c->cluster, 0, &error), &error);
    assert_state(gpuc_cluster_verify(&report, c->cluster, 0, &error), &error);
    assert_state(gpuc_cluster_down(c->cluster, 0, &error), &error);
    assert_state(gpuc_job_run(c->job, &error), &error);
    assert_null(plan);
    assert_null(report);
    ASSERT_OK(gpuc_cluster_status(&text, c->cluster, NULL));
    gpuc_free(text);
    gpuc_context_wakeup(c->context);
}

static void on_event(gpuc_context *context, gpuc_event *event, void *userdata)
{
    ((caller *)userdata)->events++;
    call_everything(userdata);
}

static void on_log(gpuc_context *context, int level, const char *category, const char *message,
                   void *userdata)
{
    caller *c = userdata;

    c->logs++;
    assert_int_equal(gpuc_context_run(context, 0, NULL), GPUC_ESTATE);
}

static void on_done(gpuc_op *op, void *userdata)
{
    ((caller *)userdata)->done++;
    call_everything(userdata);
}

static void test_api_calls__from_a_callback(void **state)
{
    caller c = {0};
    gpuc_spec *spec = NULL;
    char path[96], *list = NULL;

    ASSERT_OK(gpuc_context_new(&c.context, NULL));
    ASSERT_OK(api_open(&c.cluster, c.context, &spec, NULL));
    ASSERT_OK(gpuc_job_new(&c.job, c.cluster, "nvidia-smi", NULL));
    ASSERT_OK(gpuc_cluster_plan_start(&c.op, c.cluster, 0, NULL));
    gpuc_context_set_event(c.context, on_event, &c, NULL);
    gpuc_context_set_log(c.context, on_log, GPUC_LOG_DEBUG, &c, NULL);
    gpuc_op_set_done(c.op, on_done, &c, NULL);
    ASSERT_OK(gpuc_op_wait(c.op, 20000, NULL));
    assert_true(c.events > 0 && c.logs > 0);
    assert_int_equal(c.done, 1);
    assert_true(gpuc_plan_size(gpuc_op_plan(c.op)) > 10);
    /* The `up` that was refused left nothing behind. */
    snprintf(path, sizeof(path), "%s/api", api_state);
    assert_int_not_equal(access(path, F_OK), 0);
    ASSERT_OK(gpuc_cluster_list(&list, api_state, NULL));
    assert_string_equal(list, "[]");
    gpuc_free(list);
    gpuc_op_unref(c.op);
    gpuc_job_unref(c.job);
    gpuc_cluster_unref(c.cluster);
    gpuc_spec_unref(spec);
    gpuc_context_unref(c.context);
}

/* ---- destruction ---- */

enum { CONTEXT, SPEC, CLUSTER, OP, PLAN, JOB, HANDLES };

typedef struct handles {
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc_cluster *cluster;
    gpuc_op *op;
    gpuc_plan *plan;
    gpuc_job *job;
} handles;

/* Every other set is dropped while its operation runs. */
static void make(handles *h, bool finished)
{
    memset(h, 0, sizeof(*h));
    ASSERT_OK(gpuc_context_new(&h->context, NULL));
    ASSERT_OK(api_open(&h->cluster, h->context, &h->spec, NULL));
    ASSERT_OK(gpuc_job_new(&h->job, h->cluster, "nvidia-smi", NULL));
    ASSERT_OK(gpuc_cluster_plan_start(&h->op, h->cluster, 0, NULL));
    if (finished) {
        ASSERT_OK(gpuc_op_wait(h->op, 20000, NULL));
        h->plan = gpuc_plan_ref(gpuc_op_plan(h->op));
    }
}

/* Each is used a last time before it goes. */
static void drop(handles *h, int which)
{
    gpuc_error *error = NULL;

    switch (which) {
    case CONTEXT:
        assert_null(gpuc_context_unref(h->context));
        break;
    case SPEC:
        assert_string_equal(gpuc_spec_name(h->spec), "api");
        assert_null(gpuc_spec_unref(h->spec));
        break;
    case CLUSTER:
        assert_string_equal(gpuc_cluster_name(h->cluster), "api");
        assert_null(gpuc_cluster_unref(h->cluster));
        break;
    case OP:
        gpuc_op_cancel(h->op);
        if (gpuc_op_wait(h->op, 20000, &error) != GPUC_OK)
            assert_int_equal(gpuc_error_code(error), GPUC_ECANCELLED);
        gpuc_error_unref(error);
        assert_null(gpuc_op_unref(h->op));
        break;
    case PLAN:
        if (h->plan)
            assert_true(gpuc_plan_size(h->plan) > 10);
        assert_null(gpuc_plan_unref(h->plan));
        break;
    default:
        assert_int_equal(gpuc_job_set(h->job, "gpus", "1", NULL), GPUC_OK);
        assert_null(gpuc_job_unref(h->job));
    }
}

static int drop_in_orders(int *order, int from)
{
    int count = 0;

    if (from == HANDLES) {
        handles h;

        make(&h, order[HANDLES - 1] % 2 == 0);
        for (int i = 0; i < HANDLES; i++)
            drop(&h, order[i]);
        return 1;
    }
    for (int i = from; i < HANDLES; i++) {
        int keep = order[from];

        order[from] = order[i];
        order[i] = keep;
        count += drop_in_orders(order, from + 1);
        order[i] = order[from];
        order[from] = keep;
        if (from == 1 && getenv("GPUC_TEST_FEW_ORDERS"))
            break; /* under valgrind: a fifth of them */
    }
    return count;
}

static void test_api_calls__handles_go_in_any_order(void **state)
{
    int order[HANDLES] = {CONTEXT, SPEC, CLUSTER, OP, PLAN, JOB};
    int count = drop_in_orders(order, 0);

    print_message("%d orders\n", count);
    assert_int_equal(count, getenv("GPUC_TEST_FEW_ORDERS") ? 144 : 720);
}

static void test_api_calls__nothing_to_drop(void **state)
{
    assert_null(gpuc_context_unref(NULL));
    assert_null(gpuc_error_unref(NULL));
    assert_null(gpuc_event_unref(NULL));
    assert_null(gpuc_op_unref(NULL));
    assert_null(gpuc_spec_unref(NULL));
    assert_null(gpuc_machine_spec_unref(NULL));
    assert_null(gpuc_cluster_unref(NULL));
    assert_null(gpuc_plan_unref(NULL));
    assert_null(gpuc_report_unref(NULL));
    assert_null(gpuc_job_unref(NULL));
    gpuc_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_calls__from_a_callback),
        cmocka_unit_test(test_api_calls__handles_go_in_any_order),
        cmocka_unit_test(test_api_calls__nothing_to_drop),
    };

    return cmocka_run_group_tests_name("api_calls", tests, api_setup, api_teardown);
}

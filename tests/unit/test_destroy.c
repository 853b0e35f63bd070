/* SPDX-License-Identifier: Apache-2.0 */
/* The last references of a context and of what came from it, dropped in every order, on the
 * context's thread and on others: everything is freed once (the sanitizers look). */
#include "graph_fake.h"

#include <pthread.h>

#define OBJECTS 5

typedef struct objects {
    gpuc_context *context;
    gpuc_op *op;
    gpuc_event *event;
    gpuc_error *error;
    gpuc_plan *plan;
    int frees, destroys;
} objects;

typedef struct child {
    objects *all;
    gpuc_context *context; /* the operation's data holds the context as a cluster would */
} child;

static void free_child(void *data)
{
    child *c = data;

    c->all->frees++;
    gpuc_context_unref(c->context);
    gpuc__free(c);
}

static const gpuc__op_class op_class = {.kind = "child", .free = free_child};

static void count_destroy(void *userdata)
{
    ((objects *)userdata)->destroys++;
}

static void ignore_log(gpuc_context *context, int level, const char *category, const char *message,
                       void *userdata)
{
}

static void on_plan(void *data, gpuc_plan *plan, gpuc_error *error)
{
    ((objects *)data)->plan = plan;
}

static void make(objects *o, bool child_holds)
{
    child *c = gpuc__calloc(1, sizeof(*c));
    gpuc__graph *graph = NULL;
    gpuc_error *error = NULL;

    memset(o, 0, sizeof(*o));
    ASSERT_OK(gpuc_context_new(&o->context, NULL));
    gpuc_context_set_log(o->context, ignore_log, GPUC_LOG_DEBUG, o, count_destroy);
    c->all = o;
    c->context = child_holds ? gpuc_context_ref(o->context) : NULL;
    ASSERT_OK(gpuc__op_new(&o->op, o->context, &op_class, c, NULL));
    gpuc_op_set_done(o->op, NULL, NULL, NULL);
    ASSERT_OK(gpuc__graph_new(&graph, o->context, NULL, NULL));
    ASSERT_OK(gpuc__graph_plan(graph, "k8s", on_plan, o, NULL));
    ASSERT_OK(gpuc_context_run(o->context, 1000, NULL));
    gpuc__graph_free(graph);
    gpuc__op_set_plan(o->op, o->plan);
    gpuc__error_set(&error, GPUC_EIO, GPUC_DOMAIN_NONE, "as told");
    gpuc__op_complete(o->op, error);
    assert_int_equal(gpuc_op_wait(o->op, -1, &o->error), GPUC_EIO);
    assert_int_equal(gpuc_context_next_event(o->context, &o->event), 1);
}

static void drop(objects *o, int which)
{
    switch (which) {
    case 0:
        gpuc_context_unref(o->context);
        break;
    case 1:
        gpuc_op_unref(o->op);
        break;
    case 2:
        gpuc_event_unref(o->event);
        break;
    case 3:
        assert_string_equal(gpuc_error_message(o->error), "as told");
        gpuc_error_unref(o->error);
        break;
    default:
        assert_int_equal(gpuc_plan_size(o->plan), 0);
        gpuc_plan_unref(o->plan);
    }
}

/* Calls fn with each order of the objects. */
static int permute(int *order, int from, void (*fn)(const int *order))
{
    int count = 0;

    if (from == OBJECTS) {
        fn(order);
        return 1;
    }
    for (int i = from; i < OBJECTS; i++) {
        int keep = order[from];

        order[from] = order[i];
        order[i] = keep;
        count += permute(order, from + 1, fn);
        order[i] = order[from];
        order[from] = keep;
    }
    return count;
}

static void drop_here(const int *order)
{
    objects o;

    make(&o, true);
    for (int i = 0; i < OBJECTS; i++)
        drop(&o, order[i]);
    assert_int_equal(o.frees, 1);
    assert_int_equal(o.destroys, 1);
}

typedef struct elsewhere {
    objects *o;
    const int *order;
} elsewhere;

static void *drop_all(void *data)
{
    const elsewhere *e = data;

    for (int i = 0; i < OBJECTS; i++)
        drop(e->o, e->order[i]);
    return NULL;
}

static void drop_on_one_other_thread(const int *order)
{
    objects o;
    pthread_t thread;
    elsewhere e = {&o, order};

    make(&o, false);
    assert_int_equal(pthread_create(&thread, NULL, drop_all, &e), 0);
    pthread_join(thread, NULL);
    assert_int_equal(o.frees, 1);
    assert_int_equal(o.destroys, 1);
}

static void test_destroy__every_order(void **state)
{
    int order[OBJECTS] = {0, 1, 2, 3, 4};

    assert_int_equal(permute(order, 0, drop_here), 120);
}

static void test_destroy__every_order_on_another_thread(void **state)
{
    int order[OBJECTS] = {0, 1, 2, 3, 4};

    assert_int_equal(permute(order, 0, drop_on_one_other_thread), 120);
}

static void *drop_op(void *data)
{
    gpuc_op_unref(data);
    return NULL;
}

/* A finalizer's thread drops the operation, whose data holds the context, and the loop never runs
 * again: the context's own thread still frees everything when it lets go. */
static void test_destroy__op_elsewhere_then_context_here(void **state)
{
    objects o;
    pthread_t thread;

    make(&o, true);
    assert_int_equal(pthread_create(&thread, NULL, drop_op, o.op), 0);
    pthread_join(thread, NULL);
    assert_int_equal(o.frees, 0);
    gpuc_event_unref(o.event);
    gpuc_error_unref(o.error);
    gpuc_plan_unref(o.plan);
    gpuc_context_unref(o.context);
    assert_int_equal(o.frees, 1);
    assert_int_equal(o.destroys, 1);
}

static void *churn(void *data)
{
    for (int i = 0; i < 20000; i++) {
        gpuc_op_unref(gpuc_op_ref(data));
        if (i % 1000 == 0)
            gpuc_op_cancel(data);
    }
    gpuc_op_unref(data);
    return NULL;
}

static void test_destroy__references_from_many_threads(void **state)
{
    objects o;
    pthread_t threads[4];

    make(&o, false);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, gpuc_op_ref(o.op)), 0);
    gpuc_op_unref(o.op);
    while (o.frees == 0)
        ASSERT_OK(gpuc_context_run(o.context, 1000, NULL));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    gpuc_event_unref(o.event);
    gpuc_error_unref(o.error);
    gpuc_plan_unref(o.plan);
    gpuc_context_unref(o.context);
    assert_int_equal(o.frees, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destroy__every_order),
        cmocka_unit_test(test_destroy__every_order_on_another_thread),
        cmocka_unit_test(test_destroy__op_elsewhere_then_context_here),
        cmocka_unit_test(test_destroy__references_from_many_threads),
    };

    return cmocka_run_group_tests_name("destroy", tests, NULL, NULL);
}

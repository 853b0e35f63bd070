/* SPDX-License-Identifier: Apache-2.0 */
/* Hundreds of machines with twenty steps each: the time grows with the steps, not with their
 * square. */
#include "graph_fake.h"

#define STEPS 20

static void build(fake_world *w, fake_step *steps, int machines)
{
    gpuc__node *last = NULL;

    ASSERT_OK(gpuc__graph_new(&w->graph, w->context, w->store, NULL));
    for (int m = 0; m < machines; m++) {
        gpuc__node *before = NULL;

        for (int s = 0; s < STEPS; s++) {
            char machine[16], id[16];

            snprintf(machine, sizeof(machine), "m%d", m);
            snprintf(id, sizeof(id), "s%d", s);
            before = fake_add(w, &steps[m * STEPS + s], machine, id, before);
            steps[m * STEPS + s].name = "";
        }
        if (!last)
            last = fake_add(w, &steps[machines * STEPS], NULL, "all", NULL);
        ASSERT_OK(gpuc__graph_depend(w->graph, last, before, NULL));
    }
}

static void swallow(gpuc_context *context, gpuc_event *event, void *userdata)
{
    ++*(int *)userdata;
}

typedef struct times {
    uint64_t plan, run, again;
} times;

static times measure(int machines)
{
    fake_step *steps = test_calloc((size_t)machines * STEPS + 1, sizeof(*steps));
    times t = {0};
    fake_world w;
    uint64_t start;
    int events = 0;

    fake_open(&w, true);
    gpuc__graph_free(w.graph);
    gpuc_context_set_event(w.context, swallow, &events, NULL);
    build(&w, steps, machines);
    start = gpuc__clock_ms();
    fake_plan(&w);
    t.plan = gpuc__clock_ms() - start;
    assert_int_equal(gpuc_plan_changes(w.plan), machines * STEPS + 1);
    w.log[0] = '\0';
    start = gpuc__clock_ms();
    fake_run(&w, 64);
    t.run = gpuc__clock_ms() - start;
    assert_null(w.error);
    assert_true(events >= 2 * machines * STEPS);
    w.log[0] = '\0';
    start = gpuc__clock_ms();
    fake_run(&w, 64);
    t.again = gpuc__clock_ms() - start;
    assert_null(w.error);
    for (int i = 0; i <= machines * STEPS; i++)
        assert_int_equal(steps[i].acts, 1);
    fake_close(&w);
    test_free(steps);
    return t;
}

static void test_graph_scale__time_grows_with_the_steps(void **state)
{
    times small = measure(100), large = measure(500);

    print_message("100 machines: plan %d ms, run %d ms, again %d ms; "
                  "500 machines: plan %d ms, run %d ms, again %d ms\n",
                  (int)small.plan, (int)small.run, (int)small.again, (int)large.plan,
                  (int)large.run, (int)large.again);
    /* Five times the steps; a square would be 25 times. The constant allows for a busy machine. */
    assert_true(large.plan <= 12 * small.plan + 2000);
    assert_true(large.run <= 12 * small.run + 5000);
    assert_true(large.again <= 12 * small.again + 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_scale__time_grows_with_the_steps),
    };

    return cmocka_run_group_tests_name("graph_scale", tests, NULL, NULL);
}

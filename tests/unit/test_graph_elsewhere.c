/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that wait for others: they take no slot, all are asked for in one turn, and the slots are
 * left to the rest. */
#include "graph_fake.h"

static void test_graph_elsewhere__takes_no_slot(void **state)
{
    fake_step elsewhere[40] = {{0}}, here[8] = {{0}};
    fake_world w;

    fake_open(&w, false);
    for (int i = 0; i < 40; i++) {
        char machine[16];

        snprintf(machine, sizeof(machine), "m%d", i);
        elsewhere[i].name = "make";
        elsewhere[i].delay_ms = 60;
        fake_add_desc(&w, &elsewhere[i],
                      (gpuc__step_desc){.id = "make", .machine = machine, .elsewhere = true});
        if (i >= 8)
            continue;
        here[i].name = "here";
        here[i].delay_ms = 20;
        fake_add_desc(&w, &here[i], (gpuc__step_desc){.id = "here", .machine = machine});
    }
    fake_run(&w, 2);
    assert_null(w.error);
    assert_int_equal(w.most_active, 40 + 2);
    for (int i = 0; i < 40; i++)
        assert_int_equal(elsewhere[i].acts, 1);
    for (int i = 0; i < 8; i++)
        assert_int_equal(here[i].acts, 1);

    for (int i = 0; i < 40; i++) { /* a cancel reaches them too */
        elsewhere[i].present = false;
        elsewhere[i].delay_ms = -1;
    }
    ASSERT_OK(gpuc__graph_run(w.graph, NULL, 2, fake_done, &w, NULL));
    for (int i = 0; w.active < 40; i++) {
        assert_int_equal(gpuc_context_run(w.context, 5000, NULL), GPUC_OK);
        assert_true(i < 10000);
    }
    gpuc__graph_cancel(w.graph);
    fake_wait(&w, 2);
    assert_int_equal(gpuc_error_code(w.error), GPUC_ECANCELLED);
    for (int i = 0; i < 40; i++)
        assert_int_equal(elsewhere[i].cancels, 1);
    fake_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_elsewhere__takes_no_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

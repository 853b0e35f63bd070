/* SPDX-License-Identifier: Apache-2.0 */
/* Running a graph: order, parallelism, retries, deadlines, failures, cancel, resuming. */
#include "graph_fake.h"

static void test_graph__runs_in_order(void **state)
{
    fake_world w;
    fake_step a = {0}, b = {0}, c = {0};
    gpuc__node *first, *second;

    fake_open(&w, true);
    first = fake_add(&w, &a, "m1", "a", NULL);
    second = fake_add(&w, &b, "m1", "b", first);
    fake_add(&w, &c, NULL, "c", second);
    fake_run(&w, 4);
    assert_null(w.error);
    assert_string_equal(w.log, "probe a; act a; probe a; probe b; act b; probe b; "
                               "probe c; act c; probe c; ");
    assert_int_equal(w.completions, 1);
    assert_int_equal(strlen(a.attempt), 16);
    assert_int_equal(strspn(a.attempt, "0123456789abcdef"), 16);
    assert_string_not_equal(a.attempt, b.attempt);
    fake_close(&w);
}

static void test_graph__second_run_acts_on_nothing(void **state)
{
    fake_world w;
    fake_step a = {0}, b = {0};

    fake_open(&w, true);
    fake_add(&w, &b, "m1", "b", fake_add(&w, &a, "m1", "a", NULL));
    fake_run(&w, 4);
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(a.acts, 1);
    assert_int_equal(b.acts, 1);
    assert_int_equal(a.probes, 3);
    fake_close(&w);
}

static void test_graph__keeps_to_the_parallel_limit(void **state)
{
    fake_world w;
    fake_step steps[12] = {{0}};
    char machines[12][8];

    fake_open(&w, false);
    for (int i = 0; i < 12; i++) {
        snprintf(machines[i], sizeof(machines[i]), "m%d", i);
        steps[i].delay_ms = 5;
        fake_add(&w, &steps[i], machines[i], "a", NULL);
    }
    fake_run(&w, 3);
    assert_null(w.error);
    assert_int_equal(w.most_active, 3);
    fake_close(&w);
}

static void test_graph__a_restart_is_alone_on_its_machine(void **state)
{
    fake_world w;
    fake_step a = {.delay_ms = 5}, r = {.delay_ms = 5}, b = {.delay_ms = 5}, c = {.delay_ms = 1};

    fake_open(&w, false);
    fake_add(&w, &a, "m1", "a", NULL);
    fake_add_desc(&w, &r, (gpuc__step_desc){.id = "r", .machine = "m1", .alone = true});
    fake_add(&w, &b, "m1", "b", NULL);
    fake_run(&w, 8);
    assert_null(w.error);
    assert_string_equal(w.log, "probe a; act a; probe a; probe r; act r; probe r; "
                               "probe b; act b; probe b; ");
    /* Another machine does not wait. */
    a.present = r.present = b.present = false;
    fake_add(&w, &c, "m2", "c", NULL);
    fake_run(&w, 8);
    assert_null(w.error);
    assert_int_equal(w.most_active, 2);
    fake_close(&w);
}

static void test_graph__retries_what_is_retryable(void **state)
{
    fake_world w;
    fake_step a = {.fail_times = 2, .fail_code = GPUC_EHTTP};
    gpuc_event *event;
    int retries = 0;

    fake_open(&w, true);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .machine = "m1", .retries = 2});
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(a.acts, 3);
    assert_int_equal(a.resumes, 0); /* a bad answer ends its attempt */
    while (gpuc_context_next_event(w.context, &event)) {
        retries += gpuc_event_kind(event) == GPUC_EVENT_STEP_RETRY;
        gpuc_event_unref(event);
    }
    assert_int_equal(retries, 2);
    fake_close(&w);
}

static void test_graph__lost_answer_keeps_its_attempt(void **state)
{
    fake_world w;
    fake_step a = {.fail_times = 1, .fail_code = GPUC_ENETWORK};

    fake_open(&w, true);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .machine = "m1", .retries = 1});
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(a.acts, 2);
    assert_int_equal(a.resumes, 1);
    fake_close(&w);
}

static void test_graph__an_act_that_is_over_is_not_taken_up(void **state)
{
    fake_world w;
    fake_step a = {.fail_times = 1, .fail_code = GPUC_ENETWORK, .over = true};

    fake_open(&w, true);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .machine = "m1", .retries = 1});
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(a.acts, 2);
    assert_int_equal(a.resumes, 0);
    fake_close(&w);
}

static void test_graph__gives_up_after_its_retries(void **state)
{
    fake_world w;
    fake_step a = {.fail_times = 9, .fail_code = GPUC_ENETWORK}, b = {0}, c = {0}, d = {0};
    gpuc__node *bad, *held;
    gpuc_event *event;
    bool said = false;

    fake_open(&w, true);
    bad = fake_add_desc(
        &w, &a,
        (gpuc__step_desc){.id = "a", .machine = "m1", .retries = 2, .remedy = "plug the cable in"});
    held = fake_add(&w, &c, "m1", "c", fake_add(&w, &b, "m1", "b", bad));
    fake_add(&w, &d, "m2", "d", NULL);
    fake_run(&w, 4);
    assert_int_equal(gpuc_error_code(w.error), GPUC_ESTEP);
    assert_non_null(strstr(gpuc_error_message(w.error), "1 of 4 steps failed and 2 were not run"));
    assert_int_equal(gpuc_error_code(gpuc_error_cause(w.error)), GPUC_ENETWORK);
    assert_string_equal(gpuc_error_machine(w.error), "m1");
    assert_string_equal(gpuc_error_step(w.error), "a");
    assert_string_equal(gpuc_error_remedy(w.error), "plug the cable in");
    assert_int_equal(a.acts, 3);
    assert_int_equal(b.probes + c.probes, 0);
    assert_int_equal(d.acts, 1); /* independent steps go on */
    assert_ptr_equal(gpuc__node_held_by(held), bad);
    while (gpuc_context_next_event(w.context, &event)) {
        if (gpuc_event_kind(event) == GPUC_EVENT_STEP_SKIPPED)
            said = strstr(gpuc_event_message(event), "because m1/a failed") != NULL;
        gpuc_event_unref(event);
    }
    assert_true(said);
    fake_close(&w);
}

static void test_graph__does_not_retry_what_is_not(void **state)
{
    fake_world w;
    fake_step a = {.fail_times = 9, .fail_code = GPUC_EREMOTE};

    fake_open(&w, true);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .retries = 5});
    fake_run(&w, 4);
    assert_int_equal(a.acts, 1);
    assert_null(gpuc_error_machine(w.error));
    fake_close(&w);
}

static void test_graph__retries_a_failed_probe(void **state)
{
    fake_world w;
    fake_step a = {.probe_fails = 2};

    fake_open(&w, true);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .retries = 2});
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(a.acts, 1);
    assert_int_equal(a.probes, 4);
    fake_close(&w);
}

static void test_graph__deadline_cancels_and_fails(void **state)
{
    fake_world w;
    fake_step a = {.delay_ms = -1};
    const gpuc_error *cause;

    fake_open(&w, true);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .machine = "m1", .timeout_s = 2});
    fake_run(&w, 4);
    cause = gpuc_error_cause(w.error);
    assert_int_equal(gpuc_error_code(cause), GPUC_ETIMEDOUT);
    assert_string_equal(gpuc_error_machine(cause), "m1");
    assert_string_equal(gpuc_error_step(cause), "a");
    assert_non_null(gpuc_error_remedy(cause));
    assert_int_equal(a.cancels, 1);
    /* It may still be going on: the next run takes the same attempt up. */
    a.delay_ms = 0;
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(a.resumes, 1);
    fake_close(&w);
}

static void test_graph__effect_must_be_there(void **state)
{
    fake_world w;
    fake_step a = {.stubborn = true, .detail = "no file"};

    fake_open(&w, true);
    fake_add(&w, &a, "m1", "a", NULL);
    fake_run(&w, 4);
    assert_int_equal(gpuc_error_code(gpuc_error_cause(w.error)), GPUC_ESTEP);
    assert_non_null(strstr(gpuc_error_message(gpuc_error_cause(w.error)),
                           "acted but its effect is not there: no file"));
    fake_close(&w);
}

static void test_graph__check_fails_without_acting(void **state)
{
    fake_world w;
    fake_step a = {.detail = "no GPU"}, b = {.present = true};

    fake_open(&w, true);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .check = true, .ops = &fake_check_ops});
    fake_add_desc(&w, &b, (gpuc__step_desc){.id = "b", .check = true, .ops = &fake_check_ops});
    fake_run(&w, 4);
    assert_non_null(strstr(gpuc_error_message(w.error), "1 of 2 steps failed"));
    assert_non_null(strstr(gpuc_error_message(gpuc_error_cause(w.error)), "no GPU"));
    fake_close(&w);
}

static void test_graph__wished_skips_and_always(void **state)
{
    fake_world w;
    fake_step a = {0}, b = {0}, c = {.fail_times = 1, .fail_code = GPUC_EREMOTE}, d = {0};
    gpuc__node *skipped, *failing, *always;

    fake_open(&w, true);
    skipped = fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .skip = true});
    fake_add(&w, &b, NULL, "b", skipped);
    failing = fake_add(&w, &c, NULL, "c", NULL);
    always = fake_add_desc(&w, &d, (gpuc__step_desc){.id = "d", .always = true});
    ASSERT_OK(gpuc__graph_depend(w.graph, always, failing, NULL));
    fake_run(&w, 4);
    assert_int_equal(a.probes + a.acts, 0);
    assert_int_equal(b.acts, 1);
    assert_int_equal(d.acts, 1);
    fake_close(&w);
}

static void test_graph__cancel_stops_soon_and_resumes(void **state)
{
    fake_world w;
    fake_step a = {.delay_ms = -1}, b = {0}, c = {.fail_times = 9, .fail_code = GPUC_EHTTP};

    fake_open(&w, true);
    fake_add(&w, &b, "m1", "b", fake_add(&w, &a, "m1", "a", NULL));
    fake_add_desc(&w, &c, (gpuc__step_desc){.id = "c", .retries = 9, .backoff_s = 60});
    ASSERT_OK(gpuc__graph_run(w.graph, NULL, 4, fake_done, &w, NULL));
    while (a.acts == 0 || c.acts == 0)
        ASSERT_OK(gpuc_context_run(w.context, 1000, NULL));
    gpuc__graph_cancel(w.graph);
    gpuc__graph_cancel(w.graph);
    fake_wait(&w, 1);
    assert_int_equal(gpuc_error_code(w.error), GPUC_ECANCELLED);
    assert_int_equal(a.cancels, 1);
    assert_int_equal(b.probes, 0);
    a.delay_ms = c.fail_times = 0;
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(a.resumes, 1);
    assert_int_equal(w.completions, 2);
    fake_close(&w);
}

static void test_graph__names_a_cycle(void **state)
{
    fake_world w;
    fake_step a = {0}, b = {0}, c = {0};
    gpuc__node *first, *second;
    gpuc_error *error = NULL;

    fake_open(&w, false);
    first = fake_add(&w, &a, "m1", "a", NULL);
    second = fake_add(&w, &b, "m1", "b", first);
    fake_add(&w, &c, NULL, "c", second);
    ASSERT_OK(gpuc__graph_check(w.graph, NULL));
    ASSERT_OK(gpuc__graph_depend(w.graph, first, second, NULL));
    assert_int_equal(gpuc__graph_check(w.graph, &error), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(error), "m1/b before m1/a before m1/b"));
    assert_int_equal(gpuc__graph_run(w.graph, NULL, 1, fake_done, &w, NULL), GPUC_EINVAL);
    gpuc_error_unref(error);
    fake_close(&w);
}

static void test_graph__refuses_twins(void **state)
{
    fake_world w;
    fake_step a = {0}, b = {0};
    gpuc_error *error = NULL;

    fake_open(&w, false);
    fake_add(&w, &a, "m1", "a", NULL);
    assert_int_equal(
        gpuc__graph_add(
            w.graph, &(gpuc__step_desc){.id = "a", .machine = "m1", .ops = &fake_ops, .data = &b},
            NULL, &error),
        GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(error), "m1/a"));
    assert_ptr_equal(gpuc__graph_find(w.graph, "m2", "a"), NULL);
    assert_non_null(gpuc__graph_find(w.graph, "m1", "a"));
    gpuc_error_unref(error);
    fake_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph__runs_in_order),
        cmocka_unit_test(test_graph__second_run_acts_on_nothing),
        cmocka_unit_test(test_graph__keeps_to_the_parallel_limit),
        cmocka_unit_test(test_graph__a_restart_is_alone_on_its_machine),
        cmocka_unit_test(test_graph__retries_what_is_retryable),
        cmocka_unit_test(test_graph__lost_answer_keeps_its_attempt),
        cmocka_unit_test(test_graph__an_act_that_is_over_is_not_taken_up),
        cmocka_unit_test(test_graph__gives_up_after_its_retries),
        cmocka_unit_test(test_graph__does_not_retry_what_is_not),
        cmocka_unit_test(test_graph__retries_a_failed_probe),
        cmocka_unit_test(test_graph__deadline_cancels_and_fails),
        cmocka_unit_test(test_graph__effect_must_be_there),
        cmocka_unit_test(test_graph__check_fails_without_acting),
        cmocka_unit_test(test_graph__wished_skips_and_always),
        cmocka_unit_test(test_graph__cancel_stops_soon_and_resumes),
        cmocka_unit_test(test_graph__names_a_cycle),
        cmocka_unit_test(test_graph__refuses_twins),
    };

    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Planning a graph: verdicts, gates, what is not asked, cancel. */
#include "graph_fake.h"

static const gpuc_step *planned(const fake_world *w, const char *machine, const char *id)
{
    for (size_t i = 0; i < gpuc_plan_size(w->plan); i++) {
        const gpuc_step *step = gpuc_plan_step(w->plan, i);
        const char *at = gpuc_step_machine(step);

        if (strcmp(gpuc_step_id(step), id) == 0 && (machine ? at && !strcmp(at, machine) : !at))
            return step;
    }
    fail_msg("%s is not in the plan", id);
    return NULL;
}

static void assert_planned(const fake_world *w, const char *machine, const char *id, int verdict,
                           const char *detail)
{
    const gpuc_step *step = planned(w, machine, id);

    assert_int_equal(gpuc_step_verdict(step), verdict);
    if (detail)
        assert_string_equal(gpuc_step_detail(step), detail);
}

static void test_graph_plan__asks_and_acts_on_nothing(void **state)
{
    fake_world w;
    fake_step a = {.present = true}, b = {.detail = "no package"}, c = {.probe_fails = 1}, d = {0},
              e = {0};
    gpuc__node *node;

    fake_open(&w, false);
    node = fake_add(&w, &a, "m1", "a", NULL);
    node = fake_add(&w, &b, "m1", "b", node);
    node = fake_add(&w, &c, "m1", "c", node);
    node = fake_add_desc(&w, &d, (gpuc__step_desc){.id = "d", .machine = "m1", .skip = true});
    fake_add_desc(&w, &e, (gpuc__step_desc){.id = "e", .check = true, .title = "the proof"});
    fake_plan(&w);
    assert_null(w.error);
    assert_int_equal(gpuc_plan_size(w.plan), 5);
    assert_int_equal(gpuc_plan_changes(w.plan), 2);
    assert_planned(&w, "m1", "a", GPUC_STEP_PRESENT, "");
    assert_planned(&w, "m1", "b", GPUC_STEP_NEEDED, "no package");
    assert_planned(&w, "m1", "c", GPUC_STEP_UNKNOWN, "c cannot be asked");
    assert_planned(&w, "m1", "d", GPUC_STEP_SKIPPED, NULL);
    assert_planned(&w, NULL, "e", GPUC_STEP_CHECK, "");
    assert_int_equal(a.acts + b.acts + c.acts + d.acts + e.acts, 0);
    assert_int_equal(d.probes + e.probes, 0);
    fake_close(&w);
}

static void test_graph_plan__closed_gate(void **state)
{
    fake_world w;
    fake_step gate1 = {.detail = "the machine does not exist yet"}, gate2 = {.present = true},
              os1 = {0}, os2 = {.present = true}, init1 = {0}, join2 = {.present = true}, all = {0};
    gpuc__node *n1, *n2, *cluster;

    fake_open(&w, false);
    n1 = fake_add_desc(&w, &gate1, (gpuc__step_desc){.id = "gate", .machine = "m1", .gate = true});
    n2 = fake_add_desc(&w, &gate2, (gpuc__step_desc){.id = "gate", .machine = "m2", .gate = true});
    n1 = fake_add(&w, &init1, "m1", "init", fake_add(&w, &os1, "m1", "os", n1));
    n2 = fake_add(&w, &join2, "m2", "join", fake_add(&w, &os2, "m2", "os", n2));
    ASSERT_OK(gpuc__graph_depend(w.graph, n2, n1, NULL));
    cluster = fake_add(&w, &all, NULL, "labels", n2);
    fake_plan(&w);
    assert_null(w.error);
    assert_int_equal(gpuc_plan_size(w.plan), 7);
    assert_planned(&w, "m1", "gate", GPUC_STEP_NEEDED, "the machine does not exist yet");
    assert_planned(&w, "m1", "os", GPUC_STEP_NEEDED, "the machine does not exist yet");
    assert_planned(&w, "m1", "init", GPUC_STEP_NEEDED, "the machine does not exist yet");
    assert_int_equal(os1.probes + init1.probes, 0);
    /* The other machine can be asked, whatever it depends on elsewhere. */
    assert_planned(&w, "m2", "os", GPUC_STEP_PRESENT, NULL);
    assert_planned(&w, "m2", "join", GPUC_STEP_PRESENT, NULL);
    /* What the cluster has cannot be told without its machines. */
    assert_planned(&w, NULL, "labels", GPUC_STEP_UNKNOWN, NULL);
    assert_int_equal(all.probes, 0);
    assert_non_null(cluster);
    /* The same graph again, once the machine is there. */
    gate1.present = os1.present = init1.present = all.present = true;
    fake_plan(&w);
    assert_int_equal(gpuc_plan_changes(w.plan), 0);
    fake_close(&w);
}

static void test_graph_plan__gate_of_the_cluster_closes_all_after_it(void **state)
{
    fake_world w;
    fake_step net = {.detail = "no network"}, a = {0}, b = {.present = true};
    gpuc__node *gate;

    fake_open(&w, false);
    gate = fake_add_desc(&w, &net, (gpuc__step_desc){.id = "net", .gate = true});
    fake_add(&w, &a, "m1", "a", gate);
    fake_add(&w, &b, "m1", "b", NULL);
    fake_plan(&w);
    assert_planned(&w, "m1", "a", GPUC_STEP_NEEDED, "no network");
    assert_planned(&w, "m1", "b", GPUC_STEP_PRESENT, NULL);
    assert_int_equal(a.probes, 0);
    fake_close(&w);
}

static void quiet_probe(gpuc__node *node, void *data)
{
    ((fake_step *)data)->node = node; /* answers only when cancelled */
}

static void quiet_cancel(gpuc__node *node, void *data)
{
    gpuc_error *error = NULL;

    ((fake_step *)data)->cancels++;
    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "cancelled");
    gpuc__node_probed(node, GPUC__VERDICT_UNKNOWN, NULL, error);
}

static const gpuc__step_ops quiet_ops = {.probe = quiet_probe, .cancel = quiet_cancel};

static void test_graph_plan__silent_probe_becomes_unknown(void **state)
{
    fake_world w;
    fake_step a = {0}, b = {0};

    fake_open(&w, false);
    fake_add_desc(&w, &a,
                  (gpuc__step_desc){
                      .id = "a", .machine = "m1", .gate = true, .timeout_s = 2, .ops = &quiet_ops});
    fake_add(&w, &b, "m1", "b", gpuc__graph_find(w.graph, "m1", "a"));
    fake_plan(&w);
    assert_planned(&w, "m1", "a", GPUC_STEP_UNKNOWN, "the probe did not answer in time");
    assert_planned(&w, "m1", "b", GPUC_STEP_NEEDED, "the probe did not answer in time");
    assert_int_equal(a.cancels, 1);
    fake_close(&w);
}

static void test_graph_plan__cancel(void **state)
{
    fake_world w;
    fake_step a = {0};

    fake_open(&w, false);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .ops = &quiet_ops});
    ASSERT_OK(gpuc__graph_plan(w.graph, "k8s", fake_planned, &w, NULL));
    assert_int_equal(gpuc__graph_plan(w.graph, "k8s", fake_planned, &w, NULL), GPUC_ESTATE);
    while (!a.node)
        ASSERT_OK(gpuc_context_run(w.context, 1000, NULL));
    gpuc__graph_cancel(w.graph);
    fake_wait(&w, 1);
    assert_null(w.plan);
    assert_int_equal(gpuc_error_code(w.error), GPUC_ECANCELLED);
    assert_int_equal(a.cancels, 1);
    fake_close(&w);
}

static void test_graph_plan__empty(void **state)
{
    fake_world w;

    fake_open(&w, false);
    fake_plan(&w);
    assert_int_equal(gpuc_plan_size(w.plan), 0);
    assert_null(gpuc_plan_step(w.plan, 0));
    fake_run(&w, 1);
    assert_null(w.error);
    fake_close(&w);
}

static void free_graph_in_done(void *data, gpuc_plan *plan, gpuc_error *error)
{
    fake_world *w = data;

    fake_planned(data, plan, error);
    gpuc__graph_free(w->graph);
    w->graph = NULL;
}

static void test_graph_plan__may_be_freed_in_done(void **state)
{
    fake_world w;
    fake_step a = {0};

    fake_open(&w, false);
    fake_add(&w, &a, "m1", "a", NULL);
    ASSERT_OK(gpuc__graph_plan(w.graph, "k8s", free_graph_in_done, &w, NULL));
    fake_wait(&w, 1);
    assert_int_equal(gpuc_plan_size(w.plan), 1);
    fake_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_plan__asks_and_acts_on_nothing),
        cmocka_unit_test(test_graph_plan__closed_gate),
        cmocka_unit_test(test_graph_plan__gate_of_the_cluster_closes_all_after_it),
        cmocka_unit_test(test_graph_plan__silent_probe_becomes_unknown),
        cmocka_unit_test(test_graph_plan__cancel),
        cmocka_unit_test(test_graph_plan__empty),
        cmocka_unit_test(test_graph_plan__may_be_freed_in_done),
    };

    return cmocka_run_group_tests_name("graph_plan", tests, NULL, NULL);
}

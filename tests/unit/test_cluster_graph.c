/* SPDX-License-Identifier: Apache-2.0 */
/* What `up`, `verify` and `down` consist of: which steps on which machine, what waits for what. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/cluster.h"
#include "core/graph_internal.h"
#include "util/alloc.h"

#define ASSERT_OK(call) assert_int_equal((call), GPUC_OK)

static const char spec_text[] = "apiVersion: gpucluster/v1\n"
                                "name: unit\n"
                                "provider: {kind: local, image: none}\n"
                                "machines:\n"
                                "  - {name: master, role: control-plane}\n"
                                "  - {name: cpu, role: worker}\n"
                                "  - {name: gpu, role: worker, count: 2, gpus: 1}\n";
static const char three_masters[] =
    "{apiVersion: gpucluster/v1, name: unit, provider: {kind: local, image: none},"
    " machines: [{name: cp, role: control-plane, count: 3}]}";
static const char hosts_text[] =
    "apiVersion: gpucluster/v1\n"
    "name: unit\n"
    "provider: {kind: ssh}\n"
    "ssh: {user: root, agent: true}\n"
    "machines:\n"
    "  - {name: master, role: control-plane, host: 127.0.0.1, port: 1}\n";

typedef struct world {
    char state[64];
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc_cluster *cluster;
    gpuc__graph *graph;
} world;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    return remove(path);
}

static void reopen(world *w, const char *text)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;

    gpuc_cluster_unref(w->cluster);
    gpuc_spec_unref(w->spec);
    w->cluster = NULL;
    w->spec = NULL;
    options.state_dir = w->state;
    ASSERT_OK(gpuc_spec_parse(&w->spec, text, strlen(text), "unit.yaml", NULL));
    ASSERT_OK(gpuc_cluster_open(&w->cluster, w->context, w->spec, NULL, &options, NULL));
}

static void open_world(world *w, const char *text)
{
    memset(w, 0, sizeof(*w));
    snprintf(w->state, sizeof(w->state), "/tmp/gpuc-graph-XXXXXX");
    assert_non_null(mkdtemp(w->state));
    ASSERT_OK(gpuc_context_new(&w->context, NULL));
    reopen(w, text);
}

static void close_world(world *w)
{
    gpuc__graph_free(w->graph);
    gpuc_cluster_unref(w->cluster);
    gpuc_spec_unref(w->spec);
    gpuc_context_unref(w->context);
    assert_int_equal(nftw(w->state, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static bool has(const world *w, const char *machine, const char *id)
{
    return gpuc__graph_find(w->graph, machine, id) != NULL;
}

static bool waits(const world *w, const char *machine, const char *id, const char *for_machine,
                  const char *for_id)
{
    const gpuc__node *node = gpuc__graph_find(w->graph, machine, id);
    const gpuc__node *before = gpuc__graph_find(w->graph, for_machine, for_id);

    assert_non_null(node);
    assert_non_null(before);
    for (size_t i = 0; i < node->before_count; i++) {
        if (node->before[i] == before)
            return true;
    }
    return false;
}

static size_t count_of(const world *w, const char *machine)
{
    size_t count = 0;

    for (size_t i = 0; i < w->graph->count; i++) {
        const char *on = gpuc__node_machine(w->graph->nodes[i]);

        count += machine ? on && strcmp(on, machine) == 0 : !on;
    }
    return count;
}

/* As if an earlier `up` had made it. */
static void place(world *w, const char *name)
{
    gpuc__member *member = gpuc__cluster_member(w->cluster, name);

    assert_non_null(member);
    member->info.address = gpuc__strdup("127.0.0.1");
    member->info.user = gpuc__strdup("root");
    member->has_info = true;
}

/* What cannot be made is said by the plan, not found out by `up`. */
static void test_cluster_graph__a_plan_asks_whether_machines_can_be_made(void **state)
{
    static const char nowhere[] = "apiVersion: gpucluster/v1\n"
                                  "name: unit\n"
                                  "provider: {kind: local, socket: /nonexistent/s, image: none}\n"
                                  "machines: [{name: master, role: control-plane}]\n";
    gpuc_error *error = NULL;
    gpuc_plan *plan = NULL;
    world w;

    open_world(&w, nowhere);
    assert_true(gpuc_cluster_plan(&plan, w.cluster, 0, &error) < 0);
    assert_null(plan);
    assert_non_null(strstr(gpuc_error_message(error), "/nonexistent/s"));
    gpuc_error_unref(error);
    assert_null(w.cluster->busy);
    close_world(&w);
}

static void test_cluster_graph__up_has_the_steps_of_each_role(void **state)
{
    static const char *const gpu_steps[] = {"gpu.driver",       "gpu.reboot",       "gpu.toolkit",
                                            "node.gpu-present", "node.allocatable", "proof"};
    static const char *const machines[] = {"master", "cpu", "gpu-1", "gpu-2"};
    world w;

    open_world(&w, spec_text);
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    for (size_t m = 0; m < 4; m++) {
        bool gpu = m >= 2;

        assert_true(has(&w, machines[m], "machine.create"));
        assert_true(has(&w, machines[m], "node.ready"));
        assert_int_equal(has(&w, machines[m], "kube.init"), m == 0);
        assert_int_equal(has(&w, machines[m], "kube.join"), m != 0);
        assert_false(has(&w, machines[m], "files.upload")); /* only with a bundle */
        assert_false(has(&w, machines[m], "machine.destroy"));
        for (size_t i = 0; i < sizeof(gpu_steps) / sizeof(gpu_steps[0]); i++)
            assert_int_equal(has(&w, machines[m], gpu_steps[i]), gpu);
    }
    assert_int_equal(count_of(&w, "gpu-1"), count_of(&w, "gpu-2"));
    assert_int_equal(count_of(&w, "gpu-1"), count_of(&w, "cpu") + 6);
    assert_int_equal(count_of(&w, NULL), 2);
    assert_true(has(&w, NULL, "kube.network"));
    assert_true(has(&w, NULL, "kube.gpu"));
    close_world(&w);
}

static void test_cluster_graph__up_waits_for_the_right_things(void **state)
{
    world w;

    open_world(&w, spec_text);
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    assert_true(waits(&w, "cpu", "machine.reach", "cpu", "machine.create"));
    assert_false(waits(&w, "cpu", "machine.reach", "master", "machine.create"));
    assert_true(waits(&w, "gpu-1", "kube.join", "master", "kube.init"));
    assert_true(waits(&w, NULL, "kube.network", "master", "kube.init"));
    assert_true(waits(&w, NULL, "kube.gpu", NULL, "kube.network"));
    assert_true(waits(&w, "gpu-2", "node.ready", NULL, "kube.network"));
    assert_true(waits(&w, "gpu-2", "node.allocatable", NULL, "kube.gpu"));
    assert_true(waits(&w, "gpu-2", "proof", "gpu-2", "node.allocatable"));
    assert_false(waits(&w, "gpu-2", "proof", "gpu-1", "node.allocatable"));
    close_world(&w);
}

static void test_cluster_graph__up_without_proof(void **state)
{
    world w;

    open_world(&w, spec_text);
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, GPUC_UP_NO_PROOF, NULL));
    assert_false(has(&w, "gpu-1", "proof"));
    assert_true(has(&w, "gpu-1", "node.allocatable"));
    close_world(&w);
}

static void test_cluster_graph__verify_makes_no_machine(void **state)
{
    world w;

    open_world(&w, spec_text);
    ASSERT_OK(gpuc__cluster_verify_graph(&w.graph, w.cluster, NULL));
    assert_int_equal(w.graph->count, 4 * 2 + 2);
    for (size_t i = 0; i < w.graph->count; i++) {
        const gpuc__node *node = w.graph->nodes[i];

        assert_int_equal(node->ops->act == NULL, strcmp(node->id, "machine.create") == 0);
    }
    assert_true(waits(&w, "gpu-1", "proof", "gpu-1", "machine.reach"));
    assert_false(has(&w, "master", "kube.init"));
    close_world(&w);
}

static void test_cluster_graph__down_deletes_what_was_made(void **state)
{
    world w;

    open_world(&w, spec_text);
    place(&w, "master");
    ASSERT_OK(gpuc__cluster_add_stray(w.cluster, "stray", NULL));
    ASSERT_OK(gpuc__cluster_down_graph(&w.graph, w.cluster, 0, NULL));
    assert_int_equal(w.graph->count, 5); /* no step on a machine that goes as a whole */
    assert_true(has(&w, "stray", "machine.destroy"));
    assert_true(has(&w, "master", "machine.destroy"));
    close_world(&w);
}

static void test_cluster_graph__down_gives_hosts_back(void **state)
{
    world w;

    open_world(&w, hosts_text);
    place(&w, "master");
    ASSERT_OK(gpuc__cluster_down_graph(&w.graph, w.cluster, 0, NULL));
    assert_true(has(&w, "master", "undo.kube.install"));
    assert_false(has(&w, "master", "node.remove"));
    /* backwards: what came last goes first, the claim and then the host itself at the end */
    assert_string_equal(gpuc__node_id(w.graph->nodes[0]), "machine.reach");
    assert_string_equal(gpuc__node_id(w.graph->nodes[w.graph->count - 1]), "machine.destroy");
    assert_true(waits(&w, "master", "machine.destroy", "master", "undo.host.claim"));
    for (size_t i = 1; i < w.graph->count; i++)
        assert_ptr_equal(w.graph->nodes[i]->before[0], w.graph->nodes[i - 1]);
    close_world(&w);
}

static void test_cluster_graph__a_host_that_is_gone_is_let_go(void **state)
{
    world w;

    open_world(&w, hosts_text);
    place(&w, "master");
    ASSERT_OK(gpuc_cluster_let_go(w.cluster, "master", NULL));
    ASSERT_OK(gpuc__cluster_load_members(w.cluster, NULL)); /* the wish is not forgotten */
    place(&w, "master");
    ASSERT_OK(gpuc__cluster_down_graph(&w.graph, w.cluster, 0, NULL));
    assert_int_equal(w.graph->count, 1);
    assert_true(has(&w, "master", "machine.destroy"));
    close_world(&w);
}

static void test_cluster_graph__a_machine_leaves(void **state)
{
    world w;

    open_world(&w, spec_text);
    assert_int_equal(gpuc_cluster_let_go(w.cluster, "gpu-1", NULL), GPUC_EUNSUPPORTED);
    ASSERT_OK(gpuc__cluster_add_stray(w.cluster, "gpu-3", NULL));
    place(&w, "gpu-3");
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    assert_int_equal(count_of(&w, "gpu-3"), 2);
    assert_true(waits(&w, "gpu-3", "machine.destroy", "gpu-3", "node.remove"));
    close_world(&w);
}

static void test_cluster_graph__a_control_plane_leaves_etcd_first(void **state)
{
    world w;

    open_world(&w, three_masters);
    for (size_t i = 1; i < 3; i++) {
        place(&w, w.cluster->members[i]->name);
        w.cluster->members[i]->model = NULL;
    }
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    assert_true(waits(&w, "cp-2", "undo.kube.join", "cp-2", "machine.reach"));
    assert_true(waits(&w, "cp-2", "machine.reach", "cp-2", "node.drain"));
    assert_true(waits(&w, "cp-2", "node.remove", "cp-2", "undo.kube.join"));
    assert_true(waits(&w, "cp-3", "machine.reach", "cp-2", "undo.kube.join"));
    close_world(&w);
}

static void test_cluster_graph__a_machine_is_replaced(void **state)
{
    char *status = NULL;
    world w;

    open_world(&w, spec_text);
    ASSERT_OK(gpuc_cluster_replace(w.cluster, "gpu-2", NULL));
    assert_int_equal(gpuc_cluster_replace(w.cluster, "master", NULL), GPUC_EUNSUPPORTED);
    /* asking how things stand does not forget the wish */
    ASSERT_OK(gpuc_cluster_status(&status, w.cluster, NULL));
    gpuc_free(status);
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    assert_true(waits(&w, "gpu-2", "machine.create", "gpu-2", "machine.destroy"));
    assert_true(waits(&w, "gpu-2", "machine.destroy", "gpu-2", "node.remove"));
    assert_false(has(&w, "gpu-1", "machine.destroy"));
    close_world(&w);
}

static void test_cluster_graph__what_was_never_proven_has_not_failed(void **state)
{
    gpuc_report *report = NULL;
    char *text;
    world w;
    open_world(&w, spec_text);
    ASSERT_OK(gpuc__cluster_report(&report, w.cluster, NULL));
    text = gpuc_report_to_json(report);
    assert_non_null(strstr(text, "has not been proven yet"));
    assert_true(!strstr(text, "\":\"fail\"") && !strstr(text, "\":\"pass\""));
    gpuc_free(text);
    gpuc_report_unref(report);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_graph__a_plan_asks_whether_machines_can_be_made),
        cmocka_unit_test(test_cluster_graph__up_has_the_steps_of_each_role),
        cmocka_unit_test(test_cluster_graph__up_waits_for_the_right_things),
        cmocka_unit_test(test_cluster_graph__up_without_proof),
        cmocka_unit_test(test_cluster_graph__verify_makes_no_machine),
        cmocka_unit_test(test_cluster_graph__down_deletes_what_was_made),
        cmocka_unit_test(test_cluster_graph__down_gives_hosts_back),
        cmocka_unit_test(test_cluster_graph__a_host_that_is_gone_is_let_go),
        cmocka_unit_test(test_cluster_graph__what_was_never_proven_has_not_failed),
        cmocka_unit_test(test_cluster_graph__a_machine_leaves),
        cmocka_unit_test(test_cluster_graph__a_control_plane_leaves_etcd_first),
        cmocka_unit_test(test_cluster_graph__a_machine_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster of kind gce: what its graphs have that others' have not. Nothing is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/provide.h"
#include "core/graph_internal.h"
#include "support/api.h"
#include "util/alloc.h"

#define MACHINES                                                                                   \
    "machines:\n"                                                                                  \
    "  - {name: master, role: control-plane, machine_type: n1-standard-2}\n"                       \
    "  - {name: gpu, role: worker, count: 2, machine_type: n1-standard-4, accelerator: {type: "     \
    "nvidia-tesla-t4}}\n"

static const char cloud_text[] = "apiVersion: gpucluster/v1\n"
                                 "name: unit\n"
                                 "provider: {kind: gce, project: p, zones: [us-east1-d]}\n"
                                 "ssh: {identity: /nonexistent}\n" MACHINES;

typedef struct world {
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc_cluster *cluster;
    gpuc__graph *graph;
} world;

static void open_world(world *w)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;

    memset(w, 0, sizeof(*w));
    options.state_dir = api_state;
    ASSERT_OK(gpuc_context_new(&w->context, NULL));
    ASSERT_OK(gpuc_spec_parse(&w->spec, cloud_text, strlen(cloud_text), "unit.yaml", NULL));
    ASSERT_OK(gpuc_cluster_open(&w->cluster, w->context, w->spec, NULL, &options, NULL));
}

static void close_world(world *w)
{
    gpuc__graph_free(w->graph);
    gpuc_cluster_unref(w->cluster);
    gpuc_spec_unref(w->spec);
    gpuc_context_unref(w->context);
}

static bool waits(const gpuc__node *node, const gpuc__node *before)
{
    for (size_t i = 0; i < node->before_count; i++) {
        if (node->before[i] == before)
            return true;
    }
    return false;
}

static gpuc__node *node_of(const world *w, const char *machine, const char *id)
{
    return gpuc__graph_find(w->graph, machine, id);
}

static void test_cluster_cloud__what_is_shared_comes_first(void **state)
{
    gpuc__node *shared;
    world w;

    open_world(&w);
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    shared = node_of(&w, NULL, "cloud.shared");
    assert_non_null(shared);
    assert_int_equal(shared->before_count, 0);
    assert_true(waits(node_of(&w, "master", "machine.create"), shared));
    assert_true(waits(node_of(&w, "gpu-2", "machine.create"), shared));
    assert_null(node_of(&w, NULL, "cloud.clean"));
    gpuc__graph_free(w.graph);
    w.graph = NULL;
    ASSERT_OK(gpuc__cluster_verify_graph(&w.graph, w.cluster, NULL));
    assert_null(node_of(&w, NULL, "cloud.shared")); /* it makes nothing */
    close_world(&w);
}

static void test_cluster_cloud__all_machines_are_asked_for_at_once(void **state)
{
    world w;

    open_world(&w);
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    assert_true(node_of(&w, "gpu-1", "machine.create")->elsewhere);
    assert_false(node_of(&w, "gpu-1", "machine.reach")->elsewhere);
    close_world(&w);
}

static void test_cluster_cloud__what_is_shared_goes_last(void **state)
{
    static const char *const machines[] = {"master", "gpu-1", "gpu-2", "stray"};
    gpuc__node *clean;
    world w;

    open_world(&w);
    ASSERT_OK(gpuc__cluster_down_graph(&w.graph, w.cluster, 0, NULL));
    assert_null(node_of(&w, NULL, "cloud.clean")); /* nothing carries the mark of no cluster */
    gpuc__graph_free(w.graph);
    w.graph = NULL;
    w.cluster->identity.uuid = gpuc__strdup("11111111-2222-4333-8444-555555555555");
    ASSERT_OK(gpuc__cluster_add_stray(w.cluster, "stray", NULL));
    ASSERT_OK(gpuc__cluster_down_graph(&w.graph, w.cluster, 0, NULL));
    clean = node_of(&w, NULL, "cloud.clean");
    assert_non_null(clean);
    assert_int_equal(clean->before_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(waits(clean, node_of(&w, machines[i], "machine.destroy")));
    assert_null(clean->ops->probe); /* half of it may be there: it is swept in any case */
    assert_non_null(clean->ops->act);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cluster_cloud__what_is_shared_comes_first, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_cloud__all_machines_are_asked_for_at_once,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_cloud__what_is_shared_goes_last, api_setup,
                                        api_teardown),
    };

    if (!gpuc__provider_gce.make_shared) {
        print_message("SKIP: this build has no firewall rules for gce\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

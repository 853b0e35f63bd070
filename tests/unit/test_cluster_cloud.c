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
#include "transport/ssh_internal.h"
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

static const char retired_text[] =
    "apiVersion: gpucluster/v1\n"
    "name: unit\n"
    "provider: {kind: gce, project: p, zones: [us-east1-d]}\n"
    "machines:\n"
    "  - {name: master, role: control-plane, machine_type: n1-standard-2, accelerator: {type: "
    "nvidia-tesla-k80}}\n";
static const char moved_text[] = "apiVersion: gpucluster/v1\n"
                                 "name: unit\n"
                                 "provider: {kind: gce, project: q, zones: [us-east1-d]}\n" MACHINES;
static const char carries_text[] =
    "apiVersion: gpucluster/v1\n"
    "name: unit\n"
    "provider: {kind: gce, project: p, zones: [us-central1-a]}\n"
    "machines:\n"
    "  - {name: master, role: control-plane, machine_type: n1-standard-2}\n"
    "  - {name: a100, role: worker, machine_type: a2-highgpu-2g}\n"
    "  - {name: odd, role: worker, machine_type: z9-none-1}\n";

typedef struct world {
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc_cluster *cluster;
    gpuc__graph *graph;
} world;

static void open_world(world *w, const char *text)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;

    memset(w, 0, sizeof(*w));
    options.state_dir = api_state;
    ASSERT_OK(gpuc_context_new(&w->context, NULL));
    ASSERT_OK(gpuc_spec_parse(&w->spec, text, strlen(text), "unit.yaml", NULL));
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

    open_world(&w, cloud_text);
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

    open_world(&w, cloud_text);
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

    open_world(&w, cloud_text);
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

/* What cannot be had is refused by plan and by up, before anything is asked or made. */
static void test_cluster_cloud__what_cannot_be_had_is_refused(void **state)
{
    gpuc_error *error = NULL;
    gpuc_plan *plan = NULL;
    gpuc_op *op = NULL;
    world w;

    open_world(&w, retired_text);
    assert_true(gpuc_cluster_plan(&plan, w.cluster, 0, &error) < 0);
    assert_null(plan);
    assert_non_null(strstr(gpuc_error_message(error), "nvidia-tesla-k80"));
    assert_non_null(strstr(gpuc_error_remedy(error), "nvidia-tesla-t4"));
    gpuc_error_unref(error);
    error = NULL;
    ASSERT_OK(gpuc_cluster_up_start(&op, w.cluster, 0, NULL));
    assert_true(gpuc_op_wait(op, 10000, &error) < 0);
    assert_non_null(strstr(gpuc_error_message(error), "nvidia-tesla-k80"));
    assert_null(gpuc_op_report(op)); /* nothing has been looked at */
    gpuc_error_unref(error);
    gpuc_op_unref(op);
    assert_false(w.cluster->locked);
    assert_null(w.cluster->busy);
    close_world(&w);
}

static bool has_state(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/unit/state.db", api_state);
    return access(path, F_OK) == 0;
}

/* `up` with this text: the code of its error. */
static int up_with(const char *text)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    world w;
    int rc;

    open_world(&w, text);
    rc = gpuc_cluster_up_start(&op, w.cluster, 0, &error);
    if (rc == GPUC_OK)
        rc = gpuc_op_wait(op, 10000, &error);
    gpuc_error_unref(error);
    gpuc_op_unref(op);
    close_world(&w);
    return rc;
}

static void test_cluster_cloud__a_refused_spec_leaves_nothing_behind(void **state)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    gpuc_cluster *again = NULL;
    char *kept = NULL;
    world w;

    assert_true(up_with(retired_text) < 0);
    assert_false(has_state());
    /* a cluster that has begun, in project p */
    open_world(&w, cloud_text);
    ASSERT_OK(gpuc__cluster_open_store(w.cluster, true, NULL));
    ASSERT_OK(gpuc__store_lock(w.cluster->store, "test", NULL));
    w.cluster->locked = true;
    ASSERT_OK(gpuc__identity_load(w.cluster, true, NULL));
    kept = gpuc_spec_to_json(w.spec);
    ASSERT_OK(gpuc__store_set(w.cluster->store, NULL, "spec", kept, NULL));
    ASSERT_OK(gpuc__store_set(w.cluster->store, NULL, "provider.gce.project", "p", NULL));
    close_world(&w);
    assert_true(up_with(retired_text) < 0);
    assert_int_equal(up_with(moved_text), GPUC_ESTATE);
    assert_true(has_state());
    /* `down` goes by the spec of what there is */
    options.state_dir = api_state;
    ASSERT_OK(gpuc_context_new(&w.context, NULL));
    ASSERT_OK(gpuc_cluster_open(&again, w.context, NULL, "unit", &options, NULL));
    assert_string_equal(again->model->provider_project, "p");
    assert_int_equal(again->member_count, 3);
    gpuc_cluster_unref(again);
    gpuc_context_unref(w.context);
    gpuc_free(kept);
}

static void test_cluster_cloud__gpus_of_the_machine_type_count(void **state)
{
    world w;

    open_world(&w, carries_text);
    assert_int_equal(gpuc__cluster_member(w.cluster, "a100")->gpus, 2);
    assert_int_equal(gpuc__cluster_member(w.cluster, "master")->gpus, 0);
    assert_int_equal(gpuc__cluster_member(w.cluster, "odd")->gpus, 0); /* the plan refuses it */
    ASSERT_OK(gpuc__cluster_up_graph(&w.graph, w.cluster, 0, NULL));
    assert_non_null(node_of(&w, "a100", "proof"));
    assert_null(node_of(&w, "odd", "proof"));
    close_world(&w);
}

static const char jump_text[] =
    "apiVersion: gpucluster/v1\n"
    "name: unit\n"
    "provider: {kind: gce, project: p, region: us-east1, external_ip: false}\n"
    "ssh: {jump: ops@bastion.example.net}\n"
    "machines:\n"
    "  - {name: master, role: control-plane, machine_type: n1-standard-2}\n";

/* Without an external address: through the provider, or through the jump host that the spec names. */
static void test_cluster_cloud__the_way_to_a_machine_without_address(void **state)
{
    gpuc__machine_info info = {.address = (char *)"10.142.0.2",
                               .port = 22,
                               .user = (char *)"ubuntu",
                               .made_here = true,
                               .tunnelled = true};
    const char *const texts[] = {carries_text, jump_text};

    for (size_t i = 0; i < 2; i++) {
        gpuc__member *master;
        world w;

        open_world(&w, texts[i]);
        ASSERT_OK(gpuc__cluster_open_store(w.cluster, true, NULL));
        ASSERT_OK(gpuc__store_lock(w.cluster->store, "test", NULL));
        w.cluster->locked = true;
        ASSERT_OK(gpuc__identity_load(w.cluster, true, NULL));
        master = gpuc__cluster_member(w.cluster, "master");
        ASSERT_OK(gpuc__member_set_info(master, &info, NULL));
        assert_int_equal(master->ssh->open_way == gpuc__cluster_open_way, i == 0);
        assert_int_equal(master->ssh->jump != NULL, i == 1);
        info.tunnelled = false; /* it has been given an address: the connection is made anew */
        ASSERT_OK(gpuc__member_set_info(master, &info, NULL));
        assert_null(master->ssh->open_way);
        info.tunnelled = true;
        close_world(&w);
    }
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
        cmocka_unit_test_setup_teardown(test_cluster_cloud__what_cannot_be_had_is_refused, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_cloud__a_refused_spec_leaves_nothing_behind,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_cloud__gpus_of_the_machine_type_count,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(
            test_cluster_cloud__the_way_to_a_machine_without_address, api_setup, api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of nodes whose nvidia.com/gpu is not simply the GPUs that they have. */
#include "support/verify_nodes.h"

#include "kube/status.h"

#define SHARED(count)                                                                              \
    ",\"labels\":{\"nvidia.com/gpu.replicas\":\"4\",\"nvidia.com/gpu.count\":\"" #count "\"}"

static const char *asked_for(size_t job)
{
    json_t *spec = json_object_get(json_object_get(json_object_get(json_array_get(fleet.jobs, job),
                                                                   "spec"), "template"), "spec");
    json_t *container = json_array_get(json_object_get(spec, "containers"), 0);

    return json_string_value(json_object_get(json_object_get(json_object_get(container, "resources"),
                                                             "limits"), "nvidia.com/gpu"));
}

/* Four shares of one GPU are no four GPUs, whatever --gpus says. */
static void test_verify_nodes_kinds__shares(void **state)
{
    char message[600];
    json_t *root;
    int code;

    begin(NODE("one", GPUS(4), SHARED(1)), "");
    gpuc_verification_set(v, "gpus", "1", NULL);
    root = run(&code, message, sizeof(message));
    if (code != GPUC_OK)
        fail_msg("%s", message);
    assert_string_equal(asked_for(0), "1");
    is(root, "one", "k8s.alloc", "pass", "4 of 4");
    is(root, "one", "k8s.pod", "pass", "of which the node offers shares");
    is(root, "one", "gpu.count", "skip", "no whole GPUs");
    is(root, "one", "cuda.compute", "pass", "");
    json_decref(root);
    end();
}

static void test_verify_nodes_kinds__shares_of_many_or_in_use(void **state)
{
    char message[600];
    json_t *root;
    int code;

    begin(NODE("two", GPUS(8), SHARED(2)) "," NODE("used", GPUS(4), SHARED(1)), POD("used", 1));
    root = run(&code, message, sizeof(message));
    if (code != GPUC_OK)
        fail_msg("%s", message);
    assert_int_equal(fleet.created, 1);
    assert_string_equal(asked_for(0), "1");
    is(root, "two", "k8s.pod", "skip", "looked at one GPU");
    is(root, "used", "k8s.pod", "skip", "pods hold 1 of 4 shares");
    json_decref(root);
    end();
}

/* Too few when the nodes were listed, enough when it was asked why: what is offered now counts. */
static void test_verify_nodes_kinds__offered_meanwhile(void **state)
{
    char message[600];
    json_t *root;
    int code;

    begin(NODE("late", "\"capacity\":{\"nvidia.com/gpu\":\"1\"},\"allocatable\":{\"nvidia.com/gpu\":\"0\"}",
               ""), "");
    fleet.node = NODE("late", GPUS(1), "");
    root = run(&code, message, sizeof(message));
    if (code != GPUC_OK)
        fail_msg("%s", message);
    is(root, "late", "k8s.alloc", "pass", "1 of 1");
    is(root, "late", "k8s.pod", "pass", "all of its 1 GPUs");
    json_decref(root);
    end();
}

/* A container is given devices of one name only: what it cannot see is not called proven. */
static void test_verify_nodes_kinds__mig_devices_of_two_sizes(void **state)
{
    char message[600];
    const json_t *containers;
    json_t *root;
    int code;

    begin(NODE("mixed",
               "\"capacity\":{\"nvidia.com/mig-1g.10gb\":\"4\",\"nvidia.com/mig-3g.40gb\":\"1\"},"
               "\"allocatable\":{\"nvidia.com/mig-1g.10gb\":\"4\",\"nvidia.com/mig-3g.40gb\":\"1\"}",
               ""), "");
    root = run(&code, message, sizeof(message));
    is(root, "mixed", "k8s.alloc", "pass", "5 of 5");
    is(root, "mixed", "k8s.pod", "skip", "looked at 4 of 5 GPUs and MIG devices");
    assert_int_equal(json_array_size(fleet.jobs), 1);
    containers = gpuc__json_at(json_array_get(fleet.jobs, 0), "spec", "template", "spec", "containers",
                               NULL);
    assert_int_equal(json_array_size(containers), 1);
    assert_string_equal(gpuc__json_text(json_array_get(containers, 0), "resources", "limits",
                                        "nvidia.com/mig-1g.10gb", NULL), "4");
    json_decref(root);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_nodes_kinds__shares),
        cmocka_unit_test(test_verify_nodes_kinds__shares_of_many_or_in_use),
        cmocka_unit_test(test_verify_nodes_kinds__offered_meanwhile),
        cmocka_unit_test(test_verify_nodes_kinds__mig_devices_of_two_sizes),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes have GPUs, and which of them are free. */
#include "util_test.h"

#include "kube/gpu_nodes.h"

static bool has_gpus(const char *node)
{
    json_t *root = json_loads(node, 0, NULL);
    bool has = false;

    assert_non_null(root);
    assert_int_equal(gpuc__gpu_node(&has, root, NULL), GPUC_OK);
    json_decref(root);
    return has;
}

static void test_gpu_nodes__who_has_gpus(void **state)
{
    assert_false(has_gpus("{}"));
    assert_false(has_gpus("{\"status\":{\"capacity\":{\"cpu\":\"8\",\"amd.com/gpu\":\"1\"}}}"));
    assert_false(has_gpus("{\"status\":{\"capacity\":{\"nvidia.com/gpu\":\"0\"}}}"));
    assert_true(has_gpus("{\"status\":{\"capacity\":{\"nvidia.com/gpu\":\"8\"}}}"));
    assert_true(has_gpus("{\"status\":{\"allocatable\":{\"nvidia.com/mig-1g.10gb\":\"7\"}}}"));
    assert_true(has_gpus("{\"metadata\":{\"labels\":{\"nvidia.com/gpu.present\":\"true\"}}}"));
    assert_false(has_gpus("{\"metadata\":{\"labels\":{\"nvidia.com/gpu.present\":\"false\"}}}"));
    assert_true(has_gpus("{\"metadata\":{\"labels\":{\"cloud.google.com/gke-accelerator\":"
                         "\"nvidia-l4\"}}}"));
    assert_false(has_gpus("{\"metadata\":{\"labels\":{\"gpu\":\"true\"}}}"));
}

/* What is held of a resource of node "n" by these pods, but those of the run. */
static long held_but(const char *run_id, const char *pods, const char *resource)
{
    json_t *list = json_pack("{s:o}", "items", json_loads(pods, 0, NULL)), *usage;
    long n;

    assert_non_null(list);
    usage = gpuc__gpu_usage(list, run_id);
    n = (long)json_integer_value(json_object_get(json_object_get(usage, "n"), resource));
    json_decref(list);
    json_decref(usage);
    return n;
}

static long held(const char *pods, const char *resource)
{
    return held_but(NULL, pods, resource);
}

#define POD(phase, spec)                                                                           \
    "[{\"spec\":{\"nodeName\":\"n\"," spec "},\"status\":{\"phase\":\"" phase "\"}}]"
#define HAS(kind, n) "{\"resources\":{\"" kind "\":{\"nvidia.com/gpu\":" n "}}}"

static void test_gpu_nodes__what_pods_hold(void **state)
{
    const char *gpu = "nvidia.com/gpu";

    assert_int_equal(held("[]", gpu), 0);
    assert_int_equal(held("[7, null, {\"spec\":{\"nodeName\":7}}]", gpu), 0);
    assert_int_equal(held(POD("Running", "\"containers\":[" HAS("limits", "\"2\"") "]"), gpu), 2);
    assert_int_equal(held(POD("Pending", "\"containers\":[" HAS("requests", "\"2\"") "]"), gpu), 2);
    assert_int_equal(held(POD("Running", "\"containers\":[" HAS("limits", "3") "]"), gpu), 3);
    assert_int_equal(held(POD("Succeeded", "\"containers\":[" HAS("limits", "\"2\"") "]"), gpu), 0);
    assert_int_equal(held(POD("Failed", "\"containers\":[" HAS("limits", "\"2\"") "]"), gpu), 0);
    /* Containers together; an init container only where it is more. */
    assert_int_equal(held(POD("Running", "\"containers\":[" HAS("limits", "\"1\"") ","
                              HAS("limits", "\"1\"") "],\"initContainers\":["
                              HAS("limits", "\"1\"") "]"), gpu), 2);
    assert_int_equal(held(POD("Running", "\"containers\":[" HAS("limits", "\"1\"") "],"
                              "\"initContainers\":[" HAS("limits", "\"4\"") "]"), gpu), 4);
    /* One that stays counts with the containers. */
    assert_int_equal(held(POD("Running", "\"containers\":[" HAS("limits", "\"1\"") "],"
                              "\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{"
                              "\"limits\":{\"nvidia.com/gpu\":\"1\"}}}]"), gpu), 2);
    assert_int_equal(held(POD("Running", "\"containers\":[{\"resources\":{\"limits\":{"
                              "\"nvidia.com/mig-2g.20gb\":\"1\",\"cpu\":\"4\"}}}]"),
                          "nvidia.com/mig-2g.20gb"), 1);
    assert_int_equal(held("[{\"spec\":{\"containers\":[" HAS("limits", "\"2\"") "]}}]", gpu), 0);
}

static void test_gpu_nodes__a_runs_own_do_not_count(void **state)
{
    static const char pods[] = "[{\"metadata\":{\"labels\":{\"gpucluster/run-id\":\"abc\"}},"
                               "\"spec\":{\"nodeName\":\"n\",\"containers\":[" HAS("limits", "1") "]}},"
                               "{\"spec\":{\"nodeName\":\"n\",\"containers\":[" HAS("limits", "2") "]}}]";

    assert_int_equal(held_but("abc", pods, "nvidia.com/gpu"), 2);
    assert_int_equal(held_but("abd", pods, "nvidia.com/gpu"), 3);
    assert_int_equal(held_but(NULL, pods, "nvidia.com/gpu"), 3);
}

static void test_gpu_nodes__what_is_free(void **state)
{
    json_t *node = json_loads("{\"metadata\":{\"name\":\"n\"},\"status\":{\"allocatable\":{"
                              "\"cpu\":\"64\",\"nvidia.com/gpu\":\"8\",\"nvidia.com/mig-1g.10gb\":\"2\","
                              "\"nvidia.com/mig-3g.40gb\":\"1\"}}}", 0, NULL);
    json_t *usage = json_loads("{\"n\":{\"nvidia.com/gpu\":5,\"nvidia.com/mig-3g.40gb\":4},"
                               "\"m\":{\"nvidia.com/gpu\":8}}", 0, NULL), *left;
    long count = -1;

    left = gpuc__gpu_free(&count, node, usage);
    assert_int_equal(count, 5);
    assert_int_equal(json_object_size(left), 2);
    assert_string_equal(json_string_value(json_object_get(left, "nvidia.com/gpu")), "3");
    assert_string_equal(json_string_value(json_object_get(left, "nvidia.com/mig-1g.10gb")), "2");
    json_decref(left);
    left = gpuc__gpu_free(&count, node, NULL);
    assert_int_equal(count, 11);
    json_decref(left);
    json_decref(node);
    json_decref(usage);
}

static bool shared(const char *labels)
{
    json_t *node = json_pack("{s:{s:o}}", "metadata", "labels", json_loads(labels, 0, NULL));
    bool is = gpuc__gpu_shared(node);

    json_decref(node);
    return is;
}

static void test_gpu_nodes__shares_of_gpus(void **state)
{
    assert_false(gpuc__gpu_shared(NULL));
    assert_false(shared("{}"));
    assert_false(shared("{\"nvidia.com/gpu.sharing-strategy\":\"none\",\"nvidia.com/gpu.replicas\":\"1\"}"));
    assert_true(shared("{\"nvidia.com/gpu.sharing-strategy\":\"time-slicing\"}"));
    assert_true(shared("{\"nvidia.com/gpu.sharing-strategy\":\"mps\",\"nvidia.com/gpu.replicas\":\"1\"}"));
    assert_true(shared("{\"nvidia.com/gpu.replicas\":\"4\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_nodes__who_has_gpus),
        cmocka_unit_test(test_gpu_nodes__what_pods_hold),
        cmocka_unit_test(test_gpu_nodes__a_runs_own_do_not_count),
        cmocka_unit_test(test_gpu_nodes__what_is_free),
        cmocka_unit_test(test_gpu_nodes__shares_of_gpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

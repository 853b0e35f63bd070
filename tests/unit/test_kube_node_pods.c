/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kube/node.h"

static long held(const char *items, const char *run_id)
{
    json_t *pods = json_pack("{s:o}", "items", json_loads(items, 0, NULL));
    long n = gpuc__node_gpus_held(pods, run_id);

    json_decref(pods);
    return n;
}

#define GPUS(n) "{\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"" #n "\"}}}"

static void test_kube_node_pods__gpus_held(void **state)
{
    assert_int_equal(held("[]", NULL), 0);
    assert_int_equal(held("[{}, {\"spec\":{\"containers\":[{}, " GPUS(x) "," GPUS(-3) "]}}]", NULL), 0);
    assert_int_equal(held("[{\"spec\":{\"containers\":[" GPUS(2) "," GPUS(1) "]}}]", NULL), 3);
    /* what runs before the others needs no more than the most of any */
    assert_int_equal(held("[{\"spec\":{\"initContainers\":[" GPUS(4) "," GPUS(1) "],"
                          "\"containers\":[" GPUS(2) "]}}]", NULL), 4);
    assert_int_equal(held("[{\"status\":{\"phase\":\"Running\"},\"spec\":{\"containers\":[" GPUS(1) "]}},"
                          "{\"status\":{\"phase\":\"Failed\"},\"spec\":{\"containers\":[" GPUS(1) "]}},"
                          "{\"status\":{\"phase\":\"Succeeded\"},\"spec\":{\"containers\":[" GPUS(1)
                          "]}}]", NULL), 1);
}

static void test_kube_node_pods__a_runs_own_do_not_count(void **state)
{
    static const char pods[] = "[{\"metadata\":{\"labels\":{\"gpucluster/run-id\":\"abc\"}},"
                               "\"spec\":{\"containers\":[" GPUS(1) "]}},"
                               "{\"spec\":{\"containers\":[" GPUS(1) "]}}]";

    assert_int_equal(held(pods, "abc"), 1);
    assert_int_equal(held(pods, "abd"), 2);
    assert_int_equal(held(pods, NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kube_node_pods__gpus_held),
        cmocka_unit_test(test_kube_node_pods__a_runs_own_do_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

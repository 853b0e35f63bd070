/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes against a scripted API server: waiting and why it failed, labels, taints, drain. */
#include "support/kube_api.h"

#include "kube/node.h"

#define NODE(ready, reason, message, gpus)                                                         \
    "{\"metadata\":{\"name\":\"n1\",\"resourceVersion\":\"5\"},\"status\":{\"allocatable\":{"      \
    "\"nvidia.com/gpu\":\"" gpus "\"},\"conditions\":[{\"type\":\"Ready\",\"status\":\"" ready     \
    "\",\"reason\":\"" reason "\",\"message\":\"" message "\"}]}}"
#define LIST(items) "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" items "]}"
#define NOT_READY                                                                                  \
    NODE("False", "KubeletNotReady", "container runtime network not ready: cni plugin not "       \
                                     "initialized", "0")

/* Waits for two GPUs of n1, which come; how many it then has. */
static long wait_for_two_gpus(kube_step *steps)
{
    kube_end end = {0};
    gpuc__node_state node;

    kube_api_begin(steps);
    gpuc__node_wait(kube, "n1", 2, 5000, kube_on_end, &end);
    kube_wait(&end);
    assert_null(end.error);
    gpuc__node_read(&node, end.result);
    assert_true(node.ready);
    kube_drop(&end);
    kube_api_end();
    return node.gpus;
}

static void test_node__waits_until_ready_with_its_gpus(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 200, LIST(NOT_READY)},
        {"GET", "watch=1", 200,
         "{\"type\":\"MODIFIED\",\"object\":" NODE("True", "KubeletReady", "", "0") "}\n"
         "{\"type\":\"MODIFIED\",\"object\":" NODE("True", "KubeletReady", "", "2") "}\n",
         KUBE_HANG},
        {NULL}};

    assert_int_equal(wait_for_two_gpus(steps), 2);
    assert_int_equal(kube_api_asked("fieldSelector=metadata.name%3Dn1"), 2);
}

/* Cut into MIG devices of several sizes, GPUs have names of their own. */
static void test_node__mig_devices_count(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 200,
         LIST("{\"metadata\":{\"name\":\"n1\"},\"status\":{\"allocatable\":{\"nvidia.com/gpu\":"
              "\"1\",\"nvidia.com/mig-1g.10gb\":\"4\",\"nvidia.com/mig-3g.40gb\":\"1\",\"cpu\":\"64\"},"
              "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}")},
        {NULL}};

    assert_int_equal(wait_for_two_gpus(steps), 6);
}

static void test_node__tells_why_it_is_not_ready(void **state)
{
    kube_step steps[] = {
        {"GET", "/api/v1/nodes?limit=", 200, LIST(NOT_READY)},
        {"GET", "watch=1", 200, "", KUBE_HANG},
        {"GET", "/api/v1/pods?", 200,
         LIST("{\"metadata\":{\"namespace\":\"kube-flannel\",\"name\":\"kube-flannel-ds-1\"},"
              "\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{"
              "\"reason\":\"ImagePullBackOff\",\"message\":\"Back-off pulling image x\"}}}]}}")},
        {"GET", "/api/v1/events?", 200,
         LIST("{\"type\":\"Warning\",\"reason\":\"FreeDiskSpaceFailed\",\"message\":\"0\","
              "\"lastTimestamp\":\"2026-01-01T00:00:00Z\"},"
              "{\"type\":\"Warning\",\"reason\":\"CgroupV1\",\"message\":\"noise\","
              "\"lastTimestamp\":\"2026-01-01T00:00:01Z\"}")},
        {NULL}};
    kube_end end = {0};
    const char *text;

    kube_api_begin(steps);
    gpuc__node_wait(kube, "n1", 0, 600, kube_on_end, &end);
    kube_wait(&end);
    assert_int_equal(gpuc_error_code(end.error), GPUC_ETIMEDOUT);
    text = gpuc_error_message(end.error);
    assert_non_null(strstr(text, "cni plugin not initialized"));
    assert_non_null(strstr(text, "kube-flannel/kube-flannel-ds-1: the image cannot be pulled"));
    assert_non_null(strstr(text, "FreeDiskSpaceFailed"));
    assert_null(strstr(text, "CgroupV1"));
    assert_non_null(gpuc_error_remedy(end.error));
    kube_drop(&end);
    kube_api_end();
}

static void test_node__tells_that_it_never_came_or_lacks_gpus(void **state)
{
    kube_step steps[] = {
        {"GET", "/api/v1/nodes?limit=", 200, LIST("")},
        {"GET", "/api/v1/nodes?limit=", 200, LIST(NODE("True", "KubeletReady", "", "1"))},
        {"GET", "watch=1", 200, "", KUBE_HANG, .times = 2},
        {"GET", "/api/v1/pods?", 200, LIST("")},
        {"GET", "/api/v1/events?", 200, LIST("")},
        {NULL}};
    kube_end end = {0};

    kube_api_begin(steps);
    gpuc__node_wait(kube, "n1", 0, 500, kube_on_end, &end);
    kube_wait(&end);
    assert_non_null(strstr(gpuc_error_message(end.error), "has not registered"));
    kube_drop(&end);
    gpuc__node_wait(kube, "n1", 4, 500, kube_on_end, &end);
    kube_wait(&end);
    assert_non_null(strstr(gpuc_error_message(end.error), "offers 1 GPUs"));
    assert_non_null(strstr(gpuc_error_message(end.error), "4 were expected"));
    kube_drop(&end);
    kube_api_end();
}

#define TAINT "{\"key\":\"gpucluster/unproven\",\"value\":\"true\",\"effect\":\"NoSchedule\"}"
#define OTHERS                                                                                     \
    "{\"key\":\"a\",\"effect\":\"NoSchedule\"},{\"key\":\"gpucluster/unproven\",\"effect\":"        \
    "\"NoExecute\"}"
#define TAINTED(taints)                                                                            \
    "{\"metadata\":{\"resourceVersion\":\"5\"},\"spec\":{\"taints\":[" taints "]}}"
#define MARKS(labels, taints)                                                                      \
    "{\"metadata\":{\"resourceVersion\":\"5\",\"labels\":" labels "},\"spec\":{\"taints\":["        \
    taints "]}}"
#define GONE "{\"gpu\":null,\"cuda\":null}"
#define THERE "{\"gpu\":\"true\",\"cuda\":\"true\"}"

static kube_end mark(const char *labels, bool unproven)
{
    json_t *object = json_loads(labels, 0, NULL);
    kube_end end = {0};

    assert_non_null(gpuc__node_mark(kube, "n1", object, unproven, kube_on_end, &end));
    json_decref(object);
    kube_wait(&end);
    return end;
}

static void test_node__labels(void **state)
{
    kube_step steps[] = {{"PATCH", "/api/v1/nodes/n1", 200, "{}"}, {NULL}};
    json_t *labels = json_pack("{s:s, s:n}", "gpu", "true", "cuda");
    kube_end end = {0};

    kube_api_begin(steps);
    gpuc__node_label(kube, "n1", labels, kube_on_end, &end);
    kube_wait(&end);
    assert_null(end.error);
    assert_int_equal(kube_api_asked("{\"metadata\":{\"labels\":{\"gpu\":\"true\",\"cuda\":null}}}"),
                     1);
    kube_drop(&end);
    json_decref(labels);
    kube_api_end();
}

/* Both ways, in one request with the labels, and the taints of others are as they were. */
static void test_node__startup_taint_comes_and_goes(void **state)
{
    kube_step steps[] = {
        {"GET", "/api/v1/nodes/n1", 200, TAINTED(OTHERS)},
        {"PATCH", "/api/v1/nodes/n1", 409, KUBE_STATUS(409, "Conflict", "changed")},
        {"GET", "/api/v1/nodes/n1", 200, TAINTED(OTHERS)},
        {"PATCH", "/api/v1/nodes/n1", 200, "{}"},
        {"GET", "/api/v1/nodes/n1", 200, TAINTED(TAINT "," OTHERS)},
        {"PATCH", "/api/v1/nodes/n1", 200, "{}"},
        {"GET", "/api/v1/nodes/n1", 200, TAINTED(OTHERS)},
        {"PATCH", "/api/v1/nodes/n1", 200, "{}"},
        {NULL}};
    kube_end end;

    kube_api_begin(steps);
    end = mark(GONE, true); /* once more after the conflict */
    assert_null(end.error);
    assert_int_equal(kube_api_asked(MARKS(GONE, OTHERS "," TAINT)), 2);
    kube_drop(&end);
    end = mark(THERE, false);
    assert_null(end.error);
    assert_int_equal(kube_api_asked(MARKS(THERE, OTHERS)), 1);
    kube_drop(&end);
    end = mark(THERE, false); /* it is not there: the labels alone */
    assert_null(end.error);
    assert_int_equal(kube_api_asked("PATCH /api/v1/nodes/n1 {\"metadata\":{\"labels\":" THERE "}}"), 1);
    kube_drop(&end);
    assert_int_equal(kube_api_asked("GET"), 4);
    assert_int_equal(kube_api_asked("PATCH"), 4);
    assert_int_equal(api.unmatched, 0);
    kube_api_end();
}

static void test_node__startup_taint_that_cannot_be_changed(void **state)
{
    kube_step steps[] = {
        {"GET", "/api/v1/nodes/n1", 200, TAINTED(OTHERS), .times = -1},
        {"PATCH", "/api/v1/nodes/n1", 409, KUBE_STATUS(409, "Conflict", "changed"), .times = -1},
        {NULL}}, refused[] = {
        {"GET", "/api/v1/nodes/n1", 200, TAINTED(TAINT)},
        {"PATCH", "/api/v1/nodes/n1", 403, KUBE_STATUS(403, "Forbidden", "no")},
        {"GET", "/api/v1/nodes/n1", 404, KUBE_STATUS(404, "NotFound", "no such node")},
        {NULL}};
    kube_end end;

    kube_api_begin(steps);
    end = mark(GONE, true);
    assert_int_equal(gpuc_error_native_code(end.error), 409);
    assert_int_equal(kube_api_asked("PATCH"), 5); /* not for ever */
    kube_drop(&end);
    kube_api_end();
    kube_api_begin(refused);
    end = mark(GONE, false);
    assert_int_equal(gpuc_error_code(end.error), GPUC_EPERM);
    kube_drop(&end);
    end = mark(GONE, false);
    assert_int_equal(gpuc_error_code(end.error), GPUC_ENOTFOUND);
    kube_drop(&end);
    kube_api_end();
}

#define POD(name, more)                                                                            \
    "{\"metadata\":{\"namespace\":\"d\",\"name\":\"" name "\"" more "},\"status\":{\"phase\":"     \
    "\"Running\"}}"
#define UNMOVED                                                                                    \
    POD("ds", ",\"ownerReferences\":[{\"kind\":\"DaemonSet\"}]") ","                               \
    POD("static", ",\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}")

static void test_node__drain_asks_again_when_a_budget_refuses(void **state)
{
    kube_step steps[] = {
        {"PATCH", "/api/v1/nodes/n1", 200, "{}"},
        {"GET", "/api/v1/pods?", 200, LIST(UNMOVED "," POD("a", "") "," POD("b", ""))},
        {"POST", "/pods/a/eviction", 201, "{}"},
        {"POST", "/pods/b/eviction", 429, KUBE_STATUS(429, "TooManyRequests", "budget")},
        {"GET", "/api/v1/pods?", 200, LIST(UNMOVED "," POD("b", ""))},
        {"POST", "/pods/b/eviction", 404, KUBE_STATUS(404, "NotFound", "gone")},
        {"GET", "/api/v1/pods?", 200, LIST(UNMOVED)},
        {NULL}};
    kube_end end = {0};

    kube_api_begin(steps);
    gpuc__node_drain(kube, "n1", 20000, kube_on_end, &end);
    kube_wait(&end);
    assert_null(end.error);
    assert_int_equal(kube_api_asked("\"unschedulable\":true"), 1);
    assert_int_equal(kube_api_asked("POST"), 3);
    assert_int_equal(api.unmatched, 0);
    kube_drop(&end);
    kube_api_end();
}

static void test_node__drain_gives_up_with_the_reason(void **state)
{
    kube_step steps[] = {
        {"PATCH", "/api/v1/nodes/n1", 200, "{}"},
        {"GET", "/api/v1/pods?", 200,
         LIST(POD("b", "") "," POD("c", ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"")),
         .times = -1},
        {"POST", "/pods/b/eviction", 429,
         KUBE_STATUS(429, "TooManyRequests", "violates the budget web-pdb"), .times = -1},
        {"PATCH", "/api/v1/nodes/gone", 404, KUBE_STATUS(404, "NotFound", "no such node")},
        {"DELETE", "/api/v1/nodes/gone", 404, KUBE_STATUS(404, "NotFound", "no such node")},
        {NULL}};
    kube_end end = {0};

    kube_api_begin(steps);
    gpuc__node_drain(kube, "n1", 3000, kube_on_end, &end);
    kube_wait(&end);
    assert_int_equal(gpuc_error_code(end.error), GPUC_ETIMEDOUT);
    assert_non_null(strstr(gpuc_error_message(end.error), "violates the budget web-pdb"));
    assert_non_null(strstr(gpuc_error_message(end.error), "d/c is ending"));
    kube_drop(&end);
    gpuc__node_drain(kube, "gone", 3000, kube_on_end, &end);
    kube_wait(&end);
    assert_null(end.error);
    kube_drop(&end);
    gpuc__node_delete(kube, "gone", kube_on_end, &end);
    kube_wait(&end);
    assert_null(end.error);
    kube_drop(&end);
    kube_api_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node__waits_until_ready_with_its_gpus),
        cmocka_unit_test(test_node__mig_devices_count),
        cmocka_unit_test(test_node__tells_why_it_is_not_ready),
        cmocka_unit_test(test_node__tells_that_it_never_came_or_lacks_gpus),
        cmocka_unit_test(test_node__labels),
        cmocka_unit_test(test_node__startup_taint_comes_and_goes),
        cmocka_unit_test(test_node__startup_taint_that_cannot_be_changed),
        cmocka_unit_test(test_node__drain_asks_again_when_a_budget_refuses),
        cmocka_unit_test(test_node__drain_gives_up_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

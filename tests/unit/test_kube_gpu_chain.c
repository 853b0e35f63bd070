/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering what the API server knows of a node's GPUs, from a scripted one. */
#include "support/kube_api.h"

#include "kube/gpu_chain.h"
#include "kube/status.h"

#define LIST(items) "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" items "]}"
#define SETS                                                                                       \
    LIST("{\"metadata\":{\"name\":\"kube-proxy\",\"namespace\":\"kube-system\"}},"                   \
         "{\"metadata\":{\"name\":\"nvdp-mps-control-daemon\",\"namespace\":\"gpu\"},\"spec\":{"       \
         "\"template\":{\"spec\":{\"containers\":[{\"image\":\"nvcr.io/nvidia/k8s-device-plugin:v1\"}" \
         "]}}}},{\"metadata\":{\"name\":\"x\",\"namespace\":\"gpu\"},\"spec\":{\"selector\":{"          \
         "\"matchLabels\":{\"app\":\"x y\",\"b\":\"c\"}},\"template\":{\"spec\":{\"containers\":[{"      \
         "\"image\":\"r/k8s-device-plugin:v1\"}]}}}}")
#define PODS(state)                                                                                \
    LIST("{\"metadata\":{\"name\":\"other\",\"namespace\":\"gpu\"},\"spec\":{\"nodeName\":\"n2\"}},"   \
         "{\"metadata\":{\"name\":\"p\",\"namespace\":\"gpu\",\"uid\":\"u1\"},\"spec\":{\"nodeName\":"  \
         "\"n1\"},\"status\":{\"containerStatuses\":[{\"name\":\"c\"," state "}]}}")

static json_t *gather(kube_step *steps, kube_end *end)
{
    kube_api_begin(steps);
    gpuc__chain_gather(kube, "n1", 5000, kube_on_end, end);
    kube_wait(end);
    return end->result;
}

static void test_gather__all_of_it(void **state)
{
    kube_step steps[] = {
        {"GET", "/api/v1/nodes/n1", 200, "{\"metadata\":{\"name\":\"n1\"}}"},
        {"GET", "/apis/node.k8s.io/v1/runtimeclasses", 200, LIST("{\"handler\":\"nvidia\"}")},
        {"GET", "/apis/apps/v1/daemonsets", 200, SETS},
        {"GET", "/api/v1/namespaces/gpu/pods?", 200,
         PODS("\"state\":{\"waiting\":{}},\"lastState\":{\"terminated\":{\"exitCode\":1}}")},
        {"GET", "/api/v1/namespaces/gpu/events?", 200, LIST("{\"reason\":\"BackOff\"}")},
        {"GET", "/api/v1/namespaces/gpu/pods/p/log?", 200, "no driver\n\x01\xff\n"},
        {NULL}};
    kube_end end = {0};
    json_t *facts = gather(steps, &end);

    assert_null(end.error);
    assert_string_equal(gpuc__json_text(facts, "node", "metadata", "name", NULL), "n1");
    assert_int_equal(json_array_size(json_object_get(facts, "runtimeClasses")), 1);
    assert_int_equal(json_array_size(json_object_get(facts, "daemonSets")), 1);
    assert_string_equal(gpuc__json_text(facts, "pod", "metadata", "name", NULL), "p");
    assert_int_equal(json_array_size(json_object_get(facts, "events")), 1);
    assert_string_equal(gpuc__json_text(facts, "log", NULL), "no driver\n??\n");
    assert_int_equal(kube_api_asked("labelSelector=app%3Dx%20y%2Cb%3Dc"), 1);
    assert_int_equal(kube_api_asked("fieldSelector=involvedObject.uid%3Du1"), 1);
    assert_int_equal(kube_api_asked("tailLines=40&previous=true"), 1);
    kube_drop(&end);
    kube_api_end();
}

static void test_gather__what_may_not_be_read(void **state)
{
    static const char no[] = KUBE_STATUS(403, "Forbidden", "user cannot list");
    kube_step steps[] = {{"GET", "/api/v1/nodes/n1", 200, "{\"metadata\":{\"name\":\"n1\"}}"},
                         {"GET", "runtimeclasses", 403, no},
                         {"GET", "daemonsets", 403, no},
                         {NULL}};
    kube_step pods[] = {{"GET", "/api/v1/nodes/n1", 200, "{\"metadata\":{\"name\":\"n1\"}}"},
                        {"GET", "runtimeclasses", 200, LIST("")},
                        {"GET", "daemonsets", 200, SETS},
                        {"GET", "pods?", 200, PODS("\"state\":{\"running\":{}}")},
                        {"GET", "events?", 403, no},
                        {"GET", "/log?", 403, no},
                        {NULL}};
    kube_end end = {0};
    json_t *facts = gather(steps, &end);

    assert_null(end.error);
    assert_null(json_object_get(facts, "daemonSets"));
    assert_non_null(strstr(gpuc__json_text(facts, "refused", "daemonSets", NULL), "cannot list"));
    assert_non_null(gpuc__json_text(facts, "refused", "runtimeClasses", NULL));
    kube_drop(&end);
    kube_api_end();
    end = (kube_end){0};
    facts = gather(pods, &end);
    assert_string_equal(gpuc__json_text(facts, "pod", "metadata", "name", NULL), "p");
    assert_non_null(gpuc__json_text(facts, "refused", "events", NULL));
    assert_non_null(gpuc__json_text(facts, "refused", "log", NULL));
    assert_int_equal(kube_api_asked("previous=true"), 0);
    kube_drop(&end);
    kube_api_end();
}

static void test_gather__without_the_node(void **state)
{
    kube_step steps[] = {{"GET", "/api/v1/nodes/n1", 404, KUBE_STATUS(404, "NotFound", "no n1")},
                         {NULL}};
    kube_end end = {0};

    assert_null(gather(steps, &end));
    assert_int_equal(gpuc_error_code(end.error), GPUC_ENOTFOUND);
    kube_drop(&end);
    kube_api_end();
}

static void test_gather__ends_when_cancelled(void **state)
{
    kube_step steps[] = {{"GET", "/api/v1/nodes/n1", 200, "{}"},
                         {"GET", "runtimeclasses", 200, "{", KUBE_HANG},
                         {NULL}};
    kube_end end = {0};
    gpuc__kube_call *call;

    kube_api_begin(steps);
    call = gpuc__chain_gather(kube, "n1", 5000, kube_on_end, &end);
    assert_non_null(call);
    while (kube_api_asked("runtimeclasses") == 0)
        gpuc_context_process(context, NULL);
    gpuc__kube_cancel(call);
    kube_wait(&end);
    assert_int_equal(gpuc_error_code(end.error), GPUC_ECANCELLED);
    kube_drop(&end);
    kube_api_end();
}

static void test_gather__a_pod_that_is_not_placed_yet(void **state)
{
    static const char text[] =
        "{\"spec\":{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
        "\"nodeSelectorTerms\":[{\"matchExpressions\":[]},{\"matchFields\":[{\"key\":\"metadata.name\","
        "\"values\":[7,\"n1\"]}]}]}}}}}";
    json_t *pod = json_loads(text, 0, NULL);

    assert_true(gpuc__chain_pod_of(pod, "n1"));
    assert_false(gpuc__chain_pod_of(pod, "n2"));
    assert_false(gpuc__chain_pod_of(NULL, "n1"));
    json_decref(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather__all_of_it),
        cmocka_unit_test(test_gather__what_may_not_be_read),
        cmocka_unit_test(test_gather__without_the_node),
        cmocka_unit_test(test_gather__ends_when_cancelled),
        cmocka_unit_test(test_gather__a_pod_that_is_not_placed_yet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a verdict does to its node: labels and startup taint, set, taken away and left, with the option and
 * without; and the option that is turned off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/kube_api.h"

#include "support/gpu_data.h"
#include "support/gpu_machine.h"
#include "support/run_until.h"

#include "cluster/action.h"
#include "cluster/mark.h"
#include "cluster/provide.h"
#include "kube/node.h"

#define TAINT "{\"key\":\"gpucluster/unproven\",\"value\":\"true\",\"effect\":\"NoSchedule\"}"
#define OTHER "{\"key\":\"other\",\"effect\":\"NoExecute\"}"
#define LABELLED "\"gpu\":\"true\",\"cuda\":\"true\",\"gpucluster/gpu-present\":\"true\""
#define NODE(labels, taints)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"5\",\"labels\":{" labels "}},\"spec\":{\"taints\":["      \
    taints "]}}"

static gpuc_spec *spec;
static gpuc_cluster *cluster;
static gpuc__member *gpu;

static void begin(kube_step *steps, bool taints)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    char text[512];

    snprintf(text, sizeof(text),
             "{apiVersion: gpucluster/v1, name: unit, provider: {kind: ssh}, ssh: {user: root, agent: "
             "true}, kubernetes: {startup_taint: %s}, machines: [{name: m, role: control-plane, host: "
             "127.0.0.1}, {name: g, role: worker, host: 127.0.0.2, accelerator: {count: 2}}]}",
             taints ? "true" : "false");
    options.state_dir = api_state;
    kube_api_begin(steps);
    ASSERT_OK(gpuc_spec_parse(&spec, text, strlen(text), "s.yaml", NULL));
    ASSERT_OK(gpuc_cluster_open(&cluster, context, spec, NULL, &options, NULL));
    gpu = gpuc__cluster_member(cluster, "g");
    assert_int_equal(cluster->model->startup_taint, taints);
}

static void end(void)
{
    assert_int_equal(api.unmatched, 0);
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    kube_api_end();
}

/* All is well; tried: with the pod, too. */
static gpuc__machine_proof *proof(bool tried)
{
    const gpu_machine m = GPU_MACHINE_TWO;
    gpuc__machine_proof *p = gpu_machine_prove(&m, "g", 2, "0000:0a:00.0,0000:0b:00.0");

    for (size_t i = 0; i < p->check_count; i++)
        p->checks[i].status = GPUC_CHECK_PASS;
    if (!tried)
        ASSERT_OK(gpuc__proof_set(p, "k8s.pod", NULL, GPUC_CHECK_SKIP, "no GPU is free", NULL, NULL, NULL,
                                  NULL));
    return p;
}

/* p is consumed. */
static void apply(gpuc__machine_proof *p, bool unproven)
{
    kube_end done = {0};

    assert_non_null(gpuc__mark_proven(kube, gpu, p, unproven, kube_on_end, &done));
    kube_wait(&done);
    assert_null(done.error);
    kube_drop(&done);
    gpuc__proof_free(p);
}

static gpuc__machine_proof *failed(void)
{
    gpuc__machine_proof *p = proof(true);

    ASSERT_OK(gpuc__proof_set(p, "cuda.compute", NULL, GPUC_CHECK_FAIL, "wrong", NULL, NULL, NULL, NULL));
    return p;
}

static void test_cluster_mark__taint_follows_the_verdict(void **state)
{
    kube_step steps[] = {
        {"GET", "/nodes/g", 200, NODE("", OTHER "," TAINT)},      {"PATCH", "/nodes/g", 200, "{}"},
        {"GET", "/nodes/g", 200, NODE(LABELLED, OTHER)},          {"PATCH", "/nodes/g", 200, "{}"},
        {"PATCH", "/nodes/g", 200, "{}"},                         {NULL}};

    begin(steps, true);
    apply(proof(true), true);
    assert_int_equal(kube_api_asked("\"labels\":{\"gpu\":\"true\",\"cuda\":\"true\"}},\"spec\":{\"taints\":"
                                    "[" OTHER "]}"), 1);
    apply(failed(), false);
    assert_int_equal(kube_api_asked("\"labels\":{\"gpu\":null,\"cuda\":null}},\"spec\":{\"taints\":["
                                    OTHER "," TAINT "]}"), 1);
    apply(proof(false), true); /* not all could be tried */
    assert_int_equal(kube_api_asked("PATCH /api/v1/nodes/g {\"metadata\":{\"labels\":{}}}"), 1);
    end();
}

static void test_cluster_mark__without_the_option(void **state)
{
    kube_step steps[] = {{"PATCH", "/nodes/g", 200, "{}", .times = 2},
                         {"GET", "/nodes/g", 200, NODE("", TAINT)},
                         {"PATCH", "/nodes/g", 200, "{}"},
                         {NULL}};

    begin(steps, false);
    apply(proof(true), false);
    apply(failed(), true);
    assert_int_equal(kube_api_asked("taints"), 0);
    assert_int_equal(kube_api_asked("GET"), 0);
    apply(proof(true), true); /* one of before, from when it was on */
    assert_int_equal(kube_api_asked("\"taints\":[]"), 1);
    end();
}

static void test_cluster_mark__what_a_proven_node_lacks(void **state)
{
    kube_step none[] = {{NULL}};
    json_t *clean = json_loads(NODE(LABELLED, OTHER), 0, NULL);
    json_t *tainted = json_loads(NODE(LABELLED, OTHER "," TAINT), 0, NULL);
    json_t *bare = json_loads(NODE("\"gpu\":\"true\"", OTHER), 0, NULL);

    begin(none, true);
    assert_null(gpuc__mark_lacks(gpu, clean));
    assert_non_null(strstr(gpuc__mark_lacks(gpu, tainted), "startup taint"));
    assert_non_null(strstr(gpuc__mark_lacks(gpu, bare), "labels"));
    end();
    begin(none, false);
    assert_null(gpuc__mark_lacks(gpu, tainted)); /* node.gpu-present sees to it */
    end();
    json_decref(clean);
    json_decref(tainted);
    json_decref(bare);
}

/* ---- the step that labels the node ---- */

static gpuc_error *run_error;
static int ended;

static void on_run(void *data, gpuc_error *error)
{
    run_error = error;
    ended++;
}

/* Runs node.gpu-present alone, with the scripted API server. */
static void run_step(void)
{
    gpuc__graph *graph = NULL;

    ended = 0;
    cluster->locked = true;
    cluster->kube = gpuc__kube_ref(kube);
    cluster->identity = (gpuc__identity){.uuid = gpuc__strdup("u"), .ca_cert = gpuc__strdup("c"),
                                         .admin_key = gpuc__strdup("k")};
    ASSERT_OK(gpuc__graph_new(&graph, context, NULL, NULL));
    ASSERT_OK(gpuc__action_add(graph, cluster, gpu,
                               gpuc__recipe_find(cluster->recipe, "node.gpu-present"), NULL, NULL, NULL));
    ASSERT_OK(gpuc__graph_run(graph, NULL, 4, on_run, NULL, NULL));
    RUN_UNTIL(context, ended);
    assert_int_equal(ended, 1);
    if (run_error)
        fail_msg("%s", gpuc_error_message(run_error));
    gpuc__graph_free(graph);
    cluster->locked = false;
}

static void test_cluster_mark__turned_off_it_goes_with_the_next_up(void **state)
{
    kube_step steps[] = {
        {"GET", "/nodes/g", 200, NODE(LABELLED, OTHER "," TAINT), .times = 2},
        {"PATCH", "/nodes/g", 200, "{}"},
        {"GET", "/nodes/g", 200, NODE(LABELLED, OTHER)},
        {NULL}};

    begin(steps, false);
    run_step();
    assert_int_equal(kube_api_asked("PATCH"), 1);
    assert_int_equal(kube_api_asked("\"spec\":{\"taints\":[" OTHER "]}"), 1);
    end();
}

static void test_cluster_mark__turned_on_it_stays_until_the_proof(void **state)
{
    kube_step steps[] = {
        {"GET", "/nodes/g", 200, NODE("", OTHER "," TAINT)},
        {"PATCH", "/nodes/g", 200, "{}"},
        {"GET", "/nodes/g", 200, NODE("\"gpucluster/gpu-present\":\"true\"", OTHER "," TAINT)},
        {NULL}};

    begin(steps, true);
    run_step();
    assert_int_equal(kube_api_asked("taints"), 0);
    assert_int_equal(kube_api_asked("{\"metadata\":{\"labels\":{\"gpucluster/gpu-present\":\"true\"}}}"),
                     1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_mark__taint_follows_the_verdict),
        cmocka_unit_test(test_cluster_mark__without_the_option),
        cmocka_unit_test(test_cluster_mark__what_a_proven_node_lacks),
        cmocka_unit_test(test_cluster_mark__turned_off_it_goes_with_the_next_up),
        cmocka_unit_test(test_cluster_mark__turned_on_it_stays_until_the_proof),
    };

    return cmocka_run_group_tests(tests, api_setup, api_teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of the nodes of a cluster that a kubeconfig leads to, against a pretended one. */
#include "support/verify_nodes.h"
#include "support/run_until.h"

static void test_verify_nodes__every_kind_of_node(void **state)
{
    char message[600];
    const json_t *job, *spec;
    json_t *root;
    int code;

    begin(NODE("free", GPUS(1), "") "," NODE("full", GPUS(2), "") "," NODE("cpu", NONE, "") ","
          NODE("broken", NONE, ",\"labels\":{\"nvidia.com/gpu.present\":\"true\"}"),
          POD("full", 2));
    fleet.runtime_classes = "{\"metadata\":{\"name\":\"nvidia\"}}";
    root = run(&code, message, sizeof(message));
    assert_int_equal(code, GPUC_EPROOF);
    if (!strstr(message, "1 of 3 machines failed"))
        fail_msg("%s", message);
    assert_int_equal(json_array_size(json_object_get(root, "machines")), 3);
    is(root, "free", "k8s.alloc", "pass", "1 of 1");
    is(root, "free", "k8s.pod", "pass", "all of its 1 GPUs");
    is(root, "free", "cuda.compute", "pass", "");
    is(root, "full", "k8s.pod", "skip", "pods hold all 2 GPUs");
    is(root, "broken", "k8s.alloc", "fail", "");
    assert_non_null(json_string_value(json_object_get(check(root, "broken", "k8s.alloc"), "remedy")));
    assert_int_equal(fleet.created, 1);
    assert_int_equal(fleet.deleted, 1);
    assert_int_equal(fleet.patched[0], 0);
    job = json_array_get(fleet.jobs, 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(job, "metadata"),
                                                          "namespace")), "team");
    assert_non_null(json_object_get(json_object_get(job, "spec"), "ttlSecondsAfterFinished"));
    spec = json_object_get(json_object_get(json_object_get(job, "spec"), "template"), "spec");
    assert_string_equal(json_string_value(json_object_get(spec, "runtimeClassName")), "nvidia");
    json_decref(root);
    end();
}

/* Of a node that is half in use only the free half is asked for. */
static void test_verify_nodes__in_use_is_left_alone(void **state)
{
    char message[600];
    json_t *root, *container, *spec;
    int code;

    begin(NODE("half", GPUS(2), ""), POD("half", 1));
    root = run(&code, message, sizeof(message));
    if (code != GPUC_OK)
        fail_msg("%s", message);
    is(root, "half", "k8s.pod", "skip", "looked at 1 of 2 GPUs");
    spec = json_object_get(json_object_get(json_object_get(json_array_get(fleet.jobs, 0), "spec"),
                                           "template"), "spec");
    container = json_array_get(json_object_get(spec, "containers"), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json_object_get(container, "resources"),
                                                          "limits"), "nvidia.com/gpu")), "1");
    assert_null(json_object_get(spec, "runtimeClassName"));
    json_decref(root);
    end();
}

static void test_verify_nodes__refused_beforehand(void **state)
{
    char message[600];
    int code;

    begin(NODE("free", GPUS(1), ""), "");
    fleet.denied = "create jobs";
    json_decref(run(&code, message, sizeof(message)));
    assert_int_equal(code, GPUC_EPERM);
    assert_non_null(strstr(message, "create jobs.batch in the namespace \"team\""));
    assert_int_equal(fleet.created, 0);
    end();
}

static void test_verify_nodes__optional_right_is_no_must(void **state)
{
    char message[600];
    json_t *root;
    int code;

    begin(NODE("free", GPUS(1), ""), "");
    fleet.denied = "list runtimeclasses";
    root = run(&code, message, sizeof(message));
    assert_int_equal(code, GPUC_OK);
    assert_non_null(root);
    json_decref(root);
    end();
}

static void test_verify_nodes__no_gpus_at_all(void **state)
{
    char message[600];
    int code;

    begin(NODE("cpu", NONE, ""), "");
    json_decref(run(&code, message, sizeof(message)));
    assert_int_equal(code, GPUC_ENOTFOUND);
    assert_non_null(strstr(message, "none of the cluster's 1 nodes has GPUs"));
    end();
}

static void test_verify_nodes__pod_that_cannot_start(void **state)
{
    char message[600];
    json_t *root;
    int code;

    begin(NODE("free", GPUS(1), ""), "");
    fleet.pod_phase = "Pending";
    root = run(&code, message, sizeof(message));
    assert_int_equal(code, GPUC_EPROOF);
    is(root, "free", "k8s.pod", "fail", "image");
    assert_int_equal(fleet.deleted, 1);
    json_decref(root);
    end();
}

static void test_verify_nodes__labels_when_asked(void **state)
{
    char message[600];
    json_t *root;
    int code;

    begin(NODE("free", GPUS(1), ""), "");
    gpuc_verification_set(v, "label", "true", NULL);
    gpuc_verification_set(v, "gpus", "8", NULL);
    root = run(&code, message, sizeof(message));
    assert_int_equal(code, GPUC_EPROOF);
    is(root, "free", "k8s.alloc", "fail", "1 of 1");
    assert_non_null(strstr(fleet.patched, "/api/v1/nodes/free"));
    assert_non_null(strstr(fleet.patched, "\"cuda\":null"));
    json_decref(root);
    end();
}

/* Nothing could be looked at, and nothing failed: that is no reason to take labels away. */
static void test_verify_nodes__labels_of_a_busy_node_stay(void **state)
{
    char message[600];
    int code;

    begin(NODE("full", GPUS(2), ""), POD("full", 2));
    gpuc_verification_set(v, "label", "true", NULL);
    json_decref(run(&code, message, sizeof(message)));
    assert_int_equal(code, GPUC_OK);
    assert_string_equal(fleet.patched, "");
    end();
}

static void test_verify_nodes__limits_hold(void **state)
{
    char message[600];
    json_t *root;
    int code;

    begin(NODE("free", GPUS(1), "") "," NODE("full", GPUS(2), ""), POD("full", 2));
    assert_int_equal(gpuc_verification_set(v, "check.smi.run", "off", NULL), GPUC_OK);
    assert_int_equal(gpuc_verification_set(v, "check.k8s.alloc", "off", NULL), GPUC_OK);
    root = run(&code, message, sizeof(message));
    assert_int_equal(code, GPUC_OK);
    is(root, "free", "smi.run", "skip", "switched off");
    is(root, "free", "k8s.alloc", "skip", "switched off");
    is(root, "full", "k8s.alloc", "skip", "switched off");
    json_decref(root);
    end();
}

/* The Job is gone when the cancelled operation ends. */
static void test_verify_nodes__cancelled(void **state)
{
    gpuc_op *op = NULL;

    begin(NODE("free", GPUS(1), ""), "");
    fleet.pod_phase = "Running";
    assert_int_equal(gpuc_verification_start(&op, v, NULL), GPUC_OK);
    RUN_UNTIL(context, fleet.created);
    gpuc_op_cancel(op);
    assert_int_equal(gpuc_op_wait(op, 20000, NULL), GPUC_ECANCELLED);
    assert_int_equal(fleet.created, 1);
    assert_int_equal(fleet.deleted, 1);
    gpuc_op_unref(op);
    end();
}

static void test_verify_nodes__wrong_beforehand(void **state)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;

    begin("", "");
    gpuc_verification_set(v, "context", "nowhere", NULL);
    assert_true(gpuc_verification_start(&op, v, &error) < 0);
    assert_non_null(strstr(gpuc_error_message(error), "nowhere"));
    gpuc_error_unref(error);
    gpuc_verification_add_hosts(v, "host", NULL, NULL);
    assert_int_equal(gpuc_verification_start(&op, v, NULL), GPUC_EINVAL);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_nodes__every_kind_of_node),
        cmocka_unit_test(test_verify_nodes__in_use_is_left_alone),
        cmocka_unit_test(test_verify_nodes__refused_beforehand),
        cmocka_unit_test(test_verify_nodes__optional_right_is_no_must),
        cmocka_unit_test(test_verify_nodes__no_gpus_at_all),
        cmocka_unit_test(test_verify_nodes__pod_that_cannot_start),
        cmocka_unit_test(test_verify_nodes__labels_when_asked),
        cmocka_unit_test(test_verify_nodes__labels_of_a_busy_node_stay),
        cmocka_unit_test(test_verify_nodes__limits_hold),
        cmocka_unit_test(test_verify_nodes__cancelled),
        cmocka_unit_test(test_verify_nodes__wrong_beforehand),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of nodes whose pod is ended before it is done. */
#include "support/verify_nodes.h"

/* The report of a node whose pod has said no more than up to the mark. */
static json_t *cut(const char *mark, const char *probe, int exit_code)
{
    char message[600], *at;
    json_t *root;
    int code;

    begin(NODE("free", GPUS(1), ""), "");
    at = mark ? strstr(fleet.machine, mark) : NULL;
    assert_true(!mark || at);
    if (at)
        *at = '\0';
    if (probe) {
        free(fleet.probe);
        fleet.probe = strdup(probe);
    }
    fleet.pod_phase = "Failed";
    fleet.exit_code = exit_code;
    root = run(&code, message, sizeof(message));
    assert_int_equal(code, mark || probe ? GPUC_EPROOF : GPUC_OK);
    end();
    return root;
}

static void test_verify_nodes_cut__before_nvidia_smi(void **state)
{
    json_t *root = cut("==nonce123 begin smi", "", 137);

    is(root, "free", "k8s.pod", "fail", "exit code 137");
    is(root, "free", "smi.run", "fail", "was cut before nvidia-smi ran");
    json_decref(root);
}

static void test_verify_nodes_cut__before_the_probe(void **state)
{
    json_t *root = cut("==nonce123 done", "", 143);

    is(root, "free", "k8s.pod", "fail", "exit code 143");
    is(root, "free", "cuda.compute", "skip", "the pod's answer was cut");
    json_decref(root);
}

static void test_verify_nodes_cut__in_the_probe(void **state)
{
    json_t *root = cut(NULL, "{\"event\":\"start\",\"runner\":\"python3\",\"devices\":1}\n", 143);

    is(root, "free", "k8s.pod", "fail", "exit code 143");
    is(root, "free", "cuda.compute", "fail", "was cut before it came to this GPU");
    json_decref(root);
}

/* The container's status is the probe's, which is judged by what it printed. */
static void test_verify_nodes_cut__not_at_all(void **state)
{
    json_t *root = cut(NULL, NULL, 1);

    is(root, "free", "k8s.pod", "pass", "all of its 1 GPUs");
    is(root, "free", "cuda.compute", "pass", "");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_nodes_cut__before_nvidia_smi),
        cmocka_unit_test(test_verify_nodes_cut__before_the_probe),
        cmocka_unit_test(test_verify_nodes_cut__in_the_probe),
        cmocka_unit_test(test_verify_nodes_cut__not_at_all),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

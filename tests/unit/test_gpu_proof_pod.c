/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod on the machine says of the machine's GPUs, and what that does to the verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/proof.h"
#include "support/gpu_data.h"
#include "support/gpu_machine.h"
#include "util/alloc.h"
#include "util/error.h"

#define A "GPU-00000000-0000-4000-8000-00000000000a"
#define B "GPU-00000000-0000-4000-8000-00000000000b"
#define XML                                                                                        \
    "<nvidia_smi_log><gpu id=\"0:1:0\"><uuid>" A "</uuid><processes></processes></gpu>"            \
    "<gpu id=\"0:2:0\"><uuid>" B "</uuid><processes></processes></gpu></nvidia_smi_log>"
#define MIG(index) "<mig_device><index>" index "</index></mig_device>"
#define MIG_XML                                                                                    \
    "<nvidia_smi_log><gpu id=\"0:1:0\"><uuid>" A "</uuid><mig_mode><current_mig>Enabled"           \
    "</current_mig></mig_mode><mig_devices>" MIG("0") MIG("1") "</mig_devices><processes>"         \
    "</processes></gpu><gpu id=\"0:2:0\"><uuid>" B "</uuid><processes></processes></gpu>"          \
    "</nvidia_smi_log>"
#define START "| NVIDIA-SMI 580 |\n{\"event\":\"start\",\"runner\":\"python3\",\"devices\":2}\n"
#define PASS(uuid)                                                                                 \
    "{\"event\":\"gpu\",\"device\":\"" uuid "\",\"status\":\"pass\",\"mismatches\":0,"             \
    "\"host_mismatches\":0,\"mib\":256}\n"
#define SLICE(uuid, index)                                                                         \
    "{\"event\":\"gpu\",\"device\":\"" uuid "\",\"parent\":\"" A "\",\"index\":" index                  \
    ",\"status\":\"pass\",\"mismatches\":0,\"host_mismatches\":0,\"mib\":64}\n"
#define FAULT(uuid)                                                                                \
    "{\"event\":\"gpu\",\"device\":\"" uuid "\",\"status\":\"fail\",\"stage\":\"cuInit\","         \
    "\"code\":804,\"error\":\"x\",\"detail\":\"y\"}\n"
#define END "{\"event\":\"end\"}\n"
#define NEITHER                                                                                    \
    "{\"event\":\"fatal\",\"stage\":\"choose\",\"error\":\"NO_RUNNER\",\"detail\":\"neither\"}\n"

/* on_node: the probe's lines over SSH. */
static gpuc__machine_proof *machine_of(const char *xml, const char *on_node)
{
    gpu_machine m = {.facts = "kernel=6.1", .smi_text = xml,
                     .pci = "0000:01:00.0 0x10de 0x2330 0x030200 nvidia\n"
                            "0000:02:00.0 0x10de 0x2330 0x030200 nvidia"};
    gpuc__collect *c = gpu_machine_collect(&m);
    gpuc__machine_proof *proof = NULL;
    gpuc__probe *probe = NULL;

    assert_int_equal(gpuc__probe_parse(&probe, 0, on_node, strlen(on_node), "", 0, NULL), GPUC_OK);
    assert_int_equal(gpuc__proof_evaluate(&proof, "m", 2, c, probe, NULL, NULL, NULL), GPUC_OK);
    gpuc__probe_free(probe);
    gpuc__collect_free(c);
    return proof;
}

static gpuc__machine_proof *machine(const char *on_node)
{
    return machine_of(XML, on_node);
}

static void pod_of(gpuc__machine_proof *proof, size_t containers, const char *log, bool all,
                   const char *why)
{
    gpuc_error *error = NULL;

    if (why) {
        gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_JOB, "%s", why);
        gpuc__error_remedy(&error, "look");
    }
    assert_int_equal(gpuc__proof_set_pod(proof, log, strlen(log), all, containers, error, NULL), GPUC_OK);
    gpuc_error_unref(error);
}

static void pod(gpuc__machine_proof *proof, const char *log, bool all, const char *why)
{
    pod_of(proof, 1, log, all, why);
}

static void expect(const gpuc__machine_proof *proof, const char *id, const char *gpu, int status,
                   const char *observed)
{
    const gpuc__check *c = gpuc__proof_find(proof, id, gpu);

    if (!c)
        fail_msg("no %s of %s", id, gpu ? gpu : "the machine");
    if (c->status != status || !strstr(c->observed, observed))
        fail_msg("%s %s: %d \"%s\"", id, gpu ? gpu : "", c->status, c->observed);
}

#define BOTH START PASS(A) PASS(B) END

static void test_gpu_proof_pod__all_is_well(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    expect(p, "k8s.compute", NULL, GPUC_CHECK_SKIP, "not tried");
    pod(p, BOTH, true, NULL);
    expect(p, "k8s.pod", NULL, GPUC_CHECK_PASS, "ended with 0");
    expect(p, "k8s.compute", A, GPUC_CHECK_PASS, "0 wrong words");
    expect(p, "k8s.compute", B, GPUC_CHECK_PASS, "0 wrong words");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "2 devices computed right in the pod, 0 failed");
    gpuc__proof_free(p);
}

static void test_gpu_proof_pod__one_fails_there(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    pod(p, START PASS(A) FAULT(B) END, true, "the container ended with 5");
    expect(p, "k8s.pod", NULL, GPUC_CHECK_PASS, "ended with 0"); /* nvidia-smi did */
    expect(p, "k8s.compute", A, GPUC_CHECK_PASS, "0 wrong");
    expect(p, "k8s.compute", B, GPUC_CHECK_FAIL, "cuInit: 804 CUDA_ERROR_COMPAT_NOT_SUPPORTED");
    assert_non_null(strstr(gpuc__proof_find(p, "k8s.compute", B)->remedy, "cuda-compat"));
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "1 devices computed right in the pod, 1 failed");
    gpuc__proof_free(p);
}

static void test_gpu_proof_pod__other_gpus_than_the_machines(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    pod(p, START PASS(A) END, true, NULL);
    expect(p, "k8s.compute", B, GPUC_CHECK_FAIL, "was not given this GPU");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "1 failed");
    pod(p, START PASS(A) PASS(B) PASS("GPU-7") END, true, NULL);
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "was given GPU-7, which nvidia-smi");
    pod(p, START END, true, "the container ended with 5");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "0 devices");
    gpuc__proof_free(p);
}

/* One GPU is whole, one is cut in two: each part counts for itself. */
static void test_gpu_proof_pod__mig_devices(void **state)
{
    const char *all = START SLICE("MIG-1", "0") SLICE("MIG-2", "1") PASS(B) END;
    gpuc__machine_proof *p = machine_of(MIG_XML, all);

    expect(p, "cuda.compute", "MIG-2", GPUC_CHECK_PASS, "0 wrong");
    pod(p, all, true, NULL);
    expect(p, "k8s.compute", "MIG-1", GPUC_CHECK_PASS, "0 wrong");
    expect(p, "k8s.compute", "MIG-2", GPUC_CHECK_PASS, "0 wrong");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "3 devices computed right in the pod, 0 failed");
    pod(p, START SLICE("MIG-1", "0") PASS(B) END, true, NULL);
    expect(p, "k8s.compute", "MIG-2", GPUC_CHECK_FAIL, "was not given this GPU");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "2 devices computed right in the pod, 1 failed");
    pod(p, START SLICE("MIG-1", "0") PASS(B) END, false, NULL);
    expect(p, "k8s.compute", "MIG-2", GPUC_CHECK_SKIP, "in use");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "2 devices");
    gpuc__proof_free(p);
}

/* nvidia-smi does not say which MIG device a process runs on by a name that the pod's have: its GPU
 * was left alone, with all of them. */
static void test_gpu_proof_pod__mig_device_in_use(void **state)
{
    gpuc__machine_proof *p = machine_of(MIG_XML, START SLICE("MIG-2", "1") PASS(B) END);

    gpuc__proof_set(p, "cuda.compute", A, GPUC_CHECK_SKIP, "MIG device 0: left alone", NULL, NULL, NULL,
                    NULL);
    pod(p, START PASS(B) END, true, NULL);
    expect(p, "k8s.compute", "MIG-2", GPUC_CHECK_SKIP, "left alone");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "1 devices computed right in the pod, 0 failed");
    gpuc__proof_free(p);
}

/* What is in use is told although nothing on the machine could run the probe: the pod is to know. */
static void test_gpu_proof_pod__mig_device_in_use_and_no_runner(void **state)
{
    gpuc__machine_proof *p = machine_of(
        "<nvidia_smi_log><gpu id=\"0:1:0\"><uuid>" A "</uuid><mig_mode><current_mig>Enabled"
        "</current_mig></mig_mode><mig_devices><mig_device><index>0</index><gpu_instance_id>7"
        "</gpu_instance_id></mig_device><mig_device><index>1</index><gpu_instance_id>8"
        "</gpu_instance_id></mig_device></mig_devices><processes><process_info>"
        "<gpu_instance_id>7</gpu_instance_id><pid>42</pid><type>C</type><process_name>x"
        "</process_name></process_info></processes></gpu></nvidia_smi_log>", NEITHER);
    char **list = NULL;
    size_t n = 0;

    expect(p, "cuda.compute", A, GPUC_CHECK_SKIP, "left alone");
    assert_int_equal(gpuc__proof_in_use(&list, &n, p, NULL), GPUC_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list[0], A);
    gpuc__proof_targets_free(list);
    gpuc__proof_free(p);
}

/* Each container has a probe of its own, of which one may fail where the other has said all. */
static void test_gpu_proof_pod__several_containers(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    pod_of(p, 2, START START PASS(A) PASS(B) END END, true, NULL);
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "2 devices");
    pod_of(p, 2, START PASS(B) END, true, "the container cuda-0 was OOMKilled");
    expect(p, "k8s.pod", NULL, GPUC_CHECK_FAIL, "cuda-0 was OOMKilled"); /* before nvidia-smi's end */
    expect(p, "k8s.compute", A, GPUC_CHECK_FAIL, "ended before it spoke");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "OOMKilled");
    pod_of(p, 2, START START PASS(B) END, false, "the container cuda-0 was OOMKilled");
    expect(p, "k8s.pod", NULL, GPUC_CHECK_PASS, "ended with 0");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "OOMKilled");
    gpuc__proof_free(p);
    p = machine(BOTH); /* one has nothing to do: all that it was given is in use */
    gpuc__proof_set(p, "cuda.compute", A, GPUC_CHECK_SKIP, "left alone", NULL, NULL, NULL, NULL);
    pod_of(p, 2, START END START PASS(B) END, true, "the container cuda-0 ended with 5");
    expect(p, "k8s.compute", A, GPUC_CHECK_SKIP, "left alone");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "1 devices");
    gpuc__proof_free(p);
}

/* The probe's word stands, whatever befell the Job after its end. */
static void test_gpu_proof_pod__its_job_failed_later(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    pod(p, BOTH, true, "its log was not read to its end");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "2 devices");
    gpuc__proof_free(p);
}

static void test_gpu_proof_pod__some_are_in_use(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    pod(p, START PASS(B) END, false, NULL);
    expect(p, "k8s.compute", A, GPUC_CHECK_SKIP, "in use");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "1 devices");
    gpuc__proof_free(p);
}

static void test_gpu_proof_pod__all_are_in_use(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    gpuc__proof_set(p, "cuda.compute", A, GPUC_CHECK_SKIP, "in use", NULL, NULL, NULL, NULL);
    gpuc__proof_set(p, "cuda.compute", B, GPUC_CHECK_SKIP, "in use", NULL, NULL, NULL, NULL);
    pod(p, START END, true, "the container ended with 5");
    expect(p, "k8s.compute", A, GPUC_CHECK_SKIP, "in use");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_SKIP, "left alone");
    gpuc__proof_free(p);
}

static void test_gpu_proof_pod__it_did_not_get_so_far(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);

    pod(p, "NVIDIA-SMI has failed\n", true, "the container ended with 9");
    expect(p, "k8s.pod", NULL, GPUC_CHECK_FAIL, "ended with 9");
    assert_non_null(strstr(gpuc__proof_find(p, "k8s.pod", NULL)->evidence, "has failed"));
    expect(p, "k8s.compute", NULL, GPUC_CHECK_SKIP, "see k8s.pod");
    pod(p, START PASS(A) "{\"event\":\"begin\",\"device\":\"" B "\"}\n", true, "OOMKilled");
    expect(p, "k8s.compute", B, GPUC_CHECK_FAIL, "CUT");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_FAIL, "OOMKilled");
    gpuc__proof_free(p);
}

/* A machine with neither python3 nor a compiler is proven by the pod. */
static void test_gpu_proof_pod__it_stands_in_for_the_machine(void **state)
{
    gpuc__machine_proof *p = machine(NEITHER);
    gpuc__label_wish gpu, cuda;

    expect(p, "cuda.compute", A, GPUC_CHECK_SKIP, "neither");
    pod(p, START PASS(A) FAULT(B) END, true, "the container ended with 5");
    assert_true(gpuc__proof_find(p, "cuda.compute", A)->idle);
    assert_false(gpuc__proof_find(p, "cuda.compute", B)->idle);
    gpuc__proof_free(p);
    p = machine_of(MIG_XML, NEITHER); /* what it is cut into has no names then */
    pod(p, START SLICE("MIG-1", "0") SLICE("MIG-2", "1") PASS(B) END, true, NULL);
    expect(p, "k8s.compute", NULL, GPUC_CHECK_PASS, "3 devices");
    assert_true(gpuc__proof_find(p, "cuda.compute", A)->idle);
    gpuc__proof_free(p);
    p = machine_of(MIG_XML, NEITHER); /* one of them is held by another pod: nothing has proven it */
    pod(p, START SLICE("MIG-1", "0") PASS(B) END, false, NULL);
    assert_false(gpuc__proof_find(p, "cuda.compute", A)->idle);
    assert_true(gpuc__proof_find(p, "cuda.compute", B)->idle);
    gpuc__proof_free(p);
    p = machine(NEITHER);
    pod(p, "table\n" NEITHER, true, "the container ended with 6");
    expect(p, "k8s.pod", NULL, GPUC_CHECK_PASS, "ended with 0");
    expect(p, "k8s.compute", NULL, GPUC_CHECK_SKIP, "neither");
    gpuc__proof_labels(p, true, &gpu, &cuda);
    assert_int_not_equal(cuda, GPUC__LABEL_SET);
    gpuc__proof_free(p);
}

static void test_gpu_proof_pod__what_is_in_use_is_listed(void **state)
{
    gpuc__machine_proof *p = machine(BOTH);
    char **list = NULL;
    size_t n = 9;

    assert_int_equal(gpuc__proof_in_use(&list, &n, p, NULL), GPUC_OK);
    assert_int_equal(n, 0);
    gpuc__proof_targets_free(list);
    assert_int_equal(gpuc__proof_set(p, "cuda.compute", B, GPUC_CHECK_SKIP,
                                     "left alone: process 1 x", NULL, NULL, NULL, NULL),
                     GPUC_OK);
    assert_int_equal(gpuc__proof_in_use(&list, &n, p, NULL), GPUC_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list[0], B);
    gpuc__proof_targets_free(list);
    gpuc__proof_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_proof_pod__all_is_well),
        cmocka_unit_test(test_gpu_proof_pod__one_fails_there),
        cmocka_unit_test(test_gpu_proof_pod__other_gpus_than_the_machines),
        cmocka_unit_test(test_gpu_proof_pod__mig_devices),
        cmocka_unit_test(test_gpu_proof_pod__mig_device_in_use),
        cmocka_unit_test(test_gpu_proof_pod__mig_device_in_use_and_no_runner),
        cmocka_unit_test(test_gpu_proof_pod__several_containers),
        cmocka_unit_test(test_gpu_proof_pod__its_job_failed_later),
        cmocka_unit_test(test_gpu_proof_pod__some_are_in_use),
        cmocka_unit_test(test_gpu_proof_pod__all_are_in_use),
        cmocka_unit_test(test_gpu_proof_pod__it_did_not_get_so_far),
        cmocka_unit_test(test_gpu_proof_pod__it_stands_in_for_the_machine),
        cmocka_unit_test(test_gpu_proof_pod__what_is_in_use_is_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

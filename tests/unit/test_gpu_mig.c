/* SPDX-License-Identifier: Apache-2.0 */
/* MIG devices in the proof: which are probed, and what is said of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/proof.h"
#include "support/gpu_data.h"
#include "support/gpu_machine.h"
#include "util/alloc.h"

#define GPU "GPU-cccccccc-0000-4000-8000-000000000001"
#define DEVICE(index, instance, used)                                                              \
    "<mig_device><index>" #index "</index><gpu_instance_id>" #instance "</gpu_instance_id>"        \
    "<fb_memory_usage><used>" #used " MiB</used></fb_memory_usage></mig_device>"
#define XML(devices, processes)                                                                    \
    "<nvidia_smi_log><gpu id=\"0:1:0\"><mig_mode><current_mig>Enabled</current_mig></mig_mode>"    \
    "<mig_devices>" devices "</mig_devices><uuid>" GPU "</uuid><processes>" processes              \
    "</processes></gpu></nvidia_smi_log>"
#define THREE DEVICE(0, 7, 12) DEVICE(1, 8, 12) DEVICE(3, 9, 4000)
#define PROCESS "<process_info><gpu_instance_id>8</gpu_instance_id><pid>42</pid><process_name>train" \
                "</process_name></process_info>"
#define LINE(index, status, more)                                                                  \
    "{\"event\":\"gpu\",\"device\":\"MIG-" #index "\",\"parent\":\"" GPU "\",\"index\":" #index ","  \
    "\"bus\":\"0000:01:00.0\",\"status\":\"" status "\"" more "}\n"
#define PASSED ",\"mismatches\":0,\"host_mismatches\":0,\"mib\":256,\"gbs\":500"
#define END "{\"event\":\"start\",\"devices\":2}\n{\"event\":\"end\"}\n"

static gpuc__collect *collect(const char *xml)
{
    gpu_machine m = {.facts = "kernel=6.1", .pci = "0000:01:00.0 0x10de 0x2330 0x030200 nvidia",
                     .smi_text = xml};

    return gpu_machine_collect(&m);
}

static gpuc__machine_proof *prove(const char *xml, const char *lines)
{
    gpuc__collect *c = collect(xml);
    gpuc__machine_proof *proof = NULL;
    gpuc__probe *probe = NULL;

    if (lines)
        assert_int_equal(gpuc__probe_parse(&probe, 0, lines, strlen(lines), "", 0, NULL), GPUC_OK);
    assert_int_equal(gpuc__proof_evaluate(&proof, "m", 1, c, probe, NULL, NULL, NULL), GPUC_OK);
    gpuc__probe_free(probe);
    gpuc__collect_free(c);
    return proof;
}

static void expect(const gpuc__machine_proof *proof, const char *gpu, int status,
                   const char *observed)
{
    const gpuc__check *c = gpuc__proof_find(proof, "cuda.compute", gpu);

    if (!c)
        fail_msg("nothing is said of %s", gpu);
    if (c->status != status || !strstr(c->observed, observed))
        fail_msg("%s: %d \"%s\"", gpu, c->status, c->observed);
}

static void test_gpu_mig__each_unused_device_is_a_target(void **state)
{
    gpuc__collect *c = collect(XML(THREE, PROCESS));
    char **list = NULL;
    size_t n = 0;

    assert_int_equal(gpuc__proof_targets(&list, &n, c, NULL), GPUC_OK);
    assert_int_equal(n, 2); /* a process runs on the second */
    assert_string_equal(list[0], GPU "/0");
    assert_string_equal(list[1], GPU "/3");
    gpuc__proof_targets_free(list);
    gpuc__collect_free(c);
    c = collect(XML(THREE, "N/A")); /* nobody can say; the third uses memory */
    assert_int_equal(gpuc__proof_targets(&list, &n, c, NULL), GPUC_OK);
    assert_int_equal(n, 2);
    assert_string_equal(list[1], GPU "/1");
    gpuc__proof_targets_free(list);
    gpuc__collect_free(c);
    c = collect(XML(THREE, "<process_info><pid>42</pid></process_info>")); /* of which device? */
    assert_int_equal(gpuc__proof_targets(&list, &n, c, NULL), GPUC_OK);
    assert_int_equal(n, 0);
    gpuc__proof_targets_free(list);
    gpuc__collect_free(c);
}

static void test_gpu_mig__each_device_has_a_result(void **state)
{
    gpuc__machine_proof *p = prove(
        XML(DEVICE(0, 7, 1) DEVICE(1, 8, 1), ""),
        LINE(0, "pass", PASSED) LINE(1, "fail", ",\"stage\":\"cuLaunchKernel\",\"code\":719") END);
    json_t *json = gpu_proof_json(p), *gpus = json_object_get(json, "gpus"), *mig;

    expect(p, "MIG-0", GPUC_CHECK_PASS, "0 wrong words in 3 x 256 MiB on MIG device 0 of " GPU);
    expect(p, "MIG-1", GPUC_CHECK_FAIL, "cuLaunchKernel: 719 CUDA_ERROR_LAUNCH_FAILED");
    assert_null(gpuc__proof_find(p, "cuda.compute", GPU));
    assert_string_equal(gpuc__proof_gpu_of(p, "MIG-1")->uuid, GPU);
    mig = json_object_get(json_object_get(json_array_get(gpus, 0), "nvidia_smi"), "mig");
    assert_string_equal(json_string_value(json_object_get(json_array_get(mig, 1), "uuid")), "MIG-1");
    json_decref(json);
    gpuc__proof_free(p);
}

static void test_gpu_mig__used_ones_are_left_alone(void **state)
{
    gpuc__machine_proof *p = prove(XML(DEVICE(0, 7, 1) DEVICE(1, 8, 1), PROCESS),
                                   LINE(0, "pass", PASSED) END);

    expect(p, "MIG-0", GPUC_CHECK_PASS, "0 wrong words");
    expect(p, GPU, GPUC_CHECK_SKIP, "process 42 train");
    gpuc__proof_free(p);
}

static void test_gpu_mig__without_a_result(void **state)
{
    gpuc__machine_proof *p = prove(XML(THREE, ""), LINE(1, "pass", PASSED) END);

    expect(p, "MIG-1", GPUC_CHECK_PASS, "0 wrong words");
    expect(p, GPU, GPUC_CHECK_FAIL, "could not be pointed at MIG device 0 3");
    gpuc__proof_free(p);
    p = prove(XML(THREE, ""), NULL);
    expect(p, GPU, GPUC_CHECK_SKIP, "the probe was not run");
    gpuc__proof_free(p);
    p = prove(XML(THREE, ""), "{\"event\":\"fatal\",\"error\":\"NO_RUNNER\",\"detail\":\"neither\"}\n");
    expect(p, GPU, GPUC_CHECK_SKIP, "neither");
    gpuc__proof_free(p);
    p = prove(XML("None", ""), END);
    expect(p, GPU, GPUC_CHECK_SKIP, "no MIG device to compute on");
    gpuc__proof_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_mig__each_unused_device_is_a_target),
        cmocka_unit_test(test_gpu_mig__each_device_has_a_result),
        cmocka_unit_test(test_gpu_mig__used_ones_are_left_alone),
        cmocka_unit_test(test_gpu_mig__without_a_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

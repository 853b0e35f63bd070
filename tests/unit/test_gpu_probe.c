/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/probe.h"
#include "util/alloc.h"

#define START "{\"event\":\"start\",\"runner\":\"python3\",\"devices\":2,\"simulated\":false}\n"
#define PASSED                                                                                     \
    "{\"event\":\"gpu\",\"device\":\"GPU-1\",\"cuda\":13000,\"bus\":\"00000000:0A:00.0\","         \
    "\"uuid\":\"GPU-1\",\"name\":\"NVIDIA H200\",\"cc\":\"9.0\",\"status\":\"pass\","              \
    "\"mismatches\":0,\"host_mismatches\":0,\"gbs\":4300.5,\"theoretical_gbs\":4814.3,"            \
    "\"memory_mib\":143771,\"l2_kib\":61440,\"mib\":256}\n"

static gpuc__probe *parse(int status, const char *out, const char *errout)
{
    gpuc__probe *probe = NULL;

    assert_int_equal(
        gpuc__probe_parse(&probe, status, out, strlen(out), errout, strlen(errout), NULL),
        GPUC_OK);
    return probe;
}

static void test_gpu_probe__script_holds_what_runs(void **state)
{
    const char *devices[] = {"GPU-1", "GPU-2/0"}, *skip[] = {"GPU-3"};
    gpuc__probe_request request = {.devices = devices, .device_count = 2, .mib = 8};
    char *text = NULL;

    assert_int_equal(gpuc__probe_script(&text, &request, NULL), GPUC_OK);
    assert_non_null(strstr(text, "GPUC_DEVICES='GPU-1 GPU-2/0'\n"));
    assert_non_null(strstr(text, "--mib 8 --deadline 60'\n"));
    assert_non_null(strstr(text, "GPUC_TABLE=\n"));
    assert_non_null(strstr(text, "def main("));
    assert_non_null(strstr(text, "int main("));
    assert_non_null(strstr(text, ".version 3.1"));
    assert_null(strstr(text, "_v3"));
    gpuc__free(text);
    request = (gpuc__probe_request){.skip = skip, .skip_count = 1, .container = true};
    assert_int_equal(gpuc__probe_script(&text, &request, NULL), GPUC_OK);
    assert_non_null(strstr(text, "GPUC_DEVICES=''\n"));
    assert_non_null(strstr(text, "GPUC_SKIP='GPU-3'\n"));
    assert_non_null(strstr(text, "GPUC_TABLE=1\n"));
    assert_null(strstr(text, "int main("));
    assert_true(strlen(text) < 120 * 1024); /* one argument of a program */
    gpuc__free(text);
}

/* The kubelet reads "$$" as "$", and so "$$(" as no reference to a variable. */
static void test_gpu_probe__script_for_a_pod_comes_through_the_kubelet(void **state)
{
    gpuc__probe_request request = {.container = true};
    char *plain = NULL, *doubled = NULL;
    size_t n = 0;

    assert_int_equal(gpuc__probe_script(&plain, &request, NULL), GPUC_OK);
    assert_int_equal(gpuc__probe_script_for_pod(&doubled, &request, NULL), GPUC_OK);
    for (const char *at = doubled; *at; at++) {
        at += at[0] == '$' && at[1] == '$';
        assert_int_equal(*at, plain[n++]);
    }
    assert_int_equal(plain[n], '\0');
    assert_true(strlen(doubled) > n);
    gpuc__free(plain);
    gpuc__free(doubled);
}

static void test_gpu_probe__script_refuses_what_is_no_device(void **state)
{
    static const char *const bad[] = {"", "0", "0000:0a:00.0", "GPU-1;reboot", "GPU-'", "GPU-1 GPU-2"};
    gpuc__probe_request request = {.device_count = 1};
    gpuc_error *err = NULL;
    char *text = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.devices = &bad[i];
        assert_int_equal(gpuc__probe_script(&text, &request, &err), GPUC_EINVAL);
        assert_non_null(strstr(gpuc_error_message(err), bad[i]));
        err = gpuc_error_unref(err);
    }
    request = (gpuc__probe_request){.mib = -1};
    assert_int_equal(gpuc__probe_script(&text, &request, NULL), GPUC_EINVAL);
    request = (gpuc__probe_request){.deadline_s = 100000};
    assert_int_equal(gpuc__probe_script(&text, &request, NULL), GPUC_EINVAL);
    assert_null(text);
    assert_true(gpuc__probe_timeout_ms(1) > 60000);
    assert_true(gpuc__probe_timeout_ms(16) < 600000);
    assert_int_equal(gpuc__probe_timeout_ms(100000), gpuc__probe_timeout_ms(GPUC__PROBE_GPUS_MAX));
}

static void test_gpu_probe__reads_a_pass(void **state)
{
    gpuc__probe *p = parse(0, "noise\n" START PASSED "{\"event\":\"end\",\"devices\":1}\n", "");
    const gpuc__probe_gpu *g = gpuc__probe_find(p, "0000:0a:00.0", "");

    assert_int_equal(p->count, 2);
    assert_string_equal(p->runner, "python3");
    assert_true(p->ends);
    assert_false(p->fatal);
    assert_non_null(g);
    assert_ptr_equal(g, gpuc__probe_find(p, "", "GPU-1"));
    assert_null(gpuc__probe_find(p, "0000:0b:00.0", "GPU-2"));
    assert_null(gpuc__probe_find(p, "", ""));
    assert_null(gpuc__probe_find_mig(p, "", -1));
    assert_int_equal(g->status, GPUC_CHECK_PASS);
    assert_int_equal(g->cuda, 13000);
    assert_true(g->gbs == 4300.5);
    assert_true(g->theoretical_gbs == 4814.3);
    assert_int_equal(g->theoretical_source, GPUC__BANDWIDTH_DRIVER);
    assert_int_equal(g->mib, 256);
    assert_int_equal(g->memory_mib, 143771);
    assert_int_equal(g->l2_kib, 61440);
    gpuc__probe_free(p);
}

static void test_gpu_probe__mig_devices_have_a_parent(void **state)
{
    gpuc__probe *p = parse(0,
                           "{\"event\":\"gpu\",\"device\":\"MIG-7\",\"parent\":\"GPU-1\",\"index\":3,"
                           "\"bus\":\"0000:0a:00.0\",\"status\":\"pass\",\"mismatches\":0,"
                           "\"host_mismatches\":0,\"gbs\":500,\"theoretical_gbs\":4814}\n",
                           "");
    const gpuc__probe_gpu *g = gpuc__probe_find_mig(p, "GPU-1", 3);

    assert_non_null(g);
    assert_string_equal(g->device, "MIG-7");
    assert_int_equal(g->status, GPUC_CHECK_PASS);
    assert_true(g->theoretical_gbs == 0); /* the whole card's is not its own */
    assert_int_equal(g->theoretical_source, GPUC__BANDWIDTH_UNKNOWN);
    assert_null(gpuc__probe_find_mig(p, "GPU-1", 2));
    assert_null(gpuc__probe_find_mig(p, "GPU-2", 3));
    assert_null(gpuc__probe_find(p, "0000:0a:00.0", "MIG-7")); /* no whole GPU */
    gpuc__probe_free(p);
}

static void test_gpu_probe__pass_needs_both_counts(void **state)
{
    static const char *const lines[] = {
        "{\"event\":\"gpu\",\"device\":\"GPU-1\",\"status\":\"pass\"}",
        "{\"event\":\"gpu\",\"device\":\"GPU-1\",\"status\":\"pass\",\"mismatches\":0}",
        "{\"event\":\"gpu\",\"device\":\"GPU-1\",\"status\":\"pass\",\"mismatches\":0,"
        "\"host_mismatches\":1}",
        "{\"event\":\"gpu\",\"device\":\"GPU-1\",\"mismatches\":0,\"host_mismatches\":0}",
        "{\"event\":\"begin\",\"device\":\"GPU-1\",\"status\":\"pass\",\"mismatches\":0,"
        "\"host_mismatches\":0}",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        gpuc__probe *p = parse(0, lines[i], "");

        assert_int_equal(p->gpu_count, 1);
        assert_int_equal(p->gpus[0].status, GPUC_CHECK_FAIL);
        gpuc__probe_free(p);
    }
}

static void test_gpu_probe__what_was_cut_names_its_gpu(void **state)
{
    gpuc__probe *p = parse(124,
                           START "{\"event\":\"begin\",\"device\":\"GPU-1\"}\n" PASSED
                                 "{\"event\":\"begin\",\"device\":\"GPU-2\"}\n{\"event\":\"gp",
                           "");

    assert_int_equal(p->gpu_count, 2);
    assert_int_equal(p->gpus[0].status, GPUC_CHECK_PASS);
    assert_int_equal(p->gpus[1].status, GPUC_CHECK_FAIL);
    assert_string_equal(p->gpus[1].device, "GPU-2");
    assert_string_equal(p->gpus[1].error, "CUT");
    assert_false(p->ends);
    gpuc__probe_free(p);
}

static void test_gpu_probe__fatal_and_stderr(void **state)
{
    gpuc__probe *p = parse(6, "{\"event\":\"fatal\",\"stage\":\"choose\",\"code\":0,"
                              "\"error\":\"NO_RUNNER\",\"detail\":\"why\"}\n", "");

    assert_true(p->fatal);
    assert_string_equal(p->error, GPUC__PROBE_NO_RUNNER);
    assert_string_equal(p->stage, "choose");
    gpuc__probe_free(p);
    p = parse(1, "", "Traceback (most recent call last):\n  x\nImportError: no ctypes\n\n");
    assert_int_equal(p->count, -1);
    assert_string_equal(p->detail, "ImportError: no ctypes");
    gpuc__probe_free(p);
}

static void test_gpu_probe__broken_lines_and_bounds(void **state)
{
    static const char text[] =
        "{\n{}\n[]\n{\"event\":7}\n{\"event\":\"gpu\"}\n{\"event\":\"gpu\",\"device\":9,"
        "\"bus\":5,\"code\":1e99,\"gbs\":-1,\"mib\":99999999999999}\n{\"event\":\"other\"}\n\xff\n";
    gpuc__probe *p = parse(0, text, "");
    char *big = calloc(1, GPUC__PROBE_OUTPUT_MAX + 1);

    assert_int_equal(p->gpu_count, 1); /* neither has a device */
    assert_int_equal(p->gpus[0].code, 0);
    assert_true(p->gpus[0].gbs == 0);
    gpuc__probe_free(p);
    p = NULL;
    assert_int_equal(gpuc__probe_parse(&p, 0, big, GPUC__PROBE_OUTPUT_MAX + 1, "", 0, NULL),
                     GPUC_ELIMIT);
    for (size_t i = 0, at = 0; i <= GPUC__PROBE_GPUS_MAX; i++)
        at += (size_t)snprintf(big + at, 64, "{\"event\":\"gpu\",\"device\":\"GPU-%zu\"}\n", i);
    assert_int_equal(gpuc__probe_parse(&p, 0, big, strlen(big), "", 0, NULL), GPUC_ELIMIT);
    assert_null(p);
    free(big);
    for (size_t cut = 0; cut <= sizeof(START PASSED) - 1; cut++) {
        assert_int_equal(gpuc__probe_parse(&p, 0, START PASSED, cut, "", 0, NULL), GPUC_OK);
        gpuc__probe_free(p);
    }
}

static void test_gpu_probe__reasons(void **state)
{
    gpuc__cuda_reason r;

    assert_int_equal(gpuc__cuda_reason_get(&r, 802, "", NULL), GPUC_OK);
    assert_string_equal(r.name, "CUDA_ERROR_SYSTEM_NOT_READY");
    assert_non_null(strstr(r.remedy, "fabricmanager"));
    gpuc__cuda_reason_clear(&r);
    assert_int_equal(gpuc__cuda_reason_get(&r, 0, "MISMATCH", NULL), GPUC_OK);
    assert_non_null(strstr(r.reason, "wrong results"));
    gpuc__cuda_reason_clear(&r);
    assert_int_equal(gpuc__cuda_reason_get(&r, 4711, "CUDA_ERROR_NEW", NULL), GPUC_OK);
    assert_string_equal(r.name, "CUDA_ERROR_NEW");
    assert_true(strlen(r.reason) > 0 && strlen(r.remedy) > 0);
    gpuc__cuda_reason_clear(&r);
}

static void test_gpu_probe__bandwidth_of_products(void **state)
{
    static const struct {
        const char *product;
        double gbs;
    } cases[] = {
        {"NVIDIA H200", 4800}, {"NVIDIA H100 80GB HBM3", 3352}, {"NVIDIA H100 PCIe", 2039},
        {"NVIDIA H100 NVL", 3938}, {"NVIDIA A100-SXM4-40GB", 1555}, {"NVIDIA A100-SXM4-80GB", 2039},
        {"NVIDIA A100 80GB PCIe", 1935}, {"NVIDIA A100-PCIE-40GB", 1555}, {"Tesla T4", 320},
        {"Tesla V100-SXM2-16GB", 900}, {"Tesla V100S-PCIE-32GB", 1134}, {"Tesla K80", 240},
        {"Tesla P100-PCIE-12GB", 549}, {"Tesla P100-SXM2-16GB", 732}, {"NVIDIA A10G", 600},
        {"NVIDIA A40", 696}, {"NVIDIA L40S", 864}, {"NVIDIA L4", 300}, {"NVIDIA B200", 8000},
        {"NVIDIA GH200 480GB", 4000}, {"NVIDIA GH200 144G HBM3e", 4900}, {"NVIDIA GB200", 8000},
        {"NVIDIA RTX 6000 Ada Generation", 960}, {"NVIDIA GeForce RTX 3090 Ti", 1008},
        {"NVIDIA RTX PRO 6000 Blackwell Server Edition", 1597}, {"NVIDIA GeForce RTX 3090", 936},
        {"NVIDIA GeForce RTX 4090 Laptop GPU", 0}, {"NVIDIA T400 4GB", 0}, {"NVIDIA A100X", 0}, {"", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double gbs = -1;

        assert_int_equal(gpuc__memory_bandwidth(&gbs, cases[i].product, NULL), GPUC_OK);
        if (gbs != cases[i].gbs)
            fail_msg("%s: %.0f", cases[i].product, gbs);
    }
}

static void test_gpu_probe__a_clock_of_nothing_gives_way_to_the_table(void **state)
{
    gpuc__probe *p = parse(0,
                           "{\"event\":\"gpu\",\"device\":\"GPU-1\",\"name\":\"NVIDIA B200\",\"gbs\":7000,"
                           "\"theoretical_gbs\":0.0}\n{\"event\":\"gpu\",\"device\":\"GPU-2\","
                           "\"name\":\"NVIDIA X9\",\"gbs\":7000,\"theoretical_gbs\":0.0}\n",
                           "");

    assert_true(p->gpus[0].theoretical_gbs == 8000);
    assert_int_equal(p->gpus[0].theoretical_source, GPUC__BANDWIDTH_TABLE);
    assert_true(p->gpus[1].theoretical_gbs == 0);
    assert_int_equal(p->gpus[1].theoretical_source, GPUC__BANDWIDTH_UNKNOWN);
    gpuc__probe_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_probe__script_holds_what_runs),
        cmocka_unit_test(test_gpu_probe__script_for_a_pod_comes_through_the_kubelet),
        cmocka_unit_test(test_gpu_probe__script_refuses_what_is_no_device),
        cmocka_unit_test(test_gpu_probe__reads_a_pass),
        cmocka_unit_test(test_gpu_probe__mig_devices_have_a_parent),
        cmocka_unit_test(test_gpu_probe__pass_needs_both_counts),
        cmocka_unit_test(test_gpu_probe__what_was_cut_names_its_gpu),
        cmocka_unit_test(test_gpu_probe__fatal_and_stderr),
        cmocka_unit_test(test_gpu_probe__broken_lines_and_bounds),
        cmocka_unit_test(test_gpu_probe__reasons),
        cmocka_unit_test(test_gpu_probe__bandwidth_of_products),
        cmocka_unit_test(test_gpu_probe__a_clock_of_nothing_gives_way_to_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The probe's text, command and lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/probe.h"
#include "util/alloc.h"

#define DRIVER "{\"event\":\"driver\",\"cuda\":13000,\"count\":2,\"simulated\":false}\n"
#define PASSED                                                                                     \
    "{\"event\":\"gpu\",\"ordinal\":0,\"bus\":\"00000000:0A:00.0\",\"uuid\":\"GPU-1\","           \
    "\"name\":\"X\",\"cc\":\"9.0\",\"status\":\"pass\",\"mismatches\":0,\"host_mismatches\":0,"   \
    "\"gbs\":4300.5,\"theoretical_gbs\":4800,\"mib\":256}\n"

static gpuc__probe *parse(int status, const char *out, const char *errout)
{
    gpuc__probe *probe = NULL;

    assert_int_equal(
        gpuc__probe_parse(&probe, status, out, strlen(out), errout, strlen(errout), NULL),
        GPUC_OK);
    return probe;
}

static void test_gpu_probe__script_holds_program_and_ptx(void **state)
{
    char *text = NULL;

    assert_int_equal(gpuc__probe_script(&text, NULL), GPUC_OK);
    assert_non_null(strstr(text, "def main("));
    assert_non_null(strstr(text, ".version 3.1"));
    assert_non_null(strstr(text, "sys.exit(main(sys.argv[1:], PTX))\n"));
    assert_null(strstr(text, "_v3"));
    gpuc__free(text);
}

static void test_gpu_probe__command_quotes_and_checks(void **state)
{
    const char *good[] = {"00000000:0A:00.0", "0001:02:03.4"}, *bad[] = {"0;reboot"};
    char *text = NULL;
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__probe_command(&text, 0, NULL, 0, NULL), GPUC_OK);
    assert_string_equal(text, "timeout -k 5 120 python3 - --mib 256");
    gpuc__free(text);
    assert_int_equal(gpuc__probe_command(&text, 8, good, 2, NULL), GPUC_OK);
    assert_string_equal(text, "timeout -k 5 120 python3 - --mib 8 --skip '0000:0a:00.0' "
                              "--skip '0001:02:03.4'");
    gpuc__free(text);
    text = NULL;
    assert_int_equal(gpuc__probe_command(&text, 8, bad, 1, &err), GPUC_EINVAL);
    assert_null(text);
    assert_non_null(strstr(gpuc_error_message(err), "0;reboot"));
    gpuc_error_unref(err);
    assert_int_equal(gpuc__probe_command(&text, -1, NULL, 0, NULL), GPUC_EINVAL);
}

static void test_gpu_probe__reads_a_pass(void **state)
{
    gpuc__probe *p = parse(0, "noise\n" DRIVER PASSED "{\"event\":\"end\",\"gpus\":1}\n", "");
    const gpuc__probe_gpu *g = gpuc__probe_find(p, "0000:0a:00.0", "");

    assert_int_equal(p->cuda, 13000);
    assert_int_equal(p->count, 2);
    assert_true(p->ended);
    assert_false(p->fatal);
    assert_non_null(g);
    assert_ptr_equal(g, gpuc__probe_find(p, "", "GPU-1"));
    assert_null(gpuc__probe_find(p, "0000:0b:00.0", "GPU-2"));
    assert_null(gpuc__probe_find(p, "", ""));
    assert_int_equal(g->status, GPUC_CHECK_PASS);
    assert_true(g->gbs == 4300.5);
    assert_int_equal(g->mib, 256);
    gpuc__probe_free(p);
}

static void test_gpu_probe__pass_needs_both_counts(void **state)
{
    static const char *const lines[] = {
        "{\"event\":\"gpu\",\"ordinal\":0,\"status\":\"pass\"}",
        "{\"event\":\"gpu\",\"ordinal\":0,\"status\":\"pass\",\"mismatches\":0}",
        "{\"event\":\"gpu\",\"ordinal\":0,\"status\":\"pass\",\"mismatches\":0,"
        "\"host_mismatches\":1}",
        "{\"event\":\"gpu\",\"ordinal\":0,\"mismatches\":0,\"host_mismatches\":0}",
        "{\"event\":\"begin\",\"ordinal\":0,\"status\":\"pass\",\"mismatches\":0,"
        "\"host_mismatches\":0}",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        gpuc__probe *p = parse(0, lines[i], "");

        assert_int_equal(p->gpu_count, 1);
        assert_int_equal(p->gpus[0].status, GPUC_CHECK_FAIL);
        gpuc__probe_free(p);
    }
}

static void test_gpu_probe__a_hang_names_its_gpu(void **state)
{
    gpuc__probe *p = parse(
        124, DRIVER "{\"event\":\"begin\",\"ordinal\":0,\"bus\":\"0000:0a:00.0\"}\n" PASSED
                    "{\"event\":\"begin\",\"ordinal\":1,\"bus\":\"0000:0b:00.0\"}\n{\"event\":\"gp",
        "");

    assert_int_equal(p->gpu_count, 2);
    assert_int_equal(p->gpus[0].status, GPUC_CHECK_PASS);
    assert_int_equal(p->gpus[1].status, GPUC_CHECK_FAIL);
    assert_string_equal(p->gpus[1].bus, "0000:0b:00.0");
    assert_string_equal(p->gpus[1].stage, "compute");
    assert_false(p->ended);
    gpuc__probe_free(p);
}

static void test_gpu_probe__fatal_and_stderr(void **state)
{
    gpuc__probe *p = parse(4, "{\"event\":\"fatal\",\"stage\":\"cuInit\",\"code\":100,"
                              "\"error\":\"CUDA_ERROR_NO_DEVICE\",\"detail\":\"\"}\n", "");

    assert_true(p->fatal);
    assert_int_equal(p->code, 100);
    assert_string_equal(p->stage, "cuInit");
    gpuc__probe_free(p);
    p = parse(1, "", "Traceback (most recent call last):\n  x\nImportError: no ctypes\n\n");
    assert_int_equal(p->count, -1);
    assert_string_equal(p->detail, "ImportError: no ctypes");
    gpuc__probe_free(p);
}

static void test_gpu_probe__broken_lines_and_bounds(void **state)
{
    static const char text[] =
        "{\n{}\n[]\n{\"event\":7}\n{\"event\":\"gpu\"}\n{\"event\":\"gpu\",\"ordinal\":\"x\","
        "\"bus\":5,\"code\":1e99,\"gbs\":-1,\"mib\":99999999999999}\n{\"event\":\"other\"}\n\xff\n";
    gpuc__probe *p = parse(0, text, "");
    char *big = calloc(1, GPUC__PROBE_OUTPUT_MAX + 1);

    assert_int_equal(p->gpu_count, 1); /* both have no ordinal */
    assert_int_equal(p->gpus[0].code, 0);
    assert_true(p->gpus[0].gbs == 0);
    gpuc__probe_free(p);
    p = NULL;
    assert_int_equal(gpuc__probe_parse(&p, 0, big, GPUC__PROBE_OUTPUT_MAX + 1, "", 0, NULL),
                     GPUC_ELIMIT);
    for (size_t i = 0, at = 0; i <= GPUC__PROBE_GPUS_MAX; i++)
        at += (size_t)snprintf(big + at, 64, "{\"event\":\"gpu\",\"ordinal\":%zu}\n", i);
    assert_int_equal(gpuc__probe_parse(&p, 0, big, strlen(big), "", 0, NULL), GPUC_ELIMIT);
    assert_null(p);
    free(big);
    for (size_t cut = 0; cut <= sizeof(DRIVER PASSED) - 1; cut++) {
        assert_int_equal(gpuc__probe_parse(&p, 0, DRIVER PASSED, cut, "", 0, NULL), GPUC_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_probe__script_holds_program_and_ptx),
        cmocka_unit_test(test_gpu_probe__command_quotes_and_checks),
        cmocka_unit_test(test_gpu_probe__reads_a_pass),
        cmocka_unit_test(test_gpu_probe__pass_needs_both_counts),
        cmocka_unit_test(test_gpu_probe__a_hang_names_its_gpu),
        cmocka_unit_test(test_gpu_probe__fatal_and_stderr),
        cmocka_unit_test(test_gpu_probe__broken_lines_and_bounds),
        cmocka_unit_test(test_gpu_probe__reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

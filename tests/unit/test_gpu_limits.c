/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of checks that the user sets; and the check that only they switch on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "gpu/limits.h"
#include "support/gpu_data.h"
#include "support/gpu_checks.h"
#include "support/run_program.h"
#include "util/alloc.h"

#define PASS GPUC_CHECK_PASS
#define WARN GPUC_CHECK_WARN
#define FAIL GPUC_CHECK_FAIL
#define SKIP GPUC_CHECK_SKIP
#define SECTION(name, body) "==nonce123 begin " name "\n" body "\n\n==nonce123 end " name " 0\n"

static const gpu_machine healthy = GPU_ONE_MACHINE;

static void test_gpu_limits__dcgm(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "dcgm.diag", NULL, SKIP, "not asked for", NULL);
    m.limits = "{\"dcgm.diag\": {\"level\": 1}}";
    gpu_expect_one(m, "", "dcgm.diag", NULL, SKIP, "not looked at again", NULL);
    gpu_expect_one(m, "<processes><process_info><pid>7</pid></process_info></processes>",
                   "dcgm.diag", NULL, SKIP, "GPUs are in use", "again");
    m.after = "==nonce123 begin dcgm\n\n==nonce123 end dcgm 127\n";
    gpu_expect_one(m, "", "dcgm.diag", NULL, SKIP, "no dcgmi", NULL);
    m.after = SECTION("dcgm", "nonsense");
    gpu_expect_one(m, "", "dcgm.diag", NULL, WARN, "no JSON", "dcgmi diag");
    m.after = SECTION("dcgm", "{\"DCGM Diagnostic\": {\"test_categories\": [{\"category\": \"D\", "
                              "\"tests\": [{\"name\": \"software\", \"results\": [{\"status\": "
                              "\"Pass\"}]}]}]}}");
    gpu_expect_one(m, "", "dcgm.diag", NULL, PASS, "1 tests passed", NULL);
    m.after = SECTION("dcgm", "{\"a\": {\"tests\": [{\"name\": \"x\", \"results\": [{\"status\": \"Skip\"}]},"
                              "{\"name\": \"y\", \"results\": [{\"status\": \"Skip\"}, {\"status\": \"Pass\"}]}]}}");
    gpu_expect_one(m, "", "dcgm.diag", NULL, PASS, "1 tests passed", NULL);
    m.after = SECTION("dcgm", "{\"a\": {\"tests\": [{\"name\": \"x\", \"results\": [{\"status\": \"Skip\"}]},"
                              "{\"name\": \"y\", \"results\": [{\"status\": \"Not Run\"}]}]}}");
    gpu_expect_one(m, "", "dcgm.diag", NULL, SKIP, "no test was run", NULL);
    m.after = "==nonce123 begin dcgm\n{\"name\": \"x\", \"results\": [{\"status\": \"Pass\"}]}\n\n"
              "==nonce123 end dcgm 226\n";
    gpu_expect_one(m, "", "dcgm.diag", NULL, WARN, "dcgmi ended with status 226", NULL);
    m.after = SECTION("dcgm", "{\"DCGM GPU Diagnostic\": {\"test_categories\": [{\"tests\": [{"
                              "\"name\": \"Inforom\", \"results\": [{\"gpu_ids\": \"0\", \"status\": "
                              "\"FAIL\", \"warnings\": [{\"error_severity\": 2}]}]}]}]}}");
    gpu_expect_one(m, "", "dcgm.diag", NULL, FAIL, "Inforom failed", "DCGM");
    m.after = SECTION("dcgm", "{\"a\": {\"b\": [{\"tests\": [{\"name\": \"x\", \"results\": [{"
                              "\"status\": \"FAIL\", \"warnings\": [{\"error_severity\": 1}]}]}]}]}}");
    gpu_expect_one(m, "", "dcgm.diag", NULL, WARN, "x failed", NULL);
}

static void test_gpu_limits__as_text(void **state)
{
    json_t *limits = json_object();
    gpuc_error *err = NULL;

    (void)state;
    assert_int_equal(gpuc__limits_set(limits, "mem.remap.uncorrectable_fail", "256", NULL), GPUC_OK);
    assert_int_equal(gpuc__limits_set(limits, "thermal.temp", "off", NULL), GPUC_OK);
    assert_string_equal(json_string_value(json_object_get(limits, "thermal.temp")), "off");
    assert_int_equal(gpuc__limits_set(limits, "thermal.temp.margin_warn", "3", NULL), GPUC_OK);
    assert_true(json_is_object(json_object_get(limits, "thermal.temp")));
    assert_int_equal(gpuc__limits_set(limits, "thermal.temp", "on", NULL), GPUC_OK);
    assert_null(json_object_get(limits, "thermal.temp"));
    assert_int_equal(gpuc__limits_set(limits, "mem.remp", "off", &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "did you mean \"mem.remap\"?"));
    err = gpuc_error_unref(err);
    assert_int_equal(gpuc__limits_set(limits, "mem.remap.uncorectable_fail", "1", &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "did you mean \"uncorrectable_fail\"?"));
    err = gpuc_error_unref(err);
    assert_int_equal(gpuc__limits_set(limits, "mem.remap.uncorrectable_fail", "-1", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__limits_set(limits, "mem.remap.uncorrectable_fail", "1x", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__limits_set(limits, "mem.remap", "5", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__limits_set(limits, "smi.run.x", "5", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__limits_set(limits, "dcgm.diag.level", "0", NULL), GPUC_OK);
    assert_int_equal(gpuc__limits_set(limits, "dcgm.diag.level", "3", NULL), GPUC_OK);
    assert_int_equal(gpuc__limits_set(limits, "dcgm.diag.level", "1.5", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__limits_set(limits, "dcgm.diag.level", "4", &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "a whole number from 0 to 3"));
    err = gpuc_error_unref(err);
    json_decref(limits);
}

/* The status of dcgmi's section is dcgmi's own, and its output is bounded. */
static void test_gpu_limits__dcgm_status(void **state)
{
    char dir[] = "/tmp/gpuc-dcgmi.XXXXXX", path[64], *script = NULL, command[200];
    run_result *r = calloc(1, sizeof(*r));
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/dcgmi", dir);
    f = fopen(path, "w");
    fprintf(f, "#!/bin/sh\necho '{\"said\": \"'\"$*\"'\"}'\nexit 226\n");
    fclose(f);
    chmod(path, 0755);
    assert_int_equal(gpuc__collect_after_script(&script, "nonce123", 2, NULL), GPUC_OK);
    snprintf(command, sizeof(command), "PATH=%s:$PATH; export PATH; exec sh -s", dir);
    run_program(r, command, script);
    assert_string_equal(r->err, "");
    assert_non_null(strstr(r->out, "{\"said\": \"diag -r 2 -j\"}"));
    assert_non_null(strstr(r->out, "==nonce123 end dcgm 226\n"));
    gpuc__free(script);
    free(r);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_limits__dcgm),
        cmocka_unit_test(test_gpu_limits__as_text),
        cmocka_unit_test(test_gpu_limits__dcgm_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

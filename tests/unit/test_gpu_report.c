/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts, labels, and the report as data and as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/report.h"
#include "support/gpu_data.h"
#include "support/gpu_machine.h"

#define T4 "GPU-dddddddd-0000-4000-8000-000000000001"

static gpuc__machine_proof *simulated_proof(const char *name)
{
    gpu_machine m = GPU_MACHINE_SIMULATED;

    return gpu_machine_prove(&m, name, 1, "0000:00:04.0");
}

static void set(gpuc__machine_proof *p, const char *id, int status)
{
    assert_int_equal(gpuc__proof_set(p, id, NULL, status, "1 of 1", NULL, NULL, NULL, NULL),
                     GPUC_OK);
}

static void test_gpu_report__pass_needs_the_cluster(void **state)
{
    gpuc__machine_proof *p = simulated_proof("w1");
    gpuc__label_wish gpu, cuda;
    size_t count = p->check_count;

    assert_true(p->simulated);
    assert_int_equal(gpuc__proof_verdict(p), GPUC_CHECK_SKIP); /* k8s.* not tried */
    gpuc__proof_labels(p, false, &gpu, &cuda);
    assert_int_equal(gpu, GPUC__LABEL_SET);
    assert_int_equal(cuda, GPUC__LABEL_KEEP);
    set(p, "k8s.alloc", GPUC_CHECK_PASS);
    gpuc__proof_labels(p, false, &gpu, &cuda);
    assert_int_equal(cuda, GPUC__LABEL_SET);
    gpuc__proof_labels(p, true, &gpu, &cuda);
    assert_int_equal(cuda, GPUC__LABEL_KEEP);
    set(p, "k8s.pod", GPUC_CHECK_PASS);
    set(p, "k8s.compute", GPUC_CHECK_PASS);
    gpuc__proof_labels(p, true, &gpu, &cuda);
    assert_int_equal(cuda, GPUC__LABEL_SET);
    assert_int_equal(gpuc__proof_verdict(p), GPUC_CHECK_PASS);
    assert_int_equal(p->check_count, count); /* replaced, not added */
    set(p, "k8s.pod", GPUC_CHECK_FAIL);
    gpuc__proof_labels(p, true, &gpu, &cuda);
    assert_int_equal(gpu, GPUC__LABEL_SET);
    assert_int_equal(cuda, GPUC__LABEL_REMOVE);
    assert_int_equal(gpuc__proof_verdict(p), GPUC_CHECK_FAIL);
    gpuc__proof_free(p);
}

static void test_gpu_report__labels_go_with_a_failure(void **state)
{
    gpu_machine m = {.facts = "python3=/p", .pci = ""};
    gpuc__machine_proof *p = gpu_machine_prove(&m, "m", 1, NULL);
    gpuc__label_wish gpu, cuda;

    gpuc__proof_labels(p, true, &gpu, &cuda);
    assert_int_equal(gpu, GPUC__LABEL_REMOVE);
    assert_int_equal(cuda, GPUC__LABEL_REMOVE);
    gpuc__proof_free(p);
}

static void test_gpu_report__set_refuses_what_is_not_in_the_table(void **state)
{
    gpuc__machine_proof *p = simulated_proof("w1");
    gpuc_error *err = NULL;

    assert_int_equal(
        gpuc__proof_set(p, "k8s.other", NULL, GPUC_CHECK_PASS, "x", NULL, NULL, NULL, &err),
        GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "k8s.other"));
    gpuc_error_unref(err);
    assert_int_equal(gpuc__proof_set(p, "k8s.pod", NULL, 9, "x", NULL, NULL, NULL, NULL),
                     GPUC_EINVAL);
    gpuc__proof_free(p);
}

static gpuc_report *two_machines(void)
{
    gpu_machine broken = GPU_MACHINE_TWO;
    gpuc__machine_proof *w1 = simulated_proof("w1");
    gpuc_report *report = gpuc__report_new("k8s");

    set(w1, "k8s.alloc", GPUC_CHECK_PASS);
    set(w1, "k8s.pod", GPUC_CHECK_PASS);
    set(w1, "k8s.compute", GPUC_CHECK_PASS);
    assert_non_null(report);
    assert_int_equal(gpuc__report_add_machine(report, w1, NULL), GPUC_OK);
    assert_int_equal(gpuc__report_add_machine(
                         report, gpu_machine_prove(&broken, "a9", 2, "0000:0a:00.0"), NULL),
                     GPUC_OK);
    return report;
}

/* Each key is there in each check; one that is not known is null. */
static void expect_check_keys(const json_t *check)
{
    static const char *const texts[] = {"id", "title", "status", "threshold", "source"};
    static const char *const maybe[] = {"remedy", "evidence"};
    const char *status = json_string_value(json_object_get(check, "status"));
    bool skipped = strcmp(status, "skip") == 0;
    json_t *gpu = json_object_get(check, "gpu");

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(json_string_length(json_object_get(check, texts[i])) > 0);
    for (size_t i = 0; i < sizeof(maybe) / sizeof(maybe[0]); i++)
        assert_non_null(json_object_get(check, maybe[i]));
    assert_int_equal(json_is_string(json_object_get(check, "reason")), skipped);
    assert_int_equal(json_is_string(json_object_get(check, "observed")), !skipped);
    assert_true(json_is_boolean(json_object_get(check, "applies")));
    assert_true(json_is_null(gpu) || json_object_size(gpu) == 4);
    if (json_is_object(gpu)) {
        assert_true(json_is_integer(json_object_get(gpu, "index")));
        assert_true(json_is_string(json_object_get(gpu, "uuid")));
        assert_true(json_is_string(json_object_get(gpu, "bus")));
        assert_true(json_is_null(json_object_get(gpu, "mig")));
    }
}

static void test_gpu_report__json(void **state)
{
    gpuc_report *report = two_machines();
    char *text = gpuc_report_to_json(report);
    json_t *root = json_loads(text, 0, NULL), *machines, *w1, *check, *gpu;
    size_t i, simulated_modules = 0;

    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "cluster")), "k8s");
    assert_string_equal(json_string_value(json_object_get(root, "verdict")), "fail");
    assert_true(json_is_true(json_object_get(root, "simulated")));
    machines = json_object_get(root, "machines");
    assert_int_equal(json_array_size(machines), 2);
    w1 = json_array_get(machines, 1); /* by name */
    assert_string_equal(json_string_value(json_object_get(w1, "name")), "w1");
    assert_string_equal(json_string_value(json_object_get(w1, "verdict")), "pass");
    assert_true(json_is_true(json_object_get(w1, "simulated")));
    assert_true(json_is_false(json_object_get(json_array_get(machines, 0), "simulated")));
    gpu = json_array_get(json_object_get(w1, "gpus"), 0);
    assert_string_equal(json_string_value(json_object_get(gpu, "uuid")), T4);
    assert_int_equal(json_integer_value(json_object_get(gpu, "memory_mib")), 15360);
    assert_true(json_real_value(json_object_get(gpu, "memory_gbs")) == 600.25);
    json_array_foreach(json_object_get(w1, "checks"), i, check) {
        expect_check_keys(check);
        if (strcmp(json_string_value(json_object_get(check, "id")), "drv.module") == 0) {
            simulated_modules++;
            assert_string_equal(json_string_value(json_object_get(check, "status")), "skip");
            assert_true(json_is_false(json_object_get(check, "applies")));
        }
    }
    assert_int_equal(simulated_modules, 1);
    json_decref(root);
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_gpu_report__text(void **state)
{
    gpuc_report *report = two_machines();
    char *text = gpuc_report_to_text(report), *first, *row;

    assert_non_null(text);
    assert_int_equal(strncmp(text, "SIMULATED GPU:", 14), 0);
    assert_non_null(strstr(text, "MACHINE"));
    row = strstr(text, "\nw1 ");
    assert_non_null(row);
    *strchr(row + 1, '\n') = '\0';
    assert_non_null(strstr(row, "0 Tesla T4"));
    assert_non_null(strstr(row, T4));
    assert_non_null(strstr(row, "580.3.4"));
    assert_non_null(strstr(row, "15360 MiB"));
    assert_non_null(strstr(row, "PASS SIMULATED GPU"));
    row[strlen(row)] = '\n';
    assert_non_null(strstr(text, "FAIL a9 mem.ecc.unc GPU 1 GPU-aaaaaaaa"));
    first = strstr(text, "    remedy: drain the node");
    assert_non_null(first);
    assert_non_null(strstr(first, "SKIP a9 cuda.compute")); /* worst first */
    assert_null(strstr(text, "w1 drv.module"));             /* does not apply */
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_gpu_report__verdicts_and_replacing(void **state)
{
    gpuc_report *report = two_machines();

    assert_int_equal(gpuc_report_verdict(report), GPUC_CHECK_FAIL);
    assert_int_equal(gpuc_report_simulated(report), 1);
    assert_int_equal(gpuc__report_machine_verdict(report, "w1"), GPUC_CHECK_PASS);
    assert_int_equal(gpuc__report_machine_verdict(report, "a9"), GPUC_CHECK_FAIL);
    assert_int_equal(gpuc__report_machine_verdict(report, "none"), -1);
    assert_null(gpuc__report_machine(report, "none"));
    assert_int_equal(gpuc__report_add_machine(report, simulated_proof("a9"), NULL), GPUC_OK);
    assert_int_equal(gpuc__report_machine_verdict(report, "a9"), GPUC_CHECK_SKIP);
    assert_int_equal(gpuc_report_verdict(report), GPUC_CHECK_SKIP);
    assert_ptr_equal(gpuc_report_ref(report), report);
    assert_null(gpuc_report_unref(report));
    assert_null(gpuc_report_unref(report));
}

static void test_gpu_report__without_machines_or_gpus(void **state)
{
    gpuc_report *report = gpuc__report_new("empty");
    gpuc__machine_proof *p = NULL;
    char *text;

    assert_int_equal(gpuc_report_verdict(report), GPUC_CHECK_PASS);
    assert_int_equal(gpuc_report_simulated(report), 0);
    text = gpuc_report_to_text(report);
    assert_null(strstr(text, "SIMULATED"));
    gpuc_free(text);
    assert_int_equal(gpuc__proof_evaluate(&p, "gone", 1, NULL, NULL, NULL, NULL, NULL), GPUC_OK);
    assert_int_equal(gpuc__report_add_machine(report, p, NULL), GPUC_OK);
    text = gpuc_report_to_text(report);
    assert_non_null(strstr(text, "\ngone "));
    assert_non_null(strstr(text, "FAIL gone smi.run"));
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_gpu_report__what_machines_print_stays_text(void **state)
{
    gpuc__machine_proof *p = simulated_proof("w1");
    gpuc_report *report = gpuc__report_new("k8s");
    char *text;
    json_t *root;

    assert_int_equal(gpuc__proof_set(p, "k8s.pod", NULL, GPUC_CHECK_FAIL,
                                     "\x1b[31mred\xff\xc3 tab\there", NULL, "x\x01",
                                     "line\nline\x80", NULL),
                     GPUC_OK);
    assert_int_equal(gpuc__report_add_machine(report, p, NULL), GPUC_OK);
    text = gpuc_report_to_text(report);
    assert_non_null(strstr(text, "?[31mred?? tab here"));
    gpuc_free(text);
    text = gpuc_report_to_json(report);
    root = json_loads(text, 0, NULL);
    assert_non_null(root);
    json_decref(root);
    gpuc_free(text);
    gpuc_report_unref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_report__pass_needs_the_cluster),
        cmocka_unit_test(test_gpu_report__labels_go_with_a_failure),
        cmocka_unit_test(test_gpu_report__set_refuses_what_is_not_in_the_table),
        cmocka_unit_test(test_gpu_report__json),
        cmocka_unit_test(test_gpu_report__text),
        cmocka_unit_test(test_gpu_report__verdicts_and_replacing),
        cmocka_unit_test(test_gpu_report__without_machines_or_gpus),
        cmocka_unit_test(test_gpu_report__what_machines_print_stays_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

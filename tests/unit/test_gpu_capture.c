/* SPDX-License-Identifier: Apache-2.0 */
/* Captures of nvidia-smi in all its forms: what is in them, and what a missing value becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/smi_fields.h"
#include "support/gpu_data.h"

static json_t *parse_fixture(const char *name)
{
    size_t length;
    char *text = gpu_fixture(name, &length);
    gpuc_error *err = NULL;
    json_t *root = gpu_parse(text, length, &err);

    if (!root)
        fail_msg("%s: %s", name, gpuc_error_message(err));
    free(text);
    return root;
}

static json_t *said(const json_t *root, size_t gpu)
{
    json_t *object = json_array_get(json_object_get(root, "gpus"), gpu);

    assert_non_null(object);
    return json_object_get(object, "nvidia_smi");
}

static void assert_text(const json_t *object, const char *key, const char *text)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        fail_msg("%s is no text", key);
    assert_string_equal(json_string_value(value), text);
}

static void assert_number(const json_t *object, const char *key, double number)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_number(value) || json_number_value(value) != number)
        fail_msg("%s is %g, not %g", key, json_number_value(value), number);
}

static void assert_absent(const json_t *object, const char *key, const char *how)
{
    assert_true(json_is_null(json_object_get(object, key)));
    assert_text(json_object_get(object, "absent"), key, how);
}

static void test_gpu_capture__table_of_2017(void **state)
{
    json_t *root = parse_fixture("table-375.txt"), *g = said(root, 0), *p;

    assert_text(root, "form", "table");
    assert_text(root, "driver", "375.51");
    assert_true(json_is_null(json_object_get(root, "cuda")));
    assert_text(root, "time", "Thu May  4 07:20:37 2017");
    assert_text(g, "product", "Example K80");
    assert_text(g, "bus", "0000:00:04.0");
    assert_number(g, "temperature_c", 74);
    assert_number(g, "power_draw_w", 77);
    assert_number(g, "power_limit_w", 149);
    assert_number(g, "memory_used_mib", 0);
    assert_number(g, "memory_total_mib", 11439);
    assert_number(g, "utilization_percent", 100);
    assert_number(g, "ecc_volatile_uncorrected", 0);
    assert_text(g, "persistence_mode", "Disabled");
    assert_absent(g, "fan_percent", "not applicable");
    assert_absent(g, "mig_mode", "unknown");
    p = json_array_get(json_object_get(g, "processes"), 0);
    assert_number(p, "pid", 12345);
    assert_text(p, "name", "/opt/train data/run | tee");
    assert_number(p, "memory_mib", 512);
    g = said(root, 1);
    assert_text(g, "sick", "ERR!");
    assert_absent(g, "temperature_c", "ERR!");
    assert_absent(g, "memory_total_mib", "unknown");
    assert_text(g, "ecc_mode", "Disabled");
    assert_text(g, "compute_mode", "Exclusive_Process");
    assert_true(json_is_null(json_object_get(g, "ecc_volatile_uncorrected")));
    json_decref(root);
}

static void test_gpu_capture__table_of_2012(void **state)
{
    json_t *root = parse_fixture("table-270.txt"), *g = said(root, 0), *p;

    assert_text(root, "driver", "285.05");
    assert_number(g, "memory_used_mib", 190);
    assert_number(g, "memory_total_mib", 3071);
    assert_number(g, "ecc_volatile_double_bit", 0);
    assert_absent(g, "power_draw_w", "not applicable");
    p = json_array_get(json_object_get(g, "processes"), 0);
    assert_number(p, "pid", 4711);
    assert_true(json_is_null(json_object_get(p, "type")));
    assert_int_equal(json_array_size(json_object_get(root, "warnings")), 0);
    json_decref(root);
}

static void test_gpu_capture__table_with_mig(void **state)
{
    json_t *root = parse_fixture("table-610-mig.txt"), *g = said(root, 0), *m, *p;

    assert_text(root, "driver", "610.1.2");
    assert_text(root, "cuda", "13.3");
    assert_text(g, "mig_mode", "Enabled");
    assert_absent(g, "utilization_percent", "not applicable");
    assert_int_equal(json_array_size(json_object_get(g, "mig")), 2);
    m = json_array_get(json_object_get(g, "mig"), 1);
    assert_number(m, "gpu_instance", 9);
    assert_number(m, "memory_total_mib", 9984);
    assert_number(m, "multiprocessors", 16);
    assert_number(m, "ecc_volatile_sram_unc", 2);
    p = json_array_get(json_object_get(g, "processes"), 0);
    assert_number(p, "gpu_instance", 2);
    assert_number(p, "pid", 21180);
    g = said(root, 1);
    assert_number(g, "index", 11);
    assert_text(g, "bus", "0000:ab:00.0");
    assert_text(g, "compute_mode", "Prohibited");
    assert_number(g, "ecc_volatile_uncorrected", 7);
    assert_number(g, "fan_percent", 37);
    p = json_array_get(json_object_get(g, "processes"), 0);
    assert_true(json_is_null(json_object_get(p, "memory_mib")));
    assert_true(json_is_null(json_object_get(p, "gpu_instance")));
    json_decref(root);
}

static void test_gpu_capture__query(void **state)
{
    json_t *root = parse_fixture("query-590-mig.txt"), *g = said(root, 0), *p;

    assert_text(root, "form", "query");
    assert_text(root, "driver", "590.1.2");
    assert_number(root, "attached_gpus", 2);
    assert_number(g, "pcie_gen", 1);
    assert_number(g, "pcie_gen_max", 5);
    assert_number(g, "pcie_width", 8);
    assert_number(g, "throttle_mask", 0x1 + 0x8 + 0x40);
    assert_number(g, "ecc_volatile_uncorrected", 5);
    assert_number(g, "ecc_volatile_corrected", 11);
    assert_number(g, "ecc_aggregate_uncorrected", 21);
    assert_text(g, "ecc_sram_threshold_exceeded", "Yes");
    assert_text(g, "tpc_repair_pending", "Yes");
    assert_number(g, "remapped_rows_uncorrectable", 12);
    assert_number(g, "remap_banks_none", 1);
    assert_text(g, "remapped_rows_pending", "Yes");
    assert_absent(g, "retired_pages_single_bit", "not applicable");
    assert_absent(g, "retired_pages_double_bit", "unknown");
    assert_number(g, "memory_total_mib", 81559); /* not the MIG device's */
    p = json_array_get(json_object_get(g, "mig"), 0);
    assert_number(p, "ecc_volatile_sram_unc", 4);
    p = json_array_get(json_object_get(g, "processes"), 0);
    assert_text(p, "name", "./train : fast");
    assert_int_equal(json_array_size(json_object_get(g, "processes")), 2);
    g = said(root, 1);
    assert_text(g, "sick", "GPU is lost");
    assert_absent(g, "memory_used_mib", "GPU is lost");
    assert_absent(g, "remapped_rows_pending", "GPU is lost"); /* said of all rows at once */
    assert_absent(g, "ecc_volatile_dram_unc", "not applicable");
    assert_true(json_is_null(json_object_get(g, "processes")));
    json_decref(root);
}

static void test_gpu_capture__csv(void **state)
{
    json_t *root = parse_fixture("query-gpu.csv"), *g = said(root, 0), *p;

    assert_int_equal(json_array_size(json_object_get(root, "gpus")), 2);
    assert_number(g, "memory_used_mib", 575);
    assert_number(g, "throttle_mask", 4);
    assert_number(g, "ecc_volatile_uncorrected", 2);
    assert_number(g, "power_draw_w", 98.12);
    p = json_array_get(json_object_get(g, "processes"), 0);
    assert_text(p, "name", "python3 train.py --sizes=1, 2, 3");
    assert_number(p, "memory_mib", 1900);
    g = said(root, 1);
    assert_number(g, "memory_total_mib", 24576); /* without its unit */
    assert_absent(g, "memory_used_mib", "not applicable");
    assert_absent(g, "throttle_reported_mask", "GPU is lost");
    assert_true(json_is_null(json_object_get(g, "ecc_volatile_uncorrected")));
    assert_absent(g, "power_draw_w", "unknown error");
    assert_text(g, "recovery_action", "Drain and Reset");
    assert_true(json_is_null(json_object_get(g, "processes")));
    json_decref(root);
}

static void test_gpu_capture__fields_that_a_driver_lists(void **state)
{
    json_t *root = parse_fixture("help-query-gpu.txt");

    assert_text(root, "form", "fields");
    assert_int_equal(json_array_size(json_object_get(root, "fields")), 7);
    /* Of two names one is asked for, and nothing that is not read here. */
    assert_text(root, "query", "gpu_bus_id,gpu_name,memory.total,timestamp");
    json_decref(root);
}

static void test_gpu_capture__links(void **state)
{
    json_t *root = parse_fixture("nvlink.txt"), *n = json_object_get(said(root, 0), "nvlink"), *t;

    assert_number(n, "active", 2);
    assert_number(n, "inactive", 1);
    assert_true(json_is_null(json_array_get(json_object_get(n, "links"), 1)));
    n = json_object_get(said(root, 1), "nvlink");
    assert_text(n, "note", "NVML: Unable to retrieve Nvlink information as all links are inActive");
    assert_null(json_object_get(said(root, 2), "nvlink"));
    json_decref(root);
    root = parse_fixture("topology.txt");
    t = json_object_get(root, "topology");
    assert_int_equal(json_array_size(json_object_get(t, "devices")), 4);
    assert_int_equal(json_array_size(json_object_get(t, "links")), 6);
    assert_text(json_array_get(json_object_get(t, "links"), 0), "link", "NV18");
    assert_text(json_array_get(json_object_get(t, "affinity"), 1), "cpus", "24-47,72-95");
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(t, "affinity"), 2), "cpus")));
    json_decref(root);
}

static void test_gpu_capture__failures(void **state)
{
    json_t *root = parse_fixture("no-driver.txt"), *f;

    f = json_array_get(json_object_get(root, "failures"), 0);
    assert_number(f, "exit_code", 9);
    assert_text(f, "reason", "the NVIDIA driver is not loaded");
    assert_int_equal(json_array_size(json_object_get(root, "gpus")), 0);
    json_decref(root);
    root = parse_fixture("lost-handle.txt");
    assert_text(said(root, 0), "bus", "0000:ab:00.0");
    assert_text(said(root, 0), "sick", "GPU is lost");
    json_decref(root);
}

static void test_gpu_capture__several_forms_of_the_same_gpus(void **state)
{
    json_t *root = parse_fixture("several.txt"), *g = said(root, 0), *m;

    assert_text(root, "form", "mixed");
    assert_int_equal(json_array_size(json_object_get(root, "forms")), 5);
    assert_int_equal(json_array_size(json_object_get(root, "gpus")), 3);
    assert_text(root, "driver", "590.1.2");
    assert_number(json_object_get(g, "nvlink"), "active", 2);
    m = json_array_get(json_object_get(g, "mig"), 0);
    assert_text(m, "profile", "1c.3g.71gb"); /* -L has it */
    assert_number(m, "memory_total_mib", 40448); /* -q has it */
    assert_int_equal(json_array_size(json_object_get(root, "warnings")), 2); /* 3 of 2 GPUs, Legend */
    json_decref(root);
}

static void test_gpu_capture__cut_document(void **state)
{
    size_t length;
    char *text = gpu_fixture("two-gpus-580.xml", &length), *cut = strstr(text, "<fb_memory_usage>");
    json_t *root, *warning;

    assert_non_null(cut);
    root = gpu_parse(text, (size_t)(cut - text), NULL);
    assert_text(said(root, 0), "uuid", "GPU-aaaaaaaa-0000-4000-8000-000000000001");
    assert_absent(said(root, 0), "memory_total_mib", "unknown");
    warning = json_array_get(json_object_get(root, "warnings"), 0);
    assert_non_null(strstr(json_string_value(warning), "damaged"));
    json_decref(root);
    free(text);
}

static void test_gpu_capture__what_is_refused(void **state)
{
    static const char *const texts[] = {"", "\n\n", "hello\nworld\n", "<html></html>", "<?xml ",
                                        "a, b, c\n1, 2, 3\n", "GPU 0: no uuid\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        gpuc_error *err = NULL;
        char *out = NULL;

        assert_int_equal(gpuc_gpu_parse(&out, texts[i], strlen(texts[i]), &err), GPUC_EPROTO);
        assert_null(out);
        assert_non_null(gpuc_error_remedy(err));
        gpuc_error_unref(err);
    }
    assert_int_equal(gpuc_gpu_parse(NULL, "", 0, NULL), GPUC_EINVAL);
}

/* They are searched by halves. */
static void test_gpu_capture__tables_of_names_are_sorted(void **state)
{
    for (int t = 0; t < GPUC__SMI_TABLES; t++) {
        size_t count;
        const gpuc__smi_path *rows = gpuc__smi_names((gpuc__smi_table)t, &count);

        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            if (i && strcmp(rows[i - 1].path, rows[i].path) >= 0)
                fail_msg("%s stands before %s", rows[i - 1].path, rows[i].path);
            assert_int_equal(gpuc__smi_field_of((gpuc__smi_table)t, rows[i].path), rows[i].field);
        }
        assert_int_equal(gpuc__smi_field_of((gpuc__smi_table)t, "no such"), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_capture__table_of_2017),
        cmocka_unit_test(test_gpu_capture__table_of_2012),
        cmocka_unit_test(test_gpu_capture__table_with_mig),
        cmocka_unit_test(test_gpu_capture__query),
        cmocka_unit_test(test_gpu_capture__csv),
        cmocka_unit_test(test_gpu_capture__fields_that_a_driver_lists),
        cmocka_unit_test(test_gpu_capture__links),
        cmocka_unit_test(test_gpu_capture__failures),
        cmocka_unit_test(test_gpu_capture__several_forms_of_the_same_gpus),
        cmocka_unit_test(test_gpu_capture__cut_document),
        cmocka_unit_test(test_gpu_capture__what_is_refused),
        cmocka_unit_test(test_gpu_capture__tables_of_names_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

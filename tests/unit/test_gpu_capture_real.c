/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of captures of real machines, where those are at hand beside the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/gpu_data.h"

#define CAPTURES GPUC_TEST_DATA "/../../../shared/samples/"

static json_t *capture(const char *name)
{
    char path[1024], *text;
    json_t *root;
    gpuc_error *err = NULL;
    size_t length = 0;

    snprintf(path, sizeof(path), CAPTURES "%s", name);
    text = gpu_read(path, &length);
    if (!text) {
        print_message("no captures of real machines beside the source tree: skipped\n");
        skip();
    }
    root = gpu_parse(text, length, &err);
    if (!root)
        fail_msg("%s: %s", name, gpuc_error_message(err));
    free(text);
    return root;
}

static json_t *said(const json_t *root, size_t gpu)
{
    return json_object_get(json_array_get(json_object_get(root, "gpus"), gpu), "nvidia_smi");
}

static void assert_value(const json_t *object, const char *key, const char *wanted)
{
    json_t *value = json_object_get(object, key);
    char text[128] = "null";

    if (json_is_number(value))
        snprintf(text, sizeof(text), "%.10g", json_number_value(value));
    else if (json_is_string(value))
        snprintf(text, sizeof(text), "%s", json_string_value(value));
    if (strcmp(text, wanted) != 0)
        fail_msg("%s is %s, not %s", key, text, wanted);
}

/* "key=value" pairs up to NULL. */
static void assert_values(const json_t *object, ...)
{
    va_list args;
    const char *pair;

    va_start(args, object);
    while ((pair = va_arg(args, const char *))) {
        char key[96];

        snprintf(key, sizeof(key), "%.*s", (int)strcspn(pair, "="), pair);
        assert_value(object, key, pair + strlen(key) + 1);
    }
    va_end(args);
}

static void test_gpu_capture_real__article_of_2017(void **state)
{
    json_t *root = capture("nvidia-smi/tesla-k80-375.51-table.txt"), *g = said(root, 0);

    assert_values(root, "form=table", "driver=375.51", "cuda=null", NULL);
    assert_values(g, "product=Tesla K80", "bus=0000:00:04.0", "memory_total_mib=11439",
                  "memory_used_mib=0", "temperature_c=74", "power_draw_w=77", "power_limit_w=149",
                  "utilization_percent=100", "fan_percent=null", "ecc_volatile_uncorrected=0",
                  "compute_mode=Default", "persistence_mode=Disabled", NULL);
    assert_int_equal(json_array_size(json_object_get(g, "processes")), 0);
    assert_true(json_is_array(json_object_get(g, "processes")));
    json_decref(root);
}

static void test_gpu_capture_real__xml(void **state)
{
    json_t *root = capture("nvidia-smi/gtx-1070-ti.xml");

    assert_values(root, "form=xml", "dtd=v10", "driver=null", NULL);
    assert_values(said(root, 0), "memory_total_mib=4096", "fan_percent=100", "pcie_gen=1",
                  "pcie_width=16", "clock_memory_mhz=405", "power_draw_w=null",
                  "ecc_volatile_uncorrected=null", "serial=null", NULL);
    json_decref(root);
    root = capture("nvidia-smi/qx-a100.xml");
    assert_values(root, "dtd=v12", "driver=570.148.08", "cuda=12.8", NULL);
    assert_values(said(root, 0), "product=NVIDIA A100-SXM4-40GB", "recovery_action=None",
                  "remap_banks_max=640", "remapped_rows_failure=No", "throttle_mask=1",
                  "reset_required=null", "power_draw_w=49.68", "temperature_slowdown_c=89",
                  "ecc_aggregate_uncorrected=0", NULL);
    json_decref(root);
    root = capture("nvidia-smi/qx-h100.xml");
    assert_int_equal(json_array_size(json_object_get(root, "gpus")), 8);
    assert_values(said(root, 7), "index=7", "bus=0000:ca:00.0", "memory_total_mib=81559",
                  "tpc_repair_pending=No", "temperature_slowdown_margin_c=-2", NULL);
    json_decref(root);
    root = capture("nvidia-smi/qx-gb200-lost.xml");
    assert_values(said(root, 0), "ecc_volatile_uncorrected=5", "ecc_aggregate_uncorrected=8",
                  "remapped_rows_failure=Yes", "remapped_rows_uncorrectable=1", NULL);
    assert_values(said(root, 1), "sick=GPU is lost", "memory_total_mib=null", "temperature_c=null",
                  "remapped_rows_failure=null", "ecc_volatile_uncorrected=null", NULL);
    assert_values(json_object_get(said(root, 1), "absent"), "remapped_rows_failure=GPU is lost",
                  "temperature_c=GPU is lost", NULL);
    json_decref(root);
}

static void test_gpu_capture_real__h200_with_mig(void **state)
{
    json_t *root = capture("nvidia-smi/linux-x86_64__nvidia-h200-mig__590.48.01.txt");
    json_t *g = said(root, 0), *m = json_object_get(g, "mig");

    assert_values(root, "form=mixed", "driver=590.48.01", "cuda=13.1", "attached_gpus=1", NULL);
    assert_int_equal(json_array_size(json_object_get(root, "gpus")), 1);
    assert_values(g, "product=NVIDIA H200", "memory_total_mib=143771", "mig_mode=Enabled",
                  "utilization_percent=null", "mig_devices=5", NULL);
    assert_int_equal(json_array_size(m), 5);
    assert_values(json_array_get(m, 1), "profile=2c.3g.71gb", "gpu_instance=2",
                  "compute_instance=1", "memory_total_mib=71424", "multiprocessors=32",
                  "uuid=MIG-00000001-0000-0000-0000-000000000001", NULL);
    assert_values(json_object_get(g, "nvlink"), "active=0",
                  "note=Nvlink queries are not supported for Devices in MIG mode", NULL);
    json_decref(root);
}

static void test_gpu_capture_real__data_centre(void **state)
{
    json_t *root = capture("nvidia-smi/linux-x86_64__nvidia-h100-80gb-hbm3__590.48.01.txt");

    assert_values(said(root, 0), "product=NVIDIA H100 80GB HBM3", "compute_capability=9.0",
                  "inforom_checksum=valid", "fabric_state=Completed", "fabric_status=Success",
                  "persistence_mode=Enabled", NULL);
    assert_values(json_object_get(said(root, 0), "nvlink"), "active=18", "inactive=0", NULL);
    json_decref(root);
    root = capture("nvidia-smi/linux-x86_64__nvidia-h100-mig__590.48.01.txt");
    assert_values(json_array_get(json_object_get(said(root, 0), "mig"), 0), "profile=3g.40gb",
                  "memory_total_mib=40448", "ecc_volatile_sram_unc=0", NULL);
    assert_values(said(root, 0), "remapped_rows_pending=null", "remapped_rows_failure=null", NULL);
    json_decref(root);
    root = capture("nvidia-smi/linux-x86_64__nvidia-h200__590.48.01.txt");
    assert_values(said(root, 0), "memory_total_mib=143771", "mig_mode=Disabled",
                  "bus=0000:83:00.0", NULL);
    json_decref(root);
    root = capture("nvidia-smi/linux-x86_64__nvidia-l40s__595.80.txt");
    assert_values(root, "driver=595.80", "cuda=13.2", NULL);
    assert_values(said(root, 0), "memory_total_mib=46068", "mig_mode=null", "architecture=Ada Lovelace",
                  NULL);
    json_decref(root);
}

static void test_gpu_capture_real__geforce(void **state)
{
    static const char *const files[] = {"595.71.05", "610.57.04"};
    static const char *const drivers[] = {"driver=595.71.05", "driver=610.57.04"};

    for (int i = 0; i < 2; i++) {
        char name[128];
        json_t *root;

        snprintf(name, sizeof(name),
                 "nvidia-smi/linux-x86_64__nvidia-geforce-rtx-2080-super__%s.txt", files[i]);
        root = capture(name);
        assert_values(root, drivers[i], NULL);
        /* The table cuts the name; -L has all of it. */
        assert_values(said(root, 0), "product=NVIDIA GeForce RTX 2080 SUPER", "ecc_mode=null",
                      "memory_total_mib=8192", "bus=0000:0c:00.0", "mig_mode=null", NULL);
        assert_int_equal(json_array_size(json_object_get(said(root, 0), "processes")), 2);
        json_decref(root);
    }
}

static void test_gpu_capture_real__csv_and_links(void **state)
{
    json_t *root = capture("nvidia-smi/query.txt");

    assert_values(root, "form=csv", "driver=466.63", NULL);
    assert_values(said(root, 1), "memory_used_mib=1234", "fan_percent=50", "serial=null",
                  "compute_capability=8.6", "driver_model=DoesntMatter", NULL);
    json_decref(root);
    root = capture("nvidia-smi/fields.txt");
    assert_int_equal(json_array_size(json_object_get(root, "fields")), 139);
    assert_non_null(strstr(json_string_value(json_object_get(root, "query")), "memory.total"));
    assert_null(strstr(json_string_value(json_object_get(root, "query")), "clocks_event_reasons"));
    json_decref(root);
    root = capture("logs/nvidia-smi.nvlink.status.a100");
    assert_int_equal(json_array_size(json_object_get(root, "gpus")), 8);
    assert_values(json_object_get(said(root, 3), "nvlink"), "active=12", "inactive=0", NULL);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_capture_real__article_of_2017),
        cmocka_unit_test(test_gpu_capture_real__xml),
        cmocka_unit_test(test_gpu_capture_real__h200_with_mig),
        cmocka_unit_test(test_gpu_capture_real__data_centre),
        cmocka_unit_test(test_gpu_capture_real__geforce),
        cmocka_unit_test(test_gpu_capture_real__csv_and_links),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

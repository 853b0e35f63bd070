/* SPDX-License-Identifier: Apache-2.0 */
/* nvidia-smi's XML: values with their types, over drivers and faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "gpu/smi_xml.h"
#include "support/gpu_data.h"

static gpuc__smi *parse_fixture(const char *name)
{
    size_t length;
    char *text = gpu_fixture(name, &length);
    gpuc__smi *smi = NULL;
    gpuc_error *err = NULL;

    if (gpuc__smi_parse(&smi, text, length, &err) != GPUC_OK)
        fail_msg("%s: %s", name, gpuc_error_message(err));
    free(text);
    return smi;
}

static int parse_text(gpuc__smi **smi, const char *text, gpuc_error **err)
{
    return gpuc__smi_parse(smi, text, strlen(text), err);
}

static void assert_text(const gpuc__smi_value *v, const char *text)
{
    assert_int_equal(v->state, GPUC__SMI_KNOWN);
    assert_string_equal(v->text, text);
}

static void assert_number(const gpuc__smi_value *v, double number)
{
    assert_int_equal(v->state, GPUC__SMI_KNOWN);
    assert_true(v->has_number);
    assert_true(v->number == number);
}

static void test_gpu_smi_xml__modern_document(void **state)
{
    gpuc__smi *smi = parse_fixture("two-gpus-580.xml");
    const gpuc__smi_gpu *g = &smi->gpus[0];
    gpuc__smi_value ecc = gpuc__smi_ecc_uncorrected(g);

    assert_false(smi->simulated);
    assert_text(&smi->field[GPUC__SMI_DRIVER_VERSION], "580.1.2");
    assert_text(&smi->field[GPUC__SMI_CUDA_VERSION], "13.0");
    assert_number(&smi->field[GPUC__SMI_ATTACHED_GPUS], 2);
    assert_int_equal(smi->gpu_count, 2);
    assert_string_equal(g->bus, "0000:0a:00.0");
    assert_string_equal(gpuc__smi_gpu_key(g), "GPU-aaaaaaaa-0000-4000-8000-000000000001");
    assert_text(&g->field[GPUC__SMI_PRODUCT], "NVIDIA Example 24GB");
    assert_number(&g->field[GPUC__SMI_MEMORY_TOTAL], 24576);
    assert_number(&g->field[GPUC__SMI_MEMORY_USED], 0);
    assert_number(&g->field[GPUC__SMI_TEMPERATURE], 31);
    assert_number(&g->field[GPUC__SMI_MINOR], 0);
    assert_text(&g->field[GPUC__SMI_PSTATE], "P8");
    assert_text(&g->field[GPUC__SMI_RECOVERY_ACTION], "None");
    assert_int_equal(g->field[GPUC__SMI_MIG].state, GPUC__SMI_NOT_APPLICABLE);
    assert_number(&ecc, 0);
    assert_true(g->processes_known);
    assert_int_equal(g->process_total, 0);
    assert_int_equal(g->sick_count, 0);
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__processes_and_missing_elements(void **state)
{
    gpuc__smi *smi = parse_fixture("two-gpus-580.xml");
    const gpuc__smi_gpu *g = &smi->gpus[1];
    gpuc__smi_value ecc = gpuc__smi_ecc_uncorrected(g);

    assert_int_equal(g->process_count, 2);
    assert_int_equal(g->processes[0].pid, 4242);
    assert_string_equal(g->processes[0].type, "C");
    assert_string_equal(g->processes[0].name, "/opt/a & b/trainer --name=R&D");
    assert_number(&g->processes[0].memory, 1900);
    assert_int_equal(g->processes[1].pid, -1);
    assert_int_equal(g->processes[1].memory.state, GPUC__SMI_NOT_APPLICABLE);
    assert_int_equal(g->sick_count, 0); /* a program may be called "Unknown Error" */
    assert_number(&ecc, 3);
    assert_int_equal(g->field[GPUC__SMI_SERIAL].state, GPUC__SMI_UNKNOWN);
    assert_int_equal(g->field[GPUC__SMI_PSTATE].state, GPUC__SMI_UNKNOWN);
    assert_false(g->field[GPUC__SMI_PSTATE].has_number);
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__oldest_document(void **state)
{
    gpuc__smi *smi = parse_fixture("one-gpu-270.xml");
    const gpuc__smi_gpu *g = &smi->gpus[0];
    gpuc__smi_value ecc = gpuc__smi_ecc_uncorrected(g);

    assert_int_equal(smi->field[GPUC__SMI_CUDA_VERSION].state, GPUC__SMI_UNKNOWN);
    assert_string_equal(g->bus, "0000:01:00.0");
    assert_string_equal(gpuc__smi_gpu_key(g), "0000:01:00.0"); /* it has no uuid */
    assert_text(&g->field[GPUC__SMI_PRODUCT], "Example C20");
    assert_number(&g->field[GPUC__SMI_MEMORY_TOTAL], 2687);
    assert_int_equal(g->field[GPUC__SMI_TEMPERATURE].state, GPUC__SMI_NOT_APPLICABLE);
    assert_false(g->processes_known);
    assert_number(&ecc, 3);
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__lost_gpu_is_never_zero(void **state)
{
    gpuc__smi *smi = parse_fixture("lost-535.xml");
    const gpuc__smi_gpu *g = &smi->gpus[0];

    assert_int_equal(g->sick, GPUC__SMI_LOST);
    assert_int_equal(g->sick_count, 7);
    assert_string_equal(g->sick_element, "reset_required");
    assert_int_equal(g->field[GPUC__SMI_MEMORY_TOTAL].state, GPUC__SMI_LOST);
    assert_false(g->field[GPUC__SMI_MEMORY_TOTAL].has_number);
    assert_int_equal(gpuc__smi_ecc_uncorrected(g).state, GPUC__SMI_LOST);
    assert_false(g->processes_known);
    assert_int_equal(smi->gpus[1].sick, GPUC__SMI_ERR);
    assert_int_equal(gpuc__smi_ecc_uncorrected(&smi->gpus[1]).state, GPUC__SMI_NOT_APPLICABLE);
    assert_int_equal(smi->gpus[2].sick_count, 0);
    assert_int_equal(gpuc__smi_ecc_uncorrected(&smi->gpus[2]).state, GPUC__SMI_UNKNOWN);
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__renamed_elements_and_mig(void **state)
{
    gpuc__smi *smi = parse_fixture("mig-590.xml");
    const gpuc__smi_gpu *g = &smi->gpus[0];

    assert_text(&smi->field[GPUC__SMI_DRIVER_VERSION], "590.1.2");
    assert_text(&smi->field[GPUC__SMI_CUDA_VERSION], "13.1");
    assert_text(&g->field[GPUC__SMI_MIG], "Enabled");
    assert_int_equal(g->mig_devices, 2);
    /* not the MIG device's own memory */
    assert_int_equal(g->field[GPUC__SMI_MEMORY_TOTAL].state, GPUC__SMI_NO_PERMISSION);
    assert_text(&g->field[GPUC__SMI_RECOVERY_ACTION], "Drain and Reset");
    assert_true(g->processes_known);
    assert_int_equal(g->sick_count, 0);
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__simulated_is_seen(void **state)
{
    gpuc__smi *smi = parse_fixture("simulated.xml");

    assert_true(smi->simulated);
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__json(void **state)
{
    gpuc__smi *smi = parse_fixture("lost-535.xml");
    gpuc__buf text = GPUC__BUF_INIT(1 << 16);
    json_t *gpu, *absent;

    gpuc__smi_gpu_put(&text, NULL, &smi->gpus[0], smi->gpus[0].migs);
    gpu = json_loadb(gpuc__buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(gpu);
    absent = json_object_get(gpu, "absent");
    assert_true(json_is_null(json_object_get(gpu, "memory_total_mib")));
    assert_string_equal(json_string_value(json_object_get(absent, "memory_total_mib")),
                        "GPU is lost");
    assert_string_equal(json_string_value(json_object_get(absent, "serial")), "unknown");
    assert_true(json_is_null(json_object_get(gpu, "processes")));
    assert_string_equal(json_string_value(json_object_get(gpu, "sick")), "GPU is lost");
    json_decref(gpu);
    gpuc__buf_clear(&text);
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__noise_and_bytes(void **state)
{
    static const char text[] =
        "WARNING: something & <else>\n<?xml version=\"1.0\" ?>\n<nvidia_smi_log>"
        "<driver_version>1.2</driver_version><gpu id=\"x\"><uuid> G </uuid><processes>"
        "<process_info><process_name>\xff\x01 \xc3\xa9 &amp; & &nope; &#x41;</process_name>"
        "</process_info></processes></gpu></nvidia_smi_log>\nWARNING: <tail &\n";
    gpuc__smi *smi = NULL;

    assert_int_equal(parse_text(&smi, text, NULL), GPUC_OK);
    assert_string_equal(smi->gpus[0].bus, "");
    assert_text(&smi->gpus[0].field[GPUC__SMI_UUID], "G");
    assert_string_equal(smi->gpus[0].processes[0].name, "?? \xc3\xa9 & & &nope; A");
    gpuc__smi_free(smi);
}

static void test_gpu_smi_xml__bad_numbers_are_unknown(void **state)
{
    static const char *const bodies[] = {"", " ", "inf", "nan MiB", "0x10 MiB", "12", "12 MHz",
                                         "1e400 MiB", "MiB", "99999999999999999999 MiB"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        gpuc__smi *smi = NULL;
        char text[256];

        snprintf(text, sizeof(text),
                 "<nvidia_smi_log><gpu><fb_memory_usage><total>%s</total></fb_memory_usage></gpu>"
                 "</nvidia_smi_log>",
                 bodies[i]);
        assert_int_equal(parse_text(&smi, text, NULL), GPUC_OK);
        assert_int_equal(smi->gpus[0].field[GPUC__SMI_MEMORY_TOTAL].state, GPUC__SMI_UNKNOWN);
        assert_false(smi->gpus[0].field[GPUC__SMI_MEMORY_TOTAL].has_number);
        gpuc__smi_free(smi);
    }
}

static void assert_refused(const char *text, int code, const char *says)
{
    gpuc_error *err = NULL;
    gpuc__smi *smi = NULL;

    assert_int_equal(parse_text(&smi, text, &err), code);
    assert_null(smi);
    assert_non_null(err);
    assert_non_null(strstr(gpuc_error_message(err), says));
    assert_int_equal(gpuc_error_domain(err), GPUC_DOMAIN_GPU);
    gpuc_error_unref(err);
}

static void test_gpu_smi_xml__what_is_refused(void **state)
{
    size_t length;
    char *hostile = gpu_fixture("hostile-entities.xml", &length);
    char deep[2048] = "<nvidia_smi_log>";

    assert_refused("", GPUC_EPROTO, "not its XML");
    assert_refused("NVIDIA-SMI has failed", GPUC_EPROTO, "not its XML");
    assert_refused("<?xml version=\"1.0\"?><html></html>", GPUC_EPROTO, "not its XML");
    assert_refused("<nvidia_smi_log>\n<gpu>\n</nvidia_smi_log>", GPUC_EPROTO, "at line 3");
    assert_refused("<nvidia_smi_log><gpu>", GPUC_EPROTO, "damaged");
    assert_refused(hostile, GPUC_EPROTO, "declarations");
    for (int i = 0; i < GPUC__SMI_DEPTH_MAX; i++)
        strncat(deep, "<a>", sizeof(deep) - strlen(deep) - 1);
    assert_refused(deep, GPUC_ELIMIT, "depth");
    free(hostile);
}

static void test_gpu_smi_xml__bounds(void **state)
{
    size_t size = GPUC__SMI_INPUT_MAX + 1;
    char *big = calloc(1, size);
    gpuc__smi *smi = NULL;
    char *text = big;

    assert_non_null(big);
    assert_int_equal(gpuc__smi_parse(&smi, big, size, NULL), GPUC_ELIMIT);
    text += snprintf(text, size, "<nvidia_smi_log>");
    for (int i = 0; i < GPUC__SMI_GPUS_MAX + 1; i++)
        text += snprintf(text, 16, "<gpu/>");
    snprintf(text, 32, "</nvidia_smi_log>");
    assert_refused(big, GPUC_ELIMIT, "number of GPUs");
    text = big + snprintf(big, size, "<nvidia_smi_log><gpu><processes>");
    for (int i = 0; i < GPUC__SMI_PROCESSES_MAX + 5; i++)
        text += snprintf(text, 32, "<process_info/>");
    snprintf(text, 64, "</processes></gpu></nvidia_smi_log>");
    assert_int_equal(parse_text(&smi, big, NULL), GPUC_OK);
    assert_int_equal(smi->gpus[0].process_count, GPUC__SMI_PROCESSES_MAX);
    assert_int_equal(smi->gpus[0].process_total, GPUC__SMI_PROCESSES_MAX + 5);
    gpuc__smi_free(smi);
    free(big);
}

static void test_gpu_smi_xml__bus_ids(void **state)
{
    static const struct {
        const char *text, *bus;
    } cases[] = {
        {"00000000:0A:00.0", "0000:0a:00.0"}, {"0000:0a:00.0", "0000:0a:00.0"},
        {"0:1:0", "0000:01:00.0"},            {"0001:ff:1f.7", "0001:ff:1f.7"},
        {" 10000:00:00.0 ", "10000:00:00.0"}, {"", ""},
        {"0000:0a", ""},                      {"0000:0a:20.0", ""},
        {"0000:100:00.0", ""},                {"0000:0a:00.8", ""},
        {"000000000:0a:00.0", ""},            {"0x0:0a:00.0", ""},
        {"0000:0a:00.0; rm", ""},             {"-1:0a:00.0", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bus[GPUC__BUS_ID_SIZE];

        assert_int_equal(gpuc__bus_id_normalise(bus, cases[i].text), cases[i].bus[0] != '\0');
        assert_string_equal(bus, cases[i].bus);
    }
}

/* What 615 adds: banks beside rows, two more reasons for slow clocks, a ceiling of power; and the old
 * names of the versions gone, as they will be. */
static void test_gpu_smi_xml__driver_615(void **state)
{
    gpuc__smi *smi = parse_fixture("rubin-615.xml");
    const gpuc__smi_gpu *g = &smi->gpus[0];

    assert_text(&smi->field[GPUC__SMI_DRIVER_VERSION], "615.23");
    assert_text(&smi->field[GPUC__SMI_CUDA_VERSION], "13.4");
    assert_string_equal(g->bus, "0002:81:00.0");
    assert_int_equal(g->mig_devices, 0);
    assert_int_equal(g->field[GPUC__SMI_DRIVER_MODEL].state, GPUC__SMI_UNKNOWN);
    assert_number(&g->field[GPUC__SMI_PCIE_WIDTH], 2);
    assert_text(&g->field[GPUC__SMI_THROTTLE_BOARD], "Active");
    assert_text(&g->field[GPUC__SMI_THROTTLE_RELIABILITY], "Active");
    assert_number(&g->field[GPUC__SMI_BANKS_REMAPPED], 5);
    assert_number(&g->field[GPUC__SMI_BANKS_REMAPPED_INACTIVE], 6);
    assert_text(&g->field[GPUC__SMI_BANKS_PENDING], "Yes");
    assert_number(&g->field[GPUC__SMI_BANK_GROUPS_MAX], 252);
    assert_number(&g->field[GPUC__SMI_BANK_GROUPS_NONE], 1);
    assert_text(&g->field[GPUC__SMI_REMAPPED_PENDING], "No");
    assert_number(&g->field[GPUC__SMI_TEMPERATURE_SHUTDOWN_MARGIN], -5);
    assert_number(&g->field[GPUC__SMI_POWER_AVERAGE], 398.48);
    assert_text(&g->field[GPUC__SMI_FABRIC_CLIQUE], "32766");
    assert_int_equal(g->sick, GPUC__SMI_UNKNOWN);
    gpuc__smi_free(smi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_smi_xml__modern_document),
        cmocka_unit_test(test_gpu_smi_xml__driver_615),
        cmocka_unit_test(test_gpu_smi_xml__processes_and_missing_elements),
        cmocka_unit_test(test_gpu_smi_xml__oldest_document),
        cmocka_unit_test(test_gpu_smi_xml__lost_gpu_is_never_zero),
        cmocka_unit_test(test_gpu_smi_xml__renamed_elements_and_mig),
        cmocka_unit_test(test_gpu_smi_xml__simulated_is_seen),
        cmocka_unit_test(test_gpu_smi_xml__json),
        cmocka_unit_test(test_gpu_smi_xml__noise_and_bytes),
        cmocka_unit_test(test_gpu_smi_xml__bad_numbers_are_unknown),
        cmocka_unit_test(test_gpu_smi_xml__what_is_refused),
        cmocka_unit_test(test_gpu_smi_xml__bounds),
        cmocka_unit_test(test_gpu_smi_xml__bus_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

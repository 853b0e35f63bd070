/* SPDX-License-Identifier: Apache-2.0 */
/* The checks over nvidia-smi's elements, case by case; and limits that the user sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/gpu_data.h"
#include "support/gpu_checks.h"

#define PASS GPUC_CHECK_PASS
#define WARN GPUC_CHECK_WARN
#define FAIL GPUC_CHECK_FAIL
#define SKIP GPUC_CHECK_SKIP
#define CASES(id, ...)                                                                             \
    do {                                                                                           \
        static const gpu_case cases[] = {__VA_ARGS__};                                             \
        static const gpu_machine machine = GPU_ONE_MACHINE;                                        \
        gpu_expect_cases(id, &machine, cases, sizeof(cases) / sizeof(cases[0]));                   \
    } while (0)

#define ECC(rest) "<ecc_errors>" rest "</ecc_errors>"

static void test_gpu_checks_elements__ecc(void **state)
{
    (void)state;
    CASES("mem.ecc.unc", {"", PASS, "0 since boot", NULL},
          {ECC("<volatile><dram_uncorrectable>1</dram_uncorrectable></volatile>"), FAIL,
           "1 since boot", "reset the GPU"},
          {ECC("<aggregate><sram_threshold_exceeded>Yes</sram_threshold_exceeded></aggregate>"), FAIL,
           "threshold is exceeded", "field diagnosis"},
          {ECC("<aggregate><sram_uncorrectable_parity>3</sram_uncorrectable_parity>"
               "<sram_uncorrectable_secded>2</sram_uncorrectable_secded></aggregate>"),
           WARN, "5 in SRAM", "watch"},
          {ECC("<aggregate><sram_uncorrectable_secded>4</sram_uncorrectable_secded></aggregate>"),
           PASS, "0 since boot", NULL},
          {"<ecc_mode><current_ecc>Disabled</current_ecc></ecc_mode>", WARN, "ECC is off",
           "nvidia-smi -e 1"},
          {"<product_brand>GeForce</product_brand><ecc_mode><current_ecc>Disabled</current_ecc>"
           "</ecc_mode>",
           PASS, "0 since boot", NULL},
          {ECC("<volatile><sram_uncorrectable>GPU is lost</sram_uncorrectable></volatile>"), FAIL,
           "GPU is lost", NULL},
          {ECC("<volatile><sram_uncorrectable>N/A</sram_uncorrectable></volatile>"), SKIP,
           "does not count", NULL});
}

#define ROWS(unc, pending, failure)                                                                \
    "<remapped_rows><remapped_row_corr>0</remapped_row_corr><remapped_row_unc>" unc                \
    "</remapped_row_unc><remapped_row_pending>" pending                                            \
    "</remapped_row_pending><remapped_row_failure>" failure "</remapped_row_failure>"

static void test_gpu_checks_elements__remapped_rows(void **state)
{
    (void)state;
    CASES("mem.remap", {"", SKIP, "does not report", NULL},
          {"<remapped_rows>N/A</remapped_rows>", SKIP, "does not report", NULL},
          {ROWS("0", "No", "No") "</remapped_rows>", PASS, "0 rows", NULL},
          {ROWS("0", "No", "Yes") "</remapped_rows>", FAIL, "remapping has failed", "replaced"},
          {ROWS("0", "No", "No") "</remapped_rows><remapped_banks><bank_remapper_pending>Yes"
                                 "</bank_remapper_pending></remapped_banks>",
           FAIL, "remapping of banks is pending", "reset"},
          {ROWS("1", "Yes", "No") "</remapped_rows>", FAIL, "pending", "reset the GPU"},
          {ROWS("512", "No", "No") "</remapped_rows>", FAIL, "512 rows", "replaced"},
          {ROWS("511", "No", "No") "</remapped_rows>", WARN, "511 rows", "watch"},
          {ROWS("0", "No", "No") "<row_remapper_histogram><row_remapper_histogram_none>2 bank(s)"
                                 "</row_remapper_histogram_none></row_remapper_histogram>"
                                 "</remapped_rows>",
           WARN, "2 banks have no spare rows", "plan"},
          {ROWS("GPU is lost", "GPU is lost", "GPU is lost") "</remapped_rows>", FAIL, "GPU is lost",
           NULL});
}

#define PAGES(single, twofold, pending)                                                            \
    "<retired_pages><multiple_single_bit_retirement><retired_count>" single                        \
    "</retired_count></multiple_single_bit_retirement><double_bit_retirement><retired_count>"      \
    twofold "</retired_count></double_bit_retirement><pending_retirement>" pending                 \
    "</pending_retirement></retired_pages>"

static void test_gpu_checks_elements__retired_pages(void **state)
{
    (void)state;
    CASES("mem.retired", {"", SKIP, "does not report", NULL},
          {PAGES("0", "0", "No"), PASS, "0 pages", NULL}, {PAGES("10", "0", "No"), PASS, "10 pages", NULL},
          {PAGES("11", "0", "No"), WARN, "11 pages", NULL},
          {PAGES("60", "3", "No"), FAIL, "63 pages", "replaced"},
          {PAGES("0", "1", "Yes"), FAIL, "pending", "reload the driver"},
          {PAGES("N/A", "N/A", "N/A"), SKIP, "does not report", NULL});
}

static void test_gpu_checks_elements__repairs(void **state)
{
    (void)state;
    CASES("mem.repair", {"", SKIP, "does not report", NULL},
          {ECC("<channel_repair_pending>No</channel_repair_pending><tpc_repair_pending>No"
               "</tpc_repair_pending><unrepairable_memory>No</unrepairable_memory>"),
           PASS, "no unrepairable", NULL},
          {ECC("<channel_repair_pending>Yes</channel_repair_pending>"), WARN, "channel repair",
           "reset the GPU"},
          {ECC("<tpc_repair_pending>Yes</tpc_repair_pending>"), WARN, "TPC repair", NULL},
          {ECC("<unrepairable_memory>Yes</unrepairable_memory>"), FAIL, "unrepairable", "replaced"});
}

#define REASON(name)                                                                               \
    "<clocks_event_reasons><clocks_event_reason_" name ">Active</clocks_event_reason_" name        \
    "></clocks_event_reasons>"

static void test_gpu_checks_elements__clocks(void **state)
{
    (void)state;
    CASES("thermal.throttle", {"", SKIP, "does not report", NULL}, {REASON("gpu_idle"), PASS, "idle", NULL},
          {REASON("sw_power_cap"), PASS, "power cap", NULL},
          {REASON("sw_thermal_slowdown"), WARN, "software thermal", "cooling"},
          {REASON("hw_thermal_slowdown"), FAIL, "hardware thermal", "cooling"},
          {REASON("hw_slowdown"), FAIL, "hardware slowdown", NULL},
          {REASON("hw_power_brake_slowdown"), FAIL, "power brake", NULL},
          {"<clocks_throttle_reasons><clocks_throttle_reason_hw_slowdown>GPU is lost"
           "</clocks_throttle_reason_hw_slowdown></clocks_throttle_reasons>",
           FAIL, "GPU is lost", NULL});
}

#define TEMPERATURE(rest) "<temperature>" rest "</temperature>"

static void test_gpu_checks_elements__temperature(void **state)
{
    (void)state;
    CASES("thermal.temp", {"", SKIP, "no temperature", NULL},
          {TEMPERATURE("<gpu_temp>60 C</gpu_temp>"), SKIP, "no temperature", NULL},
          {TEMPERATURE("<gpu_temp>60 C</gpu_temp><gpu_temp_slow_threshold>93 C"
                       "</gpu_temp_slow_threshold>"),
           PASS, "60 C, slowdown at 93 C", NULL},
          {TEMPERATURE("<gpu_temp>93 C</gpu_temp><gpu_temp_slow_threshold>93 C"
                       "</gpu_temp_slow_threshold>"),
           FAIL, "93 C", "cooling"},
          {TEMPERATURE("<gpu_temp_tlimit>5 C</gpu_temp_tlimit>"), WARN, "5 C below", NULL},
          {TEMPERATURE("<gpu_temp_tlimit>6 C</gpu_temp_tlimit>"), PASS, "6 C below", NULL},
          {TEMPERATURE("<gpu_temp_tlimit>0 C</gpu_temp_tlimit>"), SKIP, "no temperature", NULL},
          {TEMPERATURE("<memory_temp>96 C</memory_temp><gpu_temp_max_mem_threshold>95 C"
                       "</gpu_temp_max_mem_threshold>"),
           FAIL, "memory 96 C", NULL});
}

static void test_gpu_checks_elements__modes_and_use(void **state)
{
    (void)state;
    CASES("mode.persist", {"", PASS, "Enabled", NULL},
          {"<persistence_mode>Disabled</persistence_mode>", WARN, "Disabled", "persistenced"},
          {"<persistence_mode>N/A</persistence_mode>", SKIP, "not reported", NULL});
    CASES("idle.mem", {"", PASS, "1 MiB", NULL},
          {"<fb_memory_usage><used>500 MiB</used></fb_memory_usage>", PASS, "500 MiB", NULL},
          {"<fb_memory_usage><used>501 MiB</used></fb_memory_usage>", WARN, "501 MiB", "fuser"});
    CASES("mode.compute", {"", PASS, "Default", NULL},
          {"<compute_mode>Prohibited</compute_mode>", FAIL, "Prohibited", "-c DEFAULT"});
    CASES("gpu.recovery", {"", PASS, "None", NULL},
          {"<gpu_recovery_action>Reset</gpu_recovery_action>", FAIL, "Reset", "drain"});
}

static gpuc__machine_proof *with_limits(const char *limits, const char *elements)
{
    gpu_machine m = GPU_ONE_MACHINE;
    char *xml = gpu_one_xml(elements);
    gpuc__machine_proof *p;

    m.smi_text = xml;
    m.limits = limits;
    p = gpu_machine_prove(&m, "m", 1, GPU_ONE_BUS);
    free(xml);
    return p;
}

static void test_gpu_checks_elements__limits_of_the_user(void **state)
{
    gpuc__machine_proof *p =
        with_limits("{\"mem.remap\": {\"uncorrectable_fail\": 256}, \"thermal.temp\": \"off\"}",
                    ROWS("256", "No", "No") "</remapped_rows>"
                    TEMPERATURE("<gpu_temp>99 C</gpu_temp><gpu_temp_slow_threshold>93 C"
                                "</gpu_temp_slow_threshold>"));
    const gpuc__check *c = gpuc__proof_find(p, "mem.remap", GPU_ONE);

    (void)state;
    gpu_expect(p, "mem.remap", GPU_ONE, FAIL, "256 rows", NULL);
    assert_non_null(strstr(c->threshold, "fewer than 256"));
    assert_non_null(strstr(c->threshold, "set by the user"));
    gpu_expect(p, "thermal.temp", GPU_ONE, SKIP, "switched off by the user", NULL);
    assert_true(gpuc__proof_find(p, "thermal.temp", GPU_ONE)->idle);
    assert_null(strstr(gpuc__proof_find(p, "mem.retired", GPU_ONE)->threshold, "user"));
    gpuc__proof_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_checks_elements__ecc),
        cmocka_unit_test(test_gpu_checks_elements__remapped_rows),
        cmocka_unit_test(test_gpu_checks_elements__retired_pages),
        cmocka_unit_test(test_gpu_checks_elements__repairs),
        cmocka_unit_test(test_gpu_checks_elements__clocks),
        cmocka_unit_test(test_gpu_checks_elements__temperature),
        cmocka_unit_test(test_gpu_checks_elements__modes_and_use),
        cmocka_unit_test(test_gpu_checks_elements__limits_of_the_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

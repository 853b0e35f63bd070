/* SPDX-License-Identifier: Apache-2.0 */
/* The report's forms: what each must hold, hostile text, widths, and JSON read back. That real
 * programs read them is seen in tests/report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/report.h"
#include "support/gpu_data.h"
#include "support/gpu_machine.h"

#define HOSTILE "</td><script>alert(1)</script>\x1b[31m\"'&"

/* Two machines: one is well, the other has two GPUs, of which the second has memory errors. */
static gpuc_report *report_of_two(const char *driver)
{
    gpu_machine broken = GPU_MACHINE_TWO, well = GPU_MACHINE_SIMULATED;
    gpuc_report *report = gpuc__report_new("lab");
    gpuc__machine_proof *p = gpu_machine_prove(&well, "w1", 1, "0000:00:04.0");

    assert_non_null(report);
    if (driver) {
        gpuc_free(p->driver);
        p->driver = gpuc__proof_text(driver, 128);
    }
    p->started_ms = 1796000413000;
    p->finished_ms = 1796000415500;
    assert_int_equal(gpuc__report_add_machine(report, p, NULL), GPUC_OK);
    assert_int_equal(gpuc__report_add_machine(
                         report, gpu_machine_prove(&broken, "a9", 2, "0000:0a:00.0"), NULL),
                     GPUC_OK);
    assert_int_equal(gpuc__report_finish(report, NULL, NULL), GPUC_OK);
    return report;
}

static void expect_in(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in:\n%.4000s", part, text ? text : "(nothing)");
}

static void expect_not_in(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" is in:\n%.4000s", part, text);
}

static void test_report_forms__ctrf(void **state)
{
    gpuc_report *report = report_of_two(NULL);
    char *text = gpuc_report_to_ctrf(report);
    json_t *root = json_loads(text, 0, NULL), *results, *test, *summary;
    size_t i, failed = 0;

    assert_string_equal(json_string_value(json_object_get(root, "reportFormat")), "CTRF");
    results = json_object_get(root, "results");
    summary = json_object_get(results, "summary");
    json_array_foreach(json_object_get(results, "tests"), i, test) {
        const char *status = json_string_value(json_object_get(test, "status"));

        assert_int_equal(json_array_size(json_object_get(test, "suite")), 2);
        if (strcmp(status, "failed") == 0) {
            failed++;
            expect_in(json_string_value(json_object_get(test, "message")), "What to do: ");
        }
    }
    assert_int_equal(json_integer_value(json_object_get(summary, "tests")), i);
    assert_int_equal(json_integer_value(json_object_get(summary, "failed")), failed);
    assert_int_equal(json_integer_value(json_object_get(summary, "start")), 1796000413000);
    assert_int_equal(json_integer_value(json_object_get(summary, "suites")), 3);
    assert_true(failed > 0);
    assert_int_equal(gpuc_report_count(report, GPUC_CHECK_FAIL), failed);
    assert_int_equal(gpuc_report_count(report, 4), 0);
    assert_int_equal(gpuc_report_count(report, -1), 0);
    json_decref(root);
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_report_forms__junit(void **state)
{
    gpuc_report *report = report_of_two(NULL);
    char *text = gpuc_report_to_junit(report);

    expect_in(text, "<testsuites name=\"GPU proof of lab (SIMULATED GPU)\"");
    expect_in(text, "<testsuite name=\"w1\"");
    expect_in(text, "time=\"2.500\"");
    expect_in(text, "<testcase classname=\"lab.a9\" name=\"mem.ecc.unc GPU 1\">");
    expect_in(text, "GPU: GPU-aaaaaaaa");
    expect_in(text, "<skipped message=\"SIMULATED GPU: there is no kernel driver behind it\">");
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_report_forms__html(void **state)
{
    gpuc_report *report = report_of_two(NULL);
    char *text = gpuc_report_to_html(report);

    expect_in(text, "<title>FAIL – lab – GPU report</title>");
    expect_in(text, "SIMULATED GPU.");
    expect_in(text, "GPU-aaaaaaaa");
    expect_in(text, "drain the node and reset the GPU");
    expect_in(text, "default-src 'none'");
    expect_not_in(text, "http://");
    expect_not_in(text, "https://");
    expect_not_in(text, "{{");
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_report_forms__links(void **state)
{
    gpuc_report *report = report_of_two(NULL);
    gpuc__machine_proof *p = gpuc__report_machine(report, "a9");
    char *text;

    p->topology = json_loads("{\"devices\":[\"GPU0\",\"GPU1\",\"NIC0\",\"GPU99\",7],\"links\":["
                             "{\"from\":\"GPU0\",\"to\":\"GPU1\",\"link\":\"NV12\"},"
                             "{\"from\":\"GPU0\",\"to\":\"NIC0\",\"link\":\"SYS\"},{},3],"
                             "\"affinity\":[{\"device\":\"GPU1\",\"cpus\":\"0-3\",\"numa\":\"7\"},1]}",
                             0, NULL);
    assert_non_null(p->topology);
    text = gpuc_report_to_html(report);
    expect_in(text, "<th scope=\"row\">GPU 0</th><td class=\"self\">-</td><td class=\"nv\">NV12</td>");
    expect_in(text, "<td class=\"nv\">NV12</td><td class=\"self\">-</td><td>7</td>");
    gpuc_free(text);
    gpuc_report_unref(report);
}

/* Whatever a machine prints, and whoever wrote the JSON: it stays text. */
static void test_report_forms__hostile_text(void **state)
{
    gpuc_report *report = report_of_two(HOSTILE);
    gpuc__machine_proof *p = gpuc__report_machine(report, "w1");
    char *text;

    assert_int_equal(gpuc__proof_set(p, "k8s.pod", NULL, GPUC_CHECK_FAIL, HOSTILE, HOSTILE, HOSTILE,
                                     HOSTILE, NULL),
                     GPUC_OK);
    text = gpuc_report_to_html(report);
    expect_not_in(text, "<script>alert");
    expect_not_in(text, "\x1b");
    expect_in(text, "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;?[31m&quot;&#39;&amp;");
    gpuc_free(text);
    text = gpuc_report_to_junit(report);
    expect_not_in(text, "<script>");
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_report_forms__fleet(void **state)
{
    gpuc_report *report = report_of_two(NULL), *one;
    char *text = gpuc_report_to_json(report);
    json_t *root = json_loads(text, 0, NULL), *fleet = json_object_get(root, "fleet"), *check, *fact;
    gpu_machine well = GPU_MACHINE_SIMULATED;

    check = json_array_get(json_object_get(fleet, "checks"), 0);
    assert_string_equal(json_string_value(json_object_get(check, "id")), "fleet.uniform");
    assert_string_equal(json_string_value(json_object_get(check, "status")), "warn");
    expect_in(json_string_value(json_object_get(check, "observed")), "driver: ");
    fact = json_array_get(json_object_get(fleet, "facts"), 0);
    assert_string_equal(json_string_value(json_object_get(fact, "fact")), "driver");
    assert_true(json_is_false(json_object_get(fact, "uniform")));
    json_decref(root);
    gpuc_free(text);
    gpuc_report_unref(report);
    /* alike, and alone */
    one = gpuc__report_new("lab");
    assert_int_equal(gpuc__report_add_machine(one, gpu_machine_prove(&well, "a", 1, NULL), NULL), 0);
    assert_int_equal(gpuc__report_finish(one, NULL, NULL), GPUC_OK);
    text = gpuc_report_to_json(one);
    expect_in(text, "there are no two machines to compare");
    gpuc_free(text);
    assert_int_equal(gpuc__report_add_machine(one, gpu_machine_prove(&well, "b", 1, NULL), NULL), 0);
    assert_int_equal(gpuc__report_finish(one, NULL, NULL), GPUC_OK);
    text = gpuc_report_to_json(one);
    expect_in(text, "\"observed\":\"driver, cuda, kernel, model\"");
    gpuc_free(text);
    gpuc_report_unref(one);
}

static void expect_fits(const gpuc_report *report, int width)
{
    char *text = gpuc_report_to_table(report, width, 0), *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strlen(line) > (size_t)width)
            fail_msg("%zu characters, not %d: %s", strlen(line), width, line);
    }
    gpuc_free(text);
}

static void test_report_forms__table_fits(void **state)
{
    gpuc_report *report = report_of_two(NULL);
    char *text;

    for (int width = 60; width <= 240; width += 20)
        expect_fits(report, width);
    text = gpuc_report_to_table(report, 0, 1);
    expect_in(text, "\033[31mFAIL\033[0m");
    expect_in(text, "\nw1       0 Tesla T4");
    gpuc_free(text);
    text = gpuc_report_to_table(report, 100, 0);
    expect_not_in(text, "\033");
    expect_in(text, "GPU-aaaaaaaa ");
    gpuc_free(text);
    gpuc_report_unref(report);
}

static void test_report_forms__json_comes_back(void **state)
{
    gpuc_report *report = report_of_two(NULL), *again = NULL;
    char *text = gpuc_report_to_json(report), *second;

    assert_int_equal(gpuc_report_from_json(&again, text, strlen(text), NULL), GPUC_OK);
    second = gpuc_report_to_json(again);
    assert_string_equal(second, text);
    gpuc_free(second);
    gpuc_free(text);
    gpuc_report_unref(again);
    gpuc_report_unref(report);
}

/* The comparison of the machines is a check that the user may switch off; so it stays. */
static void test_report_forms__what_is_off_stays_off(void **state)
{
    gpu_machine m = GPU_MACHINE_SIMULATED;
    gpuc_report *report = gpuc__report_new("lab"), *again = NULL;
    gpuc__machine_proof *p;
    char *text, *second;

    m.limits = "{\"fleet.uniform\": \"off\"}";
    p = gpu_machine_prove(&m, "a", 1, "0000:00:04.0");
    gpuc_free(p->driver);
    p->driver = gpuc__proof_text("1.2", 128);
    assert_int_equal(gpuc__report_add_machine(report, p, NULL), GPUC_OK);
    p = gpu_machine_prove(&m, "b", 1, "0000:00:04.0");
    assert_int_equal(gpuc__report_add_machine(report, p, NULL), GPUC_OK);
    assert_int_equal(gpuc__report_finish(report, NULL, NULL), GPUC_OK);
    assert_int_equal(gpuc_report_count(report, GPUC_CHECK_WARN), 0);
    text = gpuc_report_to_json(report);
    expect_in(text, "switched off by the user");
    assert_int_equal(gpuc_report_from_json(&again, text, strlen(text), NULL), GPUC_OK);
    second = gpuc_report_to_json(again);
    assert_string_equal(second, text);
    gpuc_free(second);
    gpuc_free(text);
    gpuc_report_unref(again);
    gpuc_report_unref(report);
}

/* In whatever order their names come, and of two of one name the second. */
static void test_report_forms__machines_by_name(void **state)
{
    gpuc__buf json = GPUC__BUF_INIT(1 << 16);
    gpuc_report *report = NULL;
    char *text, *at, name[32];

    gpuc__put_open(&json, NULL, '{');
    gpuc__put_text(&json, "cluster", "lab");
    gpuc__put_open(&json, "machines", '[');
    for (int i = 0; i < 2 * 101; i++) {
        gpuc__put_open(&json, NULL, '{');
        snprintf(name, sizeof(name), "m%03d", i * 37 % 101);
        gpuc__put_text(&json, "name", name);
        gpuc__put_text(&json, "driver", i < 101 ? "old" : "new");
        gpuc__put_close(&json, '}');
    }
    gpuc__buf_puts(&json, "]}");
    assert_int_equal(gpuc_report_from_json(&report, json.data, json.length, NULL), GPUC_OK);
    assert_int_equal(gpuc__report_machine_verdict(report, "m100"), GPUC_CHECK_PASS);
    assert_int_equal(gpuc__report_machine_verdict(report, "m1000"), -1);
    assert_null(gpuc__report_machine(report, "a"));
    text = at = gpuc_report_to_json(report);
    for (int i = 0; i < 101; i++) {
        snprintf(name, sizeof(name), "{\"name\":\"m%03d\"", i);
        at = strstr(at, name);
        assert_non_null(at);
    }
    expect_not_in(text, "\"old\"");
    gpuc_free(text);
    gpuc__buf_clear(&json);
    gpuc_report_unref(report);
}

static void test_report_forms__what_is_no_report(void **state)
{
    static const char *const texts[] = {
        "", "[]", "{}", "{\"cluster\":\"x\"}", "{\"cluster\":7,\"machines\":[]}",
        "{\"cluster\":\"x\",\"machines\":{}}", "{\"cluster\":\"x\",\"machines\":[{}]}",
        "{\"cluster\":\"x\",\"machines\":[7]}",
        "{\"schema\":\"urn:gpucluster:report:v2\",\"cluster\":\"x\",\"machines\":[]}"};
    gpuc_report *report = NULL;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        gpuc_error *err = NULL;

        assert_int_equal(gpuc_report_from_json(&report, texts[i], strlen(texts[i]), &err),
                         GPUC_EPROTO);
        assert_null(report);
        gpuc_error_unref(err);
    }
    assert_int_equal(gpuc_report_from_json(NULL, "", 0, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_report_from_json(&report, NULL, 0, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_report_from_json(&report, "", (size_t)1 << 40, NULL), GPUC_ELIMIT);
    expect_in(gpuc_report_schema(), "\"$id\": \"urn:gpucluster:report:v1\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_forms__ctrf),
        cmocka_unit_test(test_report_forms__junit),
        cmocka_unit_test(test_report_forms__html),
        cmocka_unit_test(test_report_forms__links),
        cmocka_unit_test(test_report_forms__hostile_text),
        cmocka_unit_test(test_report_forms__fleet),
        cmocka_unit_test(test_report_forms__table_fits),
        cmocka_unit_test(test_report_forms__json_comes_back),
        cmocka_unit_test(test_report_forms__what_is_off_stays_off),
        cmocka_unit_test(test_report_forms__machines_by_name),
        cmocka_unit_test(test_report_forms__what_is_no_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

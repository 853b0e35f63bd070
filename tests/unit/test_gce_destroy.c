/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting machines of Compute Engine (SIMULATED). */
#include "support/gce_provider.h"

static void test_gce_destroy__deletes_and_keeps_no_record(void **state)
{
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-east1-c", "u-1");
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_left(), 0);
    assert_int_equal(gce_asked("DELETE " GCE_BASE "zones/us-east1-c/instances/c1-m1?"), 1);
    gce_turns(2);
    assert_string_equal(journal_text(), "");
    provider_result_clear(&r);
    gce_finish();
}

static char at_arrival[4096];

static void note_journal(const char *line)
{
    if (strncmp(line, "DELETE", 6) == 0 && !at_arrival[0])
        snprintf(at_arrival, sizeof(at_arrival), "%s", journal_text());
}

static void test_gce_destroy__writes_all_of_a_turn_down_at_once(void **state)
{
    provider_result r[3] = {0};

    gce_begin(3);
    gce.arrived = note_journal;
    at_arrival[0] = '\0';
    for (int i = 0; i < 3; i++) {
        char name[24];

        snprintf(name, sizeof(name), "c1-m%d", i + 1);
        gce_add(name, "us-east1-b", "u-1");
        gpuc__provider_gce.destroy(provider, names[i], provider_on_done, &r[i]);
    }
    for (int i = 0; i < 3; i++) {
        gce_await(&r[i].done);
        assert_int_equal(r[i].code, 0);
        assert_non_null(strstr(at_arrival, names[i]));
    }
    assert_int_equal(gce_left(), 0);
    assert_int_equal(gce_asked("aggregated"), 1);
    gce_finish();
}

static void test_gce_destroy__what_is_not_there_or_not_ours_is_fine(void **state)
{
    provider_result r;

    gce_begin(1);
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    gce_add("c1-m1", "us-east1-b", "u-2");
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_left(), 1);
    assert_int_equal(gce_asked("DELETE"), 0);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_destroy__gone_meanwhile_is_gone(void **state)
{
    gce_fault faults[] = {{.match = "DELETE", .status = 404, .effect = true,
                           .body = "{\"error\":{\"code\":404,\"message\":\"no\",\"errors\":"
                                   "[{\"reason\":\"notFound\"}]}}"},
                          {0}};
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-east1-b", "u-1");
    gce.faults = faults;
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_destroy__takes_both_of_two(void **state)
{
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-east1-b", "u-1");
    gce_add("c1-m1", "us-east1-c", "u-1");
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_left(), 0);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_destroy__says_what_protects_it(void **state)
{
    gce_fault faults[] = {{.match = "DELETE", .status = 400,
                           .body = "{\"error\":{\"code\":400,\"message\":\"Invalid resource usage: "
                                   "'Resource cannot be deleted if it's protected against "
                                   "deletion.'\",\"errors\":[{\"reason\":\"invalidUsage\"}]}}"},
                          {0}};
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-east1-b", "u-1");
    gce.faults = faults;
    r = gce_destroy_one("m1");
    assert_int_not_equal(r.code, 0);
    assert_non_null(strstr(r.message, "protected"));
    assert_non_null(r.remedy);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_destroy__cancel_ends_it(void **state)
{
    gce_fault faults[] = {{.match = "DELETE", .status = -1}, {0}};
    provider_result r = {0};

    gce_begin(1);
    gce_add("c1-m1", "us-east1-b", "u-1");
    gce.faults = faults;
    gpuc__provider_gce.destroy(provider, "m1", provider_on_done, &r);
    gce_await(&faults[0].used);
    gpuc__provider_gce.cancel(provider, &r);
    provider_wait(context, &r, 2000);
    assert_int_equal(r.code, GPUC_ECANCELLED);
    provider_result_clear(&r);
    gce.faults = NULL;
    r = gce_destroy_one("m1"); /* what was left open is taken up */
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_left(), 0);
    provider_result_clear(&r);
    gce_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_destroy__deletes_and_keeps_no_record),
        cmocka_unit_test(test_gce_destroy__writes_all_of_a_turn_down_at_once),
        cmocka_unit_test(test_gce_destroy__what_is_not_there_or_not_ours_is_fine),
        cmocka_unit_test(test_gce_destroy__gone_meanwhile_is_gone),
        cmocka_unit_test(test_gce_destroy__takes_both_of_two),
        cmocka_unit_test(test_gce_destroy__says_what_protects_it),
        cmocka_unit_test(test_gce_destroy__cancel_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that are behind (SIMULATED): what was made is neither made again nor left behind. */
#include "support/gce_provider.h"

#define LAG_MS 400
#define PATIENT_MS 20000

static const char *const FULL_IN_B =
    "{\"kind\":\"compute#operation\",\"name\":\"op-9\",\"status\":\"DONE\",\"selfLink\":"
    "\"http://x/compute/v1/projects/p1/zones/z/operations/op-9\",\"error\":{\"errors\":[{\"code\":"
    "\"ZONE_RESOURCE_POOL_EXHAUSTED\",\"message\":\"no room\"}]}}";

static void begin(int count)
{
    gce_begin(count);
    gce.listed_after_ms = LAG_MS;
    provider->machines->lag_ms = PATIENT_MS;
}

static void assert_made_once(int count)
{
    for (int i = 0; i < count; i++) {
        char name[24];

        snprintf(name, sizeof(name), "c1-m%d", i + 1);
        assert_int_equal(gce_made(name), 1);
    }
    gce_turns(2);
    assert_string_equal(journal_text(), "");
}

static void test_gce_lag__is_waited_for(void **state)
{
    for (int count = 1; count <= 3; count += 2) {
        provider_result r[3];

        begin(count);
        gce_create_all(r, count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(r[i].code, 0);
            provider_result_clear(&r[i]);
        }
        assert_int_equal(gce_asked("POST"), 1);
        assert_made_once(count);
        gce_finish();
    }
}

/* Its operations say which machines of a bulk request were made; the others go to the next zone. */
static void test_gce_lag__a_part_of_a_bulk_request_is_waited_for(void **state)
{
    gce_fault faults[] = {
        {.match = "operationGroupId", .status = 200,
         .body = "{\"items\":[{\"status\":\"DONE\",\"targetLink\":\"https://x/instances/c1-m1\"},"
                 "{\"status\":\"DONE\",\"targetLink\":\"https://x/instances/c1-m2\"},"
                 "{\"status\":\"DONE\",\"targetLink\":\"https://x/instances/c1-m3\",\"error\":"
                 "{\"errors\":[{\"code\":\"ZONE_RESOURCE_POOL_EXHAUSTED\",\"message\":\"no "
                 "room\"}]}}]}"},
        {0}};
    provider_result r[3];

    begin(3);
    gce.faults = faults;
    gce.room = 2;
    gce.first_is_listed = true;
    gce_create_all(r, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].code, 0);
        provider_result_clear(&r[i]);
    }
    assert_int_equal(gce_asked("POST"), 2);
    assert_made_once(3);
    gce_finish();
}

/* Killed when it was made, answered or not, in the second zone; the first has room by now. */
static void made_and_killed(int count, bool answered)
{
    gce_fault faults[] = {
        {.match = "POST " GCE_BASE "zones/us-east1-b", .status = 200, .body = FULL_IN_B},
        {.match = answered ? "no such" : "POST " GCE_BASE "zones/us-east1-c", .status = -1,
         .effect = true},
        {0}};
    provider_result dead[3] = {0};

    gce.faults = faults;
    for (int i = 0; i < count; i++)
        gpuc__provider_gce.create(provider, &machines[i], "a-1", provider_on_machine, &dead[i]);
    gce_await(&gce.count);
    if (answered)
        gce_turns(8);
    gce_kill();
    for (int i = 0; i < count; i++) {
        assert_int_equal(dead[i].code, GPUC_ECANCELLED);
        provider_result_clear(&dead[i]);
    }
    gce.faults = NULL;
    gce_provider_new();
    provider->machines->lag_ms = PATIENT_MS;
}

static void test_gce_lag__after_a_kill_up_makes_nothing_twice(void **state)
{
    for (int n = 0; n < 4; n++) {
        int count = n & 1 ? 3 : 1;
        provider_result r[3];

        begin(count);
        made_and_killed(count, n & 2);
        gce_create_all(r, count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(r[i].code, 0);
            provider_result_clear(&r[i]);
        }
        assert_made_once(count);
        gce_finish();
    }
}

static void test_gce_lag__after_a_kill_down_leaves_nothing(void **state)
{
    for (int n = 0; n < 4; n++) {
        int count = n & 1 ? 3 : 1;

        begin(count);
        made_and_killed(count, n & 2);
        for (int i = 0; i < count; i++) {
            provider_result r;

            assert_int_equal(gpuc__gce_journal_load(provider, NULL), GPUC_OK);
            r = gce_look_one(names[i]);
            assert_int_equal(r.code, 0);
            assert_true(r.found); /* begun, or listed by now: not gone */
            provider_result_clear(&r);
            r = gce_destroy_one(names[i]);
            assert_int_equal(r.code, 0);
            provider_result_clear(&r);
        }
        assert_int_equal(gce_left(), 0);
        assert_made_once(count);
        gce_finish();
    }
}

static void test_gce_lag__an_end(void **state)
{
    provider_result r;

    begin(1);
    gce.listed_after_ms = 1000000;
    provider->machines->lag_ms = 150;
    r = gce_create_one(0);
    assert_int_equal(r.code, GPUC_EREMOTE);
    assert_int_equal(r.retryable, 1);
    assert_int_equal(gce_asked("POST"), 1); /* nor is it made in another zone */
    assert_true(gce_asked("aggregated") < 20);
    assert_made_once(1);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_lag__cancel_does_not_wait(void **state)
{
    provider_result r = {0};

    begin(1);
    gce.listed_after_ms = 1000000;
    gpuc__provider_gce.create(provider, &machines[0], "a-1", provider_on_machine, &r);
    gce_await(&gce.count);
    gce_turns(8);
    gpuc__provider_gce.cancel(provider, &r);
    provider_wait(context, &r, 2000);
    assert_int_equal(r.code, GPUC_ECANCELLED);
    assert_non_null(strstr(journal_text(), "\"m1\"")); /* the next run looks for it */
    provider_result_clear(&r);
    gce_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_lag__is_waited_for),
        cmocka_unit_test(test_gce_lag__a_part_of_a_bulk_request_is_waited_for),
        cmocka_unit_test(test_gce_lag__after_a_kill_up_makes_nothing_twice),
        cmocka_unit_test(test_gce_lag__after_a_kill_down_leaves_nothing),
        cmocka_unit_test(test_gce_lag__an_end),
        cmocka_unit_test(test_gce_lag__cancel_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

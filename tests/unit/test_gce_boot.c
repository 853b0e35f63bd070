/* SPDX-License-Identifier: Apache-2.0 */
/* From an instance to a machine that can be logged in to (SIMULATED). */
#include "support/gce_provider.h"

static void test_gce_boot__waits_until_it_runs(void **state)
{
    provider_result r;

    gce_begin(1);
    gce.runs_after = 4;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.status, "RUNNING");
    assert_true(gce_asked("aggregated") >= 4);
    provider_result_clear(&r);
    gce_finish();
}

static gpuc_error *kept;

static void keep_error(void *data, const gpuc__machine_info *info, gpuc_error *error)
{
    assert_null(info);
    kept = error;
    *(int *)data = 1;
}

/* Whatever it is instead of running; the console may say why, and need not be there. */
static void test_gce_boot__gives_up_on_what_never_runs(void **state)
{
    static const char *const is[] = {"PROVISIONING", "STAGING", "STOPPING"};

    for (int i = 0; i < 6; i++) {
        gce_fault faults[] = {{.match = "/serialPort", .status = 404, .body = "{}"}, {0}};
        char says[64];
        int done = 0;

        gce_begin(1);
        gce.runs_after = 100000;
        gce_set_status(gce_add("c1-m1", "us-east1-b", "u-1"), is[i % 3]);
        gce.faults = i < 3 ? NULL : faults;
        provider->machines->boot_ms = 100;
        gpuc__provider_gce.create(provider, &machines[0], "a-1", keep_error, &done);
        gce_await(&done);
        assert_int_equal(gpuc_error_code(kept), GPUC_ETIMEDOUT);
        snprintf(says, sizeof(says), "%s in us-east1-b and does not come to run", is[i % 3]);
        assert_non_null(strstr(gpuc_error_message(kept), says));
        assert_non_null(strstr(gpuc_error_remedy(kept), "c1-m1"));
        assert_string_equal(gpuc_error_machine(kept), "m1");
        if (i < 3)
            assert_string_equal(gpuc_error_evidence(kept), "the console says why\n");
        else
            assert_null(gpuc_error_evidence(kept));
        gpuc_error_unref(kept);
        gce_finish();
    }
}

static void test_gce_boot__makes_what_went_again_at_the_next_try(void **state)
{
    provider_result r = {0};

    gce_begin(1);
    gce.runs_after = 3;
    gpuc__provider_gce.create(provider, &machines[0], "a-1", provider_on_machine, &r);
    gce_await(&gce.count);
    pthread_mutex_lock(&gce.lock);
    gce.instances[0].gone = true; /* preempted */
    pthread_mutex_unlock(&gce.lock);
    provider_wait(context, &r, 5000);
    /* It went before it was listed, and may only be listed late: the next try looks first. */
    assert_int_equal(r.code, GPUC_EREMOTE);
    assert_int_equal(gce_made("c1-m1"), 1);
    provider_result_clear(&r);
    memset(&r, 0, sizeof(r));
    gpuc__provider_gce.create(provider, &machines[0], "a-2", provider_on_machine, &r);
    provider_wait(context, &r, 5000);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_made("c1-m1"), 2);
    assert_int_equal(gce_left(), 1);
    provider_result_clear(&r);
    gce_finish();
}

static void the_second_stays(const char *line)
{
    if (strncmp(line, "POST", 4) == 0 && gce.count == 1)
        gce.runs_after = 2;
}

static void test_gce_boot__makes_what_vanishes_while_it_boots_once_more(void **state)
{
    provider_result r;

    gce_begin(1);
    gce.runs_after = -1; /* it is listed, and then gone */
    gce.arrived = the_second_stays;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.status, "RUNNING");
    assert_int_equal(gce_made("c1-m1"), 2);
    assert_int_equal(gce_left(), 1);
    gce_turns(2);
    assert_string_equal(journal_text(), "");
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_boot__gives_up_on_what_vanishes_each_time(void **state)
{
    provider_result r;

    gce_begin(1);
    gce.runs_after = -1;
    r = gce_create_one(0);
    assert_int_equal(r.code, GPUC_EREMOTE);
    assert_non_null(strstr(r.message, "goes again, each time"));
    assert_non_null(strstr(r.remedy, "preempted"));
    assert_int_equal(gce_made("c1-m1"), 3);
    assert_int_equal(gce_left(), 0);
    provider_result_clear(&r);
    gce_finish();
}

static char at_start[4096];

static void note_start(const char *line)
{
    if (strstr(line, "/start?"))
        snprintf(at_start, sizeof(at_start), "%s", journal_text());
}

static void test_gce_boot__starts_what_was_stopped(void **state)
{
    provider_result r;

    gce_begin(1);
    gce.arrived = note_start;
    gce_set_status(gce_add("c1-m1", "us-east1-c", "u-1"), "TERMINATED");
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.status, "RUNNING");
    assert_int_equal(gce_asked("POST " GCE_BASE "zones/us-east1-c/instances/c1-m1/start?"), 1);
    assert_int_equal(gce_made("c1-m1"), 1);
    assert_non_null(strstr(at_start, "\"m1\""));
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_boot__resumes_what_was_suspended(void **state)
{
    provider_result r;

    gce_begin(1);
    gce_set_status(gce_add("c1-m1", "us-east1-c", "u-1"), "SUSPENDED");
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_asked("/instances/c1-m1/resume?"), 1);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_boot__says_when_a_stopped_one_has_lost_its_place(void **state)
{
    gce_fault faults[] = {
        {.match = "/start?", .status = 200,
         .body = "{\"name\":\"op-9\",\"status\":\"DONE\",\"selfLink\":\"http://x/compute/v1/projects/"
                 "p1/zones/z/operations/op-9\",\"error\":{\"errors\":[{\"code\":"
                 "\"ZONE_RESOURCE_POOL_EXHAUSTED\",\"message\":\"no room\"}]}}"},
        {0}};
    provider_result r;

    gce_begin(1);
    gce.faults = faults;
    gce_set_status(gce_add("c1-m1", "us-east1-c", "u-1"), "TERMINATED");
    r = gce_create_one(0);
    assert_int_not_equal(r.code, 0);
    assert_non_null(strstr(r.message, "stopped in us-east1-c"));
    assert_non_null(strstr(r.remedy, "delete"));
    assert_int_equal(gce_left(), 1);
    gce_turns(2);
    assert_string_equal(journal_text(), "");
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_boot__waits_for_host_keys(void **state)
{
    provider_result r;

    gce_begin(1);
    gce.keys_after = 3;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.first_host_key, "ssh-ed25519 " GCE_KEY);
    assert_int_equal(gce_asked("getGuestAttributes?queryPath=hostkeys%2F"), 4);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_boot__shows_the_console_when_keys_do_not_come(void **state)
{
    int done = 0;

    gce_begin(1);
    gce.keys_after = 100000;
    provider->machines->keys_ms = 100;
    gpuc__provider_gce.create(provider, &machines[0], "a-1", keep_error, &done);
    gce_await(&done);
    assert_int_equal(gpuc_error_code(kept), GPUC_ETIMEDOUT);
    assert_string_equal(gpuc_error_machine(kept), "m1");
    assert_string_equal(gpuc_error_evidence(kept), "the console says why\n");
    assert_non_null(strstr(gpuc_error_remedy(kept), "c1-m1"));
    gpuc_error_unref(kept);
    gce_finish();
}

static const char *const nonsense[] = {
    "{\"queryValue\":{\"items\":[{\"key\":\"ssh-dss\",\"value\":\"" GCE_KEY "\"}]}}",
    "{\"queryValue\":{\"items\":[{\"key\":\"ssh-ed25519\",\"value\":\"" GCE_KEY "\\nssh-rsa X\"}]}}",
    "{\"queryValue\":{\"items\":[{\"key\":\"ssh-ed25519\",\"value\":7},{\"value\":\"x\"},null]}}",
    "{\"queryValue\":{\"items\":{}}}", "[]",
};

static void test_gce_boot__takes_no_nonsense_for_a_key(void **state)
{
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        gce_fault faults[] = {{.match = "getGuestAttributes", .status = 200, .times = 1,
                               .body = nonsense[i]}, {0}};
        provider_result r;

        gce_begin(1);
        gce.faults = faults;
        r = gce_create_one(0);
        assert_int_equal(r.code, 0); /* asked again, and answered well */
        assert_int_equal(gce_asked("getGuestAttributes"), 2);
        provider_result_clear(&r);
        gce_finish();
    }
}

static void test_gce_boot__many_cost_few_requests_before_they_are_up(void **state)
{
    static provider_result r[200];
    uint64_t begun;

    gce_begin(200);
    begun = gpuc__clock_ms();
    gce.keys_after = 2;
    gce_create_all(r, 200);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(r[i].code, 0);
        provider_result_clear(&r[i]);
    }
    /* Three times each at most, as each machine says no twice; and a handful for the rest. */
    assert_true(gce_asked("\n") < 200 * 3 + 20);
    assert_int_equal(gce_asked("bulkInsert"), 1);
    assert_true(gpuc__clock_ms() - begun < 20000);
    gce_finish();
}

static void test_gce_boot__cancel_ends_it_wherever_it_is(void **state)
{
    static const char *const where[] = {"aggregated", "POST", "getGuestAttributes", "/serialPort"};

    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        gce_fault faults[] = {{.match = where[i], .status = -1}, {0}};
        provider_result r = {0}, again;

        gce_begin(1);
        gce.faults = faults;
        gce.runs_after = i == 3 ? 20 : 0;
        provider->machines->boot_ms = 100;
        gpuc__provider_gce.create(provider, &machines[0], "a-1", provider_on_machine, &r);
        gce_await(&faults[0].used);
        gpuc__provider_gce.cancel(provider, &r);
        provider->machines->boot_ms = 10000;
        provider_wait(context, &r, 2000);
        assert_int_equal(r.code, GPUC_ECANCELLED);
        provider_result_clear(&r);
        gce.faults = NULL;
        again = gce_create_one(0);
        assert_int_equal(again.code, 0);
        assert_int_equal(gce_made("c1-m1"), 1);
        provider_result_clear(&again);
        gce_finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_boot__waits_until_it_runs),
        cmocka_unit_test(test_gce_boot__gives_up_on_what_never_runs),
        cmocka_unit_test(test_gce_boot__makes_what_went_again_at_the_next_try),
        cmocka_unit_test(test_gce_boot__makes_what_vanishes_while_it_boots_once_more),
        cmocka_unit_test(test_gce_boot__gives_up_on_what_vanishes_each_time),
        cmocka_unit_test(test_gce_boot__starts_what_was_stopped),
        cmocka_unit_test(test_gce_boot__resumes_what_was_suspended),
        cmocka_unit_test(test_gce_boot__says_when_a_stopped_one_has_lost_its_place),
        cmocka_unit_test(test_gce_boot__waits_for_host_keys),
        cmocka_unit_test(test_gce_boot__shows_the_console_when_keys_do_not_come),
        cmocka_unit_test(test_gce_boot__takes_no_nonsense_for_a_key),
        cmocka_unit_test(test_gce_boot__many_cost_few_requests_before_they_are_up),
        cmocka_unit_test(test_gce_boot__cancel_ends_it_wherever_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

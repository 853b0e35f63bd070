/* SPDX-License-Identifier: Apache-2.0 */
/* Making machines on Compute Engine (SIMULATED): what is sent, what is written down before it is,
 * and where it goes on when a place has no room. */
#include "support/gce_provider.h"

#define FULL                                                                                       \
    "{\"kind\":\"compute#operation\",\"name\":\"op-9\",\"status\":\"DONE\",\"selfLink\":"          \
    "\"http://x/compute/v1/projects/p1/zones/z/operations/op-9\",\"httpErrorStatusCode\":503,"     \
    "\"error\":{\"errors\":[{\"code\":\"ZONE_RESOURCE_POOL_EXHAUSTED\",\"message\":\"no room\"}]}}"
#define QUOTA                                                                                      \
    "{\"kind\":\"compute#operation\",\"name\":\"op-9\",\"status\":\"DONE\",\"selfLink\":"          \
    "\"http://x/compute/v1/projects/p1/zones/z/operations/op-9\",\"httpErrorStatusCode\":403,"     \
    "\"error\":{\"errors\":[{\"code\":\"QUOTA_EXCEEDED\",\"message\":\"Quota 'NVIDIA_T4_GPUS' "    \
    "exceeded. Limit: 1.0 in region us-east1.\"}]}}"

static void test_gce_create__makes_one_with_insert(void **state)
{
    provider_result r;

    gce_begin(1);
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.address, "192.0.2.1");
    assert_string_equal(r.status, "RUNNING");
    assert_string_equal(r.first_host_key, "ssh-ed25519 " GCE_KEY);
    assert_int_equal(gce_asked("POST " GCE_BASE "zones/us-east1-b/instances?"), 1);
    assert_int_equal(gce_asked("\n"), 4); /* list, insert, list, keys */
    gce_turns(2);
    assert_string_equal(journal_text(), ""); /* nothing is open any more */
    provider_result_clear(&r);
    gce_finish();
}

static char at_arrival[4096];

static void note_journal(const char *line)
{
    if (strncmp(line, "POST", 4) == 0)
        snprintf(at_arrival, sizeof(at_arrival), "%s\n%s", line, journal_text());
}

static void test_gce_create__writes_down_before_it_sends(void **state)
{
    provider_result r;
    char id[40] = "";

    gce_begin(1);
    gce.arrived = note_journal;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(sscanf(strstr(at_arrival, "requestId="), "requestId=%36s", id), 1);
    assert_non_null(strstr(strchr(at_arrival, '\n'), id));
    assert_non_null(strstr(at_arrival, "\"zone\":\"us-east1-b\""));
    assert_non_null(strstr(at_arrival, "\"names\":[\"m1\"]"));
    assert_non_null(strstr(at_arrival, "guestAccelerators"));
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_create__sends_nothing_that_it_cannot_write_down(void **state)
{
    provider_result r;

    gce_begin(1);
    journal_refuses = true;
    r = gce_create_one(0);
    assert_int_equal(r.code, GPUC_ESTATE);
    assert_int_equal(gce_asked("POST"), 0);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_create__makes_equal_machines_with_one_request(void **state)
{
    provider_result r[5];

    gce_begin(5);
    machines[4].role = GPUC__ROLE_CONTROL_PLANE; /* another tag: not equal */
    gce_create_all(r, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(r[i].code, 0);
        assert_int_equal(gce_made(i == 0 ? "c1-m1" : i == 1 ? "c1-m2" : i == 2 ? "c1-m3"
                                  : i == 3 ? "c1-m4" : "c1-m5"), 1);
        provider_result_clear(&r[i]);
    }
    assert_int_equal(gce_asked("/instances/bulkInsert?"), 1);
    assert_int_equal(gce_asked("POST"), 2);
    gce_finish();
}

static char *note;

static void keep_note(void *data, const gpuc__machine_info *info, gpuc_error *error)
{
    assert_null(error);
    note = gpuc__strdup(info->note);
    *(int *)data = 1;
}

static void test_gce_create__says_where_it_was_tried_before(void **state)
{
    gce_fault faults[] = {{.match = "POST " GCE_BASE "zones/us-east1-b", .status = 200, .body = FULL},
                          {0}};
    int done = 0;

    gce_begin(1);
    gce.faults = faults;
    gpuc__provider_gce.create(provider, &machines[0], "a-1", keep_note, &done);
    gce_await(&done);
    assert_int_equal(strncmp(note, "tried before: us-east1-b: ", 26), 0);
    assert_non_null(strstr(note, "no room"));
    assert_null(strstr(note, "us-east1-c"));
    gpuc__free(note);
    gce_finish();
}

static void test_gce_create__goes_on_in_the_next_zone(void **state)
{
    gce_fault faults[] = {{.match = "POST " GCE_BASE "zones/us-east1-b", .status = 200, .body = FULL},
                          {0}};
    provider_result r;

    gce_begin(1);
    gce.faults = faults;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_non_null(gce_find("c1-m1", "us-east1-c"));
    assert_int_equal(gce_made("c1-m1"), 1);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_create__goes_on_in_the_next_region(void **state)
{
    gce_fault faults[] = {{.match = "POST " GCE_BASE "zones/us-east1", .status = 200, .body = QUOTA},
                          {0}};
    provider_result r;

    gce_begin(1);
    gce.faults = faults;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_asked("POST"), 2); /* the region's other zone is not tried */
    assert_non_null(gce_find("c1-m1", "us-west1-a"));
    provider_result_clear(&r);
    gce_finish();
}

static gpuc_error *kept;

static void keep_error(void *data, const gpuc__machine_info *info, gpuc_error *error)
{
    int *done = data;

    assert_null(info);
    kept = error;
    *done = 1;
}

static void test_gce_create__lists_every_place_it_tried(void **state)
{
    gce_fault faults[] = {{.match = "POST", .status = 200, .body = FULL}, {0}};
    int done = 0;

    gce_begin(1);
    gce.faults = faults;
    gpuc__provider_gce.create(provider, &machines[0], "a-1", keep_error, &done);
    gce_await(&done);
    assert_non_null(kept);
    assert_string_equal(gpuc_error_machine(kept), "m1");
    assert_non_null(strstr(gpuc_error_message(kept), "no room"));
    assert_non_null(strstr(gpuc_error_evidence(kept), "us-east1-b: "));
    assert_non_null(strstr(gpuc_error_evidence(kept), "us-east1-c: "));
    assert_non_null(strstr(gpuc_error_evidence(kept), "us-west1-a: "));
    gpuc_error_unref(kept);
    assert_int_equal(gce_left(), 0);
    gce_finish();
}

static void test_gce_create__stops_where_another_place_does_not_help(void **state)
{
    gce_fault faults[] = {{.match = "POST", .status = 403,
                           .body = "{\"error\":{\"code\":403,\"message\":\"no right\",\"errors\":"
                                   "[{\"reason\":\"forbidden\"}]}}"},
                          {0}};
    provider_result r;

    gce_begin(1);
    gce.faults = faults;
    r = gce_create_one(0);
    assert_int_equal(r.code, GPUC_EPERM);
    assert_int_equal(gce_asked("POST"), 1);
    assert_int_equal(gce_asked("GET"), 2); /* it is looked for after a failure, too */
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_create__keeps_what_a_bulk_request_gave(void **state)
{
    provider_result r[5];
    int in_b = 0;

    gce_begin(5);
    gce.room = 2;
    gce_create_all(r, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(r[i].code, 0);
        provider_result_clear(&r[i]);
    }
    for (int i = 0; i < gce.count; i++)
        in_b += strcmp(gce.instances[i].zone, "us-east1-b") == 0;
    assert_int_equal(gce.count, 5); /* none was made twice */
    assert_int_equal(in_b, 2);
    assert_non_null(gce_find("c1-m5", NULL));
    gce_finish();
}

static void test_gce_create__asks_why_a_bulk_request_gave_less(void **state)
{
    gce_fault faults[] = {{.match = "operationGroupId", .status = 200,
                           .body = "{\"items\":[{\"status\":\"DONE\"}," QUOTA "]}"},
                          {0}};
    provider_result r[3];

    gce_begin(3);
    gce.room = 2;
    gce.faults = faults;
    gce_create_all(r, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].code, 0);
        provider_result_clear(&r[i]);
    }
    assert_int_equal(gce_asked("filter=operationGroupId%20eq%20%22group-1%22"), 1);
    assert_int_equal(gce_asked("zones/us-east1-c"), 0); /* the quota is the region's */
    assert_int_equal(gce_asked("POST " GCE_BASE "zones/us-west1-a/instances?"), 1);
    assert_int_equal(gce.count, 3);
    gce_finish();
}

static void test_gce_create__takes_any_zone_of_the_region(void **state)
{
    provider_result r[3];

    gce_begin(3);
    spec.zones = no_labels; /* an empty list */
    gce.room = 2;
    gce_create_all(r, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].code, 0);
        provider_result_clear(&r[i]);
    }
    assert_int_equal(gce_asked("POST " GCE_BASE "regions/us-east1/instances/bulkInsert?"), 2);
    assert_non_null(strstr(gce.bodies, "ANY_SINGLE_ZONE"));
    assert_non_null(strstr(gce.bodies, "\"zones/us-east1-a\":{\"preference\":\"DENY\"}"));
    assert_int_equal(gce.count, 3);
    gce_finish();
}

static void test_gce_create__leaves_anothers_machine_alone(void **state)
{
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-east1-c", "u-2");
    r = gce_create_one(0);
    assert_int_equal(r.code, GPUC_EEXIST);
    assert_non_null(strstr(r.message, "us-east1-c"));
    assert_non_null(strstr(r.remedy, "another name"));
    assert_int_equal(gce_asked("POST"), 0);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_create__takes_over_what_a_conflict_shows(void **state)
{
    gce_fault faults[] = {{.match = "POST", .status = 409, .effect = true, .times = 1,
                           .body = "{\"error\":{\"code\":409,\"message\":\"it exists\",\"errors\":"
                                   "[{\"reason\":\"alreadyExists\"}]}}"},
                          {0}};
    provider_result r;

    gce_begin(1);
    gce.faults = faults;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_made("c1-m1"), 1);
    provider_result_clear(&r);
    gce_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_create__makes_one_with_insert),
        cmocka_unit_test(test_gce_create__writes_down_before_it_sends),
        cmocka_unit_test(test_gce_create__sends_nothing_that_it_cannot_write_down),
        cmocka_unit_test(test_gce_create__makes_equal_machines_with_one_request),
        cmocka_unit_test(test_gce_create__says_where_it_was_tried_before),
        cmocka_unit_test(test_gce_create__goes_on_in_the_next_zone),
        cmocka_unit_test(test_gce_create__goes_on_in_the_next_region),
        cmocka_unit_test(test_gce_create__lists_every_place_it_tried),
        cmocka_unit_test(test_gce_create__stops_where_another_place_does_not_help),
        cmocka_unit_test(test_gce_create__keeps_what_a_bulk_request_gave),
        cmocka_unit_test(test_gce_create__asks_why_a_bulk_request_gave_less),
        cmocka_unit_test(test_gce_create__takes_any_zone_of_the_region),
        cmocka_unit_test(test_gce_create__leaves_anothers_machine_alone),
        cmocka_unit_test(test_gce_create__takes_over_what_a_conflict_shows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Looking machines of Compute Engine up (SIMULATED). */
#include "support/gce_provider.h"
#include "support/run_until.h"

static void test_gce_look__is_not_there(void **state)
{
    provider_result r;

    gce_begin(1);
    r = gce_look_one("m1");
    assert_int_equal(r.code, 0);
    assert_false(r.found);
    provider_result_clear(&r);
    gce_finish();
}

static gpuc__machine_info copy;

static void copy_info(void *data, const gpuc__machine_info *info, gpuc_error *error)
{
    int *done = data;

    assert_null(error);
    assert_non_null(info);
    copy = *info;
    copy.zone = gpuc__strdup(info->zone);
    copy.machine_type = gpuc__strdup(info->machine_type);
    copy.internal_ip = gpuc__strdup(info->internal_ip);
    copy.external_ip = gpuc__strdup(info->external_ip);
    copy.address = gpuc__strdup(info->address);
    copy.user = gpuc__strdup(info->user);
    copy.host_keys = NULL;
    copy.provider_id = copy.status = copy.image = NULL;
    *done = 1;
}

static void look_and_copy(void)
{
    int done = 0;

    gpuc__provider_gce.look(provider, "m1", copy_info, &done);
    gce_await(&done);
}

static void test_gce_look__tells_what_the_status_table_shows(void **state)
{
    gce_begin(1);
    gce_add("c1-m1", "us-east1-c", "u-1");
    look_and_copy();
    assert_string_equal(copy.zone, "us-east1-c");
    assert_string_equal(copy.machine_type, "n1-standard-2");
    assert_string_equal(copy.internal_ip, "10.0.0.1");
    assert_string_equal(copy.external_ip, "192.0.2.1");
    assert_string_equal(copy.address, "192.0.2.1");
    assert_string_equal(copy.user, "ubuntu");
    assert_int_equal(copy.port, 22);
    assert_true(copy.made_here);
    assert_false(copy.tunnelled);
    gpuc__machine_info_clear(&copy);
    spec.external_ip = false;
    look_and_copy();
    assert_string_equal(copy.address, "10.0.0.1");
    assert_true(copy.tunnelled);
    gpuc__machine_info_clear(&copy);
    gce_finish();
}

static void test_gce_look__all_of_a_turn_share_one_list(void **state)
{
    provider_result r[40] = {0};

    gce_begin(40);
    for (int i = 0; i < 40; i++) {
        char name[24];

        snprintf(name, sizeof(name), "c1-m%d", i + 1);
        if (i % 2)
            gce_add(name, "us-east1-b", "u-1");
        gpuc__provider_gce.look(provider, names[i], provider_on_machine, &r[i]);
    }
    for (int i = 0; i < 40; i++) {
        gce_await(&r[i].done);
        assert_int_equal(r[i].code, 0);
        assert_int_equal(r[i].found, i % 2);
        assert_true(!(i % 2) || r[i].first_host_key);
        provider_result_clear(&r[i]);
    }
    assert_int_equal(gce_asked("aggregated"), 1);
    assert_int_equal(gce_asked("getGuestAttributes"), 20);
    gce_finish();
}

/* Otherwise a list of all machines would follow each handful of them that gets ready. */
static void test_gce_look__takes_what_create_has_just_seen_once(void **state)
{
    provider_result r;
    int lists;

    gce_begin(1);
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    lists = gce_asked("aggregated");
    r = gce_look_one("m1");
    assert_true(r.found);
    assert_string_equal(r.first_host_key, "ssh-ed25519 " GCE_KEY);
    provider_result_clear(&r);
    assert_int_equal(gce_asked("aggregated"), lists);
    r = gce_look_one("m1");
    assert_true(r.found);
    provider_result_clear(&r);
    assert_int_equal(gce_asked("aggregated"), lists + 1);
    gce_finish();
}

static void test_gce_look__of_what_was_deleted_lists(void **state)
{
    provider_result r;

    gce_begin(1);
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    r = gce_look_one("m1");
    assert_int_equal(r.code, 0);
    assert_false(r.found);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_look__asks_for_known_keys_no_more(void **state)
{
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-east1-b", "u-1");
    r = gce_look_one("m1");
    provider_result_clear(&r);
    r = gce_look_one("m1");
    assert_string_equal(r.first_host_key, "ssh-ed25519 " GCE_KEY);
    provider_result_clear(&r);
    gce_kill();
    gce_provider_new(); /* the state has them */
    r = gce_look_one("m1");
    assert_string_equal(r.first_host_key, "ssh-ed25519 " GCE_KEY);
    provider_result_clear(&r);
    assert_int_equal(gce_asked("getGuestAttributes"), 1);
    gce.instances[0].id = 77; /* another machine of the same name has others */
    r = gce_look_one("m1");
    assert_int_equal(gce_asked("getGuestAttributes"), 2);
    provider_result_clear(&r);
    gce_finish();
}

/* No address without keys, and none of one that does not run: create sees to either. */
static void test_gce_look__gives_no_address_that_is_of_no_use(void **state)
{
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-east1-b", "u-1");
    gce.instances[0].keys_after = 5;
    r = gce_look_one("m1");
    assert_true(r.found);
    assert_null(r.address);
    assert_string_equal(r.status, "RUNNING");
    provider_result_clear(&r);
    gce.instances[0].keys_after = 0;
    gce_set_status(&gce.instances[0], "TERMINATED");
    r = gce_look_one("m1");
    assert_true(r.found);
    assert_null(r.address);
    assert_string_equal(r.status, "TERMINATED");
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_look__knows_whose_it_is(void **state)
{
    provider_result r;

    gce_begin(1);
    gce_add("c1-m1", "us-west1-a", "u-2");
    gce_add("c1-m10", "us-west1-a", "u-1");
    r = gce_look_one("m1");
    assert_int_equal(r.code, GPUC_EEXIST);
    assert_non_null(strstr(r.message, "us-west1-a"));
    provider_result_clear(&r);
    gce_add("c1-m1", "us-east1-b", "u-1");
    r = gce_look_one("m1"); /* ours is another, elsewhere */
    assert_int_equal(r.code, 0);
    assert_true(r.found);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_look__lists_by_label(void **state)
{
    provider_result r = {0};
    gce_instance *long_one;

    gce_begin(1);
    gce_add("c1-m1", "us-west1-a", "u-1");
    gce_add("c1-old", "us-west1-a", "u-1");
    gce_add("c1-m2", "us-west1-a", "u-2");
    long_one = gce_add("c1-very-long-0123abcd", "us-west1-a", "u-1");
    snprintf(long_one->machine, sizeof(long_one->machine), "very-long-name");
    gpuc__provider_gce.list(provider, provider_on_names, &r);
    provider_wait(context, &r, 5000);
    assert_string_equal(r.names, "m1 old very-long-name ");
    assert_int_equal(gce_asked("filter=labels.gpucluster%3Du-1"), 1);
    provider_result_clear(&r);
    gce_finish();
}

static const struct {
    int status;
    const char *body;
    int code;
} bad[] = {
    {200, "{\"items\":{\"zones/z\":{\"instances\":[{\"name\":\"c1-m1\",\"labels\":{\"gpucluster\":"
          "\"u-1\"},\"status\":\"RUNNING\",\"networkInterfaces\":[{\"accessConfigs\":[{\"natIP\":"
          "\"not an address; rm\"}]}]}]}}}", GPUC_EPROTO},
    {200, "{\"items\":{\"zones/z\":{\"instances\":{}}}}", GPUC_EPROTO},
    {403, "{\"error\":{\"code\":403,\"message\":\"no\",\"errors\":[{\"reason\":\"forbidden\"}]}}",
     GPUC_EPERM},
};

static void test_gce_look__passes_failures_on(void **state)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gce_fault faults[] = {{.match = "aggregated", .status = bad[i].status, .body = bad[i].body},
                              {0}};
        provider_result r, d;

        gce_begin(1);
        gce.faults = faults;
        r = gce_look_one("m1");
        assert_int_equal(r.code, bad[i].code);
        assert_false(r.found);
        provider_result_clear(&r);
        d = gce_create_one(0); /* and nothing is made */
        assert_int_equal(d.code, bad[i].code);
        assert_int_equal(gce_asked("POST"), 0);
        provider_result_clear(&d);
        gce_finish();
    }
}

static void test_gce_look__cancel_ends_it(void **state)
{
    gce_fault faults[] = {{.match = "aggregated", .status = -1}, {0}};
    provider_result r = {0}, all = {0}, other = {0};

    gce_begin(2);
    gce.faults = faults;
    gpuc__provider_gce.look(provider, "m1", provider_on_machine, &r);
    gpuc__provider_gce.look(provider, "m2", provider_on_machine, &other);
    gpuc__provider_gce.list(provider, provider_on_names, &all);
    RUN_UNTIL(context, faults[0].used >= 2);
    gpuc__provider_gce.cancel(provider, &r);
    provider_wait(context, &r, 2000);
    assert_int_equal(r.code, GPUC_ECANCELLED);
    assert_int_equal(other.done, 0);
    gpuc__provider_gce.cancel(provider, NULL);
    provider_wait(context, &other, 2000);
    assert_int_equal(other.code, GPUC_ECANCELLED);
    gce_await(&all.done);
    assert_int_equal(all.code, GPUC_ECANCELLED);
    provider_result_clear(&r);
    provider_result_clear(&other);
    provider_result_clear(&all);
    gce_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_look__is_not_there),
        cmocka_unit_test(test_gce_look__tells_what_the_status_table_shows),
        cmocka_unit_test(test_gce_look__all_of_a_turn_share_one_list),
        cmocka_unit_test(test_gce_look__takes_what_create_has_just_seen_once),
        cmocka_unit_test(test_gce_look__of_what_was_deleted_lists),
        cmocka_unit_test(test_gce_look__asks_for_known_keys_no_more),
        cmocka_unit_test(test_gce_look__gives_no_address_that_is_of_no_use),
        cmocka_unit_test(test_gce_look__knows_whose_it_is),
        cmocka_unit_test(test_gce_look__lists_by_label),
        cmocka_unit_test(test_gce_look__passes_failures_on),
        cmocka_unit_test(test_gce_look__cancel_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What machines share, made and dropped on a small project: only what is asked for, and never
 * another's. */
#include "support/gce_shared_client.h"

static void test_gce_shared__closed_by_default(void **state)
{
    expect_look(true, NULL);
    expect(MAKE, GPUC_OK);
    assert_int_equal(json_array_size(world.rules), 0);
    assert_int_equal(count_of("POST"), 0);
    assert_int_equal(count_of("GET \n"), 0); /* nobody's metadata is read for nothing */
    assert_int_equal(kept_sets, 0);
    world.deny_list = true; /* nor is a right needed that nothing needs */
    expect(MAKE, GPUC_OK);
    expect(DROP, GPUC_OK);
    spec.external_ip = false;
    spec.ssh_jump = name; /* another way in */
    expect(MAKE, GPUC_OK);
    expose(1);
    expect(MAKE, GPUC_EPERM);
}

static void test_gce_shared__makes_changes_and_drops_rules(void **state)
{
    json_t *theirs = json_pack("{s:s,s:s}", "name", "default-allow-ssh", "description", "theirs");
    json_t *rule;

    json_array_append_new(world.rules, theirs);
    expose(2);
    spec.external_ip = false;
    expect_look(false, "make the firewall rule demo-expose-6443; make the firewall rule "
                       "demo-expose-443; make the firewall rule demo-iap-ssh");
    expect(MAKE, GPUC_OK);
    assert_int_equal(json_array_size(world.rules), 4);
    rule = world_rule("demo-expose-6443");
    assert_string_equal(json_string_value(json_array_get(json_object_get(rule, "sourceRanges"), 1)),
                        "198.51.100.0/24");
    assert_string_equal(json_string_value(json_array_get(json_object_get(rule, "targetTags"), 0)),
                        "gpucluster-control-plane-" UUID);
    assert_non_null(strstr(json_string_value(json_object_get(rule, "description")),
                           "gpucluster=" UUID " "));
    rule = world_rule("demo-iap-ssh");
    assert_string_equal(json_string_value(json_array_get(json_object_get(rule, "sourceRanges"), 0)),
                        "35.235.240.0/20");
    assert_null(kept_value("gce.shared"));
    expect_look(true, NULL);
    expect(MAKE, GPUC_OK);
    assert_int_equal(count_of("POST"), 3);
    /* a narrower range, and one port less */
    from_office[1] = NULL;
    expose(1);
    expect_look(false, "change the firewall rule demo-expose-6443; delete the firewall rule "
                       "demo-expose-443");
    expect(MAKE, GPUC_OK);
    assert_int_equal(count_of("PATCH"), 1);
    assert_int_equal(json_array_size(json_object_get(world_rule("demo-expose-6443"),
                                                     "sourceRanges")),
                     1);
    from_office[1] = office2;
    expect(DROP, GPUC_OK);
    assert_int_equal(json_array_size(world.rules), 1);
    assert_ptr_equal(json_array_get(world.rules, 0), theirs);
    expect(DROP, GPUC_OK);
}

static void test_gce_shared__leaves_anothers_rule_alone(void **state)
{
    provider_result r = {0};

    expose(1);
    json_array_append_new(world.rules,
                          json_pack("{s:s,s:s}", "name", "demo-expose-6443", "description",
                                    "gpucluster=" UUID "0 another's"));
    run(MAKE, &r);
    assert_int_equal(r.code, GPUC_EEXIST);
    assert_non_null(strstr(r.remedy, "firewall-rules delete demo-expose-6443"));
    assert_int_equal(count_of("POST"), 0);
    expect(DROP, GPUC_OK);
    assert_int_equal(json_array_size(world.rules), 1);
    provider_result_clear(&r);
}

static void test_gce_shared__puts_the_key_in_and_out(void **state)
{
    const char *value;

    spec.project_ssh_key = true;
    json_array_append_new(world.items, json_pack("{s:s,s:s}", "key", "startup-script", "value", "s3"));
    json_array_append_new(world.items,
                          json_pack("{s:s,s:s}", "key", "ssh-keys", "value", "ann:ssh-rsa A a"));
    expect_look(false, "put the SSH key into the metadata of project p1");
    world.intruders = 3; /* others write meanwhile */
    expect(MAKE, GPUC_OK);
    assert_int_equal(count_of("POST /setCommonInstanceMetadata"), 4);
    value = json_string_value(json_object_get(json_array_get(world.items, 1), "value"));
    assert_string_equal(value, "ann:ssh-rsa A a\n" OURS);
    assert_int_equal(json_array_size(world.items), 5);
    expect_look(true, NULL);
    expect(MAKE, GPUC_OK);
    assert_int_equal(count_of("POST /setCommonInstanceMetadata"), 4);
    assert_string_equal(kept_value("gce.project-key"), "yes");
    /* no longer wanted by the spec: it goes all the same */
    spec.project_ssh_key = false;
    expect(DROP, GPUC_OK);
    value = json_string_value(json_object_get(json_array_get(world.items, 1), "value"));
    assert_string_equal(value, "ann:ssh-rsa A a");
    assert_int_equal(json_array_size(world.items), 5);
    assert_null(kept_value("gce.project-key"));
}

static void test_gce_shared__gives_up_when_others_never_rest(void **state)
{
    provider_result r = {0};

    spec.project_ssh_key = true;
    world.intruders = 1000;
    run(MAKE, &r);
    assert_int_equal(r.native, 412);
    assert_non_null(strstr(r.remedy, "all the time"));
    assert_int_equal(count_of("POST /setCommonInstanceMetadata"), 10);
    assert_null(kept_value("gce.shared"));
    provider_result_clear(&r);
}

static void test_gce_shared__repeats_and_reports(void **state)
{
    provider_result r = {0};

    expose(1);
    world.fault = (gce_shared_fault){.match = "POST /global", .nth = 1, .status = 503, .effect = true};
    expect(MAKE, GPUC_OK); /* under the same id */
    assert_int_equal(json_array_size(world.rules), 1);
    expose(2);
    world.fault = (gce_shared_fault){.match = "POST /global", .nth = 1, .status = 400};
    run(MAKE, &r);
    assert_int_equal(r.native, 400);
    assert_null(kept_value("gce.shared")); /* refused: nothing is open */
    provider_result_clear(&r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_gce_shared__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(closed_by_default),
        TEST(makes_changes_and_drops_rules),
        TEST(leaves_anothers_rule_alone),
        TEST(puts_the_key_in_and_out),
        TEST(gives_up_when_others_never_rest),
        TEST(repeats_and_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

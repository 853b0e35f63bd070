/* SPDX-License-Identifier: Apache-2.0 */
/* What a later run finds (SIMULATED): its cluster's project, requests that are too old to be sent
 * again, machines that were begun and are not there yet. */
#include "support/gce_provider.h"

#define HOUR_MS ((int64_t)3600 * 1000)

/* ---- the project ---- */

/* A run of its own with no project in the spec and this one in the environment. */
static void run_in(const char *environment, char *in_spec)
{
    gpuc__provider_gce.free(provider);
    gce_turns(3);
    spec.provider_project = in_spec;
    setenv("CLOUDSDK_CORE_PROJECT", environment, 1);
    unsetenv("GOOGLE_CLOUD_PROJECT");
    unsetenv("GCLOUD_PROJECT");
    gce_provider_new();
}

static void test_gce_later__stays_in_its_project(void **state)
{
    provider_result r;

    gce_begin(1);
    run_in("p1", NULL);
    assert_null(json_object_get(journal, "/gce.project"));
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    assert_string_equal(json_string_value(json_object_get(journal, "/gce.project")), "p1");
    run_in("p2", NULL); /* `up` again: nothing is made a second time */
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_made("c1-m1"), 1);
    provider_result_clear(&r);
    run_in("p2", NULL);
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_left(), 0); /* and nothing goes on costing */
    assert_int_equal(gce_asked("projects/p2"), 0);
    provider_result_clear(&r);
    unsetenv("CLOUDSDK_CORE_PROJECT");
    gce_finish();
}

static void test_gce_later__another_project_in_the_spec_is_refused(void **state)
{
    static char other[] = "p2";
    gpuc__provider_config config = {.context = NULL};
    gpuc_error *error = NULL;
    provider_result r;

    gce_begin(1);
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    gpuc__provider_gce.free(provider);
    gce_turns(3);
    gce.log[0] = '\0';
    spec.provider_project = other;
    config = (gpuc__provider_config){.context = context, .spec = &spec, .cluster_uuid = "u-1",
                                     .journal = {journal_set, journal_get, NULL}};
    provider = NULL;
    assert_int_equal(gpuc__provider_gce.new_(&provider, &config, &error), GPUC_ESTATE);
    assert_null(provider);
    assert_non_null(strstr(gpuc_error_message(error), "in project p1"));
    assert_non_null(strstr(gpuc_error_message(error), "names project p2"));
    assert_non_null(strstr(gpuc_error_remedy(error), "gpucluster down"));
    gpuc_error_unref(error);
    assert_string_equal(gce.log, "");
    assert_int_equal(gce_left(), 1);
    gce_finish();
}

/* ---- records that are an hour old, and a server that has forgotten their ids ---- */

/* Begins to make the machines, is killed at the request; an hour passes. */
static void killed_an_hour_ago(int count, bool effect)
{
    gce_fault faults[] = {{.match = "POST", .status = -1, .effect = effect}, {0}};
    provider_result dead[4] = {0};

    gce.faults = faults;
    for (int i = 0; i < count; i++)
        gpuc__provider_gce.create(provider, &machines[i], "a-1", provider_on_machine, &dead[i]);
    gce_await(&faults[0].used);
    gce_kill();
    for (int i = 0; i < count; i++)
        provider_result_clear(&dead[i]);
    gce.faults = NULL;
    journal_age(HOUR_MS);
    gce_forget_ids();
    gce_provider_new();
}

static void test_gce_later__an_old_insert_is_not_sent_again(void **state)
{
    for (int n = 0; n < 4; n++) {
        int count = n < 2 ? 1 : 3;
        provider_result r[4];
        char old[40] = "";

        gce_begin(count);
        killed_an_hour_ago(count, n % 2);
        assert_int_equal(sscanf(strstr(journal_text(), "\"id\":\""), "\"id\":\"%36s", old), 1);
        old[36] = '\0';
        gce.log[0] = '\0';
        gce_create_all(r, count);
        for (int i = 0; i < count; i++) {
            char name[24];

            assert_int_equal(r[i].code, 0);
            snprintf(name, sizeof(name), "c1-m%d", i + 1);
            assert_int_equal(gce_made(name), 1);
            provider_result_clear(&r[i]);
        }
        assert_int_equal(gce_asked("POST"), n % 2 ? 0 : 1);
        assert_null(strstr(strstr(gce.log, "POST") ? strstr(gce.log, "POST") : "", old));
        gce_turns(2);
        assert_string_equal(journal_text(), "");
        gce_finish();
    }
}

static void test_gce_later__an_old_insert_is_not_made_to_be_deleted(void **state)
{
    for (int effect = 0; effect < 2; effect++) {
        provider_result r;

        gce_begin(1);
        killed_an_hour_ago(1, effect);
        gce.log[0] = '\0';
        r = gce_destroy_one("m1");
        assert_int_equal(r.code, 0);
        assert_int_equal(gce_asked("POST"), 0);
        assert_int_equal(gce_asked("DELETE"), effect);
        assert_int_equal(gce_left(), 0);
        provider_result_clear(&r);
        gce_finish();
    }
}

static void test_gce_later__an_old_delete_takes_nobody_elses_machine(void **state)
{
    gce_fault faults[] = {{.match = "DELETE", .status = -1, .effect = true}, {0}};
    provider_result r = {0};

    gce_begin(1);
    gce_add("c1-m1", "us-east1-b", "u-1");
    gce.faults = faults;
    gpuc__provider_gce.destroy(provider, "m1", provider_on_done, &r);
    gce_await(&faults[0].used);
    gce_kill();
    provider_result_clear(&r);
    gce.faults = NULL;
    journal_age(HOUR_MS);
    gce_forget_ids();
    gce_add("c1-m1", "us-east1-b", "u-2"); /* another's, meanwhile */
    gce.log[0] = '\0';
    gce_provider_new();
    r = gce_destroy_one("m1");
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_asked("DELETE"), 0);
    assert_int_equal(gce_left(), 1);
    provider_result_clear(&r);
    gce_finish();
}

/* ---- what was begun ---- */

static void test_gce_later__what_was_begun_is_not_gone(void **state)
{
    gce_fault faults[] = {{.match = "POST", .status = -1}, {0}};
    provider_result r = {0};

    gce_begin(1);
    gce.faults = faults;
    gpuc__provider_gce.create(provider, &machines[0], "a-1", provider_on_machine, &r);
    gce_await(&faults[0].used);
    gce_kill();
    provider_result_clear(&r);
    gce.faults = NULL;
    gce_provider_new();
    assert_int_equal(gpuc__gce_journal_load(provider, NULL), GPUC_OK);
    r = gce_look_one("m1"); /* nothing is listed, and it may still come: `down` must not be content */
    assert_int_equal(r.code, 0);
    assert_true(r.found);
    assert_true(r.made_here);
    assert_null(r.address);
    assert_string_equal(r.status, "begun");
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

/* Carried out and answered with 503, then refused: what became of the first try is not known. */
static void test_gce_later__a_refused_account_ends_no_record(void **state)
{
    gce_fault faults[] = {{.match = "POST", .times = 1, .status = 503, .body = "{}", .effect = true},
                          {.match = "POST", .status = 403,
                           .body = "{\"error\":{\"code\":403,\"message\":\"no right\",\"errors\":"
                                   "[{\"reason\":\"forbidden\"}]}}"},
                          {0}};
    provider_result r;

    gce_begin(1);
    gce.listed_after_ms = 300;
    gce.faults = faults;
    r = gce_create_one(0);
    assert_int_equal(r.code, GPUC_EPERM);
    provider_result_clear(&r);
    gce_turns(3);
    assert_non_null(strstr(journal_text(), "\"m1\""));
    gce.faults = NULL;
    gce_turns(40); /* until it is listed */
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_made("c1-m1"), 1);
    provider_result_clear(&r);
    gce_finish();
}

/* A cluster that is let go of while its request is open: the spec goes with it. */
static void test_gce_later__the_spec_may_go_before_the_answer(void **state)
{
    gce_fault faults[] = {{.match = "POST", .status = -1}, {0}};
    gpuc__spec_model *own = malloc(sizeof(*own));
    char **zones = malloc(sizeof(three_zones));
    provider_result r = {0};

    gce_begin(1);
    gpuc__provider_gce.free(provider);
    gce_turns(3);
    *own = spec;
    memcpy(zones, three_zones, sizeof(three_zones));
    own->zones = zones;
    spec.zones = zones;
    {
        gpuc__provider_config config = {.context = context, .spec = own, .cluster_uuid = "u-1",
                                        .ssh_public_key = "ssh-ed25519 LOGIN me",
                                        .journal = {journal_set, journal_get, NULL}};

        assert_int_equal(gpuc__provider_gce.new_(&provider, &config, NULL), GPUC_OK);
    }
    gce.faults = faults;
    gpuc__provider_gce.create(provider, &machines[0], "a-1", provider_on_machine, &r);
    gce_await(&faults[0].used);
    gpuc__provider_gce.free(provider); /* as the cluster does, and then: */
    free(zones);
    free(own);
    gce_turns(10); /* with sanitizers this says whether it is still read */
    assert_int_equal(r.code, GPUC_ECANCELLED);
    provider_result_clear(&r);
    spec.zones = three_zones;
    gce.faults = NULL;
    gce_provider_new();
    gce_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_later__stays_in_its_project),
        cmocka_unit_test(test_gce_later__another_project_in_the_spec_is_refused),
        cmocka_unit_test(test_gce_later__an_old_insert_is_not_sent_again),
        cmocka_unit_test(test_gce_later__an_old_insert_is_not_made_to_be_deleted),
        cmocka_unit_test(test_gce_later__an_old_delete_takes_nobody_elses_machine),
        cmocka_unit_test(test_gce_later__what_was_begun_is_not_gone),
        cmocka_unit_test(test_gce_later__a_refused_account_ends_no_record),
        cmocka_unit_test(test_gce_later__the_spec_may_go_before_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

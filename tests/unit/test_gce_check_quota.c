/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas against what a spec asks for: of the project, of regions, by GPU family, for spot
 * (SIMULATED answers). */
#include "util_test.h"

#include "support/gce_wish.h"

static gpuc__gce_catalogue *catalogue;
static gpuc__gce_wish wish;
static json_t *facts;

static int setup(void **state)
{
    return gpuc__gce_catalogue_new(&catalogue, NULL);
}

static int teardown(void **state)
{
    gpuc__gce_catalogue_free(catalogue);
    return 0;
}

static void begin(const gpuc__spec_model *spec)
{
    assert_int_equal(gpuc__gce_wish_init(&wish, spec, catalogue, NULL), GPUC_OK);
    wish.project = wish_project;
    facts = wish_facts();
}

static void end(void)
{
    gpuc__gce_wish_clear(&wish);
    json_decref(facts);
}

static json_t *region(const char *name)
{
    return json_object_get(json_object_get(facts, "regions"), name);
}

static void set_quota(json_t *of, const char *metric, double limit)
{
    json_t *quota;
    size_t i;

    json_array_foreach(json_object_get(of, "quotas"), i, quota)
    {
        if (strcmp(json_string_value(json_object_get(quota, "metric")), metric) == 0) {
            json_object_set_new(quota, "limit", json_real(limit));
            return;
        }
    }
    fail_msg("there is no quota %s", metric);
}

static bool noted(const char *text)
{
    json_t *note;
    size_t i;

    json_array_foreach(json_object_get(wish.described, "notes"), i, note)
    {
        if (strstr(json_string_value(note), text))
            return true;
    }
    return false;
}

static void suffices(void)
{
    gpuc_error *error = NULL;

    if (gpuc__gce_facts_quotas(&wish, facts, &error))
        fail_msg("%s", gpuc_error_message(error));
}

static void refused(const char *message)
{
    gpuc_error *error = NULL;

    assert_int_equal(gpuc__gce_facts_quotas(&wish, facts, &error), GPUC_ELIMIT);
    if (!strstr(gpuc_error_message(error), message))
        fail_msg("\"%s\" is not in \"%s\"", message, gpuc_error_message(error));
    assert_non_null(strstr(gpuc_error_remedy(error), "quotas?project=my-project"));
    gpuc_error_unref(error);
}

static void test_gce_check_quota__regional(void **state)
{
    gpuc__spec_model spec = wish_spec();

    begin(&spec);
    suffices();
    assert_true(json_array_size(json_object_get(wish.described, "quotas")) >= 7);
    set_quota(region("us-east1"), "NVIDIA_T4_GPUS", 2);
    refused("NVIDIA_T4_GPUS of us-east1 is 2, of which 1 are in use, and 2 more are needed");
    set_quota(region("us-east1"), "CPUS", 7); /* all that is short is told at once */
    refused("CPUS of us-east1 is 7, of which 2 are in use, and 6 more are needed");
    refused("NVIDIA_T4_GPUS of us-east1 is 2");
    set_quota(region("us-east1"), "NVIDIA_T4_GPUS", 3);
    set_quota(region("us-east1"), "CPUS", 8);
    set_quota(region("us-east1"), "SSD_TOTAL_GB", 249);
    refused("SSD_TOTAL_GB of us-east1 is 249");
    end();
}

static void test_gce_check_quota__of_the_project(void **state)
{
    gpuc__spec_model spec = wish_spec();

    begin(&spec);
    set_quota(json_object_get(facts, "project"), "GPUS_ALL_REGIONS", 0);
    refused("GPUS_ALL_REGIONS of the project is 0, of which 0 are in use, and 2 more are needed");
    set_quota(json_object_get(facts, "project"), "GPUS_ALL_REGIONS", 2);
    suffices();
    set_quota(json_object_get(facts, "project"), "CPUS_ALL_REGIONS", 5);
    refused("CPUS_ALL_REGIONS of the project is 5");
    end();
}

/* Machines that are there already count as used. */
static void test_gce_check_quota__what_is_there(void **state)
{
    gpuc__spec_model spec = wish_spec();

    begin(&spec);
    set_quota(region("us-east1"), "NVIDIA_T4_GPUS", 2);
    refused("NVIDIA_T4_GPUS");
    json_array_append_new(json_object_get(facts, "instances"),
                          json_pack("{s:s}", "name", "k8s-gpu-1"));
    suffices();
    json_array_append_new(json_object_get(facts, "instances"),
                          json_pack("{s:s}", "name", "k8s-gpu-2"));
    json_array_append_new(json_object_get(facts, "instances"),
                          json_pack("{s:s}", "name", "k8s-master"));
    set_quota(region("us-east1"), "NVIDIA_T4_GPUS", 0);
    set_quota(region("us-east1"), "CPUS", 0);
    suffices();
    end();
}

/* A quota for spot counts where it is granted; where it is 0 the usual one does. */
static void test_gce_check_quota__spot(void **state)
{
    gpuc__spec_model spec = wish_spec();

    wish_machines[1].spot = wish_machines[2].spot = true;
    begin(&spec);
    refused("PREEMPTIBLE_NVIDIA_T4_GPUS of us-east1 is 1, of which 0 are in use, and 2 more");
    set_quota(region("us-east1"), "PREEMPTIBLE_NVIDIA_T4_GPUS", 0);
    set_quota(json_object_get(facts, "project"), "GPUS_ALL_REGIONS", 0);
    suffices(); /* the global one is not known to hold for spot */
    set_quota(region("us-east1"), "NVIDIA_T4_GPUS", 1);
    refused(" NVIDIA_T4_GPUS of us-east1 is 1");
    end();
}

/* One region of several is enough; the plan tells which cannot. */
static void test_gce_check_quota__next_region(void **state)
{
    static char west[] = "us-west1-b";
    char *zones[] = {wish_zone_1, west, NULL};
    gpuc__spec_model spec = wish_spec();
    json_t *copy;

    spec.zones = zones;
    begin(&spec);
    copy = json_deep_copy(region("us-east1"));
    json_object_set_new(json_object_get(facts, "regions"), "us-west1", copy);
    set_quota(region("us-east1"), "NVIDIA_T4_GPUS", 1);
    suffices();
    assert_true(noted("us-east1 cannot take it all: NVIDIA_T4_GPUS"));
    set_quota(region("us-west1"), "NVIDIA_T4_GPUS", 1);
    refused("NVIDIA_T4_GPUS of us-east1 is 1");
    end();
}

static void test_gce_check_quota__families(void **state)
{
    gpuc__spec_model spec = wish_spec();
    json_t *infos;

    for (int i = 1; i < 3; i++) {
        wish_machines[i].machine_type = (char *)"a3-megagpu-8g";
        wish_machines[i].accelerator = NULL;
        wish_machines[i].gpus = 0;
    }
    begin(&spec);
    set_quota(region("us-east1"), "CPUS", 1000);
    set_quota(json_object_get(facts, "project"), "CPUS_ALL_REGIONS", 1000);
    suffices();
    assert_true(noted("the quota of GPU family NVIDIA_H100_MEGA in us-east1 is not known"));
    infos = json_pack("[{s:{s:s, s:s}, s:{s:s}}]", "dimensions", "region", "us-east1", "gpu_family",
                      "NVIDIA_H100_MEGA", "details", "value", "8");
    json_object_set_new(facts, "families", json_pack("{s:o}", "dimensionsInfos", infos));
    refused("GPUS_PER_GPU_FAMILY of NVIDIA_H100_MEGA in us-east1 is 8, and 16 are needed");
    json_object_set_new(json_object_get(json_array_get(infos, 0), "details"), "value",
                        json_string("16"));
    suffices();
    assert_true(noted("is 16; how much of it is in use is not known"));
    json_object_set_new(json_object_get(json_array_get(infos, 0), "details"), "value",
                        json_string("-1"));
    suffices();
    end();
}

/* A metric that the API does not tell is told as not known, and refuses nothing. */
static void test_gce_check_quota__unknown(void **state)
{
    gpuc__spec_model spec = wish_spec();

    begin(&spec);
    json_object_set_new(region("us-east1"), "quotas", json_array());
    json_object_del(json_object_get(facts, "project"), "quotas");
    suffices();
    assert_true(noted("quota NVIDIA_T4_GPUS of us-east1 is not known"));
    assert_true(noted("quota GPUS_ALL_REGIONS of the project is not known"));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_check_quota__regional),
        cmocka_unit_test(test_gce_check_quota__of_the_project),
        cmocka_unit_test(test_gce_check_quota__what_is_there),
        cmocka_unit_test(test_gce_check_quota__spot),
        cmocka_unit_test(test_gce_check_quota__next_region),
        cmocka_unit_test(test_gce_check_quota__families),
        cmocka_unit_test(test_gce_check_quota__unknown),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

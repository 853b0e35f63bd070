/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan refuses on Compute Engine: without a request, and by what the API answered
 * (SIMULATED). */
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

static void says(gpuc_error *error, const char *message, const char *remedy)
{
    assert_non_null(error);
    if (!strstr(gpuc_error_message(error), message))
        fail_msg("\"%s\" is not in \"%s\"", message, gpuc_error_message(error));
    if (!gpuc_error_remedy(error) || !strstr(gpuc_error_remedy(error), remedy))
        fail_msg("\"%s\" is not in \"%s\"", remedy, gpuc_error_remedy(error));
    gpuc_error_unref(error);
}

/* Refused before any request. */
static void refused(const gpuc__spec_model *spec, int code, const char *message, const char *remedy)
{
    gpuc_error *error = NULL;

    assert_int_equal(gpuc__gce_wish_init(&wish, spec, catalogue, &error), code);
    gpuc__gce_wish_clear(&wish);
    says(error, message, remedy);
}

static void begin(const gpuc__spec_model *spec)
{
    gpuc_error *error = NULL;

    if (gpuc__gce_wish_init(&wish, spec, catalogue, &error))
        fail_msg("%s", gpuc_error_message(error));
    wish.project = wish_project;
    facts = wish_facts();
    assert_non_null(facts);
}

static void end(void)
{
    gpuc__gce_wish_clear(&wish);
    json_decref(facts);
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

static void test_gce_check__takes_a_good_spec(void **state)
{
    gpuc__spec_model spec = wish_spec();
    const char *text;

    spec.ttl_s = 2 * 3600;
    begin(&spec);
    assert_int_equal(gpuc__gce_facts_permissions(&wish, facts, NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_facts_places(&wish, facts, NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_facts_images(&wish, facts, NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_facts_quotas(&wish, facts, NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_wish_text(&wish, NULL), GPUC_OK);
    text = json_string_value(json_object_get(wish.described, "text"));
    /* 3 x 0.094998 + 2 x 0.35 + 250 x 0.1 / 730 */
    assert_non_null(strstr(text, "about 1.02 USD an hour in us-east1"));
    assert_non_null(strstr(text, "at most 2.04"));
    assert_non_null(strstr(text, "SkyPilot"));
    assert_non_null(strstr(text, "us-east1-d, then us-east1-c"));
    assert_non_null(strstr(text, "now ubuntu-accelerator-v1"));
    assert_int_equal(json_array_size(json_object_get(wish.described, "images")), 2);
    assert_true(json_real_value(json_object_get(wish.described, "price_per_hour")) > 1.01);
    assert_string_equal(json_string_value(json_object_get(wish.described, "currency")), "USD");
    end();
}

static void test_gce_check__refuses_the_article(void **state)
{
    gpuc__spec_model spec = wish_spec();

    for (int i = 1; i < 3; i++) {
        wish_machines[i].accelerator = (char *)"nvidia-tesla-k80";
        wish_machines[i].image_project = (char *)"ubuntu-os-cloud";
        wish_machines[i].image_family = (char *)"ubuntu-1604-lts";
    }
    refused(&spec, GPUC_EUNSUPPORTED, "nvidia-tesla-k80 cannot be had",
            "accelerator.type to nvidia-tesla-t4 and image.family to ubuntu-2404-lts-amd64");
}

static void test_gce_check__refuses_names_labels_and_times(void **state)
{
    static char name[70], label[70], *labels[] = {label, NULL};
    gpuc__spec_model spec = wish_spec();
    const char *bad[] = {"novalue", "Key=v", "k=Value", "=v", "gpucluster=x", "9k=v"};

    memset(name, 'm', 64);
    wish_machines[1].name = name;
    refused(&spec, GPUC_EINVAL, "has 64 characters; expected at most 63", "shorter name");
    spec = wish_spec();
    spec.name = name;
    refused(&spec, GPUC_EINVAL, "the cluster's name has 64 characters", "shorter name");
    spec = wish_spec();
    spec.labels = labels;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(label, sizeof(label), "%s", bad[i]);
        refused(&spec, GPUC_EINVAL, "the label", "");
    }
    spec = wish_spec();
    spec.ttl_s = 29;
    refused(&spec, GPUC_EINVAL, "ttl is 29 seconds", "provider.ttl");
    spec.ttl_s = 120 * 24 * 3600 + 1;
    refused(&spec, GPUC_EINVAL, "30 seconds to 120 days", "provider.ttl");
    spec.ttl_s = 120 * 24 * 3600;
    begin(&spec);
    end();
}

static void test_gce_check__refuses_places(void **state)
{
    static char west[] = "us-west1-b", nonsense[] = "east";
    char *two[] = {wish_zone_1, west, NULL}, *none[] = {NULL}, *bad[] = {nonsense, NULL};
    gpuc__spec_model spec = wish_spec();

    spec.zones = none;
    refused(&spec, GPUC_EINVAL, "neither zones nor a region", "provider.zones");
    spec.zones = bad;
    refused(&spec, GPUC_EINVAL, "east is not the name of a zone", "us-east1-d");
    spec.zones = two;
    begin(&spec); /* several regions are fine where nothing is of one */
    assert_int_equal(json_array_size(wish.regions), 2);
    end();
    spec.subnetwork = (char *)"mine";
    refused(&spec, GPUC_EINVAL, "subnetwork mine is of one region", "subnetwork's region");
    spec.subnetwork = NULL;
    spec.region = (char *)"us-east1";
    refused(&spec, GPUC_EINVAL, "us-west1-b is not in region us-east1", "provider.region");
    spec = wish_spec();
    wish_machines[1].reservation = (char *)"mine";
    refused(&spec, GPUC_EINVAL, "reservation mine is of one zone, and 2 are given", "alone");
    wish_machines[1].spot = true;
    refused(&spec, GPUC_EINVAL, "spot and reservation mine exclude each other", "remove one");
}

static void test_gce_check__refuses_a_price(void **state)
{
    gpuc__spec_model spec = wish_spec();

    spec.max_price = 1.0;
    refused(&spec, GPUC_ELIMIT, "about 1.02 USD an hour in us-east1", "max_price_per_hour");
    spec.max_price = 1.03;
    begin(&spec);
    end();
    wish_machines[2].machine_type = (char *)"n1-custom-4-8192";
    refused(&spec, GPUC_EUNSUPPORTED, "no price of n1-custom-4-8192 in us-east1 is known",
            "remove max_price_per_hour");
    spec.max_price = -1;
    begin(&spec);
    assert_int_equal(gpuc__gce_wish_text(&wish, NULL), GPUC_OK);
    assert_true(json_is_null(json_object_get(wish.described, "price_per_hour")));
    assert_non_null(strstr(json_string_value(json_object_get(wish.described, "text")),
                           "Price: not known (no price of n1-custom-4-8192"));
    end();
}

typedef int (*look_fn)(gpuc__gce_wish *w, const json_t *f, gpuc_error **err);

/* By the facts as they are now. */
static void answer_refused(look_fn look, int code, const char *message, const char *remedy)
{
    gpuc_error *error = NULL;

    assert_int_equal(look(&wish, facts, &error), code);
    says(error, message, remedy);
    end();
}

static void test_gce_check__zones_that_are_not(void **state)
{
    static char gone[] = "us-east1-a", region[] = "mars-north1";
    char *zones[] = {gone, NULL}, *none[] = {NULL};
    gpuc__spec_model spec = wish_spec();

    spec.zones = zones;
    begin(&spec);
    answer_refused(gpuc__gce_facts_places, GPUC_ENOTFOUND, "no zone us-east1-a",
                   "us-east1-b, us-east1-c, us-east1-d");
    spec.zones = none;
    spec.region = region;
    begin(&spec);
    answer_refused(gpuc__gce_facts_places, GPUC_ENOTFOUND, "no region mars-north1",
                   "catalog zones");
    spec.region = (char *)"us-east1";
    begin(&spec);
    assert_int_equal(gpuc__gce_facts_places(&wish, facts, NULL), GPUC_OK);
    assert_int_equal(json_array_size(wish.zones), 3);
    assert_true(noted("nvidia-tesla-t4 is not in us-east1-b"));
    end();
}

static void test_gce_check__what_no_zone_has(void **state)
{
    gpuc__spec_model spec = wish_spec();

    wish_machines[1].accelerator = wish_machines[2].accelerator = (char *)"nvidia-tesla-v100";
    begin(&spec);
    answer_refused(gpuc__gce_facts_places, GPUC_ENOTFOUND,
                   "us-east1-d, us-east1-c has no accelerator nvidia-tesla-v100",
                   "us-east1-b, us-west1-b");
    spec = wish_spec();
    wish_machines[0].machine_type = (char *)"n1-standard-4";
    begin(&spec);
    answer_refused(gpuc__gce_facts_places, GPUC_ENOTFOUND, "has no machine type n1-standard-4",
                   "no zone open to the project has it");
    spec = wish_spec();
    begin(&spec); /* the accelerator in one zone, the machine type in the other */
    json_array_remove(json_object_get(facts, "acceleratorTypes"), 1);
    json_array_remove(json_object_get(facts, "machineTypes"), 0);
    answer_refused(gpuc__gce_facts_places, GPUC_ENOTFOUND,
                   "none of the zones has both n1-standard-2 and nvidia-tesla-t4", "more zones");
}

static void test_gce_check__images_that_do_not_fit(void **state)
{
    gpuc__spec_model spec = wish_spec();
    json_t *image;

    begin(&spec);
    image =
        json_object_get(json_object_get(facts, "images"), "ubuntu-os-cloud/ubuntu-2404-lts-amd64");
    json_object_set_new(image, "diskSizeGb", json_string("80"));
    answer_refused(gpuc__gce_facts_images, GPUC_EINVAL, "needs a disk of 80 GB",
                   "disk.size_gb to 80");
    begin(&spec);
    image =
        json_object_get(json_object_get(facts, "images"), "ubuntu-os-cloud/ubuntu-2404-lts-amd64");
    json_object_set_new(image, "architecture", json_string("ARM64"));
    answer_refused(gpuc__gce_facts_images, GPUC_EINVAL, "is for ARM64", "image.family");
}

static void test_gce_check__permissions(void **state)
{
    gpuc__spec_model spec = wish_spec();
    json_t *names = NULL;
    size_t last;

    assert_int_equal(gpuc__gce_permissions(&names, &spec, NULL), GPUC_OK);
    begin(&spec);
    json_object_set_new(facts, "permissions", json_pack("{s:O}", "permissions", names));
    assert_int_equal(gpuc__gce_facts_permissions(&wish, facts, NULL), GPUC_OK);
    assert_int_equal(json_array_size(json_object_get(wish.described, "notes")), 0);
    last = json_array_size(names) - 1;
    json_array_remove(names, last); /* one that may be granted elsewhere */
    assert_int_equal(gpuc__gce_facts_permissions(&wish, facts, NULL), GPUC_OK);
    assert_true(noted("not granted on the project"));
    json_array_remove(names, 0);
    answer_refused(gpuc__gce_facts_permissions, GPUC_EPERM,
                   "lacks permissions on project my-project: compute.instances.create",
                   "roles/compute.instanceAdmin.v1");
    begin(&spec); /* nothing at all is granted */
    json_object_set_new(facts, "permissions", json_object());
    answer_refused(gpuc__gce_facts_permissions, GPUC_EPERM, "compute.instances.list", "roles/");
    json_decref(names);
}

static int all_of_it(const gpuc__spec_model *spec, gpuc_error **err)
{
    gpuc__gce_catalogue *own = NULL;
    int rc = gpuc__gce_catalogue_new(&own, err);

    if (rc)
        return rc;
    rc = gpuc__gce_wish_init(&wish, spec, own, err);
    wish.project = wish_project;
    if (!rc)
        rc = gpuc__gce_facts_permissions(&wish, facts, err);
    if (!rc)
        rc = gpuc__gce_facts_places(&wish, facts, err);
    if (!rc)
        rc = gpuc__gce_facts_images(&wish, facts, err);
    if (!rc)
        rc = gpuc__gce_facts_quotas(&wish, facts, err);
    if (!rc)
        rc = gpuc__gce_wish_text(&wish, err);
    gpuc__gce_wish_clear(&wish);
    gpuc__gce_catalogue_free(own);
    return rc;
}

/* Each allocation fails in turn. */
static void test_gce_check__without_memory(void **state)
{
    gpuc__spec_model spec = wish_spec();
    gpuc_error *error = NULL;
    int rc = GPUC_ENOMEM, n = 0;

    facts = wish_facts();
    for (; rc == GPUC_ENOMEM && n < 20000; n += n < 200 ? 1 : 37) {
        allow_allocations(n);
        rc = all_of_it(&spec, &error);
        allow_allocations(-1);
        if (rc)
            assert_int_equal(gpuc_error_code(error), rc);
        gpuc_error_unref(error);
        error = NULL;
    }
    assert_int_equal(rc, GPUC_OK);
    assert_true(n > 10);
    json_decref(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_check__takes_a_good_spec),
        cmocka_unit_test(test_gce_check__refuses_the_article),
        cmocka_unit_test(test_gce_check__refuses_names_labels_and_times),
        cmocka_unit_test(test_gce_check__refuses_places),
        cmocka_unit_test(test_gce_check__refuses_a_price),
        cmocka_unit_test(test_gce_check__zones_that_are_not),
        cmocka_unit_test(test_gce_check__what_no_zone_has),
        cmocka_unit_test(test_gce_check__images_that_do_not_fit),
        cmocka_unit_test(test_gce_check__permissions),
        cmocka_unit_test(test_gce_check__without_memory),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

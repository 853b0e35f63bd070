/* SPDX-License-Identifier: Apache-2.0 */
/* The public catalogue: of the shipped table, and of a scripted API (SIMULATED). */
#include "util_test.h"

#include "support/gce_api.h"
#include "support/gce_wish.h"
#include "support/run_until.h"

#define P "/compute/v1/projects/my-project"
#define TYPE(name, where)                                                                          \
    "{\"name\":\"" name "\",\"guestCpus\":4,\"memoryMb\":16384,\"zone\":\"" WISH_LINK              \
    "zones/" where "\",\"selfLink\":\"" WISH_LINK "zones/" where "/machineTypes/" name "\"}"

static void begin(gce_step *steps)
{
    gce_begin(steps, 10);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", api.endpoint, 1);
}

static void finish(void)
{
    gce_finish();
    unsetenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE");
}

static json_t *read_catalog(const char *zone, uint32_t flags)
{
    gpuc_error *error = NULL;
    char *text = NULL;
    json_t *all;

    if (gpuc_catalog(&text, context, "my-project", zone, flags, &error))
        fail_msg("%s", gpuc_error_message(error));
    all = json_loads(text, 0, NULL);
    assert_non_null(all);
    gpuc_free(text);
    return all;
}

static json_t *named(const json_t *list, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return item;
    }
    return NULL;
}

static bool lists(const json_t *list, const char *text)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

static void test_gce_catalog__shipped(void **state)
{
    gce_step none[] = {{NULL}};
    json_t *all, *item;

    begin(none);
    all = read_catalog(NULL, GPUC_CATALOG_SHIPPED);
    assert_int_equal(api.count, 0);
    assert_true(json_is_false(json_object_get(all, "live")));
    assert_non_null(json_object_get(all, "why"));
    item = named(json_object_get(all, "accelerators"), "nvidia-tesla-t4");
    assert_true(lists(json_object_get(item, "zones"), "us-east1-d"));
    assert_non_null(json_object_get(json_object_get(item, "prices"), "us-east1"));
    item = named(json_object_get(all, "accelerators"), "nvidia-l4");
    assert_true(lists(json_object_get(item, "machine_types"), "g2-standard-4"));
    item = named(json_object_get(all, "machine_types"), "g2-standard-4");
    assert_true(lists(json_object_get(item, "zones"), "us-central1-a"));
    item = named(json_object_get(all, "zones"), "us-east1-d");
    assert_string_equal(json_string_value(json_object_get(item, "region")), "us-east1");
    assert_true(lists(json_object_get(item, "accelerators"), "nvidia-tesla-t4"));
    assert_true(json_array_size(json_object_get(all, "parts")) >= 10);
    json_decref(all);

    all = read_catalog("us-east1-d", GPUC_CATALOG_SHIPPED);
    assert_null(named(json_object_get(all, "accelerators"), "nvidia-tesla-v100"));
    item = named(json_object_get(all, "machine_types"), "n1-standard-2");
    assert_true(json_real_value(json_array_get(json_object_get(item, "price_per_hour"), 0)) > 0.09);
    assert_int_equal(json_array_size(json_object_get(all, "zones")), 1);
    json_decref(all);
    finish();
}

static void test_gce_catalog__live(void **state)
{
    gce_step steps[] = {
        {"GET", P "/zones", 200, "{\"items\":" WISH_ZONES "}"},
        {"GET", P "/aggregated/acceleratorTypes", 200,
         "{\"items\":{\"zones/all\":{\"acceleratorTypes\":[" WISH_ITEM(
             "acceleratorTypes", "nvidia-l4",
             "us-east1-b") "," WISH_ITEM("acceleratorTypes", "nvidia-x9",
                                         "us-east1-c") "," WISH_ITEM("acceleratorTypes", "ct5lp",
                                                                     "us-east1-c") "]}}}"},
        {"GET", P "/aggregated/machineTypes?", 200,
         "{\"items\":{\"zones/all\":{\"machineTypes\":[" TYPE("g2-standard-4",
                                                              "us-east1-b") "]}}}"},
        {NULL}};
    json_t *all, *item;

    begin(steps);
    all = read_catalog(NULL, 0);
    assert_int_equal(api.unmatched, 0);
    assert_int_equal(api.count, 3);
    assert_int_equal(gce_asked("g2-standard-4"), 1); /* types with GPUs are asked for by name */
    assert_true(json_is_true(json_object_get(all, "live")));
    item = named(json_object_get(all, "accelerators"), "nvidia-l4");
    assert_int_equal(json_array_size(json_object_get(item, "zones")), 1);
    assert_non_null(named(json_object_get(all, "accelerators"), "nvidia-x9")); /* new to us */
    assert_null(named(json_object_get(all, "accelerators"), "ct5lp"));         /* a TPU */
    assert_null(named(json_object_get(all, "accelerators"), "nvidia-tesla-t4"));
    assert_int_equal(json_array_size(json_object_get(all, "zones")), 3);
    json_decref(all);
    finish();
}

static void test_gce_catalog__one_zone(void **state)
{
    gce_step steps[] = {
        {"GET", P "/zones/us-east1-b/acceleratorTypes", 200,
         "{\"items\":[" WISH_ITEM("acceleratorTypes", "nvidia-l4", "us-east1-b") "]}", 0, -1},
        {"GET", P "/zones/us-east1-b/machineTypes", 200,
         "{\"items\":[" TYPE("g2-standard-4", "us-east1-b") "," TYPE("c9-new-4", "us-east1-b") "]}",
         0, -1},
        {"GET", "/zones/us-east1-z/", 404, GCE_ERROR(404, "notFound", "no such zone"), 0, -1},
        {"GET", P "/zones?", 200, "{\"items\":" WISH_ZONES "}", 0, -1},
        {NULL}};
    gpuc_error *error = NULL;
    json_t *all, *item;
    char *text = NULL;

    begin(steps);
    assert_int_equal(gpuc_catalog(&text, context, "my-project", "us-east1-z", 0, &error),
                     GPUC_ENOTFOUND);
    assert_non_null(strstr(gpuc_error_message(error), "no zone us-east1-z"));
    gpuc_error_unref(error);
    assert_null(text);
    all = read_catalog("us-east1-b", 0);
    assert_true(json_is_true(json_object_get(all, "live")));
    item = named(json_object_get(all, "machine_types"), "c9-new-4");
    assert_int_equal(json_integer_value(json_object_get(item, "vcpus")), 4);
    assert_true(json_is_null(json_array_get(json_object_get(item, "price_per_hour"), 0)));
    item = named(json_object_get(all, "machine_types"), "g2-standard-4");
    assert_true(json_is_real(json_array_get(json_object_get(item, "price_per_hour"), 0)));
    assert_null(named(json_object_get(all, "machine_types"), "n1-standard-2"));
    json_decref(all);
    finish();
}

/* What fails leads to the table, and is told. */
static void test_gce_catalog__not_live(void **state)
{
    gce_step steps[] = {{"GET", "/", 403, GCE_ERROR(403, "forbidden", "not for you"), 0, -1},
                        {NULL}};
    json_t *all;

    begin(steps);
    all = read_catalog(NULL, 0);
    assert_true(json_is_false(json_object_get(all, "live")));
    assert_non_null(strstr(json_string_value(json_object_get(all, "why")), "not for you"));
    assert_true(json_array_size(json_object_get(all, "accelerators")) > 10);
    json_decref(all);
    finish();

    begin(steps);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json", 1);
    unsetenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE");
    all = read_catalog(NULL, 0);
    assert_int_equal(api.count, 0);
    assert_true(json_is_false(json_object_get(all, "live")));
    assert_non_null(
        strstr(json_string_value(json_object_get(all, "why")), "GOOGLE_APPLICATION_CREDENTIALS"));
    unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
    json_decref(all);
    finish();
}

static void test_gce_catalog__refusals_and_cancel(void **state)
{
    gce_step steps[] = {{"GET", P "/zones", 200, "", GCE_HANG, -1},
                        {"GET", "/aggregated/", 200, "", GCE_HANG, -1},
                        {NULL}};
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    char *text = NULL;

    begin(steps);
    assert_int_equal(gpuc_catalog(NULL, context, NULL, NULL, 0, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_catalog(&text, context, NULL, NULL, 2, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_catalog(&text, context, NULL, "../x", 0, &error), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(error), "../x is not the name of a zone"));
    gpuc_error_unref(error);
    assert_null(text);
    assert_int_equal(gpuc_catalog_start(&op, context, "my-project", "", 0, NULL), GPUC_OK);
    RUN_UNTIL(context, gce_asked("/zones"));
    assert_int_equal(gpuc_op_state(op), GPUC_OP_RUNNING);
    assert_null(gpuc_op_json(op));
    gpuc_op_cancel(op);
    assert_int_equal(gpuc_op_wait(op, 10000, NULL), GPUC_ECANCELLED);
    gpuc_op_unref(op);
    finish();
}

/* Each allocation fails in turn. */
static void test_gce_catalog__without_memory(void **state)
{
    gce_step none[] = {{NULL}};
    int rc = GPUC_ENOMEM, n = 0;

    begin(none);
    for (; rc == GPUC_ENOMEM && n < 2000; n++) {
        char *text = NULL;
        gpuc_error *error = NULL;

        allow_allocations(n);
        rc = gpuc_catalog(&text, context, NULL, "us-east1-d", GPUC_CATALOG_SHIPPED, &error);
        allow_allocations(-1);
        assert_int_equal(error ? gpuc_error_code(error) : GPUC_OK, rc);
        gpuc_error_unref(error);
        gpuc_free(text);
    }
    assert_int_equal(rc, GPUC_OK);
    assert_true(n > 5);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_catalog__shipped),
        cmocka_unit_test(test_gce_catalog__live),
        cmocka_unit_test(test_gce_catalog__one_zone),
        cmocka_unit_test(test_gce_catalog__not_live),
        cmocka_unit_test(test_gce_catalog__refusals_and_cancel),
        cmocka_unit_test(test_gce_catalog__without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

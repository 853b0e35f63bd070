/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-flight of Compute Engine against a scripted API (SIMULATED): what is asked, in which
 * order, what a failure of each request is told as, cancelling. */
#include <stdio.h>
#include <stdlib.h>

#include "support/gce_api.h"
#include "support/gce_wish.h"
#include "support/run_until.h"

#define P "/compute/v1/projects/my-project"
#define RESOURCE_MANAGER "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"
#define AGGREGATED(kind, items) "{\"items\":{\"zones/all\":{\"" kind "\":" items "}}}"
#define IMAGES "/compute/v1/projects/ubuntu-os-"
#define CPU_IMAGE                                                                                  \
    {                                                                                              \
        "GET", IMAGES "cloud/global/images/family/ubuntu-2404-lts-amd64", 200, WISH_IMAGE("u1"),   \
            0, -1                                                                                  \
    }
#define GPU_IMAGE                                                                                  \
    {                                                                                              \
        "GET", IMAGES "accelerator-images/global/images/family/ubuntu-accelerator-2404", 200,      \
            WISH_IMAGE("u2"), 0, -1                                                                \
    }
#define ACCELERATORS                                                                               \
    {                                                                                              \
        "GET", P "/aggregated/acceleratorTypes?filter=name%3Dnvidia-tesla-t4", 200,                \
            AGGREGATED("acceleratorTypes", WISH_ACCELERATORS), 0, -1                               \
    }
#define TYPES                                                                                      \
    {                                                                                              \
        "GET", P "/aggregated/machineTypes?filter=name%3Dn1-standard-2", 200,                      \
            AGGREGATED("machineTypes", WISH_TYPES), 0, -1                                          \
    }
#define PLACES {"GET", P "/zones", 200, "{\"items\":" WISH_ZONES "}", 0, -1}, ACCELERATORS, TYPES
#define REGION                                                                                     \
    {                                                                                              \
        "GET", P "/regions/us-east1", 200, WISH_REGION, 0, -1                                      \
    }
#define NETWORK                                                                                    \
    {                                                                                              \
        "GET", P "/global/networks/default", 200, "{\"name\":\"default\"}", 0, -1                  \
    }
#define INSTANCES                                                                                  \
    {                                                                                              \
        "GET", P "/aggregated/instances?filter=labels.gpucluster%3Du-1", 200,                      \
            AGGREGATED("instances", "[]"), 0, -1                                                   \
    }
#define PROJECT                                                                                    \
    {                                                                                              \
        "GET", P, 200, WISH_PROJECT, 0, -1                                                         \
    }
/* PROJECT fits every request of the project, and comes last. */
#define ALL PLACES, CPU_IMAGE, GPU_IMAGE, REGION, NETWORK, INSTANCES, PROJECT

static gpuc__provider *provider;
static gpuc__spec_model spec;

static void begin(gce_step *steps)
{
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = "u-1"};

    gce_begin(steps, 10);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", api.endpoint, 1);
    unsetenv(RESOURCE_MANAGER);
    spec = wish_spec();
    config.context = context;
    assert_int_equal(gpuc__provider_gce.new_(&provider, &config, NULL), GPUC_OK);
}

static void on_done(void *data, gpuc_error *error)
{
    gce_end *end = data;

    end->done++;
    end->error = error;
    end->code = error ? gpuc_error_code(error) : GPUC_OK;
    end->message = error ? gpuc_error_message(error) : "";
}

static gce_end check(void)
{
    gce_end end = {0};

    assert_int_equal(gpuc__gce_open(provider, NULL), GPUC_OK);
    gpuc__gce_client_scale_time(provider->client, 10);
    gpuc__provider_gce.check(provider, on_done, &end);
    gce_wait_for(&end);
    return end;
}

static void finish(void)
{
    gpuc__provider_gce.free(provider);
    gce_finish();
    unsetenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE");
}

static void test_gce_check_run__asks_little(void **state)
{
    gce_step steps[] = {ALL, {NULL}};
    json_t *described;
    gce_end end;

    begin(steps);
    end = check();
    if (end.code)
        fail_msg("%s", end.message);
    assert_int_equal(api.unmatched, 0);
    assert_int_equal(api.count, 9);
    assert_int_equal(gce_asked("POST"), 0); /* nothing that could change anything */
    assert_int_equal(gce_asked("DELETE"), 0);
    described = gpuc__provider_gce.describe(provider);
    assert_non_null(strstr(json_string_value(json_object_get(described, "text")), "now u2"));
    json_decref(described);
    finish();
}

static void test_gce_check_run__bad_specs_cost_no_request(void **state)
{
    gce_step steps[] = {ALL, {NULL}};
    gce_end end;

    begin(steps);
    wish_machines[1].accelerator = (char *)"nvidia-tesla-k80";
    end = check();
    assert_int_equal(end.code, GPUC_EUNSUPPORTED);
    assert_non_null(strstr(gpuc_error_remedy(end.error), "nvidia-tesla-t4"));
    assert_int_equal(api.count, 0);
    assert_null(gpuc__provider_gce.describe(provider));
    gce_drop(&end);
    finish();
}

static void project_refused(gce_step step, int code, const char *message, const char *remedy)
{
    gce_step steps[] = {step, {NULL}};
    gce_end end;

    begin(steps);
    end = check();
    assert_int_equal(end.code, code);
    if (!strstr(end.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, end.message);
    if (!strstr(gpuc_error_remedy(end.error), remedy))
        fail_msg("\"%s\" is not in \"%s\"", remedy, gpuc_error_remedy(end.error));
    assert_int_equal(gce_asked("/zones"), 0); /* the rest is not asked for */
    gce_drop(&end);
    finish();
}

static void test_gce_check_run__the_project(void **state)
{
    project_refused((gce_step){"GET", P, 403,
                               GCE_ERROR(403, "accessNotConfigured",
                                         "Compute Engine API has not been used in project 1"),
                               0, -1},
                    GPUC_EPERM, "has not been used",
                    "apis/library/compute.googleapis.com?project=my-project");
    project_refused(
        (gce_step){"GET", P, 404,
                   GCE_ERROR(404, "notFound", "The resource 'projects/my-project' was not found"),
                   0, -1},
        GPUC_ENOTFOUND, "was not found", "correct provider.project (my-project)");
    project_refused((gce_step){"GET", P, 403,
                               GCE_ERROR(403, "forbidden", "Required 'compute.projects.get'"), 0,
                               -1},
                    GPUC_EPERM, "compute.projects.get", "see it");
    project_refused((gce_step){"GET", P, 200,
                               "{\"name\":\"other\",\"selfLink\":\"" GCE_LINK "projects/other\"}",
                               0, -1},
                    GPUC_EPROTO, "other", "");
    project_refused(
        (gce_step){"GET", P, 401, GCE_ERROR(401, "authError", "Invalid Credentials"), 0, -1},
        GPUC_EAUTH, "no access token for Google from the access token of", "");
}

static void answer_refused(gce_step step, int code, const char *message)
{
    gce_step steps[] = {step, ALL, {NULL}};
    gce_end end;

    begin(steps);
    end = check();
    if (end.code != code || !strstr(end.message, message))
        fail_msg("%d: %s", end.code, end.message);
    assert_null(gpuc__provider_gce.describe(provider));
    gce_drop(&end);
    finish();
}

static void test_gce_check_run__each_answer(void **state)
{
    answer_refused((gce_step){"GET", "/images/family/ubuntu-2404-lts-amd64", 404,
                              GCE_ERROR(404, "notFound", "The resource 'family' was not found"), 0,
                              -1},
                   GPUC_ENOTFOUND, "resolving an image family");
    answer_refused((gce_step){"GET", "/global/networks/default", 404,
                              GCE_ERROR(404, "notFound", "The resource 'default' was not found"), 0,
                              -1},
                   GPUC_ENOTFOUND, "looking for the network");
    answer_refused((gce_step){"GET", "/regions/us-east1", 403,
                              GCE_ERROR(403, "forbidden", "Required 'compute.regions.get'"), 0, -1},
                   GPUC_EPERM, "compute.regions.get");
    answer_refused((gce_step){"GET", "/aggregated/acceleratorTypes", 200,
                              AGGREGATED("acceleratorTypes", "[]"), 0, -1},
                   GPUC_ENOTFOUND, "has no accelerator nvidia-tesla-t4");
    answer_refused((gce_step){"GET", P "/zones", 200, "[1,2", 0, -1}, GPUC_EPROTO,
                   "listing the zones");
}

/* Everything but the project itself fails: what comes first in order is told, whichever answer came
 * in first. */
static void test_gce_check_run__the_first_failure(void **state)
{
    answer_refused((gce_step){"GET", P "/", 403, GCE_ERROR(403, "forbidden", "no"), 0, -1},
                   GPUC_EPERM, "listing the zones");
}

static void test_gce_check_run__permissions(void **state)
{
    gce_step steps[] = {{"POST", "/v1/projects/my-project:testIamPermissions", 200,
                         "{\"permissions\":[\"compute.instances.get\"]}"},
                        ALL,
                        {NULL}};
    gce_step closed[] = {
        {"POST", ":testIamPermissions", 403, GCE_ERROR(403, "forbidden", "not for you"), 0, -1},
        ALL,
        {NULL}};
    json_t *described;
    gce_end end;

    begin(steps);
    setenv(RESOURCE_MANAGER, api.server.url, 1);
    end = check();
    assert_int_equal(end.code, GPUC_EPERM);
    assert_non_null(strstr(end.message, "compute.instances.create"));
    assert_int_equal(gce_asked("\"permissions\": [\"compute.instances.create\"") +
                         gce_asked("\"permissions\":[\"compute.instances.create\""),
                     1);
    gce_drop(&end);
    finish();

    begin(closed); /* who may not ask is told so, and goes on */
    setenv(RESOURCE_MANAGER, api.server.url, 1);
    end = check();
    assert_int_equal(end.code, GPUC_OK);
    described = gpuc__provider_gce.describe(provider);
    assert_non_null(strstr(json_string_value(json_object_get(described, "text")), "not for you"));
    json_decref(described);
    finish();
    unsetenv(RESOURCE_MANAGER);
}

/* before it began, and while each phase waits for an answer */
static void test_gce_check_run__cancel(void **state)
{
    static const char *const hangs[] = {NULL, P, "/zones"};

    for (int i = 0; i < 3; i++) {
        gce_step steps[] = {{"GET", hangs[i] ? hangs[i] : P, 200, "", GCE_HANG, -1}, ALL, {NULL}};
        gce_end end = {0};

        begin(steps);
        gpuc__provider_gce.check(provider, on_done, &end);
        RUN_UNTIL(context, !hangs[i] || gce_asked(hangs[i]));
        assert_int_equal(end.done, 0);
        assert_true(!hangs[i] || gce_asked(hangs[i]) > 0);
        gpuc__provider_gce.cancel(provider, &end);
        gce_wait_for(&end);
        assert_int_equal(end.code, GPUC_ECANCELLED);
        gce_drop(&end);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_check_run__asks_little),
        cmocka_unit_test(test_gce_check_run__bad_specs_cost_no_request),
        cmocka_unit_test(test_gce_check_run__the_project),
        cmocka_unit_test(test_gce_check_run__each_answer),
        cmocka_unit_test(test_gce_check_run__the_first_failure),
        cmocka_unit_test(test_gce_check_run__permissions),
        cmocka_unit_test(test_gce_check_run__cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

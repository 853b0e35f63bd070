/* SPDX-License-Identifier: Apache-2.0 */
/* What each failure of the Compute Engine API is taken for: bodies as they were recorded or are
 * documented, and the table itself; and how long is waited. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "provider/gce/call.h"
#include "util/data.h"

#define HTTP(code, reason, message)                                                                \
    "{\"error\":{\"code\":" #code ",\"message\":\"" message                                        \
    "\",\"errors\":[{\"message\":\"" message "\",\"domain\":\"global\",\"reason\":\"" reason       \
    "\"}]}}"
#define FAILED(status, code, message)                                                              \
    "{\"kind\":\"compute#operation\",\"name\":\"o\",\"status\":\"DONE\","                          \
    "\"httpErrorStatusCode\":" #status                                                             \
    ",\"httpErrorMessage\":\"SOME\",\"error\":{\"errors\":[{\"code\":\"" code                      \
    "\",\"message\":\"" message "\"}]}}"
#define QUOTA(metric, message, dimensions)                                                         \
    "{\"kind\":\"compute#operation\",\"status\":\"DONE\",\"httpErrorStatusCode\":403,"             \
    "\"httpErrorMessage\":\"FORBIDDEN\",\"error\":{\"errors\":[{\"code\":\"QUOTA_EXCEEDED\","      \
    "\"message\":\"" message "\",\"errorDetails\":[{\"quotaInfo\":{\"metricName\":"                \
    "\"compute.googleapis.com/" metric "\",\"limitName\":\"L\",\"dimensions\":" dimensions         \
    ",\"limit\":1}}]}]}}"
#define INFO(code, status, message, reason)                                                        \
    "{\"error\":{\"code\":" #code ",\"message\":\"" message "\",\"status\":\"" status              \
    "\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" reason \
    "\",\"domain\":\"googleapis.com\",\"metadata\":{\"service\":\"compute.googleapis.com\"}}]}}"

enum {
    RETRY = GPUC__GCE_SCOPE_RETRY,
    CONFLICT = GPUC__GCE_SCOPE_CONFLICT,
    EXISTS = GPUC__GCE_SCOPE_EXISTS,
    ZONE = GPUC__GCE_SCOPE_ZONE,
    REGION = GPUC__GCE_SCOPE_REGION,
    FINAL = GPUC__GCE_SCOPE_FINAL
};

static const struct {
    int status;
    const char *body;
    int scope, code, pace;
    const char *said, *remedy; /* parts */
} cases[] = {
    /* rate */
    {403, HTTP(403, "rateLimitExceeded", "Rate Limit Exceeded"), RETRY, GPUC_ELIMIT,
     GPUC__GCE_PACE_MINUTE, "answered 403: Rate Limit Exceeded", "minute"},
    {403, INFO(403, "PERMISSION_DENIED", "Rate", "RATE_LIMIT_EXCEEDED"), RETRY, GPUC_ELIMIT,
     GPUC__GCE_PACE_MINUTE, "Rate", "minute"},
    {403,
     HTTP(403, "forbidden",
          "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service "
          "'compute.googleapis.com' for consumer 'project_number:1'."),
     RETRY, GPUC_ELIMIT, GPUC__GCE_PACE_MINUTE, "Queries per minute", "minute"},
    {429, HTTP(429, "rateLimitExceeded", "Slow down"), RETRY, GPUC_ELIMIT, GPUC__GCE_PACE_BACKOFF,
     "429", "wait"},
    {403,
     "{\"error\":{\"code\":403,\"message\":\"Rate Limit Exceeded\",\"errors\":[{\"reason\":"
     "\"rateLimitExceeded\"}],\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
     "\"domain\":\"compute.googleapis.com\",\"metadatas\":{\"containerId\":\"1\",\"containerType\":"
     "\"PROJECT\",\"location\":\"global\"},\"reason\":\"CONCURRENT_OPERATIONS_QUOTA_EXCEEDED\"}]}}",
     RETRY, GPUC_ELIMIT, GPUC__GCE_PACE_SLOW, "Rate Limit", "operations"},
    {200,
     FAILED(403, "RESOURCE_OPERATION_RATE_EXCEEDED", "Too frequent operations from the source"),
     RETRY, GPUC_ELIMIT, GPUC__GCE_PACE_SLOW, "Too frequent", "minutes"},
    /* transient */
    {500, HTTP(500, "internalError", "Internal"), RETRY, GPUC_EHTTP, 0, "500", "later"},
    {503, "", RETRY, GPUC_EHTTP, 0, "no reason given", "later"},
    {599, "[]", RETRY, GPUC_EHTTP, 0, "599", "later"},
    {200, FAILED(500, "INTERNAL_ERROR", "Internal error. Please try again."), RETRY, GPUC_EHTTP, 0,
     "the operation failed: INTERNAL_ERROR: Internal error", "later"},
    {400, HTTP(400, "resourceNotReady", "The resource 'x' is not ready"), RETRY, GPUC_ESTATE, 0,
     "not ready", "minute"},
    {200, FAILED(400, "RESOURCE_NOT_READY", "The resource 'x' is not ready"), RETRY, GPUC_ESTATE, 0,
     "not ready", "minute"},
    /* conflict, exists */
    {412,
     HTTP(412, "conditionNotMet",
          "Supplied fingerprint does not match current metadata fingerprint."),
     CONFLICT, GPUC_ESTATE, 0, "fingerprint", "again"},
    {412, "", CONFLICT, GPUC_ESTATE, 0, "412", "again"},
    {400, HTTP(400, "invalid", "Invalid fingerprint."), CONFLICT, GPUC_ESTATE, 0, "fingerprint",
     "again"},
    {409, HTTP(409, "alreadyExists", "The resource 'x' already exists"), EXISTS, GPUC_EEXIST, 0,
     "already exists", "another name"},
    {200, FAILED(409, "RESOURCE_ALREADY_EXISTS", "The resource 'x' already exists"), EXISTS,
     GPUC_EEXIST, 0, "already exists", "another name"},
    /* the zone */
    {200,
     "{\"status\":\"DONE\",\"httpErrorStatusCode\":503,\"error\":{\"errors\":[{\"code\":"
     "\"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS\",\"message\":\"The zone "
     "'projects/p/zones/us-east1-d' does not have enough resources available to fulfill the "
     "request.\",\"errorDetails\":[{\"errorInfo\":{\"reason\":\"resource_availability\",\"domain\":"
     "\"compute.googleapis.com\",\"metadatas\":{\"zone\":\"us-east1-d\"}}},{\"localizedMessage\":"
     "{\"locale\":\"en-US\",\"message\":\"A n1-standard-2 VM instance with 1 nvidia-tesla-t4 "
     "accelerator(s) is currently unavailable in the us-east1-d zone.\"}}]}]}}",
     ZONE, GPUC_ESTATE, 0, "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS: The zone", "more zones"},
    {200, FAILED(503, "ZONE_RESOURCE_POOL_EXHAUSTED", "x"), ZONE, GPUC_ESTATE, 0, "x", "zones"},
    {200, FAILED(503, "GPU_STOCKOUT", "x"), ZONE, GPUC_ESTATE, 0, "x", "zones"},
    {200, FAILED(400, "UNSUPPORTED_OPERATION", "x"), ZONE, GPUC_ESTATE, 0, "x", "zones"},
    {503, HTTP(503, "insufficientCapacity", "x"), ZONE, GPUC_ESTATE, 0, "x", "zones"},
    {403, HTTP(403, "forbidden", "Location us-x1-a is not found or access is unauthorized."), ZONE,
     GPUC_EPERM, 0, "Location", "another one"},
    {200,
     FAILED(400, "UNSUPPORTED_OPERATION",
            "Machine type with name 'n9' does not exist in zone 'europe-west3-b'."),
     ZONE, GPUC_ENOTFOUND, 0, "n9", "catalog"},
    {404,
     HTTP(404, "notFound",
          "The resource 'projects/p/zones/z/acceleratorTypes/nvidia-x' was not found"),
     ZONE, GPUC_ENOTFOUND, 0, "nvidia-x", "catalog"},
    /* the region, the project */
    {200,
     QUOTA("nvidia_t4_gpus", "Quota 'NVIDIA_T4_GPUS' exceeded. Limit: 1.0 in region us-east1.",
           "{\"region\":\"us-east1\"}"),
     REGION, GPUC_ELIMIT, 0, "NVIDIA_T4_GPUS", "quota"},
    {200,
     QUOTA("gpus_per_gpu_family", "Quota 'GPUS_PER_GPU_FAMILY' exceeded.",
           "{\"gpu_family\":\"NVIDIA_H100\",\"region\":\"us-east1\"}"),
     REGION, GPUC_ELIMIT, 0, "GPUS_PER_GPU_FAMILY", "quota"},
    {403, HTTP(403, "quotaExceeded", "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-west1."),
     REGION, GPUC_ELIMIT, 0, "CPUS", "region"},
    {200,
     QUOTA("gpus_all_regions", "Quota 'GPUS_ALL_REGIONS' exceeded.  Limit: 0.0 globally.",
           "{\"global\":\"global\"}"),
     FINAL, GPUC_ELIMIT, 0, "GPUS_ALL_REGIONS", "iam-admin/quotas"},
    {403, HTTP(403, "quotaExceeded", "Quota 'GPUS_ALL_REGIONS' exceeded.  Limit: 0.0 globally."),
     FINAL, GPUC_ELIMIT, 0, "GPUS_ALL_REGIONS", "iam-admin/quotas"},
    {200, QUOTA("x", "Quota 'NETWORKS' exceeded.  Limit: 5.0 globally.", "{}"), FINAL, GPUC_ELIMIT,
     0, "NETWORKS", "quotas"},
    /* final */
    {400, HTTP(400, "invalid", "Invalid value for field 'zone': 'nowhere'. Unknown zone."), FINAL,
     GPUC_EINVAL, 0, "field 'zone'", "spec"},
    {400, HTTP(400, "invalid", "Instances with guest accelerators do not support live migration."),
     FINAL, GPUC_EINVAL, 0, "live migration", "spec"},
    {404, HTTP(404, "notFound", "The resource 'projects/p/global/images/family/f' was not found"),
     FINAL, GPUC_ENOTFOUND, 0, "family/f", "names"},
    {403, HTTP(403, "forbidden", "Required 'compute.instances.create' permission for 'projects/p'"),
     FINAL, GPUC_EPERM, 0, "compute.instances.create", "roles/compute"},
    {403, HTTP(403, "accessNotConfigured", "Compute Engine API has not been used in project 1"),
     FINAL, GPUC_EPERM, 0, "has not been used", "gcloud services enable"},
    {403, INFO(403, "PERMISSION_DENIED", "API is off", "SERVICE_DISABLED"), FINAL, GPUC_EPERM, 0,
     "API is off", "gcloud services enable"},
    {403, INFO(403, "PERMISSION_DENIED", "no billing", "BILLING_DISABLED"), FINAL, GPUC_EPERM, 0,
     "no billing", "billing account"},
    {403, INFO(403, "PERMISSION_DENIED", "Caller has not", "USER_PROJECT_DENIED"), FINAL,
     GPUC_EPERM, 0, "Caller", "quota project"},
    {412,
     HTTP(412, "conditionNotMet",
          "Constraint constraints/compute.vmExternalIpAccess violated for project 1."),
     FINAL, GPUC_EPERM, 0, "vmExternalIpAccess", "policy"},
    {400,
     HTTP(400, "invalidResourceUsage",
          "Invalid resource usage: 'Resource cannot be deleted if "
          "it's protected against deletion.'."),
     FINAL, GPUC_ESTATE, 0, "protected", "no-deletion-protection"},
    {400, HTTP(400, "resourceInUseByAnotherResource", "The network resource 'x' is already in use"),
     FINAL, GPUC_ESTATE, 0, "already in use", "uses it"},
    {401, HTTP(401, "authError", "Invalid Credentials"), FINAL, GPUC_EAUTH, 0, "Invalid", "log in"},
    {418, "{\"error\":\"teapot\"}", FINAL, GPUC_EHTTP, 0, "418: teapot", "evidence"},
    {404, "{\"error\":{\"errors\":7,\"message\":[],\"details\":{\"a\":1}}}", FINAL, GPUC_ENOTFOUND,
     0, "no reason given", "names"},
};

static void test_gce_errors__each_has_its_scope(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *answer = json_loads(cases[i].body, 0, NULL);
        gpuc_error *err = NULL;
        int scope = gpuc__gce_classify(cases[i].status, answer, "making m1", &err);

        assert_non_null(err);
        if (scope != cases[i].scope || gpuc_error_code(err) != cases[i].code ||
            !strstr(gpuc_error_message(err), cases[i].said) ||
            !strstr(gpuc_error_remedy(err), cases[i].remedy))
            print_error("case %zu: scope %d: %s; %s\n", i, scope, gpuc_error_message(err),
                        gpuc_error_remedy(err));
        assert_int_equal(scope, cases[i].scope);
        assert_int_equal(gpuc_error_code(err), cases[i].code);
        assert_non_null(strstr(gpuc_error_message(err), cases[i].said));
        assert_non_null(strstr(gpuc_error_remedy(err), cases[i].remedy));
        assert_int_equal(strncmp(gpuc_error_message(err), "making m1: ", 11), 0);
        assert_int_equal(gpuc__gce_pace_of(cases[i].status, answer), cases[i].pace);
        assert_int_equal(gpuc__gce_is_rate_limit(cases[i].status, answer),
                         cases[i].pace == GPUC__GCE_PACE_MINUTE);
        if (scope == RETRY || scope == CONFLICT)
            assert_true(gpuc_error_retryable(err));
        gpuc_error_unref(err);
        json_decref(answer);
    }
}

static void test_gce_errors__what_did_not_fail_is_none(void **state)
{
    static const char *const fine[] = {"{}",
                                       "{\"name\":\"x\"}",
                                       "{\"status\":\"DONE\"}",
                                       "{\"status\":\"RUNNING\",\"progress\":0}",
                                       "{\"status\":\"DONE\",\"httpErrorStatusCode\":200}",
                                       "[]"};

    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        json_t *answer = json_loads(fine[i], 0, NULL);
        gpuc_error *err = NULL;

        assert_int_equal(gpuc__gce_classify(200, answer, "x", &err), GPUC__GCE_SCOPE_NONE);
        assert_null(err);
        json_decref(answer);
    }
}

static void test_gce_errors__a_long_answer_is_cut(void **state)
{
    static char body[200000];
    gpuc_error *err = NULL;
    json_t *answer;
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"error\":{\"errors\":[");

    while (n < sizeof(body) - 200)
        n += (size_t)snprintf(body + n, sizeof(body) - n,
                              "{\"reason\":\"notFound\",\"message\":\"%0100d\"},", 7);
    snprintf(body + n, sizeof(body) - n, "{}]}}");
    answer = json_loads(body, 0, NULL);
    assert_non_null(answer);
    assert_int_equal(gpuc__gce_classify(404, answer, "x", &err), FINAL);
    assert_in_range(strlen(gpuc_error_message(err)), 1000, 5000);
    assert_in_range(strlen(gpuc_error_evidence(err)), 1000, 5000);
    gpuc_error_unref(err);
    json_decref(answer);
}

/* Every rule can be reached in form, and says where it comes from. */
static void test_gce_errors__the_table_is_whole(void **state)
{
    const gpuc__data *data = gpuc__data_get("provider/gce/errors.json");
    json_t *table, *rule, *row, *classes;
    const char *name;
    size_t i;

    assert_non_null(data);
    table = json_loadb(data->text, data->length, JSON_REJECT_DUPLICATES, NULL);
    classes = json_object_get(table, "classes");
    assert_true(json_array_size(json_object_get(table, "rules")) > 30);
    json_array_foreach(json_object_get(table, "rules"), i, rule)
    {
        assert_non_null(
            json_object_get(classes, json_string_value(json_object_get(rule, "class"))));
        assert_true(json_string_length(json_object_get(rule, "source")) > 8);
        assert_int_equal(json_string_length(json_object_get(rule, "date")), 10);
        assert_true(json_object_get(rule, "reasons") || json_object_get(rule, "texts") ||
                    json_object_get(rule, "statuses"));
    }
    json_object_foreach(classes, name, row)
    {
        assert_non_null(json_string_value(json_object_get(row, "scope")));
        assert_non_null(json_string_value(json_object_get(row, "code")));
        assert_true(json_is_boolean(json_object_get(row, "retryable")));
        assert_true(json_string_length(json_object_get(row, "remedy")) > 10);
    }
    json_decref(table);
}

static void test_gce_errors__pauses(void **state)
{
    const int64_t now = 1795470225000; /* 45 s after a full minute */

    for (unsigned jitter = 0; jitter < 256; jitter += 51) {
        unsigned char j = (unsigned char)jitter;
        uint64_t minute = gpuc__gce_delay(GPUC__GCE_PACE_MINUTE, 1, 0, now, j);

        assert_in_range(minute, 15000, 20000);
        assert_in_range(gpuc__gce_delay(GPUC__GCE_PACE_BACKOFF, 1, 0, now, j), 500, 1000);
        assert_in_range(gpuc__gce_delay(GPUC__GCE_PACE_BACKOFF, 3, 0, now, j), 2000, 4000);
        assert_in_range(gpuc__gce_delay(GPUC__GCE_PACE_BACKOFF, 500, 0, now, j), 15000, 30000);
        assert_in_range(gpuc__gce_delay(GPUC__GCE_PACE_SLOW, 1, 0, now, j), 5000, 10000);
        assert_in_range(gpuc__gce_delay(GPUC__GCE_PACE_SLOW, 9, 0, now, j), 30000, 60000);
        assert_in_range(gpuc__gce_delay(GPUC__GCE_PACE_MINUTE, 1, 7, now, j), 7000, 8000);
        assert_in_range(gpuc__gce_delay(GPUC__GCE_PACE_BACKOFF, 1, 999999, now, j), 300000, 301000);
    }
    assert_int_equal(gpuc__gce_retry_after(NULL), 0);
    assert_int_equal(gpuc__gce_retry_after("12"), 12);
    assert_int_equal(gpuc__gce_retry_after("12 "), 12);
    assert_int_equal(gpuc__gce_retry_after("-1"), 0);
    assert_int_equal(gpuc__gce_retry_after("12s"), 0);
    assert_int_equal(gpuc__gce_retry_after("99999999999999999999"), 0);
    assert_int_equal(gpuc__gce_retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_errors__each_has_its_scope),
        cmocka_unit_test(test_gce_errors__what_did_not_fail_is_none),
        cmocka_unit_test(test_gce_errors__a_long_answer_is_cut),
        cmocka_unit_test(test_gce_errors__the_table_is_whole),
        cmocka_unit_test(test_gce_errors__pauses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

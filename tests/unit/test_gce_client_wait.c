/* SPDX-License-Identifier: Apache-2.0 */
/* Operations and lists of the Compute Engine client, against a scripted server (SIMULATED). */
#include "support/gce_api.h"

#include "provider/gce/call.h"

#define ZONE "projects/p1/zones/z1"
#define UUID "6f1c2a52-6f6c-4d7a-9d5e-0a4a0c5b6d7e"
#define WAIT "/compute/v1/" ZONE "/operations/operation-1/wait"
#define FULL                                                                                       \
    GCE_OPERATION("DONE")                                                                          \
    ",\"httpErrorStatusCode\":503,\"httpErrorMessage\":\"SERVICE UNAVAILABLE\",\"error\":"         \
    "{\"errors\":[{\"code\":\"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS\",\"message\":"            \
    "\"The zone does not have enough resources\"}]}}"

static gce_end mutate(int limit_ms)
{
    gce_end end = {0};
    gpuc__gce_args args = {.method = "POST",
                           .path = ZONE "/instances",
                           .request_id = UUID,
                           .doing = "making m1",
                           .limit_ms = limit_ms,
                           .done = gce_on_end,
                           .data = &end};

    assert_non_null(gpuc__gce_mutate(client, &args));
    gce_wait_for(&end);
    return end;
}

/* What comes after the mutation was answered, and what is made of it. */
static const struct {
    const char *name;
    gce_step steps[6];
    int code;
    gpuc__gce_scope scope;
    int requests;
    const char *message;
} operations[] = {
    {"done at once", {{"POST", "/instances?", 200, GCE_DONE}}, GPUC_OK, GPUC__GCE_SCOPE_NONE, 1},
    {"failed at once",
     {{"POST", "/instances?", 200, FULL}},
     GPUC_ESTATE,
     GPUC__GCE_SCOPE_ZONE,
     1,
     "making m1: the operation failed: ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"},
    {"one wait",
     {{"POST", "/instances?", 200, GCE_RUNNING}, {"POST", WAIT, 200, GCE_DONE}},
     GPUC_OK,
     GPUC__GCE_SCOPE_NONE,
     2},
    {"early returns",
     {{"POST", "/instances?", 200, GCE_OPERATION("PENDING") "}"},
      {"POST", WAIT, 200, GCE_RUNNING, 0, 3},
      {"POST", WAIT, 200, GCE_DONE}},
     GPUC_OK,
     GPUC__GCE_SCOPE_NONE,
     5},
    {"failed later",
     {{"POST", "/instances?", 200, GCE_RUNNING}, {"POST", WAIT, 200, FULL}},
     GPUC_ESTATE,
     GPUC__GCE_SCOPE_ZONE,
     2,
     "enough resources"},
    {"done with a status alone",
     {{"POST", "/instances?", 200,
       GCE_OPERATION("DONE") ",\"httpErrorStatusCode\":403,"
                             "\"httpErrorMessage\":\"FORBIDDEN\"}"}},
     GPUC_EPERM,
     GPUC__GCE_SCOPE_FINAL,
     1,
     "FORBIDDEN"},
    {"lost answer",
     {{"POST", "/instances?", 0, NULL, GCE_RESET},
      {"POST", "/instances?requestId=" UUID, 200, GCE_DONE}},
     GPUC_OK,
     GPUC__GCE_SCOPE_NONE,
     2},
    {"trouble while waiting",
     {{"POST", "/instances?", 200, GCE_RUNNING},
      {"POST", WAIT, 503, ""},
      {"POST", WAIT, 0, NULL, GCE_RESET},
      {"POST", WAIT, 200, "{"},
      {"POST", WAIT, 200, GCE_DONE}},
     GPUC_OK,
     GPUC__GCE_SCOPE_NONE,
     5},
    {"a wait that hangs",
     {{"POST", "/instances?", 200, GCE_RUNNING},
      {"POST", WAIT, 0, NULL, GCE_HANG},
      {"POST", WAIT, 200, GCE_DONE}},
     GPUC_OK,
     GPUC__GCE_SCOPE_NONE,
     3},
    {"a token that ends",
     {{"POST", "/instances?", 401, "", GCE_RENEW},
      {"POST", "/instances?", 200, GCE_RUNNING},
      {"POST", WAIT, 401, "", GCE_RENEW},
      {"POST", WAIT, 200, GCE_DONE}},
     GPUC_OK,
     GPUC__GCE_SCOPE_NONE,
     4},
    {"forgotten",
     {{"POST", "/instances?", 200, GCE_RUNNING},
      {"POST", WAIT, 404, GCE_ERROR(404, "notFound", "operation-1 was not found")}},
     GPUC_ENOTFOUND,
     GPUC__GCE_SCOPE_LOOK,
     2,
     "no longer knows the operation"},
    {"failed for a passing reason",
     {{"POST", "/instances?", 200,
       GCE_OPERATION("DONE") ",\"error\":{\"errors\":[{\"code\":\"RESOURCE_NOT_READY\"}]}}"}},
     GPUC_ESTATE,
     GPUC__GCE_SCOPE_FINAL,
     1,
     "RESOURCE_NOT_READY"},
    {"a refused wait",
     {{"POST", "/instances?", 200, GCE_RUNNING},
      {"POST", WAIT, 403, GCE_ERROR(403, "forbidden", "Required 'compute.zoneOperations.wait'")}},
     GPUC_EPERM,
     GPUC__GCE_SCOPE_LOOK,
     2,
     "waiting for the operation was refused"},
    {"a conflict of the wait",
     {{"POST", "/instances?", 200, GCE_RUNNING}, {"POST", WAIT, 412, ""}},
     GPUC_ESTATE,
     GPUC__GCE_SCOPE_LOOK,
     2,
     "waiting for the operation was refused"},
    {"a huge answer",
     {{"POST", "/instances?", 200, NULL, GCE_HUGE}},
     GPUC_ELIMIT,
     GPUC__GCE_SCOPE_LOOK,
     1,
     "larger than"},
    {"no operation",
     {{"POST", "/instances?", 200, "{\"name\":\"x\"}", 0, -1}},
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_LOOK,
     4,
     "unknown status"},
    {"a path in its name",
     {{"POST", "/instances?", 200, "{\"name\":\"../x\",\"status\":\"RUNNING\"}", 0, -1}},
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_LOOK,
     4,
     "no operation"},
    {"an unknown status",
     {{"POST", "/instances?", 200, GCE_OPERATION("LOST") "}", 0, -1}},
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_LOOK,
     4,
     "LOST"},
    {"another operation",
     {{"POST", "/instances?", 200, GCE_RUNNING},
      {"POST", WAIT, 200, "{\"name\":\"operation-2\",\"status\":\"DONE\",\"zone\":\"zones/z1\"}", 0,
       -1}},
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_LOOK,
     5,
     "not about the operation"},
    {"another project",
     {{"POST", "/instances?", 200,
       "{\"name\":\"o\",\"status\":\"DONE\",\"selfLink\":\"" GCE_LINK
       "projects/p2/zones/z1/operations/o\"}"}},
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_FINAL,
     1,
     "project p1 was asked"},
};

static void test_gce_client_wait__follows_an_operation(void **state)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        gce_step steps[6];
        gce_end end;

        memcpy(steps, operations[i].steps, sizeof(steps));
        gce_begin(steps, 5);
        end = mutate(20000);
        if (end.code != operations[i].code || end.scope != operations[i].scope)
            print_error("%s: %d %d %s\n", operations[i].name, end.code, end.scope, end.message);
        assert_int_equal(end.code, operations[i].code);
        assert_int_equal(end.scope, operations[i].scope);
        assert_int_equal(api.count, operations[i].requests); /* curl's own repetitions too */
        if (end.error) {
            if (!strstr(end.message, operations[i].message))
                print_error("%s: %s\n", operations[i].name, end.message);
            assert_non_null(strstr(end.message, operations[i].message));
            assert_non_null(gpuc_error_remedy(end.error));
            assert_int_equal(strstr(end.message, "the operation failed") != NULL,
                             end.answer != NULL); /* its group and places are in it */
        } else {
            assert_string_equal(json_string_value(json_object_get(end.answer, "status")), "DONE");
        }
        gce_drop(&end);
        gce_finish();
    }
}

static void test_gce_client_wait__has_an_end(void **state)
{
    gce_step steps[] = {
        {"POST", "/instances?", 200, GCE_RUNNING}, {"POST", WAIT, 200, GCE_RUNNING, 0, -1}, {NULL}};
    gce_end end;

    gce_begin(steps, 40);
    end = mutate(1000);
    assert_int_equal(end.code, GPUC_ETIMEDOUT);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_RETRY);
    /* a server that holds no wait is asked ever more rarely: 1, 2, 3, 4, 5, 5 … */
    assert_in_range(gpuc__gce_client_requests(client), 4, 12);
    gce_drop(&end);
    gce_finish();
}

static void test_gce_client_wait__can_be_cancelled(void **state)
{
    for (int turns = 0; turns < 8; turns++) {
        gce_step steps[] = {{"POST", "/instances?", 200, GCE_RUNNING},
                            {"POST", WAIT, 200, GCE_RUNNING},
                            {"POST", WAIT, 0, NULL, GCE_HANG, -1},
                            {NULL}};
        gce_end end = {0};
        gpuc__gce_args args = {.method = "POST",
                               .path = ZONE "/instances",
                               .request_id = UUID,
                               .done = gce_on_end,
                               .data = &end};
        gpuc__gce_call *call;

        gce_begin(steps, 60);
        call = gpuc__gce_mutate(client, &args);
        for (int i = 0; i < turns; i++)
            gpuc_context_run(context, 20, NULL);
        gpuc__gce_call_cancel(call);
        gce_wait_for(&end);
        assert_int_equal(end.code, GPUC_ECANCELLED);
        gce_drop(&end);
        gce_finish();
    }
}

static const struct {
    const char *operation, *path, *wanted; /* wanted NULL: refused */
} places[] = {
    {"{\"name\":\"o-1\",\"selfLink\":\"" GCE_LINK "projects/p/zones/z/operations/o-1\"}", NULL,
     "projects/p/zones/z/operations/o-1"},
    {"{\"name\":\"o-1\",\"selfLink\":\"" GCE_LINK "projects/p/regions/r/operations/o-1\"}", NULL,
     "projects/p/regions/r/operations/o-1"},
    {"{\"name\":\"o-1\",\"selfLink\":\"" GCE_LINK "projects/p/global/operations/o-1\"}", NULL,
     "projects/p/global/operations/o-1"},
    {"{\"name\":\"o-1\",\"zone\":\"" GCE_LINK "projects/p/zones/z\"}",
     "projects/p/zones/z/instances", "projects/p/zones/z/operations/o-1"},
    {"{\"name\":\"o-1\",\"region\":\"regions/r\"}", "projects/p",
     "projects/p/regions/r/operations/o-1"},
    {"{\"name\":\"o-1\"}", "projects/p/global/firewalls", "projects/p/global/operations/o-1"},
    {"{\"name\":\"o-1\"}", NULL, NULL},
    {"{\"selfLink\":\"" GCE_LINK "projects/p/global/operations/o-1\"}", NULL, NULL},
    {"{\"name\":\"o-2\",\"selfLink\":\"" GCE_LINK "projects/p/global/operations/o-1\"}", NULL,
     NULL},
    {"{\"name\":\"o-1\",\"selfLink\":\"" GCE_LINK "projects/p/zones/z/instances/o-1\"}", NULL,
     NULL},
    {"{\"name\":\"o-1\",\"selfLink\":\"" GCE_LINK "projects/p/zones/../operations/o-1\"}", NULL,
     NULL},
    {"{\"name\":\"o?1\",\"selfLink\":\"" GCE_LINK "projects/p/global/operations/o?1\"}", NULL,
     NULL},
    {"{\"name\":7}", "projects/p", NULL},
    {"[]", "projects/p", NULL},
};

static void test_gce_client_wait__knows_where_an_operation_is(void **state)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        json_t *operation = json_loads(places[i].operation, 0, NULL);
        gpuc_error *err = NULL;
        char *path = NULL;
        int rc = gpuc__gce_operation_path(&path, operation, places[i].path, &err);

        assert_int_equal(rc, places[i].wanted ? GPUC_OK : GPUC_EPROTO);
        if (places[i].wanted)
            assert_string_equal(path, places[i].wanted);
        else
            assert_non_null(gpuc_error_remedy(err));
        gpuc__free(path);
        gpuc_error_unref(err);
        json_decref(operation);
    }
}

static void test_gce_client_wait__takes_up_an_operation(void **state)
{
    static const struct {
        const char *operation, *path;
        int code, requests;
    } cases[] = {
        {GCE_DONE, NULL, GPUC_OK, 0},
        {FULL, NULL, GPUC_ESTATE, 0},
        {GCE_RUNNING, NULL, GPUC_OK, 1},
        {GCE_RUNNING, "projects/p1", GPUC_OK, 1},
        {GCE_RUNNING, "projects/p2", GPUC_EPROTO, 0},
        {"{\"name\":\"operation-1\",\"status\":\"RUNNING\",\"zone\":\"z1\"}", "projects/p1",
         GPUC_OK, 1},
        {"{\"name\":\"operation-1\",\"status\":\"RUNNING\"}", NULL, GPUC_EPROTO, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gce_step steps[] = {{"POST", WAIT, 200, GCE_DONE}, {NULL}};
        json_t *operation = json_loads(cases[i].operation, 0, NULL);
        gce_end end = {0};
        gpuc__gce_args args = {.path = cases[i].path, .done = gce_on_end, .data = &end};

        gce_begin(steps, 5);
        assert_non_null(gpuc__gce_wait(client, operation, &args));
        json_decref(operation);
        gce_wait_for(&end);
        assert_int_equal(end.code, cases[i].code);
        assert_int_equal(gpuc__gce_client_requests(client), cases[i].requests);
        gce_drop(&end);
        gce_finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_client_wait__follows_an_operation),
        cmocka_unit_test(test_gce_client_wait__has_an_end),
        cmocka_unit_test(test_gce_client_wait__can_be_cancelled),
        cmocka_unit_test(test_gce_client_wait__knows_where_an_operation_is),
        cmocka_unit_test(test_gce_client_wait__takes_up_an_operation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

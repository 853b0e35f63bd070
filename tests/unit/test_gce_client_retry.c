/* SPDX-License-Identifier: Apache-2.0 */
/* What the client of the Compute Engine API repeats, when, and for how long, against a scripted
 * server (SIMULATED). */
#include "support/gce_api.h"

#include "provider/gce/call.h"
#include "util/error.h"

#define ZONE "projects/p1/zones/z1"
#define UUID "6f1c2a52-6f6c-4d7a-9d5e-0a4a0c5b6d7e"
#define LIMITED GCE_ERROR(403, "rateLimitExceeded", "Rate Limit Exceeded")
#define HTML "<html><body>502 Bad Gateway</body></html>"

static void finish(gce_end *end)
{
    gce_drop(end);
    gce_finish();
}

static gce_end ask(const char *method, const char *request_id, int limit_ms)
{
    gce_end end = {0};
    gpuc__gce_args args = {.method = method,
                           .path = ZONE "/instances",
                           .request_id = request_id,
                           .doing = "making m1",
                           .limit_ms = limit_ms,
                           .done = gce_on_end,
                           .data = &end};

    assert_non_null(gpuc__gce_send(client, &args));
    gce_wait_for(&end);
    return end;
}

/* One failure, then "{}": for a read, for a mutation with an id, and for one without. */
static const struct {
    const char *name;
    gce_step step;
    gpuc__gce_scope without_id; /* NONE: it is repeated all the same */
} transient[] = {
    {"500", {.status = 500, .body = ""}, GPUC__GCE_SCOPE_LOOK},
    {"502", {.status = 502, .body = HTML}, GPUC__GCE_SCOPE_LOOK},
    {"503",
     {.status = 503, .body = GCE_ERROR(503, "backendError", "Backend Error")},
     GPUC__GCE_SCOPE_LOOK},
    {"504", {.status = 504, .body = ""}, GPUC__GCE_SCOPE_LOOK},
    {"429", {.status = 429, .body = ""}, GPUC__GCE_SCOPE_RETRY},
    {"429 with Retry-After",
     {.status = 429, .body = "", .headers = "Retry-After: 3\r\n"},
     GPUC__GCE_SCOPE_RETRY},
    {"429 with a date",
     {.status = 429, .body = "", .headers = "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"},
     GPUC__GCE_SCOPE_RETRY},
    {"rate", {.status = 403, .body = LIMITED}, GPUC__GCE_SCOPE_RETRY},
    {"per minute",
     {.status = 403,
      .body = GCE_ERROR(403, "forbidden",
                        "Quota exceeded for quota metric 'Queries' and limit 'Queries "
                        "per minute' of service 'compute.googleapis.com'")},
     GPUC__GCE_SCOPE_RETRY},
    {"not ready",
     {.status = 400, .body = GCE_ERROR(400, "resourceNotReady", "The resource is not")},
     GPUC__GCE_SCOPE_RETRY},
    {"reset", {.flags = GCE_RESET}, GPUC__GCE_SCOPE_LOOK},
    {"cut", {.status = 200, .body = "{\"name\":\"a\"}", .flags = GCE_CUT}, GPUC__GCE_SCOPE_LOOK},
    {"hang", {.flags = GCE_HANG}, GPUC__GCE_SCOPE_LOOK},
    {"cut JSON", {.status = 200, .body = "{\"name\":\"a"}, GPUC__GCE_SCOPE_LOOK},
    {"no JSON", {.status = 200, .body = HTML}, GPUC__GCE_SCOPE_LOOK},
    {"an array", {.status = 200, .body = "[]"}, GPUC__GCE_SCOPE_LOOK},
    {"nothing", {.status = 200, .body = ""}, GPUC__GCE_SCOPE_LOOK},
    {"twice the same key", {.status = 200, .body = "{\"a\":1,\"a\":2}"}, GPUC__GCE_SCOPE_LOOK},
    {"401", {.status = 401, .body = "", .flags = GCE_RENEW}, GPUC__GCE_SCOPE_NONE},
};

static void try_one(size_t i, const char *method, const char *request_id)
{
    gce_step steps[] = {transient[i].step, {method, "/", 200, "{}"}, {NULL}};
    bool again =
        transient[i].without_id == GPUC__GCE_SCOPE_NONE || request_id || strcmp(method, "GET") == 0;
    gce_end end;

    steps[0].method = method;
    steps[0].target = "/";
    gce_begin(steps, 5);
    end = ask(method, request_id, 20000);
    if ((end.code == GPUC_OK) != again)
        print_error("%s, %s: %d %s\n", transient[i].name, method, end.code, end.message);
    assert_int_equal(end.code == GPUC_OK, again);
    assert_int_equal(end.scope, again ? GPUC__GCE_SCOPE_NONE : transient[i].without_id);
    assert_int_equal(gpuc__gce_client_requests(client), again ? 2 : 1);
    if (request_id)
        assert_int_equal(gce_asked("requestId=" UUID), 2);
    if (end.error) {
        assert_non_null(strstr(end.message, "making m1: "));
        assert_non_null(gpuc_error_remedy(end.error));
    }
    finish(&end);
}

static void test_gce_client_retry__repeats_what_is_transient(void **state)
{
    for (size_t i = 0; i < sizeof(transient) / sizeof(transient[0]); i++) {
        try_one(i, "GET", NULL);
        try_one(i, "POST", UUID);
        try_one(i, "POST", NULL);
    }
}

static void test_gce_client_retry__nor_does_curl_repeat_it(void **state)
{
    gce_step steps[] = {{"GET", "/", 200, "{}"},
                        {"POST", "/", 0, NULL, GCE_RESET},
                        {"POST", "/", 200, "{}"},
                        {NULL}};
    gce_end end;

    gce_begin(steps, 5);
    end = ask("GET", NULL, 20000); /* leaves a connection that could be used again */
    gce_drop(&end);
    end = ask("POST", NULL, 20000);
    assert_int_equal(end.code, GPUC_ENETWORK);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_LOOK);
    assert_int_equal(gce_asked("POST /"), 1);
    finish(&end);
}

static const struct {
    int status;
    const char *reason;
    int code;
    gpuc__gce_scope scope;
} lasting[] = {
    {400, "invalid", GPUC_EINVAL, GPUC__GCE_SCOPE_FINAL},
    {403, "forbidden", GPUC_EPERM, GPUC__GCE_SCOPE_FINAL},
    {403, "quotaExceeded", GPUC_ELIMIT, GPUC__GCE_SCOPE_FINAL},
    {404, "notFound", GPUC_ENOTFOUND, GPUC__GCE_SCOPE_FINAL},
    {409, "alreadyExists", GPUC_EEXIST, GPUC__GCE_SCOPE_EXISTS},
    {412, "conditionNotMet", GPUC_ESTATE, GPUC__GCE_SCOPE_CONFLICT},
    {302, "moved", GPUC_EPROTO, GPUC__GCE_SCOPE_FINAL},
    {503, "ZONE_RESOURCE_POOL_EXHAUSTED", GPUC_ESTATE, GPUC__GCE_SCOPE_ZONE},
};

static void test_gce_client_retry__does_not_repeat_what_lasts(void **state)
{
    for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {
        char body[256];
        gce_step steps[] = {{"POST", "/", lasting[i].status, body, 0, -1}, {NULL}};
        gce_end end;

        snprintf(body, sizeof(body), "{\"error\":{\"errors\":[{\"reason\":\"%s\"}]}}",
                 lasting[i].reason);
        gce_begin(steps, 5);
        end = ask("POST", UUID, 20000);
        assert_int_equal(end.code, lasting[i].code);
        assert_int_equal(end.scope, lasting[i].scope);
        assert_int_equal(gpuc__gce_client_requests(client), 1);
        finish(&end);
    }
}

static void test_gce_client_retry__a_refused_token_is_replaced_once(void **state)
{
    gce_step renewed[] = {{"POST", "/", 401, "", GCE_RENEW}, {"POST", "/", 200, "{}"}, {NULL}};
    gce_step refused[] = {{"POST", "/", 401, "", GCE_RENEW, -1}, {NULL}};
    gce_end end;

    gce_begin(renewed, 5);
    end = ask("POST", NULL, 20000);
    assert_int_equal(end.code, GPUC_OK);
    assert_int_equal(gce_asked("Authorization: Bearer token-1\r\n"), 1);
    assert_int_equal(gce_asked("Authorization: Bearer token-2\r\n"), 1);
    finish(&end);

    gce_begin(refused, 5);
    end = ask("POST", UUID, 20000);
    assert_int_equal(end.code, GPUC_EAUTH);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_FINAL);
    assert_int_equal(gpuc__gce_client_requests(client), 2);
    finish(&end);
}

static void after_two_tries(gce_step *steps, int limit_ms, int code, const char *message)
{
    gce_end end;

    gce_begin(steps, 10);
    end = ask("GET", NULL, limit_ms);
    assert_int_equal(end.code, code);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_RETRY);
    assert_non_null(strstr(end.message, message));
    assert_int_equal(gpuc__gce_client_requests(client), 2);
    finish(&end);
}

static void test_gce_client_retry__gives_up_at_its_limit(void **state)
{
    gce_step busy[] = {{"GET", "/", 503, GCE_ERROR(503, "backendError", "busy"), 0, -1}, {NULL}};
    gce_step hang[] = {{"GET", "/", 0, NULL, GCE_HANG, -1}, {NULL}};
    gce_step both[] = {{"GET", "/", 503, GCE_ERROR(503, "backendError", "busy")},
                       {"GET", "/", 0, NULL, GCE_HANG, -1},
                       {NULL}};
    uint64_t begun;
    gce_end end;

    gce_begin(busy, 10);
    begun = gpuc__clock_ms();
    end = ask("GET", NULL, 2000);
    assert_true(gpuc__clock_ms() - begun < 20000);
    assert_int_equal(end.code, GPUC_EHTTP);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_RETRY);
    assert_true(gpuc_error_retryable(end.error));
    assert_non_null(strstr(end.message, "given up after"));
    assert_true(gpuc__gce_client_requests(client) >= 3);
    finish(&end);

    after_two_tries(hang, 1500, GPUC_ETIMEDOUT, "(given up after 2 tries");
    /* the second try has less than its time: the first one tells */
    after_two_tries(both, 900, GPUC_EHTTP, "busy; backendError (given up after 2 tries");
}

static void test_gce_client_retry__does_not_wait_beyond_its_limit(void **state)
{
    gce_step later[] = {{"GET", "/", 429, "", 0, -1, "Retry-After: 60\r\n"}, {NULL}};
    uint64_t begun;
    gce_end end;

    gce_begin(later, 1000);
    begun = gpuc__clock_ms();
    end = ask("GET", NULL, 20000);
    assert_true(gpuc__clock_ms() - begun < 10000);
    assert_int_equal(end.code, GPUC_ELIMIT);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_RETRY);
    assert_int_equal(gpuc__gce_client_requests(client), 1);
    finish(&end);
}

static void test_gce_client_retry__nonsense_is_asked_for_four_times(void **state)
{
    gce_step steps[] = {{"POST", "/", 200, "{\"cut", 0, -1}, {NULL}};
    gce_end end;

    gce_begin(steps, 5);
    end = ask("POST", UUID, 20000);
    assert_int_equal(end.code, GPUC_EPROTO);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_LOOK); /* it may have been carried out */
    assert_int_equal(gpuc__gce_client_requests(client), 4);
    assert_non_null(strstr(gpuc_error_evidence(end.error), "{\"cut"));
    finish(&end);
}

/* Of another server; 15 s are 150 ms for it. */
static gpuc__gce_client *client_of(const char *endpoint)
{
    gpuc__gce_client *of = NULL;

    assert_int_equal(gpuc__gce_client_new(&of, context, auth, endpoint, NULL), GPUC_OK);
    gpuc__gce_client_scale_time(of, 10);
    return of;
}

static void test_gce_client_retry__nobody_listens(void **state)
{
    gce_step none[] = {{NULL}};
    gce_end end = {0};
    gpuc__gce_args args = {
        .method = "GET", .path = ZONE, .limit_ms = 2000, .done = gce_on_end, .data = &end};
    gpuc__gce_client *other;

    gce_begin(none, 10);
    other = client_of("http://127.0.0.1:1/compute/v1/");
    assert_non_null(gpuc__gce_send(other, &args));
    gce_wait_for(&end);
    assert_int_equal(end.code, GPUC_ENETWORK);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_RETRY);
    assert_true(gpuc__gce_client_requests(other) >= 3);
    gce_drop(&end);
    gpuc__gce_client_unref(other);
    gce_finish();
}

/* The name of a server that has never answered is wrong: that is not waited out for minutes. */
static void test_gce_client_retry__an_unknown_host_is_given_up_soon(void **state)
{
    gce_step none[] = {{NULL}};
    gce_end end = {0};
    gpuc__gce_args args = {
        .method = "GET", .path = ZONE, .limit_ms = 120000, .done = gce_on_end, .data = &end};
    gpuc__gce_client *other;
    gpuc_error *error = NULL;

    gce_begin(none, 10);
    other = client_of("https://no-such-host.invalid/compute/v1/");
    assert_non_null(gpuc__gce_send(other, &args));
    gce_wait_for(&end);
    assert_int_equal(end.code, GPUC_ENETWORK);
    assert_int_equal(gpuc_error_native_code(end.error), 6);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_RETRY);
    assert_non_null(strstr(end.message, "no-such-host.invalid"));
    assert_non_null(strstr(gpuc_error_remedy(end.error), "name service"));
    assert_true(gpuc__gce_client_requests(other) < 12);
    gce_drop(&end);
    gpuc__gce_client_unref(other);
    gce_finish();
    gpuc__error_set(&error, GPUC_ENETWORK, GPUC_DOMAIN_PROVIDER, "x");
    assert_int_equal(gpuc__gce_patience_ms(error, false), 0); /* others: as long as it may last */
    gpuc__error_native(&error, 6);
    assert_int_equal(gpuc__gce_patience_ms(error, false), 15000);
    assert_int_equal(gpuc__gce_patience_ms(error, true), 120000);
    gpuc_error_unref(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_client_retry__repeats_what_is_transient),
        cmocka_unit_test(test_gce_client_retry__nor_does_curl_repeat_it),
        cmocka_unit_test(test_gce_client_retry__does_not_repeat_what_lasts),
        cmocka_unit_test(test_gce_client_retry__a_refused_token_is_replaced_once),
        cmocka_unit_test(test_gce_client_retry__gives_up_at_its_limit),
        cmocka_unit_test(test_gce_client_retry__does_not_wait_beyond_its_limit),
        cmocka_unit_test(test_gce_client_retry__nonsense_is_asked_for_four_times),
        cmocka_unit_test(test_gce_client_retry__nobody_listens),
        cmocka_unit_test(test_gce_client_retry__an_unknown_host_is_given_up_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

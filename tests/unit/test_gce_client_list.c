/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of the Compute Engine client, against a scripted server (SIMULATED); and every allocation
 * of a call failing in turn. */
#include "support/gce_api.h"
#include "support/run_until.h"

#define ZONE "projects/p1/zones/z1"
#define ALL "projects/p1/aggregated/instances"
#define UUID "6f1c2a52-6f6c-4d7a-9d5e-0a4a0c5b6d7e"
#define EMPTY "{\"warning\":{\"code\":\"NO_RESULTS_ON_PAGE\",\"message\":\"none\"}}"
#define DOWN "{\"warning\":{\"code\":\"UNREACHABLE\",\"message\":\"the zone is down\"}}"

static gce_end list(const char *path, const char *kind)
{
    gce_end end = {0};
    gpuc__gce_args args = {.method = "GET",
                           .path = path,
                           .query = "filter=labels.a%3Db",
                           .doing = "listing",
                           .limit_ms = 20000,
                           .done = gce_on_end,
                           .data = &end};

    assert_non_null(gpuc__gce_list(client, &args, kind));
    gce_wait_for(&end);
    return end;
}

static const struct {
    const char *name, *path, *kind;
    gce_step steps[4];
    int items, requests, code; /* items: the array's size */
    gpuc__gce_scope scope;
    const char *message;
} lists[] = {
    {"none",
     ZONE "/instances",
     NULL,
     {{"GET", "/instances?filter=labels.a%3Db&maxResults=500", 200, "{}"}},
     0,
     1},
    {"one page", ZONE "/instances", NULL, {{"GET", "/", 200, "{\"items\":[{},{}]}"}}, 2, 1},
    {"three pages",
     ZONE "/instances",
     NULL,
     {{"GET", "maxResults=500&pageToken=b", 200, "{\"items\":[{},{}],\"nextPageToken\":\"c d\"}"},
      {"GET", "maxResults=500&pageToken=c%20d", 200, "{\"items\":[{}],\"nextPageToken\":\"\"}"},
      {"GET", "maxResults=500", 200, "{\"items\":[{}],\"nextPageToken\":\"b\"}"}},
     4,
     3},
    {"a page that fails",
     ZONE "/instances",
     NULL,
     {{"GET", "pageToken=b", 503, ""},
      {"GET", "pageToken=b", 200, "{\"items\":[{}]}"},
      {"GET", "maxResults=500", 200, "{\"items\":[{}],\"nextPageToken\":\"b\"}"}},
     2,
     3},
    {"aggregated",
     ALL,
     "instances",
     {{"GET", "maxResults=500&returnPartialSuccess=true", 200,
       "{\"items\":{\"zones/a\":{\"instances\":[{},{}]},\"zones/b\":" EMPTY
       ",\"zones/c\":{\"instances\":[{}]}}}"}},
     3,
     1},
    {"a zone down once",
     ALL,
     "instances",
     {{"GET", "/", 200, "{\"items\":{\"zones/a\":{\"instances\":[{}]},\"zones/b\":" DOWN "}}"},
      {"GET", "/", 200, "{\"items\":{\"zones/a\":{\"instances\":[{}]},\"zones/b\":" EMPTY "}}"}},
     1,
     2},
    {"a zone down",
     ALL,
     "instances",
     {{"GET", "/", 200, "{\"items\":{\"zones/b\":" DOWN "}}", 0, -1}},
     0,
     4,
     GPUC_EHTTP,
     GPUC__GCE_SCOPE_RETRY,
     "zones/b did not answer"},
    {"unreachables",
     ALL,
     "instances",
     {{"GET", "/", 200, "{\"items\":{},\"unreachables\":[\"zones/q\"]}", 0, -1}},
     0,
     4,
     GPUC_EHTTP,
     GPUC__GCE_SCOPE_RETRY,
     "zones/q did not answer"},
    {"the same page for ever",
     ZONE "/instances",
     NULL,
     {{"GET", "/", 200, "{\"items\":[{}],\"nextPageToken\":\"b\"}", 0, -1}},
     0,
     5,
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_FINAL,
     "no page of a list"},
    {"items that are none",
     ZONE "/instances",
     NULL,
     {{"GET", "/", 200, "{\"items\":7}"}},
     0,
     1,
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_FINAL,
     "no list"},
    {"another kind",
     ALL,
     "instances",
     {{"GET", "/", 200, "{\"items\":{\"zones/a\":{\"instances\":{}}}}"}},
     0,
     1,
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_FINAL,
     "no list of instances"},
    {"another project",
     ZONE "/instances",
     NULL,
     {{"GET", "/", 200, "{\"items\":[{\"selfLink\":\"" GCE_LINK "projects/p2/x\"}]}"}},
     0,
     1,
     GPUC_EPROTO,
     GPUC__GCE_SCOPE_FINAL,
     "projects/p2/x"},
};

static void test_gce_client_list__takes_all_pages_and_zones(void **state)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        gce_step steps[5] = {{NULL}};
        gce_end end;

        memcpy(steps, lists[i].steps, sizeof(lists[i].steps));
        gce_begin(steps, 5);
        end = list(lists[i].path, lists[i].kind);
        if (end.code != lists[i].code || api.count != lists[i].requests)
            print_error("%s: %d %s\n", lists[i].name, end.code, end.message);
        assert_int_equal(end.code, lists[i].code);
        assert_int_equal(end.scope, lists[i].scope);
        assert_int_equal(api.count, lists[i].requests);
        assert_int_equal(json_array_size(end.answer), lists[i].items);
        if (end.error) {
            assert_null(end.answer);
            assert_non_null(strstr(end.message, lists[i].message));
            assert_non_null(gpuc_error_remedy(end.error));
        }
        gce_drop(&end);
        gce_finish();
    }
}

static void test_gce_client_list__leaves_out_what_nobody_needs(void **state)
{
    gce_step steps[] = {
        {"GET", "/", 200, "{\"items\":{\"zones/a\":{\"instances\":[{\"a\":1,\"b\":2},7]}}}"},
        {NULL}};
    static const char *const without[] = {"b", "c", NULL};
    gce_end end = {0};
    gpuc__gce_args args = {.method = "GET", .path = ALL, .doing = "listing", .limit_ms = 20000,
                           .without = without, .done = gce_on_end, .data = &end};
    json_t *wanted = json_pack("[{s:i}, i]", "a", 1, 7);

    gce_begin(steps, 2);
    assert_non_null(gpuc__gce_list(client, &args, "instances"));
    gce_wait_for(&end);
    assert_true(json_equal(end.answer, wanted));
    json_decref(wanted);
    gce_drop(&end);
    gce_finish();
}

/* A server that always has one more page. */
static void serve_for_ever(http_server *server, int fd)
{
    http_server_request r;
    char answer[128];

    while (http_server_read(fd, &r)) {
        snprintf(answer, sizeof(answer),
                 "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n"
                 "{\"items\":[{}],\"nextPageToken\":\"%08d\"}",
                 ++api.count);
        http_server_puts(fd, answer);
        free(r.body);
        r.body = NULL;
    }
    free(r.body);
}

static void test_gce_client_list__has_an_end(void **state)
{
    gce_step none[] = {{NULL}};
    gce_end end;

    gce_begin(none, 5);
    api.server.serve = serve_for_ever;
    end = list(ZONE "/instances", NULL);
    assert_int_equal(end.code, GPUC_ELIMIT);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_FINAL);
    assert_int_equal(api.count, 1000);
    gce_drop(&end);
    gce_finish();
}

#define MANY 200

/* The first 64, which get their turn at once, and those behind them. */
static void send_many(gce_end *ends, gpuc__gce_call **calls, int first_ms, int behind_ms)
{
    for (int i = 0; i < MANY; i++) {
        gpuc__gce_args args = {.method = "GET",
                               .path = ZONE,
                               .limit_ms = i < 64 ? first_ms : behind_ms,
                               .done = gce_on_end,
                               .data = &ends[i]};

        calls[i] = gpuc__gce_send(client, &args);
        assert_non_null(calls[i]);
    }
}

static void wait_for_many(gce_end *ends, int code)
{
    for (int i = 0; i < MANY; i++) {
        RUN_UNTIL(context, ends[i].done);
        assert_int_equal(ends[i].done, 1);
        if (code || i % 2)
            assert_int_equal(ends[i].code, code);
        gce_drop(&ends[i]);
    }
}

static void test_gce_client_list__many_calls_take_turns(void **state)
{
    static gce_end ends[MANY];
    static gpuc__gce_call *calls[MANY];
    gce_step steps[] = {{"GET", "/", 200, "{}", 0, -1}, {NULL}};

    gce_begin(steps, 5);
    send_many(ends, calls, 20000, 20000);
    gpuc_context_run(context, 0, NULL);
    for (int i = 0; i < MANY; i += 2) /* some have been sent, most wait for their turn */
        if (!ends[i].done)
            gpuc__gce_call_cancel(calls[i]);
    wait_for_many(ends, GPUC_OK);
    assert_in_range(api.count, MANY / 2,
                    MANY - 1); /* over no more than the server's 64 connections */
    gce_finish();
}

static void test_gce_client_list__a_turn_that_never_comes(void **state)
{
    static gce_end ends[MANY];
    static gpuc__gce_call *calls[MANY];
    gce_step steps[] = {{"GET", "/", 0, NULL, GCE_HANG, -1}, {NULL}};

    gce_begin(steps, 5);
    send_many(ends, calls, 900, 300);
    wait_for_many(ends, GPUC_ETIMEDOUT);
    assert_int_equal(gpuc__gce_client_requests(client), 64);
    gce_finish();
}

static atomic_long left = -1; /* allocations that still work; -1: all */

static bool spend(void)
{
    return left < 0 || (left > 0 && left-- > 0);
}

static void *failing_malloc(size_t size)
{
    return spend() ? malloc(size) : NULL;
}

static void *failing_realloc(void *memory, size_t size)
{
    return spend() ? realloc(memory, size) : NULL;
}

static void test_gce_client_list__each_allocation_fails_in_turn(void **state)
{
    static const gpuc_allocator allocator = {failing_malloc, failing_realloc, free};
    gce_step steps[] = {{"POST", "/instances?", 200, GCE_RUNNING, 0, -1},
                        {"POST", "/wait", 200, GCE_DONE, 0, -1},
                        {NULL}};
    json_t *body = json_pack("{s:s}", "name", "c1-m1");
    long n, failed = 0, fine = 0;

    gpuc_set_allocator(&allocator);
    gce_begin(steps, 5);
    for (n = 0; n < 2000; n++) {
        gce_end end = {0};
        gpuc__gce_args args = {.method = "POST",
                               .path = ZONE "/instances",
                               .query = "a=b",
                               .body = body,
                               .request_id = UUID,
                               .doing = "making m1",
                               .machine = "m1",
                               .limit_ms = 2000,
                               .done = gce_on_end,
                               .data = &end};
        gpuc__gce_call *call;

        left = n;
        call = gpuc__gce_mutate(client, &args);
        if (call)
            gce_wait_for(&end);
        left = -1;
        if (!call)
            assert_int_equal(end.done, 0);
        else if (end.error)
            assert_true(end.scope != GPUC__GCE_SCOPE_NONE && !end.answer);
        else
            assert_non_null(end.answer);
        failed += !call || end.error;
        fine = call && !end.error ? fine + 1 : 0;
        gce_drop(&end);
        if (fine == 20) /* one that is lost may be made up for */
            break;
    }
    assert_true(failed > 20 && n < 2000);
    gce_finish();
    gpuc_set_allocator(NULL);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_client_list__takes_all_pages_and_zones),
        cmocka_unit_test(test_gce_client_list__leaves_out_what_nobody_needs),
        cmocka_unit_test(test_gce_client_list__has_an_end),
        cmocka_unit_test(test_gce_client_list__many_calls_take_turns),
        cmocka_unit_test(test_gce_client_list__a_turn_that_never_comes),
        cmocka_unit_test(test_gce_client_list__each_allocation_fails_in_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, lists and apply against a scripted API server. */
#include "support/kube_api.h"

#include "kube/status.h"

static void get(kube_end *end, const char *path, int deadline_ms)
{
    assert_non_null(gpuc__kube_send(kube, &(gpuc__kube_args){.method = "GET",
                                                             .path = path,
                                                             .deadline_ms = deadline_ms,
                                                             .done = kube_on_end,
                                                             .data = end}));
    assert_int_equal(end->done, 0);
    kube_wait(end);
}

static void test_client__maps_status_objects(void **state)
{
    kube_step steps[] = {
        {"GET", "/a", 404, KUBE_STATUS(404, "NotFound", "nodes a not found")},
        {"GET", "/b", 403, KUBE_STATUS(403, "Forbidden", "nodes is forbidden")},
        {"GET", "/c", 401, KUBE_STATUS(401, "Unauthorized", "Unauthorized")},
        {"GET", "/d", 409, KUBE_STATUS(409, "AlreadyExists", "jobs d already exists")},
        {"GET", "/e", 422, KUBE_STATUS(422, "Invalid", "spec.x: Required value")},
        {"GET", "/f", 200, "<html>login</html>"},
        {NULL}};
    static const struct {
        const char *path;
        int code, native;
        const char *text;
    } cases[] = {{"/a", GPUC_ENOTFOUND, 404, "nodes a not found"},
                 {"/b", GPUC_EPERM, 403, "nodes is forbidden"},
                 {"/c", GPUC_EAUTH, 401, "Unauthorized"},
                 {"/d", GPUC_EEXIST, 409, "already exists"},
                 {"/e", GPUC_EHTTP, 422, "spec.x: Required value"},
                 {"/f", GPUC_EPROTO, 0, "not JSON"}};

    kube_api_begin(steps);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        kube_end end = {0};

        get(&end, cases[i].path, 0);
        assert_int_equal(gpuc_error_code(end.error), cases[i].code);
        assert_int_equal(gpuc_error_native_code(end.error), cases[i].native);
        assert_int_equal(gpuc_error_domain(end.error), GPUC_DOMAIN_KUBERNETES);
        assert_non_null(strstr(gpuc_error_message(end.error), cases[i].text));
        assert_non_null(gpuc_error_remedy(end.error));
        kube_drop(&end);
    }
    assert_int_equal(api.count, 6); /* none was tried again */
    kube_api_end();
}

static void test_client__tries_again_while_it_may_help(void **state)
{
    kube_step steps[] = {
        {"GET", "/x", 0},
        {"GET", "/x", 503, "busy"},
        {"GET", "/x", 429, KUBE_STATUS(429, "TooManyRequests", "slow down"),
         .headers = "Retry-After: 1\r\n"},
        {"GET", "/x", 200, "{\"ok\": true}"},
        {NULL}};
    kube_end end = {0};
    uint64_t begun;

    kube_api_begin(steps);
    begun = gpuc__clock_ms();
    get(&end, "/x", 0);
    assert_null(end.error);
    assert_true(json_is_true(json_object_get(end.result, "ok")));
    assert_true(gpuc__clock_ms() - begun >= 1000);
    kube_drop(&end);
    kube_api_end();
}

static void test_client__gives_up_at_the_deadline(void **state)
{
    kube_step steps[] = {{"GET", "/x", 503, "busy", .times = -1}, {NULL}};
    kube_end end = {0};

    kube_api_begin(steps);
    get(&end, "/x", 900);
    assert_int_equal(gpuc_error_code(end.error), GPUC_EHTTP);
    assert_int_equal(gpuc_error_native_code(end.error), 503);
    assert_int_equal(gpuc_error_retryable(end.error), 1);
    assert_non_null(strstr(gpuc_error_message(end.error), "given up after"));
    assert_non_null(gpuc_error_remedy(end.error));
    assert_in_range(api.count, 2, 5);
    kube_drop(&end);
    kube_api_end();
}

static void test_client__cancel_ends_once(void **state)
{
    kube_step steps[] = {{"GET", "/x", 200, "", KUBE_HANG}, {"GET", "/y", 503, "", .times = -1},
                         {NULL}};
    kube_end hang = {0}, wait = {0}, at_once = {0};
    gpuc__kube_call *a, *b, *c;

    kube_api_begin(steps);
    a = gpuc__kube_send(kube, &(gpuc__kube_args){.method = "GET", .path = "/x",
                                                 .done = kube_on_end, .data = &hang});
    b = gpuc__kube_send(kube, &(gpuc__kube_args){.method = "GET", .path = "/y",
                                                 .done = kube_on_end, .data = &wait});
    c = gpuc__kube_delay(kube, 10000, kube_on_end, &at_once);
    gpuc__kube_cancel(c);
    assert_int_equal(at_once.done, 0);
    kube_wait(&at_once);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 50, NULL);
    gpuc__kube_cancel(a);
    gpuc__kube_cancel(b);
    gpuc__kube_cancel(b);
    kube_wait(&hang);
    kube_wait(&wait);
    assert_int_equal(gpuc_error_code(hang.error), GPUC_ECANCELLED);
    assert_int_equal(gpuc_error_code(wait.error), GPUC_ECANCELLED);
    assert_int_equal(gpuc_error_code(at_once.error), GPUC_ECANCELLED);
    kube_drop(&hang);
    kube_drop(&wait);
    kube_drop(&at_once);
    kube_api_end();
}

static void test_client__lists_all_pages(void **state)
{
    kube_step steps[] = {
        {"GET", "/pods?limit=200&labelSelector=a%3Db", 200,
         "{\"metadata\":{\"continue\":\"t/1\",\"resourceVersion\":\"5\"},\"items\":[{\"n\":1}]}",
         .unless = "continue"},
        {"GET", "continue=t%2F1", 410, KUBE_STATUS(410, "Expired", "too old")},
        {"GET", "/pods?limit=200&labelSelector=a%3Db", 200,
         "{\"metadata\":{\"continue\":\"t2\",\"resourceVersion\":\"7\"},\"items\":[{\"n\":2}]}",
         .unless = "continue"},
        {"GET", "continue=t2", 200,
         "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"n\":3}, {\"n\":4}]}"},
        {NULL}};
    kube_end end = {0};
    char *text;

    kube_api_begin(steps);
    gpuc__kube_list(kube, "/api/v1/pods", "labelSelector=a%3Db", 0, kube_on_end, &end);
    kube_wait(&end);
    assert_null(end.error);
    text = json_dumps(end.result, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"items\":[{\"n\":2},{\"n\":3},{\"n\":4}],\"resourceVersion\":\"7\"}");
    free(text);
    kube_drop(&end);
    kube_api_end();
}

static void test_client__a_list_that_is_too_slow_twice_comes_at_once(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=200", 200, "{\"metadata\":{\"continue\":\"t\"},\"items\":[{\"n\":1}]}",
         .unless = "continue", .times = 2},
        {"GET", "continue=t", 410, KUBE_STATUS(410, "Expired", "too old"), .times = 2},
        {"GET", "limit=0", 200, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{\"n\":2}]}"},
        {NULL}};
    kube_end end = {0};

    kube_api_begin(steps);
    gpuc__kube_list(kube, "/api/v1/pods", NULL, 0, kube_on_end, &end);
    kube_wait(&end);
    assert_null(end.error);
    assert_int_equal(json_array_size(json_object_get(end.result, "items")), 1);
    assert_int_equal(api.unmatched, 0);
    kube_drop(&end);
    kube_api_end();
}

static void on_log(gpuc_context *ctx, int level, const char *category, const char *message,
                   void *userdata)
{
    (void)ctx;
    (void)category;
    if (level == GPUC_LOG_WARN)
        snprintf(userdata, 256, "%s", message);
}

static void test_client__warnings_are_told_once(void **state)
{
    kube_step steps[] = {{"GET", "/x", 200, "{}", .times = -1,
                          .headers = "Warning: 299 - \"old \\\"x\\\"\", 299 - \"old too\"\r\n"
                                     "warning: 299 - \"third\" \"Sat, 25 Aug 2012 23:34:45 GMT\"\r\n"
                                     "Warning: nonsense\r\n"},
                         {NULL}};
    char line[256] = "", all[1024] = "";
    kube_end end = {0};
    gpuc_event *event = NULL;

    kube_api_begin(steps);
    gpuc_context_set_log(context, on_log, GPUC_LOG_WARN, line, NULL);
    for (int i = 0; i < 2; i++) {
        gpuc__kube_send(kube, &(gpuc__kube_args){.method = "GET", .path = "/x?secret=1",
                                                 .done = kube_on_end, .data = &end});
        kube_wait(&end);
        assert_null(end.error);
        kube_drop(&end);
    }
    assert_string_equal(line, "GET /x: the API server warns: third");
    while (gpuc_context_next_event(context, &event)) {
        assert_int_equal(gpuc_event_kind(event), GPUC_EVENT_NOTICE);
        strncat(all, gpuc_event_message(event), sizeof(all) - strlen(all) - 1);
        strncat(all, ";", sizeof(all) - strlen(all) - 1);
        gpuc_event_unref(event);
    }
    assert_string_equal(all, "the API server warns: old \"x\" (GET /x);"
                             "the API server warns: old too (GET /x);"
                             "the API server warns: third (GET /x);");
    kube_api_end();
}

static void test_client__applies_in_order(void **state)
{
    kube_step steps[] = {
        {"PATCH", "/api/v1/namespaces/n?fieldManager=gpucluster&force=true", 201, "{}"},
        {"PATCH", "/apis/apps/v1/namespaces/n/daemonsets/d?", 403,
         KUBE_STATUS(403, "Forbidden", "no")},
        {NULL}};
    json_t *objects = json_loads(
        "[{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"n\"}},"
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"d\","
        "\"namespace\":\"n\"}}, {\"apiVersion\":\"v1\",\"kind\":\"Pod\"}]",
        0, NULL);
    kube_end end = {0};

    kube_api_begin(steps);
    gpuc__kube_apply(kube, objects, 0, kube_on_end, &end);
    kube_wait(&end);
    assert_int_equal(gpuc_error_code(end.error), GPUC_EPERM);
    assert_non_null(strstr(gpuc_error_message(end.error), "applying DaemonSet d"));
    assert_int_equal(api.count, 2);
    kube_drop(&end);
    gpuc__kube_apply(kube, json_array_get(objects, 2), 0, kube_on_end, &end);
    kube_wait(&end);
    assert_int_equal(gpuc_error_code(end.error), GPUC_EINVAL);
    kube_drop(&end);
    json_decref(objects);
    kube_api_end();
}

static void test_client__retry_after_is_bounded(void **state)
{
    assert_int_equal(gpuc__kube_retry_after("3"), 3000);
    assert_int_equal(gpuc__kube_retry_after("99999999999999999999"), 300000);
    assert_int_equal(gpuc__kube_retry_after("Wed, 21 Oct"), -1);
    assert_int_equal(gpuc__kube_retry_after("3x"), -1);
    assert_int_equal(gpuc__kube_retry_after(""), -1);
    assert_int_equal(gpuc__kube_retry_after(NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client__maps_status_objects),
        cmocka_unit_test(test_client__tries_again_while_it_may_help),
        cmocka_unit_test(test_client__gives_up_at_the_deadline),
        cmocka_unit_test(test_client__cancel_ends_once),
        cmocka_unit_test(test_client__lists_all_pages),
        cmocka_unit_test(test_client__a_list_that_is_too_slow_twice_comes_at_once),
        cmocka_unit_test(test_client__warnings_are_told_once),
        cmocka_unit_test(test_client__applies_in_order),
        cmocka_unit_test(test_client__retry_after_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

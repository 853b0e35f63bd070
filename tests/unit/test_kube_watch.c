/* SPDX-License-Identifier: Apache-2.0 */
/* Watches that break, grow stale and end, against a scripted API server. */
#include "support/kube_api.h"

typedef struct seen {
    kube_end end;
    char text[512]; /* "LISTED a,SYNCED,…" */
    const char *stop_at;
    gpuc__kube_call *cancel_at_first;
} seen;

static bool on_event(void *data, const char *type, json_t *object)
{
    seen *s = data;
    const char *name = object ? json_string_value(json_object_get(
                                    json_object_get(object, "metadata"), "name"))
                              : NULL;
    char one[64];

    snprintf(one, sizeof(one), "%s%s%s,", type, name ? " " : "", name ? name : "");
    strncat(s->text, one, sizeof(s->text) - strlen(s->text) - 1);
    if (s->cancel_at_first)
        gpuc__kube_cancel(s->cancel_at_first);
    return !s->stop_at || strcmp(one, s->stop_at) != 0;
}

static void on_end(void *data, json_t *result, gpuc_error *error)
{
    kube_on_end(&((seen *)data)->end, result, error);
}

static gpuc__kube_call *start(seen *s, int deadline_ms)
{
    return gpuc__kube_watch(kube, &(gpuc__kube_watch_args){.path = "/pods",
                                                           .query = "labelSelector=x",
                                                           .deadline_ms = deadline_ms,
                                                           .event = on_event,
                                                           .done = on_end,
                                                           .data = s});
}

#define EVENT(type, name, version)                                                                 \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"name\":\"" name                            \
    "\",\"resourceVersion\":\"" version "\"}}}\n"
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\"}}"

static void test_watch__goes_on_from_the_last_version(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 200, LIST("10", ITEM("a"))},
        /* cut in the middle of an event, which is then sent again */
        {"GET", "resourceVersion=10", 200,
         EVENT("ADDED", "b", "11") EVENT("BOOKMARK", "", "15") "{\"type\":\"ADDED\",\"obj",
         KUBE_CUT},
        {"GET", "resourceVersion=15", 503, "busy"},
        {"GET", "resourceVersion=15", 200, EVENT("ADDED", "c", "16")}, /* a clean end */
        {"GET", "resourceVersion=16", 200, EVENT("DELETED", "c", "17"), KUBE_HANG},
        {NULL}};
    seen s = {.stop_at = "DELETED c,"};

    kube_api_begin(steps);
    start(&s, 20000);
    kube_wait(&s.end);
    assert_null(s.end.error);
    assert_string_equal(s.text, "LISTED a,SYNCED,ADDED b,ADDED c,DELETED c,");
    assert_int_equal(api.unmatched, 0);
    kube_drop(&s.end);
    kube_api_end();
}

static void test_watch__lists_again_after_410(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 200, LIST("10", ITEM("a"))},
        {"GET", "resourceVersion=10", 200,
         "{\"type\":\"ERROR\",\"object\":" KUBE_STATUS(410, "Expired", "too old") "}\n"},
        {"GET", "limit=", 200, LIST("20", ITEM("b"))},
        {"GET", "resourceVersion=20", 410, KUBE_STATUS(410, "Gone", "too old")},
        {"GET", "limit=", 200, LIST("30", ITEM("c"))},
        {"GET", "resourceVersion=30", 200, EVENT("ADDED", "d", "31"), KUBE_HANG},
        {NULL}};
    seen s = {.stop_at = "ADDED d,"};

    kube_api_begin(steps);
    start(&s, 20000);
    kube_wait(&s.end);
    assert_null(s.end.error);
    assert_string_equal(s.text, "LISTED a,SYNCED,LISTED b,SYNCED,LISTED c,SYNCED,ADDED d,");
    kube_drop(&s.end);
    kube_api_end();
}

static void test_watch__ends_with_error_deadline_or_cancel(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 403, KUBE_STATUS(403, "Forbidden", "no pods for you")},
        {"GET", "limit=", 200, LIST("10", ITEM("a")), .times = -1},
        {"GET", "resourceVersion=10", 200, "", KUBE_HANG, .times = -1},
        {NULL}};
    seen s = {.stop_at = NULL};

    kube_api_begin(steps);
    start(&s, 20000);
    kube_wait(&s.end);
    assert_int_equal(gpuc_error_code(s.end.error), GPUC_EPERM);
    kube_drop(&s.end);

    start(&s, 700);
    kube_wait(&s.end);
    assert_int_equal(gpuc_error_code(s.end.error), GPUC_ETIMEDOUT);
    assert_non_null(strstr(gpuc_error_message(s.end.error), "deadline"));
    kube_drop(&s.end);

    s.cancel_at_first = start(&s, 20000);
    kube_wait(&s.end);
    assert_int_equal(gpuc_error_code(s.end.error), GPUC_ECANCELLED);
    kube_drop(&s.end);
    kube_api_end();
}

static void test_watch__garbage_is_no_event(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 200, LIST("10", ""), .times = -1},
        {"GET", "resourceVersion=10", 200, "{]\n", .times = -1},
        {NULL}};
    seen s = {.stop_at = NULL};

    kube_api_begin(steps);
    start(&s, 900);
    kube_wait(&s.end);
    assert_int_equal(gpuc_error_code(s.end.error), GPUC_EPROTO);
    assert_in_range(api.count, 3, 6); /* with pauses, not in a tight loop */
    kube_drop(&s.end);
    kube_api_end();
}

static void test_watch__waits_as_long_as_it_is_told(void **state)
{
    kube_step steps[] = {
        {"GET", "limit=", 429, KUBE_STATUS(429, "TooManyRequests", "later"),
         .headers = "Retry-After: 1\r\n"},
        {"GET", "limit=", 200, LIST("10", "")},
        {"GET", "resourceVersion=10", 429, KUBE_STATUS(429, "TooManyRequests", "later"),
         .headers = "Retry-After: 2\r\n"},
        {"GET", "resourceVersion=10", 200, EVENT("ADDED", "a", "11"), KUBE_HANG},
        {NULL}};
    seen s = {.stop_at = "ADDED a,"};
    uint64_t begun = gpuc__clock_ms();

    kube_api_begin(steps);
    start(&s, 20000);
    kube_wait(&s.end);
    assert_null(s.end.error);
    assert_in_range(gpuc__clock_ms() - begun, 2990, 15000);
    assert_int_equal(api.unmatched, 0);
    kube_drop(&s.end);
    kube_api_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch__goes_on_from_the_last_version),
        cmocka_unit_test(test_watch__lists_again_after_410),
        cmocka_unit_test(test_watch__ends_with_error_deadline_or_cancel),
        cmocka_unit_test(test_watch__garbage_is_no_event),
        cmocka_unit_test(test_watch__waits_as_long_as_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

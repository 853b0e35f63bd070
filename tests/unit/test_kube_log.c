/* SPDX-License-Identifier: Apache-2.0 */
/* Log streams that break anywhere: every line once, in order. */
#include "support/clock.h"
#include "support/kube_api.h"

#include "kube/log.h"

typedef struct collected {
    kube_end end;
    char text[4096]; /* lines joined by | */
    int lines;
} collected;

static void on_line(void *data, const char *text, size_t length)
{
    collected *c = data;

    assert_int_equal(strlen(text), length);
    c->lines++;
    snprintf(c->text + strlen(c->text), sizeof(c->text) - strlen(c->text), "%s|", text);
}

static void on_end(void *data, json_t *result, gpuc_error *error)
{
    kube_on_end(&((collected *)data)->end, result, error);
}

static gpuc__kube_call *follow(collected *c, int deadline_ms)
{
    return gpuc__log_follow(kube, &(gpuc__log_args){.namespace_ = "d",
                                                    .pod = "p",
                                                    .container = "c",
                                                    .deadline_ms = deadline_ms,
                                                    .line = on_line,
                                                    .done = on_end,
                                                    .data = c});
}

static void run_until(collected *c, int lines)
{
    uint64_t limit = gpuc__clock_ms() + 20000;

    while (c->lines < lines && !c->end.done && gpuc__clock_ms() < limit)
        gpuc_context_run(context, 50, NULL);
    assert_int_equal(c->lines, lines);
}

#define T(second, fraction) "2026-01-01T00:00:0" #second "." #fraction "Z "

static void test_log__no_line_lost_or_doubled(void **state)
{
    kube_step steps[] = {
        /* equal timestamps, one stepping back a little, cut in the middle of a line */
        {"GET", "/log?container=c&timestamps=true&follow=true", 200,
         T(1, 5) "one\n" T(2, 10) "two\n" T(2, 10) "two\n" T(1, 9) "late\n" T(2, 11) "thr",
         KUBE_CUT, .unless = "since"},
        {"GET", "sinceTime=2026-01-01T00%3A00%3A01Z", 500, "dial tcp 10.0.0.1:10250: refused"},
        {"GET", "sinceTime=2026-01-01T00%3A00%3A01Z", 200,
         T(1, 5) "one\n" T(2, 10) "two\n" T(2, 10) "two\n" T(1, 9) "late\n" T(2, 11)
             "three\n" T(2, 11) "three\n"}, /* a clean end that is not the container's */
        {"GET", "sinceTime=2026-01-01T00%3A00%3A01Z", 200,
         T(1, 5) "one\n" T(2, 10) "two\n" T(2, 10) "two\n" T(1, 9) "late\n" T(2, 11)
             "three\n" T(2, 11) "three\n" T(5, 0) "five\n", KUBE_HANG | KUBE_WAIT},
        /* after the container's end; the log was rotated: it begins in our window */
        {"GET", "sinceTime=2026-01-01T00%3A00%3A04Z", 200, T(5, 0) "five\n" T(5, 1) "last"},
        {NULL}};
    collected c = {0};
    gpuc__kube_call *log;

    kube_api_begin(steps);
    log = follow(&c, 60000);
    run_until(&c, 7);
    gpuc__log_container_ended(log);
    kube_wait(&c.end);
    assert_null(c.end.error);
    assert_string_equal(c.text, "one|two|two|late|three|three|five|last|");
    assert_int_equal(api.unmatched, 0);
    kube_drop(&c.end);
    kube_api_end();
}

static void test_log__waits_for_the_container_and_reads_to_the_end(void **state)
{
    kube_step steps[] = {
        {"GET", "/log?", 400, KUBE_STATUS(400, "BadRequest", "is waiting to start")},
        {"GET", "/log?", 200, T(1, 0) "a\n"},
        {"GET", "/log?", 200, T(1, 0) "a\nunable to retrieve container logs\n" T(1, 1) "b\n",
         .times = -1},
        {NULL}};
    collected c = {0};
    gpuc__kube_call *log;

    kube_api_begin(steps);
    log = follow(&c, 60000);
    run_until(&c, 2);
    gpuc__log_container_ended(log);
    kube_wait(&c.end);
    assert_null(c.end.error);
    assert_string_equal(c.text, "a|b|"); /* the kubelet's own line is no line of the log */
    kube_drop(&c.end);
    kube_api_end();
}

static void test_log__ends_with_the_servers_reason(void **state)
{
    kube_step steps[] = {
        {"GET", "/log?", 404, KUBE_STATUS(404, "NotFound", "pods p not found")},
        {"GET", "/log?", 200, "", KUBE_HANG, .times = -1},
        {NULL}};
    collected c = {0};
    gpuc__kube_call *log;

    kube_api_begin(steps);
    follow(&c, 60000);
    kube_wait(&c.end);
    assert_int_equal(gpuc_error_code(c.end.error), GPUC_ENOTFOUND);
    kube_drop(&c.end);
    follow(&c, 800);
    kube_wait(&c.end);
    assert_int_equal(gpuc_error_code(c.end.error), GPUC_ETIMEDOUT);
    kube_drop(&c.end);
    log = follow(&c, 60000);
    gpuc_context_run(context, 50, NULL);
    gpuc__kube_cancel(log);
    kube_wait(&c.end);
    assert_int_equal(gpuc_error_code(c.end.error), GPUC_ECANCELLED);
    kube_drop(&c.end);
    kube_api_end();
}

/* Nothing tells a quiet container from a connection that is dead: after a minute another is made. */
static void test_log__a_quiet_stream_is_opened_again(void **state)
{
    kube_step steps[] = {
        {"GET", "&follow=true", 200, T(1, 0) "a\n", KUBE_HANG, .unless = "since"},
        {"GET", "&sinceTime=", 200, T(1, 0) "a\n" T(2, 0) "b\n", KUBE_HANG},
        {"GET", "&sinceTime=", 200, T(1, 0) "a\n" T(2, 0) "b\n" T(2, 1) "c"},
        {NULL}};
    collected c = {0};
    gpuc__kube_call *log;

    kube_api_begin(steps);
    log = follow(&c, 600000);
    run_until(&c, 1);
    clock_put_forward(50);
    for (int i = 0; i < 20; i++)
        gpuc_context_run(context, 5, NULL);
    assert_int_equal(api.count, 1);
    clock_put_forward(11);
    run_until(&c, 2);
    assert_int_equal(api.count, 2);
    gpuc__log_container_ended(log); /* of which the second stream hears nothing */
    clock_put_forward(6);
    kube_wait(&c.end);
    assert_null(c.end.error);
    assert_string_equal(c.text, "a|b|c|");
    assert_int_equal(api.unmatched, 0);
    kube_drop(&c.end);
    kube_api_end();
}

static void test_log__parses_timestamps(void **state)
{
    int64_t s = 0;

    assert_string_equal(gpuc__log_parse_line("2026-01-01T00:00:01.5Z x y", &s), "x y");
    assert_int_equal(s, 1767225601500000000);
    assert_string_equal(gpuc__log_parse_line("2026-01-01T02:00:01.123456789+02:00 x", &s), "x");
    assert_int_equal(s, 1767225601123456789);
    assert_string_equal(gpuc__log_parse_line("2025-12-31T19:00:01-05:00 ", &s), "");
    assert_int_equal(s, 1767225601000000000);
    assert_string_equal(gpuc__log_parse_line("2026-01-01T00:00:01Z", &s), "");
    assert_null(gpuc__log_parse_line("unable to retrieve", &s));
    assert_null(gpuc__log_parse_line("2026-01-01T00:00:01", &s));
    assert_null(gpuc__log_parse_line("2026-01-01T00:00:01+2:0 x", &s));
    assert_null(gpuc__log_parse_line("2026-01-01T00:00:01Zx", &s));
    assert_null(gpuc__log_parse_line("", &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__no_line_lost_or_doubled),
        cmocka_unit_test(test_log__waits_for_the_container_and_reads_to_the_end),
        cmocka_unit_test(test_log__ends_with_the_servers_reason),
        cmocka_unit_test(test_log__a_quiet_stream_is_opened_again),
        cmocka_unit_test(test_log__parses_timestamps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

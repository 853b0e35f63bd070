/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of containers that are started again in their place, that are rotated while nobody reads, and
 * that break off at every byte there is. */
#define HTTP_SERVER_CONNECTIONS 512
#include "support/kube_api.h"

#include "kube/log.h"
#include "kube/log_window.h"

typedef struct collected {
    kube_end end;
    char text[4096]; /* lines joined by | */
    int lines;
    gpuc__log_counts counts;
} collected;

static void on_line(void *data, const char *text, size_t length)
{
    collected *c = data;

    assert_int_equal(strlen(text), length);
    c->lines++;
    snprintf(c->text + strlen(c->text), sizeof(c->text) - strlen(c->text), "%.40s|", text);
}

static void on_end(void *data, json_t *result, gpuc_error *error)
{
    kube_on_end(&((collected *)data)->end, result, error);
}

static gpuc__kube_call *follow(collected *c, const char *pod, bool restarted)
{
    return gpuc__log_follow(kube, &(gpuc__log_args){.namespace_ = "d",
                                                    .pod = pod,
                                                    .container = "c",
                                                    .deadline_ms = 60000,
                                                    .restarts = true,
                                                    .restarted = restarted,
                                                    .line = on_line,
                                                    .counts = &c->counts,
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

/* To its end, with so many lines before the container ends; counts are kept. */
static void read_all(collected *c, kube_step *steps, int lines, bool restarted)
{
    gpuc__kube_call *log;

    kube_api_begin(steps);
    log = follow(c, "p", restarted);
    run_until(c, lines);
    gpuc__log_container_ended(log);
    kube_wait(&c->end);
    assert_null(c->end.error);
    assert_int_equal(c->counts.lines, c->lines);
    assert_int_equal(api.unmatched, 0);
    kube_drop(&c->end);
    kube_api_end();
}

#define T(second, fraction) "2026-01-01T00:00:0" #second "." #fraction "Z "

/* The stream breaks, and what comes next is the new container's log: first the rest of the old one. */
static void test_log_lives__the_last_words_come_first(void **state)
{
    kube_step steps[] = {
        {"GET", "follow=true", 200, T(1, 0) "a\n" T(2, 0) "b\n", KUBE_CUT},
        {"GET", "follow=true&since", 200, T(4, 0) "d\n"},
        {"GET", "previous=true&since", 200, T(1, 0) "a\n" T(2, 0) "b\n" T(3, 0) "c"},
        {"GET", "follow=true&since", 200, T(4, 0) "d\n" T(4, 1) "e\n",
         .times = -1},
        {NULL}};
    collected c = {0};

    read_all(&c, steps, 5, false);
    assert_string_equal(c.text, "a|b|c|d|e|");
    assert_int_equal(c.counts.gaps, 0);
}

/* Read to its end before: nothing is missing, and nothing else is asked. */
static void test_log_lives__a_drained_life_needs_no_second_look(void **state)
{
    kube_step steps[] = {
        {"GET", "follow=true", 200, T(1, 0) "a\n"},
        {"GET", "follow=true&since", 200, T(1, 0) "a\n"},
        {"GET", "follow=true&since", 200, T(3, 0) "b\n", .times = -1},
        {NULL}};
    collected c = {0};

    read_all(&c, steps, 2, false);
    assert_string_equal(c.text, "a|b|");
    assert_int_equal(c.counts.gaps, 0);
}

/* Seen first when it was in its second life. */
static void test_log_lives__begins_with_the_life_before(void **state)
{
    kube_step steps[] = {
        {"GET", "previous=true", 200, T(1, 0) "a\n"},
        {"GET", "follow=true&since", 200, T(2, 0) "b\n", .times = -1},
        {NULL}};
    collected c = {0};

    read_all(&c, steps, 2, true);
    assert_string_equal(c.text, "a|b|");
    assert_int_equal(c.counts.gaps, 0);
}

static void test_log_lives__says_what_is_gone(void **state)
{
    kube_step gone[] = {
        {"GET", "previous=true", 400, KUBE_STATUS(400, "BadRequest", "previous terminated container "
                                                                     "not found")},
        {"GET", "follow=true", 200, T(2, 0) "b\n", .times = -1},
        {NULL}};
    kube_step rotated[] = {
        {"GET", "follow=true", 200, T(1, 0) "a\n", KUBE_CUT},
        {"GET", "follow=true&since", 200, T(5, 0) "b\n"},
        {"GET", "previous=true&since", 400, KUBE_STATUS(400, "BadRequest", "not found")},
        {"GET", "follow=true&since", 200, T(5, 0) "b\n", .times = -1},
        {NULL}};
    kube_step older[] = { /* the life before is not the one that was being read */
        {"GET", "follow=true", 200, T(1, 0) "a\n", KUBE_CUT},
        {"GET", "follow=true&since", 200, T(5, 0) "c\n"},
        {"GET", "previous=true&since", 200, T(3, 0) "b\n"},
        {"GET", "follow=true&since", 200, T(5, 0) "c\n"},
        {"GET", "previous=true&since", 200, T(3, 0) "b\n"},
        {"GET", "follow=true&since", 200, T(5, 0) "c\n", .times = -1},
        {NULL}};
    collected c[3] = {0};

    read_all(&c[0], gone, 1, true);
    assert_string_equal(c[0].text, "b|");
    assert_int_equal(c[0].counts.gaps, 1);
    read_all(&c[1], rotated, 2, false);
    assert_string_equal(c[1].text, "a|b|");
    assert_int_equal(c[1].counts.gaps, 1);
    read_all(&c[2], older, 3, false);
    assert_string_equal(c[2].text, "a|b|c|");
    assert_int_equal(c[2].counts.gaps, 1);
}

/* sinceTime cuts into a long line, whose rest then has a timestamp of its own. */
static void test_log_lives__the_rest_of_a_line_is_no_line(void **state)
{
    kube_step steps[] = {
        {"GET", "follow=true", 200, T(1, 0) "long, and its rest\n" T(3, 0) "b\n", KUBE_CUT},
        {"GET", "sinceTime=2026-01-01T00%3A00%3A02Z", 200,
         T(2, 0) "its rest\n" T(3, 0) "b\n" T(3, 1) "c\n", .times = -1},
        {NULL}};
    collected c = {0};

    read_all(&c, steps, 3, false);
    assert_string_equal(c.text, "long, and its rest|b|c|");
    assert_int_equal(c.counts.gaps, 0);
}

static void test_log_lives__a_very_long_line_is_cut_and_counted(void **state)
{
    static char body[1200000];
    kube_step steps[] = {{"GET", "follow=true", 200, body, .times = -1}, {NULL}};
    collected c = {0};
    size_t n = (size_t)snprintf(body, sizeof(body), "%sx", T(1, 0));

    memset(body + n, 'x', sizeof(body) - n);
    memcpy(body + sizeof(body) - 40, "\n" T(1, 1) "b\n", sizeof("\n" T(1, 1) "b\n"));
    read_all(&c, steps, 2, false);
    assert_memory_equal(c.text + 40, "|b|", 4);
    assert_int_equal(c.counts.cut, 1);
}

/* ---- a break at every byte ---- */

static const char page[] = T(1, 0) "one\n" T(1, 0) "one\n" T(1, 0) "one\n" T(2, 5) "stderr\n"
                           T(1, 9) "late\n" T(2, 5) "\n" T(2, 5) "\n" T(3, 0) "three\n" T(3, 0)
                           "four";
#define PAGE_TEXT "one|one|one|stderr|late|||three|four|"
static unsigned char streams[sizeof(page)];

/* Pod pN: its first stream breaks after N bytes, by a cut or as if it were the end. */
static void serve_page(http_server *server, int fd)
{
    http_server_request r;
    const char *pod;
    int from = 1, cut;
    size_t n, skip = 0;
    char head[64];

    if (!http_server_read(fd, &r))
        return;
    pod = strstr(r.target, "/pods/p");
    cut = pod ? (int)strtol(pod + 7, NULL, 10) : 0;
    if (strstr(r.target, "sinceTime"))
        from = (int)strtol(strstr(r.target, "sinceTime") + strlen("sinceTime=2026-01-01T00%3A00%3A"),
                           NULL, 10);
    pthread_mutex_lock(&api.mutex);
    n = streams[cut]++ ? sizeof(page) - 1 : (size_t)cut;
    pthread_mutex_unlock(&api.mutex);
    if (from > 2) /* the lines of the seconds before, by their order on the page */
        skip = (size_t)(strstr(page, T(3, 0)) - page);
    http_server_puts(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    if (n > skip) {
        snprintf(head, sizeof(head), "%zx\r\n", n - skip);
        http_server_puts(fd, head);
        http_server_write(fd, page + skip, n - skip);
        http_server_puts(fd, "\r\n");
    }
    if (n == sizeof(page) - 1 || cut % 2)
        http_server_puts(fd, "0\r\n\r\n");
    free(r.body);
}

#define BATCH 64

static void test_log_lives__a_break_at_every_byte(void **state)
{
    kube_step none[] = {{NULL}};
    static collected c[sizeof(page)];

    memset(streams, 0, sizeof(streams));
    for (size_t at = 0; at < sizeof(page); at += BATCH) {
        size_t end = at + BATCH < sizeof(page) ? at + BATCH : sizeof(page);
        gpuc__kube_call *logs[BATCH];

        kube_api_begin(none);
        api.server.serve = serve_page;
        for (size_t i = at; i < end; i++) {
            char pod[16];

            snprintf(pod, sizeof(pod), "p%zu", i);
            logs[i - at] = follow(&c[i], pod, false);
        }
        for (size_t i = at; i < end; i++)
            run_until(&c[i], 8);
        for (size_t i = at; i < end; i++)
            gpuc__log_container_ended(logs[i - at]);
        for (size_t i = at; i < end; i++) {
            kube_wait(&c[i].end);
            assert_null(c[i].end.error);
            if (strcmp(c[i].text, PAGE_TEXT) != 0)
                fail_msg("a break after byte %zu gave \"%s\"", i, c[i].text);
            assert_int_equal(c[i].counts.gaps, 0);
        }
        kube_api_end();
    }
}

/* ---- more than can be kept ---- */

static void test_log_lives__a_window_without_memory_goes_by_time(void **state)
{
    gpuc__log_window w = {0};
    int64_t second;

    gpuc__log_window_begin(&w);
    assert_false(gpuc__log_window_since(&w, &second));
    assert_int_equal(gpuc__log_window_judge(&w, 5, 1), GPUC__LOG_NEW);
    for (uint64_t i = 0; i < (1u << 20) + 10; i++)
        gpuc__log_window_add(&w, 5000000000 + (int64_t)i, i);
    assert_true(w.forgot);
    assert_true(gpuc__log_window_since(&w, &second));
    assert_int_equal(second, 4);
    gpuc__log_window_begin(&w);
    assert_int_equal(gpuc__log_window_judge(&w, 5000000000, 0), GPUC__LOG_REPEAT);
    assert_int_equal(gpuc__log_window_judge(&w, w.newest, (1u << 20) + 9), GPUC__LOG_REPEAT);
    assert_int_equal(gpuc__log_window_judge(&w, w.newest + 1, 1), GPUC__LOG_NEW);
    gpuc__log_window_clear(&w);
    assert_null(w.lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_lives__the_last_words_come_first),
        cmocka_unit_test(test_log_lives__a_drained_life_needs_no_second_look),
        cmocka_unit_test(test_log_lives__begins_with_the_life_before),
        cmocka_unit_test(test_log_lives__says_what_is_gone),
        cmocka_unit_test(test_log_lives__the_rest_of_a_line_is_no_line),
        cmocka_unit_test(test_log_lives__a_very_long_line_is_cut_and_counted),
        cmocka_unit_test(test_log_lives__a_break_at_every_byte),
        cmocka_unit_test(test_log_lives__a_window_without_memory_goes_by_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation failing in turn while requests are under way on one pool, among them that of what
 * curl's socket callback needs: each request ends once, and nothing is lost (the sanitizers look). */
#include "util_test.h"

#include "support/http_client.h"

#define REQUESTS 4

static void serve(http_server *s, int fd)
{
    http_server_request r;

    while (http_server_read(fd, &r)) {
        http_server_answer(fd, 200, "{\"answer\":\"of some length, to be kept\"}");
        free(r.body);
        r.body = NULL;
    }
    free(r.body);
}

static size_t count_done(const outcome *of)
{
    size_t n = 0;

    for (size_t i = 0; i < REQUESTS; i++)
        n += of[i].done != 0;
    return n;
}

/* With n allocations allowed: whether all went well. cancel: the last one is taken back. */
static bool try_with(int n, bool cancel)
{
    outcome of[REQUESTS] = {0};
    size_t sent = 0, good = 0, all;
    int turns = 0;

    begin(serve);
    allow_allocations(n);
    for (size_t i = 0; i < REQUESTS; i++) {
        gpuc__http_args args = {.method = i == 1 ? "POST" : "GET", .path = "/x", .done = on_done,
                                .data = &of[i], .timeout_ms = 5000};

        if (i == 1) {
            args.body = "{}";
            args.body_length = 2;
        }
        of[i].request = gpuc__http_send(http, &args);
        if (of[i].request)
            sent++;
        else
            of[i].done = 1;
    }
    if (cancel && of[REQUESTS - 1].request)
        gpuc__http_cancel(of[REQUESTS - 1].request);
    while (count_done(of) < REQUESTS && turns++ < 3000)
        gpuc_context_run(context, 5, NULL);
    all = count_done(of);
    n = allocations_left;
    allow_allocations(-1);
    assert_int_equal(all, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(of[i].done, 1);
        good += !of[i].code && of[i].status == 200 && of[i].body;
        drop(&of[i]);
    }
    finish();
    return n > 0 && sent == REQUESTS && good == REQUESTS - (size_t)cancel;
}

static void test_http_oom__each_request_ends_once(void **state)
{
    for (int cancel = 0; cancel < 2; cancel++) {
        int n = 0;

        while (n < 500 && !try_with(n, cancel))
            n++;
        print_message("%d allocations, each failed in turn\n", n);
        assert_in_range(n, 10, 499);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_oom__each_request_ends_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

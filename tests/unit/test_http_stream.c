/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP: streamed bodies, cancelling, and connections that the caller makes. */
#include "support/http_client.h"

#define MIB (1024u * 1024)

static void serve_by_path(http_server *s, int fd)
{
    static const char block[65536];
    http_server_request r;

    if (!http_server_read(fd, &r))
        goto done;
    if (strstr(r.target, "big")) {
        http_server_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
        for (int i = 0; i < 1600; i++)
            http_server_write(fd, block, sizeof(block));
    } else if (strstr(r.target, "hang")) {
        http_server_hang(fd);
    } else {
        http_server_answer(fd, strstr(r.target, "missing") ? 404 : 200, "text");
    }
done:
    free(r.body);
}

static void test_http_stream__streams(void **state)
{
    outcome o = {0}, inner = {0};

    begin(serve_by_path);
    fetch(&o, (gpuc__http_args){.path = "/big", .chunk = on_chunk, .timeout_ms = -1});
    assert_int_equal(o.code, 0);
    assert_int_equal(o.streamed, 100 * MIB);
    assert_int_equal(o.length, 0);
    drop(&o);
    o.stop_after = 200000;
    o.next = &inner;
    fetch(&o, (gpuc__http_args){.path = "/big", .chunk = on_chunk, .timeout_ms = -1});
    assert_int_equal(o.code, GPUC_ECANCELLED);
    assert_true(o.streamed < 100 * MIB);
    drop(&o);
    wait_for(&inner);
    assert_int_equal(inner.status, 200);
    drop(&inner);
    fetch(&o, (gpuc__http_args){.path = "/missing", .chunk = on_chunk});
    assert_string_equal(o.body, "text"); /* an error's body is kept */
    assert_int_equal(o.streamed, 0);
    drop(&o);
    finish();
}

static void test_http_stream__cancel(void **state)
{
    gpuc__http_args args = {.method = "GET", .path = "/hang", .done = on_done};
    outcome early = {0}, late = {0};

    begin(serve_by_path);
    args.data = &early;
    gpuc__http_cancel(gpuc__http_send(http, &args));
    assert_int_equal(early.done, 0);
    args.data = &late;
    late.request = gpuc__http_send(http, &args);
    wait_for(&early);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 20, NULL);
    gpuc__http_cancel(late.request);
    gpuc__http_cancel(late.request);
    assert_int_equal(late.done, 0);
    wait_for(&late);
    assert_int_equal(early.code, GPUC_ECANCELLED);
    assert_int_equal(late.code, GPUC_ECANCELLED);
    drop(&early);
    drop(&late);
    finish();
}

static int connect_count;

/* One end of a socketpair, as a tunnel is; the other end goes to a connection of the server. */
static int connect_once(void *data)
{
    static struct http_server_connection end;
    int ends[2];

    if (connect_count++ || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return -1;
    end = (struct http_server_connection){&server, ends[1]};
    pthread_create(data, NULL, http_server_connection_run, &end);
    return ends[0];
}

static void test_http_stream__connections_of_the_caller(void **state)
{
    outcome o = {0};
    pthread_t thread;

    connect_count = 0;
    begin_config(serve_echo, (gpuc__http_config){.base_url = "http://no-such-host.invalid:6443",
                                                 .connect = connect_once,
                                                 .connect_data = &thread});
    fetch(&o, (gpuc__http_args){.path = "/one"});
    assert_int_equal(o.status, 200);
    drop(&o);
    fetch(&o, (gpuc__http_args){.path = "/two"}); /* over the same connection */
    assert_string_equal(o.body, "GET /two []");
    assert_int_equal(connect_count, 1);
    drop(&o);
    gpuc__http_unref(http);
    pthread_join(thread, NULL);
    assert_int_equal(gpuc__http_new(&http, context,
                                    &(gpuc__http_config){.base_url = "http://no-such-host.invalid",
                                                         .connect = connect_once},
                                    NULL),
                     GPUC_OK);
    fetch(&o, (gpuc__http_args){0}); /* the caller has no connection to give */
    assert_int_equal(o.code, GPUC_ENETWORK);
    assert_int_equal(connect_count, 2);
    drop(&o);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_stream__streams),
        cmocka_unit_test(test_http_stream__cancel),
        cmocka_unit_test(test_http_stream__connections_of_the_caller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP over a real socket: good answers, and every way a server can fail to give one. */
#include "support/http_client.h"

static void test_http__answers_and_reuses_the_connection(void **state)
{
    char path[] = "/tmp/gpuc-test-http-XXXXXX";
    outcome o = {0};
    int fd = mkstemp(path);

    begin(serve_echo);
    fetch(&o, (gpuc__http_args){0});
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "GET /x?y=z []");
    assert_string_equal(o.server_header, "small");
    drop(&o);
    fetch(&o, (gpuc__http_args){.method = "PATCH", .body = "abcd", .body_length = 3});
    assert_string_equal(o.body, "PATCH /x?y=z [abc]");
    drop(&o);
    assert_int_equal(write(fd, "from a file", 11), 11);
    fetch(&o, (gpuc__http_args){.method = "POST", .body_file = path});
    assert_string_equal(o.body, "POST /x?y=z [from a file]");
    drop(&o);
    fetch(&o, (gpuc__http_args){.method = "DELETE"});
    assert_string_equal(o.body, "DELETE /x?y=z []");
    drop(&o);
    assert_int_equal(server.accepted, 1);
    close(fd);
    unlink(path);
    finish();
}

static void test_http__refuses_what_would_break_the_request(void **state)
{
    const char *const headers[] = {"X-A: b\r\nX-C: d", NULL};
    outcome o = {0};

    begin(serve_echo);
    fetch(&o, (gpuc__http_args){.headers = headers});
    assert_int_equal(o.code, GPUC_EINVAL);
    drop(&o);
    fetch(&o, (gpuc__http_args){.path = "/a b"});
    assert_int_equal(o.code, GPUC_EINVAL);
    drop(&o);
    fetch(&o, (gpuc__http_args){.method = "PUT", .body_file = "/nonexistent/file"});
    assert_int_equal(o.code, GPUC_ENOTFOUND);
    drop(&o);
    assert_int_equal(server.accepted, 0);
    finish();
}

static void serve_by_path(http_server *s, int fd)
{
    static const char block[65536];
    http_server_request r;
    char line[64];

    if (!http_server_read(fd, &r))
        goto done;
    if (strstr(r.target, "truncate")) {
        http_server_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    } else if (strstr(r.target, "reset")) {
        struct linger at_once = {1, 0};

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    } else if (strstr(r.target, "garbage")) {
        http_server_puts(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    } else if (strstr(r.target, "hang")) {
        http_server_hang(fd);
    } else if (strstr(r.target, "stall")) {
        http_server_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        http_server_hang(fd);
    } else if (strstr(r.target, "drip")) {
        http_server_puts(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 10; i++) {
            usleep(60000);
            http_server_puts(fd, "2\r\nab\r\n");
        }
        http_server_puts(fd, "0\r\n\r\n");
    } else if (strstr(r.target, "big")) {
        http_server_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
        for (int i = 0; i < 1600; i++)
            http_server_write(fd, block, sizeof(block));
    } else if (strstr(r.target, "headers")) {
        http_server_puts(fd, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 300; i++) {
            snprintf(line, sizeof(line), "X-%d: 1\r\n", i);
            http_server_puts(fd, line);
        }
        http_server_puts(fd, "Content-Length: 0\r\n\r\n");
    } else {
        http_server_answer(fd, strstr(r.target, "missing") ? 404 : 200, "text");
    }
done:
    free(r.body);
}

static void test_http__classes_of_failure(void **state)
{
    static const struct {
        const char *path;
        int timeout_ms, idle_ms, code, retryable;
    } cases[] = {
        {"/truncate", 0, 0, GPUC_ENETWORK, 1},  {"/reset", 0, 0, GPUC_ENETWORK, 1},
        {"/garbage", 0, 0, GPUC_EPROTO, 0},     {"/hang", 300, 0, GPUC_ETIMEDOUT, 1},
        {"/stall", -1, 300, GPUC_ETIMEDOUT, 1}, {"/big", 0, 0, GPUC_ELIMIT, 0},
        {"/headers", 0, 0, GPUC_ELIMIT, 0},     {"/missing", 0, 0, 0, 0},
        {"/drip", -1, 400, 0, 0},               {"/drip", 200, 0, GPUC_ETIMEDOUT, 1},
    };
    outcome o = {0};

    begin(serve_by_path);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fetch(&o, (gpuc__http_args){.path = cases[i].path,
                                    .timeout_ms = cases[i].timeout_ms,
                                    .idle_ms = cases[i].idle_ms});
        if (o.code != cases[i].code)
            print_error("%s: %s\n", cases[i].path, o.message ? o.message : "no error");
        assert_int_equal(o.code, cases[i].code);
        assert_int_equal(o.retryable, cases[i].retryable);
        drop(&o);
    }
    fetch(&o, (gpuc__http_args){.path = "/missing"});
    assert_int_equal(o.status, 404);
    drop(&o);
    finish();
}

static void test_http__refused_and_absent_servers(void **state)
{
    gpuc__http_config config = {.base_url = "http://127.0.0.1:1"};
    gpuc_error *err = NULL;
    outcome o = {0};

    begin_config(serve_echo, config);
    fetch(&o, (gpuc__http_args){0});
    assert_int_equal(o.code, GPUC_ENETWORK);
    assert_true(o.retryable);
    assert_int_equal(o.status, 0);
    drop(&o);
    gpuc__http_unref(http);
    config = (gpuc__http_config){.base_url = "http://d", .unix_socket = "/nonexistent/socket",
                                 .domain = GPUC_DOMAIN_PROVIDER};
    assert_int_equal(gpuc__http_new(&http, context, &config, NULL), GPUC_OK);
    fetch(&o, (gpuc__http_args){0});
    assert_int_equal(o.code, GPUC_ENOTFOUND);
    assert_non_null(strstr(o.message, "/nonexistent/socket"));
    drop(&o);
    config = (gpuc__http_config){.base_url = "file:///etc/passwd"};
    gpuc__http *none = NULL;
    assert_int_equal(gpuc__http_new(&none, context, &config, &err), GPUC_EINVAL);
    assert_null(none);
    gpuc_error_unref(err);
    finish();
}

static void test_http__escape(void **state)
{
    char *text = gpuc__http_escape("a/b c%\xc3\xa9~");

    assert_string_equal(text, "a%2Fb%20c%25%C3%A9~");
    gpuc__free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http__answers_and_reuses_the_connection),
        cmocka_unit_test(test_http__refuses_what_would_break_the_request),
        cmocka_unit_test(test_http__classes_of_failure),
        cmocka_unit_test(test_http__refused_and_absent_servers),
        cmocka_unit_test(test_http__escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

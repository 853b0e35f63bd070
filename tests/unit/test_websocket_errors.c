/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which the other end of a WebSocket can be wrong. */
#include <fcntl.h>

#include "support/ws_client.h"

#define FORBIDDEN(length) "HTTP/1.1 403 No\r\nContent-Length: " #length "\r\n\r\nyou"

/* The connection is reset, not ended. */
static void reset(int fd)
{
    const struct linger at_once = {1, 0};
    int nowhere = open("/dev/null", O_RDONLY | O_CLOEXEC);

    usleep(50000); /* what was sent before is read before */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    dup2(nowhere, fd);
    close(nowhere);
}

/* A 403, whose head and reason come as the path asks for; false: it asks for none. */
static bool forbid(const char *path, int fd)
{
    char page[20000];

    if (strstr(path, "forbidden")) {
        http_server_answer(fd, 403, "you lack iap.access");
    } else if (strstr(path, "page")) {
        memset(page, 'a', sizeof(page));
        http_server_puts(fd, FORBIDDEN(20003));
        usleep(50000);
        http_server_write(fd, page, sizeof(page));
    } else if (strstr(path, "reset")) {
        http_server_puts(fd, FORBIDDEN(19));
        reset(fd);
    } else if (strstr(path, "quotes")) {
        http_server_puts(fd, "HTTP/1.1 403 No\r\n\r\nyou\r\nContent-Length: 99\r\n");
        http_server_hang(fd);
    } else if (strstr(path, "apart")) {
        http_server_puts(fd, FORBIDDEN(19));
        usleep(50000);
        http_server_puts(fd, " lack iap.access");
    } else if (strstr(path, "half") || strstr(path, "waits")) {
        http_server_puts(fd, FORBIDDEN(19));
        if (strstr(path, "waits"))
            http_server_hang(fd);
    } else {
        return false;
    }
    return true;
}

/* Instead of agreeing, as the path asks for; false: it is to agree. */
static bool refuse(const char *path, char *head, int fd)
{
    static char long_line[20000];

    if (forbid(path, fd)) {
        return true;
    } else if (strstr(path, "busy")) {
        http_server_answer(fd, 503, "later");
    } else if (strstr(path, "ok200")) {
        http_server_answer(fd, 200, "hello");
    } else if (strstr(path, "garbage")) {
        http_server_puts(fd, "SSH-2.0-x\r\n\r\n");
    } else if (strstr(path, "accept")) {
        strcasestr(head, "Accept: ")[8] ^= 1;
        http_server_puts(fd, head);
    } else if (strstr(path, "endless")) {
        memset(long_line, 'a', sizeof(long_line) - 1);
        http_server_puts(fd, long_line);
    } else if (strstr(path, "hang")) {
        http_server_hang(fd);
    } else if (strstr(path, "noupgrade")) {
        http_server_puts(fd, "HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n");
    } else {
        return strstr(path, "mute") != NULL;
    }
    return true;
}

static void serve_wrong(http_server *s, int fd)
{
    static const char many[2000];
    http_server_request r;
    char head[512];

    if (!http_server_read(fd, &r))
        goto done;
    ws_server_head(head, sizeof(head), &r, strstr(r.target, "protocol") ? "other" : PROTOCOL);
    if (refuse(r.target, head, fd))
        goto done;
    http_server_puts(fd, head);
    if (strstr(r.target, "masked"))
        http_server_write(fd, "\x82\x81" "abcdX", 7);
    else if (strstr(r.target, "long"))
        ws_server_binary(fd, many, sizeof(many));
    else if (strstr(r.target, "goodbye"))
        ws_server_close(fd, 4003, "failed to connect to backend");
    else if (strstr(r.target, "bare"))
        ws_server_send(fd, 0x88, "", 0);
    if (!strstr(r.target, "lost"))
        http_server_hang(fd);
done:
    free(r.body);
}

static void test_websocket_errors__classes_of_failure(void **state)
{
    static const struct {
        const char *path;
        int error, native, code, opened;
    } cases[] = {
        {"/forbidden", GPUC_EPERM, 403, 0, 0}, {"/apart", GPUC_EPERM, 403, 0, 0},
        {"/half", GPUC_EPERM, 403, 0, 0},      {"/waits", GPUC_EPERM, 403, 0, 0},
        {"/reset", GPUC_EPERM, 403, 0, 0},     {"/busy", GPUC_EHTTP, 503, 0, 0},
        {"/ok200", GPUC_EPROTO, 200, 0, 0},    {"/garbage", GPUC_EPROTO, 0, 0, 0},
        {"/accept", GPUC_EPROTO, 0, 0, 0},     {"/protocol", GPUC_EPROTO, 0, 0, 0},
        {"/noupgrade", GPUC_EPROTO, 0, 0, 0},  {"/endless", GPUC_ELIMIT, 0, 0, 0},
        {"/hang", GPUC_ETIMEDOUT, 0, 0, 0},    {"/mute", GPUC_ENETWORK, 0, 0, 0},
        {"/masked", GPUC_EPROTO, 0, 0, 1},     {"/long", GPUC_ELIMIT, 0, 0, 1},
        {"/lost", GPUC_ENETWORK, 0, 0, 1},     {"/goodbye", 0, 0, 4003, 1},
        {"/bare", 0, 0, 1005, 1},
    };

    begin(serve_wrong);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        talk t = {0};

        run(&t, (gpuc__websocket_args){.path = cases[i].path,
                                       .subprotocol = PROTOCOL,
                                       .message_max = 1000,
                                       .open_ms = strstr("/hang /waits", cases[i].path) ? 1000 : 20000});
        if (t.error != cases[i].error || t.code != cases[i].code)
            print_error("%s: %d %s\n", cases[i].path, t.code, t.message ? t.message : "no error");
        assert_int_equal(t.error, cases[i].error);
        assert_int_equal(t.code, cases[i].code);
        assert_int_equal(t.opened, cases[i].opened);
        assert_int_equal(t.closed, 1);
        if (cases[i].native)
            assert_int_equal(t.native, cases[i].native);
        if (cases[i].native == 403)
            assert_string_equal(t.evidence, strstr("/half /waits /reset", cases[i].path)
                                                ? "you" : "you lack iap.access");
        if (t.code == 4003)
            assert_string_equal(t.reason, "failed to connect to backend");
        clear(&t);
    }
    finish();
}

static void expect_refusal(const char *path, const char *why)
{
    uint64_t begun = gpuc__clock_ms();
    talk t = {0};

    run(&t, (gpuc__websocket_args){.path = path, .open_ms = 8000});
    if (t.error != GPUC_EPERM)
        fail_msg("%s", t.message);
    assert_non_null(strstr(t.evidence, why));
    assert_true(gpuc__clock_ms() - begun < 7000);
    clear(&t);
}

/* One that says more than is wanted, and one whose words look like a header: they are no part of it. */
static void test_websocket_errors__refusals_of_many_words(void **state)
{
    begin(serve_wrong);
    expect_refusal("/page", "youaaa");
    expect_refusal("/quotes", "Content-Length: 99");
    finish();
}

static void test_websocket_errors__a_bad_header_and_a_closed_port(void **state)
{
    static const char *const headers[] = {"X: a\r\nY: b", NULL};
    gpuc__http_config nowhere = {.base_url = "http://127.0.0.1:1"};
    talk t = {0};

    begin(serve_wrong);
    run(&t, (gpuc__websocket_args){.headers = headers});
    assert_int_equal(t.error, GPUC_EINVAL);
    clear(&t);
    assert_int_equal(server.accepted, 0);
    finish();
    begin_config(serve_wrong, nowhere);
    run(&t, (gpuc__websocket_args){0});
    assert_int_equal(t.error, GPUC_ENETWORK);
    clear(&t);
    finish();
}

int main(void)
{
#define TEST(name) cmocka_unit_test(test_websocket_errors__##name)
    const struct CMUnitTest tests[] = {
        TEST(classes_of_failure),
        TEST(refusals_of_many_words),
        TEST(a_bad_header_and_a_closed_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

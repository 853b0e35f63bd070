/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets over a real socket: good talk, and every way in which the other end can be wrong. */
#include "support/http_client.h"
#include "support/ws_server.h"
#include "util/buf.h"

#define PROTOCOL "relay.test"
#define BIG (3 * 1024 * 1024)

typedef struct talk {
    gpuc__websocket *ws;
    int opened, closed, messages, texts, emptied, code, error, native;
    char *reason, *message, *evidence;
    gpuc__buf got;
    int close_after;  /* messages after which the client closes; 0: never */
    bool drop_inside; /* drops it inside the first message */
    const char *say;  /* sent when it opens */
    size_t say_length;
} talk;

static void on_open(void *data)
{
    talk *t = data;

    t->opened++;
    if (t->say)
        assert_true(gpuc__websocket_send(t->ws, t->say, t->say_length));
}

static void on_message(void *data, bool text, const void *bytes, size_t length)
{
    talk *t = data;

    t->messages++;
    t->texts += text;
    gpuc__buf_add(&t->got, bytes, length);
    if (t->drop_inside) {
        gpuc__websocket_drop(t->ws);
        t->closed = 100;
    } else if (t->messages == t->close_after) {
        gpuc__websocket_close(t->ws, 1000);
    }
}

static void on_empty(void *data)
{
    ((talk *)data)->emptied++;
}

static void on_closed(void *data, int code, const char *reason, gpuc_error *error)
{
    talk *t = data;

    t->closed++;
    t->code = code;
    t->reason = gpuc__strdup(reason);
    if (error) {
        t->error = gpuc_error_code(error);
        t->native = (int)gpuc_error_native_code(error);
        t->message = gpuc__strdup(gpuc_error_message(error));
        t->evidence = gpuc__strdup(gpuc_error_evidence(error));
        gpuc_error_unref(error);
    }
}

static void wait_closed(talk *t)
{
    uint64_t end = gpuc__clock_ms() + 20000;

    while (!t->closed && gpuc__clock_ms() < end)
        assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    assert_true(t->closed > 0);
}

static void start(talk *t, gpuc__websocket_args args)
{
    gpuc__buf_init(&t->got, 2 * BIG);
    args.http = http;
    args.path = args.path ? args.path : "/v4/connect?port=22";
    args.open = on_open;
    args.message = on_message;
    args.empty = on_empty;
    args.closed = on_closed;
    args.data = t;
    t->ws = gpuc__websocket_open(&args);
    assert_non_null(t->ws);
    assert_int_equal(t->opened + t->closed, 0);
}

static void clear(talk *t)
{
    gpuc__free(t->reason);
    gpuc__free(t->message);
    gpuc__free(t->evidence);
    gpuc__buf_clear(&t->got);
    memset(t, 0, sizeof(*t));
}

static void run(talk *t, gpuc__websocket_args args)
{
    start(t, args);
    wait_closed(t);
}

static http_server_request seen; /* by the server; read once it has stopped */
static int pongs;
static ws_frame frame;

/* Echoes, after a greeting in three parts with a ping in between. */
static void serve_talk(http_server *s, int fd)
{
    free(seen.body);
    if (!ws_server_open(fd, &seen, PROTOCOL))
        return;
    ws_server_send(fd, 0x01, "gre", 3);
    ws_server_send(fd, 0x89, "are you there", 13);
    ws_server_send(fd, 0x00, "et", 2);
    ws_server_send(fd, 0x80, "ing", 3);
    while (ws_server_read(fd, &frame)) {
        if (frame.opcode == 10)
            pongs += frame.length == 13 && memcmp(frame.bytes, "are you there", 13) == 0;
        else if (frame.opcode == 8) {
            ws_server_send(fd, 0x88, frame.bytes, frame.length);
            return;
        } else
            ws_server_binary(fd, frame.bytes, frame.length);
    }
}

static void test_websocket__talks_both_ways_and_closes_in_order(void **state)
{
    static const char *const headers[] = {"Authorization: Bearer t0k", "Origin: bot:x", NULL};
    static char say[66000];
    talk t = {.close_after = 2, .say = say, .say_length = sizeof(say)};

    for (size_t i = 0; i < sizeof(say); i++)
        say[i] = (char)(i * 7);
    pongs = 0;
    begin(serve_talk);
    run(&t, (gpuc__websocket_args){.subprotocol = PROTOCOL, .headers = headers});
    finish();
    assert_int_equal(t.opened, 1);
    assert_int_equal(t.messages, 2);
    assert_int_equal(t.texts, 1);
    assert_int_equal(t.got.length, 8 + sizeof(say));
    assert_memory_equal(t.got.data, "greeting", 8);
    assert_memory_equal(t.got.data + 8, say, sizeof(say));
    assert_true(t.emptied >= 1);
    assert_int_equal(t.error, 0);
    assert_int_equal(t.code, 1000);
    assert_int_equal(t.closed, 1);
    assert_int_equal(pongs, 1);
    assert_string_equal(seen.target, "/v4/connect?port=22");
    assert_non_null(strstr(seen.head, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(seen.head, "\r\nAuthorization: Bearer t0k\r\n"));
    assert_non_null(strstr(seen.head, "\r\nHost: 127.0.0.1:"));
    clear(&t);
}

/* What the path asks for. */
static void serve_wrong(http_server *s, int fd)
{
    static char long_line[20000];
    http_server_request r;
    char head[512];

    if (!http_server_read(fd, &r))
        goto done;
    ws_server_head(head, sizeof(head), &r, strstr(r.target, "protocol") ? "other" : PROTOCOL);
    if (strstr(r.target, "forbidden")) {
        http_server_answer(fd, 403, "you lack iap.access");
    } else if (strstr(r.target, "busy")) {
        http_server_answer(fd, 503, "later");
    } else if (strstr(r.target, "ok200")) {
        http_server_answer(fd, 200, "hello");
    } else if (strstr(r.target, "garbage")) {
        http_server_puts(fd, "SSH-2.0-x\r\n\r\n");
    } else if (strstr(r.target, "accept")) {
        strcasestr(head, "Accept: ")[8] ^= 1;
        http_server_puts(fd, head);
    } else if (strstr(r.target, "endless")) {
        memset(long_line, 'a', sizeof(long_line) - 1);
        http_server_puts(fd, long_line);
    } else if (strstr(r.target, "hang")) {
        http_server_hang(fd);
    } else if (strstr(r.target, "noupgrade")) {
        http_server_puts(fd, "HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n");
    } else if (!strstr(r.target, "mute")) {
        http_server_puts(fd, head);
        if (strstr(r.target, "masked"))
            http_server_write(fd, "\x82\x81" "abcdX", 7);
        else if (strstr(r.target, "long"))
            ws_server_binary(fd, long_line, 2000);
        else if (strstr(r.target, "goodbye"))
            ws_server_close(fd, 4003, "failed to connect to backend");
        else if (strstr(r.target, "bare"))
            ws_server_send(fd, 0x88, "", 0);
        http_server_hang(strstr(r.target, "lost") ? -1 : fd);
    }
done:
    free(r.body);
}

static void test_websocket__classes_of_failure(void **state)
{
    static const struct {
        const char *path;
        int error, native, code, opened;
    } cases[] = {
        {"/forbidden", GPUC_EPERM, 403, 0, 0}, {"/busy", GPUC_EHTTP, 503, 0, 0},
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
                                       .open_ms = 400});
        if (t.error != cases[i].error || t.code != cases[i].code)
            print_error("%s: %d %s\n", cases[i].path, t.code, t.message ? t.message : "no error");
        assert_int_equal(t.error, cases[i].error);
        assert_int_equal(t.code, cases[i].code);
        assert_int_equal(t.opened, cases[i].opened);
        assert_int_equal(t.closed, 1);
        if (cases[i].native)
            assert_int_equal(t.native, cases[i].native);
        if (cases[i].native == 403)
            assert_string_equal(t.evidence, "you lack iap.access");
        if (t.code == 4003)
            assert_string_equal(t.reason, "failed to connect to backend");
        clear(&t);
    }
    finish();
}

static void test_websocket__a_bad_header_and_a_closed_port(void **state)
{
    static const char *const headers[] = {"X: a\r\nY: b", NULL};
    gpuc__http_config nowhere = {.base_url = "http://127.0.0.1:1"};
    talk t = {0};

    begin(serve_talk);
    run(&t, (gpuc__websocket_args){.headers = headers});
    assert_int_equal(t.error, GPUC_EINVAL);
    clear(&t);
    assert_int_equal(server.accepted, 0);
    finish();
    begin_config(serve_talk, nowhere);
    run(&t, (gpuc__websocket_args){0});
    assert_int_equal(t.error, GPUC_ENETWORK);
    clear(&t);
    finish();
}

/* Sends a lot at once, then waits for the end. */
static void serve_much(http_server *s, int fd)
{
    static char block[65536];
    http_server_request r;

    if (ws_server_open(fd, &r, NULL)) {
        for (int i = 0; i < BIG / (int)sizeof(block); i++)
            ws_server_binary(fd, block, sizeof(block));
        ws_server_close(fd, 1000, "");
        http_server_hang(fd);
    }
    free(r.body);
}

static void test_websocket__a_pause_holds_the_stream(void **state)
{
    talk t = {0};

    begin(serve_much);
    start(&t, (gpuc__websocket_args){0});
    while (!t.messages)
        assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    gpuc__websocket_pause(t.ws, true);
    assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    int before = t.messages;
    for (int i = 0; i < 5; i++)
        assert_int_equal(gpuc_context_run(context, 20, NULL), GPUC_OK);
    assert_int_equal(t.messages, before);
    assert_true(t.got.length < BIG);
    gpuc__websocket_pause(t.ws, false);
    wait_closed(&t);
    assert_int_equal(t.got.length, BIG);
    assert_int_equal(t.code, 1000);
    clear(&t);
    finish();
}

/* Agrees and never reads again. */
static void serve_deaf(http_server *s, int fd)
{
    http_server_request r;
    struct timeval limit = {20, 0};
    char byte;

    if (ws_server_open(fd, &r, NULL)) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        while (*(atomic_bool *)s->data == false)
            usleep(10000);
        while (recv(fd, &byte, 1, 0) > 0)
            ;
    }
    free(r.body);
}

static void test_websocket__its_queue_is_bounded_and_its_closing_too(void **state)
{
    static char block[64 * 1024];
    static atomic_bool through;
    talk t = {0};
    int sent = 0;

    begin(serve_deaf);
    server.data = &through;
    start(&t, (gpuc__websocket_args){.queue_max = 256 * 1024});
    while (!t.opened)
        assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    for (int i = 0; i < 2000 && gpuc__websocket_send(t.ws, block, sizeof(block)); i++) {
        sent++;
        assert_int_equal(gpuc_context_run(context, 0, NULL), GPUC_OK);
    }
    assert_in_range(sent, 3, 1999);
    assert_true(gpuc__websocket_queued(t.ws) <= 256 * 1024 + 64 * 1024);
    gpuc__websocket_close(t.ws, 1000);
    wait_closed(&t);
    assert_int_equal(t.closed, 1);
    through = true;
    clear(&t);
    finish();
}

static void test_websocket__a_drop_at_any_time_is_the_end(void **state)
{
    talk inside = {.drop_inside = true}, at_once = {0}, connecting = {0}, waiting = {0};

    begin(serve_talk);
    run(&inside, (gpuc__websocket_args){.subprotocol = PROTOCOL});
    assert_int_equal(inside.closed, 100);
    start(&at_once, (gpuc__websocket_args){0});
    gpuc__websocket_drop(at_once.ws);
    start(&connecting, (gpuc__websocket_args){0});
    assert_int_equal(gpuc_context_run(context, 0, NULL), GPUC_OK);
    gpuc__websocket_drop(connecting.ws);
    start(&waiting, (gpuc__websocket_args){.subprotocol = PROTOCOL});
    while (!waiting.messages)
        assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    gpuc__websocket_drop(waiting.ws);
    for (int i = 0; i < 5; i++)
        assert_int_equal(gpuc_context_run(context, 10, NULL), GPUC_OK);
    assert_int_equal(at_once.opened + at_once.closed + connecting.closed + waiting.closed, 0);
    gpuc__websocket_drop(NULL);
    clear(&inside);
    clear(&waiting);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_websocket__talks_both_ways_and_closes_in_order),
        cmocka_unit_test(test_websocket__classes_of_failure),
        cmocka_unit_test(test_websocket__a_bad_header_and_a_closed_port),
        cmocka_unit_test(test_websocket__a_pause_holds_the_stream),
        cmocka_unit_test(test_websocket__its_queue_is_bounded_and_its_closing_too),
        cmocka_unit_test(test_websocket__a_drop_at_any_time_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets over a real socket: talk in both directions, held up, cut off, and ended in order. */
#include "support/ws_client.h"
#include "support/run_until.h"

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

static atomic_int told; /* the code of the close frame; -1: the connection ended without one */

static void serve_until_told(http_server *s, int fd)
{
    http_server_request r;
    int code = -1;

    if (ws_server_open(fd, &r, PROTOCOL)) {
        ws_server_binary(fd, "x", 1);
        while (code < 0 && ws_server_read(fd, &frame)) {
            if (frame.opcode == 8 && frame.length == 2)
                code = frame.bytes[0] << 8 | frame.bytes[1];
        }
    }
    free(r.body);
    told = code;
}

/* Whoever leaves without waiting says so, behind what was to be sent. */
static void test_websocket__a_drop_is_told(void **state)
{
    talk t = {0};

    begin(serve_until_told);
    told = 0;
    start(&t, (gpuc__websocket_args){.subprotocol = PROTOCOL});
    while (!t.messages)
        assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    assert_true(gpuc__websocket_send(t.ws, "last", 4));
    gpuc__websocket_drop(t.ws);
    RUN_UNTIL(context, told);
    assert_int_equal(told, 1001);
    assert_int_equal(t.closed, 0);
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
#define TEST(name) cmocka_unit_test(test_websocket__##name)
    const struct CMUnitTest tests[] = {
        TEST(talks_both_ways_and_closes_in_order),
        TEST(a_pause_holds_the_stream),
        TEST(its_queue_is_bounded_and_its_closing_too),
        TEST(a_drop_is_told),
        TEST(a_drop_at_any_time_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One pool, one server, one request at a time: what the tests of the HTTP transport share. */
#ifndef TEST_HTTP_CLIENT_H
#define TEST_HTTP_CLIENT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/context.h"
#include "support/http_server.h"
#include "transport/http.h"
#include "util/alloc.h"

static gpuc_context *context;
static http_server server;
static gpuc__http *http;

typedef struct outcome {
    int done, status;
    char *body, *server_header;
    size_t length, streamed;
    int code, retryable, domain;
    char *message;
    size_t stop_after;        /* chunk: end the request after so many bytes */
    gpuc__http_request *request;
    struct outcome *next;     /* sent from inside chunk */
} outcome;

static inline void on_done(void *data, int status, const char *body, size_t length,
                           gpuc_error *error)
{
    outcome *o = data;

    o->done++;
    o->status = status;
    o->body = gpuc__strndup(body, length);
    o->length = length;
    o->server_header = gpuc__strdup(gpuc__http_header(gpuc__http_current(http), "server"));
    if (error) {
        o->code = gpuc_error_code(error);
        o->domain = gpuc_error_domain(error);
        o->retryable = gpuc_error_retryable(error);
        o->message = gpuc__strdup(gpuc_error_message(error));
        gpuc_error_unref(error);
    }
}

static inline bool on_chunk(void *data, const char *bytes, size_t length)
{
    outcome *o = data;
    outcome *next = o->next;

    o->streamed += length;
    if (next) {
        o->next = NULL;
        gpuc__http_send(http, &(gpuc__http_args){
                                  .method = "GET", .path = "/next", .done = on_done, .data = next});
    }
    return !o->stop_after || o->streamed < o->stop_after;
}

static inline void wait_for(outcome *o)
{
    uint64_t end = gpuc__clock_ms() + 30000;

    while (!o->done && gpuc__clock_ms() < end)
        assert_int_equal(gpuc_context_run(context, 100, NULL), GPUC_OK);
    assert_int_equal(o->done, 1);
}

static inline void drop(outcome *o)
{
    gpuc__free(o->body);
    gpuc__free(o->server_header);
    gpuc__free(o->message);
    memset(o, 0, sizeof(*o));
}

static inline void begin_config(void (*serve)(http_server *, int),
                                gpuc__http_config config)
{
    gpuc_error *err = NULL;

    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    http_server_start(&server, NULL, serve, NULL);
    if (!config.base_url)
        config.base_url = server.url;
    assert_int_equal(gpuc__http_new(&http, context, &config, &err), GPUC_OK);
}

static inline void begin(void (*serve)(http_server *, int))
{
    begin_config(serve, (gpuc__http_config){.machine = "m1"});
}

static inline void finish(void)
{
    gpuc__http_unref(http);
    gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    http_server_stop(&server);
}

/* Sends a GET (or what args say) and waits. */
static inline void fetch(outcome *o, gpuc__http_args args)
{
    if (!args.method)
        args.method = "GET";
    if (!args.path)
        args.path = "/x?y=z";
    args.done = on_done;
    args.data = o;
    o->request = gpuc__http_send(http, &args);
    assert_non_null(o->request);
    assert_int_equal(o->done, 0);
    wait_for(o);
}

static inline void serve_echo(http_server *s, int fd)
{
    http_server_request r;
    char *text = NULL;

    while (http_server_read(fd, &r)) {
        assert_true(asprintf(&text, "%s %s [%s]", r.method, r.target, r.body) > 0);
        http_server_puts(fd, "HTTP/1.1 200 OK\r\nServer: \t small\r\n");
        free(r.body);
        assert_true(asprintf(&r.body, "Content-Length: %zu\r\n\r\n%s", strlen(text), text) > 0);
        http_server_puts(fd, r.body);
        free(r.body);
        free(text);
    }
    free(r.body);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted stand-in for an API server: each request takes the first step of the script that fits
 * and is not used up. What was asked is recorded. */
#ifndef TEST_KUBE_API_H
#define TEST_KUBE_API_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/context.h"
#include "kube/client.h"
#include "support/http_server.h"
#include "transport/http.h"
#include "util/alloc.h"

/* Steps of a script name only what matters to them. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum {
    KUBE_CUT = 1,   /* the connection breaks after the body */
    KUBE_HANG = 2,  /* nothing more after the body until the client leaves */
    KUBE_WAIT = 4   /* the body comes 300 ms late */
};

typedef struct kube_step {
    const char *method, *target; /* the target holds this text */
    int status;                  /* 0: the connection is closed without an answer */
    const char *body;
    int flags;
    int times;                   /* 0: once; -1: for ever */
    const char *headers;         /* "Name: value\r\n" */
    const char *unless;          /* does not fit when the target holds this */
    const char *head;            /* the request's head holds this text */
    int used;
} kube_step;

typedef struct kube_api {
    http_server server;
    kube_step *steps;
    pthread_mutex_t mutex;
    char log[256][1536]; /* "GET /path?query body" */
    int count, unmatched;
} kube_api;

static gpuc_context *context;
static gpuc__http *http;
static gpuc__kube *kube;
static kube_api api;

#define KUBE_STATUS(code, reason, message)                                                         \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"" reason       \
    "\",\"code\":" #code ",\"message\":\"" message "\"}"

static inline kube_step *kube_api_match(const http_server_request *r)
{
    for (kube_step *s = api.steps; s->method; s++) {
        if (strcmp(s->method, r->method) == 0 && strstr(r->target, s->target) &&
            !(s->unless && strstr(r->target, s->unless)) &&
            !(s->head && !strstr(r->head, s->head)) &&
            (s->times < 0 || s->used < (s->times ? s->times : 1))) {
            s->used++;
            return s;
        }
    }
    api.unmatched++;
    return NULL;
}

/* false: the connection is to be closed. */
static inline bool kube_api_answer(int fd, const kube_step *s)
{
    char head[512];

    if (!s) {
        http_server_answer(fd, 404, KUBE_STATUS(404, "NotFound", "not in the script"));
        return true;
    }
    if (!s->status)
        return false;
    snprintf(head, sizeof(head),
             "HTTP/1.1 %d S\r\nContent-Type: application/json\r\n%sTransfer-Encoding: "
             "chunked\r\n\r\n",
             s->status, s->headers ? s->headers : "");
    http_server_puts(fd, head);
    if (s->flags & KUBE_WAIT)
        usleep(300000);
    if (s->body && *s->body) {
        snprintf(head, sizeof(head), "%zx\r\n", strlen(s->body));
        http_server_puts(fd, head);
        http_server_puts(fd, s->body);
        http_server_puts(fd, "\r\n");
    }
    if (s->flags & KUBE_HANG)
        http_server_hang(fd);
    if (s->flags & (KUBE_CUT | KUBE_HANG))
        return false;
    http_server_puts(fd, "0\r\n\r\n");
    return true;
}

static inline void kube_api_serve(http_server *server, int fd)
{
    http_server_request r;
    bool more = true;

    while (more && http_server_read(fd, &r)) {
        kube_step *step;

        pthread_mutex_lock(&api.mutex);
        step = kube_api_match(&r);
        snprintf(api.log[api.count % 256], sizeof(api.log[0]), "%s %s %.400s", r.method, r.target,
                 r.body);
        api.count++;
        pthread_mutex_unlock(&api.mutex);
        more = kube_api_answer(fd, step);
        free(r.body);
        r.body = NULL;
    }
    free(r.body);
}

static inline void kube_api_begin(kube_step *steps)
{
    gpuc_error *err = NULL;

    memset(&api, 0, sizeof(api));
    pthread_mutex_init(&api.mutex, NULL);
    api.steps = steps;
    assert_int_equal(gpuc_context_new(&context, &err), GPUC_OK);
    http_server_start(&api.server, NULL, kube_api_serve, NULL);
    assert_int_equal(
        gpuc__http_new(&http, context, &(gpuc__http_config){.base_url = api.server.url}, &err),
        GPUC_OK);
    assert_int_equal(gpuc__kube_new(&kube, context, http, &err), GPUC_OK);
}

static inline void kube_api_end(void)
{
    gpuc__kube_unref(kube);
    gpuc__http_unref(http);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    http_server_stop(&api.server);
}

/* How many requests were made whose record holds this text. */
static inline int kube_api_asked(const char *text)
{
    int n = 0;

    for (int i = 0; i < api.count && i < 256; i++)
        n += strstr(api.log[i], text) != NULL;
    return n;
}

typedef struct kube_end {
    int done;
    json_t *result;
    gpuc_error *error;
} kube_end;

static inline void kube_on_end(void *data, json_t *result, gpuc_error *error)
{
    kube_end *end = data;

    end->done++;
    end->result = json_incref(result);
    end->error = error;
}

static inline void kube_wait(kube_end *end)
{
    uint64_t limit = gpuc__clock_ms() + 30000;

    while (!end->done && gpuc__clock_ms() < limit)
        assert_int_equal(gpuc_context_run(context, 100, NULL), GPUC_OK);
    for (int i = 0; i < 3; i++)
        gpuc_context_run(context, 0, NULL);
    assert_int_equal(end->done, 1);
}

static inline void kube_drop(kube_end *end)
{
    json_decref(end->result);
    gpuc_error_unref(end->error);
    memset(end, 0, sizeof(*end));
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted stand-in for the Compute Engine API (SIMULATED): each request takes the first step of
 * the script that fits and is not used up. What was asked is recorded. The token comes from a file,
 * as gcloud's does. */
#ifndef TEST_GCE_API_H
#define TEST_GCE_API_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/context.h"
#include "provider/gce/client.h"
#include "support/http_server.h"
#include "util/alloc.h"

/* Steps of a script name only what matters to them. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum {
    GCE_CUT = 1,    /* the connection breaks in the middle of the body */
    GCE_HANG = 2,   /* no answer until the client leaves */
    GCE_RESET = 4,  /* the connection is reset */
    GCE_HUGE = 8,   /* 100 MB of JSON */
    GCE_RENEW = 16, /* with the answer the token file gets another token */
    GCE_GZIP = 32   /* {"name":"zipped"}, compressed */
};

typedef struct gce_step {
    const char *method, *target; /* the target holds this text */
    int status;
    const char *body;
    int flags;
    int times;           /* 0: once; -1: for ever */
    const char *headers; /* "Name: value\r\n" */
    int used;
} gce_step;

typedef struct gce_seen {
    char line[1536]; /* "POST /path?query body" */
    char head[2048];
} gce_seen;

static struct {
    http_server server;
    gce_step *steps;
    pthread_mutex_t mutex;
    gce_seen seen[128];
    int count, unmatched, tokens;
    char directory[64], token_file[96], endpoint[128];
} api;
static gpuc_context *context;
static gpuc__gce_auth *auth;
static gpuc__gce_client *client;

#define GCE_LINK "https://www.googleapis.com/compute/v1/"
#define GCE_ERROR(code, reason, message)                                                           \
    "{\"error\":{\"code\":" #code ",\"message\":\"" message                                        \
    "\",\"errors\":[{\"message\":\"" message "\",\"domain\":\"global\",\"reason\":\"" reason       \
    "\"}]}}"
#define GCE_OPERATION(status)                                                                      \
    "{\"kind\":\"compute#operation\",\"name\":\"operation-1\",\"status\":\"" status                \
    "\",\"zone\":\"" GCE_LINK "projects/p1/zones/z1\",\"selfLink\":\"" GCE_LINK                    \
    "projects/p1/zones/z1/operations/operation-1\",\"targetLink\":\"" GCE_LINK                     \
    "projects/p1/zones/z1/instances/c1-m1\""
#define GCE_DONE GCE_OPERATION("DONE") "}"
#define GCE_RUNNING GCE_OPERATION("RUNNING") "}"

static inline void gce_write_token(void)
{
    FILE *file = fopen(api.token_file, "w");

    if (!file || fprintf(file, "token-%d\n", ++api.tokens) < 0 || fclose(file) != 0)
        abort();
}

static inline gce_step *gce_match(const http_server_request *r)
{
    for (gce_step *s = api.steps; s->method; s++) {
        if (strcmp(s->method, r->method) == 0 && strstr(r->target, s->target) &&
            (s->times < 0 || s->used < (s->times ? s->times : 1))) {
            s->used++;
            return s;
        }
    }
    api.unmatched++;
    return NULL;
}

static inline void gce_answer_huge(int fd)
{
    static char part[1024 * 1024];

    memset(part, 'x', sizeof(part));
    http_server_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 104857617\r\n\r\n{\"items\":\"");
    for (int i = 0; i < 100; i++)
        http_server_write(fd, part, sizeof(part));
    http_server_puts(fd, "\"     }");
}

static inline void gce_answer_gzip(int fd)
{
    static const unsigned char zipped[] = {
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0xca,
        0x4b, 0xcc, 0x4d, 0x55, 0xb2, 0x52, 0xaa, 0xca, 0x2c, 0x28, 0x48, 0x4d, 0x51,
        0xaa, 0x05, 0x00, 0xf5, 0x2f, 0xb7, 0xd9, 0x11, 0x00, 0x00, 0x00};
    char head[128];

    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             sizeof(zipped));
    http_server_puts(fd, head);
    http_server_write(fd, zipped, sizeof(zipped));
}

/* false: the connection is to be closed. */
static inline bool gce_answer(int fd, const gce_step *s)
{
    const struct linger at_once = {1, 0};
    const char *body = s && s->body ? s->body : "";
    char head[512];

    if (!s) {
        http_server_answer(fd, 404, GCE_ERROR(404, "notFound", "not in the script"));
        return true;
    }
    if (s->flags & GCE_RENEW)
        gce_write_token();
    if (s->flags & GCE_HANG)
        http_server_hang(fd);
    if (s->flags & GCE_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (s->flags & GCE_HUGE)
        gce_answer_huge(fd);
    if (s->flags & GCE_GZIP)
        gce_answer_gzip(fd);
    if (s->flags & (GCE_HUGE | GCE_GZIP))
        return true;
    if (s->flags & (GCE_HANG | GCE_RESET))
        return false;
    snprintf(head, sizeof(head), "HTTP/1.1 %d S\r\n%sContent-Length: %zu\r\n\r\n", s->status,
             s->headers ? s->headers : "", strlen(body));
    http_server_puts(fd, head);
    http_server_write(fd, body, s->flags & GCE_CUT ? strlen(body) / 2 : strlen(body));
    return !(s->flags & GCE_CUT);
}

static inline void gce_serve(http_server *server, int fd)
{
    http_server_request r;
    bool more = true;

    while (more && http_server_read(fd, &r)) {
        gce_step *step;
        gce_seen *seen;

        pthread_mutex_lock(&api.mutex);
        step = gce_match(&r);
        seen = &api.seen[api.count++ % 128];
        snprintf(seen->line, sizeof(seen->line), "%s %s %.400s", r.method, r.target, r.body);
        snprintf(seen->head, sizeof(seen->head), "%.2000s", r.head);
        pthread_mutex_unlock(&api.mutex);
        more = gce_answer(fd, step);
        free(r.body);
        r.body = NULL;
    }
    free(r.body);
}

/* ms_per_s: how long a second of a pause takes. */
static inline void gce_begin(gce_step *steps, uint32_t ms_per_s)
{
    memset(&api, 0, sizeof(api));
    pthread_mutex_init(&api.mutex, NULL);
    api.steps = steps;
    snprintf(api.directory, sizeof(api.directory), "/tmp/gpuc-test-gce-XXXXXX");
    assert_non_null(mkdtemp(api.directory));
    snprintf(api.token_file, sizeof(api.token_file), "%s/token", api.directory);
    gce_write_token();
    setenv("CLOUDSDK_CONFIG", api.directory, 1);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", api.token_file, 1);
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    http_server_start(&api.server, NULL, gce_serve, NULL);
    snprintf(api.endpoint, sizeof(api.endpoint), "%s/compute/v1/", api.server.url);
    assert_int_equal(gpuc__gce_auth_new(&auth, context, NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_client_new(&client, context, auth, api.endpoint, NULL), GPUC_OK);
    gpuc__gce_client_scale_time(client, ms_per_s);
}

static inline void gce_finish(void)
{
    gpuc__gce_client_unref(client);
    gpuc__gce_auth_unref(auth);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    http_server_stop(&api.server);
    unlink(api.token_file);
    rmdir(api.directory);
}

/* How many requests were made whose record holds this text. */
static inline int gce_asked(const char *text)
{
    int n = 0;

    for (int i = 0; i < api.count && i < 128; i++)
        n += strstr(api.seen[i].line, text) || strstr(api.seen[i].head, text);
    return n;
}

typedef struct gce_end {
    int done, code;
    gpuc__gce_scope scope;
    json_t *answer;
    gpuc_error *error;
    const char *message;
} gce_end;

static inline void gce_on_end(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gce_end *end = data;

    end->done++;
    end->scope = scope;
    end->answer = json_incref(answer);
    end->error = error;
    end->code = error ? gpuc_error_code(error) : GPUC_OK;
    end->message = error ? gpuc_error_message(error) : "";
}

static inline void gce_wait_for(gce_end *end)
{
    uint64_t limit = gpuc__clock_ms() + 30000;

    assert_int_equal(end->done, 0); /* never inside the call */
    while (!end->done && gpuc__clock_ms() < limit)
        assert_int_equal(gpuc_context_run(context, 100, NULL), GPUC_OK);
    for (int i = 0; i < 3; i++)
        gpuc_context_run(context, 0, NULL);
    assert_int_equal(end->done, 1);
}

static inline void gce_drop(gce_end *end)
{
    json_decref(end->answer);
    gpuc_error_unref(end->error);
    memset(end, 0, sizeof(*end));
}
#endif

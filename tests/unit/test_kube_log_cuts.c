/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of a thousand lines through a server that breaks the connection at random places, as an honest
 * kubelet behind a bad network: every line once, in order. Several at once, since each waits between its
 * tries. */
#define HTTP_SERVER_CONNECTIONS 256
#include "support/kube_api.h"

#include "kube/log.h"

#define LINES 1000
#define BOOKS 3

static struct book {
    char text[LINES][64]; /* with timestamp and newline */
    int second[LINES];
    unsigned seed;
    int cuts;
} books[BOOKS];

typedef struct reader {
    kube_end end;
    gpuc__kube_call *log;
    int next; /* the number the next line must have */
} reader;

static unsigned roll(struct book *book, unsigned below)
{
    book->seed = book->seed * 1103515245u + 12345u;
    return (book->seed >> 16) % below;
}

/* Few and coarse timestamps, many equal, some a second back; equal texts as well. */
static void write_book(struct book *book, unsigned seed)
{
    int clock = 0;

    book->seed = seed;
    book->cuts = 40; /* then 20 more to come */
    for (int i = 0; i < LINES; i++) {
        int at;

        clock += roll(book, 40) == 0;
        at = clock > 0 && roll(book, 60) == 0 ? clock - 1 : clock;
        book->second[i] = at;
        snprintf(book->text[i], sizeof(book->text[i]), "2026-01-01T00:%02d:%02d.%uZ %d%s\n", at / 60,
                 at % 60, roll(book, 3), i, roll(book, 10) ? "" : " the same");
    }
}

/* Sends from the asked second on; breaks off somewhere, at times cleanly. */
static void serve(http_server *s, int fd)
{
    http_server_request r;
    struct book *book;
    const char *since;
    int minute = 0, second = 0, from = 0, budget;
    char head[64];

    if (!http_server_read(fd, &r))
        return;
    book = &books[strstr(r.target, "/pods/")[6] - '0'];
    since = strstr(r.target, "sinceTime=2026-01-01T00%3A");
    if (since && sscanf(since + 26, "%d%%3A%dZ", &minute, &second) == 2)
        from = minute * 60 + second;
    pthread_mutex_lock(&api.mutex);
    budget = book->cuts++ < 60 ? (int)roll(book, 6000) : 1 << 30;
    pthread_mutex_unlock(&api.mutex);
    http_server_puts(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < LINES && budget > 0; i++) {
        size_t n = strlen(book->text[i]);

        if (book->second[i] < from)
            continue;
        if ((int)n > budget)
            n = (size_t)budget;
        budget -= (int)n;
        snprintf(head, sizeof(head), "%zx\r\n", n);
        http_server_puts(fd, head);
        http_server_write(fd, book->text[i], n);
        http_server_puts(fd, "\r\n");
    }
    if (budget > 0 || budget % 2)
        http_server_puts(fd, "0\r\n\r\n");
    free(r.body);
}

static void on_line(void *data, const char *text, size_t length)
{
    reader *r = data;

    if (strtol(text, NULL, 10) != r->next)
        fail_msg("seed gave line \"%s\" where %d was due", text, r->next);
    r->next++;
}

static void on_end(void *data, json_t *result, gpuc_error *error)
{
    kube_on_end(&((reader *)data)->end, result, error);
}

static void begin_reading(reader *r, char name)
{
    const char pod[] = {name, '\0'};

    r->log = gpuc__log_follow(kube, &(gpuc__log_args){.namespace_ = "d",
                                                      .pod = pod,
                                                      .container = "c",
                                                      .deadline_ms = 60000,
                                                      .line = on_line,
                                                      .done = on_end,
                                                      .data = r});
}

static bool all_read(const reader *readers)
{
    for (int i = 0; i < BOOKS; i++) {
        if (readers[i].next < LINES && !readers[i].end.done)
            return false;
    }
    return true;
}

static void test_log_cuts__every_line_once_in_order(void **state)
{
    kube_step none[] = {{NULL}};
    reader readers[BOOKS] = {0};
    uint64_t limit;

    for (int i = 0; i < BOOKS; i++)
        write_book(&books[i], (unsigned)i + 1);
    kube_api_begin(none);
    api.server.serve = serve;
    for (int i = 0; i < BOOKS; i++)
        begin_reading(&readers[i], (char)('0' + i));
    limit = gpuc__clock_ms() + 40000;
    while (!all_read(readers) && gpuc__clock_ms() < limit)
        gpuc_context_run(context, 50, NULL);
    for (int i = 0; i < BOOKS; i++) {
        assert_int_equal(readers[i].next, LINES);
        gpuc__log_container_ended(readers[i].log);
    }
    for (int i = 0; i < BOOKS; i++) {
        kube_wait(&readers[i].end);
        assert_null(readers[i].end.error);
        assert_int_equal(readers[i].next, LINES);
        assert_true(books[i].cuts > 50);
        kube_drop(&readers[i].end);
    }
    kube_api_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_cuts__every_line_once_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

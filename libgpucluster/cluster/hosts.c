/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/hosts.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/map.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/suggest.h"

#define LINE_MAX_BYTES 1024
#define GPUS_MAX 1024
/* Of names of users, Windows' domains included, and of hosts, zones of addresses included. */
#define USER_LETTERS "._-+$\\@"
#define HOST_LETTERS "._-:%"

typedef struct reader {
    const char *filename;
    unsigned line;
    gpuc_error **err;
} reader;

static int fail(const reader *r, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(const reader *r, const char *remedy, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    gpuc__error_set(r->err, GPUC_EINVAL, GPUC_DOMAIN_SPEC, "%s:%u: %s", r->filename, r->line,
                    message);
    gpuc__error_remedy(r->err, "%s", remedy);
    return GPUC_EINVAL;
}

static void host_clear(gpuc__host *host)
{
    gpuc__free(host->name);
    gpuc__free(host->user);
    gpuc__free(host->host);
    memset(host, 0, sizeof(*host));
}

void gpuc__hosts_clear(gpuc__hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        host_clear(&hosts->list[i]);
    gpuc__free(hosts->list);
    memset(hosts, 0, sizeof(*hosts));
}

/* Letters, digits and these; not empty, and no option of a command line. */
static bool is_word(const char *text, size_t length, const char *others)
{
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr(others, text[i]))
            return false;
    }
    return length > 0 && text[0] != '-';
}

static bool read_number(const char *text, long least, long most, int *out)
{
    size_t n = strspn(text, "0123456789");
    long value = strtol(text, NULL, 10);

    if (!n || text[n] || n > 6 || value < least || value > most)
        return false;
    *out = (int)value;
    return true;
}

/* Where the host ends and, after it, its port or NULL; false: brackets that do not match. */
static bool split_port(const char *text, const char **host, size_t *length, const char **port)
{
    const char *colon = strchr(text, ':'), *end;

    *host = text;
    *port = NULL;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        *host = text + 1;
        *length = (size_t)(end - text - 1);
        *port = end[1] ? end + 2 : NULL;
    } else if (colon && !strchr(colon + 1, ':')) {
        *length = (size_t)(colon - text);
        *port = colon + 1;
    } else { /* several colons: a bare address of IPv6 */
        *length = strlen(text);
    }
    return true;
}

static int read_address(const reader *r, gpuc__host *out, const char *text)
{
    const char *at = strrchr(text, '@'), *where = at ? at + 1 : text, *host, *port;
    size_t length;

    if (at && !is_word(text, (size_t)(at - text), USER_LETTERS))
        return fail(r, "Write [USER@]HOST[:PORT].", "\"%.*s\" is no name of a user",
                    (int)(at - text), text);
    if (!split_port(where, &host, &length, &port) || !is_word(host, length, HOST_LETTERS) ||
        (where[0] != '[' && length > 253))
        return fail(r, "Write [USER@]HOST[:PORT], an address of IPv6 with a port in brackets.",
                    "\"%.300s\" is no name and no address of a host", where);
    if (port && !read_number(port, 1, 65535, &out->port))
        return fail(r, "Correct the port, or leave it out for 22.",
                    "\"%.80s\" is no port; expected 1 to 65535", port);
    out->user = at ? gpuc__strndup(text, (size_t)(at - text)) : NULL;
    out->host = gpuc__strndup(host, length);
    out->name = gpuc__strdup(where);
    return out->host && out->name && (!at || out->user) ? GPUC_OK : gpuc__error_nomem(r->err);
}

static int read_option(const reader *r, gpuc__host *out, const char *word)
{
    if (strncmp(word, "gpus=", 5) != 0) {
        gpuc__suggest near = gpuc__suggest_for(word);

        gpuc__suggest_try(&near, "gpus=N");
        return fail(r, "After the host only gpus=N may stand; a comment begins with #.",
                    "\"%.80s\" is not understood%s", word,
                    near.best ? "; did you mean gpus=N?" : "");
    }
    if (out->gpus >= 0)
        return fail(r, "Leave one of them out.", "gpus= stands twice");
    if (!read_number(word + 5, 1, GPUS_MAX, &out->gpus))
        return fail(r, "Write the number of GPUs that the host should have.",
                    "\"%.80s\" is no number of GPUs; expected 1 to %d", word + 5, GPUS_MAX);
    return GPUC_OK;
}

/* line: without its comment and newline. */
static int read_host(const reader *r, gpuc__host *out, char *line)
{
    char *save = NULL, *word = strtok_r(line, " \t\r", &save);
    int rc = read_address(r, out, word);

    while (rc == GPUC_OK && (word = strtok_r(NULL, " \t\r", &save)))
        rc = read_option(r, out, word);
    return rc;
}

static int append(const reader *r, gpuc__hosts *hosts, const gpuc__host *host)
{
    if (hosts->count >= GPUC__HOSTS_MAX)
        return gpuc__error_set(r->err, GPUC_ELIMIT, GPUC_DOMAIN_SPEC, "%s:%u: more than %d hosts",
                               r->filename, r->line, GPUC__HOSTS_MAX);
    if (hosts->count == hosts->capacity) {
        size_t capacity = hosts->capacity ? 2 * hosts->capacity : 16;
        gpuc__host *list = gpuc__realloc(hosts->list, capacity * sizeof(*list));

        if (!list)
            return gpuc__error_nomem(r->err);
        hosts->list = list;
        hosts->capacity = capacity;
    }
    hosts->list[hosts->count++] = *host;
    return GPUC_OK;
}

/* known: the hosts so far by name. */
static int add_line(const reader *r, gpuc__hosts *hosts, gpuc__map *known, char *line)
{
    gpuc__host host = {.gpus = -1};
    int rc;

    line[strcspn(line, "#")] = '\0';
    if (!line[strspn(line, " \t\r")])
        return GPUC_OK;
    rc = read_host(r, &host, line);
    if (rc == GPUC_OK && gpuc__map_get(known, host.name))
        rc = fail(r, "Leave one of the two out.", "the host %.300s stands here a second time",
                  host.name);
    if (rc == GPUC_OK)
        rc = append(r, hosts, &host);
    if (rc < 0)
        host_clear(&host);
    else if (!gpuc__map_put(known, host.name, host.name))
        rc = gpuc__error_nomem(r->err);
    return rc;
}

static int add_lines(reader *r, gpuc__hosts *hosts, gpuc__map *known, const char *text,
                     size_t length)
{
    const char *end = text + length;
    int rc = GPUC_OK;

    while (rc == GPUC_OK && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((newline ? newline : end) - text);
        char line[LINE_MAX_BYTES + 1];

        r->line++;
        if (n > LINE_MAX_BYTES || memchr(text, '\0', n))
            return fail(r, "Write one host a line.", "the line is longer than %d bytes, or no text",
                        LINE_MAX_BYTES);
        memcpy(line, text, n);
        line[n] = '\0';
        rc = add_line(r, hosts, known, line);
        text += n + (newline != NULL);
    }
    return rc;
}

int gpuc__hosts_add(gpuc__hosts *hosts, const char *text, size_t length, const char *filename,
                    gpuc_error **err)
{
    reader r = {filename ? filename : "hosts", 0, err};
    size_t before = hosts->count;
    gpuc__map known = {0};
    int rc = GPUC_OK;

    if (length > GPUC__HOSTS_TEXT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_SPEC, "%s: more than %u bytes",
                               r.filename, GPUC__HOSTS_TEXT_MAX);
    for (size_t i = 0; rc == GPUC_OK && i < before; i++) {
        if (!gpuc__map_put(&known, hosts->list[i].name, hosts->list[i].name))
            rc = gpuc__error_nomem(err);
    }
    if (rc == GPUC_OK)
        rc = add_lines(&r, hosts, &known, text, length);
    gpuc__map_clear(&known);
    while (rc < 0 && hosts->count > before)
        host_clear(&hosts->list[--hosts->count]);
    return rc;
}

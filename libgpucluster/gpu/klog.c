/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu/klog.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/error.h"

#define LINE_MAX_BYTES 1024 /* of a line, the rest is not looked at */
#define CONTEXT_LINES 4     /* a message's later lines do not repeat the address */

typedef struct reader {
    gpuc__klog *log;
    json_t *messages;
    char last_bus[GPUC__BUS_ID_SIZE]; /* the driver's newest, and how many lines ago */
    unsigned last_age;
    bool no_memory;
} reader;

/* Four to eight hexadecimal digits, then ":bb:dd" and perhaps ".f": the length, or 0. */
static size_t address_length(const char *text)
{
    size_t domain = strspn(text, "0123456789abcdefABCDEF"), n = domain;

    if (domain < 4 || domain > 8)
        return 0;
    for (int part = 0; part < 2; part++) {
        if (text[n] != ':' || !isxdigit((unsigned char)text[n + 1]) ||
            !isxdigit((unsigned char)text[n + 2]))
            return 0;
        n += 3;
    }
    if (isxdigit((unsigned char)text[n]))
        return 0;
    if (text[n] == '.' && text[n + 1] >= '0' && text[n + 1] <= '7')
        n += 2;
    return n;
}

/* The next PCI address of the text, normalised; returns what follows it, or NULL. */
static const char *next_address(char bus[GPUC__BUS_ID_SIZE], const char *text)
{
    for (const char *p = text; *p; p++) {
        char copy[GPUC__BUS_ID_SIZE];
        size_t n;

        if (!isxdigit((unsigned char)*p))
            continue;
        n = address_length(p);
        if (n && n < sizeof(copy)) {
            memcpy(copy, p, n);
            copy[n] = '\0';
            if (gpuc__bus_id_normalise(bus, copy))
                return p + n;
        }
        while (isxdigit((unsigned char)p[1]))
            p++;
    }
    return NULL;
}

/* "[  966.503025] ", "[Sun Feb 23 16:24:18 2025] ", "2025-02-23T16:24:18+0000 host kernel: ",
 * "Nov 22 18:29:55 host kernel: [966.5] ": the time, and where the message begins. */
static const char *split_time(char *time, size_t size, const char *line)
{
    const char *kernel = strstr(line, " kernel: "), *end;
    size_t n = 0;

    time[0] = '\0';
    if (line[0] == '[') {
        end = strchr(line, ']');
        if (!end)
            return line;
        line++;
        line += strspn(line, " ");
        n = (size_t)(end - line);
        kernel = end + 1;
    } else if (kernel && isdigit((unsigned char)line[0])) {
        n = strcspn(line, " ");
        kernel += 9;
    } else if (kernel && kernel - line > 15) {
        n = 15; /* "Nov 22 18:29:55" */
        kernel += 9;
    } else {
        return line;
    }
    if (n >= size)
        n = size - 1;
    memcpy(time, line, n);
    time[n] = '\0';
    if (kernel[0] == '[' && strchr(kernel, ']'))
        kernel = strchr(kernel, ']') + 1;
    return kernel + strspn(kernel, " ");
}

static bool same(const gpuc__klog_event *a, const gpuc__klog_event *b)
{
    return a->xid == b->xid && a->nonfatal == b->nonfatal && strcmp(a->message, b->message) == 0 &&
           strcmp(a->bus, b->bus) == 0 && strcmp(a->other, b->other) == 0;
}

static void add(reader *r, gpuc__klog_event *event, const char *time, const char *message)
{
    gpuc__klog *log = r->log;
    gpuc__klog_event *list;

    for (size_t i = 0; i < log->count; i++) {
        if (same(&log->events[i], event)) {
            log->events[i].count++;
            snprintf(log->events[i].last, sizeof(event->last), "%s", time);
            return;
        }
    }
    if (log->count == GPUC__KLOG_EVENTS_MAX) {
        log->more++;
        return;
    }
    list = gpuc__realloc(log->events, (log->count + 1) * sizeof(*list));
    if (!list) {
        r->no_memory = true;
        return;
    }
    event->count = 1;
    snprintf(event->first, sizeof(event->first), "%s", time);
    snprintf(event->last, sizeof(event->last), "%s", time);
    snprintf(event->line, sizeof(event->line), "%.*s", (int)sizeof(event->line) - 1, message);
    log->events = list;
    list[log->count++] = *event;
}

/* "Xid (PCI:0000:9b:00): 119, …"; old kernels have no "PCI:", MIG has " GPU-I:05" behind. */
static bool read_xid(gpuc__klog_event *event, const char *message)
{
    const char *at = strstr(message, "NVRM: Xid ("), *end;
    char *after;
    long number;

    if (!at)
        return false;
    at += strlen("NVRM: Xid (");
    end = strstr(at, "): ");
    if (!end || !isdigit((unsigned char)end[3]))
        return false;
    number = strtol(end + 3, &after, 10);
    if (number < 1 || number > 9999)
        return false;
    memset(event, 0, sizeof(*event));
    event->xid = (int)number;
    next_address(event->bus, at);
    event->nonfatal = strstr(after, " Nonfatal ") || strstr(after, " Non-fatal ");
    return true;
}

/* Whether one of the alternatives has all of its texts in the message. */
static bool matches(const json_t *rule, const char *message)
{
    const json_t *alternative, *text;
    size_t i, k;

    json_array_foreach(json_object_get(rule, "texts"), i, alternative) {
        bool all = json_array_size(alternative) > 0;

        json_array_foreach(alternative, k, text)
            all = all && strstr(message, json_string_value(text));
        if (all)
            return true;
    }
    return false;
}

static void read_message(reader *r, const char *time, const char *message)
{
    const json_t *rule;
    size_t i;

    json_array_foreach(r->messages, i, rule) {
        gpuc__klog_event event;
        const char *rest = message;

        if (!matches(rule, message))
            continue;
        memset(&event, 0, sizeof(event));
        snprintf(event.message, sizeof(event.message), "%.23s", gpuc__table_text(rule, "id"));
        rest = next_address(event.bus, rest);
        while (rest && (rest = next_address(event.other, rest)))
            ;
        if (strcmp(event.other, event.bus) == 0)
            event.other[0] = '\0';
        if (!event.bus[0] && r->last_age <= CONTEXT_LINES && strstr(message, "NVRM:"))
            memcpy(event.bus, r->last_bus, sizeof(event.bus));
        add(r, &event, time, message);
        return;
    }
}

static void read_line(reader *r, const char *line)
{
    char time[40], bus[GPUC__BUS_ID_SIZE];
    const char *message = split_time(time, sizeof(time), line);
    gpuc__klog_event event;

    if (strncmp(message, "Linux version ", 14) == 0) {
        r->log->count = r->log->more = 0;
        r->last_age = CONTEXT_LINES + 1;
        return;
    }
    r->last_age++;
    if (strstr(message, "NVRM:") && next_address(bus, message)) {
        memcpy(r->last_bus, bus, sizeof(bus));
        r->last_age = 0;
    }
    if (read_xid(&event, message))
        add(r, &event, time, message);
    else
        read_message(r, time, message);
}

/* A copy as text: without NUL and control characters. */
static void copy_line(char *out, const char *from, size_t length)
{
    if (length >= LINE_MAX_BYTES)
        length = LINE_MAX_BYTES - 1;
    for (size_t i = 0; i < length; i++)
        out[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? ' ' : from[i];
    out[length] = '\0';
}

int gpuc__klog_parse(gpuc__klog **out, json_t *table, const char *bytes, size_t length,
                     gpuc_error **err)
{
    reader r = {.messages = json_object_get(table, "messages"), .last_age = CONTEXT_LINES + 1};
    char line[LINE_MAX_BYTES];

    if (length > GPUC__KLOG_INPUT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the kernel log has %zu bytes; at most %u are read", length,
                               GPUC__KLOG_INPUT_MAX);
    r.log = gpuc__calloc(1, sizeof(*r.log));
    if (!r.log)
        return gpuc__error_nomem(err);
    while (length && !r.no_memory) {
        const char *end = memchr(bytes, '\n', length);
        size_t n = end ? (size_t)(end - bytes) : length;

        copy_line(line, bytes, n);
        read_line(&r, line);
        n += end != NULL;
        bytes += n;
        length -= n;
    }
    if (r.no_memory) {
        gpuc__klog_free(r.log);
        return gpuc__error_nomem(err);
    }
    *out = r.log;
    return GPUC_OK;
}

void gpuc__klog_free(gpuc__klog *log)
{
    if (log)
        gpuc__free(log->events);
    gpuc__free(log);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "util/put.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

#define WHOLE_MAX 9007199254740992.0 /* 2^53: up to it a double holds each whole number */

/* What stands before a value. */
static void begin(gpuc__buf *out, const char *key)
{
    char last = out->length ? out->data[out->length - 1] : ' ';

    if (!strchr("{[ \n", last))
        gpuc__buf_putc(out, ',');
    if (!key)
        return;
    gpuc__buf_putc(out, '"');
    gpuc__buf_puts(out, key);
    gpuc__buf_add(out, "\":", 2);
}

void gpuc__put_open(gpuc__buf *out, const char *key, char bracket)
{
    begin(out, key);
    gpuc__buf_putc(out, bracket);
}

void gpuc__put_close(gpuc__buf *out, char bracket)
{
    gpuc__buf_putc(out, bracket);
}

void gpuc__put_row(gpuc__buf *out, int indent)
{
    begin(out, NULL);
    gpuc__buf_printf(out, "\n%*s", indent, "");
}

void gpuc__put_raw(gpuc__buf *out, const char *key, const char *json)
{
    begin(out, key);
    gpuc__buf_puts(out, json);
}

void gpuc__put_null(gpuc__buf *out, const char *key)
{
    gpuc__put_raw(out, key, "null");
}

void gpuc__put_bool(gpuc__buf *out, const char *key, bool value)
{
    gpuc__put_raw(out, key, value ? "true" : "false");
}

void gpuc__put_integer(gpuc__buf *out, const char *key, long long value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", value);
    gpuc__put_raw(out, key, text);
}

void gpuc__put_number(gpuc__buf *out, const char *key, double value)
{
    char text[32], *point, *rest;

    if (fabs(value) <= WHOLE_MAX && value == floor(value)) {
        gpuc__put_integer(out, key, (long long)value);
        return;
    }
    if (!isfinite(value)) {
        gpuc__put_null(out, key);
        return;
    }
    snprintf(text, sizeof(text), "%.6g", value);
    point = text + strspn(text, "-0123456789");
    rest = point + strcspn(point, "0123456789e");
    if (rest > point) { /* some locales write another point, of several bytes at times */
        *point = '.';
        memmove(point + 1, rest, strlen(rest) + 1);
    }
    gpuc__put_raw(out, key, text);
}

/* Bytes from text on that stand for themselves. */
static size_t plain_length(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t n = 0;

    while (at[n] >= ' ' && at[n] != '"' && at[n] != '\\' && at[n] < 0x80)
        n++;
    return n;
}

/* The one character at text that does not; gives its bytes. */
static size_t put_other(gpuc__buf *out, const char *text)
{
    unsigned char first = (unsigned char)text[0];
    uint32_t c;
    size_t n = 1;

    if (first == '\n')
        gpuc__buf_puts(out, "\\n");
    else if (first < ' ')
        gpuc__buf_printf(out, "\\u%04x", first);
    else if (first < 0x80)
        gpuc__buf_printf(out, "\\%c", first);
    else if ((n = gpuc__utf8_length(&c, text, strnlen(text, 4))))
        gpuc__buf_add(out, text, n);
    else
        gpuc__buf_putc(out, '?');
    return n ? n : 1;
}

void gpuc__put_text(gpuc__buf *out, const char *key, const char *text)
{
    if (!text) {
        gpuc__put_null(out, key);
        return;
    }
    begin(out, key);
    gpuc__buf_putc(out, '"');
    while (*text) {
        size_t n = plain_length(text);

        gpuc__buf_add(out, text, n);
        text += n;
        if (*text)
            text += put_other(out, text);
    }
    gpuc__buf_putc(out, '"');
}

static int append(const char *text, size_t length, void *out)
{
    return gpuc__buf_add(out, text, length) ? 0 : -1;
}

void gpuc__put_value(gpuc__buf *out, const char *key, const json_t *value)
{
    if (!value) {
        gpuc__put_null(out, key);
        return;
    }
    begin(out, key);
    if (json_dump_callback(value, append, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)))
        out->failed = true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* JSON is YAML but for a few corners; these are smoothed here, without moving any value. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "spec/read.h"
#include "util/alloc.h"
#include "util/buf.h"

typedef struct scan {
    const char *text;
    size_t length, at;
    gpuc__buf out;
    size_t owed; /* columns a shortened string owes to what follows it */
} scan;

static unsigned unicode_escape(const scan *s, size_t at)
{
    char digits[5] = "";
    unsigned code = 0;

    if (at + 6 > s->length || s->text[at] != '\\' || s->text[at + 1] != 'u')
        return 0;
    memcpy(digits, s->text + at + 2, 4);
    return sscanf(digits, "%4x", &code) == 1 ? code : 0;
}

/* \ud83d\ude00 is one character in JSON and an error to libyaml, which wants \U0001f600. */
static void copy_escape(scan *s)
{
    unsigned high = unicode_escape(s, s->at), low = unicode_escape(s, s->at + 6);

    if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        gpuc__buf_printf(&s->out, "\\U%08x", 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
        s->at += 12;
        s->owed += 2;
    } else {
        gpuc__buf_add(&s->out, s->text + s->at, 2);
        s->at += 2;
    }
}

static void copy_string(scan *s)
{
    gpuc__buf_putc(&s->out, s->text[s->at++]);
    while (s->text[s->at] != '"') {
        if (s->text[s->at] == '\\')
            copy_escape(s);
        else
            gpuc__buf_putc(&s->out, s->text[s->at++]);
    }
    gpuc__buf_putc(&s->out, s->text[s->at++]);
    for (; s->owed; s->owed--)
        gpuc__buf_putc(&s->out, ' ');
}

static size_t blank_end(const scan *s, size_t at)
{
    while (at < s->length && s->text[at] && strchr(" \t\r\n", s->text[at]))
        at++;
    return at;
}

/* White space after a string: a colon behind it moves up to the string's line. */
static void copy_blank(scan *s, bool after_string)
{
    size_t end = blank_end(s, s->at);
    bool colon = after_string && end < s->length && s->text[end] == ':';
    bool moved = colon && memchr(s->text + s->at, '\n', end - s->at);

    if (colon)
        gpuc__buf_putc(&s->out, ':');
    for (; s->at < end; s->at++)
        gpuc__buf_putc(&s->out, s->text[s->at] == '\t' ? ' ' : s->text[s->at]);
    if (moved)
        gpuc__buf_putc(&s->out, ' ');
    if (colon)
        s->at++;
}

char *gpuc__spec_json_as_yaml(const char *text, size_t length)
{
    scan s = {text, length, 0, GPUC__BUF_INIT(2 * (size_t)GPUC__SPEC_MAX_BYTES), 0};
    json_error_t error;
    json_t *value = json_loadb(text, length, JSON_ALLOW_NUL, &error);

    if (!value)
        return NULL;
    json_decref(value);
    while (s.at < length && !s.out.failed) {
        bool string = text[s.at] == '"';

        if (string)
            copy_string(&s);
        else if (blank_end(&s, s.at) == s.at)
            gpuc__buf_putc(&s.out, text[s.at++]);
        copy_blank(&s, string);
    }
    return gpuc__buf_take(&s.out);
}

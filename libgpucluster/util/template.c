/* SPDX-License-Identifier: Apache-2.0 */
#include "util/template.h"

#include <stddef.h>
#include <string.h>

#include "util/error.h"

#define NAME_SIZE 32
#define DEPTH_MAX 8

/* A tag of the text: {{#name}} has kind '#'; {{name}} has kind '='; {{{name}}} has kind '{'. */
typedef struct tag {
    const char *begin, *end; /* of what it takes from the text, its line included when alone */
    char kind, name[NAME_SIZE];
} tag;

typedef struct rendering {
    gpuc__buf *out;
    gpuc__buf value;
    const char *start;
    const gpuc__template_source *source;
} rendering;

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return (c >= ' ' && c <= '~') || c == '\n' || c == '\t' ? NULL : "?";
    }
}

void gpuc__escape_markup(gpuc__buf *out, const char *text)
{
    const char *plain = text;

    for (; *text; text++) {
        const char *escape = escape_of(*text);

        if (escape) {
            gpuc__buf_add(out, plain, (size_t)(text - plain));
            gpuc__buf_puts(out, escape);
            plain = text + 1;
        }
    }
    gpuc__buf_add(out, plain, (size_t)(text - plain));
}

/* Widens the tag to its line when nothing else stands on it. */
static void take_line(tag *t, const char *start)
{
    const char *begin = t->begin, *end = t->end;

    while (begin > start && begin[-1] == ' ')
        begin--;
    if (*end == '\n' && (begin == start || begin[-1] == '\n')) {
        t->begin = begin;
        t->end = end + 1;
    }
}

/* 1: found, 0: there is none up to end, -1: it is broken. */
static int next_tag(tag *t, const char *start, const char *at, const char *end)
{
    const char *open = memmem(at, (size_t)(end - at), "{{", 2), *name, *close;
    size_t length;

    if (!open)
        return 0;
    t->kind = open[2] && strchr("#^/{", open[2]) ? open[2] : '=';
    name = open + 2 + (t->kind != '=');
    close = memmem(name, (size_t)(end - name), t->kind == '{' ? "}}}" : "}}", t->kind == '{' ? 3 : 2);
    length = close ? (size_t)(close - name) : 0;
    if (length == 0 || length >= NAME_SIZE)
        return -1;
    memcpy(t->name, name, length);
    t->name[length] = '\0';
    t->begin = open;
    t->end = close + (t->kind == '{' ? 3 : 2);
    if (strchr("#^/", t->kind))
        take_line(t, start);
    return 1;
}

/* The tag that closes the list which `open` opens; false: none does. */
static bool find_close(tag *close, const tag *open, const rendering *r, const char *end)
{
    const char *at = open->end;
    int depth = 1;

    while (next_tag(close, r->start, at, end) == 1) {
        if (strcmp(close->name, open->name) == 0 && close->kind == '/' && --depth == 0)
            return true;
        if (strcmp(close->name, open->name) == 0 && strchr("#^", close->kind))
            depth++;
        at = close->end;
    }
    return false;
}

static int put_value(rendering *r, const tag *t, const void *scope, gpuc_error **err)
{
    gpuc__buf_reset(&r->value);
    if (!r->source->value(scope, t->name, &r->value))
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE,
                               "a template names the value \"%s\", which there is not", t->name);
    if (r->value.failed)
        r->out->failed = true;
    else if (t->kind == '{')
        gpuc__buf_add(r->out, gpuc__buf_text(&r->value), r->value.length);
    else
        gpuc__escape_markup(r->out, gpuc__buf_text(&r->value));
    return GPUC_OK;
}

static int render(rendering *r, const char *at, const char *end, const void *scope, int depth,
                  gpuc_error **err);

/* What is between the two tags, for each item, or once when there is none and that is asked. */
static int put_list(rendering *r, const tag *open, const tag *close, const void *scope, int depth,
                    gpuc_error **err)
{
    _Alignas(max_align_t) char inner[GPUC__TEMPLATE_SCOPE_MAX];
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && !r->out->failed; i++) {
        bool there;

        memcpy(inner, scope, r->source->scope_size);
        there = r->source->item(inner, scope, open->name, i);
        if (open->kind == '^')
            return there ? GPUC_OK : render(r, open->end, close->begin, scope, depth + 1, err);
        if (!there)
            break;
        rc = render(r, open->end, close->begin, inner, depth + 1, err);
    }
    return rc;
}

static int render(rendering *r, const char *at, const char *end, const void *scope, int depth,
                  gpuc_error **err)
{
    tag t, close = {NULL, NULL, 0, ""};
    int found = depth < DEPTH_MAX ? 0 : -1, rc = GPUC_OK;

    while (found == 0 && rc == GPUC_OK) {
        found = next_tag(&t, r->start, at, end);
        if (found != 1)
            break;
        gpuc__buf_add(r->out, at, (size_t)(t.begin - at));
        at = t.end;
        found = 0;
        if (t.kind == '=' || t.kind == '{') {
            rc = put_value(r, &t, scope, err);
        } else if (t.kind != '/' && find_close(&close, &t, r, end)) {
            rc = put_list(r, &t, &close, scope, depth, err);
            at = close.end;
        } else {
            found = -1;
        }
    }
    if (found < 0)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE,
                               "a template is broken near byte %td", at - r->start);
    if (rc == GPUC_OK)
        gpuc__buf_add(r->out, at, (size_t)(end - at));
    return rc;
}

int gpuc__template_render(gpuc__buf *out, const char *text, const gpuc__template_source *source,
                          const void *scope, gpuc_error **err)
{
    rendering r = {out, GPUC__BUF_INIT(0), text, source};
    int rc;

    gpuc__buf_init(&r.value, out->max);
    rc = render(&r, text, text + strlen(text), scope, 0, err);
    gpuc__buf_clear(&r.value);
    if (rc == GPUC_OK && out->failed)
        rc = gpuc__error_nomem(err);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu/section.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gpuc__section_nonce_ok(const char *nonce)
{
    size_t n = strspn(nonce, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return nonce[n] == '\0' && n >= 8 && n <= 64;
}

bool gpuc__slice_line(gpuc__slice *rest, gpuc__slice *line)
{
    const char *end;

    if (rest->length == 0)
        return false;
    end = memchr(rest->at, '\n', rest->length);
    line->at = rest->at;
    line->length = end ? (size_t)(end - rest->at) : rest->length;
    rest->at += line->length + (end != NULL);
    rest->length -= line->length + (end != NULL);
    return true;
}

void gpuc__slice_copy(char *out, size_t size, gpuc__slice from)
{
    while (from.length && !isgraph((unsigned char)from.at[from.length - 1]))
        from.length--;
    while (from.length && !isgraph((unsigned char)*from.at)) {
        from.at++;
        from.length--;
    }
    if (from.length >= size)
        from.length = size - 1;
    memcpy(out, from.at, from.length);
    out[from.length] = '\0';
    for (char *p = out; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    }
}

bool gpuc__slice_starts(gpuc__slice text, const char *with)
{
    size_t n = strlen(with);

    return text.length >= n && memcmp(text.at, with, n) == 0;
}

bool gpuc__slice_value(char *out, size_t size, gpuc__slice body, const char *key)
{
    size_t n = strlen(key);
    gpuc__slice line;

    while (gpuc__slice_line(&body, &line)) {
        if (gpuc__slice_starts(line, key)) {
            gpuc__slice_copy(out, size, (gpuc__slice){line.at + n, line.length - n});
            return true;
        }
    }
    return false;
}

/* Where a line that begins with mark stands, from `from` on; NULL: nowhere. */
static const char *find_mark(gpuc__slice all, const char *from, const char *mark)
{
    const char *end = all.at + all.length, *at = from;

    while ((at = memmem(at, (size_t)(end - at), mark, strlen(mark)))) {
        if (at == all.at || at[-1] == '\n')
            return at;
        at++;
    }
    return NULL;
}

/* The end's status, when the line is whole: not cut within the number. */
static int end_status(gpuc__slice all, const char *digits)
{
    const char *end = all.at + all.length, *line = memchr(digits, '\n', (size_t)(end - digits));
    char text[16];

    if (!line || !isdigit((unsigned char)*digits))
        return -1;
    gpuc__slice_copy(text, sizeof(text), (gpuc__slice){digits, (size_t)(line - digits)});
    return (int)strtol(text, NULL, 10);
}

gpuc__section gpuc__section_find(gpuc__slice all, const char *nonce, const char *name)
{
    gpuc__section found = {{NULL, 0}, false, false, -1};
    char begin[128], end[128];
    const char *at;

    if (!all.length)
        return found;
    snprintf(begin, sizeof(begin), "==%s begin %s\n", nonce, name);
    snprintf(end, sizeof(end), "==%s end %s ", nonce, name);
    at = find_mark(all, all.at, begin);
    if (!at)
        return found;
    found.begun = true;
    found.body.at = at + strlen(begin);
    found.body.length = (size_t)(all.at + all.length - found.body.at);
    at = find_mark(all, found.body.at, end);
    found.status = at ? end_status(all, at + strlen(end)) : -1;
    if (found.status < 0)
        return found;
    found.whole = true;
    found.body.length = (size_t)(at - found.body.at);
    if (found.body.length) /* the newline that the script adds */
        found.body.length--;
    return found;
}

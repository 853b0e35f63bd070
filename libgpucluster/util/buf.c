/* SPDX-License-Identifier: Apache-2.0 */
#include "util/buf.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "util/alloc.h"

void gpuc__buf_init(gpuc__buf *buf, size_t max)
{
    *buf = (gpuc__buf)GPUC__BUF_INIT(max);
}

static void let_go(gpuc__buf *buf)
{
    if (buf->secret && buf->data)
        OPENSSL_cleanse(buf->data, buf->capacity);
    gpuc__free(buf->data);
}

void gpuc__buf_clear(gpuc__buf *buf)
{
    size_t max = buf->max;
    bool secret = buf->secret;

    let_go(buf);
    gpuc__buf_init(buf, max);
    buf->secret = secret;
}

void gpuc__buf_reset(gpuc__buf *buf)
{
    buf->length = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Makes room for `more` bytes and the NUL. */
static bool reserve(gpuc__buf *buf, size_t more)
{
    size_t capacity = buf->capacity ? buf->capacity : 256;
    char *data;

    if (buf->failed)
        return false;
    if (more > buf->max || buf->length > buf->max - more) {
        buf->failed = true;
        return false;
    }
    while (capacity < buf->length + more + 1)
        capacity *= 2;
    if (capacity == buf->capacity)
        return true;
    data = buf->secret ? gpuc__malloc(capacity) : gpuc__realloc(buf->data, capacity);
    if (!data) {
        buf->failed = true;
        return false;
    }
    if (buf->secret && buf->data) {
        memcpy(data, buf->data, buf->length + 1);
        let_go(buf);
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

bool gpuc__buf_add(gpuc__buf *buf, const void *data, size_t length)
{
    if (!reserve(buf, length))
        return false;
    if (length)
        memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
    return true;
}

bool gpuc__buf_puts(gpuc__buf *buf, const char *text)
{
    return gpuc__buf_add(buf, text, strlen(text));
}

bool gpuc__buf_putc(gpuc__buf *buf, char c)
{
    return gpuc__buf_add(buf, &c, 1);
}

bool gpuc__buf_vprintf(gpuc__buf *buf, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0 || !reserve(buf, (size_t)n))
        return false;
    vsnprintf(buf->data + buf->length, (size_t)n + 1, format, args);
    buf->length += (size_t)n;
    return true;
}

bool gpuc__buf_printf(gpuc__buf *buf, const char *format, ...)
{
    va_list args;
    bool ok;

    va_start(args, format);
    ok = gpuc__buf_vprintf(buf, format, args);
    va_end(args);
    return ok;
}

void gpuc__buf_consume(gpuc__buf *buf, size_t length)
{
    if (length >= buf->length) {
        buf->length = 0;
    } else if (length) {
        memmove(buf->data, buf->data + length, buf->length - length);
        buf->length -= length;
    }
    if (buf->data)
        buf->data[buf->length] = '\0';
}

void gpuc__buf_keep_tail(gpuc__buf *buf, size_t length)
{
    if (buf->length > length)
        gpuc__buf_consume(buf, buf->length - length);
}

const char *gpuc__buf_text(const gpuc__buf *buf)
{
    return buf->data ? buf->data : "";
}

char *gpuc__buf_take(gpuc__buf *buf)
{
    char *data = NULL;

    if (!buf->failed)
        data = buf->data ? buf->data : gpuc__strdup("");
    else
        let_go(buf);
    gpuc__buf_init(buf, buf->max);
    return data;
}

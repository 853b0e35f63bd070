/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a capture, cleaned, and what the readers of texts share. */
#include "gpu/smi_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/smi_fields.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/utf8.h"

/* Bytes of the terminal's escape sequence at `at`, 0 when there is none. */
static size_t escape_length(const char *at, size_t left)
{
    size_t n = 2;

    if (left < 3 || at[0] != '\033' || at[1] != '[')
        return 0;
    while (n < left && n < 32 && (isdigit((unsigned char)at[n]) || at[n] == ';'))
        n++;
    return n < left && isalpha((unsigned char)at[n]) ? n + 1 : 0;
}

/* Bytes of the UTF-8 sequence at `at`, 0 when it is none, or a control character. */
static size_t utf8_length(const char *at, size_t left)
{
    uint32_t c;
    size_t n = gpuc__utf8_length(&c, at, left);

    return n && c >= 0xa0 ? n : 0;
}

/* Into out, which has room for all; gives the length. */
static size_t clean(char *out, const char *bytes, size_t length)
{
    size_t to = 0;

    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)bytes[i];
        size_t n = 1;

        if ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t') {
            out[to++] = (char)c;
        } else if (c == 033 && escape_length(bytes + i, length - i)) {
            n = escape_length(bytes + i, length - i);
        } else if (c >= 0x80 && utf8_length(bytes + i, length - i)) {
            n = utf8_length(bytes + i, length - i);
            memcpy(out + to, bytes + i, n);
            to += n;
        } else if (c != '\r') {
            out[to++] = '?';
        }
        i += n;
    }
    return to;
}

static int split(gpuc__smi_text *text, size_t length, gpuc_error **err)
{
    size_t count = 0, at = 0;

    for (size_t i = 0; i < length; i++)
        count += text->bytes[i] == '\n';
    if (++count > GPUC__SMI_LINES_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the capture has %zu lines; at most %u are read", count,
                               GPUC__SMI_LINES_MAX);
    text->line = gpuc__calloc(count, sizeof(*text->line));
    if (!text->line)
        return gpuc__error_nomem(err);
    while (at <= length) {
        char *end = memchr(text->bytes + at, '\n', length - at);

        text->line[text->count++] = text->bytes + at;
        if (!end)
            break;
        *end = '\0';
        at = (size_t)(end - text->bytes) + 1;
    }
    return GPUC_OK;
}

int gpuc__smi_text_init(gpuc__smi_text *text, const char *bytes, size_t length, gpuc_error **err)
{
    int rc = GPUC_OK;

    memset(text, 0, sizeof(*text));
    if (length > GPUC__SMI_INPUT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the capture has %zu bytes; at most %u are read", length,
                               GPUC__SMI_INPUT_MAX);
    text->bytes = gpuc__malloc(length + 1);
    text->warnings = json_array();
    if (!text->bytes || !text->warnings) {
        rc = gpuc__error_nomem(err);
    } else {
        length = clean(text->bytes, bytes, length);
        text->bytes[length] = '\0';
        rc = split(text, length, err);
    }
    if (rc < 0)
        gpuc__smi_text_clear(text);
    return rc;
}

void gpuc__smi_text_clear(gpuc__smi_text *text)
{
    gpuc__free(text->line);
    gpuc__free(text->bytes);
    json_decref(text->warnings);
    memset(text, 0, sizeof(*text));
}

void gpuc__smi_warn(gpuc__smi_text *text, const char *format, ...)
{
    char message[256];
    va_list args;
    json_t *value = NULL;
    int length;

    if (json_array_size(text->warnings) >= GPUC__SMI_WARNINGS_MAX)
        return;
    va_start(args, format);
    length = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    /* A letter that the bound halved goes. */
    for (size_t n = length < (int)sizeof(message) ? (size_t)length : sizeof(message) - 1;
         n && !value; n--)
        value = json_stringn(message, n);
    if (json_array_append_new(text->warnings, value))
        text->no_memory = true;
}

const char *gpuc__smi_line(const gpuc__smi_text *text)
{
    return text->at < text->count ? text->line[text->at] : NULL;
}

void gpuc__smi_trim(char *out, size_t size, const char *from, size_t length)
{
    while (length && isspace((unsigned char)*from)) {
        from++;
        length--;
    }
    while (length && isspace((unsigned char)from[length - 1]))
        length--;
    if (length >= size) {
        length = size - 1;
        while (length && (from[length] & 0xc0) == 0x80) /* not in the middle of a letter */
            length--;
    }
    memcpy(out, from, length);
    out[length] = '\0';
}

void gpuc__smi_take(gpuc__smi_gpu *gpu, gpuc__smi_gpu_field field, const char *text)
{
    gpuc__smi_value_take(&gpu->field[field], gpuc__smi_gpu_fields[field].kind, text);
    gpuc__smi_note_sickness(gpu, gpuc__smi_gpu_fields[field].name, text);
}

gpuc__smi_gpu *gpuc__smi_gpu_at(const gpuc__smi *smi, long index)
{
    for (size_t i = 0; i < smi->gpu_count; i++) {
        if (smi->gpus[i].index == index)
            return &smi->gpus[i];
    }
    return NULL;
}

long gpuc__smi_count(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits && digits < 10 && !text[digits] ? strtol(text, NULL, 10) : -1;
}

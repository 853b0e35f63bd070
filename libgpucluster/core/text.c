/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside made fit for one line of a log, an event or a JSON document. */
#include "core/context.h"

#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"

#define LINE_MAX_BYTES (64 * 1024)

/* Length of the UTF-8 sequence at p, 0 when it is broken, overlong, a surrogate or too high. */
static size_t utf8_length(const unsigned char *p)
{
    static const struct {
        unsigned char first, last, second_low, second_high, length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (p[1] < forms[i].second_low || p[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++) {
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

static void add_escape(gpuc__buf *out, unsigned char c)
{
    if (c == '\n')
        gpuc__buf_puts(out, "\\n");
    else if (c == '\t')
        gpuc__buf_puts(out, "\\t");
    else
        gpuc__buf_printf(out, "\\x%02x", c);
}

char *gpuc__text_line(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    gpuc__buf out = GPUC__BUF_INIT(4 * LINE_MAX_BYTES + 16);

    while (*p) {
        size_t length = 1;

        if (out.length > LINE_MAX_BYTES) {
            gpuc__buf_puts(&out, " [cut]");
            break;
        }
        if (*p >= 0x80)
            length = utf8_length(p);
        if (length == 0 || *p < 0x20 || *p == 0x7f) {
            add_escape(&out, *p++);
        } else {
            gpuc__buf_add(&out, p, length);
            p += length;
        }
    }
    return gpuc__buf_take(&out);
}

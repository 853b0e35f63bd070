/* SPDX-License-Identifier: Apache-2.0 */
#include "util/quote.h"

#include <string.h>

bool gpuc__quote_shell(gpuc__buf *out, const char *text)
{
    gpuc__buf_putc(out, '\'');
    for (const char *quote; (quote = strchr(text, '\'')); text = quote + 1) {
        gpuc__buf_add(out, text, (size_t)(quote - text));
        gpuc__buf_puts(out, "'\\''");
    }
    gpuc__buf_puts(out, text);
    return gpuc__buf_putc(out, '\'');
}

char *gpuc__quote_shell_dup(const char *text)
{
    gpuc__buf out = GPUC__BUF_INIT(8 * 1024 * 1024);

    gpuc__quote_shell(&out, text);
    return gpuc__buf_take(&out);
}

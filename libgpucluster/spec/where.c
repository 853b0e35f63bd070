/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of a spec. */
#include "spec/where.h"

#include <stdarg.h>

#include "util/buf.h"
#include "util/error.h"

int gpuc__spec_error(gpuc_error **err, int code, const gpuc__spec_where *where, const char *format,
                     ...)
{
    gpuc__buf text = GPUC__BUF_INIT(16 * 1024);
    va_list args;

    if (where->file && where->line)
        gpuc__buf_printf(&text, "%s:%d:%d: ", where->file, where->line, where->column);
    else if (where->file)
        gpuc__buf_printf(&text, "%s: ", where->file);
    if (where->path && *where->path)
        gpuc__buf_printf(&text, "%s: ", where->path);
    va_start(args, format);
    gpuc__buf_vprintf(&text, format, args);
    va_end(args);
    if (text.failed)
        code = gpuc__error_nomem(err);
    else
        gpuc__error_set(err, code, GPUC_DOMAIN_SPEC, "%s", gpuc__buf_text(&text));
    gpuc__error_remedy(err, "Correct the value; docs/spec.md gives the type and meaning of every "
                            "key.");
    gpuc__buf_clear(&text);
    return code;
}

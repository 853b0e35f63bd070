/* SPDX-License-Identifier: Apache-2.0 */
/* The one way a string reaches a remote shell. */
#ifndef GPUC__QUOTE_H
#define GPUC__QUOTE_H
#include <stdbool.h>

#include "util/buf.h"

/* Appends text as one word of POSIX sh: inside single quotes, each ' written as '\''. */
bool gpuc__quote_shell(gpuc__buf *out, const char *text);
/* The same as a new string; NULL without memory. */
char *gpuc__quote_shell_dup(const char *text);
#endif

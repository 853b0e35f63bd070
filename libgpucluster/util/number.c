/* SPDX-License-Identifier: Apache-2.0 */
#include "util/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

/* Kept as long as the process: what is not made anew cannot fail later. */
static locale_t plain;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_plain(void)
{
    plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
}

double gpuc__strtod(const char *text, char **end)
{
    pthread_once(&once, make_plain);
    return plain ? strtod_l(text, end, plain) : strtod(text, end);
}

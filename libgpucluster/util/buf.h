/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a mandatory maximum. Always NUL-terminated behind its length. */
#ifndef GPUC__BUF_H
#define GPUC__BUF_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct gpuc__buf {
    char *data; /* NULL while empty: use gpuc__buf_text */
    size_t length, capacity, max;
    bool failed; /* an append did not fit or found no memory; later appends do nothing */
    bool secret; /* set it while empty: what the buffer lets go of is overwritten first */
} gpuc__buf;

#define GPUC__BUF_INIT(maximum) {NULL, 0, 0, (maximum), false, false}

void gpuc__buf_init(gpuc__buf *buf, size_t max);
void gpuc__buf_clear(gpuc__buf *buf); /* frees; the buffer can be used again */
void gpuc__buf_reset(gpuc__buf *buf); /* length 0, memory kept, failed cleared */
/* false when it did not fit or found no memory; the buffer is then marked failed. */
bool gpuc__buf_add(gpuc__buf *buf, const void *data, size_t length);
bool gpuc__buf_puts(gpuc__buf *buf, const char *text);
bool gpuc__buf_putc(gpuc__buf *buf, char c);
bool gpuc__buf_printf(gpuc__buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool gpuc__buf_vprintf(gpuc__buf *buf, const char *format, va_list args);
void gpuc__buf_consume(gpuc__buf *buf, size_t length); /* drops from the front */
void gpuc__buf_keep_tail(gpuc__buf *buf, size_t length); /* drops all but the last bytes */
const char *gpuc__buf_text(const gpuc__buf *buf);        /* never NULL; borrowed */
char *gpuc__buf_take(gpuc__buf *buf); /* new string; NULL if failed; the buffer is empty after */
#endif

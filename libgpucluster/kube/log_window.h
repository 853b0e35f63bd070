/* SPDX-License-Identifier: Apache-2.0 */
/* What a log stream that is opened again repeats: the lines of the last two seconds, as hashes. */
#ifndef GPUC__KUBE_LOG_WINDOW_H
#define GPUC__KUBE_LOG_WINDOW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gpuc__log_seen {
    int64_t at;      /* nanoseconds since 1970 */
    uint64_t hash;
    uint32_t stream; /* the one that it came in, or was last repeated in */
} gpuc__log_seen;

typedef struct gpuc__log_window {
    gpuc__log_seen *lines;
    size_t count, room, cursor;
    int64_t newest, until; /* until: the newest when this stream was opened */
    uint32_t stream;
    bool any;              /* a line has come */
    bool resync, matched;  /* this stream may still repeat; something it repeated was found */
    bool forgot;           /* more lines than are kept: only timestamps tell */
} gpuc__log_window;

typedef enum gpuc__log_verdict {
    GPUC__LOG_NEW = 1,
    GPUC__LOG_REPEAT,
    GPUC__LOG_STRANGE /* the stream should have begun with what we have, and did not */
} gpuc__log_verdict;

void gpuc__log_window_begin(gpuc__log_window *w); /* a stream is opened */
/* The second that it must begin at, so that it repeats what is kept; false: from the beginning. */
bool gpuc__log_window_since(const gpuc__log_window *w, int64_t *second);
gpuc__log_verdict gpuc__log_window_judge(gpuc__log_window *w, int64_t at, uint64_t hash);
void gpuc__log_window_add(gpuc__log_window *w, int64_t at, uint64_t hash);
void gpuc__log_window_accept(gpuc__log_window *w); /* strange or not: all that comes now is new */
void gpuc__log_window_clear(gpuc__log_window *w);  /* as new; frees */
#endif

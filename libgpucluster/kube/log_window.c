/* SPDX-License-Identifier: Apache-2.0 */
/* Lines are told apart by timestamp and text. Equal ones are counted: a stream may repeat each of the
 * lines we had once, whatever order timestamps have where stdout and stderr race. */
#include "kube/log_window.h"

#include <string.h>

#include "util/alloc.h"

#define LINES_MAX (1u << 20)
#define SECOND 1000000000

void gpuc__log_window_begin(gpuc__log_window *w)
{
    w->stream++;
    w->cursor = 0;
    w->until = w->newest;
    w->resync = w->any;
    w->matched = false;
}

bool gpuc__log_window_since(const gpuc__log_window *w, int64_t *second)
{
    *second = w->newest / SECOND - 1;
    return w->any;
}

/* Where an unused line like this stands; count when nowhere. Mostly at the cursor. */
static size_t find(const gpuc__log_window *w, int64_t at, uint64_t hash)
{
    for (size_t n = 0; n < w->count; n++) {
        size_t i = w->cursor + n < w->count ? w->cursor + n : w->cursor + n - w->count;
        const gpuc__log_seen *line = &w->lines[i];

        if (line->hash == hash && line->at == at && line->stream != w->stream)
            return i;
    }
    return w->count;
}

gpuc__log_verdict gpuc__log_window_judge(gpuc__log_window *w, int64_t at, uint64_t hash)
{
    size_t i;

    if (!w->resync)
        return GPUC__LOG_NEW;
    if (at / SECOND < w->until / SECOND - 1 || (w->forgot && at <= w->until))
        return GPUC__LOG_REPEAT; /* from before what was asked for, or what is not kept */
    i = find(w, at, hash);
    if (i < w->count) {
        w->lines[i].stream = w->stream;
        w->cursor = i + 1;
        w->matched = true;
        return GPUC__LOG_REPEAT;
    }
    if (!w->matched && !w->forgot)
        return GPUC__LOG_STRANGE;
    if (at > w->until)
        w->resync = false;
    return GPUC__LOG_NEW;
}

static void prune(gpuc__log_window *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->count; i++) {
        if (w->lines[i].at / SECOND >= w->newest / SECOND - 1)
            w->lines[kept++] = w->lines[i];
    }
    w->count = kept;
    w->cursor = 0;
}

void gpuc__log_window_add(gpuc__log_window *w, int64_t at, uint64_t hash)
{
    if (!w->any || at > w->newest) {
        bool later = !w->any || at / SECOND > w->newest / SECOND;

        w->any = true;
        w->newest = at;
        if (later)
            prune(w);
    }
    if (at / SECOND < w->newest / SECOND - 1)
        return; /* a new stream would not repeat it */
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 256;
        gpuc__log_seen *lines =
            room <= LINES_MAX ? gpuc__realloc(w->lines, room * sizeof(*lines)) : NULL;

        if (!lines) {
            w->forgot = true;
            return;
        }
        w->lines = lines;
        w->room = room;
    }
    w->lines[w->count++] = (gpuc__log_seen){at, hash, w->stream};
}

void gpuc__log_window_accept(gpuc__log_window *w)
{
    w->resync = false;
}

void gpuc__log_window_clear(gpuc__log_window *w)
{
    gpuc__free(w->lines);
    memset(w, 0, sizeof(*w));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of logs on their way to whoever takes them. */
#include <string.h>

#include "cluster/jobs_internal.h"
#include "util/alloc.h"

#define LINES_MAX 100000
#define BYTES_MAX (64u * 1024 * 1024)

static void free_line(gpuc__job_line *l)
{
    if (!l)
        return;
    gpuc__free(l->origin);
    gpuc__free(l->text);
    gpuc__free(l);
}

static size_t weight(const gpuc__job_line *l)
{
    return sizeof(*l) + strlen(l->text) + strlen(l->origin);
}

static gpuc__job_line *pop(gpuc__job_lines *q)
{
    gpuc__job_line *l = q->first;

    if (!l)
        return NULL;
    q->first = l->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    q->bytes -= weight(l);
    return l;
}

bool gpuc__job_lines_add(gpuc__job_lines *q, const char *origin, const char *text, size_t length)
{
    gpuc__job_line *l = gpuc__calloc(1, sizeof(*l));
    uint64_t before = q->dropped;

    if (!l || !(l->origin = gpuc__strdup(origin)) || !(l->text = gpuc__strndup(text, length))) {
        free_line(l);
        q->dropped++;
        return before == 0;
    }
    if (q->last)
        q->last->next = l;
    else
        q->first = l;
    q->last = l;
    q->count++;
    q->bytes += weight(l);
    while (q->count > LINES_MAX || q->bytes > BYTES_MAX) {
        free_line(pop(q));
        q->dropped++;
    }
    return before == 0 && q->dropped > 0;
}

bool gpuc__job_lines_take(gpuc__job_lines *q, char **text, char **origin)
{
    gpuc__job_line *l = pop(q);

    if (!l)
        return false;
    *text = l->text;
    l->text = NULL;
    if (origin) {
        *origin = l->origin;
        l->origin = NULL;
    }
    free_line(l);
    return true;
}

void gpuc__job_lines_clear(gpuc__job_lines *q)
{
    while (q->first)
        free_line(pop(q));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "util/suggest.h"

#include <string.h>

#define WORD_MAX 63 /* longer words are not compared */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t gpuc__edit_distance(const char *one, const char *other, size_t limit)
{
    size_t n = strnlen(one, WORD_MAX + 1), m = strnlen(other, WORD_MAX + 1);
    size_t rows[3][WORD_MAX + 1];
    size_t *last = rows[0], *row = rows[1], *before = rows[2];

    if (n > WORD_MAX || m > WORD_MAX || n > m + limit || m > n + limit)
        return limit + 1;
    for (size_t j = 0; j <= m; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(last[j - 1] + (one[i - 1] != other[j - 1]),
                           least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
        row = spare;
    }
    return least(last[m], limit + 1);
}

gpuc__suggest gpuc__suggest_for(const char *wanted)
{
    /* Two slips, or one in a short word: anything further off is more guess than help. */
    return (gpuc__suggest){wanted, NULL, strlen(wanted) < 4 ? 2 : 3};
}

void gpuc__suggest_try(gpuc__suggest *suggest, const char *known)
{
    size_t distance = gpuc__edit_distance(suggest->wanted, known, 2);

    if (distance < suggest->distance) {
        suggest->distance = distance;
        suggest->best = known;
    }
}

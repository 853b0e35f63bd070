/* SPDX-License-Identifier: Apache-2.0 */
#include "util/suggest.h"

#include <string.h>

#define LONGEST 63 /* longer names are not compared */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

/* Insertions, deletions and substitutions from a to b (Levenshtein). */
static unsigned edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned row[LONGEST + 1];

    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned above = row[j];

            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[m];
}

gpuc__suggest gpuc__suggest_for(const char *wanted)
{
    /* Two slips, or one in a short word: anything further off is more guess than help. */
    return (gpuc__suggest){wanted, NULL, strlen(wanted) < 4 ? 2 : 3};
}

void gpuc__suggest_try(gpuc__suggest *suggest, const char *known)
{
    unsigned distance = edit_distance(suggest->wanted, known);

    if (distance < suggest->distance) {
        suggest->distance = distance;
        suggest->best = known;
    }
}

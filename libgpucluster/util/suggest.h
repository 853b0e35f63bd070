/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of the known names, by edit distance. */
#ifndef GPUC__SUGGEST_H
#define GPUC__SUGGEST_H
#include <stddef.h>

typedef struct gpuc__suggest {
    const char *wanted, *best; /* best: borrowed from what was tried; NULL: nothing is near */
    size_t distance;
} gpuc__suggest;

/* Insertions, deletions, substitutions and swaps of neighbours; more than limit is limit + 1. */
size_t gpuc__edit_distance(const char *one, const char *other, size_t limit);

gpuc__suggest gpuc__suggest_for(const char *wanted);
void gpuc__suggest_try(gpuc__suggest *suggest, const char *known);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of the known names, by edit distance. */
#ifndef GPUC__SUGGEST_H
#define GPUC__SUGGEST_H

typedef struct gpuc__suggest {
    const char *wanted, *best; /* best: borrowed from what was tried; NULL: nothing is near */
    unsigned distance;
} gpuc__suggest;

gpuc__suggest gpuc__suggest_for(const char *wanted);
void gpuc__suggest_try(gpuc__suggest *suggest, const char *known);
#endif

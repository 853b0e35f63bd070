/* SPDX-License-Identifier: Apache-2.0 */
/* Files compiled into the library: tables, shell fragments, manifests, by their path below
 * libgpucluster/ ("recipe/sh/os-swap.sh"). Contents end in a NUL that length does not count. */
#ifndef GPUC__DATA_H
#define GPUC__DATA_H
#include <stddef.h>

typedef struct gpuc__data {
    const char *path;
    const char *text;
    size_t length;
} gpuc__data;

extern const gpuc__data gpuc__data_table[]; /* ends with a NULL path */

/* NULL when there is no such file. */
const gpuc__data *gpuc__data_get(const char *path);
#endif

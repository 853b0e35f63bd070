/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map from strings to pointers: what keeps graphs of ten thousand steps linear. */
#ifndef GPUC__MAP_H
#define GPUC__MAP_H
#include <stdbool.h>
#include <stddef.h>

typedef struct gpuc__map {
    struct gpuc__map_slot *slots;
    size_t count, capacity; /* capacity is 0 or a power of two */
} gpuc__map;

/* Keys are borrowed: they must outlive the map, as must what the values point to. */
void *gpuc__map_get(const gpuc__map *map, const char *key);
/* Adds or replaces; false without memory. */
bool gpuc__map_put(gpuc__map *map, const char *key, void *value);
void gpuc__map_clear(gpuc__map *map);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map with open addressing; FNV-1a, no removal. */
#include "core/map.h"

#include <stdint.h>
#include <string.h>

#include "util/alloc.h"

struct gpuc__map_slot {
    const char *key; /* NULL: free */
    void *value;
    uint64_t hash;
};

static uint64_t hash_of(const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
    return hash ^ (hash >> 32);
}

/* The key's slot, or the free one where it would go. There is always a free one. */
static struct gpuc__map_slot *locate(const gpuc__map *map, const char *key, uint64_t hash)
{
    size_t mask = map->capacity - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct gpuc__map_slot *slot = &map->slots[i];

        if (!slot->key || (slot->hash == hash && strcmp(slot->key, key) == 0))
            return slot;
    }
}

void *gpuc__map_get(const gpuc__map *map, const char *key)
{
    return map->capacity ? locate(map, key, hash_of(key))->value : NULL;
}

static bool grow(gpuc__map *map)
{
    gpuc__map bigger = {.capacity = map->capacity ? 2 * map->capacity : 16, .count = map->count};

    bigger.slots = gpuc__calloc(bigger.capacity, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key)
            *locate(&bigger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    }
    gpuc__free(map->slots);
    *map = bigger;
    return true;
}

bool gpuc__map_put(gpuc__map *map, const char *key, void *value)
{
    uint64_t hash = hash_of(key);
    struct gpuc__map_slot *slot;

    if (4 * (map->count + 1) > 3 * map->capacity && !grow(map))
        return false;
    slot = locate(map, key, hash);
    if (!slot->key)
        map->count++;
    *slot = (struct gpuc__map_slot){key, value, hash};
    return true;
}

void gpuc__map_clear(gpuc__map *map)
{
    gpuc__free(map->slots);
    memset(map, 0, sizeof(*map));
}

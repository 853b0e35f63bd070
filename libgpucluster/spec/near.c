/* SPDX-License-Identifier: Apache-2.0 */
/* Near misses: what the schema knows that is nearest to a word. */
#include <string.h>

#include "spec/schema.h"
#include "util/suggest.h"

/* Two edits turn any short word into any other. */
static size_t limit_for(const char *word)
{
    return strlen(word) <= 3 ? 1 : 2;
}

static const char *nearer(const char *word, const char *candidate, const char *best, size_t *distance)
{
    size_t d = gpuc__edit_distance(word, candidate, 2);

    if (d >= *distance)
        return best;
    *distance = d;
    return candidate;
}

const char *gpuc__schema_near_key(const json_t *part, const char *key)
{
    size_t distance = limit_for(key) + 1;
    const char *known, *best = NULL;
    json_t *value;

    json_object_foreach(json_object_get(part, "properties"), known, value)
        best = nearer(key, known, best, &distance);
    return best;
}

const char *gpuc__schema_near_enum(const json_t *part, const char *text)
{
    size_t distance = limit_for(text) + 1, i;
    const char *best = NULL;
    json_t *value;

    json_array_foreach(json_object_get(part, "enum"), i, value)
        best = nearer(text, json_string_value(value), best, &distance);
    return best;
}

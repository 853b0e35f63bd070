/* SPDX-License-Identifier: Apache-2.0 */
/* Near misses: the edit distance behind "did you mean". */
#include <string.h>

#include "spec/schema.h"

#define WORD_MAX 40

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t gpuc__spec_distance(const char *one, const char *other, size_t limit)
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

/* Two edits turn any short word into any other. */
static size_t limit_for(const char *word)
{
    return strlen(word) <= 3 ? 1 : 2;
}

static const char *nearer(const char *word, const char *candidate, const char *best, size_t *distance)
{
    size_t d = gpuc__spec_distance(word, candidate, 2);

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

/* SPDX-License-Identifier: Apache-2.0 */
/* The path of a key while a tree is walked. */
#include "spec/path.h"

#include <stdio.h>
#include <string.h>

/* Control bytes of a key read from outside do not reach a terminal. */
static size_t append(gpuc__spec_path *path, const char *text)
{
    size_t before = path->length;

    for (; *text && path->length + 1 < sizeof(path->text); text++) {
        unsigned char c = (unsigned char)*text;

        path->text[path->length++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    path->text[path->length] = '\0';
    return before;
}

void gpuc__spec_path_init(gpuc__spec_path *path, const char *text)
{
    path->length = 0;
    path->text[0] = '\0';
    append(path, text ? text : "");
}

size_t gpuc__spec_path_key(gpuc__spec_path *path, const char *key)
{
    size_t before = path->length;

    if (before)
        append(path, ".");
    append(path, key);
    return before;
}

size_t gpuc__spec_path_index(gpuc__spec_path *path, size_t index)
{
    char text[32];

    snprintf(text, sizeof(text), "[%zu]", index);
    return append(path, text);
}

void gpuc__spec_path_back(gpuc__spec_path *path, size_t length)
{
    path->length = length;
    path->text[length] = '\0';
}

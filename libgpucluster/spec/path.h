/* SPDX-License-Identifier: Apache-2.0 */
/* The path of a key while a tree is walked: "machines[0].host". */
#ifndef GPUC__SPEC_PATH_H
#define GPUC__SPEC_PATH_H
#include <stddef.h>

typedef struct gpuc__spec_path {
    char text[256]; /* what does not fit is cut: the schema's own paths are far shorter */
    size_t length;
} gpuc__spec_path;

void gpuc__spec_path_init(gpuc__spec_path *path, const char *text);
/* Both give the length to go back to. */
size_t gpuc__spec_path_key(gpuc__spec_path *path, const char *key);
size_t gpuc__spec_path_index(gpuc__spec_path *path, size_t index);
void gpuc__spec_path_back(gpuc__spec_path *path, size_t length);
#endif

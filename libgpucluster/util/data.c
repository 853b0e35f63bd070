/* SPDX-License-Identifier: Apache-2.0 */
#include "util/data.h"

#include <string.h>

const gpuc__data *gpuc__data_get(const char *path)
{
    for (const gpuc__data *d = gpuc__data_table; d->path; d++) {
        if (strcmp(d->path, path) == 0)
            return d;
    }
    return NULL;
}

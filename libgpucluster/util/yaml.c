/* SPDX-License-Identifier: Apache-2.0 */
#include "util/yaml.h"

#include <string.h>

/* A line ends as YAML says: the last byte of NEL, LS and PS stands for these. */
bool gpuc__yaml_too_many_directives(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    size_t count = 0;

    while (at < end && (at = memchr(at, '%', (size_t)(end - at)))) {
        count += at == text || (at[-1] && strchr("\n\r\x85\xa8\xa9", at[-1]));
        at++;
    }
    return count > GPUC__YAML_MAX_DIRECTIVES;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What every text must pass before libyaml sees it. */
#ifndef GPUC__YAML_H
#define GPUC__YAML_H
#include <stdbool.h>
#include <stddef.h>

#define GPUC__YAML_MAX_DIRECTIVES 16

/* More than 16 lines that begin with %: libyaml compares every %TAG with all before it, so that a few
 * megabytes of them take minutes. */
bool gpuc__yaml_too_many_directives(const char *text, size_t length);
#endif

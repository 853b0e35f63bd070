/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to the tree: YAML, and JSON as the subset of it that it nearly is. */
#ifndef GPUC__SPEC_READ_H
#define GPUC__SPEC_READ_H
#include "spec/node.h"
#include "spec/where.h"

enum {
    GPUC__SPEC_MAX_BYTES = 4 * 1024 * 1024,
    GPUC__SPEC_MAX_DEPTH = 32,
    GPUC__SPEC_MAX_NODES = 100000,
    GPUC__SPEC_MAX_KEYS = 256 /* of one mapping */
};

/* where: file (may be NULL) and path, for errors; line and column come from the text. */
int gpuc__spec_read(gpuc__spec_node **out, const char *text, size_t length,
                    const gpuc__spec_where *where, gpuc_error **err);

/* Legal JSON that libyaml refuses, written so that it accepts it: surrogate pairs, tabs at the
 * start of a line, a key and its colon on two lines. Every value keeps its line and column.
 * NULL when the text is not JSON, or without memory. */
char *gpuc__spec_json_as_yaml(const char *text, size_t length);
#endif

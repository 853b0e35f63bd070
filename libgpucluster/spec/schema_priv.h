/* SPDX-License-Identifier: Apache-2.0 */
/* What schema.c and check.c share. */
#ifndef GPUC__SPEC_SCHEMA_PRIV_H
#define GPUC__SPEC_SCHEMA_PRIV_H
#include <regex.h>

#include "spec/schema.h"

#define GPUC__SCHEMA_PATTERNS 64

struct gpuc__schema {
    json_t *root;
    /* Compiled once per spec: a spec of a thousand machines asks for the same few. */
    struct {
        const json_t *pattern;
        regex_t regex;
    } patterns[GPUC__SCHEMA_PATTERNS];
    size_t pattern_count;
};
#endif

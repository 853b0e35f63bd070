/* SPDX-License-Identifier: Apache-2.0 */
/* The tree a spec is read into: what was written, and where. */
#ifndef GPUC__SPEC_NODE_H
#define GPUC__SPEC_NODE_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

typedef enum gpuc__spec_type {
    GPUC__SPEC_NULL = 1,
    GPUC__SPEC_BOOL = 2,
    GPUC__SPEC_INTEGER = 3,
    GPUC__SPEC_NUMBER = 4,
    GPUC__SPEC_STRING = 5,
    GPUC__SPEC_LIST = 6,
    GPUC__SPEC_MAP = 7
} gpuc__spec_type;

typedef struct gpuc__spec_node gpuc__spec_node;

typedef struct gpuc__spec_entry {
    char *key; /* NULL in a list */
    int line, column;
    gpuc__spec_node *value;
} gpuc__spec_entry;

struct gpuc__spec_node {
    gpuc__spec_type type;
    int line, column;     /* from 1; 0: not from a file */
    char *text;           /* scalars, as written: no NUL inside, valid UTF-8 */
    json_int_t integer;   /* BOOL, INTEGER */
    double number;        /* INTEGER, NUMBER */
    gpuc__spec_entry *entries;
    size_t count, capacity;
};

gpuc__spec_node *gpuc__spec_node_new(gpuc__spec_type type, int line, int column);
/* plain: not quoted, so that 3 is a number and true a boolean. */
gpuc__spec_node *gpuc__spec_node_scalar(const char *text, size_t length, bool plain, int line,
                                        int column);
void gpuc__spec_node_free(gpuc__spec_node *node);

/* Appends to a map (key copied) or a list (key NULL). Takes value, also on failure. */
bool gpuc__spec_node_add(gpuc__spec_node *node, const char *key, int line, int column,
                         gpuc__spec_node *value);
/* NULL when node is NULL, is no map, or has no such key. */
gpuc__spec_entry *gpuc__spec_node_entry(const gpuc__spec_node *node, const char *key);
gpuc__spec_node *gpuc__spec_node_get(const gpuc__spec_node *node, const char *key);
/* The scalar's text, or otherwise when the key is not there or is no scalar. */
const char *gpuc__spec_node_text(const gpuc__spec_node *node, const char *key,
                                 const char *otherwise);
/* "a list", "the number 1.36", "\"text\"": what an error says was found. Bounded, printable. */
char *gpuc__spec_node_show(const gpuc__spec_node *node);
/* Text in double quotes with control bytes escaped, cut after 60 bytes. */
char *gpuc__spec_show(const char *text);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML document as a tree that knows where in the text each value stands: what reading kubeconfigs
 * and manifests with good errors, and changing a file without rewriting it, needs. */
#ifndef GPUC__YAML_TREE_H
#define GPUC__YAML_TREE_H
#include <gpucluster.h>
#include <stdbool.h>

typedef enum gpuc__yaml_kind {
    GPUC__YAML_SCALAR = 1,
    GPUC__YAML_SEQUENCE = 2,
    GPUC__YAML_MAPPING = 3
} gpuc__yaml_kind;

typedef struct gpuc__yaml_node {
    gpuc__yaml_kind kind;
    bool flow;   /* {…}, […], or a quoted scalar */
    bool plain;  /* a scalar that may be a number or a truth value: no quotes, no block, no !!str */
    bool null;   /* a plain scalar that YAML reads as null: empty, ~, null */
    char *text;  /* of a scalar; holds no NUL byte inside */
    struct gpuc__yaml_node **items; /* a mapping's are key, value, key, value … */
    size_t count, room;
    size_t line, column; /* from 1, column in characters */
    size_t start, end;   /* bytes of the text it takes up; comments after it are not in it */
} gpuc__yaml_node;

#define GPUC__YAML_MAX_BYTES (4u * 1024 * 1024)
#define GPUC__YAML_MAX_DEPTH 32
#define GPUC__YAML_MAX_NODES 200000u

/* All documents of a file, aliases read as copies of what they name: *out is a sequence of them, without
 * the empty ones. Doubled keys are refused. */
int gpuc__yaml_parse_all(gpuc__yaml_node **out, const char *text, size_t length,
                         const char *filename, gpuc_error **err);

/* Reads one UTF-8 document. *out is NULL for an empty one. Aliases, a second document and doubled
 * keys are refused. Errors start with "filename:line:column:". */
int gpuc__yaml_parse(gpuc__yaml_node **out, const char *text, size_t length, const char *filename,
                     gpuc_error **err);
void gpuc__yaml_free(gpuc__yaml_node *node);

/* The value of a key of a mapping; NULL when node is NULL, no mapping, or has no such key. */
gpuc__yaml_node *gpuc__yaml_get(const gpuc__yaml_node *node, const char *key);
/* Same values in the same order, however written. Both may be NULL. */
bool gpuc__yaml_equal(const gpuc__yaml_node *a, const gpuc__yaml_node *b);
#endif

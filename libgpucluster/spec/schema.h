/* SPDX-License-Identifier: Apache-2.0 */
/* spec.schema.json, read and applied: the one description of every key that the parser, the
 * setters and the documentation share. */
#ifndef GPUC__SPEC_SCHEMA_H
#define GPUC__SPEC_SCHEMA_H
#include "spec/node.h"
#include "spec/where.h"

typedef struct gpuc__schema gpuc__schema;

int gpuc__schema_new(gpuc__schema **out, gpuc_error **err);
void gpuc__schema_free(gpuc__schema *schema);
/* The schema's text, static. */
const char *gpuc__schema_text(void);
const json_t *gpuc__schema_root(const gpuc__schema *schema);

/* The part of the schema for one key of a mapping; NULL when it has no such key. */
const json_t *gpuc__schema_key(const json_t *part, const char *key);
/* Whether a value may be of the type with this JSON Schema name. */
bool gpuc__schema_allows(const json_t *part, const char *type);
/* "an integer from 1 to 65535": new string. */
char *gpuc__schema_expected(const json_t *part);
/* The known key within edit distance 2; NULL: none. Borrowed. */
const char *gpuc__schema_near_key(const json_t *part, const char *key);
/* The same among the values of an enum. */
const char *gpuc__schema_near_enum(const json_t *part, const char *text);
/* The error for a key that is not in the schema. */
int gpuc__schema_unknown_key(const json_t *part, const gpuc__spec_where *where, const char *key,
                             gpuc_error **err);

/* Checks a node and all below it. where: file and path of the node. */
int gpuc__schema_check(gpuc__schema *schema, const json_t *part, const gpuc__spec_node *node,
                       const gpuc__spec_where *where, gpuc_error **err);
/* Refuses keys that belong to other providers than kind. */
int gpuc__schema_check_provider(const gpuc__schema *schema, const gpuc__spec_node *root,
                                const char *kind, const char *file, gpuc_error **err);

#endif

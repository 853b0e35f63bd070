/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the tables that are compiled in. */
#ifndef GPUC__GPU_TABLES_H
#define GPUC__GPU_TABLES_H
#include <gpucluster.h>
#include <jansson.h>

/* The table of that path, a new reference. GPUC_EINTERNAL when it is missing or no JSON. */
int gpuc__table_load(json_t **out, const char *path, gpuc_error **err);
/* The first object of the array `list` of `table` whose `key` has that value; borrowed, or NULL. */
json_t *gpuc__table_find_int(json_t *table, const char *list, const char *key, long value);
json_t *gpuc__table_find_text(json_t *table, const char *list, const char *key, const char *value);
/* The text of `key`, "" when there is none; borrowed. */
const char *gpuc__table_text(const json_t *object, const char *key);
#endif

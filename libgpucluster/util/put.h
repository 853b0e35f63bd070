/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as text, written straight into a buffer: large reports take no tree. What is put says its own
 * comma. key: the name of a member, which needs no escapes; NULL: an item of an array. */
#ifndef GPUC__PUT_H
#define GPUC__PUT_H
#include <jansson.h>

#include "util/buf.h"

void gpuc__put_open(gpuc__buf *out, const char *key, char bracket); /* '{' or '[' */
void gpuc__put_close(gpuc__buf *out, char bracket);
/* Begins a new line for what comes next, a member or item. */
void gpuc__put_row(gpuc__buf *out, int indent);
/* Bytes that are no UTF-8 become '?'. NULL: null. */
void gpuc__put_text(gpuc__buf *out, const char *key, const char *text);
void gpuc__put_integer(gpuc__buf *out, const char *key, long long value);
void gpuc__put_number(gpuc__buf *out, const char *key, double value); /* six digits, whole ones all */
void gpuc__put_bool(gpuc__buf *out, const char *key, bool value);
void gpuc__put_null(gpuc__buf *out, const char *key);
void gpuc__put_raw(gpuc__buf *out, const char *key, const char *json); /* is JSON already */
void gpuc__put_value(gpuc__buf *out, const char *key, const json_t *value); /* NULL: null */
#endif

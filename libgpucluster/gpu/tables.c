/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu/tables.h"

#include <string.h>

#include "util/data.h"
#include "util/error.h"

int gpuc__table_load(json_t **out, const char *path, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get(path);
    json_error_t why = {0};
    json_t *table = data ? json_loadb(data->text, data->length, JSON_REJECT_DUPLICATES, &why)
                         : NULL;

    if (!table && data && json_error_code(&why) == json_error_out_of_memory)
        return gpuc__error_nomem(err);
    if (!table)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_GPU,
                               "the table %s of this build cannot be read: %s, line %d", path,
                               data ? why.text : "it is missing", data ? why.line : 0);
    *out = table;
    return GPUC_OK;
}

json_t *gpuc__table_find_int(json_t *table, const char *list, const char *key, long value)
{
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(table, list), i, row) {
        json_t *field = json_object_get(row, key);

        if (json_is_integer(field) && json_integer_value(field) == value)
            return row;
    }
    return NULL;
}

json_t *gpuc__table_find_text(json_t *table, const char *list, const char *key, const char *value)
{
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(table, list), i, row) {
        if (strcmp(gpuc__table_text(row, key), value) == 0)
            return row;
    }
    return NULL;
}

const char *gpuc__table_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

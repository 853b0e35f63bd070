/* SPDX-License-Identifier: Apache-2.0 */
/* A spec as JSON: as it was written, but that paths relative to its file become absolute, since the
 * JSON goes elsewhere. */
#include <string.h>

#include "spec/handle.h"
#include "util/alloc.h"
#include "util/buf.h"

#define JSON_MAX (16u * 1024 * 1024)

static json_t *to_json(const gpuc_spec *spec, const json_t *part, const gpuc__spec_node *node);

static json_t *text_to_json(const gpuc_spec *spec, const json_t *part, const char *text)
{
    GPUC__AUTOFREE char *whole = NULL;

    if (!json_object_get(part, "x-format") || *text == '/' || *text == '~')
        return json_string(text);
    whole = gpuc__asprintf("%s/%s", spec->folder, text);
    return whole ? json_string(whole) : NULL;
}

static json_t *list_to_json(const gpuc_spec *spec, const json_t *part, const gpuc__spec_node *node)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < node->count; i++) {
        json_t *value = to_json(spec, json_object_get(part, "items"), node->entries[i].value);

        if (json_array_append_new(list, value)) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *map_to_json(const gpuc_spec *spec, const json_t *part, const gpuc__spec_node *node)
{
    json_t *map = json_object();

    for (size_t i = 0; map && i < node->count; i++) {
        const gpuc__spec_entry *entry = &node->entries[i];
        json_t *value = to_json(spec, gpuc__schema_key(part, entry->key), entry->value);

        if (json_object_set_new(map, entry->key, value)) {
            json_decref(map);
            map = NULL;
        }
    }
    return map;
}

static json_t *to_json(const gpuc_spec *spec, const json_t *part, const gpuc__spec_node *node)
{
    switch (node->type) {
    case GPUC__SPEC_BOOL:
        return json_boolean(node->integer);
    case GPUC__SPEC_INTEGER:
        return json_integer(node->integer);
    case GPUC__SPEC_NUMBER:
        return json_real(node->number);
    case GPUC__SPEC_STRING:
        return text_to_json(spec, part, node->text);
    case GPUC__SPEC_LIST:
        return list_to_json(spec, part, node);
    case GPUC__SPEC_MAP:
        return map_to_json(spec, part, node);
    case GPUC__SPEC_NULL:
        break;
    }
    return json_null();
}

static int append(const char *text, size_t length, void *data)
{
    return gpuc__buf_add(data, text, length) ? 0 : -1;
}

char *gpuc_spec_to_json(const gpuc_spec *spec)
{
    gpuc__buf out = GPUC__BUF_INIT(JSON_MAX);
    json_t *value = to_json(spec, gpuc__schema_root(spec->schema), spec->root);

    /* 15 digits: 0.35 stays 0.35. */
    if (!value || json_dump_callback(value, append, &out, JSON_INDENT(2) | JSON_REAL_PRECISION(15)))
        out.failed = true;
    json_decref(value);
    return gpuc__buf_take(&out);
}

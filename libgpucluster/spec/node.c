/* SPDX-License-Identifier: Apache-2.0 */
/* The tree a spec is read into. */
#include "spec/node.h"

#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"

#define SHOW_MAX 60

gpuc__spec_node *gpuc__spec_node_new(gpuc__spec_type type, int line, int column)
{
    gpuc__spec_node *node = gpuc__calloc(1, sizeof(*node));

    if (node) {
        node->type = type;
        node->line = line;
        node->column = column;
    }
    return node;
}

/* Numbers are those of JSON: 010, 0x10 and 1_000 stay text, whatever a YAML version makes of them. */
static void resolve_number(gpuc__spec_node *node)
{
    json_error_t error;
    json_t *value = json_loads(node->text, JSON_DECODE_ANY, &error);

    if (!value)
        value = json_loads(node->text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    if (json_is_integer(value)) {
        node->type = GPUC__SPEC_INTEGER;
        node->integer = json_integer_value(value);
        node->number = (double)node->integer;
    } else if (json_is_real(value)) {
        node->type = GPUC__SPEC_NUMBER;
        node->number = json_real_value(value);
    }
    json_decref(value);
}

static void resolve_plain(gpuc__spec_node *node)
{
    const char *text = node->text;

    if (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0) {
        node->type = GPUC__SPEC_NULL;
    } else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        node->type = GPUC__SPEC_BOOL;
        node->integer = *text == 't';
    } else if (*text == '-' || (*text >= '0' && *text <= '9')) {
        resolve_number(node);
    }
}

gpuc__spec_node *gpuc__spec_node_scalar(const char *text, size_t length, bool plain, int line,
                                        int column)
{
    gpuc__spec_node *node = gpuc__spec_node_new(GPUC__SPEC_STRING, line, column);

    if (!node)
        return NULL;
    node->text = gpuc__strndup(text, length);
    if (!node->text) {
        gpuc__spec_node_free(node);
        return NULL;
    }
    if (plain)
        resolve_plain(node);
    return node;
}

void gpuc__spec_node_free(gpuc__spec_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++) {
        gpuc__free(node->entries[i].key);
        gpuc__spec_node_free(node->entries[i].value);
    }
    gpuc__free(node->entries);
    gpuc__free(node->text);
    gpuc__free(node);
}

static bool reserve(gpuc__spec_node *node)
{
    size_t capacity = node->capacity ? node->capacity * 2 : 4;
    gpuc__spec_entry *entries;

    if (node->count < node->capacity)
        return true;
    entries = gpuc__realloc(node->entries, capacity * sizeof(*entries));
    if (!entries)
        return false;
    node->entries = entries;
    node->capacity = capacity;
    return true;
}

bool gpuc__spec_node_add(gpuc__spec_node *node, const char *key, int line, int column,
                         gpuc__spec_node *value)
{
    char *copy = gpuc__strdup(key);

    if ((key && !copy) || !value || !reserve(node)) {
        gpuc__free(copy);
        gpuc__spec_node_free(value);
        return false;
    }
    node->entries[node->count++] = (gpuc__spec_entry){copy, line, column, value};
    return true;
}

gpuc__spec_entry *gpuc__spec_node_entry(const gpuc__spec_node *node, const char *key)
{
    if (!node || node->type != GPUC__SPEC_MAP)
        return NULL;
    for (size_t i = 0; i < node->count; i++) {
        if (strcmp(node->entries[i].key, key) == 0)
            return &node->entries[i];
    }
    return NULL;
}

gpuc__spec_node *gpuc__spec_node_get(const gpuc__spec_node *node, const char *key)
{
    gpuc__spec_entry *entry = gpuc__spec_node_entry(node, key);

    return entry ? entry->value : NULL;
}

const char *gpuc__spec_node_text(const gpuc__spec_node *node, const char *key,
                                 const char *otherwise)
{
    const gpuc__spec_node *value = gpuc__spec_node_get(node, key);

    return value && value->text ? value->text : otherwise;
}

char *gpuc__spec_show(const char *text)
{
    gpuc__buf out = GPUC__BUF_INIT(8 * SHOW_MAX);
    size_t i = 0;

    gpuc__buf_putc(&out, '"');
    /* A cut goes before a character, not through it. */
    for (; text[i] && (i < SHOW_MAX || ((unsigned char)text[i] & 0xc0) == 0x80); i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            gpuc__buf_printf(&out, "\\x%02x", c);
        else
            gpuc__buf_putc(&out, (char)c);
    }
    gpuc__buf_puts(&out, text[i] ? "…\"" : "\"");
    return gpuc__buf_take(&out);
}

char *gpuc__spec_node_show(const gpuc__spec_node *node)
{
    switch (node->type) {
    case GPUC__SPEC_NULL:
        return gpuc__strdup("no value");
    case GPUC__SPEC_LIST:
        return gpuc__strdup("a list");
    case GPUC__SPEC_MAP:
        return gpuc__strdup("a mapping");
    case GPUC__SPEC_BOOL:
        return gpuc__asprintf("the boolean %s", node->text);
    case GPUC__SPEC_INTEGER:
    case GPUC__SPEC_NUMBER:
        return gpuc__asprintf("the number %.40s", node->text);
    case GPUC__SPEC_STRING:
        break;
    }
    return gpuc__spec_show(node->text);
}

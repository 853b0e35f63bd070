/* SPDX-License-Identifier: Apache-2.0 */
/* Applies the schema to a tree. The subset of JSON Schema 2020-12 that spec.schema.json uses: type,
 * enum, pattern, minLength, maxLength, minimum, maximum, items, minItems, maxItems, properties,
 * required, propertyNames, additionalProperties. */
#include <string.h>

#include "spec/path.h"
#include "spec/schema_priv.h"
#include "util/alloc.h"
#include "util/error.h"

typedef struct walk {
    gpuc__schema *schema;
    const char *file;
    const char *kind; /* for check_provider */
    gpuc__spec_path path;
    gpuc_error **err;
} walk;

static const char *const type_names[] = {
    [GPUC__SPEC_NULL] = "null",      [GPUC__SPEC_BOOL] = "boolean", [GPUC__SPEC_INTEGER] = "integer",
    [GPUC__SPEC_NUMBER] = "number",  [GPUC__SPEC_STRING] = "string", [GPUC__SPEC_LIST] = "array",
    [GPUC__SPEC_MAP] = "object",
};

static gpuc__spec_where at(const walk *w, int line, int column)
{
    return (gpuc__spec_where){w->file, line, column, w->path.text};
}

/* "FOUND WHY (did you mean NEAR?); expected EXPECTED". */
static int wrong_value(walk *w, const json_t *part, const gpuc__spec_node *node, const char *why,
                       const char *near)
{
    gpuc__spec_where where = at(w, node->line, node->column);
    GPUC__AUTOFREE char *found = gpuc__spec_node_show(node);
    GPUC__AUTOFREE char *expected = gpuc__schema_expected(part);
    bool unquoted = node->text && node->type != GPUC__SPEC_STRING &&
                    node->type != GPUC__SPEC_NULL && gpuc__schema_allows(part, "string") &&
                    !gpuc__schema_allows(part, "object");
    int rc;

    if (!found || !expected)
        return gpuc__error_nomem(w->err);
    rc = gpuc__spec_error(w->err, GPUC_EINVAL, &where, "%s%s%s%s%s; expected %s", found, why,
                          near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "",
                          expected);
    if (unquoted)
        gpuc__error_remedy(w->err, "Write it in quotes: \"%.40s\".", node->text);
    return rc;
}

static size_t characters(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static int compiled(walk *w, const json_t *pattern, const regex_t **out)
{
    gpuc__schema *s = w->schema;

    for (size_t i = 0; i < s->pattern_count; i++) {
        if (s->patterns[i].pattern == pattern) {
            *out = &s->patterns[i].regex;
            return GPUC_OK;
        }
    }
    if (s->pattern_count == GPUC__SCHEMA_PATTERNS)
        return gpuc__error_set(w->err, GPUC_EINTERNAL, GPUC_DOMAIN_SPEC,
                               "the schema has more than %d patterns", GPUC__SCHEMA_PATTERNS);
    if (regcomp(&s->patterns[s->pattern_count].regex, json_string_value(pattern),
                REG_EXTENDED | REG_NOSUB))
        return gpuc__error_nomem(w->err);
    s->patterns[s->pattern_count].pattern = pattern;
    *out = &s->patterns[s->pattern_count++].regex;
    return GPUC_OK;
}

static bool in_enum(const json_t *values, const char *text)
{
    json_t *value;
    size_t i;

    json_array_foreach(values, i, value) {
        if (strcmp(json_string_value(value), text) == 0)
            return true;
    }
    return false;
}

/* The length comes first, so that the pattern never meets a long text. */
static int check_string(walk *w, const json_t *part, const gpuc__spec_node *node)
{
    const json_t *values = json_object_get(part, "enum");
    const json_t *pattern = json_object_get(part, "pattern");
    const json_t *longest = json_object_get(part, "maxLength");
    const json_t *shortest = json_object_get(part, "minLength");
    size_t length = characters(node->text);
    const regex_t *regex = NULL;
    int rc;

    if (longest && length > (size_t)json_integer_value(longest))
        return wrong_value(w, part, node, " is too long", NULL);
    if (shortest && length < (size_t)json_integer_value(shortest))
        return wrong_value(w, part, node, " is too short", NULL);
    if (values && !in_enum(values, node->text))
        return wrong_value(w, part, node, "", gpuc__schema_near_enum(part, node->text));
    if (!pattern)
        return GPUC_OK;
    rc = compiled(w, pattern, &regex);
    if (!rc && regexec(regex, node->text, 0, NULL, 0))
        rc = wrong_value(w, part, node, "", NULL);
    return rc;
}

static int check_number(walk *w, const json_t *part, const gpuc__spec_node *node)
{
    const json_t *minimum = json_object_get(part, "minimum");
    const json_t *maximum = json_object_get(part, "maximum");

    if (minimum && node->number < json_number_value(minimum))
        return wrong_value(w, part, node, " is too small", NULL);
    if (maximum && node->number > json_number_value(maximum))
        return wrong_value(w, part, node, " is too large", NULL);
    return GPUC_OK;
}

static int check_node(walk *w, const json_t *part, const gpuc__spec_node *node);

static int check_list(walk *w, const json_t *part, const gpuc__spec_node *node)
{
    gpuc__spec_where where = at(w, node->line, node->column);
    json_int_t least = json_integer_value(json_object_get(part, "minItems"));
    const json_t *most = json_object_get(part, "maxItems");

    if (node->count < (size_t)least)
        return gpuc__spec_error(w->err, GPUC_EINVAL, &where,
                                "an empty list; expected at least one entry");
    if (most && node->count > (size_t)json_integer_value(most))
        return gpuc__spec_error(w->err, GPUC_EINVAL, &where,
                                "a list of %zu; expected at most %lld entries", node->count,
                                (long long)json_integer_value(most));
    for (size_t i = 0; i < node->count; i++) {
        size_t back = gpuc__spec_path_index(&w->path, i);
        int rc = check_node(w, json_object_get(part, "items"), node->entries[i].value);

        if (rc)
            return rc;
        gpuc__spec_path_back(&w->path, back);
    }
    return GPUC_OK;
}

static int check_key_name(walk *w, const json_t *part, const gpuc__spec_entry *entry)
{
    const json_t *names = json_object_get(part, "propertyNames");
    gpuc__spec_node key = {.type = GPUC__SPEC_STRING, .text = entry->key, .line = entry->line,
                           .column = entry->column};

    return names ? check_string(w, names, &key) : GPUC_OK;
}

static int check_required(walk *w, const json_t *part, const gpuc__spec_node *node)
{
    json_t *name;
    size_t i;

    json_array_foreach(json_object_get(part, "required"), i, name) {
        const char *key = json_string_value(name);
        gpuc__spec_where where = at(w, node->line, node->column);
        GPUC__AUTOFREE char *expected = NULL;
        int rc;

        if (gpuc__spec_node_get(node, key))
            continue;
        expected = gpuc__schema_expected(gpuc__schema_key(part, key));
        if (!expected)
            return gpuc__error_nomem(w->err);
        gpuc__spec_path_key(&w->path, key);
        rc = gpuc__spec_error(w->err, GPUC_EINVAL, &where, "missing; expected %s", expected);
        gpuc__error_remedy(w->err, "Add the key \"%s\"; docs/spec.md gives the type and meaning of "
                                   "every key.", key);
        return rc;
    }
    return GPUC_OK;
}

static int check_map(walk *w, const json_t *part, const gpuc__spec_node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        const gpuc__spec_entry *entry = &node->entries[i];
        const json_t *below = gpuc__schema_key(part, entry->key);
        size_t back = gpuc__spec_path_key(&w->path, entry->key);
        gpuc__spec_where where = at(w, entry->line, entry->column);
        int rc = below ? check_key_name(w, part, entry)
                       : gpuc__schema_unknown_key(part, &where, entry->key, w->err);

        if (!rc)
            rc = check_node(w, below, entry->value);
        if (rc)
            return rc;
        gpuc__spec_path_back(&w->path, back);
    }
    return check_required(w, part, node);
}

static int check_node(walk *w, const json_t *part, const gpuc__spec_node *node)
{
    if (!gpuc__schema_allows(part, type_names[node->type]))
        return wrong_value(w, part, node, "", NULL);
    switch (node->type) {
    case GPUC__SPEC_STRING:
        return check_string(w, part, node);
    case GPUC__SPEC_INTEGER:
    case GPUC__SPEC_NUMBER:
        return check_number(w, part, node);
    case GPUC__SPEC_LIST:
        return check_list(w, part, node);
    case GPUC__SPEC_MAP:
        return check_map(w, part, node);
    case GPUC__SPEC_NULL:
    case GPUC__SPEC_BOOL:
        break;
    }
    return GPUC_OK;
}

int gpuc__schema_check(gpuc__schema *schema, const json_t *part, const gpuc__spec_node *node,
                       const gpuc__spec_where *where, gpuc_error **err)
{
    walk w = {.schema = schema, .file = where->file, .err = err};

    gpuc__spec_path_init(&w.path, where->path);
    return check_node(&w, part, node);
}

static int foreign_key(walk *w, const gpuc__spec_entry *entry, const json_t *kinds)
{
    gpuc__spec_where where = at(w, entry->line, entry->column);
    const char *second = json_string_value(json_array_get(kinds, 1));
    int rc;

    rc = gpuc__spec_error(w->err, GPUC_EINVAL, &where,
                          "belongs to provider %s%s%s, but provider.kind is %s; expected no such "
                          "key", json_string_value(json_array_get(kinds, 0)), second ? " or " : "",
                          second ? second : "", w->kind);
    gpuc__error_remedy(w->err, "Remove the key, or change provider.kind.");
    return rc;
}

static int provider_keys(walk *w, const json_t *part, const gpuc__spec_node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        const gpuc__spec_entry *entry = &node->entries[i];
        bool list = node->type == GPUC__SPEC_LIST;
        const json_t *below = list ? json_object_get(part, "items")
                                   : gpuc__schema_key(part, entry->key);
        const json_t *kinds = json_object_get(below, "x-provider");
        size_t back = list ? gpuc__spec_path_index(&w->path, i)
                           : gpuc__spec_path_key(&w->path, entry->key);
        int rc;

        rc = kinds && !in_enum(kinds, w->kind) ? foreign_key(w, entry, kinds)
                                               : provider_keys(w, below, entry->value);
        if (rc)
            return rc;
        gpuc__spec_path_back(&w->path, back);
    }
    return GPUC_OK;
}

int gpuc__schema_check_provider(const gpuc__schema *schema, const gpuc__spec_node *root,
                                const char *kind, const char *file, gpuc_error **err)
{
    walk w = {.file = file, .kind = kind, .err = err};

    return provider_keys(&w, schema->root, root);
}

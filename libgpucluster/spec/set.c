/* SPDX-License-Identifier: Apache-2.0 */
/* Setters: one value by its path, checked as it would be in a file. A setter that fails leaves the
 * spec as it was. */
#include <string.h>

#include "spec/handle.h"
#include "spec/load.h"
#include "spec/path.h"
#include "spec/read.h"
#include "util/alloc.h"
#include "util/error.h"

#define KEY_MAX 64
#define KEYS_MAX 4

/* A dotted path, resolved in the schema. */
typedef struct target {
    char keys[KEYS_MAX][KEY_MAX];
    size_t count;
    const json_t *part; /* of the last key */
    gpuc__spec_path path;
} target;

static int unknown_path(const json_t *part, target *t, const char *key, gpuc_error **err)
{
    gpuc__spec_where where = {.path = t->path.text};

    return gpuc__schema_unknown_key(part, &where, key, err);
}

static int resolve(target *t, const json_t *part, const char *key, gpuc_error **err)
{
    for (;;) {
        size_t length = strcspn(key, ".");
        char *one = t->keys[t->count < KEYS_MAX ? t->count : KEYS_MAX - 1];
        const json_t *below;

        memset(one, 0, KEY_MAX);
        memcpy(one, key, length < KEY_MAX ? length : KEY_MAX - 1);
        gpuc__spec_path_key(&t->path, one);
        below = length < KEY_MAX && t->count < KEYS_MAX ? gpuc__schema_key(part, one) : NULL;
        if (!below)
            return unknown_path(part, t, one, err);
        part = below;
        t->count++;
        key += length;
        if (!*key)
            break;
        key++;
    }
    t->part = part;
    return GPUC_OK;
}

/* For a key that takes a string the text is the value, without YAML's quoting rules: a path may
 * begin with any byte. Quotes around it, and the lists and mappings of keys that take these too,
 * are read as YAML. */
static bool is_literal(const json_t *part, const char *value)
{
    bool yaml = *value == '"' || *value == '\'';

    if (!gpuc__schema_allows(part, "string"))
        return false;
    if (gpuc__schema_allows(part, "array") && *value == '[')
        yaml = true;
    if (gpuc__schema_allows(part, "object") && *value == '{')
        yaml = true;
    return !yaml;
}

static int literal(gpuc__spec_node **out, const char *value, const gpuc__spec_where *where,
                   gpuc_error **err)
{
    json_t *text;
    int rc;

    if (strnlen(value, GPUC__SPEC_MAX_BYTES + 1) > GPUC__SPEC_MAX_BYTES)
        return gpuc__spec_error(err, GPUC_ELIMIT, where, "larger than the limit of 4 MiB");
    text = json_string(value);
    if (!text) {
        rc = gpuc__spec_error(err, GPUC_EINVAL, where, "not UTF-8; expected text in UTF-8");
        gpuc__error_remedy(err, "Give the value in UTF-8.");
        return rc;
    }
    json_decref(text);
    *out = gpuc__spec_node_scalar(value, strlen(value), false, 0, 0);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

/* A relative path of a setter starts where the program is now, not where the spec's file is. */
static int fix_path(const json_t *part, gpuc__spec_node *node, gpuc_error **err)
{
    GPUC__AUTOFREE char *here = NULL;
    char *whole;
    int rc;

    if (!json_object_get(part, "x-format") || *node->text == '/' || *node->text == '~')
        return GPUC_OK;
    rc = gpuc__spec_here(&here, err);
    if (rc)
        return rc;
    whole = gpuc__asprintf("%s/%s", here, node->text);
    if (!whole)
        return gpuc__error_nomem(err);
    gpuc__free(node->text);
    node->text = whole;
    return GPUC_OK;
}

/* What comes from a setter has no position. */
static void forget_positions(gpuc__spec_node *node)
{
    node->line = node->column = 0;
    for (size_t i = 0; i < node->count; i++) {
        node->entries[i].line = node->entries[i].column = 0;
        forget_positions(node->entries[i].value);
    }
}

static int read_value(gpuc__spec_node **out, gpuc__schema *schema, const target *t,
                      const char *value, gpuc_error **err)
{
    gpuc__spec_where where = {.path = t->path.text};
    gpuc__spec_node *node = NULL;
    int rc = is_literal(t->part, value)
                 ? literal(&node, value, &where, err)
                 : gpuc__spec_read(&node, value, strnlen(value, GPUC__SPEC_MAX_BYTES + 1), &where,
                                   err);

    if (rc)
        return rc;
    forget_positions(node);
    rc = gpuc__schema_check(schema, t->part, node, &where, err);
    if (!rc)
        rc = fix_path(t->part, node, err);
    if (rc)
        gpuc__spec_node_free(node);
    else
        *out = node;
    return rc;
}

/* Puts node below `from`, making the mappings in between: first apart, then with one addition. */
static int insert(gpuc__spec_node *from, const target *t, gpuc__spec_node *node, gpuc_error **err)
{
    size_t depth = 0;
    gpuc__spec_entry *entry;

    while ((entry = gpuc__spec_node_entry(from, t->keys[depth])) && depth + 1 < t->count) {
        from = entry->value;
        depth++;
    }
    if (entry) {
        gpuc__spec_node_free(entry->value);
        entry->value = node;
        return GPUC_OK;
    }
    for (size_t i = t->count - 1; i > depth; i--) {
        gpuc__spec_node *map = gpuc__spec_node_new(GPUC__SPEC_MAP, 0, 0);

        if (!map) {
            gpuc__spec_node_free(node);
            return gpuc__error_nomem(err);
        }
        if (!gpuc__spec_node_add(map, t->keys[i], 0, 0, node)) {
            gpuc__spec_node_free(map);
            return gpuc__error_nomem(err);
        }
        node = map;
    }
    if (!gpuc__spec_node_add(from, t->keys[depth], 0, 0, node))
        return gpuc__error_nomem(err);
    return GPUC_OK;
}

/* image: alias, then image.project: the first would be lost without a word. */
static int check_ways(const gpuc__spec_node *from, const target *t, gpuc_error **err)
{
    gpuc__spec_where where = {.path = t->path.text};

    for (size_t i = 0; from && i + 1 < t->count; i++) {
        from = gpuc__spec_node_get(from, t->keys[i]);
        if (from && from->type != GPUC__SPEC_MAP)
            return gpuc__spec_error(err, GPUC_EINVAL, &where,
                                    "\"%s\" holds a plain value already; expected a mapping",
                                    t->keys[i]);
    }
    return GPUC_OK;
}

static int set(gpuc__schema *schema, gpuc__spec_node *from, target *t, const char *value,
               gpuc_error **err)
{
    gpuc__spec_node *node = NULL;
    int rc = check_ways(from, t, err);

    if (!rc)
        rc = read_value(&node, schema, t, value, err);
    return rc ? rc : insert(from, t, node, err);
}

int gpuc_spec_set(gpuc_spec *spec, const char *key, const char *value, gpuc_error **err)
{
    target t = {.count = 0};
    gpuc__spec_where where = {.path = "machines"};
    int rc;

    GPUC__CHECK_ARG(err, spec);
    GPUC__CHECK_ARG(err, key);
    GPUC__CHECK_ARG(err, value);
    if (strncmp(key, "machines", 8) == 0 && (!key[8] || strchr(".[", key[8]))) {
        rc = gpuc__spec_error(err, GPUC_EINVAL, &where,
                              "not set as a value; expected machines to be added one by one");
        gpuc__error_remedy(err, "Use gpuc_spec_add_machine and gpuc_machine_spec_set.");
        return rc;
    }
    rc = resolve(&t, gpuc__schema_root(spec->schema), key, err);
    return rc ? rc : set(spec->schema, spec->root, &t, value, err);
}

static const json_t *machine_part(const gpuc_spec *spec)
{
    const json_t *machines = gpuc__schema_key(gpuc__schema_root(spec->schema), "machines");

    return json_object_get(machines, "items");
}

int gpuc_machine_spec_set(gpuc_machine_spec *machine, const char *key, const char *value,
                          gpuc_error **err)
{
    target t = {.count = 0};
    gpuc_spec *spec;
    int rc;

    GPUC__CHECK_ARG(err, machine);
    GPUC__CHECK_ARG(err, key);
    GPUC__CHECK_ARG(err, value);
    spec = machine->spec;
    gpuc__spec_path_key(&t.path, "machines");
    gpuc__spec_path_index(&t.path, machine->index);
    rc = resolve(&t, machine_part(spec), key, err);
    return rc ? rc : set(spec->schema, machine->node, &t, value, err);
}

static gpuc__spec_node *machine_node(const char *name, const char *role)
{
    gpuc__spec_node *node = gpuc__spec_node_new(GPUC__SPEC_MAP, 0, 0);

    if (node && gpuc__spec_node_add(node, "name", 0, 0,
                                    gpuc__spec_node_scalar(name, strlen(name), false, 0, 0)) &&
        gpuc__spec_node_add(node, "role", 0, 0,
                            gpuc__spec_node_scalar(role, strlen(role), false, 0, 0)))
        return node;
    gpuc__spec_node_free(node);
    return NULL;
}

static int check_machine(const gpuc_spec *spec, const gpuc__spec_node *list,
                         const gpuc__spec_node *node, gpuc_error **err)
{
    const char *name = gpuc__spec_node_text(node, "name", "");
    size_t count = list ? list->count : 0;
    gpuc__spec_path path = {.length = 0};
    gpuc__spec_where where = {.path = path.text};
    int rc;

    gpuc__spec_path_key(&path, "machines");
    gpuc__spec_path_index(&path, count);
    rc = gpuc__schema_check(spec->schema, machine_part(spec), node, &where, err);
    if (!rc && count >= 1000)
        rc = gpuc__spec_error(err, GPUC_ELIMIT, &where, "more than 1000 machines");
    for (size_t i = 0; !rc && i < count; i++) {
        if (strcmp(gpuc__spec_node_text(list->entries[i].value, "name", ""), name) == 0)
            rc = gpuc__spec_error(err, GPUC_EEXIST, &where,
                                  "a second machine named \"%s\"; expected a name of its own",
                                  name);
    }
    return rc;
}

/* The list of machines, made when there is none. */
static gpuc__spec_node *machine_list(gpuc_spec *spec)
{
    gpuc__spec_node *list = gpuc__spec_node_get(spec->root, "machines");

    if (list)
        return list;
    list = gpuc__spec_node_new(GPUC__SPEC_LIST, 0, 0);
    if (!list || !gpuc__spec_node_add(spec->root, "machines", 0, 0, list))
        return NULL;
    return list;
}

int gpuc_spec_add_machine(gpuc_machine_spec **out, gpuc_spec *spec, const char *name,
                          const char *role, gpuc_error **err)
{
    gpuc_machine_spec *machine = NULL;
    gpuc__spec_node *node, *list;
    int rc = GPUC_OK;

    GPUC__CHECK_ARG(err, spec);
    GPUC__CHECK_ARG(err, name);
    GPUC__CHECK_ARG(err, role);
    node = machine_node(name, role);
    if (!node)
        return gpuc__error_nomem(err);
    rc = check_machine(spec, gpuc__spec_node_get(spec->root, "machines"), node, err);
    if (!rc && out) {
        machine = gpuc__calloc(1, sizeof(*machine));
        rc = machine ? GPUC_OK : gpuc__error_nomem(err);
    }
    list = rc ? NULL : machine_list(spec);
    if (!list) {
        gpuc__free(machine);
        gpuc__spec_node_free(node);
        return rc ? rc : gpuc__error_nomem(err);
    }
    if (!gpuc__spec_node_add(list, NULL, 0, 0, node)) {
        gpuc__free(machine);
        return gpuc__error_nomem(err);
    }
    if (machine) {
        *machine = (gpuc_machine_spec){1, gpuc_spec_ref(spec), node, list->count - 1};
        *out = machine;
    }
    return GPUC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From YAML nodes to the JSON that the API server takes, with the place of what is wrong in errors.
 * Scalars are read as kubectl reads them: YAML 1.1, but for y and n, which stay text. */
#include "kube/documents.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kube/client.h"
#include "kube/manifest.h"
#include "kube/status.h"
#include "kube/yaml_tree.h"
#include "util/alloc.h"
#include "util/data.h"
#include "util/error.h"
#include "util/number.h"

typedef struct source {
    const char *filename;
    size_t document; /* from 1 */
    const json_t *values;
    gpuc_error **err;
} source;

static int fail(const source *s, int code, const gpuc__yaml_node *at, const char *remedy,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

static int fail(const source *s, int code, const gpuc__yaml_node *at, const char *remedy,
                const char *format, ...)
{
    char what[512];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    gpuc__error_set(s->err, code, GPUC_DOMAIN_KUBERNETES, "%s:%zu:%zu: document %zu: %s", s->filename,
                    at->line, at->column, s->document, what);
    gpuc__error_remedy(s->err, "%s", remedy);
    return code;
}

/* ---- values ---- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static json_t *number(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    long long whole;
    double real;
    char *end;

    if (*digits == '.' ? !strchr("0123456789", digits[1]) || !digits[1]
                       : *digits < '0' || *digits > '9')
        return NULL;
    errno = 0;
    whole = strncmp(digits, "0o", 2) == 0 ? strtoll(digits + 2, &end, 8) : strtoll(text, &end, 0);
    if (!*end && !errno)
        return json_integer(strncmp(digits, "0o", 2) == 0 && *text == '-' ? -whole : whole);
    errno = 0;
    real = gpuc__strtod(text, &end);
    return *end || errno || strpbrk(text, "xXnN") ? NULL : json_real(real);
}

static json_t *scalar(const gpuc__yaml_node *node)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes",
                                      "YES",  "on",   "On",   "ON",  NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no",  "No",
                                     "NO",    "off",   "Off",   "OFF", NULL};
    json_t *value = NULL;

    if (node->null)
        return json_null();
    if (node->plain && is_one_of(node->text, yes))
        return json_true();
    if (node->plain && is_one_of(node->text, no))
        return json_false();
    if (node->plain)
        value = number(node->text);
    return value ? value : json_string(node->text);
}

static json_t *to_json(const gpuc__yaml_node *node);

/* <<: the keys of another mapping, or of several, that are not here. */
static void merge(json_t *object, const gpuc__yaml_node *from)
{
    json_t *value = to_json(from), *item;
    size_t i;

    if (json_is_object(value))
        json_object_update_missing(object, value);
    json_array_foreach(value, i, item)
        json_object_update_missing(object, item);
    json_decref(value);
}

/* NULL without memory. Depth is bounded by the reader. */
static json_t *to_json(const gpuc__yaml_node *node)
{
    json_t *value = NULL;
    int failed = 0;

    if (node->kind == GPUC__YAML_SCALAR)
        return scalar(node);
    value = node->kind == GPUC__YAML_MAPPING ? json_object() : json_array();
    for (size_t i = 0; node->kind == GPUC__YAML_SEQUENCE && i < node->count; i++)
        failed |= json_array_append_new(value, to_json(node->items[i]));
    for (size_t i = 0; node->kind == GPUC__YAML_MAPPING && i + 1 < node->count; i += 2) {
        if (strcmp(node->items[i]->text, "<<") != 0)
            failed |= json_object_set_new(value, node->items[i]->text, to_json(node->items[i + 1]));
    }
    for (size_t i = 0; node->kind == GPUC__YAML_MAPPING && i + 1 < node->count; i += 2) {
        if (strcmp(node->items[i]->text, "<<") == 0)
            merge(value, node->items[i + 1]);
    }
    if (!failed)
        return value;
    json_decref(value);
    return NULL;
}

/* ---- what a manifest must be ---- */

/* Keys of earlier times, anywhere. */
static int check_retired(const source *s, const gpuc__yaml_node *node, const json_t *keys)
{
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < node->count; i++) {
        const gpuc__yaml_node *item = node->items[i];
        bool key = node->kind == GPUC__YAML_MAPPING && i % 2 == 0;
        const json_t *rule = key ? json_object_get(keys, item->text) : NULL;

        if (rule)
            return fail(s, GPUC_EUNSUPPORTED, item, gpuc__json_text(rule, "remedy", NULL), "%s",
                        gpuc__json_text(rule, "say", NULL));
        if (item->kind != GPUC__YAML_SCALAR)
            rc = check_retired(s, item, keys);
    }
    return rc;
}

static const char *scalar_at(const gpuc__yaml_node *node, const char *key)
{
    const gpuc__yaml_node *value = gpuc__yaml_get(node, key);

    return value && value->kind == GPUC__YAML_SCALAR && !value->null ? value->text : NULL;
}

/* Where else a kind of this name is: "batch/v1 Job"; "" when nowhere. */
static void find_kind(char *out, size_t size, const char *kind)
{
    const gpuc__data *data = gpuc__data_get("kube/kinds.json");
    json_t *root = data ? json_loadb(data->text, data->length, 0, NULL) : NULL, *value;
    const char *name;

    out[0] = '\0';
    json_object_foreach(json_object_get(root, "kinds"), name, value)
    {
        const char *slash = strrchr(name, '/');

        if (slash && strcasecmp(slash + 1, kind) == 0)
            snprintf(out, size, "%.*s %s", (int)(slash - name), name, slash + 1);
    }
    json_decref(root);
}

static int check_kind(const source *s, const gpuc__yaml_node *node, const json_t *object)
{
    const gpuc__yaml_node *at = gpuc__yaml_get(node, "kind");
    const char *kind = gpuc__json_text(object, "kind", NULL);
    const char *version = gpuc__json_text(object, "apiVersion", NULL);
    /* What has only a generateName gets its name later. */
    json_t *named = kind && version ? json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", version, "kind",
                                                kind, "metadata", "name", "x")
                                    : NULL;
    char *path = NULL, known[128];
    int rc;

    if (!kind || !version)
        return fail(s, GPUC_EINVAL, node, "put it in quotes", "apiVersion or kind is no text");
    rc = named ? gpuc__kube_object_path(&path, named, NULL) : GPUC_ENOMEM;
    gpuc__free(path);
    json_decref(named);
    if (rc != GPUC_EUNSUPPORTED)
        return rc == GPUC_ENOMEM ? gpuc__error_nomem(s->err) : rc;
    find_kind(known, sizeof(known), kind);
    if (known[0])
        return fail(s, rc, at, "write the apiVersion and kind that are named", "%.80s %.80s is not "
                    "known here; %s is", version, kind, known);
    return fail(s, rc, at, "apply this object with kubectl before the run", "objects of the kind "
                "%.80s (%.80s) are not known here", kind, version);
}

static int check_object(const source *s, const gpuc__yaml_node *node)
{
    const gpuc__yaml_node *metadata = gpuc__yaml_get(node, "metadata");
    const char *missing = node->kind != GPUC__YAML_MAPPING ? "kind"
                          : !scalar_at(node, "apiVersion") ? "apiVersion"
                          : !scalar_at(node, "kind")       ? "kind"
                          : !scalar_at(metadata, "name") && !scalar_at(metadata, "generateName")
                              ? "metadata.name"
                              : NULL;

    if (node->kind != GPUC__YAML_MAPPING)
        return fail(s, GPUC_EINVAL, node, "write a Kubernetes object: apiVersion, kind, metadata, spec",
                    "this is no Kubernetes object");
    if (missing)
        return fail(s, GPUC_EINVAL, node, "add it", "the object has no %s", missing);
    return GPUC_OK;
}

static json_t *place(const source *s, const gpuc__yaml_node *node)
{
    char *where = gpuc__asprintf("%s:%zu:%zu", s->filename, node->line, node->column);
    json_t *text = where ? json_string(where) : NULL;

    gpuc__free(where);
    return text;
}

static int add_object(const source *s, json_t *out, const gpuc__yaml_node *node)
{
    json_t *object, *where;
    int rc = check_object(s, node);

    if (rc != GPUC_OK)
        return rc;
    if (json_array_size(out) >= GPUC__DOCUMENTS_MAX_OBJECTS)
        return fail(s, GPUC_ELIMIT, node, "split the run", "more than %d objects",
                    GPUC__DOCUMENTS_MAX_OBJECTS);
    object = to_json(node);
    where = place(s, node);
    if (!object || !where)
        rc = gpuc__error_nomem(s->err);
    /* A name that is not quoted and reads as a number is none that the server takes. */
    if (rc == GPUC_OK && gpuc__json_at(object, "metadata", "name", NULL) &&
        !gpuc__json_text(object, "metadata", "name", NULL))
        rc = fail(s, GPUC_EINVAL, node, "put the name in quotes", "metadata.name is no text");
    if (rc == GPUC_OK)
        rc = check_kind(s, node, object);
    if (rc == GPUC_OK &&
        json_array_append_new(out, json_pack("{s:O, s:O}", "where", where, "object", object)) != 0)
        rc = gpuc__error_nomem(s->err);
    json_decref(object);
    json_decref(where);
    return rc;
}

static int add_document(const source *s, json_t *out, const gpuc__yaml_node *node)
{
    const char *kind = scalar_at(node, "kind");
    const gpuc__yaml_node *items = gpuc__yaml_get(node, "items");
    int rc = GPUC_OK;

    if (!kind || strcmp(kind, "List") != 0)
        return add_object(s, out, node);
    if (!items || items->kind != GPUC__YAML_SEQUENCE)
        return fail(s, GPUC_EINVAL, node, "write items: and the objects in it", "a List without items");
    for (size_t i = 0; rc == GPUC_OK && i < items->count; i++)
        rc = add_object(s, out, items->items[i]);
    return rc;
}

/* The keys of kube/retired.json, their remedies filled in; new. */
static int load_retired(json_t **out, const json_t *values, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get("kube/retired.json");
    json_t *root = data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
    int rc = root ? gpuc__manifest_fill(out, json_object_get(root, "keys"), values, err)
                  : gpuc__error_nomem(err);

    json_decref(root);
    return rc;
}

/* JSON is YAML, but for tabs between its values: as many blanks keep every place. *copy is freed by the
 * caller. */
static int parse(gpuc__yaml_node **all, char **copy, const char *text, size_t length,
                 const char *filename, gpuc_error **err)
{
    size_t first = 0;

    while (first < length && text[first] && strchr(" \t\r\n", text[first]))
        first++;
    if (first < length && (text[first] == '{' || text[first] == '[')) {
        *copy = gpuc__malloc(length + 1);
        if (!*copy)
            return gpuc__error_nomem(err);
        for (size_t i = 0; i < length; i++)
            (*copy)[i] = text[i] == '\t' ? ' ' : text[i];
        (*copy)[length] = '\0';
        text = *copy;
    }
    return gpuc__yaml_parse_all(all, text, length, filename, err);
}

int gpuc__documents_read(json_t *out, const char *text, size_t length, const char *filename,
                         const json_t *values, gpuc_error **err)
{
    source s = {.filename = filename, .values = values, .err = err};
    gpuc__yaml_node *all = NULL;
    json_t *retired = NULL;
    size_t before = json_array_size(out);
    char *copy = NULL;
    int rc = parse(&all, &copy, text, length, filename, err);

    if (rc == GPUC_OK)
        rc = load_retired(&retired, values, err);
    for (size_t i = 0; rc == GPUC_OK && i < all->count; i++) {
        s.document = i + 1;
        rc = check_retired(&s, all->items[i], retired);
        if (rc == GPUC_OK)
            rc = add_document(&s, out, all->items[i]);
    }
    if (rc == GPUC_OK && json_array_size(out) == before) {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_KUBERNETES, "%s:1:1: there is no object in "
                             "this file", filename);
        gpuc__error_remedy(err, "is this the file you meant?");
    }
    while (rc != GPUC_OK && json_array_size(out) > before)
        json_array_remove(out, json_array_size(out) - 1);
    gpuc__yaml_free(all);
    gpuc__free(copy);
    json_decref(retired);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders filled in parsed JSON. */
#include "kube/manifest.h"

#include <string.h>

#include "kube/call.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

#define DEPTH_MAX 64
#define TEXT_MAX (1024u * 1024)

static int load_data(json_t **out, const char *path, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get(path);
    json_error_t problem;

    if (!data)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_KUBERNETES,
                               "there is no manifest called %s", path);
    *out = json_loadb(data->text, data->length, 0, &problem);
    return *out ? GPUC_OK
                : gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_KUBERNETES, "%s:%d: %s", path,
                                  problem.line, problem.text);
}

int gpuc__manifest_values(json_t **out, gpuc_error **err)
{
    json_t *root = NULL, *values, *component;
    size_t i;
    int rc = load_data(&root, "kube/versions.json", err);

    if (rc != GPUC_OK)
        return rc;
    values = json_object();
    json_array_foreach(json_object_get(root, "components"), i, component)
    {
        const char *name = gpuc__json_text(component, "value", NULL);

        if (!name || json_object_set(values, name, json_object_get(component, "image")) != 0)
            rc = gpuc__error_nomem(err);
    }
    json_decref(root);
    if (rc == GPUC_OK && values)
        *out = values;
    else
        json_decref(values);
    return values ? rc : gpuc__error_nomem(err);
}

/* Bytes before the tag or digest. */
static size_t repository_length(const char *ref)
{
    const char *slash = strrchr(ref, '/'), *from = slash ? slash : ref;

    return (size_t)(from - ref) + strcspn(from, ":@");
}

void gpuc__manifest_use_image(json_t *values, const char *ref)
{
    size_t length = repository_length(ref);
    const char *name;
    json_t *value;

    json_object_foreach(values, name, value)
    {
        const char *image = json_string_value(value);

        if (image && repository_length(image) == length && strncmp(image, ref, length) == 0) {
            json_object_set_new(values, name, json_string(ref));
            return;
        }
    }
}

static int fill_text(json_t **out, const char *text, const json_t *values, gpuc_error **err)
{
    gpuc__buf buf = GPUC__BUF_INIT(TEXT_MAX);
    char name[64];
    int rc = GPUC_OK;

    for (const char *open; rc == GPUC_OK && (open = strstr(text, "${")); ) {
        size_t length = strcspn(open + 2, "}");
        const char *value;

        snprintf(name, sizeof(name), "%.*s", (int)(length < 60 ? length : 60), open + 2);
        value = gpuc__json_text(values, name, NULL);
        if (!value || open[2 + length] != '}')
            rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_KUBERNETES,
                                 "the manifest's placeholder ${%s} has no value", name);
        if (rc == GPUC_OK) {
            gpuc__buf_add(&buf, text, (size_t)(open - text));
            gpuc__buf_puts(&buf, value);
            text = open + 2 + length + 1;
        }
    }
    gpuc__buf_puts(&buf, text);
    if (rc == GPUC_OK) {
        *out = buf.failed ? NULL : json_stringn(gpuc__buf_text(&buf), buf.length);
        if (!*out)
            rc = gpuc__error_nomem(err);
    }
    gpuc__buf_clear(&buf);
    return rc;
}

/* A value's text in place of the value; consumes it. */
static json_t *as_text(json_t *value)
{
    gpuc__buf buf = GPUC__BUF_INIT(TEXT_MAX);
    json_t *text = gpuc__json_dump(&buf, value) ? json_string(gpuc__buf_text(&buf)) : NULL;

    gpuc__buf_clear(&buf);
    json_decref(value);
    return text;
}

static int fill(json_t **out, const json_t *in, const json_t *values, int depth, gpuc_error **err)
{
    json_t *copy = NULL, *value, *filled;
    const char *key;
    size_t i;
    int rc = GPUC_OK;

    if (depth > DEPTH_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                               "a manifest nested more than %d deep", DEPTH_MAX);
    if (json_is_string(in))
        return fill_text(out, json_string_value(in), values, err);
    if (json_is_array(in)) {
        copy = json_array();
        json_array_foreach(in, i, value)
        {
            rc = fill(&filled, value, values, depth + 1, err);
            if (rc != GPUC_OK)
                break;
            json_array_append_new(copy, filled);
        }
    } else if (json_is_object(in)) {
        copy = json_object();
        json_object_foreach((json_t *)in, key, value)
        {
            rc = fill(&filled, value, values, depth + 1, err);
            if (rc != GPUC_OK)
                break;
            json_object_set_new(copy, key, filled);
        }
        value = json_object_get(copy, "$json");
        if (rc == GPUC_OK && value && json_object_size(copy) == 1) {
            json_incref(value);
            json_decref(copy);
            copy = as_text(value);
        }
    } else {
        copy = json_deep_copy(in);
    }
    if (rc != GPUC_OK) {
        json_decref(copy);
        return rc;
    }
    if (!copy)
        return gpuc__error_nomem(err);
    *out = copy;
    return GPUC_OK;
}

int gpuc__manifest_fill(json_t **out, const json_t *in, const json_t *values, gpuc_error **err)
{
    return fill(out, in, values, 0, err);
}

int gpuc__manifest_load(json_t **out, const char *name, const json_t *values, gpuc_error **err)
{
    char path[128];
    json_t *root = NULL;
    int rc;

    snprintf(path, sizeof(path), "kube/manifests/%s.json", name);
    rc = load_data(&root, path, err);
    if (rc == GPUC_OK)
        rc = gpuc__manifest_fill(out, root, values, err);
    json_decref(root);
    return rc;
}

static bool is_empty(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    default:
        return json_is_false(value) || json_is_null(value);
    }
}

static bool list_holds(const json_t *applied, const json_t *live)
{
    const json_t *wanted, *there;
    size_t i, j;

    json_array_foreach(applied, i, wanted)
    {
        bool held = false;

        json_array_foreach(live, j, there)
            held = held || gpuc__manifest_holds(wanted, there);
        if (!held)
            return false;
    }
    return true;
}

bool gpuc__manifest_holds(const json_t *applied, const json_t *live)
{
    json_t *value;
    const char *key;

    if (!live)
        return is_empty(applied);
    if (json_typeof(applied) != json_typeof(live))
        return false;
    if (json_is_array(applied))
        return list_holds(applied, live);
    if (!json_is_object(applied))
        return json_equal(applied, live);
    json_object_foreach((json_t *)applied, key, value)
    {
        if (!gpuc__manifest_holds(value, json_object_get(live, key)))
            return false;
    }
    return true;
}

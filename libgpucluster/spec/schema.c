/* SPDX-License-Identifier: Apache-2.0 */
/* The schema's parts: load, look up, describe. */
#include "spec/schema.h"

#include <string.h>

#include "spec/schema_priv.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

const char *gpuc__schema_text(void)
{
    const gpuc__data *data = gpuc__data_get("spec/spec.schema.json");

    return data ? data->text : "{}";
}

int gpuc__schema_new(gpuc__schema **out, gpuc_error **err)
{
    gpuc__schema *schema = gpuc__calloc(1, sizeof(*schema));
    json_error_t error;

    if (!schema)
        return gpuc__error_nomem(err);
    schema->root = json_loads(gpuc__schema_text(), 0, &error);
    if (!schema->root) {
        gpuc__schema_free(schema);
        return gpuc__error_nomem(err); /* the text is constant and right: only memory can lack */
    }
    *out = schema;
    return GPUC_OK;
}

void gpuc__schema_free(gpuc__schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->pattern_count; i++)
        regfree(&schema->patterns[i].regex);
    json_decref(schema->root);
    gpuc__free(schema);
}

const json_t *gpuc__schema_root(const gpuc__schema *schema)
{
    return schema->root;
}

const json_t *gpuc__schema_key(const json_t *part, const char *key)
{
    const json_t *known = json_object_get(json_object_get(part, "properties"), key);

    if (!known)
        known = json_object_get(part, "additionalProperties");
    return json_is_object(known) ? known : NULL;
}

bool gpuc__schema_allows(const json_t *part, const char *type)
{
    const json_t *types = json_object_get(part, "type");
    json_t *one;
    size_t i;

    if (json_is_string(types))
        return strcmp(json_string_value(types), type) == 0;
    json_array_foreach(types, i, one) {
        if (strcmp(json_string_value(one), type) == 0)
            return true;
    }
    return false;
}

static void describe_enum(gpuc__buf *out, const json_t *values)
{
    size_t last = json_array_size(values) - 1, i;
    json_t *value;

    json_array_foreach(values, i, value) {
        const char *before = i == 0 ? "" : i == last ? " or " : ", ";

        gpuc__buf_printf(out, "%s\"%s\"", before, json_string_value(value));
    }
}

static void describe_type(gpuc__buf *out, const json_t *part)
{
    const json_t *minimum = json_object_get(part, "minimum");
    bool integer = gpuc__schema_allows(part, "integer");

    if (integer || gpuc__schema_allows(part, "number")) {
        gpuc__buf_puts(out, gpuc__schema_allows(part, "number") ? "a number" : "an integer");
        if (minimum)
            gpuc__buf_printf(out, " from %lld to %lld", (long long)json_integer_value(minimum),
                             (long long)json_integer_value(json_object_get(part, "maximum")));
    } else if (gpuc__schema_allows(part, "boolean")) {
        gpuc__buf_puts(out, "true or false");
    } else if (gpuc__schema_allows(part, "array")) {
        gpuc__buf_puts(out, "a list");
    } else if (gpuc__schema_allows(part, "object")) {
        gpuc__buf_puts(out, "a mapping");
    } else {
        gpuc__buf_puts(out, "a string");
    }
}

char *gpuc__schema_expected(const json_t *part)
{
    gpuc__buf out = GPUC__BUF_INIT(4096);
    const char *text = json_string_value(json_object_get(part, "x-expected"));
    const json_t *values = json_object_get(part, "enum");

    if (text)
        gpuc__buf_puts(&out, text);
    else if (values)
        describe_enum(&out, values);
    else
        describe_type(&out, part);
    return gpuc__buf_take(&out);
}

static char *known_keys(const json_t *part)
{
    gpuc__buf out = GPUC__BUF_INIT(4096);
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(part, "properties"), key, value)
        gpuc__buf_printf(&out, "%s%s", out.length ? ", " : "", key);
    return gpuc__buf_take(&out);
}

int gpuc__schema_unknown_key(const json_t *part, const gpuc__spec_where *where, const char *key,
                             gpuc_error **err)
{
    const char *near = gpuc__schema_near_key(part, key);
    GPUC__AUTOFREE char *known = known_keys(part);
    int rc;

    if (!known)
        return gpuc__error_nomem(err);
    rc = gpuc__spec_error(err, GPUC_EINVAL, where, "unknown key%s%s%s; expected %s%s",
                          near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "",
                          *known ? "one of " : "", *known ? known : "no key below a plain value");
    if (near)
        gpuc__error_remedy(err, "Write \"%s\", or remove the key.", near);
    else
        gpuc__error_remedy(err, "Remove the key; docs/spec.md describes the others.");
    return rc;
}

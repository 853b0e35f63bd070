/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile text in every string that the schema knows: refused with an error that can be shown, or
 * carried exactly as it is. The keys come from the schema, so that a new one is tried as well. */
#include "support/spec.h"

#include <jansson.h>
#include <stdlib.h>

#define PATHS_MAX 128
#define LONG 10240

typedef struct texts {
    char paths[PATHS_MAX][96];
    size_t count;
} texts;

static bool is_string(const json_t *part)
{
    const json_t *type = json_object_get(part, "type");
    json_t *one;
    size_t i;

    json_array_foreach(type, i, one) {
        if (strcmp(json_string_value(one), "string") == 0)
            return true;
    }
    return json_is_string(type) && strcmp(json_string_value(type), "string") == 0;
}

/* Collects "machines[].host": the path of every string, lists as []. */
static void collect(texts *out, const json_t *part, const char *path)
{
    const json_t *items = json_object_get(part, "items");
    const json_t *other = json_object_get(part, "additionalProperties");
    char below[96];
    const char *key;
    json_t *value;

    if (is_string(part)) {
        assert_true(out->count < PATHS_MAX);
        snprintf(out->paths[out->count++], sizeof(out->paths[0]), "%s", path);
    }
    if (items) {
        snprintf(below, sizeof(below), "%s[]", path);
        collect(out, items, below);
    }
    if (json_is_object(other)) {
        snprintf(below, sizeof(below), "%s.anykey", path);
        collect(out, other, below);
    }
    json_object_foreach(json_object_get(part, "properties"), key, value) {
        snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", key);
        collect(out, value, below);
    }
}

static texts *all_texts(void)
{
    texts *out = calloc(1, sizeof(*out));
    json_t *schema = json_loads(gpuc_spec_schema(), 0, NULL);

    assert_non_null(schema);
    collect(out, schema, "");
    assert_true(out->count > 30);
    json_decref(schema);
    return out;
}

/* {"machines": [{"host": leaf}]} for "machines[].host". */
static json_t *wrap(const char *path, json_t *leaf)
{
    const char *end = path + strcspn(path, ".[");
    char key[64];

    if (!*path)
        return leaf;
    if (*path == '[') {
        json_t *list = json_array();

        json_array_append_new(list, wrap(path + 2 + (path[2] == '.'), leaf));
        return list;
    }
    snprintf(key, sizeof(key), "%.*s", (int)(end - path), path);
    return json_pack("{s:o}", key, wrap(end + (*end == '.'), leaf));
}

/* Sets in the base what wrap made, so that what a spec requires is there. */
static void merge(json_t *base, json_t *extra)
{
    const char *key;
    json_t *value;

    json_object_foreach(extra, key, value) {
        json_t *old = json_object_get(base, key);

        if (json_is_object(old) && json_is_object(value))
            merge(old, value);
        else if (json_is_array(old) && json_is_object(json_array_get(value, 0)))
            merge(json_array_get(old, 0), json_array_get(value, 0));
        else
            json_object_set(base, key, value);
    }
}

static json_t *base_spec(void)
{
    json_t *base = json_loads(
        "{\"apiVersion\": \"gpucluster/v1\", \"name\": \"k8s\", \"provider\": {\"kind\": \"gce\"}, "
        "\"machines\": [{\"name\": \"m\", \"role\": \"control-plane\"}], "
        "\"expose\": [{\"port\": 1, \"from\": [\"10.0.0.0/8\"]}]}", 0, NULL);

    assert_non_null(base);
    return base;
}

static const json_t *find(const json_t *value, const char *path)
{
    while (*path) {
        const char *end = path + strcspn(path, ".[");
        char key[64];

        if (*path == '[') {
            value = json_array_get(value, 0);
            path += 2 + (path[2] == '.');
            continue;
        }
        snprintf(key, sizeof(key), "%.*s", (int)(end - path), path);
        value = json_object_get(value, key);
        path = end + (*end == '.');
    }
    return value;
}

static void check_error(const gpuc_error *err, int rc)
{
    assert_non_null(err);
    assert_int_equal(gpuc_error_code(err), rc);
    assert_true(strlen(gpuc_error_message(err)) < 1000);
    for (const char *p = gpuc_error_message(err); *p; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

/* The text is there as it was given; a path may have its folder before it. */
static void check_carried(const gpuc_spec *spec, const char *path, const char *text)
{
    char *dump = gpuc_spec_to_json(spec);
    json_t *json = json_loads(dump, 0, NULL);
    const char *carried = json_string_value(find(json, path));
    size_t length = strlen(text);

    assert_non_null(carried);
    assert_true(strlen(carried) >= length);
    assert_string_equal(carried + strlen(carried) - length, text);
    assert_true(strlen(carried) == length || carried[0] == '/');
    json_decref(json);
    gpuc_free(dump);
}

/* Answers whether the text was accepted. */
static bool try_text(const char *path, const char *text, size_t length, const char *literal)
{
    gpuc_spec *spec = NULL;
    gpuc_error *err = NULL;
    int rc = gpuc_spec_parse(&spec, text, length, "k8s.json", &err);

    if (rc) {
        check_error(err, rc);
    } else {
        check_carried(spec, path, literal);
        rc = gpuc_spec_validate(spec, &err);
        if (rc)
            check_error(err, rc);
    }
    gpuc_error_unref(err);
    if (!spec)
        return false;
    gpuc_spec_unref(spec);
    return true;
}

/* spec.json with the literal (length given: it may hold a NUL) at the path. */
static char *spec_with(const char *path, const char *literal, size_t length)
{
    json_t *base = base_spec(), *extra = wrap(path, json_stringn_nocheck(literal, length));
    char *dump;

    merge(base, extra);
    dump = json_dumps(base, 0);
    json_decref(extra);
    json_decref(base);
    assert_non_null(dump);
    return dump;
}

static void test_spec_hostile__shell_text_is_refused_or_carried(void **unused)
{
    static const char *const literals[] = {
        "$(reboot)", "`id`", "';rm -rf / #", "\"; rm -rf /", "a\nb", "a\rb", "a\tb", "-oX=y", "a b",
        "../../etc/passwd", "%s%n%x", "\x1b[31m", "a\\", "é\xf0\x9f\x98\x80", "${HOME}", "|&><;*?[]",
        "\x01\x02\x7f", "<<", "null", "~", "&a *b !c", "",
    };
    texts *all = all_texts();
    size_t accepted = 0, tried = 0;

    for (size_t i = 0; i < all->count; i++) {
        for (size_t k = 0; k < sizeof(literals) / sizeof(literals[0]); k++) {
            char *text = spec_with(all->paths[i], literals[k], strlen(literals[k]));

            accepted += try_text(all->paths[i], text, strlen(text), literals[k]);
            tried++;
            free(text);
        }
    }
    print_message("%zu strings of the schema, %zu texts tried, %zu carried\n", all->count, tried,
                  accepted);
    assert_true(accepted > 0);           /* paths take nearly everything */
    assert_true(accepted < tried / 4);   /* and they alone do */
    free(all);
}

static void test_spec_hostile__nul_is_refused_everywhere(void **unused)
{
    texts *all = all_texts();

    for (size_t i = 0; i < all->count; i++) {
        char *text = spec_with(all->paths[i], "a\0b", 3);

        assert_non_null(strstr(text, "\\u0000"));
        assert_false(try_text(all->paths[i], text, strlen(text), ""));
        free(text);
    }
    free(all);
}

static void test_spec_hostile__invalid_utf8_is_refused_everywhere(void **unused)
{
    static const char *const invalid[] = {"\xff\xfe", "\xc0\x80", "\xed\xa0\x80", "\x80\x80"};
    texts *all = all_texts();

    for (size_t i = 0; i < all->count; i++) {
        for (size_t k = 0; k < sizeof(invalid) / sizeof(invalid[0]); k++) {
            char *text = spec_with(all->paths[i], "@@@", 3), *mark = strstr(text, "@@@");

            memset(mark, 'a', 3);
            memcpy(mark, invalid[k], strlen(invalid[k]));
            assert_false(try_text(all->paths[i], text, strlen(text), ""));
            free(text);
        }
    }
    free(all);
}

static void test_spec_hostile__ten_kilobytes_are_refused_everywhere(void **unused)
{
    texts *all = all_texts();
    char *literal = calloc(1, LONG + 1);

    memset(literal, 'a', LONG);
    for (size_t i = 0; i < all->count; i++) {
        char *text = spec_with(all->paths[i], literal, LONG);

        assert_false(try_text(all->paths[i], text, strlen(text), literal));
        free(text);
    }
    free(literal);
    free(all);
}

static void test_spec_hostile__keys(void **unused)
{
    static const char *const keys[] = {"$(x)", "';rm -rf", "a\nb", "a.b", "machines[0]", "", "%n"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *base = base_spec();
        char *text;

        json_object_set_new(base, keys[i], json_integer(1));
        text = json_dumps(base, 0);
        assert_false(try_text("", text, strlen(text), ""));
        free(text);
        json_decref(base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_hostile__shell_text_is_refused_or_carried),
        cmocka_unit_test(test_spec_hostile__nul_is_refused_everywhere),
        cmocka_unit_test(test_spec_hostile__invalid_utf8_is_refused_everywhere),
        cmocka_unit_test(test_spec_hostile__ten_kilobytes_are_refused_everywhere),
        cmocka_unit_test(test_spec_hostile__keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

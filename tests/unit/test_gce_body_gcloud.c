/* SPDX-License-Identifier: Apache-2.0 */
/* The body of each request beside the one that gcloud 528 sent for the same intent (recorded,
 * tests/data/gce), field by field: what differs must be a row of differences.json, and each row be
 * of use. */
#include "support/gce_bodies.h"

#include <fnmatch.h>

#define PATH_SIZE 400

static json_t *rows;     /* of differences.json */
static const char *what; /* is being compared */
static int bad;

/* ---- gcloud's ---- */

static json_t *recorded(const char *name)
{
    char path[512];
    json_t *body;

    snprintf(path, sizeof(path), "%s/gce/%s", GPUC_TEST_DATA, name);
    body = json_load_file(path, 0, NULL);
    assert_non_null(body);
    return body;
}

/* The object or array that holds the path's last part, which is copied to `last`; what is missing
 * on the way is made. */
static json_t *holder(json_t *body, const char *path, char *last)
{
    for (;;) {
        size_t n = strcspn(path, ".");
        json_t *next;

        assert_true(n < PATH_SIZE);
        snprintf(last, PATH_SIZE, "%.*s", (int)n, path);
        if (!path[n])
            return body;
        next = json_is_array(body) ? json_array_get(body, (size_t)strtoul(last, NULL, 10))
                                   : json_object_get(body, last);
        if (!next) {
            next = json_object();
            json_object_set_new(body, last, next);
        }
        body = next;
        path += n + 1;
    }
}

static void apply_flags(json_t *body, const json_t *flags)
{
    const char *path;
    char last[PATH_SIZE];
    json_t *value;
    size_t i;

    json_object_foreach(json_object_get(flags, "set"), path, value) {
        json_t *into = holder(body, path, last);

        assert_int_equal(json_object_set(into, last, value), 0);
    }
    json_array_foreach(json_object_get(flags, "unset"), i, value) {
        json_t *from = holder(body, json_string_value(value), last);

        assert_int_equal(json_object_del(from, last), 0);
    }
}

static json_t *flags_of(json_t *all, const char *name)
{
    json_t *flags;
    size_t i;

    json_array_foreach(all, i, flags) {
        if (strcmp(json_string_value(json_object_get(flags, "name")), name) == 0)
            return flags;
    }
    fail_msg("flags.json has no %s", name);
    return NULL;
}

/* ---- field by field ---- */

static bool is_of(const json_t *row, const char *request)
{
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(row, "requests"), i, one) {
        if (strcmp(json_string_value(one), request) == 0)
            return true;
    }
    return false;
}

/* Whether a row says so; the row is of use then. */
static bool is_listed(const char *request, const char *path, const json_t *ours)
{
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) {
        const json_t *value = json_object_get(row, "value");
        const char *pattern = json_string_value(json_object_get(row, "path"));

        if (fnmatch(pattern, path, 0) != 0 || !is_of(row, request) ||
            (value && !(ours && json_equal(value, ours))))
            continue;
        json_object_set_new(row, "used", json_true());
        return true;
    }
    return false;
}

static void differs(const char *request, const char *path, const json_t *theirs, const json_t *ours)
{
    char *a, *b;

    if (is_listed(request, path, ours))
        return;
    a = json_dumps(theirs, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    b = json_dumps(ours, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    print_error("%s: %s: gcloud %s, here %s; not in differences.json\n", what, path, a ? a : "none",
                b ? b : "none");
    free(a);
    free(b);
    bad++;
}

/* An array of objects as an object: by their "key", where they have one, or by number. */
static json_t *by_name(const json_t *value)
{
    json_t *made, *entry;
    size_t i;

    if (!json_is_array(value) || !json_is_object(json_array_get(value, 0)))
        return json_incref((json_t *)value);
    made = json_object();
    json_array_foreach(value, i, entry) {
        const char *its = json_string_value(json_object_get(entry, "key"));
        char number[24];

        snprintf(number, sizeof(number), "%zu", i);
        entry = json_copy(entry);
        if (its)
            json_object_set(made, its, entry);
        else
            json_object_set(made, number, entry);
        json_object_del(entry, its ? "key" : "");
        json_decref(entry);
    }
    return made;
}

/* Either may be NULL. */
static void compare(const char *request, const char *path, const json_t *theirs, const json_t *ours)
{
    json_t *a = by_name(theirs), *b = by_name(ours), *all, *ignored;
    const char *name;
    char below[PATH_SIZE];

    if ((a && !json_is_object(a)) || (b && !json_is_object(b)) ||
        (json_object_size(a) == 0 && json_object_size(b) == 0)) {
        if (!a || !b || !json_equal(a, b))
            differs(request, path, a, b);
    } else {
        all = json_object();
        json_object_update(all, a);
        json_object_update(all, b);
        json_object_foreach(all, name, ignored) {
            bool inner = strcmp(name, "instanceProperties") == 0; /* as in instances.insert */

            (void)ignored;
            assert_true(snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", name) <
                        (int)sizeof(below));
            compare(request, inner ? "" : below, json_object_get(a, name),
                    json_object_get(b, name));
        }
        json_decref(all);
    }
    json_decref(a);
    json_decref(b);
}

static void test_gce_body_gcloud__differs_where_the_table_says_only(void **state)
{
    json_t *table = recorded("differences.json"), *all_flags = recorded("flags.json"), *row;
    size_t i, flags = 0;

    (void)state;
    bad = 0;
    rows = json_object_get(table, "rows");
    for (i = 0; i < CASES; i++) {
        json_t *theirs = recorded(cases[i].file), *ours;

        what = cases[i].flags ? cases[i].flags : cases[i].file;
        if (cases[i].flags)
            apply_flags(theirs, flags_of(all_flags, cases[i].flags));
        flags += cases[i].flags != NULL;
        cases[i].intent();
        ours = cases[i].body();
        assert_non_null(ours);
        compare(cases[i].request, "", theirs, ours);
        json_decref(theirs);
        json_decref(ours);
    }
    json_array_foreach(rows, i, row) {
        if (!json_object_get(row, "used")) {
            print_error("differences.json, row %zu: %s: nothing differs so\n", i + 1,
                        json_string_value(json_object_get(row, "path")));
            bad++;
        }
    }
    assert_int_equal(flags, json_array_size(all_flags));
    assert_int_equal(bad, 0);
    json_decref(table);
    json_decref(all_flags);
}

static int compare_texts(const char *request, const char *theirs, const char *ours)
{
    json_t *a = json_loads(theirs, 0, NULL), *b = json_loads(ours, 0, NULL);

    bad = 0;
    what = "(on purpose)";
    compare(request, "", a, b);
    json_decref(a);
    json_decref(b);
    return bad;
}

/* The comparison itself: what is more, less or other is found, and a row holds for its request, its
 * path and its value only. */
static void test_gce_body_gcloud__any_other_difference_is_found(void **state)
{
    (void)state;
    rows = json_pack("[{s:s, s:[s], s:i}]", "path", "a.*.b", "requests", "insert", "value", 1);
    assert_int_equal(compare_texts("insert", "{\"x\": [1, 2]}", "{\"x\": [1, 2]}"), 0);
    assert_int_equal(compare_texts("insert", "{\"x\": [1, 2]}", "{\"x\": [2, 1]}"), 1);
    assert_int_equal(compare_texts("insert", "{}", "{\"x\": {\"y\": {}}}"), 1);
    assert_int_equal(compare_texts("insert", "{\"x\": null}", "{}"), 1);
    assert_int_equal(compare_texts("insert", "{\"x\": \"1\"}", "{\"x\": 1}"), 1);
    assert_int_equal(compare_texts("insert", "{\"a\": [{\"c\": 1}]}",
                                   "{\"a\": [{\"c\": 1}, {\"c\": 1}]}"), 1);
    assert_int_equal(compare_texts("insert", "{\"a\": [{\"key\": \"k\", \"v\": 1}]}",
                                   "{\"a\": [{\"key\": \"l\", \"v\": 1}]}"), 2);
    assert_int_equal(compare_texts("insert", "{}", "{\"a\": [{\"b\": 1}]}"), 0);
    assert_int_equal(compare_texts("insert", "{}", "{\"a\": [{\"b\": 2}]}"), 1);
    assert_int_equal(compare_texts("bulkInsert", "{}", "{\"a\": [{\"b\": 1}]}"), 1);
    assert_int_equal(compare_texts("insert", "{\"a\": [{\"b\": 1}]}", "{}"), 1);
    json_decref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_body_gcloud__any_other_difference_is_found),
        cmocka_unit_test(test_gce_body_gcloud__differs_where_the_table_says_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The hash map, and text made fit for one line. */
#include "util_test.h"

#include "core/context.h"
#include "core/map.h"
#include "util/alloc.h"

static void test_map__many_keys(void **state)
{
    static char keys[5000][12];
    gpuc__map map = {0};

    assert_null(gpuc__map_get(&map, "x"));
    for (int i = 0; i < 5000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        assert_true(gpuc__map_put(&map, keys[i], keys[i]));
    }
    assert_true(gpuc__map_put(&map, keys[7], keys[8])); /* replaces */
    assert_int_equal(map.count, 5000);
    for (int i = 0; i < 5000; i++)
        assert_ptr_equal(gpuc__map_get(&map, keys[i]), keys[i == 7 ? 8 : i]);
    assert_null(gpuc__map_get(&map, "k5000"));
    assert_null(gpuc__map_get(&map, ""));
    gpuc__map_clear(&map);
    assert_null(gpuc__map_get(&map, keys[0]));
}

static void test_map__no_memory_leaves_it_whole(void **state)
{
    static char keys[40][12];
    gpuc__map map = {0};
    int put = 0;

    allow_allocations(1);
    for (; put < 40; put++) {
        snprintf(keys[put], sizeof(keys[put]), "k%d", put);
        if (!gpuc__map_put(&map, keys[put], keys[put]))
            break;
    }
    allow_allocations(-1);
    assert_int_equal(put, 12); /* three quarters of the first 16 */
    for (int i = 0; i < put; i++)
        assert_ptr_equal(gpuc__map_get(&map, keys[i]), keys[i]);
    gpuc__map_clear(&map);
}

static void test_map__lines_are_valid_utf8(void **state)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        {"plain", "plain"},
        {"a\r\nb\tc\x7f", "a\\x0d\\nb\\tc\\x7f"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc0\x80", "\\xc0\\x80"},                   /* overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* too high */
        {"\xe2\x82", "\\xe2\\x82"},                   /* cut short */
        {"\xc3(", "\\xc3("},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *line = gpuc__text_line(table[i].in);

        assert_string_equal(line, table[i].out);
        gpuc__free(line);
    }
}

static void test_map__lines_are_bounded(void **state)
{
    size_t length = 300000;
    char *text = test_malloc(length + 1), *line;

    memset(text, 1, length);
    text[length] = '\0';
    line = gpuc__text_line(text);
    assert_non_null(line);
    assert_true(strlen(line) < 100000);
    assert_non_null(strstr(line, "[cut]"));
    gpuc__free(line);
    test_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__many_keys),
        cmocka_unit_test(test_map__no_memory_leaves_it_whole),
        cmocka_unit_test(test_map__lines_are_valid_utf8),
        cmocka_unit_test(test_map__lines_are_bounded),
    };

    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}

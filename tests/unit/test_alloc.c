/* SPDX-License-Identifier: Apache-2.0 */
/* The allocation wrappers and the hook. */
#include "util_test.h"

#include "util/alloc.h"

static void test_alloc__behaves_as_its_namesakes(void **state)
{
    char *zero = gpuc__calloc(4, 4), *grown;

    for (int i = 0; i < 16; i++)
        assert_int_equal(zero[i], 0);
    grown = gpuc__realloc(zero, 64);
    assert_non_null(grown);
    gpuc__free(grown);
    grown = gpuc__malloc(0);
    assert_non_null(grown); /* never NULL with memory */
    gpuc__free(grown);
    gpuc__free(NULL);
    gpuc_free(NULL);
    gpuc__free_secret(NULL);
}

static void test_alloc__overflow_is_no_memory(void **state)
{
    assert_null(gpuc__calloc(SIZE_MAX / 2, 3));
    assert_null(gpuc__calloc(SIZE_MAX, SIZE_MAX));
}

static void test_alloc__strings(void **state)
{
    char *text = gpuc__strdup("abc");

    assert_string_equal(text, "abc");
    gpuc__free_secret(text);
    assert_null(gpuc__strdup(NULL));
    text = gpuc__strndup("abc", 2);
    assert_string_equal(text, "ab");
    gpuc__free(text);
    text = gpuc__strndup("a\0b", 3);
    assert_string_equal(text, "a");
    gpuc__free(text);
    text = gpuc__asprintf("%s-%d", "w", 12);
    assert_string_equal(text, "w-12");
    gpuc__free(text);
}

static void test_alloc__hook_is_used_by_all(void **state)
{
    allow_allocations(0);
    assert_null(gpuc__malloc(1));
    assert_null(gpuc__calloc(1, 1));
    assert_null(gpuc__realloc(NULL, 1));
    assert_null(gpuc__strdup("x"));
    assert_null(gpuc__strndup("x", 1));
    assert_null(gpuc__asprintf("x"));
    allow_allocations(-1);
    gpuc__free(gpuc__malloc(1));
}

static void use_autofree(void)
{
    GPUC__AUTOFREE char *text = gpuc__strdup("freed at the end of the scope");
    GPUC__AUTOFREE char *none = NULL;

    assert_non_null(text);
    assert_null(none);
}

static void test_alloc__autofree(void **state)
{
    use_autofree(); /* the leak checker looks */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc__behaves_as_its_namesakes),
        cmocka_unit_test(test_alloc__overflow_is_no_memory),
        cmocka_unit_test(test_alloc__strings),
        cmocka_unit_test(test_alloc__hook_is_used_by_all),
        cmocka_unit_test(test_alloc__autofree),
    };

    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The growing buffer: growth, its maximum, its ends. */
#include "util_test.h"

#include "util/alloc.h"
#include "util/buf.h"

static void test_buf__grows_and_ends_in_nul(void **state)
{
    gpuc__buf buf = GPUC__BUF_INIT(100000);

    assert_string_equal(gpuc__buf_text(&buf), "");
    for (int i = 0; i < 10000; i++)
        assert_true(gpuc__buf_putc(&buf, (char)('a' + i % 26)));
    assert_int_equal(buf.length, 10000);
    assert_int_equal(strlen(gpuc__buf_text(&buf)), 10000);
    gpuc__buf_clear(&buf);
    assert_true(gpuc__buf_puts(&buf, "again"));
    assert_true(gpuc__buf_printf(&buf, " %d", 7));
    assert_string_equal(gpuc__buf_text(&buf), "again 7");
    gpuc__buf_clear(&buf);
}

static void test_buf__maximum_holds(void **state)
{
    gpuc__buf buf;

    gpuc__buf_init(&buf, 8);
    assert_true(gpuc__buf_add(&buf, "12345678", 8));
    assert_false(gpuc__buf_putc(&buf, '9'));
    assert_true(buf.failed);
    assert_string_equal(gpuc__buf_text(&buf), "12345678");
    assert_false(gpuc__buf_add(&buf, "", 0)); /* nothing works after a failure */
    assert_null(gpuc__buf_take(&buf));
    assert_false(buf.failed); /* usable again */
    assert_true(gpuc__buf_puts(&buf, "x"));
    assert_false(gpuc__buf_add(&buf, "y", SIZE_MAX));
    gpuc__buf_reset(&buf);
    assert_true(gpuc__buf_printf(&buf, "%s", "12345678"));
    assert_false(gpuc__buf_printf(&buf, "%s", "9"));
    gpuc__buf_clear(&buf);
}

static void test_buf__take_gives_the_string_away(void **state)
{
    gpuc__buf buf = GPUC__BUF_INIT(100);
    char *text = gpuc__buf_take(&buf);

    assert_string_equal(text, ""); /* empty is a string too */
    gpuc__free(text);
    gpuc__buf_puts(&buf, "abc");
    text = gpuc__buf_take(&buf);
    assert_string_equal(text, "abc");
    assert_int_equal(buf.length, 0);
    gpuc__free(text);
}

static void test_buf__drops_from_both_ends(void **state)
{
    gpuc__buf buf = GPUC__BUF_INIT(100);

    gpuc__buf_consume(&buf, 5);
    gpuc__buf_puts(&buf, "0123456789");
    gpuc__buf_consume(&buf, 3);
    assert_string_equal(gpuc__buf_text(&buf), "3456789");
    gpuc__buf_keep_tail(&buf, 20);
    gpuc__buf_keep_tail(&buf, 2);
    assert_string_equal(gpuc__buf_text(&buf), "89");
    gpuc__buf_consume(&buf, 99);
    assert_string_equal(gpuc__buf_text(&buf), "");
    gpuc__buf_add(&buf, "a\0b", 3);
    assert_int_equal(buf.length, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
    gpuc__buf_clear(&buf);
}

static void test_buf__no_memory_marks_it_failed(void **state)
{
    gpuc__buf buf = GPUC__BUF_INIT(10000);

    allow_allocations(1);
    assert_true(gpuc__buf_puts(&buf, "fits"));
    assert_false(gpuc__buf_printf(&buf, "%1000d", 1));
    assert_true(buf.failed);
    assert_string_equal(gpuc__buf_text(&buf), "fits");
    gpuc__buf_clear(&buf);
    assert_null(gpuc__buf_take(&buf)); /* no memory for the empty string either */
    allow_allocations(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf__grows_and_ends_in_nul),
        cmocka_unit_test(test_buf__maximum_holds),
        cmocka_unit_test(test_buf__take_gives_the_string_away),
        cmocka_unit_test(test_buf__drops_from_both_ends),
        cmocka_unit_test(test_buf__no_memory_marks_it_failed),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

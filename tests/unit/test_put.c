/* SPDX-License-Identifier: Apache-2.0 */
/* JSON written as text: its commas, what is escaped, and what cannot stand in it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "util/put.h"

#define EXPECT(out, text)                                                                          \
    do {                                                                                           \
        assert_string_equal(gpuc__buf_text(out), text);                                            \
        gpuc__buf_reset(out);                                                                      \
    } while (0)

static void test_put__members_and_items(void **state)
{
    gpuc__buf out = GPUC__BUF_INIT(1024);
    json_t *value = json_pack("{s:[i, f, n]}", "x", 1, 0.25);

    gpuc__put_open(&out, NULL, '{');
    gpuc__put_row(&out, 1);
    gpuc__put_text(&out, "a", "b");
    gpuc__put_text(&out, "none", NULL);
    gpuc__put_row(&out, 1);
    gpuc__put_open(&out, "list", '[');
    gpuc__put_bool(&out, NULL, true);
    gpuc__put_bool(&out, NULL, false);
    gpuc__put_close(&out, ']');
    gpuc__put_open(&out, "empty", '{');
    gpuc__put_close(&out, '}');
    gpuc__put_value(&out, "value", value);
    gpuc__put_value(&out, "no_value", NULL);
    gpuc__put_close(&out, '}');
    EXPECT(&out, "{\n \"a\":\"b\",\"none\":null,\n \"list\":[true,false],\"empty\":{},"
                 "\"value\":{\"x\":[1,0.25,null]},\"no_value\":null}");
    json_decref(value);
    gpuc__buf_clear(&out);
}

static void test_put__numbers(void **state)
{
    gpuc__buf out = GPUC__BUF_INIT(1024);

    gpuc__put_open(&out, NULL, '[');
    gpuc__put_number(&out, NULL, 81559);
    gpuc__put_number(&out, NULL, -0.0);
    gpuc__put_number(&out, NULL, 4503599627370495.0 / 8);
    gpuc__put_number(&out, NULL, 4503599627370495.0); /* a mask with all its bits */
    gpuc__put_number(&out, NULL, 9007199254740994.0);
    gpuc__put_number(&out, NULL, 2500.5);
    gpuc__put_number(&out, NULL, -1.0 / 1024);
    gpuc__put_number(&out, NULL, 1e300);
    gpuc__put_number(&out, NULL, INFINITY);
    gpuc__put_number(&out, NULL, NAN);
    gpuc__put_integer(&out, NULL, -7);
    EXPECT(&out, "[81559,0,5.6295e+14,4503599627370495,9.0072e+15,2500.5,-0.000976562,1e+300,null,null,-7");
    gpuc__buf_clear(&out);
}

static void test_put__texts(void **state)
{
    gpuc__buf out = GPUC__BUF_INIT(1024);

    gpuc__put_text(&out, NULL, "a \"b\" \\ \n\t\x01\x7f /");
    EXPECT(&out, "\"a \\\"b\\\" \\\\ \\n\\u0009\\u0001\x7f /\"");
    gpuc__put_text(&out, NULL, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    EXPECT(&out, "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    /* overlong, a surrogate, beyond the last, a continuation alone, cut */
    gpuc__put_text(&out, NULL, "\xc0\xaf.\xed\xa0\x80.\xf4\x90\x80\x80.\x80.\xe2\x82");
    EXPECT(&out, "\"??.???.????.?.??\"");
    gpuc__buf_clear(&out);
}

static void test_put__a_full_buffer_fails(void **state)
{
    gpuc__buf out = GPUC__BUF_INIT(16);
    json_t *value = json_string("that has no room in it");

    gpuc__put_value(&out, NULL, value);
    assert_true(out.failed);
    assert_null(gpuc__buf_take(&out));
    json_decref(value);
    gpuc__buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put__members_and_items),
        cmocka_unit_test(test_put__numbers),
        cmocka_unit_test(test_put__texts),
        cmocka_unit_test(test_put__a_full_buffer_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

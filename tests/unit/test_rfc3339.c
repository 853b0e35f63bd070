/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "util/rfc3339.h"

static void test_rfc3339__there_and_back(void **state)
{
    char text[GPUC__RFC3339_SIZE];

    assert_string_equal(gpuc__rfc3339(text, 951827696789), "2000-02-29T12:34:56Z");
    assert_int_equal(gpuc__rfc3339_read(text), 951827696000);
}

static void test_rfc3339__what_is_none(void **state)
{
    char text[GPUC__RFC3339_SIZE] = "x";

    assert_string_equal(gpuc__rfc3339(text, INT64_MAX), "");
    assert_string_equal(gpuc__rfc3339(text, -1), "");
    assert_int_equal(gpuc__rfc3339_read(NULL), 0);
    assert_int_equal(gpuc__rfc3339_read(""), 0);
    assert_int_equal(gpuc__rfc3339_read("2000-02-29T12:34:56Zx"), 0);
    assert_int_equal(gpuc__rfc3339_read("yesterday"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3339__there_and_back),
        cmocka_unit_test(test_rfc3339__what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

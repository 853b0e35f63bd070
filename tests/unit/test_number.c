/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers in a program whose locale has a decimal comma: what is read and written has a point. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gpu/smi_fields.h"
#include "util/number.h"
#include "util/put.h"

/* The locale is made from Debian's sources of it, the package locales. */
static int comma(void **state)
{
    static char dir[] = "/tmp/gpuc-locale-XXXXXX";
    char command[256];

    if (!mkdtemp(dir))
        return -1;
    *state = dir;
    snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>&1", dir);
    if (access("/usr/share/i18n/locales/de_DE", R_OK) != 0 || system(command) != 0)
        return 0;
    setenv("LOCPATH", dir, 1);
    setlocale(LC_ALL, "de_DE.UTF-8");
    return 0;
}

static int point(void **state)
{
    char command[256];

    setlocale(LC_ALL, "C");
    snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
    return system(command);
}

static void skip_without_comma(void)
{
    if (strtod("1.5", NULL) != 1) {
        print_message("no locale with a decimal comma (package locales): skipped\n");
        skip();
    }
}

static void test_number__a_point_is_read(void **state)
{
    char *end;

    skip_without_comma();
    assert_float_equal(gpuc__strtod("1.5 W", &end), 1.5, 0);
    assert_string_equal(end, " W");
    assert_float_equal(gpuc__strtod("none", &end), 0, 0);
    assert_string_equal(end, "none");
}

static void test_number__nvidia_smis_values_are_read(void **state)
{
    gpuc__smi_value value = {0};

    skip_without_comma();
    gpuc__smi_value_read(&value, GPUC__SMI_KIND_WATT, "123.45 W");
    assert_true(value.has_number);
    assert_float_equal(value.number, 123.45, 0.001);
}

static void test_number__json_has_a_point(void **state)
{
    gpuc__buf out = GPUC__BUF_INIT(64);

    skip_without_comma();
    gpuc__put_number(&out, NULL, 2.25);
    assert_string_equal(gpuc__buf_text(&out), "2.25");
    gpuc__buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number__a_point_is_read),
        cmocka_unit_test(test_number__nvidia_smis_values_are_read),
        cmocka_unit_test(test_number__json_has_a_point),
    };

    return cmocka_run_group_tests(tests, comma, point);
}

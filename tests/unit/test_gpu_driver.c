/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a driver branch and kernel module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/driver.h"

static void test_gpu_driver__by_generation(void **state)
{
    static const struct {
        unsigned id;
        const char *wish;
        int branch;
        bool open;
        const char *arch;
    } cases[] = {
        {0x102d, "auto", 470, false, "kepler"},   /* K80 */
        {0x13f2, "auto", 580, false, "maxwell"},  /* M60 */
        {0x15f8, "auto", 580, false, "pascal"},   /* P100 */
        {0x1bb3, "auto", 580, false, "pascal"},   /* P4 */
        {0x1db1, "auto", 580, false, "volta"},    /* V100 */
        {0x1eb8, "auto", 580, true, "turing"},    /* T4 */
        {0x20b0, "auto", 580, true, "ampere"},    /* A100 */
        {0x2236, "auto", 580, true, "ampere"},    /* A10 */
        {0x2330, "auto", 580, true, "hopper"},    /* H100 */
        {0x2335, "auto", 580, true, "hopper"},    /* H200 */
        {0x2342, "auto", 580, true, "grace-hopper"},
        {0x27b8, "auto", 580, true, "ada"},       /* L4 */
        {0x26b9, "auto", 580, true, "ada"},       /* L40S */
        {0x2901, "auto", 580, true, "blackwell"}, /* B200 */
        {0x2bb5, "auto", 580, true, "blackwell"},
        {0x31c2, "auto", 580, true, "blackwell"}, /* GB300 */
        {0x1eb8, "535", 535, false, "turing"},
        {0x1eb8, "595", 595, true, "turing"},
        {0x2901, "570", 570, true, "blackwell"},
        {0x102d, "390", 390, false, "kepler"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gpuc__driver_choice c;

        assert_int_equal(gpuc__driver_choose(&c, &cases[i].id, 1, cases[i].wish, NULL), GPUC_OK);
        assert_true(c.install);
        assert_int_equal(c.branch, cases[i].branch);
        assert_int_equal(c.open, cases[i].open);
        assert_string_equal(c.arch, cases[i].arch);
        assert_null(c.note);
        gpuc__driver_choice_clear(&c);
    }
}

static void test_gpu_driver__nothing_to_install(void **state)
{
    unsigned id = 0x1eb8;
    gpuc__driver_choice c;

    assert_int_equal(gpuc__driver_choose(&c, &id, 1, "none", NULL), GPUC_OK);
    assert_false(c.install);
    assert_int_equal(c.branch, 0);
    gpuc__driver_choice_clear(&c);
    assert_int_equal(gpuc__driver_choose(&c, NULL, 0, "auto", NULL), GPUC_OK);
    assert_false(c.install);
    gpuc__driver_choice_clear(&c);
}

static void test_gpu_driver__unknown_gpu_gets_production_and_a_note(void **state)
{
    unsigned id = 0x9999;
    gpuc__driver_choice c;

    assert_int_equal(gpuc__driver_choose(&c, &id, 1, "auto", NULL), GPUC_OK);
    assert_int_equal(c.branch, 595);
    assert_true(c.open);
    assert_non_null(strstr(c.note, "9999"));
    assert_string_equal(c.arch, "unknown");
    gpuc__driver_choice_clear(&c);
}

static void test_gpu_driver__several_gpus(void **state)
{
    unsigned mixed[] = {0x1eb8, 0x15f8, 0x1eb8}, newer[] = {0x2342, 0x2330};
    gpuc__driver_choice c;

    assert_int_equal(gpuc__driver_choose(&c, mixed, 3, "auto", NULL), GPUC_OK);
    assert_int_equal(c.branch, 580);
    assert_false(c.open); /* Pascal has no open module */
    assert_string_equal(c.arch, "turing, pascal");
    gpuc__driver_choice_clear(&c);
    assert_int_equal(gpuc__driver_choose(&c, newer, 2, "auto", NULL), GPUC_OK);
    assert_true(c.open);
    assert_string_equal(c.arch, "grace-hopper, hopper");
    gpuc__driver_choice_clear(&c);
}

static void assert_refused(const unsigned *ids, size_t count, const char *wish, int code,
                           const char *says, const char *remedy)
{
    gpuc__driver_choice c = {.branch = -7};
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__driver_choose(&c, ids, count, wish, &err), code);
    assert_int_equal(c.branch, -7);
    assert_non_null(strstr(gpuc_error_message(err), says));
    assert_non_null(strstr(gpuc_error_remedy(err), remedy));
    gpuc_error_unref(err);
}

static void test_gpu_driver__what_is_refused(void **state)
{
    unsigned apart[] = {0x102d, 0x2901}, modules[] = {0x15f8, 0x2901}, t4[] = {0x1eb8};
    unsigned k80[] = {0x102d};

    assert_refused(apart, 2, "auto", GPUC_EUNSUPPORTED, "kepler", "different machines");
    assert_refused(modules, 2, "auto", GPUC_EUNSUPPORTED, "open kernel modules",
                   "different machines");
    assert_refused(k80, 1, "580", GPUC_EUNSUPPORTED, "580", "from 304 to 470");
    assert_refused(t4, 1, "390", GPUC_EUNSUPPORTED, "390", "410 or later");
    assert_refused(t4, 1, "latest", GPUC_EINVAL, "latest", "gpu.driver");
    assert_refused(t4, 1, "", GPUC_EINVAL, "\"\"", "gpu.driver");
    assert_refused(t4, 1, "058", GPUC_EINVAL, "058", "gpu.driver");
    assert_refused(t4, 1, "580;", GPUC_EINVAL, "580;", "gpu.driver");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_driver__by_generation),
        cmocka_unit_test(test_gpu_driver__nothing_to_install),
        cmocka_unit_test(test_gpu_driver__unknown_gpu_gets_production_and_a_note),
        cmocka_unit_test(test_gpu_driver__several_gpus),
        cmocka_unit_test(test_gpu_driver__what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

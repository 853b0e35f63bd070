/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the proof's checks: those of the spec, those of the caller over them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/api.h"

#include "cluster/rules.h"

#define CHECKS "checks: {mem.remap: {uncorrectable_fail: 256}, thermal.temp: \"off\"}\n"

static gpuc_context *context;
static gpuc_spec *spec;
static gpuc_cluster *cluster;

static int set_up(void **state)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    char text[1024];

    assert_int_equal(api_setup(state), 0);
    options.state_dir = api_state;
    snprintf(text, sizeof(text), "%s%s", api_spec, CHECKS);
    ASSERT_OK(gpuc_context_new(&context, NULL));
    ASSERT_OK(gpuc_spec_parse(&spec, text, strlen(text), "checks.yaml", NULL));
    ASSERT_OK(gpuc_cluster_open(&cluster, context, spec, NULL, &options, NULL));
    return 0;
}

static int tear_down(void **state)
{
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    gpuc_context_unref(context);
    return api_teardown(state);
}

static void assert_limit(const char *check, const char *name, double limit)
{
    gpuc__rules *rules = NULL;

    ASSERT_OK(gpuc__cluster_rules(&rules, cluster, NULL));
    assert_true(gpuc__rules_limit(rules, check, name) == limit);
    gpuc__rules_unref(rules);
}

static bool is_off(const char *check)
{
    gpuc__rules *rules = NULL;
    bool off;

    ASSERT_OK(gpuc__cluster_rules(&rules, cluster, NULL));
    assert_non_null(gpuc__rules_find(rules, check));
    off = gpuc__rules_find(rules, check)->off;
    gpuc__rules_unref(rules);
    return off;
}

static void test_cluster_checks__of_the_spec(void **state)
{
    assert_limit("mem.remap", "uncorrectable_fail", 256);
    assert_true(is_off("thermal.temp"));
    assert_false(is_off("mem.remap"));
}

/* What the caller says counts from then on, also after the tables have been read. */
static void test_cluster_checks__of_the_caller(void **state)
{
    gpuc__rules *before = NULL;

    ASSERT_OK(gpuc__cluster_rules(&before, cluster, NULL));
    ASSERT_OK(gpuc_cluster_set_check(cluster, "mem.remap.uncorrectable_fail", "300", NULL));
    assert_limit("mem.remap", "uncorrectable_fail", 300);
    assert_true(gpuc__rules_limit(before, "mem.remap", "uncorrectable_fail") == 256);
    gpuc__rules_unref(before);
    ASSERT_OK(gpuc_cluster_set_check(cluster, "thermal.temp", "on", NULL));
    assert_false(is_off("thermal.temp"));
    ASSERT_OK(gpuc_cluster_set_check(cluster, "mem.remap", "off", NULL));
    assert_true(is_off("mem.remap"));
}

/* The nearest name is given, and what was set before stays. */
static void test_cluster_checks__refused(void **state)
{
    static const struct {
        const char *check, *value, *said;
    } bad[] = {
        {"thermal.tmp", "off", "did you mean \"thermal.temp\"?"},
        {"mem.remap.uncorectable_fail", "1", "did you mean \"uncorrectable_fail\"?"},
        {"mem.remap.uncorrectable_fail", "-1", "expected a number"},
        {"mem.remap.uncorrectable_fail", "", "expected a number"},
        {"mem.remap", "5", "\"off\" or \"on\""},
        {"", "off", "no check \"\""},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gpuc_error *err = NULL;

        assert_int_equal(gpuc_cluster_set_check(cluster, bad[i].check, bad[i].value, &err), GPUC_EINVAL);
        if (!strstr(gpuc_error_message(err), bad[i].said))
            fail_msg("%s", gpuc_error_message(err));
        assert_non_null(gpuc_error_remedy(err));
        gpuc_error_unref(err);
    }
    assert_int_equal(gpuc_cluster_set_check(NULL, "thermal.temp", "off", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_cluster_set_check(cluster, NULL, "off", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_cluster_set_check(cluster, "thermal.temp", NULL, NULL), GPUC_EINVAL);
    assert_limit("mem.remap", "uncorrectable_fail", 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cluster_checks__of_the_spec, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cluster_checks__of_the_caller, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cluster_checks__refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

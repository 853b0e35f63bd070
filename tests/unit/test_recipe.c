/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe's data: what is compiled in holds together, and bad data is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "recipe/recipe.h"

static gpuc__recipe *load(void)
{
    gpuc__recipe *recipe = NULL;
    gpuc_error *err = NULL;
    if (gpuc__recipe_new(&recipe, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    return recipe;
}

static void test_recipe__compiled_in_is_whole(void **state)
{
    gpuc__recipe *recipe = load();
    size_t count = 0;
    for (const gpuc__recipe_step *s; (s = gpuc__recipe_at(recipe, count)); count++) {
        assert_non_null(s->title);
        assert_true(s->timeout_s > 0);
        assert_true(!s->script != !s->builtin);
        assert_ptr_equal(gpuc__recipe_find(recipe, s->id), s);
    }
    assert_true(count >= 25);
    const gpuc__recipe_step *join = gpuc__recipe_find(recipe, "kube.join");
    assert_string_equal(join->after_first[0], "kube.init");
    assert_string_equal(join->uses[0], "kube.sh");
    assert_true(gpuc__recipe_find(recipe, "gpu.reboot")->reboot);
    assert_true(gpuc__recipe_find(recipe, "machine.reach")->gate);
    gpuc__recipe_unref(recipe);
}

static void test_recipe__roles(void **state)
{
    gpuc__recipe *recipe = load();
    const gpuc__recipe_step *init = gpuc__recipe_find(recipe, "kube.init");
    const gpuc__recipe_step *join = gpuc__recipe_find(recipe, "kube.join");
    const gpuc__recipe_step *driver = gpuc__recipe_find(recipe, "gpu.driver");
    const gpuc__recipe_step *upload = gpuc__recipe_find(recipe, "files.upload");
    assert_true(gpuc__recipe_applies(init, GPUC__ROLE_CONTROL_PLANE, true, 0, "upstream"));
    assert_false(gpuc__recipe_applies(init, GPUC__ROLE_CONTROL_PLANE, false, 0, "upstream"));
    assert_false(gpuc__recipe_applies(join, GPUC__ROLE_CONTROL_PLANE, true, 0, "upstream"));
    assert_true(gpuc__recipe_applies(join, GPUC__ROLE_CONTROL_PLANE, false, 0, "upstream"));
    assert_true(gpuc__recipe_applies(join, GPUC__ROLE_WORKER, false, 0, "upstream"));
    assert_false(gpuc__recipe_applies(driver, GPUC__ROLE_WORKER, false, 0, "upstream"));
    assert_true(gpuc__recipe_applies(driver, GPUC__ROLE_WORKER, false, 1, "upstream"));
    assert_false(gpuc__recipe_applies(upload, GPUC__ROLE_WORKER, false, 0, "mirror"));
    assert_true(gpuc__recipe_applies(upload, GPUC__ROLE_WORKER, false, 0, "bundle"));
    gpuc__recipe_unref(recipe);
}

static void test_recipe__nearest(void **state)
{
    gpuc__recipe *recipe = load();
    gpuc_error *err = NULL;
    assert_string_equal(gpuc__recipe_nearest(recipe, "os.sawp"), "os.swap");
    assert_string_equal(gpuc__recipe_nearest(recipe, "swap"), "os.swap");
    assert_null(gpuc__recipe_nearest(recipe, "something.quite.different"));
    assert_int_equal(gpuc__recipe_check_id(recipe, "os.swap", NULL), GPUC_OK);
    assert_int_equal(gpuc__recipe_check_id(recipe, "kube.joni", &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "\"kube.join\""));
    gpuc_error_unref(err);
    gpuc__recipe_unref(recipe);
}

static void refused(const char *json, const char *why)
{
    gpuc__recipe *recipe = NULL;
    gpuc_error *err = NULL;
    assert_int_equal(gpuc__recipe_parse(&recipe, json, strlen(json), &err), GPUC_EINTERNAL);
    assert_null(recipe);
    if (!strstr(gpuc_error_message(err), why))
        fail_msg("\"%s\" is not in: %s", why, gpuc_error_message(err));
    gpuc_error_unref(err);
}

#define STEP(more) "{\"id\":\"a.b\",\"title\":\"t\",\"timeout_s\":1,\"builtin\":\"x\"" more "}"
#define RECIPE(steps) "{\"variables\":{},\"steps\":[" steps "]}"

static void test_recipe__bad_data_is_refused(void **state)
{
    refused("{", "recipe.json:1");
    refused("{\"steps\":[]}", "no steps");
    refused(RECIPE("{\"id\":\"..\"}"), "bad id");
    refused(RECIPE("{\"id\":\"a.b/../c\"}"), "bad id");
    refused(RECIPE("{\"id\":\"a.b\",\"builtin\":\"x\"}"), "title");
    refused(RECIPE(STEP(",\"script\":\"lib.sh\"")), "one of script");
    refused(RECIPE(STEP(",\"roles\":[\"cook\"]")), "unknown role");
    refused(RECIPE(STEP(",\"roles\":[7]")), "roles");
    refused(RECIPE(STEP(",\"vars\":[\"NO\"]")), "unknown variable");
    refused(RECIPE(STEP(",\"uses\":[\"no.sh\"]")), "fragment");
    refused(RECIPE(STEP(",\"after\":[\"c.d\"]")), "does not stand before");
    refused(RECIPE(STEP("") "," STEP("")), "two of this id");
}

static void test_recipe__custom_steps(void **state)
{
    gpuc__recipe *recipe = load();
    gpuc_error *err = NULL;
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;
    step.id = "site.ntp";
    step.probe = "true";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "lacks its act"));
    gpuc_error_unref(err);
    err = NULL;
    step.act = "echo a";
    step.after = "os.pakages";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "\"os.packages\""));
    gpuc_error_unref(err);
    err = NULL;
    step.after = NULL;
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_OK);
    step.act = "echo b";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_OK);
    const gpuc__recipe_step *added = gpuc__recipe_find(recipe, "site.ntp");
    assert_string_equal(added->custom[1], "echo b");
    assert_string_equal(added->after[0], "os.packages");
    assert_null(added->custom[2]);
    step.id = "os.swap";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_EINVAL);
    step.id = "nodot";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_EINVAL);
    step.id = "Site.x";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_EINVAL);
    step.id = "site.x";
    step.roles = "cook";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_EINVAL);
    step.roles = NULL;
    step.after = "kube.network";
    assert_int_equal(gpuc__recipe_add_custom(recipe, &step, NULL), GPUC_EINVAL);
    gpuc__recipe_unref(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe__compiled_in_is_whole),
        cmocka_unit_test(test_recipe__roles),
        cmocka_unit_test(test_recipe__nearest),
        cmocka_unit_test(test_recipe__bad_data_is_refused),
        cmocka_unit_test(test_recipe__custom_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

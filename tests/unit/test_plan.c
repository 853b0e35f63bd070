/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as a table, as shell and as JSON. */
#include "graph_fake.h"

#include <jansson.h>

#include "core/plan.h"

static gpuc_plan *sample(void)
{
    gpuc_plan *plan = gpuc__plan_new("k8s", 8);
    const gpuc_step *swap;
    size_t *after = gpuc__calloc(1, sizeof(*after));
    char name[16];

    assert_non_null(plan);
    assert_non_null(gpuc__plan_add(plan, "master", "machine.exists", "the machine exists",
                                   GPUC_STEP_PRESENT, NULL, NULL, 0, NULL, NULL));
    swap = gpuc__plan_add(plan, "master", "os.swap", "no swap", GPUC_STEP_NEEDED, "swap is on",
                          after, 1, gpuc__strdup("swapoff -a\n"), NULL);
    assert_non_null(swap);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "w-%d", i);
        swap = gpuc__plan_add(plan, name, "os.swap", "no swap", GPUC_STEP_NEEDED, "swap is on",
                              NULL, 0, gpuc__strdup("swapoff -a\n"), swap);
        assert_non_null(swap);
    }
    assert_non_null(gpuc__plan_add(plan, NULL, "proof", "the proof", GPUC_STEP_CHECK, "x\nrm -rf /",
                                   NULL, 0, gpuc__strdup("true"), NULL));
    /* No room for more than was asked for. */
    assert_null(gpuc__plan_add(plan, NULL, "more", NULL, GPUC_STEP_CHECK, NULL, NULL, 0,
                               gpuc__strdup("x"), NULL));
    return plan;
}

static void test_plan__table_groups_equal_steps(void **state)
{
    gpuc_plan *plan = sample();
    char *text = gpuc_plan_to_text(plan);

    assert_string_equal(
        text, "  VERDICT  STEP            MACHINES                    WHAT\n"
              "  present  machine.exists  master                      the machine exists\n"
              "+ needed   os.swap         master, w-0, w-1 … w-4 (6)  no swap (swap is on)\n"
              "* check    proof           cluster                     the proof (x\\nrm -rf /)\n"
              "\nk8s: 8 steps: 6 needed, 1 present, 1 check\n");
    gpuc_free(text);
    gpuc_plan_unref(plan);
}

static void test_plan__says_a_reason_once(void **state)
{
    static const char *const ids[] = {"os.a", "os.b", "os.c"};
    gpuc_plan *plan = gpuc__plan_new("k8s", 6);
    char *text;

    for (int i = 0; i < 3; i++) {
        assert_non_null(gpuc__plan_add(plan, "m", ids[i], "t", GPUC_STEP_NEEDED, "m: no route",
                                       NULL, 0, NULL, NULL));
        assert_non_null(gpuc__plan_add(plan, "w", ids[i], "t", GPUC_STEP_NEEDED, "w: no route",
                                       NULL, 0, NULL, NULL));
    }
    text = gpuc_plan_to_text(plan);
    assert_non_null(strstr(text, "+ needed   os.a  m, w      t (m: no route; others differ)\n"));
    assert_non_null(strstr(text, "+ needed   os.b  m, w      t\n"));
    gpuc_free(text);
    text = gpuc_plan_to_json(plan); /* nothing is left out there */
    assert_non_null(strstr(strstr(text, "os.c"), "w: no route"));
    gpuc_free(text);
    gpuc_plan_unref(plan);
}

static void test_plan__nothing_to_do(void **state)
{
    gpuc_plan *plan = gpuc__plan_new("k8s", 1);
    char *text;

    assert_non_null(
        gpuc__plan_add(plan, "m", "a", NULL, GPUC_STEP_PRESENT, "ok", NULL, 0, NULL, NULL));
    text = gpuc_plan_to_text(plan);
    assert_non_null(strstr(text, "k8s: 1 steps: 1 present; nothing to do\n"));
    assert_int_equal(gpuc_plan_changes(plan), 0);
    gpuc_free(text);
    assert_null(gpuc_plan_unref(gpuc_plan_ref(plan)));
    gpuc_plan_unref(plan);
    assert_null(gpuc_plan_unref(NULL));
}

/* Only the commands themselves may stand outside comments. */
static void test_plan__shell_has_nothing_but_the_commands(void **state)
{
    gpuc_plan *plan = sample();
    char *text = gpuc_plan_to_shell(plan);
    int commands = 0;

    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");

        if (n && *line != '#') {
            assert_true((n == 10 && strncmp(line, "swapoff -a", n) == 0) ||
                        (n == 4 && strncmp(line, "true", n) == 0));
            commands++;
        }
        line += n + (line[n] == '\n');
    }
    assert_int_equal(commands, 7);
    assert_non_null(strstr(text, "# [2] os.swap on master: no swap\n# needed: swap is on\n"));
    assert_non_null(strstr(text, "# (no commands"));
    gpuc_free(text);
    gpuc_plan_unref(plan);
}

static void test_plan__json(void **state)
{
    gpuc_plan *plan = sample();
    char *text = gpuc_plan_to_json(plan);
    json_t *root = json_loads(text, 0, NULL), *step;

    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "cluster")), "k8s");
    assert_int_equal(json_integer_value(json_object_get(root, "changes")), 6);
    assert_int_equal(json_array_size(json_object_get(root, "steps")), 8);
    step = json_array_get(json_object_get(root, "steps"), 1);
    assert_string_equal(json_string_value(json_object_get(step, "verdict")), "needed");
    assert_string_equal(json_string_value(json_array_get(json_object_get(step, "after"), 0)),
                        "master/machine.exists");
    step = json_array_get(json_object_get(root, "steps"), 7);
    assert_true(json_is_null(json_object_get(step, "machine")));
    json_decref(root);
    gpuc_free(text);
    gpuc_plan_unref(plan);
}

static void test_plan__what_the_provider_says(void **state)
{
    gpuc_plan *plan = sample();
    json_t *root;
    char *text;

    gpuc__plan_describe(plan, json_pack("{s:s, s:f}", "text", "price: 1.14 US dollars an hour\nof 2026",
                                        "price_per_hour", 1.14));
    text = gpuc_plan_to_text(plan);
    assert_non_null(strstr(text, "1 check\nprice: 1.14 US dollars an hour\nof 2026\n"));
    gpuc_free(text);
    text = gpuc_plan_to_shell(plan);
    assert_non_null(strstr(text, "\n# price: 1.14 US dollars an hour\n# of 2026\n"));
    gpuc_free(text);
    text = gpuc_plan_to_json(plan);
    root = json_loads(text, 0, NULL);
    assert_true(json_number_value(json_object_get(json_object_get(root, "provider"),
                                                  "price_per_hour")) > 1.13);
    json_decref(root);
    gpuc_free(text);
    gpuc__plan_describe(plan, NULL);
    text = gpuc_plan_to_json(plan);
    assert_null(strstr(text, "provider"));
    gpuc_free(text);
    gpuc_plan_unref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__table_groups_equal_steps),
        cmocka_unit_test(test_plan__says_a_reason_once),
        cmocka_unit_test(test_plan__nothing_to_do),
        cmocka_unit_test(test_plan__what_the_provider_says),
        cmocka_unit_test(test_plan__shell_has_nothing_but_the_commands),
        cmocka_unit_test(test_plan__json),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}

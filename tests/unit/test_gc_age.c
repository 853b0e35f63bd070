/* SPDX-License-Identifier: Apache-2.0 */
/* gc of all leaves what may just be being made. */
#include "support/gc_client.h"

#include <time.h>

/* When the first thing of its kind was made; NULL: that is not told. */
static void set_made(const char *name, const char *at)
{
    for (int i = 0; i < gc_world.count; i++) {
        if (strcmp(gc_world.things[i].name, name) != 0)
            continue;
        if (at)
            json_object_set_new(gc_world.things[i].json, "creationTimestamp", json_string(at));
        else
            json_object_del(gc_world.things[i].json, "creationTimestamp");
    }
}

static const char *ago(int seconds)
{
    static char text[2][40];
    static int next;
    time_t at = time(NULL) - seconds - 8 * 3600; /* as Compute Engine tells it, in its own zone */
    char *to = text[next++ % 2];
    struct tm t;

    strftime(to, sizeof(text[0]), "%Y-%m-%dT%H:%M:%S.123-08:00", gmtime_r(&at, &t));
    return to;
}

static void assert_all_leaves(bool left, int min_age_s)
{
    char *text = NULL;
    json_t *root, *first;

    assert_int_equal(gpuc_gc(&text, context, NULL, "p1", NULL, state_dir,
                             GPUC_GC_DELETE | GPUC_GC_ALL, min_age_s, NULL),
                     GPUC_OK);
    root = json_loads(text, 0, NULL);
    first = json_array_get(json_object_get(root, "clusters"), 0);
    assert_int_equal(json_is_true(json_object_get(first, "young")), left);
    assert_int_equal(gc_world.deletes == 0, left);
    assert_int_equal(json_array_size(json_object_get(first, "resources")), 6);
    json_decref(root);
    gpuc_free(text);
}

/* What another client is just making is not lost. */
static void test_gc_age__all_leaves_what_was_just_made(void **state)
{
    set_made("demo-m2", ago(60)); /* one young thing is enough */
    assert_all_leaves(true, -1);
    set_made("demo-m2", ago(3500));
    assert_all_leaves(true, -1);
    set_made("demo-m2", ago(-600)); /* a clock that is behind */
    assert_all_leaves(true, -1);
    set_made("demo-m2", ago(3700));
    assert_all_leaves(true, 7200);
    assert_all_leaves(false, -1);
}

static void test_gc_age__all_leaves_what_nobody_can_date(void **state)
{
    static const char *const names[] = {"demo-m1", "demo-m2", "demo-data", "demo-ip",
                                        "demo-expose-443"};

    for (size_t i = 0; i < 5; i++)
        set_made(names[i], i % 2 ? NULL : "yesterday");
    assert_all_leaves(true, -1);
    assert_all_leaves(false, 0);
}

static void test_gc_age__a_named_cluster_may_be_of_any_age(void **state)
{
    json_t *root;

    set_made("demo-m1", ago(1));
    root = run("demo", GPUC_GC_DELETE);
    assert_true(json_is_true(json_object_get(
        json_array_get(json_object_get(root, "clusters"), 0), "young")));
    assert_int_equal(gc_left(), 3);
    json_decref(root);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_gc_age__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_leaves_what_was_just_made),
        TEST(all_leaves_what_nobody_can_date),
        TEST(a_named_cluster_may_be_of_any_age),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

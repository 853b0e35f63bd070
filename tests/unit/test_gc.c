/* SPDX-License-Identifier: Apache-2.0 */
/* What lost states left behind in a project: found, listed, and removed when that was said. */
#include "support/gc_client.h"

static void test_gc__lists_what_has_no_state_here(void **state)
{
    json_t *root = run(NULL, 0), *list = resources_of(root, LOST);
    json_t *cluster = json_array_get(json_object_get(root, "clusters"), 0);

    assert_int_equal(json_array_size(json_object_get(root, "clusters")), 1);
    assert_string_equal(json_string_value(json_object_get(cluster, "name")), "demo");
    assert_true(json_is_false(json_object_get(cluster, "state_here")));
    assert_int_equal(json_array_size(list), 6);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "name")),
                        "demo-m2");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "zone")), "z2-b");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 5), "type")),
                        "ssh key");
    assert_null(json_object_get(json_array_get(list, 0), "link"));
    assert_int_equal(gc_world.deletes, 0);
    json_decref(root);
}

static void test_gc__a_named_cluster_is_listed_though_its_state_is_here(void **state)
{
    json_t *root = run("here", 0);

    assert_int_equal(json_array_size(json_object_get(root, "clusters")), 1);
    assert_int_equal(json_array_size(resources_of(root, ALIVE)), 2);
    assert_true(json_is_true(json_object_get(
        json_array_get(json_object_get(root, "clusters"), 0), "state_here")));
    json_decref(root);
    root = run(LOST, 0);
    assert_int_equal(json_array_size(resources_of(root, LOST)), 6);
    json_decref(root);
    root = run("nobody", 0);
    assert_int_equal(json_array_size(json_object_get(root, "clusters")), 0);
    json_decref(root);
}

static void test_gc__deletes_machines_first_and_nothing_else(void **state)
{
    json_t *root, *resource;
    size_t i;

    assert_int_equal(fails(NULL, GPUC_GC_DELETE, NULL), GPUC_EINVAL); /* whose? */
    gc_world.vanish = "demo-data"; /* it went with its machine */
    gc_world.conflicts = 2;
    root = run(NULL, GPUC_GC_DELETE | GPUC_GC_ALL);
    json_array_foreach(resources_of(root, LOST), i, resource) {
        assert_true(json_is_true(json_object_get(resource, "deleted")));
    }
    assert_int_equal(i, 6);
    json_decref(root);
    assert_int_equal(gc_left(), 3);
    assert_int_equal(gc_world.deletes, 5);
    assert_true(strncmp(gc_world.order, "demo-m", 6) == 0);
    assert_true(strncmp(gc_world.order + 8, "demo-m", 6) == 0);
    assert_string_equal(gc_world.keys, ANN KEY(ALIVE, "here"));
    root = run(NULL, 0);
    assert_int_equal(json_array_size(json_object_get(root, "clusters")), 0);
    json_decref(root);
}

static void test_gc__one_that_cannot_be_removed_is_told(void **state)
{
    gpuc_error *err = NULL;
    gpuc_op *op = NULL;
    json_t *root, *first;

    gc_world.refuse = "demo-m1";
    assert_int_equal(gpuc_gc_start(&op, context, "gce", "p1", "demo", state_dir, GPUC_GC_DELETE, -1,
                                   NULL),
                     GPUC_OK);
    assert_int_equal(gpuc_op_wait(op, -1, &err), GPUC_ESTEP);
    assert_non_null(strstr(gpuc_error_message(err), "1 of 6 things"));
    assert_int_equal(gpuc_error_code(gpuc_error_cause(err)), GPUC_EPERM);
    gpuc_error_unref(err);
    root = json_loads(gpuc_op_json(op), 0, NULL);
    first = json_array_get(resources_of(root, LOST), 0);
    assert_true(json_is_false(json_object_get(first, "deleted")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(first, "error"), "code")),
                        "GPUC_EPERM");
    json_decref(root);
    gpuc_op_unref(op);
    assert_int_equal(gc_left(), 4);
}

static void test_gc__a_name_that_two_have_removes_nothing(void **state)
{
    json_t *root;

    gc_put("zones/z1-a", "instances", "demo-m9", TWIN, "demo");
    assert_int_equal(fails("demo", GPUC_GC_DELETE, NULL), GPUC_EINVAL);
    assert_int_equal(gc_world.deletes, 0);
    root = run("demo", 0);
    assert_int_equal(json_array_size(json_object_get(root, "clusters")), 2);
    json_decref(root);
    json_decref(run(TWIN, GPUC_GC_DELETE));
    assert_string_equal(gc_world.order, "demo-m9 ");
}

static void test_gc__a_list_or_a_state_that_cannot_be_read_stops_it(void **state)
{
    char path[160], *message = NULL;

    gc_world.deny = "aggregated/disks";
    assert_int_equal(fails(NULL, GPUC_GC_DELETE | GPUC_GC_ALL, NULL), GPUC_EPERM);
    gc_world.deny = NULL;
    snprintf(path, sizeof(path), "%s/here", state_dir);
    assert_int_equal(chmod(path, 0755), 0); /* others may read it: not trusted */
    assert_int_equal(fails(NULL, GPUC_GC_DELETE | GPUC_GC_ALL, &message), GPUC_EPERM);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(gc_world.deletes, 0);
    gpuc__free(message);
    assert_int_equal(gpuc_gc(NULL, context, NULL, NULL, NULL, NULL, 0, -1, NULL), GPUC_EINVAL);
    assert_int_equal(fails(NULL, 64, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_gc(&message, context, "ssh", NULL, NULL, NULL, 0, -1, NULL), GPUC_EINVAL);
}

static void test_gc__cancelled_at_any_turn(void **state)
{
    for (int turns = 0; turns < 12; turns++) {
        gpuc_op *op = NULL;

        assert_int_equal(gpuc_gc_start(&op, context, "gce", "p1", "demo", state_dir, GPUC_GC_DELETE, -1,
                                       NULL),
                         GPUC_OK);
        for (int i = 0; i < turns; i++)
            gpuc_context_run(context, 3, NULL);
        gpuc_op_cancel(op);
        gpuc_op_wait(op, 20000, NULL);
        assert_int_not_equal(gpuc_op_state(op), GPUC_OP_RUNNING);
        gpuc_op_unref(op);
    }
}

static void test_gc__takes_only_what_it_understands(void **state)
{
    static const char *const bad[] = {
        "{\"labels\":{\"gpucluster\":\"u\"}}",
        "{\"labels\":{\"gpucluster\":\"u\"},\"selfLink\":\"https://x/zones/z/instances/a\"}",
        "{\"labels\":{\"gpucluster\":\"u\"},\"selfLink\":\"https://x/projects/p/../q/a\"}",
        "{\"labels\":{\"gpucluster\":\"u\"},\"selfLink\":\"https://x/projects/p/a?b\"}",
        "{\"labels\":{\"gpucluster\":\"\"},\"selfLink\":\"https://x/projects/p/a\"}",
        "{\"labels\":[\"gpucluster\"],\"selfLink\":\"https://x/projects/p/a\"}",
        "[]", "7",
    };
    json_t *found = json_array();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *resource = json_loads(bad[i], JSON_DECODE_ANY, NULL);

        assert_true(gpuc__gce_left_add(found, "instance", resource));
        assert_true(gpuc__gce_left_add(found, "firewall rule", resource));
        json_decref(resource);
    }
    assert_int_equal(json_array_size(found), 0);
    json_decref(found);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_gc__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lists_what_has_no_state_here),
        TEST(a_named_cluster_is_listed_though_its_state_is_here),
        TEST(deletes_machines_first_and_nothing_else),
        TEST(one_that_cannot_be_removed_is_told),
        TEST(a_name_that_two_have_removes_nothing),
        TEST(a_list_or_a_state_that_cannot_be_read_stops_it),
        TEST(cancelled_at_any_turn),
        TEST(takes_only_what_it_understands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

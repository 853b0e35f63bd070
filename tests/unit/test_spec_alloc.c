/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation of reading, setting and expanding a spec fails in turn: GPUC_ENOMEM, nothing lost. */
#include "support/spec.h"

#include <stdlib.h>

#include "util/error.h"

static const char text[] =
    SPEC_SSH "  - {name: m, role: control-plane, host: h, host_key: [ssh-ed25519 AAAA]}\n"
             "  - {name: w, role: worker, host: i, user: u, identity: k, gpus: 2}\n"
             "sources: {bundle: b}\nkubernetes: {version: \"1.36.4\"}\n";

static long left, live;

static bool spend(void)
{
    return left < 0 || left-- > 0;
}

static void *counted_malloc(size_t size)
{
    void *memory = spend() ? malloc(size) : NULL;

    live += memory != NULL;
    return memory;
}

static void *counted_realloc(void *old, size_t size)
{
    void *memory = spend() ? realloc(old, size) : NULL;

    live += memory && !old;
    return memory;
}

static void counted_free(void *memory)
{
    live -= memory != NULL;
    free(memory);
}

static int set_up(void **unused)
{
    static const gpuc_allocator counted = {counted_malloc, counted_realloc, counted_free};

    left = -1;
    live = 0;
    gpuc_set_allocator(&counted);
    return 0;
}

static int tear_down(void **unused)
{
    gpuc_set_allocator(NULL);
    return 0;
}

/* Lets the scenario fail at its first, second, … allocation until it no longer fails. */
static void fail_in_turn(int (*scenario)(gpuc_error **err))
{
    long n = 0;

    for (;; n++) {
        gpuc_error *err = NULL;
        int rc;

        left = n;
        rc = scenario(&err);
        left = -1;
        if (!rc) {
            assert_null(err);
            break;
        }
        assert_int_equal(rc, GPUC_ENOMEM);
        assert_int_equal(gpuc_error_code(err), GPUC_ENOMEM);
        gpuc_error_unref(err);
        assert_int_equal(live, 0);
    }
    assert_int_equal(live, 0);
    assert_true(n > 10);
    print_message("%ld allocations failed in turn\n", n);
}

static int read_and_expand(gpuc_error **err)
{
    gpuc_spec *spec = NULL;
    gpuc__spec_model *model = NULL;
    int rc = gpuc_spec_parse(&spec, text, sizeof(text) - 1, "k8s.yaml", err);

    if (!rc)
        rc = gpuc__spec_model_new(&model, spec, err);
    gpuc__spec_model_free(model);
    gpuc_spec_unref(spec);
    return rc;
}

static int load_example(gpuc_error **err)
{
    gpuc_spec *spec = NULL;
    int rc = gpuc_spec_load(&spec, GPUC_TEST_DATA "/../../examples/specs/ssh.yaml", err);

    if (!rc)
        rc = gpuc_spec_validate(spec, err);
    gpuc_spec_unref(spec);
    return rc;
}

static int expand_cloud(gpuc_error **err)
{
    gpuc_spec *spec = NULL;
    int rc = gpuc_spec_load(&spec, GPUC_TEST_DATA "/../fuzz/corpus/spec/gce.yaml", err);

    if (!rc)
        rc = gpuc_spec_validate(spec, err);
    gpuc_spec_unref(spec);
    return rc;
}

static int build(gpuc_error **err)
{
    gpuc_machine_spec *machine = NULL;
    gpuc_spec *spec = NULL;
    int rc = gpuc_spec_new(&spec, "k8s", err);

    if (!rc)
        rc = gpuc_spec_set(spec, "provider.kind", "local", err);
    if (!rc)
        rc = gpuc_spec_set(spec, "sources.bundle", "b", err);
    if (!rc)
        rc = gpuc_spec_add_machine(&machine, spec, "m", "control-plane", err);
    if (!rc)
        rc = gpuc_machine_spec_set(machine, "accelerator.count", "2", err);
    if (!rc)
        rc = gpuc_spec_validate(spec, err);
    gpuc_machine_spec_unref(machine);
    gpuc_spec_unref(spec);
    return rc;
}

static int to_json(gpuc_error **err)
{
    gpuc_spec *spec = NULL;
    int rc = gpuc_spec_parse(&spec, text, sizeof(text) - 1, NULL, err);
    char *json = rc ? NULL : gpuc_spec_to_json(spec);

    gpuc_spec_unref(spec);
    if (json || rc) {
        gpuc_free(json);
        return rc;
    }
    return gpuc__error_nomem(err); /* the call has no error to give: NULL alone says it */
}

static void test_spec_alloc__read_and_expand(void **unused)
{
    fail_in_turn(read_and_expand);
}

static void test_spec_alloc__load(void **unused)
{
    fail_in_turn(load_example);
}

static void test_spec_alloc__a_clouds_machines(void **unused)
{
    fail_in_turn(expand_cloud);
}

static void test_spec_alloc__build(void **unused)
{
    fail_in_turn(build);
}

static void test_spec_alloc__to_json(void **unused)
{
    fail_in_turn(to_json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spec_alloc__read_and_expand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spec_alloc__load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spec_alloc__a_clouds_machines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spec_alloc__build, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spec_alloc__to_json, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

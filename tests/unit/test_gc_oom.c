/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation failing in turn while what was left behind is removed: it ends, or can be
 * cancelled, and the next run removes the rest. */
#include "util_test.h"

#include "core/context.h"
#include "support/gc_server.h"

#define LOST "0b1c2d3e-0000-4000-8000-000000000001"

static char directory[] = "/tmp/gpuc-test-gc-XXXXXX";
static gpuc_context *context;

static void begin(void)
{
    char endpoint[128];

    gc_begin();
    snprintf(endpoint, sizeof(endpoint), "%s/compute/v1/", gc_world.http.url);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", endpoint, 1);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "token-of-the-test", 1);
    gc_put("zones/z1-a", "instances", "demo-m1", LOST, "demo");
    gc_put("zones/z2-b", "disks", "demo-data", LOST, NULL);
    gc_put("global", "firewalls", "demo-expose-443", LOST, "demo");
    snprintf(gc_world.keys, sizeof(gc_world.keys), "u:ssh-rsa A gpucluster=" LOST " demo\n");
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
}

static void finish(void)
{
    gpuc_context_unref(context);
    gc_finish();
}

/* With n allocations allowed: whether all of it was removed. */
static bool try_with(int n)
{
    gpuc_error *err = NULL;
    gpuc_op *op = NULL;
    char *text = NULL;
    bool ok = false;

    begin();
    allow_allocations(n);
    if (gpuc_gc_start(&op, context, "gce", "p1", LOST, directory, GPUC_GC_DELETE, -1, &err) == GPUC_OK) {
        for (int i = 0;
             gpuc_op_state(op) == GPUC_OP_RUNNING && i < (allocations_left ? 10000 : 20); i++)
            gpuc_context_run(context, 2, NULL);
        ok = gpuc_op_state(op) == GPUC_OP_DONE && allocations_left > 0;
        allow_allocations(-1);
        gpuc_op_cancel(op);
        gpuc_op_wait(op, 20000, NULL);
        assert_int_not_equal(gpuc_op_state(op), GPUC_OP_RUNNING);
        gpuc_op_unref(op);
    } else {
        assert_int_equal(gpuc_error_code(err), GPUC_ENOMEM);
    }
    allow_allocations(-1);
    gpuc_error_unref(err);
    assert_int_equal(
        gpuc_gc(&text, context, "gce", "p1", LOST, directory, GPUC_GC_DELETE, -1, NULL), GPUC_OK);
    gpuc_free(text);
    assert_int_equal(gc_left(), 0);
    assert_string_equal(gc_world.keys, "");
    finish();
    return ok;
}

static void test_gc_oom__ends_and_goes_on(void **state)
{
    int n = 0;

    assert_non_null(mkdtemp(directory));
    while (n < 2000 && !try_with(n))
        n++;
    assert_in_range(n, 20, 1999);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gc_oom__ends_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

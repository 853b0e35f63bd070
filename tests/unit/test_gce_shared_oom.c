/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation failing in turn while what machines share is made, looked at and dropped: an
 * answer comes, nothing is lost, and the next run ends it. */
#include "util_test.h"

#include "support/gce_shared_client.h"

typedef void (*work_fn)(gpuc__provider *, gpuc__provider_fn, void *);

static void on_there(void *data, bool there, const char *detail, gpuc_error *error)
{
    provider_on_done(data, error);
}

static void look_only(gpuc__provider *of, gpuc__provider_fn done, void *data)
{
    (void)done;
    gpuc__provider_gce.look_shared(of, on_there, data);
}

/* With n allocations allowed: whether it went as it should. */
static bool try_with(work_fn work, int n)
{
    provider_result r = {0};
    bool ok;

    allow_allocations(n);
    work(provider, provider_on_done, &r);
    for (int turns = 0; !r.done && turns < (allocations_left ? 10000 : 20); turns++)
        gpuc_context_run(context, 2, NULL);
    ok = r.code == GPUC_OK && allocations_left > 0;
    allow_allocations(-1);
    if (!r.done) { /* a request that waits for memory is tried for minutes */
        gpuc__provider_gce.cancel(provider, &r);
        provider_wait(context, &r, 20000);
    }
    assert_int_equal(r.done, 1);
    provider_result_clear(&r);
    return ok;
}

static void check_work(work_fn work, bool made)
{
    int n = 0;
    bool through = false;

    for (; !through && n < 2000; n++) {
        expect(made ? MAKE : DROP, GPUC_OK);
        through = try_with(work, n);
        end();
        http_server_stop(&world.http); /* it takes 64 connections, no more */
        listen_again();
        begin();
    }
    assert_in_range(n, 10, 1999);
    expect(MAKE, GPUC_OK);
    assert_int_equal(json_array_size(world.rules), 2);
    expect(DROP, GPUC_OK);
    assert_int_equal(json_array_size(world.rules), 0);
    assert_int_equal(json_array_size(world.items), 0);
    assert_null(kept_value("gce.shared"));
}

static void test_gce_shared_oom__make_look_and_drop(void **state)
{
    expose(2);
    spec.project_ssh_key = true;
    check_work(MAKE, false);
    check_work(DROP, true);
    check_work(look_only, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gce_shared_oom__make_look_and_drop, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `gce` against the Compute Engine emulator (SIMULATED), which compares every request
 * with Google's published description where that is in the cache. */
#include "support/gce_bench.h"

static void test_provider_gce__up_and_down(void **state)
{
    begin(1);
    make_all(1);
    destroy_all(1);
    assert_clean();
    gce_finish_at();
}

static void test_provider_gce__many_with_few_requests(void **state)
{
    uint64_t sent;

    begin(100);
    make_all(100);
    sent = gpuc__gce_client_requests(provider->client);
    print_message("100 machines: %d requests\n", (int)sent);
    assert_int_equal(requests_of("bulkInsert"), 1);
    assert_true(sent < 120); /* one for each machine's host keys, and a few */
    destroy_all(100);
    assert_clean();
    gce_finish_at();
}

static void test_provider_gce__goes_where_there_is_stock(void **state)
{
    begin(3);
    emulator_tell("stock", "{\"zone\":\"us-east1-c\",\"accelerator\":\"nvidia-tesla-t4\","
                           "\"count\":0}");
    emulator_tell("stock", "{\"zone\":\"us-east1-d\",\"accelerator\":\"nvidia-tesla-t4\","
                           "\"count\":2,\"hidden\":true}");
    make_all(3);
    destroy_all(3);
    assert_clean();
    gce_finish_at();
}

static void test_provider_gce__any_zone_of_the_region(void **state)
{
    begin(3);
    spec.zones = no_labels; /* an empty list */
    make_all(3);
    destroy_all(3);
    assert_clean();
    gce_finish_at();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_provider_gce__up_and_down),
        cmocka_unit_test(test_provider_gce__many_with_few_requests),
        cmocka_unit_test(test_provider_gce__goes_where_there_is_stock),
        cmocka_unit_test(test_provider_gce__any_zone_of_the_region),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Names on Compute Engine: RFC 1035 labels of at most 63 characters, one for each machine. */
#include "unit/util_test.h"

#include "provider/gce/gce.h"
#include "util/alloc.h"

#define LONG "a-name-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on"

static char cluster[] = "c1", long_cluster[] = LONG;
static gpuc__spec_model spec = {.name = cluster};
static gpuc__provider provider = {.spec = &spec};

static void assert_name(char *name, const char *expected)
{
    assert_string_equal(name, expected);
    gpuc__free(name);
}

static void test_gce_name__is_cluster_and_machine(void **state)
{
    assert_name(gpuc__gce_instance_name("c1", "kubernetes-worker-gpu-1"),
                "c1-kubernetes-worker-gpu-1");
}

static void test_gce_name__a_long_one_ends_in_a_digest(void **state)
{
    char *one = gpuc__gce_instance_name(LONG, "worker-1");
    char *two = gpuc__gce_instance_name(LONG, "worker-2");
    char *again = gpuc__gce_instance_name(LONG, "worker-1");

    assert_int_equal(strlen(one), 63);
    assert_int_equal(strncmp(one, LONG, 50), 0);
    assert_string_not_equal(one, two);
    assert_string_equal(one, again);
    assert_int_equal(strspn(one, "abcdefghijklmnopqrstuvwxyz0123456789-"), 63);
    gpuc__free(one);
    gpuc__free(two);
    gpuc__free(again);
}

static void test_gce_name__tags_tell_roles_and_clusters_apart(void **state)
{
    static char one[] = "0b1c2d3e-0000-4000-8000-000000000001", none[] = "";

    provider.uuid = one; /* and not by the name, which another cluster of the project may have */
    assert_name(gpuc__gce_tag(&provider, 0),
                "gpucluster-machine-0b1c2d3e-0000-4000-8000-000000000001");
    assert_name(gpuc__gce_tag(&provider, GPUC__ROLE_WORKER),
                "gpucluster-worker-0b1c2d3e-0000-4000-8000-000000000001");
    assert_name(gpuc__gce_tag(&provider, GPUC__ROLE_CONTROL_PLANE),
                "gpucluster-control-plane-0b1c2d3e-0000-4000-8000-000000000001");
    provider.uuid = none; /* what --shell shows before the first `up` */
    assert_name(gpuc__gce_tag(&provider, GPUC__ROLE_CONTROL_PLANE), "gpucluster-control-plane-c1");
    spec.name = long_cluster;
    for (int role = 0; role < 3; role++) {
        char *tag = gpuc__gce_tag(&provider, (gpuc__role)role);

        assert_int_equal(strlen(tag), 63);
        gpuc__free(tag);
    }
    spec.name = cluster;
}

static void test_gce_name__rules_have_their_port(void **state)
{
    gpuc__expose_model expose = {.port = 6443};

    assert_name(gpuc__gce_rule_name(&provider, &expose), "c1-expose-6443");
    assert_name(gpuc__gce_rule_name(&provider, NULL), "c1-iap-ssh");
}

static void test_gce_name__without_memory_there_is_none(void **state)
{
    char *name;

    allow_allocations(0);
    name = gpuc__gce_instance_name("c1", "m1");
    allow_allocations(-1);
    assert_null(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_name__is_cluster_and_machine),
        cmocka_unit_test(test_gce_name__a_long_one_ends_in_a_digest),
        cmocka_unit_test(test_gce_name__tags_tell_roles_and_clusters_apart),
        cmocka_unit_test(test_gce_name__rules_have_their_port),
        cmocka_unit_test(test_gce_name__without_memory_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `ssh`: what the spec says of hosts, later, and nothing more. */
#include "support/provider_client.h"

static gpuc_context *context;
static gpuc__provider *provider;

static char n1[] = "m1", n2[] = "m2", host[] = "192.0.2.7", user[] = "ubuntu";
static char key[] = "ssh-ed25519 AAAA";
static char *keys[] = {key, NULL}, *no_keys[] = {NULL};
static gpuc__machine_model machines[] = {
    {.name = n1, .host = host, .port = 2222, .user = user, .host_keys = keys},
    {.name = n2, .host = host, .port = 22, .user = user, .host_keys = no_keys},
};
static gpuc__spec_model spec = {.name = n1, .machines = machines, .machine_count = 2};

static int setup(void **state)
{
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = "u"};

    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    config.context = context;
    return gpuc__provider_get(GPUC__PROVIDER_SSH)->new_(&provider, &config, NULL);
}

static int teardown(void **state)
{
    gpuc__provider_ssh.free(provider);
    gpuc_context_unref(context);
    return 0;
}

static void test_provider_ssh__tells_what_the_spec_says(void **state)
{
    provider_result r = {0};

    gpuc__provider_ssh.look(provider, "m1", provider_on_machine, &r);
    provider_wait(context, &r, 5000);
    assert_true(r.found);
    assert_false(r.made_here);
    assert_string_equal(r.address, "192.0.2.7");
    assert_string_equal(r.first_host_key, key);
    provider_result_clear(&r);
    gpuc__provider_ssh.create(provider, &machines[1], "a", provider_on_machine, &r);
    provider_wait(context, &r, 5000);
    assert_true(r.found);
    assert_null(r.first_host_key);
    provider_result_clear(&r);
    gpuc__provider_ssh.look(provider, "unknown", provider_on_machine, &r);
    provider_wait(context, &r, 5000);
    assert_false(r.found);
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
    gpuc__provider_ssh.list(provider, provider_on_names, &r);
    provider_wait(context, &r, 5000);
    assert_string_equal(r.names, "m1 m2 ");
    provider_result_clear(&r);
    assert_false(gpuc__provider_ssh.makes_machines);
}

static void test_provider_ssh__cancel_and_free_answer_too(void **state)
{
    provider_result cancelled = {0}, freed = {0};

    gpuc__provider_ssh.destroy(provider, "m1", provider_on_done, &cancelled);
    gpuc__provider_ssh.cancel(provider, NULL);
    provider_wait(context, &cancelled, 5000);
    assert_int_equal(cancelled.code, GPUC_ECANCELLED);
    provider_result_clear(&cancelled);
    gpuc__provider_ssh.list(provider, provider_on_names, &freed);
    gpuc__provider_ssh.free(provider);
    provider = NULL;
    assert_int_equal(freed.done, 1);
    assert_int_equal(freed.code, GPUC_ECANCELLED);
    provider_result_clear(&freed);
}

static void test_provider_ssh__get_knows_what_this_build_has(void **state)
{
    assert_ptr_equal(gpuc__provider_get(GPUC__PROVIDER_LOCAL), &gpuc__provider_local);
    assert_ptr_equal(gpuc__provider_get(GPUC__PROVIDER_GCE), &gpuc__provider_gce);
    assert_null(gpuc__provider_get((gpuc__provider_kind)4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_provider_ssh__tells_what_the_spec_says, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_provider_ssh__cancel_and_free_answer_too, setup,
                                        teardown),
        cmocka_unit_test(test_provider_ssh__get_knows_what_this_build_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

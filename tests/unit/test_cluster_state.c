/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster keeps and shows: skips and steps of the caller's, status, what scripts are told. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/provide.h"
#include "support/api.h"
#include "util/alloc.h"

typedef struct world {
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc_cluster *cluster;
} world;

static void open_world(world *w)
{
    memset(w, 0, sizeof(*w));
    ASSERT_OK(gpuc_context_new(&w->context, NULL));
    ASSERT_OK(api_open(&w->cluster, w->context, &w->spec, NULL));
}

static void close_world(world *w)
{
    gpuc_cluster_unref(w->cluster);
    gpuc_spec_unref(w->spec);
    gpuc_context_unref(w->context);
}

/* What `up` does first. */
static void make_state(world *w)
{
    ASSERT_OK(gpuc__cluster_open_store(w->cluster, true, NULL));
    ASSERT_OK(gpuc__store_lock(w->cluster->store, "test", NULL));
    w->cluster->locked = true;
    ASSERT_OK(gpuc__identity_load(w->cluster, true, NULL));
}

static void test_cluster_state__skips_and_steps_are_kept(void **state)
{
    const gpuc__recipe_step *step;
    world w;

    open_world(&w);
    make_state(&w);
    ASSERT_OK(gpuc_cluster_skip_step(w.cluster, "os.swap", "m1", NULL));
    ASSERT_OK(gpuc_cluster_skip_step(w.cluster, "os.kernel", NULL, NULL));
    ASSERT_OK(api_add_step(w.cluster, NULL));
    ASSERT_OK(api_add_step(w.cluster, NULL)); /* the same again gives way to itself */
    assert_int_equal(gpuc_cluster_skip_step(w.cluster, "os.swop", NULL, NULL), GPUC_EINVAL);
    ASSERT_OK(gpuc__customs_save(w.cluster, NULL));
    close_world(&w);

    open_world(&w);
    assert_true(gpuc__cluster_skips(w.cluster, "os.swap", "m1"));
    assert_false(gpuc__cluster_skips(w.cluster, "os.swap", "m2"));
    assert_true(gpuc__cluster_skips(w.cluster, "os.kernel", "m2"));
    assert_false(gpuc__cluster_skips(w.cluster, "os.hosts", "m1"));
    assert_int_equal(json_array_size(w.cluster->customs), 1);
    step = gpuc__recipe_find(w.cluster->recipe, "site.motd");
    assert_non_null(step);
    assert_string_equal(step->custom[1], "touch /etc/motd.site");
    close_world(&w);
}

static void test_cluster_state__damaged_lists_are_an_error(void **state)
{
    gpuc_error *error = NULL;
    world w;

    open_world(&w);
    make_state(&w);
    ASSERT_OK(gpuc__store_set(w.cluster->store, NULL, "skips", "[{\"machine\":\"m1\"},7]", NULL));
    close_world(&w);
    open_world(&w); /* entries that say nothing skip nothing */
    assert_false(gpuc__cluster_skips(w.cluster, "os.swap", "m1"));
    make_state(&w);
    ASSERT_OK(gpuc__store_set(w.cluster->store, NULL, "skips", "{", NULL));
    close_world(&w);

    memset(&w, 0, sizeof(w));
    ASSERT_OK(gpuc_context_new(&w.context, NULL));
    assert_int_equal(api_open(&w.cluster, w.context, &w.spec, &error), GPUC_EIO);
    assert_non_null(strstr(gpuc_error_message(error), "damaged"));
    gpuc_error_unref(error);
    close_world(&w);
}

static void test_cluster_state__identity_is_made_once(void **state)
{
    char *uuid, *key;
    world w;

    open_world(&w);
    make_state(&w);
    uuid = gpuc__strdup(w.cluster->identity.uuid);
    key = gpuc__strdup(w.cluster->identity.ca_key);
    assert_int_equal(strlen(uuid), 36);
    assert_null(w.cluster->identity.ssh_private); /* adopted hosts have keys of their own */
    close_world(&w);
    open_world(&w);
    make_state(&w);
    assert_string_equal(w.cluster->identity.uuid, uuid);
    assert_string_equal(w.cluster->identity.ca_key, key);
    gpuc__free(uuid);
    gpuc__free_secret(key);
    close_world(&w);
}

static void test_cluster_state__secrets_are_redacted(void **state)
{
    json_t *variables;
    char *clean;
    world w;

    open_world(&w);
    make_state(&w);
    variables = gpuc__member_variables(gpuc__cluster_member(w.cluster, "m1"), NULL);
    assert_non_null(variables);
    assert_string_equal(json_string_value(json_object_get(variables, "GPUC_ROLE")), "control-plane");
    assert_string_equal(json_string_value(json_object_get(variables, "GPUC_TOKEN")),
                        w.cluster->identity.token);
    for (const char *const *name = (const char *const[]){"GPUC_TOKEN", "GPUC_CERTIFICATE_KEY",
                                                         "GPUC_CA_KEY", NULL};
         *name; name++) {
        const char *value = json_string_value(json_object_get(variables, *name));

        clean = gpuc__context_redact(w.context, value);
        assert_string_equal(clean, "[redacted]");
        gpuc__free(clean);
    }
    json_decref(variables);
    close_world(&w);
}

static void test_cluster_state__status_says_what_is_known(void **state)
{
    gpuc__machine_info info = {.address = (char *)"127.0.0.1", .port = 1, .user = (char *)"root"};
    const gpuc__member *before;
    json_t *root, *machine;
    char *text = NULL;
    world w;

    open_world(&w);
    ASSERT_OK(gpuc_cluster_status(&text, w.cluster, NULL)); /* before there is a state */
    assert_non_null(strstr(text, "\"not made\""));
    gpuc_free(text);
    make_state(&w);
    ASSERT_OK(gpuc__member_set_info(gpuc__cluster_member(w.cluster, "m1"), &info, NULL));
    gpuc__store_unlock(w.cluster->store);
    w.cluster->locked = false;
    ASSERT_OK(gpuc_cluster_status(&text, w.cluster, NULL));
    root = json_loads(text, 0, NULL);
    gpuc_free(text);
    machine = json_array_get(json_object_get(root, "machines"), 0);
    assert_string_equal(json_string_value(json_object_get(machine, "address")), "127.0.0.1");
    assert_string_equal(json_string_value(json_object_get(machine, "role")), "control-plane");
    assert_true(json_is_null(json_object_get(machine, "proof")));
    json_decref(root);

    /* the steps of an operation hold their machines: asking leaves them where they are */
    before = gpuc__cluster_member(w.cluster, "m1");
    w.cluster->busy = (gpuc_op *)&w;
    ASSERT_OK(gpuc_cluster_status(&text, w.cluster, NULL));
    assert_ptr_equal(gpuc__cluster_member(w.cluster, "m1"), before);
    w.cluster->busy = NULL;
    gpuc_free(text);
    close_world(&w);
}

static void test_cluster_state__a_clouds_machine_is_kept_whole(void **state)
{
    static char *keys[] = {(char *)"ssh-ed25519 AAAA", NULL};
    gpuc__machine_info info = {.address = (char *)"10.142.0.2",
                               .port = 22,
                               .user = (char *)"ubuntu",
                               .host_keys = keys,
                               .provider_id = (char *)"api-m1",
                               .status = (char *)"RUNNING",
                               .made_here = true,
                               .zone = (char *)"us-east1-d",
                               .machine_type = (char *)"n1-standard-2",
                               .internal_ip = (char *)"10.142.0.2",
                               .tunnelled = true};
    const gpuc__machine_info *kept;
    json_t *root, *machine;
    char *text = NULL;
    world w;

    open_world(&w);
    make_state(&w);
    ASSERT_OK(gpuc__member_set_info(gpuc__cluster_member(w.cluster, "m1"), &info, NULL));
    close_world(&w);

    open_world(&w);
    kept = &gpuc__cluster_member(w.cluster, "m1")->info;
    assert_true(gpuc__machine_info_same_place(kept, &info));
    assert_true(kept->made_here && kept->tunnelled);
    assert_string_equal(kept->provider_id, "api-m1");
    assert_null(kept->external_ip);
    assert_null(kept->image);
    ASSERT_OK(gpuc_cluster_status(&text, w.cluster, NULL));
    root = json_loads(text, 0, NULL);
    gpuc_free(text);
    machine = json_array_get(json_object_get(root, "machines"), 0);
    assert_string_equal(json_string_value(json_object_get(machine, "zone")), "us-east1-d");
    assert_string_equal(json_string_value(json_object_get(machine, "machine_type")),
                        "n1-standard-2");
    assert_string_equal(json_string_value(json_object_get(machine, "internal_ip")), "10.142.0.2");
    assert_null(json_object_get(machine, "external_ip"));
    json_decref(root);
    info.tunnelled = false; /* another way to the same address is another place */
    assert_false(gpuc__machine_info_same_place(&gpuc__cluster_member(w.cluster, "m1")->info, &info));
    close_world(&w);
}

/* The address that is reached from outside is the one in the kubeconfig; nodes use the other. */
static void test_cluster_state__kubeconfig_names_the_outer_address(void **state)
{
    gpuc__machine_info info = {.address = (char *)"203.0.113.7",
                               .port = 22,
                               .user = (char *)"ubuntu",
                               .made_here = true,
                               .zone = (char *)"us-east1-d",
                               .internal_ip = (char *)"10.142.0.2",
                               .external_ip = (char *)"203.0.113.7"};
    char *text = NULL;
    world w;

    open_world(&w);
    make_state(&w);
    ASSERT_OK(gpuc__member_set_info(gpuc__cluster_member(w.cluster, "m1"), &info, NULL));
    ASSERT_OK(gpuc__cluster_write_kubeconfig(&text, w.cluster, NULL, NULL));
    assert_non_null(strstr(text, "https://203.0.113.7:6443"));
    assert_null(strstr(text, "10.142.0.2"));
    gpuc__free(text);
    close_world(&w);
}

/* A machine without an address of its own, of a provider that has no other way to it. */
static void test_cluster_state__no_way_to_a_tunnelled_machine(void **state)
{
    gpuc_error *error = NULL;
    int fd = -1;
    world w;

    open_world(&w);
    assert_int_equal(gpuc__cluster_open_way(w.cluster, "m1", 22, &fd, &error), GPUC_EUNSUPPORTED);
    assert_non_null(strstr(gpuc_error_message(error), "m1"));
    assert_int_equal(fd, -1);
    gpuc_error_unref(error);
    close_world(&w);
}

static void test_cluster_state__providers_journal_is_committed(void **state)
{
    gpuc_error *error = NULL;
    gpuc__store *other = NULL;
    gpuc__journal journal;
    char *text = (char *)"untouched";
    world w;

    open_world(&w);
    journal = gpuc__cluster_journal(w.cluster);
    ASSERT_OK(journal.get(journal.data, NULL, "insert", &text, NULL)); /* before there is a state */
    assert_null(text);
    assert_int_equal(journal.set(journal.data, NULL, "insert", "x", &error), GPUC_ESTATE);
    assert_non_null(strstr(gpuc_error_message(error), "not held for writing"));
    gpuc_error_unref(error);
    error = NULL;

    make_state(&w);
    ASSERT_OK(journal.set(journal.data, NULL, "insert", "of the cluster", NULL));
    ASSERT_OK(journal.set(journal.data, "m1", "insert", "of m1", NULL));
    ASSERT_OK(gpuc__store_open(&other, api_state, "api", false, NULL, NULL));
    ASSERT_OK(gpuc__store_get(other, "m1", "provider.insert", &text, NULL));
    assert_string_equal(text, "of m1"); /* another process sees it already */
    gpuc__free(text);
    gpuc__store_close(other);
    ASSERT_OK(journal.set(journal.data, "m1", "insert", NULL, NULL));
    ASSERT_OK(journal.get(journal.data, "m1", "insert", &text, NULL));
    assert_null(text);
    ASSERT_OK(journal.get(journal.data, NULL, "insert", &text, NULL));
    assert_string_equal(text, "of the cluster");
    gpuc__free(text);
    gpuc__store_unlock(w.cluster->store);
    w.cluster->locked = false;
    assert_int_equal(journal.set(journal.data, NULL, "insert", NULL, NULL), GPUC_ESTATE);
    close_world(&w);
}

static void test_cluster_state__jump_hosts_of_each_form(void **state)
{
    static const struct {
        const char *text, *user, *host;
        int port;
    } forms[] = {{"ops@bastion.example.net:2222", "ops", "bastion.example.net", 2222},
                 {"bastion", NULL, "bastion", 22},
                 {"ops@[2001:db8::1]:2222", "ops", "2001:db8::1", 2222},
                 {"[2001:db8::1]", NULL, "2001:db8::1", 22},
                 {"2001:db8::1", NULL, "2001:db8::1", 22}};
    char *user, *host;
    int port;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_int_equal(gpuc__jump_split(forms[i].text, &user, &host, &port), GPUC_OK);
        assert_string_equal(host, forms[i].host);
        assert_string_equal(user ? user : "", forms[i].user ? forms[i].user : "");
        assert_int_equal(port, forms[i].port);
        gpuc__free(user);
        gpuc__free(host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_state__jump_hosts_of_each_form),
        cmocka_unit_test_setup_teardown(test_cluster_state__skips_and_steps_are_kept, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__damaged_lists_are_an_error, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__identity_is_made_once, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__secrets_are_redacted, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__status_says_what_is_known, api_setup,
                                        api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__a_clouds_machine_is_kept_whole,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__kubeconfig_names_the_outer_address,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__no_way_to_a_tunnelled_machine,
                                        api_setup, api_teardown),
        cmocka_unit_test_setup_teardown(test_cluster_state__providers_journal_is_committed,
                                        api_setup, api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

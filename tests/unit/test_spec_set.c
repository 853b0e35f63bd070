/* SPDX-License-Identifier: Apache-2.0 */
/* Specs built by setters: the same as from a file, checked by the same schema. */
#include "support/spec.h"

#include <unistd.h>

static gpuc_spec *build(void)
{
    static const char *const top[][2] = {
        {"provider.kind", "ssh"},
        {"kubernetes.version", "1.36"},
        {"ssh.user", "debian"},
        {"ssh.identity", "~/k"},
        {"ssh.agent", "true"},
    };
    static const char *const worker[][2] = {
        {"host", "192.0.2.1"},
        {"port", "2222"},
        {"host_key", "[ssh-ed25519 AAAA, ssh-rsa BBBB]"},
        {"accelerator.type", "nvidia-l4"},
        {"accelerator.count", "2"},
    };
    gpuc_machine_spec *machine = NULL;
    gpuc_spec *spec = NULL;

    assert_int_equal(gpuc_spec_new(&spec, "k8s", NULL), GPUC_OK);
    for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
        assert_int_equal(gpuc_spec_set(spec, top[i][0], top[i][1], NULL), GPUC_OK);
    assert_int_equal(gpuc_spec_add_machine(&machine, spec, "m", "control-plane", NULL), GPUC_OK);
    assert_int_equal(gpuc_machine_spec_set(machine, "host", "192.0.2.2", NULL), GPUC_OK);
    gpuc_machine_spec_unref(machine);
    assert_int_equal(gpuc_spec_add_machine(&machine, spec, "w", "worker", NULL), GPUC_OK);
    for (size_t i = 0; i < sizeof(worker) / sizeof(worker[0]); i++)
        assert_int_equal(gpuc_machine_spec_set(machine, worker[i][0], worker[i][1], NULL), GPUC_OK);
    gpuc_machine_spec_unref(machine);
    return spec;
}

static void test_spec_set__equal_to_a_file(void **unused)
{
    gpuc_spec *built = build();
    gpuc_spec *read = spec_parse(
        "apiVersion: gpucluster/v1\nname: k8s\nprovider: {kind: ssh}\n"
        "kubernetes: {version: \"1.36\"}\nssh: {user: debian, identity: ~/k, agent: true}\n"
        "machines:\n"
        "  - {name: m, role: control-plane, host: 192.0.2.2}\n"
        "  - {name: w, role: worker, host: 192.0.2.1, port: 2222, "
        "host_key: [ssh-ed25519 AAAA, ssh-rsa BBBB], accelerator: {type: nvidia-l4, count: 2}}\n");
    char *one = gpuc_spec_to_json(built), *other = gpuc_spec_to_json(read);

    assert_string_equal(one, other);
    assert_int_equal(gpuc_spec_validate(built, NULL), GPUC_OK);
    gpuc_free(one);
    gpuc_free(other);
    gpuc_spec_unref(built);
    gpuc_spec_unref(read);
}

static void test_spec_set__errors_name_the_key(void **unused)
{
    static const struct {
        const char *key, *value, *message;
    } bad[] = {
        {"provider.knd", "ssh", "provider.knd: unknown key (did you mean \"kind\"?); expected one "
                                "of kind, socket..."},
        {"prvider.kind", "ssh", "prvider: unknown key (did you mean \"provider\"?)..."},
        {"provider.kind.x", "ssh", "provider.kind.x: unknown key; expected no key below a plain value"},
        {"", "x", "unknown key; expected one of apiVersion..."},
        {"provider.kind", "shh", "provider.kind: \"shh\" (did you mean \"ssh\"?); expected \"ssh\", "
                                 "\"local\" or \"gce\""},
        {"ssh.agent", "maybe", "ssh.agent: \"maybe\"; expected true or false"},
        {"ssh.agent", "[", "ssh.agent: syntax: ..."},
        {"ssh.agent", "", "ssh.agent: nothing here; expected a value"},
        {"ssh.user", "a b", "ssh.user: \"a b\"; expected a user name..."},
        {"ssh.identity", "a\nb", "ssh.identity: \"a\\x0ab\"; expected the path of a private key, "
                                 "without a newline"},
        {"ssh.identity", "\xff", "ssh.identity: not UTF-8; expected text in UTF-8"},
        {"machines", "[]", "machines: not set as a value; expected machines to be added one by one"},
        {"machines[0].host", "h", "machines: not set as a value..."},
        {"expose", "[{port: 0, from: [10.0.0.0/8]}]",
         "expose[0].port: the number 0 is too small; expected an integer from 1 to 65535"},
    };
    gpuc_spec *spec = build();
    char *before = gpuc_spec_to_json(spec), *after;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gpuc_error *err = NULL;

        assert_int_equal(gpuc_spec_set(spec, bad[i].key, bad[i].value, &err), GPUC_EINVAL);
        spec_assert_message(err, bad[i].message);
        assert_non_null(gpuc_error_remedy(err));
        gpuc_error_unref(err);
    }
    after = gpuc_spec_to_json(spec);
    assert_string_equal(before, after);
    gpuc_free(before);
    gpuc_free(after);
    gpuc_spec_unref(spec);
}

static void test_spec_set__machine_errors_name_the_machine(void **unused)
{
    gpuc_machine_spec *machine = NULL;
    gpuc_spec *spec = build();
    gpuc_error *err = NULL;

    assert_int_equal(gpuc_spec_add_machine(&machine, spec, "w", "worker", &err), GPUC_EEXIST);
    spec_assert_message(err, "machines[2]: a second machine named \"w\"; expected a name of its own");
    gpuc_error_unref(err);
    err = NULL;
    assert_int_equal(gpuc_spec_add_machine(&machine, spec, "x", "wrker", &err), GPUC_EINVAL);
    spec_assert_message(err, "machines[2].role: \"wrker\" (did you mean \"worker\"?); expected "
                             "\"control-plane\" or \"worker\"");
    gpuc_error_unref(err);
    err = NULL;
    assert_null(machine);
    assert_int_equal(gpuc_spec_add_machine(&machine, spec, "x", "worker", NULL), GPUC_OK);
    assert_int_equal(gpuc_machine_spec_set(machine, "acelerator.count", "1", &err), GPUC_EINVAL);
    spec_assert_message(err, "machines[2].acelerator: unknown key (did you mean "
                             "\"accelerator\"?)...");
    gpuc_error_unref(err);
    err = NULL;
    assert_int_equal(gpuc_machine_spec_set(machine, "image", "debian", NULL), GPUC_OK);
    assert_int_equal(gpuc_machine_spec_set(machine, "image.family", "f", &err), GPUC_EINVAL);
    spec_assert_message(err, "machines[2].image.family: \"image\" holds a plain value already; "
                             "expected a mapping");
    gpuc_error_unref(err);
    gpuc_machine_spec_unref(machine);
    gpuc_spec_unref(spec);
}

static void test_spec_set__a_bad_name(void **unused)
{
    gpuc_error *err = NULL;
    gpuc_spec *spec = NULL;

    assert_int_equal(gpuc_spec_new(&spec, "K8s", &err), GPUC_EINVAL);
    spec_assert_message(err, "name: \"K8s\"; expected a DNS label...");
    assert_null(spec);
    gpuc_error_unref(err);
}

/* Text is text for a key that takes text, whatever YAML would make of it. */
static void test_spec_set__text_is_taken_as_it_is(void **unused)
{
    static const char *const texts[][2] = {
        {"/a: b #c", "/a: b #c"}, {"\"/q\\u0041\"", "/qA"}, {"'/it''s'", "/it's"},
        {"/&x *y !z", "/&x *y !z"}, {"/{a}", "/{a}"}, {"/$(reboot)`id`", "/$(reboot)`id`"},
    };
    gpuc_spec *spec = build();

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        gpuc__spec_model *m = NULL;

        assert_int_equal(gpuc_spec_set(spec, "ssh.identity", texts[i][0], NULL), GPUC_OK);
        assert_int_equal(gpuc__spec_model_new(&m, spec, NULL), GPUC_OK);
        assert_string_equal(m->ssh_identity, texts[i][1]);
        gpuc__spec_model_free(m);
    }
    gpuc_spec_unref(spec);
}

static void test_spec_set__relative_paths_start_here(void **unused)
{
    gpuc_spec *spec = NULL;
    gpuc__spec_model *m = NULL;
    char here[4096], expected[4200];

    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(gpuc_spec_load(&spec, GPUC_TEST_DATA "/../../examples/specs/quickstart.yaml",
                                    NULL), GPUC_OK);
    assert_int_equal(gpuc_spec_set(spec, "sources.bundle", "bundle", NULL), GPUC_OK);
    assert_int_equal(gpuc__spec_model_new(&m, spec, NULL), GPUC_OK);
    snprintf(expected, sizeof(expected), "%s/bundle", here);
    assert_string_equal(m->source_bundle, expected);
    gpuc__spec_model_free(m);
    gpuc_spec_unref(spec);
}

static void test_spec_set__an_unfinished_spec_is_refused_as_a_whole(void **unused)
{
    gpuc_error *err = NULL;
    gpuc_spec *spec = NULL;

    assert_int_equal(gpuc_spec_new(&spec, "k8s", NULL), GPUC_OK);
    assert_int_equal(gpuc_spec_validate(spec, &err), GPUC_EINVAL);
    spec_assert_message(err, "provider: missing; expected a mapping");
    gpuc_error_unref(err);
    gpuc_spec_unref(spec);
}

/* A machine keeps its spec alive. */
static void test_spec_set__order_of_release(void **unused)
{
    gpuc_machine_spec *machine = NULL;
    gpuc_spec *spec = build();

    assert_int_equal(gpuc_spec_add_machine(&machine, spec, "x", "worker", NULL), GPUC_OK);
    assert_ptr_equal(gpuc_spec_ref(spec), spec);
    assert_null(gpuc_spec_unref(spec));
    assert_null(gpuc_spec_unref(spec));
    assert_int_equal(gpuc_machine_spec_set(machine, "host", "h", NULL), GPUC_OK);
    assert_ptr_equal(gpuc_machine_spec_ref(machine), machine);
    assert_null(gpuc_machine_spec_unref(machine));
    assert_null(gpuc_machine_spec_unref(machine));
    assert_null(gpuc_spec_unref(NULL));
    assert_null(gpuc_machine_spec_unref(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_set__equal_to_a_file),
        cmocka_unit_test(test_spec_set__errors_name_the_key),
        cmocka_unit_test(test_spec_set__machine_errors_name_the_machine),
        cmocka_unit_test(test_spec_set__a_bad_name),
        cmocka_unit_test(test_spec_set__text_is_taken_as_it_is),
        cmocka_unit_test(test_spec_set__relative_paths_start_here),
        cmocka_unit_test(test_spec_set__an_unfinished_spec_is_refused_as_a_whole),
        cmocka_unit_test(test_spec_set__order_of_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

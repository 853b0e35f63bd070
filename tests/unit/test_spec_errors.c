/* SPDX-License-Identifier: Apache-2.0 */
/* What a spec's text can get wrong: each error names file, line, column, key and what was expected. */
#include "support/spec.h"

#define KEYS_OF_A_MACHINE                                                                          \
    "name, role, count, host, port, user, identity, host_key, cpus, memory, image, gpus, "         \
    "machine_type, accelerator, spot, disk, reservation, secure_boot"
#define LABEL63 "expected a DNS label of at most 63 characters: lower-case letters, digits and inner '-'"
#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void check_all(const bad_spec *bad, size_t count)
{
    for (size_t i = 0; i < count; i++)
        spec_assert_bad(&bad[i], GPUC_EINVAL);
}
#define CHECK_ALL(table) check_all(table, sizeof(table) / sizeof(table[0]))

static void test_spec_errors__unknown_keys(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "    machine_typ: x\n", "k8s.yaml:6:5: syntax: did not find expected '-' indicator "
                                      "while parsing a block collection; expected YAML or JSON in "
                                      "UTF-8"},
        {SPEC "  - name: w\n    role: worker\n    machine_typ: x\n",
         "k8s.yaml:8:5: machines[1].machine_typ: unknown key (did you mean \"machine_type\"?); "
         "expected one of " KEYS_OF_A_MACHINE},
        {SPEC "  - name: w\n    role: worker\n    colour: x\n",
         "k8s.yaml:8:5: machines[1].colour: unknown key; expected one of " KEYS_OF_A_MACHINE},
        {SPEC "kubernets: {}\n",
         "k8s.yaml:6:1: kubernets: unknown key (did you mean \"kubernetes\"?); expected one of "
         "apiVersion, name, provider, kubernetes, sources, ssh, gpu, checks, machines, expose"},
        {SPEC "ssh: {usre: a}\n", "k8s.yaml:6:7: ssh.usre: unknown key (did you mean \"user\"?)..."},
        {SPEC "xx: 1\n", "k8s.yaml:6:1: xx: unknown key; expected..."},
        {SPEC "\"a\\e[31mb\": 1\n", "k8s.yaml:6:1: a?[31mb: unknown key; expected..."},
    };

    CHECK_ALL(bad);
}

static void test_spec_errors__wrong_types(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "  - {name: w, role: worker, count: three}\n",
         "k8s.yaml:6:36: machines[1].count: \"three\"; expected an integer from 1 to 1000"},
        {SPEC "  - {name: w, role: worker, count: 1.5}\n",
         "k8s.yaml:6:36: machines[1].count: the number 1.5; expected an integer from 1 to 1000"},
        {SPEC "  - {name: w, role: worker, count: 010}\n",
         "k8s.yaml:6:36: machines[1].count: \"010\"; expected an integer from 1 to 1000"},
        {SPEC "  - {name: w, role: worker, count: 99999999999999999999}\n",
         "k8s.yaml:6:36: machines[1].count: the number 99999999999999999999; expected an integer "
         "from 1 to 1000"},
        {SPEC "kubernetes: {version: 1.36}\n",
         "k8s.yaml:6:23: kubernetes.version: the number 1.36; expected a version such as \"1.36\" "
         "or \"1.36.4\""},
        {SPEC "ssh: {agent: yes}\n", "k8s.yaml:6:14: ssh.agent: \"yes\"; expected true or false"},
        {SPEC "ssh: [a]\n", "k8s.yaml:6:6: ssh: a list; expected a mapping"},
        {SPEC "ssh:\n", "k8s.yaml:6:5: ssh: no value; expected a mapping"},
        {SPEC "expose: {port: 1}\n", "k8s.yaml:6:9: expose: a mapping; expected a list"},
        {SPEC "ssh: {user: true}\n",
         "k8s.yaml:6:13: ssh.user: the boolean true; expected a user name..."},
        {SPEC_TOP "machines: []\n",
         "k8s.yaml:4:11: machines: an empty list; expected at least one entry"},
        {"hello", "k8s.yaml:1:1: \"hello\"; expected a mapping"},
        {"[1, 2]", "k8s.yaml:1:1: a list; expected a mapping"},
    };

    CHECK_ALL(bad);
}

static void test_spec_errors__unquoted_number_says_how(void **unused)
{
    gpuc_error *err = NULL;

    assert_int_equal(spec_try(SPEC "kubernetes: {version: 1.30}\n", &err), GPUC_EINVAL);
    assert_string_equal(gpuc_error_remedy(err), "Write it in quotes: \"1.30\".");
    gpuc_error_unref(err);
}

static void test_spec_errors__values(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC_TOP "machines:\n  - {name: m, role: contol-plane}\n",
         "k8s.yaml:5:21: machines[0].role: \"contol-plane\" (did you mean \"control-plane\"?); "
         "expected \"control-plane\" or \"worker\""},
        {SPEC_TOP "machines:\n  - {name: m, role: boss}\n",
         "k8s.yaml:5:21: machines[0].role: \"boss\"; expected \"control-plane\" or \"worker\""},
        {"apiVersion: gpucluster/v2\n" SPEC_MACHINES,
         "k8s.yaml:1:13: apiVersion: \"gpucluster/v2\" (did you mean \"gpucluster/v1\"?); expected "
         "\"gpucluster/v1\""},
        {SPEC "  - {name: w, role: worker, count: 0}\n",
         "k8s.yaml:6:36: machines[1].count: the number 0 is too small; expected an integer from 1 "
         "to 1000"},
        {SPEC "  - {name: w, role: worker, count: 1000000}\n",
         "k8s.yaml:6:36: machines[1].count: the number 1000000 is too large; expected an integer "
         "from 1 to 1000"},
        {SPEC "  - {name: Gpu_1, role: worker}\n",
         "k8s.yaml:6:12: machines[1].name: \"Gpu_1\"; " LABEL63},
        {SPEC "  - {name: gpu-, role: worker}\n",
         "k8s.yaml:6:12: machines[1].name: \"gpu-\"; " LABEL63},
        {SPEC "  - {name: a.b, role: worker}\n",
         "k8s.yaml:6:12: machines[1].name: \"a.b\"; " LABEL63},
        {SPEC "  - {name: \"\", role: worker}\n",
         "k8s.yaml:6:12: machines[1].name: \"\" is too short; " LABEL63},
        {SPEC "  - {name: " A63 "a, role: worker}\n",
         "k8s.yaml:6:12: machines[1].name: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaa…\" is too long; " LABEL63},
        {SPEC "kubernetes: {version: \"2.0\"}\n",
         "k8s.yaml:6:23: kubernetes.version: \"2.0\"; expected a version such as \"1.36\" or "
         "\"1.36.4\""},
        {SPEC "sources: {mirror: \"ftp://h\"}\n",
         "k8s.yaml:6:19: sources.mirror: \"ftp://h\"; expected an http:// or https:// URL without "
         "credentials, query or spaces"},
        {SPEC "  - {name: w, role: worker, gpus: [\"65:00.0\"]}\n",
         "k8s.yaml:6:36: machines[1].gpus[0]: \"65:00.0\"; expected a PCI address such as "
         "\"0000:65:00.0\""},
        {SPEC "  - {name: w, role: worker, memory: 4G}\n",
         "k8s.yaml:6:37: machines[1].memory: \"4G\"; expected a size such as 512MiB or 4GiB"},
    };

    CHECK_ALL(bad);
}

static void test_spec_errors__limits_of_checks(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "checks: {thermal.tmp: off}\n",
         "k8s.yaml:6:10: checks.thermal.tmp: no check \"thermal.tmp\" (did you mean "
         "\"thermal.temp\"?)"},
        {SPEC "checks: {nothing.like.it: off}\n",
         "k8s.yaml:6:10: checks.nothing.like.it: no check \"nothing.like.it\""},
        {SPEC "checks:\n  mem.remap: {uncorrectable_fial: 1}\n",
         "k8s.yaml:7:15: checks.mem.remap.uncorrectable_fial: no limit \"uncorrectable_fial\" of "
         "mem.remap (did you mean \"uncorrectable_fail\"?); it has..."},
        {SPEC "checks: {mem.remap: {uncorrectable_fail: -1}}\n",
         "k8s.yaml:6:42: checks.mem.remap.uncorrectable_fail: the number -1 is too small; expected..."},
        {SPEC "checks: {mem.remap: {uncorrectable_fail: many}}\n",
         "k8s.yaml:6:42: checks.mem.remap.uncorrectable_fail: \"many\"; expected a number..."},
        {SPEC "checks: {mem.remap: {uncorrectable_fail: 1e13}}\n",
         "k8s.yaml:6:42: checks.mem.remap.uncorrectable_fail: the number 1e13 is too large..."},
        {SPEC "checks: {dcgm.diag: {level: 1.5}}\n",
         "k8s.yaml:6:22: checks.dcgm.diag.level: expected a whole number from 0 to 3"},
        {SPEC "checks: {thermal.temp: on}\n", "k8s.yaml:6:24: checks.thermal.temp: \"on\"; expected off, or a mapping of..."},
        {SPEC "checks: {thermal.temp: 80}\n", "k8s.yaml:6:24: checks.thermal.temp: the number 80; expected off, or a mapping of..."},
        {SPEC "checks: [thermal.temp]\n", "k8s.yaml:6:9: checks: a list; expected a mapping"},
    };

    CHECK_ALL(bad);
    assert_int_equal(spec_try(SPEC "checks: {thermal.temp: \"off\", mem.remap: {uncorrectable_fail: "
                                   "256}}\n", NULL), GPUC_OK);
}

static void test_spec_errors__missing_keys(void **unused)
{
    static const bad_spec bad[] = {
        {"name: x\n", "k8s.yaml:1:1: apiVersion: missing; expected \"gpucluster/v1\""},
        {"apiVersion: gpucluster/v1\nname: x\n", "k8s.yaml:1:1: provider: missing; expected a "
                                                 "mapping"},
        {"apiVersion: gpucluster/v1\nname: x\nprovider: {}\n",
         "k8s.yaml:3:11: provider.kind: missing; expected \"ssh\", \"local\" or \"gce\""},
        {SPEC_TOP, "k8s.yaml:1:1: machines: missing; expected a list"},
        {SPEC "  - name: w\n", "k8s.yaml:6:5: machines[1].role: missing; expected "
                               "\"control-plane\" or \"worker\""},
    };

    CHECK_ALL(bad);
}

static void test_spec_errors__what_yaml_has_and_specs_have_not(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "ssh: &a {}\n", "k8s.yaml:6:6: an anchor or alias; expected a plain value"},
        {SPEC "ssh: *a\n", "k8s.yaml:6:6: an anchor or alias; expected a plain value"},
        {SPEC "ssh: !!map {}\n", "k8s.yaml:6:6: a tag; expected a plain value"},
        {SPEC "? [a]\n: b\n", "k8s.yaml:6:3: a list or mapping as a key; expected a name"},
        {SPEC "name: again\n", "k8s.yaml:6:1: the key \"name\" a second time; the first is at line "
                               "2"},
        {SPEC "---\nname: b\n", "k8s.yaml:7:1: a second document; expected one"},
        {"", "k8s.yaml:1:1: nothing here; expected a spec"},
        {"# only a comment\n", "k8s.yaml:2:1: nothing here; expected a spec"},
        {SPEC "ssh: {user: \"a\\0b\"}\n", "k8s.yaml:6:13: a text with a NUL byte; expected a text "
                                          "without one"},
        {"a:\n\tb: c\n", "k8s.yaml:2:1: syntax: found character that cannot start any token while "
                         "scanning for the next token; expected YAML or JSON in UTF-8"},
        {SPEC "ssh: {user: \"\xff\"}\n", "k8s.yaml:6:14: syntax: invalid leading UTF-8 octet; "
                                         "expected YAML or JSON in UTF-8"},
    };

    CHECK_ALL(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_errors__unknown_keys),
        cmocka_unit_test(test_spec_errors__wrong_types),
        cmocka_unit_test(test_spec_errors__unquoted_number_says_how),
        cmocka_unit_test(test_spec_errors__values),
        cmocka_unit_test(test_spec_errors__limits_of_checks),
        cmocka_unit_test(test_spec_errors__missing_keys),
        cmocka_unit_test(test_spec_errors__what_yaml_has_and_specs_have_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

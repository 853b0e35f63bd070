/* SPDX-License-Identifier: Apache-2.0 */
/* What the schema cannot say: names, hosts, networks, and keys of another provider. */
#include "support/spec.h"

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MASTER_SSH "  - {name: m, role: control-plane, host: a}\n"

static void check_all(const bad_spec *bad, size_t count, int code)
{
    for (size_t i = 0; i < count; i++)
        spec_assert_bad(&bad[i], code);
}
#define CHECK_ALL(table) check_all(table, sizeof(table) / sizeof(table[0]), GPUC_EINVAL)

static void test_spec_rules__roles_and_names(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC_TOP "machines:\n  - {name: w, role: worker}\n",
         "k8s.yaml:5:3: machines: workers without a control plane; expected at least one machine "
         "with role \"control-plane\""},
        {SPEC "  - {name: master, role: worker}\n",
         "k8s.yaml:6:12: machines[1].name: the name \"master\" a second time, the first is at line "
         "5; expected one of its own for every machine"},
        {SPEC "  - {name: w, role: worker, count: 3}\n  - {name: w-2, role: worker}\n",
         "k8s.yaml:7:12: machines[2].name: the name \"w-2\" a second time, the first is at line 6; "
         "expected one of its own for every machine"},
        {"apiVersion: gpucluster/v1\nname: " A40 "\nprovider: {kind: local}\nmachines:\n"
         "  - {name: m23456789012345678901, role: control-plane, count: 10}\n",
         "k8s.yaml:5:12: machines[0].name: \"" A40 "-m23456789012345678901-1\" has 64 characters; "
         "expected cluster and machine name to have at most 63 together"},
    };

    CHECK_ALL(bad);
}

static void test_spec_rules__a_name_that_just_fits(void **unused)
{
    assert_int_equal(spec_try("apiVersion: gpucluster/v1\nname: " A40 "\nprovider: {kind: local}\n"
                              "machines:\n  - {name: m23456789012345678901, role: control-plane}\n",
                              NULL), GPUC_OK);
}

static void test_spec_rules__a_thousand_machines(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "  - {name: a, role: worker, count: 999}\n  - {name: b, role: worker, count: 1}\n",
         "k8s.yaml:7:5: machines: more than 1000 machines in all; expected at most 1000"},
    };

    check_all(bad, 1, GPUC_ELIMIT);
    assert_int_equal(spec_try(SPEC "  - {name: a, role: worker, count: 999}\n"
                                   "kubernetes: {pod_subnet: 10.128.0.0/9}\n", NULL), GPUC_OK);
}

static void test_spec_rules__keys_of_another_provider(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "  - {name: w, role: worker, host: a}\n",
         "k8s.yaml:6:29: machines[1].host: belongs to provider ssh, but provider.kind is local; "
         "expected no such key"},
        {SPEC "  - {name: w, role: worker, machine_type: n1-standard-2}\n",
         "k8s.yaml:6:29: machines[1].machine_type: belongs to provider gce, but provider.kind is "
         "local; expected no such key"},
        {SPEC "expose: []\n", "k8s.yaml:6:1: expose: belongs to provider gce, but provider.kind is "
                              "local; expected no such key"},
        {SPEC "ssh: {jump: h}\n", "k8s.yaml:6:7: ssh.jump: belongs to provider ssh or gce, but "
                                  "provider.kind is local; expected no such key"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: a, memory: 4GiB}\n",
         "k8s.yaml:6:45: machines[0].memory: belongs to provider local, but provider.kind is ssh; "
         "expected no such key"},
        {SPEC "  - {name: w, role: worker, image: {project: p, family: f}}\n",
         "k8s.yaml:6:36: machines[1].image: a mapping belongs to provider gce; expected an image "
         "alias"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: a, gpus: [\"0000:65:00.0\"]}\n",
         "k8s.yaml:6:51: machines[0].gpus: PCI addresses belong to provider local; expected an "
         "integer from 0 to 16"},
    };

    CHECK_ALL(bad);
}

static void test_spec_rules__hosts(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC_SSH "  - {name: m, role: control-plane}\n",
         "k8s.yaml:6:5: machines[0].host: missing; expected a host name or an IP address (provider "
         "ssh)"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: a, count: 2}\n",
         "k8s.yaml:6:52: machines[0].count: several machines with one host; expected no count with "
         "provider ssh"},
        {SPEC_SSH MASTER_SSH "  - {name: w, role: worker, host: A, port: 22}\n",
         "k8s.yaml:7:35: machines[1].host: the host \"a port 22\" a second time, the first is at "
         "line 6; expected one of its own for every machine"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: \"10.0.0.1:2222\"}\n",
         "k8s.yaml:6:42: machines[0].host: not an IPv6 address, and a port does not belong here; "
         "expected a host name or an IP address"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: 10.0.0.300}\n",
         "k8s.yaml:6:42: machines[0].host: not a legal address; expected a host name or an IP "
         "address"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: -oProxyCommand=x}\n",
         "k8s.yaml:6:42: machines[0].host: \"-oProxyCommand=x\"; expected a host name or an IP "
         "address"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: \"a b\"}\n",
         "k8s.yaml:6:42: machines[0].host: \"a b\"; expected a host name or an IP address"},
        {"apiVersion: gpucluster/v1\nname: k\nprovider: {kind: ssh}\nmachines:\n" MASTER_SSH,
         "k8s.yaml:5:5: machines[0].user: missing, and ssh.user is not given; expected a login user "
         "(provider ssh)"},
        {"apiVersion: gpucluster/v1\nname: k\nprovider: {kind: ssh}\nssh: {user: a}\nmachines:\n"
         MASTER_SSH, "k8s.yaml:6:5: machines[0].identity: missing, and neither ssh.identity nor "
                     "ssh.agent is given; expected a way to log in (provider ssh)"},
        {SPEC_SSH "  - {name: m, role: control-plane, host: a, identity: ~bob/k}\n",
         "k8s.yaml:6:55: machines[0].identity: the home directory of another user; expected a path "
         "that begins with ~/ or /"},
    };

    CHECK_ALL(bad);
    assert_int_equal(spec_try(SPEC_SSH MASTER_SSH
                              "  - {name: w, role: worker, host: a, port: 2222}\n"
                              "  - {name: x, role: worker, host: fe80::1%eth0}\n", NULL), GPUC_OK);
}

static void test_spec_rules__jump_host(void **unused)
{
    static const bad_spec bad[] = {
        {"apiVersion: gpucluster/v1\nname: k\nprovider: {kind: ssh}\nssh: {user: a, agent: true, "
         "jump: \"h:70000\"}\nmachines:\n" MASTER_SSH,
         "k8s.yaml:4:35: ssh.jump: \"70000\" is no port; expected a port from 1 to 65535"},
        {"apiVersion: gpucluster/v1\nname: k\nprovider: {kind: ssh}\nssh: {jump: \"-oX@h\"}\n"
         "machines:\n" MASTER_SSH, "k8s.yaml:4:13: ssh.jump: \"-oX@h\"; expected user@host:port, "
                                   "user and port optional, an IPv6 address in brackets"},
    };

    CHECK_ALL(bad);
}

static void test_spec_rules__gpus_and_sources(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "  - {name: w, role: worker, gpus: 1, accelerator: {count: 1}}\n",
         "k8s.yaml:6:35: machines[1].gpus: given beside accelerator; expected one of the two"},
        {SPEC "  - {name: w, role: worker, count: 2, gpus: [\"0000:0A:00.0\"]}\n",
         "k8s.yaml:6:45: machines[1].gpus: the GPU \"0000:0a:00.0\" a second time, the first is at "
         "line 6; expected one of its own for every machine"},
        {SPEC "sources: {mirror: http://h, bundle: /b}\n",
         "k8s.yaml:6:37: sources.bundle: given beside sources.mirror; expected one source"},
    };

    CHECK_ALL(bad);
}

static void test_spec_rules__networks(void **unused)
{
    static const bad_spec bad[] = {
        {SPEC "kubernetes: {pod_subnet: 10.96.0.0/16}\n",
         "k8s.yaml:6:26: kubernetes.pod_subnet: pods 10.96.0.0/16 and services 10.96.0.0/12 "
         "overlap; expected two networks apart"},
        {SPEC "kubernetes: {service_subnet: 10.244.128.0/20}\n",
         "k8s.yaml:6:30: kubernetes.service_subnet: pods 10.244.0.0/16 and services "
         "10.244.128.0/20 overlap; expected two networks apart"},
        {SPEC "kubernetes: {pod_subnet: 10.244.0.1/16}\n",
         "k8s.yaml:6:26: kubernetes.pod_subnet: \"10.244.0.1/16\" is an address inside a network; "
         "expected 10.244.0.0/16"},
        {SPEC "kubernetes: {pod_subnet: 10.244.0.256/16}\n",
         "k8s.yaml:6:26: kubernetes.pod_subnet: \"10.244.0.256/16\"; expected an IPv4 network such "
         "as 10.244.0.0/16"},
        {SPEC "kubernetes: {pod_subnet: 10.244.0.0/33}\n",
         "k8s.yaml:6:26: kubernetes.pod_subnet: \"10.244.0.0/33\"; expected an IPv4 network such as "
         "10.244.0.0/16"},
        {SPEC "kubernetes: {service_subnet: 10.0.0.0/8}\n",
         "k8s.yaml:6:30: kubernetes.service_subnet: \"10.0.0.0/8\"; expected a prefix from /12 to "
         "/28"},
        {SPEC "  - {name: w, role: worker}\nkubernetes: {pod_subnet: 10.244.0.0/24}\n",
         "k8s.yaml:7:26: kubernetes.pod_subnet: 10.244.0.0/24 has room for 1 machines (a /24 each) "
         "and the spec has 2; expected a /23 or larger"},
    };

    CHECK_ALL(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_rules__roles_and_names),
        cmocka_unit_test(test_spec_rules__a_name_that_just_fits),
        cmocka_unit_test(test_spec_rules__a_thousand_machines),
        cmocka_unit_test(test_spec_rules__keys_of_another_provider),
        cmocka_unit_test(test_spec_rules__hosts),
        cmocka_unit_test(test_spec_rules__jump_host),
        cmocka_unit_test(test_spec_rules__gpus_and_sources),
        cmocka_unit_test(test_spec_rules__networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

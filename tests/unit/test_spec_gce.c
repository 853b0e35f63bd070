/* SPDX-License-Identifier: Apache-2.0 */
/* Specs of kind gce: the model, its defaults, and what is refused. */
#include "support/spec.h"

#define EXAMPLES GPUC_TEST_DATA "/../../examples/specs/"
#define TOP "apiVersion: gpucluster/v1\nname: k8s\n"
/* The provider is in line 3, machines begin in line 4; what a test appends begins in line 6. */
#define GCE(keys)                                                                                  \
    TOP "provider: {kind: gce, " keys "}\nmachines:\n"                                             \
        "  - {name: m, role: control-plane, machine_type: n1-standard-2}\n"
#define PLAIN GCE("zones: [us-east1-d]")
#define MACHINE(keys) PLAIN "  - {name: w, role: worker, machine_type: n1-standard-2, " keys "}\n"

static void check_all(const bad_spec *bad, size_t count)
{
    for (size_t i = 0; i < count; i++)
        spec_assert_bad(&bad[i], GPUC_EINVAL);
}
#define CHECK_ALL(table) check_all(table, sizeof(table) / sizeof(table[0]))

static void test_spec_gce__defaults(void **unused)
{
    gpuc__spec_model *m = spec_model(PLAIN);
    const gpuc__machine_model *master = &m->machines[0];

    assert_int_equal(m->provider, GPUC__PROVIDER_GCE);
    assert_null(m->provider_project); /* the environment's or the credentials' */
    assert_string_equal(m->zones[0], "us-east1-d");
    assert_null(m->zones[1]);
    assert_null(m->region);
    assert_null(m->labels[0]);
    assert_int_equal(m->ttl_s, 0);
    assert_true(m->max_price < 0);
    assert_string_equal(m->network, "default");
    assert_null(m->subnetwork);
    assert_true(m->external_ip);
    assert_false(m->project_ssh_key);
    assert_string_equal(m->service_account, "default");
    assert_int_equal(m->expose_count, 0);
    assert_string_equal(m->ssh_user, "ubuntu");
    assert_string_equal(master->user, "ubuntu");
    assert_string_equal(master->machine_type, "n1-standard-2");
    assert_null(master->image_project);
    assert_null(master->image_family);
    assert_int_equal(master->disk_gb, 0);
    assert_null(master->disk_type);
    assert_null(master->reservation);
    assert_false(master->spot || master->secure_boot);
    assert_int_equal(master->gpus, 0);
    gpuc__spec_model_free(m);
}

static void test_spec_gce__every_key(void **unused)
{
    gpuc__spec_model *m = spec_model(
        GCE("project: p1, region: us-east1, labels: {team: research, x: \"\"}, spot: true, ttl: 90m, "
            "max_price_per_hour: 2.5, network: net, subnetwork: sub, external_ip: false, "
            "service_account: a@p1.iam.gserviceaccount.com")
        "  - {name: w, role: worker, count: 2, machine_type: n1-standard-4, spot: false, "
        "accelerator: {type: nvidia-tesla-t4, count: 2}, image: {project: debian-cloud, family: "
        "debian-12}, disk: {size: 1TB, type: pd-ssd}, reservation: res, secure_boot: true}\n"
        "ssh: {project_key: true, user: me}\n"
        "expose: [{port: 6443, from: [203.0.113.0/24, \"2001:db8::/32\"]}, {port: 443, from: "
        "[0.0.0.0/0]}]\n");
    const gpuc__machine_model *w = gpuc__spec_model_machine(m, "w-2");

    assert_string_equal(m->provider_project, "p1");
    assert_null(m->zones[0]);
    assert_string_equal(m->region, "us-east1");
    assert_string_equal(m->labels[0], "team=research");
    assert_string_equal(m->labels[1], "x=");
    assert_null(m->labels[2]);
    assert_int_equal(m->ttl_s, 90 * 60);
    assert_true(m->max_price == 2.5);
    assert_string_equal(m->network, "net");
    assert_string_equal(m->subnetwork, "sub");
    assert_false(m->external_ip);
    assert_true(m->project_ssh_key);
    assert_string_equal(m->service_account, "a@p1.iam.gserviceaccount.com");
    assert_int_equal(m->expose_count, 2);
    assert_int_equal(m->exposes[0].port, 6443);
    assert_string_equal(m->exposes[0].from[1], "2001:db8::/32");
    assert_null(m->exposes[0].from[2]);
    assert_string_equal(m->exposes[1].from[0], "0.0.0.0/0");
    assert_true(m->machines[0].spot); /* the provider's */
    assert_non_null(w);
    assert_string_equal(w->user, "me");
    assert_int_equal(w->gpus, 2);
    assert_string_equal(w->accelerator, "nvidia-tesla-t4");
    assert_string_equal(w->image_project, "debian-cloud");
    assert_string_equal(w->image_family, "debian-12");
    assert_null(w->image);
    assert_int_equal(w->disk_gb, 1024);
    assert_string_equal(w->disk_type, "pd-ssd");
    assert_string_equal(w->reservation, "res");
    assert_true(w->secure_boot);
    assert_false(w->spot);
    gpuc__spec_model_free(m);
}

static void test_spec_gce__the_example(void **unused)
{
    gpuc__spec_model *m = NULL;
    gpuc_spec *spec = NULL;

    assert_int_equal(gpuc_spec_load(&spec, EXAMPLES "gce.yaml", NULL), GPUC_OK);
    assert_int_equal(gpuc__spec_model_new(&m, spec, NULL), GPUC_OK);
    assert_int_equal(m->machine_count, 4);
    assert_string_equal(m->zones[1], "us-east1-c");
    assert_int_equal(m->ttl_s, 8 * 3600);
    assert_int_equal(m->machines[3].gpus, 1);
    gpuc__spec_model_free(m);
    gpuc_spec_unref(spec);
}

static void test_spec_gce__places(void **unused)
{
    static const bad_spec bad[] = {
        {GCE("project: p"), "k8s.yaml:3:11: provider.zones: missing, and provider.region is not "
                            "given; expected where to make the machines (provider gce)"},
        {GCE("zones: [us-east1-d], region: us-east1"),
         "k8s.yaml:3:52: provider.region: given beside provider.zones; expected one of the two"},
        {GCE("zones: [us-east1-d, us-west1-a], region: us-east1"),
         "k8s.yaml:3:64: provider.region: given beside provider.zones; expected one of the two"},
        {GCE("zones: [us-east1-d, us-east1-c, us-east1-d]"),
         "k8s.yaml:3:55: provider.zones[2]: the same zone a second time; expected each zone once"},
        {GCE("zones: [us-east1-d, us-west1-a], subnetwork: s"),
         "k8s.yaml:3:43: provider.zones[1]: a second region, and provider.subnetwork is of one "
         "region; expected zones of one region"},
        {GCE("zones: [us-east1]"), "k8s.yaml:3:31: provider.zones[0]: \"us-east1\"; expected a zone "
                                   "such as us-east1-d"},
        {GCE("zones: []"), "k8s.yaml:3:30: provider.zones: ..."},
        {GCE("region: us-east1-d"), "k8s.yaml:3:31: provider.region: \"us-east1-d\"; expected a "
                                    "region such as us-east1"},
    };

    CHECK_ALL(bad);
    assert_int_equal(spec_try(GCE("zones: [us-east1-d, us-west1-a]"), NULL), GPUC_OK);
    assert_int_equal(spec_try(GCE("zones: [us-east1-c, us-east1-d], subnetwork: s"), NULL), GPUC_OK);
    assert_int_equal(spec_try(GCE("zones: [us-central1-ai1a]"), NULL), GPUC_OK);
}

static void test_spec_gce__limits_and_labels(void **unused)
{
    static const bad_spec bad[] = {
        {GCE("region: us-east1, ttl: 121d"), "k8s.yaml:3:46: provider.ttl: \"121d\" is longer than "
                                             "the cloud allows; expected at most 120d"},
        {GCE("region: us-east1, ttl: 99999999999999d"),
         "k8s.yaml:3:46: provider.ttl: \"99999999999999d\" is longer than the cloud allows; expected "
         "at most 120d"},
        {GCE("region: us-east1, ttl: 8"), "k8s.yaml:3:46: provider.ttl: the number 8; expected ..."},
        {GCE("region: us-east1, max_price_per_hour: -1"), "k8s.yaml:3:61: ..."},
        {GCE("region: us-east1, labels: {gpucluster: x}"),
         "k8s.yaml:3:62: provider.labels: labels that begin with \"gpucluster\" are the library's "
         "own; expected another name"},
        {GCE("region: us-east1, labels: {Team: x}"), "k8s.yaml:3:50: provider.labels.Team: ..."},
        {GCE("region: us-east1, service_account: robot"),
         "k8s.yaml:3:58: provider.service_account: \"robot\"; expected a service account's e-mail "
         "address, default, or none"},
        {GCE("region: us-east1, network: a/b"), "k8s.yaml:3:50: provider.network: \"a/b\"; expected "
                                                "..."},
        {"apiVersion: gpucluster/v1\nname: 8s\nprovider: {kind: gce, region: us-east1}\nmachines:\n"
         "  - {name: m, role: control-plane, machine_type: n1-standard-2}\n",
         "k8s.yaml:2:7: name: \"8s\" begins with a digit; expected a letter first (provider gce)"},
    };

    CHECK_ALL(bad);
    assert_int_equal(spec_try(GCE("region: us-east1, ttl: 120d"), NULL), GPUC_OK);
}

static void test_spec_gce__machines(void **unused)
{
    static const bad_spec bad[] = {
        {PLAIN "  - {name: w, role: worker}\n",
         "k8s.yaml:6:5: machines[1].machine_type: missing; expected a machine type (provider gce)"},
        {MACHINE("accelerator: {count: 2}"),
         "k8s.yaml:6:71: machines[1].accelerator: its type is missing; expected {type, count} "
         "(provider gce)"},
        {MACHINE("gpus: 1"), "k8s.yaml:6:58: machines[1].gpus: belongs to provider ssh or local, but "
                             "provider.kind is gce; expected no such key"},
        {MACHINE("image: debian-12"), "k8s.yaml:6:65: machines[1].image: an alias belongs to "
                                      "provider local; expected {project, family}"},
        {MACHINE("image: {family: f}"), "k8s.yaml:6:65: machines[1].image.project: missing; ..."},
        {MACHINE("disk: {size: 9GB}"), "k8s.yaml:6:64: machines[1].disk: its size is none a boot "
                                       "disk can have; expected 10GB to 64TB"},
        {MACHINE("disk: {size: 65TB}"), "k8s.yaml:6:64: machines[1].disk: its size is none a boot "
                                        "disk can have; expected 10GB to 64TB"},
        {MACHINE("disk: {size: 99999999999GB}"), "k8s.yaml:6:64: machines[1].disk: its size is none "
                                                 "a boot disk can have; expected 10GB to 64TB"},
        {MACHINE("disk: {size: 100}"), "k8s.yaml:6:71: machines[1].disk.size: the number 100; "
                                       "expected a size such as 100GB or 1TB"},
        {MACHINE("disk: {kind: ssd}"), "k8s.yaml:6:65: machines[1].disk.kind: unknown key; ..."},
    };

    CHECK_ALL(bad);
}

static void test_spec_gce__exposed_ports(void **unused)
{
    static const bad_spec bad[] = {
        {PLAIN "expose: [{port: 0, from: [10.0.0.0/8]}]\n", "k8s.yaml:6:17: expose[0].port: ..."},
        {PLAIN "expose: [{port: 6443}]\n", "k8s.yaml:6:10: expose[0].from: missing; ..."},
        {PLAIN "expose: [{port: 6443, from: []}]\n", "k8s.yaml:6:29: expose[0].from: ..."},
        {PLAIN "expose: [{port: 6443, from: [10.0.0.1/8]}]\n",
         "k8s.yaml:6:10: expose[0]: from has an entry that is no network; expected networks such as "
         "203.0.113.0/24, with no bits after the prefix"},
        {PLAIN "expose: [{port: 6443, from: [10.0.0.0/33]}]\n", "k8s.yaml:6:10: expose[0]: from ..."},
        {PLAIN "expose: [{port: 1, from: [\"::1/64\"]}]\n", "k8s.yaml:6:10: expose[0]: from has ..."},
        {PLAIN "expose: [{port: 1, from: [10.0.0.0/8]}, {port: 1, from: [11.0.0.0/8]}]\n",
         "k8s.yaml:6:41: expose[1]: the same port a second time; expected each port once"},
    };

    CHECK_ALL(bad);
}

static void test_spec_gce__keys_with_other_kinds(void **unused)
{
    static const char *const keys[] = {"network: n",      "subnetwork: s", "external_ip: true",
                                       "service_account: none", "region: us-east1", "ttl: 1h"};
    static const bad_spec bad[] = {
        {SPEC "  - {name: w, role: worker, disk: {size: 10GB}}\n",
         "k8s.yaml:6:29: machines[1].disk: belongs to provider gce, but provider.kind is local; "
         "expected no such key"},
        {SPEC "  - {name: w, role: worker, reservation: r}\n", "k8s.yaml:6:29: machines[1].reserv..."},
        {SPEC "  - {name: w, role: worker, secure_boot: true}\n", "k8s.yaml:6:29: machines[1].sec..."},
        {SPEC "ssh: {project_key: true}\n", "k8s.yaml:6:7: ssh.project_key: belongs to provider gce, "
                                            "but provider.kind is local; expected no such key"},
        {SPEC "expose: [{port: 1, from: [10.0.0.0/8]}]\n", "k8s.yaml:6:1: expose: belongs to ..."},
    };
    char text[256], expected[160];

    CHECK_ALL(bad);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        snprintf(text, sizeof(text), TOP "provider: {kind: local, %s}\n" SPEC_MACHINES, keys[i]);
        snprintf(expected, sizeof(expected), "k8s.yaml:3:25: provider.%.*s: belongs to provider gce"
                 ", but provider.kind is local; expected no such key",
                 (int)strcspn(keys[i], ":"), keys[i]);
        spec_assert_bad(&(bad_spec){text, expected}, GPUC_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_gce__defaults),
        cmocka_unit_test(test_spec_gce__every_key),
        cmocka_unit_test(test_spec_gce__the_example),
        cmocka_unit_test(test_spec_gce__places),
        cmocka_unit_test(test_spec_gce__limits_and_labels),
        cmocka_unit_test(test_spec_gce__machines),
        cmocka_unit_test(test_spec_gce__exposed_ports),
        cmocka_unit_test(test_spec_gce__keys_with_other_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

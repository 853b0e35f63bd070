/* SPDX-License-Identifier: Apache-2.0 */
/* From spec to model: defaults, expansion of count, absolute paths. */
#include "support/spec.h"

#include <stdlib.h>
#include <unistd.h>

#define EXAMPLES GPUC_TEST_DATA "/../../examples/specs/"

static void test_spec_model__defaults_of_local(void **unused)
{
    gpuc__spec_model *m = spec_model(SPEC);

    assert_string_equal(m->name, "k8s");
    assert_int_equal(m->provider, GPUC__PROVIDER_LOCAL);
    assert_null(m->provider_socket);
    assert_string_equal(m->provider_project, "default");
    assert_null(m->provider_image);
    assert_string_equal(m->kubernetes_version, "1.36");
    assert_string_equal(m->pod_subnet, "10.244.0.0/16");
    assert_string_equal(m->service_subnet, "10.96.0.0/12");
    assert_false(m->startup_taint);
    assert_null(m->source_mirror);
    assert_null(m->source_bundle);
    assert_string_equal(m->ssh_user, "debian");
    assert_null(m->ssh_identity);
    assert_null(m->ssh_known_hosts);
    assert_null(m->ssh_jump_host_keys[0]);
    assert_false(m->ssh_agent);
    assert_false(m->ssh_trust_first_use);
    assert_string_equal(m->gpu_driver, "auto");
    assert_int_equal(m->machine_count, 1);
    assert_string_equal(m->machines[0].user, "debian");
    assert_int_equal(m->machines[0].gpus, 0);
    assert_null(m->machines[0].memory);
    assert_null(m->machines[0].gpu_devices[0]);
    gpuc__spec_model_free(m);
}

static void test_spec_model__count_is_expanded(void **unused)
{
    gpuc__spec_model *m = spec_model(SPEC "  - {name: w, role: worker, count: 2, cpus: 3, memory: "
                                          "2GiB, image: a/b, gpus: 1}\n"
                                          "  - {name: one, role: worker, count: 1}\n");
    const gpuc__machine_model *w2 = gpuc__spec_model_machine(m, "w-2");

    assert_int_equal(m->machine_count, 4);
    assert_non_null(w2);
    assert_string_equal(w2->group, "w");
    assert_int_equal(w2->role, GPUC__ROLE_WORKER);
    assert_int_equal(w2->cpus, 3);
    assert_string_equal(w2->memory, "2GiB");
    assert_string_equal(w2->image, "a/b");
    assert_int_equal(w2->gpus, 1);
    assert_non_null(gpuc__spec_model_machine(m, "w-1"));
    assert_non_null(gpuc__spec_model_machine(m, "one-1"));
    assert_null(gpuc__spec_model_machine(m, "w"));
    assert_null(gpuc__spec_model_machine(m, "w-3"));
    gpuc__spec_model_free(m);
}

static void test_spec_model__gpus(void **unused)
{
    gpuc__spec_model *m = spec_model(
        SPEC "  - {name: a, role: worker, accelerator: {type: nvidia-l4}}\n"
             "  - {name: b, role: worker, accelerator: {count: 4}}\n"
             "  - {name: c, role: worker, gpus: [\"0000:65:00.0\", \"0000:66:00.0\"]}\n"
             "  - {name: d, role: worker, gpus: 0}\n");

    assert_int_equal(m->machines[1].gpus, 1);
    assert_string_equal(m->machines[1].accelerator, "nvidia-l4");
    assert_int_equal(m->machines[2].gpus, 4);
    assert_null(m->machines[2].accelerator);
    assert_int_equal(m->machines[3].gpus, 2);
    assert_string_equal(m->machines[3].gpu_devices[1], "0000:66:00.0");
    assert_null(m->machines[3].gpu_devices[2]);
    assert_int_equal(m->machines[4].gpus, 0);
    gpuc__spec_model_free(m);
}

static gpuc__spec_model *load_model(const char *path)
{
    gpuc__spec_model *model = NULL;
    gpuc_spec *spec = NULL;
    gpuc_error *err = NULL;

    if (gpuc_spec_load(&spec, path, &err) || gpuc__spec_model_new(&model, spec, &err))
        fail_msg("%s", gpuc_error_message(err));
    gpuc_spec_unref(spec);
    return model;
}

static void test_spec_model__ssh_example(void **unused)
{
    char *folder = realpath(EXAMPLES, NULL), expected[4096 + 32];
    gpuc__spec_model *m;

    setenv("HOME", "/home/someone", 1);
    m = load_model(EXAMPLES "ssh.yaml");
    assert_int_equal(m->provider, GPUC__PROVIDER_SSH);
    assert_string_equal(m->ssh_identity, "/home/someone/.ssh/id_ed25519");
    snprintf(expected, sizeof(expected), "%s/known_hosts", folder);
    assert_string_equal(m->ssh_known_hosts, expected);
    assert_int_equal(m->machine_count, 3);
    assert_int_equal(m->machines[0].port, 22);
    assert_int_equal(m->machines[1].port, 2222);
    assert_int_equal(m->machines[1].gpus, 2);
    assert_string_equal(m->machines[1].user, "debian");
    assert_string_equal(m->machines[1].identity, m->ssh_identity);
    assert_string_equal(m->machines[2].user, "ops");
    assert_string_equal(m->machines[2].host, "2001:db8::7");
    assert_int_equal(strncmp(m->machines[2].host_keys[0], "ssh-ed25519 AAAA", 16), 0);
    assert_null(m->machines[2].host_keys[1]);
    assert_null(m->machines[0].host_keys[0]);
    gpuc__spec_model_free(m);
    free(folder);
}

static void test_spec_model__quickstart_example(void **unused)
{
    gpuc__spec_model *m = load_model(EXAMPLES "quickstart.yaml");

    assert_int_equal(m->machine_count, 4);
    assert_string_equal(m->provider_image, "gpucluster-debian-12");
    assert_null(gpuc__spec_model_machine(m, "worker-cpu")->image);
    assert_int_equal(gpuc__spec_model_machine(m, "worker-cpu")->gpus, 0);
    assert_string_equal(gpuc__spec_model_machine(m, "worker-gpu-2")->image,
                        "gpucluster-debian-12-simgpu");
    assert_int_equal(gpuc__spec_model_machine(m, "worker-gpu-2")->gpus, 1);
    gpuc__spec_model_free(m);
}

static void test_spec_model__local_example(void **unused)
{
    gpuc__spec_model *m = load_model(EXAMPLES "local.yaml");

    assert_int_equal(m->machine_count, 2);
    assert_string_equal(m->machines[1].gpu_devices[0], "0000:65:00.0");
    gpuc__spec_model_free(m);
}

/* A path keeps its meaning when the spec travels as JSON, as it does into the state. */
static void test_spec_model__paths_survive_json(void **unused)
{
    gpuc_spec *spec = NULL;
    gpuc__spec_model *m;
    char here[4096], expected[4200], *json;

    assert_non_null(getcwd(here, sizeof(here)));
    spec = spec_parse(SPEC "sources: {bundle: some/bundle}\nssh: {identity: ~/k}\n");
    json = gpuc_spec_to_json(spec);
    gpuc_spec_unref(spec);
    assert_int_equal(chdir("/"), 0);
    m = spec_model(json);
    snprintf(expected, sizeof(expected), "%s/some/bundle", here);
    assert_string_equal(m->source_bundle, expected);
    assert_int_equal(chdir(here), 0);
    gpuc__spec_model_free(m);
    gpuc_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_model__defaults_of_local),
        cmocka_unit_test(test_spec_model__count_is_expanded),
        cmocka_unit_test(test_spec_model__gpus),
        cmocka_unit_test(test_spec_model__ssh_example),
        cmocka_unit_test(test_spec_model__quickstart_example),
        cmocka_unit_test(test_spec_model__local_example),
        cmocka_unit_test(test_spec_model__paths_survive_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the provider `local` decides without a daemon: facts, options, names, commands. */
#include "support/provider_client.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provider/local/facts.h"
#include "provider/local/local.h"

static const char *option(json_t *config, const char *key)
{
    return json_string_value(json_object_get(config, key));
}

static void test_local_facts__cgroup_v1_without_apparmor(void **state)
{
    const gpuc__local_facts facts = {.cgroup = 1};
    json_t *config = gpuc__local_container_config(&facts);

    assert_string_equal(option(config, "security.privileged"), "true");
    assert_string_equal(option(config, "security.nesting"), "true");
    assert_string_equal(option(config, "raw.lxc"),
                        "lxc.mount.auto=proc:rw sys:rw cgroup:rw:force\n"
                        "lxc.cap.drop=\n"
                        "lxc.cgroup.devices.allow=a\n"
                        "lxc.mount.entry=/dev/kmsg dev/kmsg none bind,create=file 0 0");
    assert_null(option(config, "linux.kernel_modules"));
    json_decref(config);
}

static void test_local_facts__cgroup_v2_with_apparmor_and_modules(void **state)
{
    const gpuc__local_facts facts = {.cgroup = 2, .apparmor = true, .modules = true};
    json_t *config = gpuc__local_container_config(&facts);
    const char *raw = option(config, "raw.lxc");

    assert_non_null(strstr(raw, "lxc.cgroup2.devices.allow=a"));
    assert_null(strstr(raw, "lxc.cgroup.devices"));
    assert_null(strstr(raw, ":force"));
    assert_non_null(strstr(raw, "lxc.apparmor.profile=unconfined"));
    assert_non_null(strstr(option(config, "linux.kernel_modules"), "br_netfilter"));
    json_decref(config);
}

static void make(const char *root, const char *path, bool directory)
{
    char *whole = gpuc__asprintf("%s%s", root, path);

    for (char *p = whole + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(whole, 0755);
    }
    if (directory)
        mkdir(whole, 0755);
    else
        fclose(fopen(whole, "w"));
    gpuc__free(whole);
}

static void test_local_facts__are_read_from_the_host(void **state)
{
    char root[] = "/tmp/gpuc-test-facts-XXXXXX", *remove_all;
    gpuc__local_facts facts;

    assert_non_null(mkdtemp(root));
    gpuc__local_facts_probe(&facts, root);
    assert_int_equal(facts.cgroup, 1);
    assert_false(facts.apparmor);
    assert_false(facts.modules);
    make(root, "/sys/fs/cgroup/cgroup.controllers", false);
    make(root, "/sys/kernel/security/apparmor", true);
    make(root, "/proc/modules", false);
    gpuc__local_facts_probe(&facts, root);
    assert_int_equal(facts.cgroup, 2);
    assert_true(facts.apparmor);
    assert_false(facts.modules); /* there is no folder of modules for this kernel */
    remove_all = gpuc__asprintf("%s/sys/fs/cgroup/cgroup.controllers", root);
    unlink(remove_all);
    gpuc__free(remove_all);
    remove_all = gpuc__asprintf("%s/proc/modules", root);
    unlink(remove_all);
    gpuc__free(remove_all);
    static const char *const folders[] = {
        "/sys/fs/cgroup", "/sys/fs", "/sys/kernel/security/apparmor", "/sys/kernel/security",
        "/sys/kernel", "/sys", "/proc", "",
    };
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *folder = gpuc__asprintf("%s%s", root, folders[i]);

        assert_int_equal(rmdir(folder), 0);
        gpuc__free(folder);
    }
}

static void test_local_facts__names_are_labels_and_stay_apart(void **state)
{
    char *plain = gpuc__local_instance_name("k8s", "master");
    char *one = gpuc__local_instance_name("a-cluster-with-a-name-of-forty-characters",
                                          "kubernetes-worker-gpu-100");
    char *two = gpuc__local_instance_name("a-cluster-with-a-name-of-forty-characters",
                                          "kubernetes-worker-gpu-101");

    assert_string_equal(plain, "k8s-master");
    assert_int_equal(strlen(one), 63);
    assert_int_equal(strlen(two), 63);
    assert_string_not_equal(one, two);
    gpuc__free(plain);
    gpuc__free(one);
    gpuc__free(two);
}

static void test_local_facts__commands_are_quoted(void **state)
{
    static char name[] = "c1", machine[] = "m1", user[] = "debian", image[] = "x'; rm -rf /";
    static char socket[] = "/run/incus/unix.socket", pci[] = "0000:00:04.0";
    char *devices[] = {pci, NULL};
    gpuc__machine_model model = {.name = machine, .user = user, .image = image, .cpus = 2,
                                 .gpu_devices = devices};
    gpuc__spec_model spec = {.name = name, .provider_socket = socket, .machines = &model,
                             .machine_count = 1};
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = "u-1"};
    gpuc__provider *provider = NULL;
    char *text;

    assert_int_equal(gpuc_context_new(&config.context, NULL), GPUC_OK);
    assert_int_equal(gpuc__provider_local.new_(&provider, &config, NULL), GPUC_OK);
    text = gpuc__provider_local.shell(provider, &model, false);
    assert_memory_equal(text, "incus init 'x'\\''; rm -rf /' c1-m1", 34);
    assert_non_null(strstr(text, "pci='0000:00:04.0'"));
    assert_non_null(strstr(text, "'user.gpucluster.cluster=u-1'"));
    gpuc__free(text);
    text = gpuc__provider_local.shell(provider, &model, true);
    assert_string_equal(text, "incus delete --force c1-m1\n");
    gpuc__free(text);
    gpuc__provider_local.free(provider);
    gpuc_context_unref(config.context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_facts__cgroup_v1_without_apparmor),
        cmocka_unit_test(test_local_facts__cgroup_v2_with_apparmor_and_modules),
        cmocka_unit_test(test_local_facts__are_read_from_the_host),
        cmocka_unit_test(test_local_facts__names_are_labels_and_stay_apart),
        cmocka_unit_test(test_local_facts__commands_are_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

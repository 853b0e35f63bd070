/* SPDX-License-Identifier: Apache-2.0 */
/* Each link of the chain from the driver to allocatable GPUs, missing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/chain.h"
#include "util/alloc.h"

#define NODE(allocatable, capacity, ready, more)                                                   \
    "\"node\":{\"metadata\":{\"name\":\"gpu-1\",\"labels\":{\"gpucluster/gpu-present\":\"true\"}},"  \
    "\"spec\":{" more "},\"status\":{\"allocatable\":{\"nvidia.com/gpu\":\"" allocatable            \
    "\"},\"capacity\":{\"nvidia.com/gpu\":\"" capacity "\",\"cpu\":\"8\"},\"conditions\":[{\"type\":" \
    "\"Ready\",\"status\":\"" ready "\",\"message\":\"container runtime is down\"}]}}"
#define CLASSES ",\"runtimeClasses\":[{\"metadata\":{\"name\":\"nvidia\"},\"handler\":\"nvidia\"}]"
#define SET(selector)                                                                              \
    ",\"daemonSets\":[{\"metadata\":{\"name\":"                                                     \
    "\"nvidia-device-plugin\",\"namespace\":\"kube-system\"},\"spec\":{\"template\":{\"spec\":{"     \
    "\"runtimeClassName\":\"nvidia\",\"nodeSelector\":{\"gpucluster/gpu-present\":\"" selector       \
    "\"},\"tolerations\":[{\"key\":\"nvidia.com/gpu\",\"operator\":\"Exists\"}]}}}},"               \
    "{\"metadata\":{\"name\":\"other\"}}]"
#define POD(phase, status)                                                                         \
    ",\"pod\":{\"metadata\":{\"namespace\":\"kube-system\",\"name\":\"plugin-x\",\"uid\":\"u\","      \
    "\"ownerReferences\":[{\"name\":\"nvidia-device-plugin\"}]},\"spec\":{\"nodeName\":\"gpu-1\"},"   \
    "\"status\":{\"phase\":\"" phase "\",\"containerStatuses\":[{\"name\":\"c\"," status "}]}}"
#define RUNS POD("Running", "\"state\":{\"running\":{}}")
#define WAITS(reason, message)                                                                     \
    POD("Pending", "\"state\":{\"waiting\":{\"reason\":\"" reason "\",\"message\":\"" message "\"}}")
#define NONE NODE("0", "0", "True", "")
#define ALL NONE CLASSES SET("true")
#define EVENT(reason, message)                                                                     \
    ",\"events\":[{\"type\":\"Warning\",\"reason\":\"" reason "\",\"message\":\"" message              \
    "\",\"lastTimestamp\":\"2026-01-01T00:00:00Z\"}]"

static long left = -1; /* allocations that still work; -1: all */

static void *failing_malloc(size_t size)
{
    if (left == 0)
        return NULL;
    left -= left > 0;
    return malloc(size);
}

static void *failing_realloc(void *memory, size_t size)
{
    return left == 0 ? NULL : realloc(memory, size);
}

static const gpuc_allocator allocator = {failing_malloc, failing_realloc, free};

/* A machine on which all is right. */
static gpuc__collect_chain whole_machine(void)
{
    return (gpuc__collect_chain){.known = true,
                                 .smi_known = true,
                                 .smi_read = true,
                                 .smi_gpus = 2,
                                 .runtime = "/usr/bin/nvidia-container-runtime",
                                 .containerd = "active",
                                 .kubelet = "active",
                                 .config_known = true,
                                 .handler = true,
                                 .binary = "/usr/bin/nvidia-container-runtime",
                                 .binary_is_there = true,
                                 .sockets_known = true,
                                 .plugin_socket = true,
                                 .kubelet_socket = true};
}

static gpuc__chain diagnose(long wanted, const char *facts, const gpuc__collect_chain *machine)
{
    json_t *json = json_loads(facts, 0, NULL);
    gpuc__chain chain = {0};

    assert_non_null(json);
    assert_int_equal(gpuc__chain_diagnose(&chain, wanted, json, machine, NULL), GPUC_OK);
    json_decref(json);
    return chain;
}

/* That the link is named, with these words, and with a remedy. */
static void missing(const char *link, const char *words, const char *facts,
                    const gpuc__collect_chain *machine)
{
    gpuc__chain chain = diagnose(2, facts, machine);

    if (!chain.link || strcmp(chain.link, link) != 0 || !strstr(chain.observed, words))
        print_error("%s: %s\n", chain.link ? chain.link : "-", chain.observed);
    assert_non_null(chain.link);
    assert_string_equal(chain.link, link);
    assert_non_null(strstr(chain.observed, words));
    assert_non_null(strstr(chain.observed, " of 2; "));
    assert_true(chain.remedy && *chain.remedy);
    assert_null(strstr(chain.remedy, "NODE"));
    gpuc__chain_clear(&chain);
}

static void test_chain__nothing_is_missing(void **state)
{
    gpuc__chain chain = diagnose(2, "{" NODE("2", "2", "True", "") "}", NULL);

    assert_null(chain.link);
    assert_null(chain.remedy);
    assert_string_equal(chain.observed, "nvidia.com/gpu: 2 of 2");
    gpuc__chain_clear(&chain);
    /* A node of which nothing is known should offer what it has. */
    chain = diagnose(-1, "{" NODE("8", "8", "True", "") "}", NULL);
    assert_null(chain.link);
    gpuc__chain_clear(&chain);
    chain = diagnose(-1, "{" NODE("7", "8", "True", "") CLASSES SET("true") RUNS "}", NULL);
    assert_string_equal(chain.link, "plugin.unhealthy");
    assert_string_equal(chain.pod, "plugin-x");
    gpuc__chain_clear(&chain);
}

static void test_chain__machine(void **state)
{
    gpuc__collect_chain m = whole_machine();

    m.smi_status = 9;
    snprintf(m.smi_line, sizeof(m.smi_line), "%s", "NVIDIA-SMI has failed");
    missing("driver", "NVIDIA-SMI has failed", "{" ALL "}", &m);
    m = whole_machine();
    m.smi_gpus = 1;
    missing("driver", "nvidia-smi lists 1", "{" ALL "}", &m);
    m.smi_gpus = 2;
    snprintf(m.kubelet, sizeof(m.kubelet), "%s", "inactive");
    missing("kubelet", "the kubelet is inactive", "{" ALL "}", &m);
    m = whole_machine();
    m.binary_is_there = false;
    missing("toolkit", "which is not there", "{" ALL "}", &m);
    m.binary[0] = m.runtime[0] = '\0';
    missing("toolkit", "no nvidia-container-runtime", "{" ALL "}", &m);
    m = whole_machine();
    snprintf(m.containerd, sizeof(m.containerd), "%s", "failed");
    missing("containerd", "containerd is failed", "{" ALL "}", &m);
    m = whole_machine();
    m.handler = m.binary_is_there = false;
    m.binary[0] = '\0';
    missing("containerd", "has no runtime nvidia", "{" ALL "}", &m);
    m = whole_machine();
    snprintf(m.unread, sizeof(m.unread), "%s", "/etc/containerd/conf.d/99-nvidia.toml");
    missing("containerd", "99-nvidia.toml since", "{" ALL "}", &m);
}

static void test_chain__api(void **state)
{
    missing("kubelet", "container runtime is down", "{" NODE("0", "0", "Unknown", "") "}", NULL);
    missing("runtime-class", "no RuntimeClass nvidia", "{" NONE ",\"runtimeClasses\":[]" SET("true") "}",
            NULL);
    missing("plugin.absent", "no DaemonSet", "{" NONE CLASSES ",\"daemonSets\":[]}", NULL);
    missing("unknown", "forbidden", "{" NONE CLASSES ",\"refused\":{\"daemonSets\":\"forbidden\"}}", NULL);
    missing("unknown", "no pods", "{" ALL ",\"refused\":{\"pod\":\"no pods\"}}", NULL);
    missing("unknown", "says why", "{" NONE "}", NULL);
}

static void test_chain__pod_is_not_placed(void **state)
{
    static const char set[] =
        "{" NONE CLASSES ",\"daemonSets\":[{\"metadata\":{\"name\":\"nvidia-device-plugin\"},\"spec\":{"
        "\"template\":{\"spec\":{\"nodeSelector\":{\"accelerator\":\"yes\"}}}}}]}";

    missing("plugin.unscheduled", "accelerator=yes, on this node it is not set", set, NULL);
    missing("plugin.unscheduled", "taint dedicated",
            "{" NODE("0", "0", "True",
                     "\"taints\":[{\"key\":\"nvidia.com/gpu\",\"effect\":\"NoSchedule\"},"
                     "{\"key\":\"node.kubernetes.io/unschedulable\",\"effect\":\"NoSchedule\"},"
                     "{\"key\":\"soft\",\"effect\":\"PreferNoSchedule\"},"
                     "{\"key\":\"dedicated\",\"value\":\"db\",\"effect\":\"NoExecute\"}]") CLASSES
            ",\"daemonSets\":[{\"metadata\":{\"name\":\"p\"},\"spec\":{\"template\":{\"spec\":{"
            "\"tolerations\":[{\"key\":\"nvidia.com/gpu\",\"operator\":\"Exists\"},{\"key\":\"dedicated\","
            "\"operator\":\"Equal\",\"value\":\"web\"}]}}}}]}",
            NULL);
    missing("plugin.unscheduled", "has no pod for the node", "{" ALL "}", NULL);
    missing("plugin.unscheduled", "Insufficient memory",
            "{" ALL ",\"pod\":{\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":"
            "\"PodScheduled\",\"status\":\"False\",\"message\":\"Insufficient memory\"}]}}}",
            NULL);
}

static void test_chain__pod_does_not_run(void **state)
{
    missing("plugin.image", "not found",
            "{" ALL WAITS("ErrImagePull", "nvcr.io/nvidia/x:v9: not found") "}", NULL);
    missing("plugin.image", "valid", "{" ALL WAITS("InvalidImageName", "") "}", NULL);
    missing("containerd", "no runtime for",
            "{" ALL WAITS("ContainerCreating", "")
            EVENT("FailedCreatePodSandBox", "no runtime for \\\"nvidia\\\" is configured") "}",
            NULL);
    missing("plugin.sandbox", "cni", "{" ALL WAITS("ContainerCreating", "")
            EVENT("FailedCreatePodSandBox", "failed to set up: cni") "}", NULL);
    missing("plugin.starting", "Pending", "{" ALL WAITS("ContainerCreating", "") "}", NULL);
    missing("plugin.crash", "cannot be started",
            "{" ALL WAITS("RunContainerError", "nvidia-container-runtime: no driver") "}", NULL);
}

static void test_chain__pod_crashes(void **state)
{
    static const char facts[] =
        "{" ALL POD("Running", "\"restartCount\":3,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\","
                    "\"message\":\"back-off\"}},\"lastState\":{\"terminated\":{\"exitCode\":1,\"reason\":"
                    "\"Error\",\"message\":\"from the kubelet\\n\"}}");
    char with_log[sizeof(facts) + 200];
    gpuc__chain chain;

    snprintf(with_log, sizeof(with_log), "%s}", facts);
    missing("plugin.crash", "status 1: from the kubelet", with_log, NULL);
    snprintf(with_log, sizeof(with_log),
             "%s,\"log\":\"unable to retrieve container logs for containerd://x\"}", facts);
    missing("plugin.crash", "status 1: from the kubelet", with_log, NULL);
    snprintf(with_log, sizeof(with_log), "%s,\"log\":\"first\\nfailed to initialize NVML\\n\\n\"}", facts);
    missing("plugin.crash", "status 1: failed to initialize NVML", with_log, NULL);
    chain = diagnose(2, with_log, NULL);
    assert_non_null(strstr(chain.evidence, "first"));
    assert_non_null(strstr(chain.remedy, "kubectl -n kube-system logs plugin-x --previous"));
    gpuc__chain_clear(&chain);
}

static void test_chain__pod_runs(void **state)
{
    gpuc__collect_chain m = whole_machine();

    missing("plugin.devices", "No devices found",
            "{" ALL RUNS ",\"log\":\"I1 main.go] No devices found. Waiting indefinitely.\\n\"}", &m);
    missing("plugin.devices", "1 of 2 GPUs when it started",
            "{" NODE("1", "1", "True", "") CLASSES SET("true") RUNS "}", &m);
    missing("plugin.unhealthy", "1 of 2 GPUs for unhealthy",
            "{" NODE("1", "2", "True", "") CLASSES SET("true") RUNS "}", &m);
    missing("kubelet", "does not count", "{" ALL RUNS ",\"log\":\"Registered device plugin\"}", &m);
    missing("kubelet", "Could not register",
            "{" ALL RUNS ",\"log\":\"E1 server.go] Could not register device plugin: deadline\"}", &m);
    m.plugin_socket = false;
    missing("plugin.devices", "no socket", "{" ALL RUNS "}", &m);
    /* While it runs, the class it was started with is not what is missing. */
    missing("plugin.unhealthy", "2 of 2", "{" NODE("0", "2", "True", "") SET("true")
            ",\"runtimeClasses\":[]" RUNS "}", &m);
}

static void test_chain__counts_mig_devices(void **state)
{
    gpuc__collect_chain cut = {.mig = true, .slices = 7};
    json_t *node = json_pack("{s:{s:{s:s,s:s,s:s,s:s,s:i},s:{s:s}}}", "status", "allocatable",
                             "nvidia.com/gpu", "1", "nvidia.com/mig-1g.10gb", "7",
                             "nvidia.com/gpu.shared", "x", "amd.com/gpu", "4", "nvidia.com/mig-bad", 3,
                             "capacity", "nvidia.com/gpu", "99999999999999999999");

    assert_int_equal(gpuc__chain_gpus(node, false), 8);
    assert_true(gpuc__chain_gpus(node, true) > 0);
    assert_int_equal(gpuc__chain_gpus(NULL, true), 0);
    json_decref(node);
    /* A machine with one GPU, cut into seven: the plugin offers either. */
    node = json_pack("{s:{s:{s:s}}}", "status", "capacity", "nvidia.com/mig-1g.10gb", "7");
    assert_int_equal(gpuc__chain_wanted(1, node, &cut), 7);
    assert_int_equal(gpuc__chain_wanted(1, node, NULL), 1);
    json_decref(node);
    node = json_pack("{s:{s:{s:s}}}", "status", "capacity", "nvidia.com/gpu", "1");
    assert_int_equal(gpuc__chain_wanted(1, node, &cut), 1);
    json_decref(node);
}

static void test_chain__without_memory(void **state)
{
    static const char facts[] = "{" ALL RUNS ",\"log\":\"No devices found. Waiting indefinitely.\"}";
    json_t *json = json_loads(facts, 0, NULL);

    gpuc_set_allocator(&allocator);
    for (long n = 0;; n++) {
        gpuc__chain chain = {0};
        gpuc_error *err = NULL;
        int rc;

        left = n;
        rc = gpuc__chain_diagnose(&chain, 2, json, NULL, &err);
        left = -1;
        gpuc_error_unref(err);
        gpuc__chain_clear(&chain);
        if (rc == GPUC_OK)
            break;
        assert_int_equal(rc, GPUC_ENOMEM);
        assert_true(n < 1000);
    }
    gpuc_set_allocator(NULL);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain__nothing_is_missing),
        cmocka_unit_test(test_chain__machine),
        cmocka_unit_test(test_chain__api),
        cmocka_unit_test(test_chain__pod_is_not_placed),
        cmocka_unit_test(test_chain__pod_does_not_run),
        cmocka_unit_test(test_chain__pod_crashes),
        cmocka_unit_test(test_chain__pod_runs),
        cmocka_unit_test(test_chain__counts_mig_devices),
        cmocka_unit_test(test_chain__without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

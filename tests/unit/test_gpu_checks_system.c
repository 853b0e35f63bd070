/* SPDX-License-Identifier: Apache-2.0 */
/* The checks over what is collected beside nvidia-smi: versions, nodes, links, log, second look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/gpu_data.h"
#include "support/gpu_checks.h"

#define PASS GPUC_CHECK_PASS
#define WARN GPUC_CHECK_WARN
#define FAIL GPUC_CHECK_FAIL
#define SKIP GPUC_CHECK_SKIP

static const gpu_machine healthy = GPU_ONE_MACHINE;

static void test_gpu_checks_system__versions(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "drv.match", NULL, SKIP, "nothing to compare", NULL);
    m.modinfo = "580.1.2";
    m.libraries = "libnvidia-ml.so.1 /usr/lib/libnvidia-ml.so.580.1.2\nlibcuda.so.1 /x/libcuda.so.1";
    gpu_expect_one(m, "", "drv.match", NULL, PASS, "loaded 580.1.2, module on disk 580.1.2, libnvidia-ml 580.1.2",
           NULL);
    m.libraries = "libcuda.so.1 /usr/lib/libcuda.so.590.7";
    gpu_expect_one(m, "", "drv.match", NULL, FAIL, "libcuda 590.7", "libraries");
    m.modinfo = "590.7";
    gpu_expect_one(m, "", "drv.match", NULL, FAIL, "module on disk 590.7", "reboot");
    m.version = NULL;
    gpu_expect_one(m, "", "drv.match", NULL, SKIP, "no driver is loaded", NULL);
}

static void test_gpu_checks_system__nodes(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "dev.nodes", NULL, PASS, "1 for GPUs", NULL);
    m.nodes = "/dev/nvidia0 660\n/dev/nvidiactl 666\n/dev/nvidia-uvm 666";
    gpu_expect_one(m, "", "dev.nodes", NULL, WARN, "/dev/nvidia0 660", "chmod");
    m.nodes = "/dev/nvidia0 666\n/dev/nvidiactl 666";
    gpu_expect_one(m, "", "dev.nodes", NULL, FAIL, "/dev/nvidia-uvm is missing", "nvidia-modprobe");
    m.nodes = "/dev/nvidiactl 666\n/dev/nvidia-uvm 666";
    gpu_expect_one(m, "", "dev.nodes", NULL, FAIL, "0 of 1", NULL);
    m.nodes = NULL;
    gpu_expect_one(m, "", "dev.nodes", NULL, SKIP, "could not be listed", NULL);
}

static void test_gpu_checks_system__secure_boot(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "boot.secure", NULL, SKIP, "cannot be read", NULL);
    m.secure_boot = "secure_boot=\nno_efi=1";
    gpu_expect_one(m, "", "boot.secure", NULL, PASS, "no EFI", NULL);
    m.secure_boot = "secure_boot=1";
    gpu_expect_one(m, "", "boot.secure", NULL, PASS, "on", NULL);
    m.kernel_log = "source=dmesg\n[1.0] nvidia: Loading of unsigned module is rejected";
    gpu_expect_one(m, "", "boot.secure", NULL, PASS, "on", NULL); /* it was loaded later */
    m.smi_text = "NVIDIA-SMI has failed";
    m.smi_status = 9;
    gpu_expect_one(m, "", "boot.secure", NULL, FAIL, "refused an unsigned module", "mokutil");
    gpu_expect_one(m, "", "log.fallen", NULL, FAIL, "refused an unsigned module at 1.0", "mokutil");
}

static void test_gpu_checks_system__driver_support(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "drv.support", GPU_ONE, PASS, "580 serves hopper", NULL);
    m.version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.1.2  x";
    gpu_expect_one(m, "", "drv.support", GPU_ONE, WARN, "no longer supports", "install branch 580");
    m.version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.1.2  x";
    gpu_expect_one(m, "", "drv.support", GPU_ONE, FAIL, "470 does not serve hopper", "580");
    m.version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.1.2  x";
    m.pci = GPU_ONE_BUS " 0x10de 0x2901 0x030200 nvidia";
    gpu_expect_one(m, "", "drv.support", GPU_ONE, FAIL, "blackwell needs the open one", "open kernel module");
    m.version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.1.2  x";
    m.pci = GPU_ONE_BUS " 0x10de 0x1db4 0x030200 nvidia";
    gpu_expect_one(m, "", "drv.support", GPU_ONE, FAIL, "volta needs the proprietary one", NULL);
    m.pci = GPU_ONE_BUS " 0x10de 0x102d 0x030200 nvidia";
    m.version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.1.2  x";
    gpu_expect_one(m, "", "drv.support", GPU_ONE, WARN, "470 serves kepler", "replacement");
    m.pci = GPU_ONE_BUS " 0x10de 0xffff 0x030200 nvidia";
    gpu_expect_one(m, "", "drv.support", GPU_ONE, SKIP, "ffff is not in", NULL);
    m = healthy;
    m.facts = "time=1900000000"; /* 2030 */
    gpu_expect_one(m, "", "drv.support", GPU_ONE, WARN, "no longer supports", NULL);
}

#define LINK(gen, gen_max, card, lanes, most)                                                      \
    "<pci><pci_gpu_link_info><pcie_gen><max_link_gen>" gen_max "</max_link_gen><current_link_gen>" \
    gen "</current_link_gen><max_device_link_gen>" card                                            \
    "</max_device_link_gen></pcie_gen><link_widths><max_link_width>" most                          \
    "</max_link_width><current_link_width>" lanes                                                  \
    "</current_link_width></link_widths></pci_gpu_link_info>"
#define SECTION(name, body) "==nonce123 begin " name "\n" body "\n\n==nonce123 end " name " 0\n"
#define AFTER_SMI(body)                                                                            \
    SECTION("smi", "<nvidia_smi_log><gpu id=\"0:A:0\">" body "</gpu></nvidia_smi_log>")

static void test_gpu_checks_system__pcie(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "pcie.link", GPU_ONE, PASS, "x16", NULL); /* sysfs */
    gpu_expect_one(m, LINK("1", "5", "5", "16x", "16x") "</pci>", "pcie.link", GPU_ONE, PASS, "x16", NULL);
    gpu_expect_one(m, LINK("5", "5", "5", "12x", "16x") "</pci>", "pcie.link", GPU_ONE, WARN, "x12 of x16",
           "reseat");
    gpu_expect_one(m, LINK("5", "5", "5", "8x", "16x") "</pci>", "pcie.link", GPU_ONE, FAIL, "x8 of x16",
           "reseat");
    gpu_expect_one(m, LINK("4", "4", "5", "16x", "16x") "</pci>", "pcie.link", GPU_ONE, WARN,
           "slot allows generation 4, the card has 5", "faster slot");
    m.after = SECTION("links", GPU_ONE_BUS " 16 16.0");
    gpu_expect_one(m, LINK("1", "5", "5", "16x", "16x") "</pci>", "pcie.link", GPU_ONE, WARN,
           "generation 4 of 5 right after the probe", NULL);
    m.after = SECTION("links", GPU_ONE_BUS " 4 32.0");
    gpu_expect_one(m, LINK("1", "5", "5", "16x", "16x") "</pci>", "pcie.link", GPU_ONE, FAIL, "x4 of x16",
           NULL);
    m = healthy;
    m.kernel_log = "source=dmesg\n[1.0] pci " GPU_ONE_BUS ": 63.012 Gb/s available PCIe bandwidth, "
                   "limited by 8.0 GT/s PCIe x8 link at 0000:00:01.0";
    gpu_expect_one(m, "", "pcie.link", GPU_ONE, WARN, "the slot limits it", "slot");
    m = healthy;
    m.pci = GPU_ONE_BUS " 0x10de 0x2330 0x030200 nvidia - - - -";
    gpu_expect_one(m, "", "pcie.link", GPU_ONE, SKIP, "does not report its PCIe link", NULL);
}

#define REPLAYS(n) "<replay_counter>" n "</replay_counter></pci>"

static void test_gpu_checks_system__second_look(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, LINK("5", "5", "5", "16x", "16x") REPLAYS("7"), "pcie.replay", GPU_ONE, SKIP,
           "no second look", NULL);
    m.after = AFTER_SMI("<pci><replay_counter>37</replay_counter></pci>");
    gpu_expect_one(m, LINK("5", "5", "5", "16x", "16x") REPLAYS("7"), "pcie.replay", GPU_ONE, PASS,
           "30 replays, up to 30.7", NULL);
    m.after = AFTER_SMI("<pci><replay_counter>38</replay_counter></pci>");
    gpu_expect_one(m, LINK("5", "5", "5", "16x", "16x") REPLAYS("7"), "pcie.replay", GPU_ONE, WARN,
           "31 replays", "reseat");
    m.after = AFTER_SMI("<clocks_event_reasons><clocks_event_reason_hw_thermal_slowdown>Active"
                        "</clocks_event_reason_hw_thermal_slowdown></clocks_event_reasons>");
    gpu_expect_one(m, "", "thermal.throttle", GPU_ONE, FAIL, "hardware thermal after the probe", NULL);
}

static void test_gpu_checks_system__bandwidth(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "perf.membw", GPU_ONE, SKIP, "is not known", NULL);
    m.measured = ",\"gbs\":900.0,\"theoretical_gbs\":1000";
    gpu_expect_one(m, "", "perf.membw", GPU_ONE, PASS, "900.0 of 1000.0 GB/s, 90 %", NULL);
    m.measured = ",\"gbs\":690.0,\"theoretical_gbs\":1000";
    gpu_expect_one(m, "", "perf.membw", GPU_ONE, WARN, "69 %", NULL);
    m.measured = ",\"gbs\":490.0,\"theoretical_gbs\":1000";
    gpu_expect_one(m, "", "perf.membw", GPU_ONE, FAIL, "49 %", "thermal.throttle");
}

#define GPU_LINE "GPU 0: NVIDIA Example (UUID: " GPU_ONE ")\n"

static void test_gpu_checks_system__nvlink(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "nvlink", GPU_ONE, SKIP, "was not answered", NULL);
    m.nvlinks = GPU_LINE "NVML: Unable to retrieve NvLink information as all links are inActive";
    gpu_expect_one(m, "", "nvlink", GPU_ONE, SKIP, "inActive", NULL);
    m.nvlinks = GPU_LINE "\t Link 0: 26.562 GB/s\n\t Link 1: 26.562 GB/s";
    gpu_expect_one(m, "", "nvlink", GPU_ONE, PASS, "2 links are active", NULL);
    m.nvlink_errors = GPU_LINE "\t Link 0: Replay Errors: 2\n\t Link 0: Recovery Errors: 3\n"
                               "\t Link 0: CRC Errors: 0\n\t Link 1: Replay Errors: 1";
    gpu_expect_one(m, "", "nvlink", GPU_ONE, WARN, "at most 5 errors", "reset the GPUs");
    m.nvlinks = GPU_LINE "\t Link 0: 26.562 GB/s\n\t Link 1: <inactive>";
    gpu_expect_one(m, "", "nvlink", GPU_ONE, FAIL, "1 of 2 links are inactive, the first is link 1", NULL);
}

static void test_gpu_checks_system__fabric(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "fabric", NULL, SKIP, "no NVSwitch", NULL);
    gpu_expect_one(m, "", "fabric", GPU_ONE, SKIP, "no NVSwitch fabric", NULL);
    gpu_expect_one(m, "<fabric><state>Completed</state><status>Success</status></fabric>", "fabric", GPU_ONE,
           PASS, "state Completed", NULL);
    gpu_expect_one(m, "<fabric><state>In Progress</state><status>N/A</status></fabric>", "fabric", GPU_ONE,
           FAIL, "state In Progress", "fabricmanager");
    gpu_expect_one(m, "<fabric><state>Completed</state><health><summary>Unhealthy</summary></health></fabric>",
           "fabric", GPU_ONE, FAIL, "health Unhealthy", NULL);
    m.pci = GPU_ONE_BUS " 0x10de 0x2330 0x030200 nvidia\n0000:c1:00.0 0x10de 0x22a3 0x068000 -";
    gpu_expect_one(m, "", "fabric", NULL, FAIL, "is not installed", "install nvidia-fabricmanager");
    m.fabric_manager = "state=inactive\nversion=Fabric Manager version is : 580.1.2";
    gpu_expect_one(m, "", "fabric", NULL, FAIL, "is inactive", "systemctl enable");
    m.fabric_manager = "state=active\nversion=Fabric Manager version is : 580.1.2";
    gpu_expect_one(m, "", "fabric", NULL, PASS, "is active, version 580.1.2", NULL);
    m.fabric_manager = "state=active\nversion=Fabric Manager version is : 570.1.2";
    gpu_expect_one(m, "", "fabric", NULL, FAIL, "version 570.1.2, driver 580.1.2", "of the driver's version");
}

#define XID(rest) "source=journalctl\n2026-01-01T00:00:00+00:00 h kernel: NVRM: Xid (PCI:0000:0a:00): " rest

static void test_gpu_checks_system__kernel_log(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    gpu_expect_one(m, "", "log.xid", GPU_ONE, PASS, "none (journalctl)", NULL);
    m.kernel_log = XID("79, GPU has fallen off the bus.");
    gpu_expect_one(m, "", "log.xid", GPU_ONE, FAIL, "Xid 79 the GPU has fallen off the bus", "power-cycle");
    m.kernel_log = XID("119, Timeout");
    gpu_expect_one(m, "", "log.xid", GPU_ONE, FAIL, "NVIDIA: RESET_GPU", "reset the GPU");
    m.kernel_log = XID("63, Row Remapper");
    gpu_expect_one(m, "", "log.xid", GPU_ONE, WARN, "Xid 63", NULL);
    m.kernel_log = XID("31, MMU Fault");
    gpu_expect_one(m, "", "log.xid", GPU_ONE, PASS, "Xid 31", NULL);
    m.kernel_log = XID("149, NETIR Fatal XC0 i0 Link -1 (0x0 0x0");
    gpu_expect_one(m, "", "log.xid", GPU_ONE, FAIL, "Xid 149", "link");
    m.kernel_log = XID("149, NETIR_BER_EVENT Nonfatal XC0 i0 Link 03 (0x0 0x1");
    gpu_expect_one(m, "", "log.xid", GPU_ONE, WARN, "Xid 149 nonfatal", NULL);
    m.kernel_log = XID("777, x");
    gpu_expect_one(m, "", "log.xid", GPU_ONE, WARN, "not in this version's table", NULL);
    m.kernel_log = "source=dmesg\n[1.0] NVRM: Xid (PCI:0000:99:00): 79, another GPU";
    gpu_expect_one(m, "", "log.xid", GPU_ONE, PASS, "none", NULL);
    gpu_expect_one(m, "", "log.xid", NULL, FAIL, "Xid 79", NULL); /* which is not there any more */
    m.no_kernel_log = true;
    gpu_expect_one(m, "", "log.xid", NULL, WARN, "no kernel log", "journald");
    m.facts = "not_root=1";
    gpu_expect_one(m, "", "log.xid", NULL, SKIP, "may not read the kernel log", "sudo");
}

static void test_gpu_checks_system__applications_faults_repeat(void **state)
{
    gpu_machine m = healthy;
    char log[2048];
    size_t at = (size_t)snprintf(log, sizeof(log), "source=dmesg\n");

    (void)state;
    for (int i = 0; i < 10; i++)
        at += (size_t)snprintf(log + at, sizeof(log) - at,
                               "[1.0] NVRM: Xid (PCI:0000:0a:00): 31, MMU Fault\n");
    m.kernel_log = log;
    gpu_expect_one(m, "", "log.xid", GPU_ONE, WARN, "Xid 31 memory page fault of the GPU x10", NULL);
}

static void test_gpu_checks_system__bus_failures(void **state)
{
    gpu_machine m = healthy;

    (void)state;
    m.kernel_log = "source=dmesg\n[1.0] NVRM: GPU 0000:0a:00.0: GPU has fallen off the bus.";
    gpu_expect_one(m, "", "log.fallen", GPU_ONE, FAIL, "fallen off the bus at 1.0", "power-cycle");
    m.kernel_log = "source=dmesg\n[1.0] pcieport 0000:00:01.0: AER: Uncorrected (Fatal) error "
                   "received: 0000:0a:00.0";
    gpu_expect_one(m, "", "log.fallen", GPU_ONE, FAIL, "fatal PCIe error", NULL);
    m.kernel_log = "source=dmesg\n[1.0] pcieport 0000:00:01.0: AER: Uncorrected (Fatal) error "
                   "received: 0000:0d:00.0"; /* a network card */
    gpu_expect_one(m, "", "log.fallen", NULL, PASS, "none", NULL);
    m.kernel_log = "source=dmesg\n[1.0] NVRM: GPU 0000:0a:00.0: RmInitAdapter failed! (0x22:0x56)";
    gpu_expect_one(m, "", "log.fallen", GPU_ONE, PASS, "over: the driver serves it now", NULL);
    m.smi_text = "No devices were found";
    m.smi_status = 6;
    gpu_expect_one(m, "", "log.fallen", GPU_ONE_BUS, FAIL, "could not initialise the GPU", "reboot");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_checks_system__versions),
        cmocka_unit_test(test_gpu_checks_system__nodes),
        cmocka_unit_test(test_gpu_checks_system__secure_boot),
        cmocka_unit_test(test_gpu_checks_system__driver_support),
        cmocka_unit_test(test_gpu_checks_system__pcie),
        cmocka_unit_test(test_gpu_checks_system__second_look),
        cmocka_unit_test(test_gpu_checks_system__bandwidth),
        cmocka_unit_test(test_gpu_checks_system__nvlink),
        cmocka_unit_test(test_gpu_checks_system__fabric),
        cmocka_unit_test(test_gpu_checks_system__kernel_log),
        cmocka_unit_test(test_gpu_checks_system__applications_faults_repeat),
        cmocka_unit_test(test_gpu_checks_system__bus_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

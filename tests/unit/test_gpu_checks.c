/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of the proof: what passes, what fails, and what each says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/gpu_data.h"
#include "support/gpu_machine.h"
#include "util/alloc.h"

#define FIRST "GPU-aaaaaaaa-0000-4000-8000-000000000001"
#define SECOND "GPU-aaaaaaaa-0000-4000-8000-000000000002"
#define LOST(n) "GPU-bbbbbbbb-0000-4000-8000-00000000000" #n
#define T4 "GPU-dddddddd-0000-4000-8000-000000000001"

static void expect(const gpuc__machine_proof *proof, const char *id, const char *gpu, int status,
                   const char *observed)
{
    const gpuc__check *c = gpuc__proof_find(proof, id, gpu);

    if (!c)
        fail_msg("no check %s %s", id, gpu ? gpu : "");
    if (c->status != status || !strstr(c->observed, observed))
        fail_msg("%s: %d \"%s\"; wanted %d \"%s\"", id, c->status, c->observed, status, observed);
    assert_true(c->threshold[0]);
    if (status > GPUC_CHECK_SKIP)
        assert_true(c->remedy && c->remedy[0]);
    else if (status == GPUC_CHECK_PASS)
        assert_null(c->remedy);
}

static void test_gpu_checks__healthy_beside_busy_and_broken_memory(void **state)
{
    gpu_machine m = GPU_MACHINE_TWO;
    gpuc__machine_proof *p = gpu_machine_prove(&m, "m", 2, "0000:0a:00.0");

    assert_false(p->simulated);
    assert_string_equal(p->driver, "580.1.2");
    assert_string_equal(p->cuda, "13.0");
    assert_int_equal(p->gpu_count, 2);
    assert_true(p->gpus[0].gbs == 600.25);
    expect(p, "gpu.pci.present", NULL, GPUC_CHECK_PASS, "2");
    expect(p, "drv.module", NULL, GPUC_CHECK_PASS, "580.1.2");
    expect(p, "smi.run", NULL, GPUC_CHECK_PASS, "2 GPUs");
    expect(p, "gpu.count", NULL, GPUC_CHECK_PASS,
           "spec 2, PCI bus 2, nvidia-smi 2, /dev/nvidiaN 2");
    expect(p, "gpu.lost", FIRST, GPUC_CHECK_PASS, "none");
    expect(p, "gpu.recovery", FIRST, GPUC_CHECK_PASS, "None");
    expect(p, "mem.ecc.unc", FIRST, GPUC_CHECK_PASS, "0");
    expect(p, "mem.ecc.unc", SECOND, GPUC_CHECK_FAIL, "3");
    expect(p, "mode.compute", SECOND, GPUC_CHECK_PASS, "Default");
    expect(p, "cuda.compute", FIRST, GPUC_CHECK_PASS, "600.2");
    expect(p, "cuda.compute", SECOND, GPUC_CHECK_SKIP,
           "left alone: process 4242 /opt/a & b/trainer --name=R&D runs on it, and 1 more");
    assert_int_equal(gpuc__proof_verdict(p), GPUC_CHECK_FAIL);
    gpuc__proof_free(p);
}

static void test_gpu_checks__lost_and_sick(void **state)
{
    gpu_machine m = {.facts = "kernel=6.1", .fixture = "lost-535.xml"};
    gpuc__machine_proof *p = gpu_machine_prove(&m, "m", -1, "0000:06:00.0");

    expect(p, "gpu.lost", LOST(1), GPUC_CHECK_FAIL, "\"GPU is lost\" in 7 elements");
    expect(p, "gpu.recovery", LOST(1), GPUC_CHECK_FAIL, "reset required: GPU is lost");
    expect(p, "mem.ecc.unc", LOST(1), GPUC_CHECK_FAIL, "GPU is lost");
    expect(p, "gpu.lost", LOST(2), GPUC_CHECK_FAIL, "ERR!");
    expect(p, "gpu.recovery", LOST(2), GPUC_CHECK_FAIL, "reset required: Yes");
    expect(p, "mode.compute", LOST(2), GPUC_CHECK_FAIL, "Prohibited");
    expect(p, "mem.ecc.unc", LOST(2), GPUC_CHECK_SKIP, "does not count");
    expect(p, "gpu.recovery", LOST(3), GPUC_CHECK_PASS, "no reset required");
    expect(p, "mode.compute", LOST(3), GPUC_CHECK_WARN, "Exclusive_Process");
    expect(p, "cuda.compute", LOST(1), GPUC_CHECK_FAIL, "CUDA could not be pointed at it");
    expect(p, "gpu.pci.present", NULL, GPUC_CHECK_FAIL, "could not be read");
    expect(p, "drv.module", NULL, GPUC_CHECK_FAIL, "not loaded");
    gpuc__proof_free(p);
}

static void test_gpu_checks__mig(void **state)
{
    gpu_machine m = {.facts = "", .fixture = "mig-590.xml"};
    gpuc__machine_proof *p = gpu_machine_prove(&m, "m", 1, "");
    static const char gpu[] = "GPU-cccccccc-0000-4000-8000-000000000001";

    expect(p, "mode.compute", gpu, GPUC_CHECK_WARN, "MIG is enabled, 2 devices");
    expect(p, "cuda.compute", gpu, GPUC_CHECK_FAIL, "at MIG device 0 1: nvidia-smi -L does not");
    expect(p, "gpu.recovery", gpu, GPUC_CHECK_FAIL, "Drain and Reset");
    gpuc__proof_free(p);
}

static void test_gpu_checks__counts_differ(void **state)
{
    gpu_machine m = GPU_MACHINE_TWO;
    gpuc__machine_proof *p = gpu_machine_prove(&m, "m", 3, NULL);

    expect(p, "gpu.pci.present", NULL, GPUC_CHECK_FAIL, "2 NVIDIA GPUs; the spec declares 3");
    expect(p, "gpu.count", NULL, GPUC_CHECK_FAIL, "spec 3");
    gpuc__proof_free(p);
    m.fixture = "simulated.xml"; /* one GPU, at another address */
    m.nodes = "/dev/nvidia0";
    p = gpu_machine_prove(&m, "m", -1, "0000:00:04.0");
    expect(p, "gpu.count", NULL, GPUC_CHECK_FAIL, "PCI bus 2, nvidia-smi 1");
    assert_non_null(strstr(gpuc__proof_find(p, "gpu.count", NULL)->evidence,
                           "0000:0b:00.0 is on the PCI bus and not in nvidia-smi"));
    assert_int_equal(p->gpu_count, 3); /* each by one name or another */
    expect(p, "cuda.compute", "0000:0b:00.0", GPUC_CHECK_FAIL, "CUDA could not be pointed at it");
    gpuc__proof_free(p);
    m.pci = "";
    p = gpu_machine_prove(&m, "m", 1, NULL);
    expect(p, "gpu.pci.present", NULL, GPUC_CHECK_FAIL, "no NVIDIA GPU");
    gpuc__proof_free(p);
}

static void test_gpu_checks__driver(void **state)
{
    gpu_machine m = GPU_MACHINE_TWO;
    gpuc__machine_proof *p;

    m.modules = "nvidia 1 0";
    p = gpu_machine_prove(&m, "m", 2, NULL);
    expect(p, "drv.module", NULL, GPUC_CHECK_WARN, "nvidia_uvm is not loaded");
    gpuc__proof_free(p);
    m.pci = "0000:0a:00.0 0x10de 0x2236 0x030200 nouveau";
    p = gpu_machine_prove(&m, "m", 2, NULL);
    expect(p, "drv.module", NULL, GPUC_CHECK_FAIL, "nouveau drives the GPU at 0000:0a:00.0");
    gpuc__proof_free(p);
}

static void test_gpu_checks__nvidia_smi_fails(void **state)
{
    static const struct {
        int status;
        const char *text, *observed, *remedy;
    } cases[] = {
        {9, "NVIDIA-SMI has failed", "exit status 9: the NVIDIA driver is not loaded", "modprobe"},
        {127, "", "exit status 127: there is no nvidia-smi", "gpu.driver"},
        {124, "", "did not answer within 60 s", "power-cycle"},
        {18, "Failed to initialize NVML: Driver/library version mismatch", "differ in version",
         "reboot"},
        {99, "what", "exit status 99", "nvidia-smi"},
        {0, "<nvidia_smi_log><gpu>", "exit status 0, but nvidia-smi's XML is damaged", "-q -x"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gpu_machine m = GPU_MACHINE_TWO;
        gpuc__machine_proof *p;

        m.fixture = NULL;
        m.smi_text = cases[i].text;
        m.smi_status = cases[i].status;
        p = gpu_machine_prove(&m, "m", 2, NULL);
        expect(p, "smi.run", NULL, GPUC_CHECK_FAIL, cases[i].observed);
        assert_non_null(
            strstr(gpuc__proof_find(p, "smi.run", NULL)->remedy, cases[i].remedy));
        expect(p, "gpu.count", NULL, GPUC_CHECK_FAIL, "nvidia-smi none readable");
        expect(p, "cuda.compute", "0000:0a:00.0", GPUC_CHECK_SKIP, "not run");
        gpuc__proof_free(p);
    }
}

static void test_gpu_checks__nothing_to_run_the_probe_with(void **state)
{
    static const char text[] =
        "{\"event\":\"fatal\",\"stage\":\"choose\",\"code\":0,\"error\":\"NO_RUNNER\","
        "\"detail\":\"there is neither python3 nor a C compiler\"}\n";
    gpu_machine m = GPU_MACHINE_SIMULATED;
    gpuc__collect *collect;
    gpuc__probe *probe = NULL;
    gpuc__machine_proof *p = NULL;

    collect = gpu_machine_collect(&m);
    assert_int_equal(gpuc__probe_parse(&probe, 6, text, sizeof(text) - 1, "", 0, NULL), GPUC_OK);
    assert_int_equal(gpuc__proof_evaluate(&p, "m", 1, collect, probe, NULL, NULL, NULL), GPUC_OK);
    expect(p, "cuda.compute", T4, GPUC_CHECK_SKIP, "neither python3 nor a C compiler");
    gpuc__probe_free(probe);
    gpuc__collect_free(collect);
    gpuc__proof_free(p);
}

static void test_gpu_checks__nothing_was_collected(void **state)
{
    gpuc__machine_proof *p = NULL;

    assert_int_equal(gpuc__proof_evaluate(&p, "m", 1, NULL, NULL, "not reachable", NULL, NULL),
                     GPUC_OK);
    assert_int_equal(gpuc__proof_verdict(p), GPUC_CHECK_FAIL);
    expect(p, "smi.run", NULL, GPUC_CHECK_FAIL, "cut before nvidia-smi ran");
    gpuc__proof_free(p);
    assert_int_equal(gpuc__proof_evaluate(&p, "m", -2, NULL, NULL, NULL, NULL, NULL), GPUC_EINVAL);
}

static void test_gpu_checks__undeclared_gpus_are_named(void **state)
{
    gpu_machine m = GPU_MACHINE_TWO, none = {.facts = "", .pci = ""};
    gpuc__machine_proof *p = gpu_machine_prove(&m, "m", 0, NULL);

    expect(p, "gpu.pci.present", NULL, GPUC_CHECK_WARN, "the spec declares none");
    assert_int_equal(p->check_count, 1);
    gpuc__proof_free(p);
    p = gpu_machine_prove(&none, "m", 0, NULL);
    assert_int_equal(gpuc__proof_verdict(p), GPUC_CHECK_PASS);
    gpuc__proof_free(p);
}

static void test_gpu_checks__targets_leave_alone_what_is_used(void **state)
{
    gpu_machine m = GPU_MACHINE_TWO, used = {.facts = "x"};
    gpuc__collect *c = gpu_machine_collect(&m);
    char **list = NULL;
    size_t n = 0;

    assert_int_equal(gpuc__proof_targets(&list, &n, c, NULL), GPUC_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list[0], FIRST);
    assert_null(list[1]);
    gpuc__proof_targets_free(list);
    gpuc__collect_free(c);
    used.smi_text = "<nvidia_smi_log><gpu id=\"0:1:0\"><uuid>GPU-1</uuid><fb_memory_usage>"
                    "<used>900 MiB</used></fb_memory_usage><processes>N/A</processes></gpu>"
                    "<gpu id=\"0:2:0\"><uuid>N/A</uuid></gpu></nvidia_smi_log>";
    c = gpu_machine_collect(&used);
    assert_int_equal(gpuc__proof_targets(&list, &n, c, NULL), GPUC_OK);
    assert_int_equal(n, 0);
    gpuc__proof_targets_free(list);
    gpuc__collect_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_checks__healthy_beside_busy_and_broken_memory),
        cmocka_unit_test(test_gpu_checks__lost_and_sick),
        cmocka_unit_test(test_gpu_checks__mig),
        cmocka_unit_test(test_gpu_checks__counts_differ),
        cmocka_unit_test(test_gpu_checks__driver),
        cmocka_unit_test(test_gpu_checks__nvidia_smi_fails),
        cmocka_unit_test(test_gpu_checks__nothing_to_run_the_probe_with),
        cmocka_unit_test(test_gpu_checks__nothing_was_collected),
        cmocka_unit_test(test_gpu_checks__undeclared_gpus_are_named),
        cmocka_unit_test(test_gpu_checks__targets_leave_alone_what_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

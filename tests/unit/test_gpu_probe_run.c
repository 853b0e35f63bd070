/* SPDX-License-Identifier: Apache-2.0 */
/* The probe run by python3 and as a program that a C compiler makes, against the bed's stand-in
 * libcuda (SIMULATED GPUs): both print the same lines; and through the checks, what a person would
 * read for each fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "gpu/proof.h"
#include "support/run_program.h"
#include "util/alloc.h"

enum { PYTHON, COMPILER };

#define GPU(n) "GPU-00000000-0000-0000-0000-00000000000" #n
#define PCI "0000:00:04.0 0x10de 0x1eb8 0x030200 nvidia\n"
#define PCI2 PCI "0000:00:05.0 0x10de 0x1eb8 0x030200 nvidia\n"

/* The smallest machine on which the probe has a say. */
static const char *const answer = "==nonce123 begin facts\nkernel=6.1\n\n==nonce123 end facts 0\n"
                                  "==nonce123 begin pci\n%s\n==nonce123 end pci 0\n";

static run_result result; /* of the last run */

static void write_file(const char *path, const char *text, int mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fchmod(fileno(file), (mode_t)mode);
    fclose(file);
}

/* The compiler, once: it takes no warning, and later calls get the first one's program. */
#define COMPILER_TEXT                                                                              \
    "#!/bin/sh\nbuilt=" GPUC_STANDIN_DIR "/no-python3/built\nfor out; do [ \"$last\" != -o ] || break; "  \
    "last=$out; done\n[ -e $built ] || /usr/bin/cc -Wall -Wextra -Wpedantic -Wshadow -Werror "     \
    "\"$@\" || exit\n[ -e $built ] && exec cp $built \"$out\"\nexec cp \"$out\" $built\n"

/* Without python3: one that says it is not there comes first in the PATH. */
static void run_script(int runner, const char *config, const gpuc__probe_request *request)
{
    static const char format[] = "export LD_LIBRARY_PATH=%s PATH=%s%s/bin:$PATH TMPDIR=%s/tmp; "
                                 "unset NVIDIA_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES; exec sh -s";
    char *script = NULL, line[4096];

    write_file(GPUC_STANDIN_DIR "/config", config, 0644);
    write_file(GPUC_STANDIN_DIR "/no-python3/python3", "exit 127\n", 0755);
    assert_int_equal(gpuc__probe_script(&script, request, NULL), GPUC_OK);
    snprintf(line, sizeof(line), format, GPUC_STANDIN_DIR,
             runner == COMPILER ? GPUC_STANDIN_DIR "/no-python3:" : "", GPUC_STANDIN_DIR,
             GPUC_STANDIN_DIR);
    run_program(&result, line, script);
    gpuc__free(script);
}

static gpuc__probe *read_result(void)
{
    gpuc__probe *probe = NULL;

    assert_int_equal(gpuc__probe_parse(&probe, result.status, result.out, result.out_length,
                                       result.err, result.err_length, NULL),
                     GPUC_OK);
    return probe;
}

/* What differs from run to run: who ran it, and how fast it was. */
static void blank(char *text, const char *key)
{
    for (char *at = text; (at = strstr(at, key)); ) {
        at += strlen(key);
        while (*at && !strchr(",}", *at))
            *at++ = '-';
        if (at[-1] == '-') { /* lengths differ too */
            char *from = at;

            while (from[-1] == '-')
                from--;
            memmove(from, at, strlen(at) + 1);
            at = from;
        }
    }
}

/* Runs it by both, whose lines have to be the same; the reading of them. */
static gpuc__probe *run_both(const char *config, const gpuc__probe_request *request)
{
    static run_result python;
    gpuc__probe *probe;

    run_script(PYTHON, config, request);
    if (strstr(result.out, "\"runner\":\"python3\"") == NULL)
        fail_msg("not run by python3: %s%s", result.out, result.err);
    memcpy(&python, &result, sizeof(result));
    run_script(COMPILER, config, request);
    if (strstr(result.out, "\"runner\":\"cc\"") == NULL)
        fail_msg("not compiled: %s%s", result.out, result.err);
    assert_int_equal(result.status, python.status);
    assert_string_equal(result.err, "");
    probe = read_result();
    for (int i = 0; i < 2; i++) {
        blank(i ? python.out : result.out, "\"runner\":");
        blank(i ? python.out : result.out, "\"gbs\":");
    }
    assert_string_equal(result.out, python.out);
    return probe;
}

static gpuc__machine_proof *prove(const gpuc__probe *probe, const char *pci, int gpus)
{
    gpuc__machine_proof *proof = NULL;
    gpuc__collect *collect = NULL;
    char text[1024];

    snprintf(text, sizeof(text), answer, pci);
    assert_int_equal(gpuc__collect_parse(&collect, "nonce123", text, strlen(text), NULL, NULL),
                     GPUC_OK);
    assert_int_equal(gpuc__proof_evaluate(&proof, "m", gpus, collect, probe, NULL, NULL, NULL),
                     GPUC_OK);
    gpuc__collect_free(collect);
    return proof;
}

static const char *const two[] = {GPU(0), GPU(1)};

static void test_gpu_probe_run__good(void **state)
{
    gpuc__probe_request request = {.devices = two, .device_count = 1};
    gpuc__machine_proof *proof;
    const gpuc__check *c;
    gpuc__probe *p;

    request.mib = 16;
    p = run_both("gpus=1\n", &request);
    assert_int_equal(result.status, 0);
    assert_true(p->ends);
    assert_int_equal(p->gpu_count, 1);
    assert_int_equal(p->gpus[0].status, GPUC_CHECK_PASS);
    assert_string_equal(p->gpus[0].bus, "0000:00:04.0");
    assert_string_equal(p->gpus[0].uuid, GPU(0));
    assert_string_equal(p->gpus[0].cc, "7.5");
    assert_true(p->gpus[0].gbs > 0);
    assert_true(p->gpus[0].theoretical_gbs > 320 && p->gpus[0].theoretical_gbs < 321);
    proof = prove(p, PCI, 1);
    c = gpuc__proof_find(proof, "cuda.compute", "0000:00:04.0");
    assert_non_null(c);
    assert_int_equal(c->status, GPUC_CHECK_PASS);
    assert_null(c->remedy);
    gpuc__proof_free(proof);
    gpuc__probe_free(p);
}

/* A T4's L2 cache has 4 MiB: what 3 x 1 MiB give is no memory bandwidth. */
static void test_gpu_probe_run__buffers_follow_the_cache(void **state)
{
    gpuc__probe_request request = {.devices = two, .device_count = 1, .mib = 1};
    gpuc__probe *p = run_both("gpus=1\n", &request);

    assert_int_equal(p->gpus[0].status, GPUC_CHECK_PASS);
    assert_true(p->gpus[0].gbs == 0);
    gpuc__probe_free(p);
    request.mib = 0;
    run_script(COMPILER, "gpus=1\n", &request);
    p = read_result();
    assert_int_equal(p->gpus[0].mib, 256);
    assert_true(p->gpus[0].gbs > 0);
    gpuc__probe_free(p);
}

static void test_gpu_probe_run__mig_devices_by_number(void **state)
{
    static const char *const devices[] = {GPU(0) "/1", GPU(1) "/0", GPU(1) "/5"};
    gpuc__probe_request request = {.devices = devices, .device_count = 3, .mib = 1};
    gpuc__probe *p = run_both("gpus=2\nmig=2\n", &request);
    const gpuc__probe_gpu *g = gpuc__probe_find_mig(p, GPU(0), 1);

    assert_int_equal(result.status, 0);
    assert_int_equal(p->gpu_count, 2); /* the third is not there */
    assert_non_null(g);
    assert_int_equal(g->status, GPUC_CHECK_PASS);
    assert_string_equal(g->uuid, g->device);
    assert_string_equal(g->bus, "0000:00:04.0");
    g = gpuc__probe_find_mig(p, GPU(1), 0);
    assert_non_null(g);
    assert_string_equal(g->bus, "0000:00:05.0");
    gpuc__probe_free(p);
}

/* As in a container: nobody says which devices there are. */
static void test_gpu_probe_run__all_that_is_listed(void **state)
{
    static const char *const skip[] = {GPU(1)};
    gpuc__probe_request request = {.skip = skip, .skip_count = 1, .mib = 1};
    gpuc__probe *p = run_both("gpus=3\n", &request);

    assert_int_equal(p->gpu_count, 2);
    assert_string_equal(p->gpus[1].device, GPU(2));
    gpuc__probe_free(p);
    p = run_both("gpus=2\nmig=2\n", &request); /* a GPU in use is so with all that it is cut into */
    assert_int_equal(p->gpu_count, 2);
    assert_string_equal(p->gpus[0].parent, GPU(0));
    assert_string_equal(p->gpus[1].parent, GPU(0));
    assert_int_equal(result.status, 0);
    gpuc__probe_free(p);
    p = run_both("gpus=0\n", &request);
    assert_int_equal(p->gpu_count, 0);
    assert_int_equal(result.status, 5);
    gpuc__probe_free(p);
}

static void test_gpu_probe_run__in_a_container(void **state)
{
    gpuc__probe_request request = {.container = true, .mib = 1};
    gpuc__probe *p;

    run_script(PYTHON, "gpus=1\n", &request);
    p = read_result();
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "| NVIDIA-SMI"));
    assert_int_equal(p->gpu_count, 1);
    gpuc__probe_free(p);
    run_script(PYTHON, "gpus=1\nfault=nodriver\n", &request);
    assert_int_equal(result.status, 9);
    assert_null(strstr(result.out, "\"event\""));
    run_script(COMPILER, "gpus=1\n", &request);
    p = read_result();
    assert_int_equal(result.status, 6);
    assert_string_equal(p->error, GPUC__PROBE_NO_RUNNER);
    gpuc__probe_free(p);
}

/* Faults of one GPU beside a good one, by both: what is observed, the remedy, the evidence. */
static void test_gpu_probe_run__faults(void **state)
{
    static const struct {
        const char *config, *observed, *remedy, *evidence;
    } cases[] = {
        {"cuda_hang=cuInit", "cuInit: TIMEOUT: the GPU did not answer", "power-cycle", "after 1 s"},
        {"cuda_fail=cuInit:802", "cuInit: 802 CUDA_ERROR_SYSTEM_NOT_READY", "fabricmanager", NULL},
        {"cuda_fail=cuInit:803", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "reboot", NULL},
        {"cuda_fail=cuInit:804", "COMPAT_NOT_SUPPORTED_ON_DEVICE", "cuda-compat", NULL},
        {"cuda_fail=cuInit:999", "CUDA_ERROR_UNKNOWN", "nvidia-modprobe", NULL},
        {"cuda_fail=cuInit:3", "CUDA_ERROR_NOT_INITIALIZED", "modprobe nvidia", NULL},
        {"cuda_fail=cuInit:100", "CUDA_ERROR_NO_DEVICE", "/dev/nvidia0", NULL},
        {"cuda_fail=cuDevicePrimaryCtxRetain:46", "CUDA_ERROR_DEVICE_UNAVAILABLE", "-c DEFAULT", NULL},
        {"cuda_fail=cuMemAlloc_v2:2", "CUDA_ERROR_OUT_OF_MEMORY", "holds the memory", NULL},
        {"cuda_fail=cuModuleLoadDataEx:221", "JIT_COMPILER_NOT_FOUND", "ptxjitcompiler", NULL},
        {"cuda_fail=cuModuleLoadDataEx:222", "UNSUPPORTED_PTX_VERSION", "driver branch", NULL},
        {"cuda_fail=cuModuleLoadDataEx:209", "NO_BINARY_FOR_GPU", "driver-branches", NULL},
        {"cuda_fail=cuCtxSynchronize:214", "CUDA_ERROR_ECC_UNCORRECTABLE", "replaced", NULL},
        {"cuda_fail=cuCtxSynchronize:700", "CUDA_ERROR_ILLEGAL_ADDRESS", "Xid", NULL},
        {"cuda_fail=cuLaunchKernel:719", "CUDA_ERROR_LAUNCH_FAILED", "power-cycle", NULL},
        {"cuda_crash=cuMemGetInfo_v2", "cuMemGetInfo_v2: CRASHED", "packages again", "signal 6"},
        {"fault=lost", "719 CUDA_ERROR_LAUNCH_FAILED", "power-cycle", NULL},
    };
    gpuc__probe_request request = {.devices = two, .device_count = 2, .mib = 1, .deadline_s = 1};
    char config[160];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gpuc__machine_proof *proof;
        const gpuc__check *c;
        gpuc__probe *p;

        snprintf(config, sizeof(config), "gpus=2\nfault_gpu=0\n%s\n", cases[i].config);
        request.device_count = i ? 1 : 2; /* the second once, which is well */
        p = run_both(config, &request);
        assert_int_equal(result.status, 5);
        if (!i)
            assert_int_equal(p->gpus[1].status, GPUC_CHECK_PASS);
        /* before the bus id is known, the uuid alone names it */
        assert_int_equal(p->gpus[0].status, GPUC_CHECK_FAIL);
        snprintf(p->gpus[0].bus, sizeof(p->gpus[0].bus), "0000:00:04.0");
        proof = prove(p, PCI2, 2);
        c = gpuc__proof_find(proof, "cuda.compute", "0000:00:04.0");
        assert_int_equal(c->status, GPUC_CHECK_FAIL);
        if (!strstr(c->observed, cases[i].observed) || !strstr(c->remedy, cases[i].remedy))
            fail_msg("%s: %s / %s", cases[i].config, c->observed, c->remedy);
        if (cases[i].evidence && (!c->evidence || !strstr(c->evidence, cases[i].evidence)))
            fail_msg("%s: evidence is %s", cases[i].config, c->evidence ? c->evidence : "none");
        gpuc__proof_free(proof);
        gpuc__probe_free(p);
    }
}

/* Those that concern all GPUs of the stand-in. */
static void test_gpu_probe_run__wrong_sums_and_refused_ptx(void **state)
{
    gpuc__probe_request request = {.devices = two, .device_count = 1, .mib = 1};
    gpuc__probe *p = run_both("gpus=1\nfault=badadd\n", &request);

    assert_string_equal(p->gpus[0].error, "MISMATCH");
    assert_string_equal(p->gpus[0].detail,
                        "1 of 262144 words wrong by the GPU's count, 1 of 3072 by the host's");
    gpuc__probe_free(p);
    p = run_both("gpus=1\nfault=jit\n", &request);
    assert_int_equal(p->gpus[0].code, 218);
    assert_non_null(strstr(p->gpus[0].detail, "ptxas fatal"));
    gpuc__probe_free(p);
}

/* What compiles leaves nothing behind. */
static void test_gpu_probe_run__nothing_stays(void **state)
{
    static run_result look;

    run_program(&look, "ls -A " GPUC_STANDIN_DIR "/tmp", "");
    assert_int_equal(look.status, 0);
    assert_string_equal(look.out, "");
}

static int has_both(void **state)
{
    static run_result look;

    run_program(&look, "cd " GPUC_STANDIN_DIR " && rm -rf no-python3 tmp && mkdir no-python3 tmp && "
                       "command -v python3 && [ -x /usr/bin/cc ]", "");
    if (look.status == 0)
        write_file(GPUC_STANDIN_DIR "/no-python3/cc", COMPILER_TEXT, 0755);
    if (look.status)
        print_message("python3 and a C compiler are needed to run the probe: skipped\n");
    return look.status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_probe_run__good),
        cmocka_unit_test(test_gpu_probe_run__buffers_follow_the_cache),
        cmocka_unit_test(test_gpu_probe_run__mig_devices_by_number),
        cmocka_unit_test(test_gpu_probe_run__all_that_is_listed),
        cmocka_unit_test(test_gpu_probe_run__in_a_container),
        cmocka_unit_test(test_gpu_probe_run__faults),
        cmocka_unit_test(test_gpu_probe_run__wrong_sums_and_refused_ptx),
        cmocka_unit_test(test_gpu_probe_run__nothing_stays),
    };

    if (has_both(NULL))
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The probe run by a real python3 against the bed's stand-in libcuda (SIMULATED GPUs), and through
 * the checks: what a person would read for each fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/proof.h"
#include "support/run_program.h"
#include "util/alloc.h"

/* The smallest machine on which the probe has a say. */
static const char *const answer =
    "==nonce123 begin facts\nkernel=6.1\npython3=/usr/bin/python3\n\n==nonce123 end facts 0\n"
    "==nonce123 begin pci\n%s\n==nonce123 end pci 0\n";

static int has_python(void **state)
{
    run_result *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    run_program(r, "command -v python3 || exit 127", "");
    *state = r;
    if (r->status)
        print_message("no python3 here: the probe cannot be run, skipped\n");
    return 0;
}

static int drop(void **state)
{
    free(*state);
    return 0;
}

static gpuc__probe *run_probe(run_result *r, const char *config, const char *const *skip,
                              size_t skip_count)
{
    char *script = NULL, *command = NULL, line[1024];
    gpuc__probe *probe = NULL;
    FILE *file = fopen(GPUC_STANDIN_DIR "/config", "w");

    assert_non_null(file);
    fputs(config, file);
    fclose(file);
    assert_int_equal(gpuc__probe_script(&script, NULL), GPUC_OK);
    assert_int_equal(gpuc__probe_command(&command, 1, skip, skip_count, NULL), GPUC_OK);
    snprintf(line, sizeof(line), "export LD_LIBRARY_PATH=%s; unset NVIDIA_VISIBLE_DEVICES; %s",
             GPUC_STANDIN_DIR, command);
    run_program(r, line, script);
    assert_int_equal(gpuc__probe_parse(&probe, r->status, r->out, r->out_length, r->err,
                                       r->err_length, NULL),
                     GPUC_OK);
    gpuc__free(script);
    gpuc__free(command);
    return probe;
}

static gpuc__machine_proof *prove(const gpuc__probe *probe, const char *pci, int gpus)
{
    gpuc__machine_proof *proof = NULL;
    gpuc__collect *collect = NULL;
    char text[1024];

    snprintf(text, sizeof(text), answer, pci);
    assert_int_equal(gpuc__collect_parse(&collect, "nonce123", text, strlen(text), NULL),
                     GPUC_OK);
    assert_int_equal(gpuc__proof_evaluate(&proof, "m", gpus, collect, probe, NULL, NULL),
                     GPUC_OK);
    gpuc__collect_free(collect);
    return proof;
}

#define PCI "0000:00:04.0 0x10de 0x1eb8 0x030200 nvidia\n"
#define PCI2 PCI "0000:00:05.0 0x10de 0x1eb8 0x030200 nvidia\n"

static void test_gpu_probe_run__good(void **state)
{
    run_result *r = *state;
    gpuc__machine_proof *proof;
    const gpuc__check *c;
    gpuc__probe *p;

    if (r->status == 127)
        skip();
    p = run_probe(r, "gpus=1\n", NULL, 0);
    assert_string_equal(r->err, "");
    assert_int_equal(r->status, 0);
    assert_true(p->ended);
    assert_int_equal(p->gpu_count, 1);
    assert_int_equal(p->gpus[0].status, GPUC_CHECK_PASS);
    assert_string_equal(p->gpus[0].bus, "0000:00:04.0");
    assert_string_equal(p->gpus[0].cc, "7.5");
    assert_int_equal(strncmp(p->gpus[0].uuid, "GPU-", 4), 0);
    assert_true(p->gpus[0].gbs > 0);
    proof = prove(p, PCI, 1);
    c = gpuc__proof_find(proof, "cuda.compute", "0000:00:04.0");
    assert_non_null(c);
    assert_int_equal(c->status, GPUC_CHECK_PASS);
    assert_null(c->remedy);
    gpuc__proof_free(proof);
    gpuc__probe_free(p);
}

static void test_gpu_probe_run__skips_what_is_busy(void **state)
{
    const char *skip_list[] = {"00000000:00:05.0"};
    run_result *r = *state;
    gpuc__probe *p;

    if (r->status == 127)
        skip();
    p = run_probe(r, "gpus=2\n", skip_list, 1);
    assert_int_equal(r->status, 0);
    assert_int_equal(p->gpu_count, 2);
    assert_int_equal(p->gpus[0].status, GPUC_CHECK_PASS);
    assert_int_equal(p->gpus[1].status, GPUC_CHECK_SKIP);
    assert_null(strstr(r->out, "\"event\": \"begin\", \"ordinal\": 1"));
    gpuc__probe_free(p);
}

/* Runs the fault and gives the check that a person reads. */
static void expect_fault(void **state, const char *config, int status, const char *observed,
                         const char *remedy, const char *evidence)
{
    run_result *r = *state;
    gpuc__machine_proof *proof;
    const gpuc__check *c;
    gpuc__probe *p;

    if (r->status == 127)
        skip();
    p = run_probe(r, config, NULL, 0);
    assert_int_equal(r->status, status);
    proof = prove(p, PCI2, 2);
    c = gpuc__proof_find(proof, "cuda.compute", "0000:00:05.0");
    assert_non_null(c);
    assert_int_equal(c->status, GPUC_CHECK_FAIL);
    if (!strstr(c->observed, observed))
        fail_msg("%s does not say %s", c->observed, observed);
    assert_non_null(strstr(c->remedy, remedy));
    if (evidence && (!c->evidence || !strstr(c->evidence, evidence)))
        fail_msg("evidence is %s", c->evidence ? c->evidence : "none");
    gpuc__proof_free(proof);
    gpuc__probe_free(p);
}

static void test_gpu_probe_run__no_device(void **state)
{
    expect_fault(state, "gpus=2\nfault=nodev\n", 4, "cuInit: 100 CUDA_ERROR_NO_DEVICE",
                 "/dev/nvidia0", NULL);
}

static void test_gpu_probe_run__wrong_sum(void **state)
{
    expect_fault(state, "gpus=2\nfault=badadd\n", 5, "compare: MISMATCH", "out of use",
                 "1 of 262144 words wrong by the GPU's count, 1 of 3072 by the host's");
}

static void test_gpu_probe_run__ptx_refused(void **state)
{
    expect_fault(state, "gpus=2\nfault=jit\n", 5, "218 CUDA_ERROR_INVALID_PTX",
                 "ptxjitcompiler", "ptxas fatal");
}

static void test_gpu_probe_run__lost_gpu_beside_a_good_one(void **state)
{
    run_result *r = *state;
    gpuc__probe *p;

    expect_fault(state, "gpus=2\nfault=lost\nfault_gpu=1\n", 5, "719 CUDA_ERROR_LAUNCH_FAILED",
                 "power-cycle", NULL);
    p = run_probe(r, "gpus=2\nfault=lost\nfault_gpu=1\n", NULL, 0);
    assert_int_equal(p->gpus[0].status, GPUC_CHECK_PASS);
    gpuc__probe_free(p);
}

static void test_gpu_probe_run__gpu_missing_from_cuda(void **state)
{
    expect_fault(state, "gpus=1\n", 0, "CUDA does not see this GPU (it sees 1)",
                 "CUDA_VISIBLE_DEVICES", NULL);
}

static void test_gpu_probe_run__no_libcuda(void **state)
{
    run_result *r = *state;
    char *script = NULL;
    gpuc__probe *p = NULL;

    if (r->status == 127)
        skip();
    assert_int_equal(gpuc__probe_script(&script, NULL), GPUC_OK);
    run_program(r, "python3 -c 'import ctypes; ctypes.CDLL(\"libcuda.so.1\")' 2>/dev/null", "");
    if (r->status == 0) {
        gpuc__free(script);
        print_message("this machine has a libcuda of its own: skipped\n");
        skip();
    }
    run_program(r, "exec python3 -", script);
    gpuc__free(script);
    assert_int_equal(r->status, 3);
    assert_int_equal(gpuc__probe_parse(&p, 3, r->out, r->out_length, r->err, r->err_length, NULL),
                     GPUC_OK);
    assert_true(p->fatal);
    assert_string_equal(p->error, "NO_LIBCUDA");
    gpuc__probe_free(p);
}

int main(void)
{
#define WITH_PYTHON(test) cmocka_unit_test_setup_teardown(test, has_python, drop)
    const struct CMUnitTest tests[] = {
        WITH_PYTHON(test_gpu_probe_run__good),
        WITH_PYTHON(test_gpu_probe_run__skips_what_is_busy),
        WITH_PYTHON(test_gpu_probe_run__no_device),
        WITH_PYTHON(test_gpu_probe_run__wrong_sum),
        WITH_PYTHON(test_gpu_probe_run__ptx_refused),
        WITH_PYTHON(test_gpu_probe_run__lost_gpu_beside_a_good_one),
        WITH_PYTHON(test_gpu_probe_run__gpu_missing_from_cuda),
        WITH_PYTHON(test_gpu_probe_run__no_libcuda),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

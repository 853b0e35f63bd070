/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of one look at a machine: whole, missing, cut, forged; the script run for real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/collect.h"
#include "support/gpu_data.h"
#include "support/run_program.h"
#include "util/alloc.h"

#define N "a1b2c3d4e5f60718"
#define BEGIN(name) "==" N " begin " name "\n"
#define END(name, status) "\n==" N " end " name " " status "\n"

static const char machine[] =
    BEGIN("facts") "kernel=6.1.0-30\nboot_id=11-22\n" END("facts", "0")
    BEGIN("pci") "0000:00:04.0 0x10de 0x1eb8 0x030200 nvidia\n"
                 "0000:00:05.0 0x10de 0x1eb8 0x030000 -\n"
                 "0000:00:05.1 0x10de 0x10f8 0x040300 snd_hda_intel\n"
                 "not a line\n0000:00:06.0 0x10de zz\n" END("pci", "0")
    BEGIN("version") "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  "
                     "Release Build\nGCC version: 12\n" END("version", "0")
    BEGIN("modules") "nvidia_uvm 1 0 - Live 0x0\nnvidia 2 1 nvidia_uvm, Live 0x0\n"
    END("modules", "0") BEGIN("modinfo") "580.65.06\n" END("modinfo", "0")
    BEGIN("smi") "<nvidia_smi_log><attached_gpus>1</attached_gpus><gpu id=\"0:4:0\"/>"
                 "</nvidia_smi_log>\n" END("smi", "0")
    BEGIN("smi_errors") "\n" END("smi_errors", "0")
    BEGIN("nodes") "/dev/nvidia-uvm\n/dev/nvidia-uvm-tools\n/dev/nvidia0\n/dev/nvidia12\n"
                   "/dev/nvidiactl\n/dev/nvidia1x\n" END("nodes", "0") "==" N " done\n";

static gpuc__collect *parse(const char *text, size_t length)
{
    gpuc__collect *c = NULL;

    assert_int_equal(gpuc__collect_parse(&c, N, text, length, NULL, NULL), GPUC_OK);
    return c;
}

static void test_gpu_collect__whole_answer(void **state)
{
    gpuc__collect *c = parse(machine, sizeof(machine) - 1);

    assert_true(c->complete);
    assert_false(c->simulated);
    assert_string_equal(c->kernel, "6.1.0-30");
    assert_string_equal(c->boot_id, "11-22");
    assert_int_equal(c->pci_count, 3);
    assert_int_equal(gpuc__collect_pci_gpus(c), 2); /* the sound function is none */
    assert_string_equal(c->pci[0].driver, "nvidia");
    assert_string_equal(c->pci[1].driver, "");
    assert_int_equal(c->pci[0].device, 0x1eb8);
    assert_string_equal(c->driver_version, "580.65.06");
    assert_string_equal(c->modinfo_version, "580.65.06");
    assert_true(c->module_nvidia && c->module_uvm && !c->module_nouveau);
    assert_true(c->node_ctl && c->node_uvm);
    assert_int_equal(c->node_gpus, 2);
    assert_int_equal(c->smi_status, 0);
    assert_non_null(c->smi);
    assert_int_equal(c->smi->gpu_count, 1);
    gpuc__collect_free(c);
}

static void test_gpu_collect__old_version_line(void **state)
{
    static const char text[] = BEGIN("version")
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  375.51  Wed Mar 22\n" END("version", "0");
    gpuc__collect *c = parse(text, sizeof(text) - 1);

    assert_string_equal(c->driver_version, "375.51");
    gpuc__collect_free(c);
}

static void test_gpu_collect__failed_nvidia_smi(void **state)
{
    static const char text[] = BEGIN("smi")
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
        "Make sure.\n" END("smi", "9") BEGIN("smi_errors") "some\twords\x01\n"
        END("smi_errors", "0");
    gpuc__collect *c = parse(text, sizeof(text) - 1);

    assert_int_equal(c->smi_status, 9);
    assert_null(c->smi);
    assert_non_null(strstr(c->smi_line, "couldn't communicate"));
    assert_non_null(strstr(c->smi_error, "not its XML"));
    assert_string_equal(c->smi_stderr, "some words");
    assert_false(c->pci_known);
    assert_false(c->complete);
    gpuc__collect_free(c);
}

static void test_gpu_collect__simulated_is_carried(void **state)
{
    static const char marker[] = BEGIN("facts") "simulated=1\n" END("facts", "0");
    gpuc__collect *c = parse(marker, sizeof(marker) - 1);
    size_t length;
    char *xml = gpu_fixture("simulated.xml", &length), *text = malloc(length + 256);

    assert_true(c->simulated);
    gpuc__collect_free(c);
    snprintf(text, length + 256, BEGIN("smi") "%s" END("smi", "0"), xml);
    c = parse(text, strlen(text));
    assert_true(c->simulated);
    gpuc__collect_free(c);
    free(text);
    free(xml);
}

/* With the escapes that the tool puts around its head line, and what a driver without it says. */
static void test_gpu_collect__topology(void **state)
{
    static const char links[] =
        BEGIN("topology") "\t\033[4mGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\033[0m\n"
                          "GPU0\t X \tNV18\t0-23\t0\nGPU1\tNV18\t X \t24-47\t1\n\nLegend:\n"
        END("topology", "0");
    static const char none[] =
        BEGIN("topology") "Invalid combination of input arguments.\n" END("topology", "2");
    gpuc__collect *c = parse(links, sizeof(links) - 1);
    json_t *link = json_array_get(json_object_get(c->topology, "links"), 0);

    assert_string_equal(json_string_value(json_object_get(link, "link")), "NV18");
    assert_int_equal(json_array_size(json_object_get(c->topology, "affinity")), 2);
    gpuc__collect_free(c);
    c = parse(none, sizeof(none) - 1);
    assert_null(c->topology);
    gpuc__collect_free(c);
}

static void test_gpu_collect__cut_anywhere(void **state)
{
    size_t end_of_smi = (size_t)(strstr(machine, "end smi 0\n") + strlen("end smi 0\n") - machine);

    for (size_t cut = 0; cut < sizeof(machine) - 1; cut++) {
        char *copy = malloc(cut ? cut : 1);
        gpuc__collect *c = NULL;
        gpuc_error *err = NULL;

        memcpy(copy, machine, cut);
        if (gpuc__collect_parse(&c, N, copy, cut, NULL, &err) == GPUC_OK) {
            assert_null(err);
            assert_int_equal(c->smi_status, cut < end_of_smi ? -1 : 0);
            gpuc__collect_free(c);
        } else {
            assert_int_equal(gpuc_error_code(err), GPUC_EPROTO);
            assert_true(cut < strlen(BEGIN("facts")));
        }
        gpuc_error_unref(err);
        free(copy);
    }
}

static void test_gpu_collect__forged_separators_do_not_count(void **state)
{
    static const char text[] = BEGIN("facts") "kernel=good\n==0000000000000000 end facts 0\n"
        "==" N "x end facts 0\nboot_id=5\n" END("facts", "0");
    gpuc__collect *c = parse(text, sizeof(text) - 1);

    assert_string_equal(c->kernel, "good");
    assert_string_equal(c->boot_id, "5");
    gpuc__collect_free(c);
}

static void test_gpu_collect__refused(void **state)
{
    gpuc_error *err = NULL;
    gpuc__collect *c = NULL;
    char *script = NULL, *big;
    size_t at = 0;

    assert_int_equal(gpuc__collect_parse(&c, N, "sudo: no", 8, NULL, &err), GPUC_EPROTO);
    assert_non_null(strstr(gpuc_error_evidence(err), "sudo: no"));
    assert_non_null(gpuc_error_remedy(err));
    err = gpuc_error_unref(err);
    assert_int_equal(gpuc__collect_parse(&c, "x;reboot", "", 0, NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__collect_script(&script, "short", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__collect_script(&script, "$(reboot)", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__collect_parse(&c, N, "", (size_t)GPUC__COLLECT_OUTPUT_MAX + 1, NULL, NULL),
                     GPUC_ELIMIT);
    big = malloc(100 * (GPUC__COLLECT_PCI_MAX + 2));
    at += (size_t)snprintf(big, 100, BEGIN("pci"));
    for (int i = 0; i <= GPUC__COLLECT_PCI_MAX; i++)
        at += (size_t)snprintf(big + at, 100, "%04x:00:00.0 0x10de 0x1eb8 0x030200 -\n", i);
    assert_int_equal(gpuc__collect_parse(&c, N, big, at, NULL, NULL), GPUC_ELIMIT);
    assert_null(c);
    free(big);
}

static void test_gpu_collect__script_runs(void **state)
{
    run_result *r = calloc(1, sizeof(*r));
    char *script = NULL;
    gpuc__collect *c;

    assert_non_null(r);
    assert_int_equal(gpuc__collect_script(&script, N, NULL), GPUC_OK);
    run_program(r, "exec sh -s", script);
    assert_int_equal(r->status, 0);
    assert_string_equal(r->err, "");
    c = parse(r->out, r->out_length);
    assert_true(c->complete);
    assert_true(c->pci_known);
    assert_true(c->version_known);
    assert_true(c->nodes_known);
    assert_true(c->kernel[0]);
    assert_true(c->smi_status >= 0);
    gpuc__collect_free(c);
    gpuc__free(script);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_collect__whole_answer),
        cmocka_unit_test(test_gpu_collect__old_version_line),
        cmocka_unit_test(test_gpu_collect__failed_nvidia_smi),
        cmocka_unit_test(test_gpu_collect__simulated_is_carried),
        cmocka_unit_test(test_gpu_collect__topology),
        cmocka_unit_test(test_gpu_collect__cut_anywhere),
        cmocka_unit_test(test_gpu_collect__forged_separators_do_not_count),
        cmocka_unit_test(test_gpu_collect__refused),
        cmocka_unit_test(test_gpu_collect__script_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One healthy GPU of a machine, made sick one element at a time. Include after cmocka.h and
 * support/gpu_machine.h. */
#ifndef GPUC_TEST_GPU_CHECKS_H
#define GPUC_TEST_GPU_CHECKS_H
#include "support/gpu_machine.h"

#define GPU_ONE "GPU-eeeeeeee-0000-4000-8000-000000000001"
#define GPU_ONE_BUS "0000:0a:00.0"

#define GPU_ONE_MACHINE                                                                            \
    {.facts = "kernel=6.1\npython3=/p\ntime=1800000000",                                          \
     .pci = GPU_ONE_BUS " 0x10de 0x2330 0x030200 nvidia 16 16 32.0 32.0",                          \
     .modules = "nvidia 1 0\nnvidia_uvm 1 0",                                                      \
     .nodes = "/dev/nvidia0 666\n/dev/nvidiactl 666\n/dev/nvidia-uvm 666",                        \
     .version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.1.2  x"}

/* nvidia-smi's document of that GPU: the elements given, and healthy ones where none is given. */
__attribute__((unused)) static char *gpu_one_xml(const char *elements)
{
    static const struct {
        const char *begin, *element;
    } healthy[] = {
        {"<product_brand>", "<product_brand>NVIDIA</product_brand>"},
        {"<persistence_mode>", "<persistence_mode>Enabled</persistence_mode>"},
        {"<gpu_recovery_action>", "<gpu_recovery_action>None</gpu_recovery_action>"},
        {"<compute_mode>", "<compute_mode>Default</compute_mode>"},
        {"<ecc_mode>", "<ecc_mode><current_ecc>Enabled</current_ecc></ecc_mode>"},
        {"<volatile>", "<ecc_errors><volatile><sram_uncorrectable>0</sram_uncorrectable></volatile>"
                       "</ecc_errors>"},
        {"<fb_memory_usage>", "<fb_memory_usage><used>1 MiB</used></fb_memory_usage>"},
    };
    size_t size = strlen(elements) + 2048, at;
    char *text = malloc(size);

    assert_non_null(text);
    at = (size_t)snprintf(text, size,
                          "<nvidia_smi_log><driver_version>580.1.2</driver_version><attached_gpus>1"
                          "</attached_gpus><gpu id=\"0:A:0\"><uuid>" GPU_ONE "</uuid>%s",
                          elements);
    for (size_t i = 0; i < sizeof(healthy) / sizeof(healthy[0]); i++) {
        if (!strstr(elements, healthy[i].begin))
            at += (size_t)snprintf(text + at, size - at, "%s", healthy[i].element);
    }
    snprintf(text + at, size - at, "<processes></processes></gpu></nvidia_smi_log>");
    return text;
}

typedef struct gpu_case {
    const char *elements;
    int status;
    const char *observed; /* part of it */
    const char *remedy;   /* part of it; NULL: not looked at */
} gpu_case;

__attribute__((unused)) static void gpu_expect(const gpuc__machine_proof *proof, const char *id,
                                               const char *key, int status, const char *observed,
                                               const char *remedy)
{
    const gpuc__check *c = gpuc__proof_find(proof, id, key);

    if (!c)
        fail_msg("no check %s", id);
    if (c->status != status || !strstr(c->observed, observed))
        fail_msg("%s: %d \"%s\"; wanted %d \"%s\"", id, c->status, c->observed, status, observed);
    assert_true(c->threshold[0] && !strchr(c->threshold, '{'));
    assert_true(status == GPUC_CHECK_SKIP || (status > GPUC_CHECK_SKIP) == (c->remedy != NULL));
    if (remedy && !strstr(c->remedy, remedy))
        fail_msg("%s: remedy \"%s\"; wanted \"%s\"", id, c->remedy, remedy);
}

/* Every case for a check of the GPU; those that fail take the labels away. */
__attribute__((unused)) static void gpu_expect_cases(const char *id, const gpu_machine *machine,
                                                     const gpu_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gpu_machine m = *machine;
        char *xml = gpu_one_xml(cases[i].elements);
        gpuc__label_wish gpu, cuda;
        gpuc__machine_proof *p;

        m.smi_text = xml;
        p = gpu_machine_prove(&m, "m", 1, GPU_ONE_BUS);
        gpu_expect(p, id, GPU_ONE, cases[i].status, cases[i].observed, cases[i].remedy);
        gpuc__proof_labels(p, true, &gpu, &cuda);
        assert_int_equal(cuda == GPUC__LABEL_REMOVE, cases[i].status == GPUC_CHECK_FAIL);
        gpuc__proof_free(p);
        free(xml);
    }
}

/* One case of a machine; key NULL: a check of the whole machine. */
__attribute__((unused)) static void gpu_expect_one(gpu_machine m, const char *elements, const char *id,
                                                   const char *key, int status,
                                                   const char *observed, const char *remedy)
{
    char *xml = gpu_one_xml(elements);
    gpuc__label_wish gpu, cuda;
    gpuc__machine_proof *p;

    if (!m.smi_text)
        m.smi_text = xml;
    p = gpu_machine_prove(&m, "m", 1, GPU_ONE_BUS);
    gpu_expect(p, id, key, status, observed, remedy);
    gpuc__proof_labels(p, true, &gpu, &cuda);
    if (status == GPUC_CHECK_FAIL)
        assert_int_equal(cuda, GPUC__LABEL_REMOVE);
    gpuc__proof_free(p);
    free(xml);
}
#endif

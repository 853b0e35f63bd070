/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's answer, made of parts, for the tests of checks and reports. Include after cmocka.h
 * and support/gpu_data.h. */
#ifndef GPUC_TEST_GPU_MACHINE_H
#define GPUC_TEST_GPU_MACHINE_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/proof.h"
#include "util/put.h"

typedef struct gpu_machine {
    const char *facts, *pci, *modules, *nodes; /* bodies of sections; NULL: section missing */
    const char *version; /* of the loaded driver; NULL: not loaded */
    const char *fixture; /* what nvidia-smi prints: a fixture's name, or NULL with smi_text */
    const char *smi_text;
    int smi_status;
    /* NULL: the section is missing, but a kernel log is there and says nothing */
    const char *modinfo, *libraries, *secure_boot, *fabric_manager, *kernel_log, *nvlinks,
        *nvlink_errors;
    bool no_kernel_log;
    const char *after;   /* what the second look printed; NULL: there was none */
    const char *limits;  /* JSON of the user's limits; NULL */
    const char *measured; /* more members of the probe's lines, such as ,"gbs":10 */
} gpu_machine;

#define GPU_MACHINE_TWO                                                                            \
    {.facts = "kernel=6.1",                                                                        \
     .pci = "0000:0a:00.0 0x10de 0x2236 0x030200 nvidia\n"                                        \
            "0000:0b:00.0 0x10de 0x2236 0x030200 nvidia",                                         \
     .modules = "nvidia 1 0\nnvidia_uvm 1 0",                                                      \
     .nodes = "/dev/nvidia0\n/dev/nvidia1\n/dev/nvidiactl\n/dev/nvidia-uvm",                      \
     .version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.1.2  x",                     \
     .fixture = "two-gpus-580.xml"}

#define GPU_MACHINE_SIMULATED                                                                      \
    {.facts = "simulated=1\nkernel=6.18",                                                          \
     .pci = "0000:00:04.0 0x10de 0x1eb8 0x030200 -", .fixture = "simulated.xml"}

/* out has room for the body and 128 bytes more. */
__attribute__((unused)) static size_t gpu_section(char *out, const char *name, const char *body,
                                                  int status)
{
    if (!body)
        return 0;
    return (size_t)snprintf(out, strlen(body) + 128,
                            "==nonce123 begin %s\n%s\n\n==nonce123 end %s %d\n", name, body, name,
                            status);
}

__attribute__((unused)) static gpuc__collect *gpu_machine_collect(const gpu_machine *m)
{
    size_t length = 0, at = 0;
    char *xml = m->fixture ? gpu_fixture(m->fixture, &length) : NULL;
    char *text = malloc(length + 65536);
    gpuc__collect *collect = NULL;

    assert_non_null(text);
    at += gpu_section(text + at, "facts", m->facts, 0);
    at += gpu_section(text + at, "pci", m->pci, 0);
    at += gpu_section(text + at, "modules", m->modules, 0);
    at += gpu_section(text + at, "version", m->version ? m->version : "", m->version ? 0 : 1);
    at += gpu_section(text + at, "nodes", m->nodes, 0);
    at += gpu_section(text + at, "modinfo", m->modinfo, 0);
    at += gpu_section(text + at, "libraries", m->libraries, 0);
    at += gpu_section(text + at, "secure_boot", m->secure_boot, 0);
    at += gpu_section(text + at, "fabric_manager", m->fabric_manager, 0);
    if (!m->no_kernel_log)
        at += gpu_section(text + at, "kernel_log",
                          m->kernel_log ? m->kernel_log : "source=journalctl", 0);
    at += gpu_section(text + at, "nvlinks", m->nvlinks, 0);
    at += gpu_section(text + at, "nvlink_errors", m->nvlink_errors, 0);
    at += gpu_section(text + at, "smi", xml ? xml : m->smi_text, m->smi_status);
    assert_int_equal(gpuc__collect_parse(&collect, "nonce123", text, at, NULL, NULL), GPUC_OK);
    if (m->after)
        assert_int_equal(gpuc__collect_after_parse(collect, "nonce123", m->after, strlen(m->after),
                                                   NULL),
                         GPUC_OK);
    free(text);
    free(xml);
    return collect;
}

/* A probe that passed on the given buses, comma-separated. */
__attribute__((unused)) static gpuc__probe *gpu_machine_probe(const char *buses,
                                                                const char *measured)
{
    char text[4096], list[256], *save = NULL;
    gpuc__probe *probe = NULL;
    size_t at;
    int n = 0;

    at = (size_t)snprintf(text, sizeof(text),
                          "{\"event\":\"start\",\"runner\":\"python3\",\"devices\":9}\n");
    snprintf(list, sizeof(list), "%s", buses);
    for (char *bus = strtok_r(list, ",", &save); bus; bus = strtok_r(NULL, ",", &save))
        at += (size_t)snprintf(text + at, sizeof(text) - at,
                              "{\"event\":\"gpu\",\"device\":\"GPU-x%d\",\"bus\":\"%s\",\"status\":"
                              "\"pass\",\"mismatches\":0,\"host_mismatches\":0,\"mib\":256%s}\n",
                              n++, bus, measured ? measured : ",\"gbs\":600.25");
    at += (size_t)snprintf(text + at, sizeof(text) - at, "{\"event\":\"end\"}\n");
    assert_int_equal(gpuc__probe_parse(&probe, 0, text, at, "", 0, NULL), GPUC_OK);
    return probe;
}

/* passed: as above, NULL: the probe was not run. */
__attribute__((unused)) static gpuc__machine_proof *gpu_machine_prove(const gpu_machine *m,
                                                                      const char *name,
                                                                      int expected,
                                                                      const char *passed)
{
    gpuc__collect *collect = gpu_machine_collect(m);
    gpuc__probe *probe = passed ? gpu_machine_probe(passed, m->measured) : NULL;
    json_t *limits = m->limits ? json_loads(m->limits, 0, NULL) : NULL;
    gpuc__machine_proof *proof = NULL;
    gpuc__rules *rules = NULL;

    assert_true(!m->limits == !limits);
    assert_int_equal(gpuc__rules_new(&rules, limits, NULL), GPUC_OK);
    assert_int_equal(gpuc__proof_evaluate(&proof, name, expected, collect, probe, NULL, rules, NULL),
                     GPUC_OK);
    gpuc__rules_unref(rules);
    json_decref(limits);
    gpuc__probe_free(probe);
    gpuc__collect_free(collect);
    return proof;
}

/* The proof as the state keeps it. */
__attribute__((unused)) static json_t *gpu_proof_json(const gpuc__machine_proof *proof)
{
    gpuc__buf text = GPUC__BUF_INIT(8 << 20);
    json_t *json;

    gpuc__put_open(&text, NULL, '{');
    gpuc__proof_put(&text, proof, 1);
    gpuc__put_close(&text, '}');
    json = json_loadb(gpuc__buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    gpuc__buf_clear(&text);
    return json;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What gpu_host.sh answers behind a real sshd for a machine with one SIMULATED GPU. Include after
 * ssh_client.h. */
#ifndef TEST_GPU_ANSWERS_H
#define TEST_GPU_ANSWERS_H
#include <jansson.h>

#include "support/gpu_data.h"
#include "support/gpu_machine.h"

static inline void put_file(const char *name, const char *text)
{
    write_file(sshd_path(&server, name), text);
}

/* Before the server is launched. */
static inline void gpu_hosts_force(void)
{
    FILE *f = fopen(sshd_path(&server, "config"), "a");

    fprintf(f, "ForceCommand /bin/sh %s/../support/gpu_host.sh %s\n", GPUC_TEST_DATA, server.dir);
    fclose(f);
}

static inline void gpu_hosts_answers(void)
{
    const gpu_machine m = GPU_MACHINE_SIMULATED;
    size_t length, at = 0;
    char *xml = gpu_fixture(m.fixture, &length), *text = malloc(length + 16384);

    at += gpu_section(text + at, "facts", m.facts, 0);
    at += gpu_section(text + at, "pci", m.pci, 0);
    at += gpu_section(text + at, "smi", xml, 0);
    snprintf(text + at, 64, "==nonce123 done\n");
    put_file("xml", xml);
    put_file("collect", text);
    put_file("probe", "{\"event\":\"driver\",\"cuda\":13000,\"count\":1,\"simulated\":true}\n"
                      "{\"event\":\"gpu\",\"ordinal\":0,\"bus\":\"0000:00:04.0\",\"status\":\"pass\","
                      "\"mismatches\":0,\"host_mismatches\":0,\"gbs\":1.5,\"mib\":8}\n"
                      "{\"event\":\"end\"}\n");
    free(text);
    free(xml);
}
#endif

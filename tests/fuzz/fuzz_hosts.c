/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a list of hosts: what is taken is a host, what is refused leaves nothing. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc__hosts hosts = {0};
    gpuc_error *error = NULL;
    int rc = gpuc__hosts_add(&hosts, (const char *)data, size, "list", &error);

    if ((rc < 0) != (error != NULL) || (rc < 0 && hosts.count))
        abort();
    for (size_t i = 0; i < hosts.count; i++) {
        const gpuc__host *h = &hosts.list[i];

        if (!h->host[0] || h->host[0] == '-' || strpbrk(h->host, " \t\r\n'\"`$;&|<>") ||
            h->port < 0 || h->port > 65535 || h->gpus < -1 || h->gpus > 1024 ||
            (h->user && (!h->user[0] || h->user[0] == '-')))
            abort();
    }
    gpuc__hosts_clear(&hosts);
    gpuc_error_unref(error);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a known_hosts file: what is found lies inside the file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "transport/ssh_known_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bounds {
    const uint8_t *start, *end;
};

static bool found(void *data, const gpuc__known_host *entry)
{
    const struct bounds *bounds = data;
    gpuc__buf blob = GPUC__BUF_INIT(64 * 1024);

    if (!entry->line || !entry->type.length || entry->type.data < bounds->start ||
        entry->base64.data + entry->base64.length > bounds->end)
        abort();
    gpuc__base64_get(&blob, (const char *)entry->base64.data, entry->base64.length);
    gpuc__buf_clear(&blob);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bounds bounds = {data, data + size};

    gpuc__known_hosts_find((const char *)data, size, "host.example", 22, found, &bounds);
    gpuc__known_hosts_find((const char *)data, size, "10.0.0.1", 2222, found, &bounds);
    return 0;
}

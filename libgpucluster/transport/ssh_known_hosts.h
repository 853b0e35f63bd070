/* SPDX-License-Identifier: Apache-2.0 */
/* Reading known_hosts files: plain, wildcard, negated and hashed names, [host]:port, @revoked. */
#ifndef GPUC__SSH_KNOWN_HOSTS_H
#define GPUC__SSH_KNOWN_HOSTS_H
#include <stdbool.h>

#include "transport/ssh_wire.h"

#define GPUC__KNOWN_HOSTS_MAX (16 * 1024 * 1024)

typedef struct gpuc__known_host {
    unsigned line;
    bool revoked;
    gpuc__span type, base64;
} gpuc__known_host;

/* Calls `found` for every line that speaks of host and port; stops when it answers false. Lines
 * that cannot be read, and certificate authorities, are passed over. */
void gpuc__known_hosts_find(const char *text, size_t length, const char *host, int port,
                            bool (*found)(void *data, const gpuc__known_host *entry), void *data);
#endif

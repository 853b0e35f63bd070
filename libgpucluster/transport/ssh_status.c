/* SPDX-License-Identifier: Apache-2.0 */
/* How a command ended: its exit status, or the signal that killed it. */
#include <string.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"

/* Names of RFC 4254, section 6.10, and what sshd sends beside them; numbers of Linux. */
static const struct {
    const char *name;
    int number;
} signals[] = {{"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"ILL", 4},   {"ABRT", 6}, {"FPE", 8},
               {"KILL", 9},  {"USR1", 10}, {"SEGV", 11}, {"USR2", 12}, {"PIPE", 13}, {"ALRM", 14},
               {"TERM", 15}, {"BUS", 7},   {"XCPU", 24}, {"XFSZ", 25}, {"SYS", 31}};

static int signal_number(const char *name)
{
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (!strcmp(signals[i].name, name))
            return signals[i].number;
    }
    return 0;
}

int gpuc__ssh_channel_status(LIBSSH2_CHANNEL *channel)
{
    char *name = NULL;
    int status;

    libssh2_channel_get_exit_signal(channel, &name, NULL, NULL, NULL, NULL, NULL);
    status = name ? 128 + signal_number(name) : libssh2_channel_get_exit_status(channel);
    gpuc__free(name);
    return status;
}

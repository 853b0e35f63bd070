/* SPDX-License-Identifier: Apache-2.0 */
/* A list of hosts as a person writes it, one a line: [USER@]HOST[:PORT] [gpus=N]. Pure. */
#ifndef GPUC__HOSTS_H
#define GPUC__HOSTS_H
#include <gpucluster.h>

#define GPUC__HOSTS_MAX 10000
#define GPUC__HOSTS_TEXT_MAX (4u * 1024 * 1024)

typedef struct gpuc__host {
    char *name;  /* as written, without the user: what reports call it */
    char *user;  /* NULL: not said */
    char *host;  /* without brackets */
    int port;    /* 0: not said */
    int gpus;    /* expected; -1: not said */
} gpuc__host;

typedef struct gpuc__hosts {
    gpuc__host *list;
    size_t count, capacity;
} gpuc__hosts;

/* Adds the hosts of a text. "#" begins a comment; empty lines are passed over. Errors begin with
 * "filename:line:"; a host that is there already is one. After an error the list is as before.
 * GPUC_EINVAL, GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__hosts_add(gpuc__hosts *hosts, const char *text, size_t length, const char *filename,
                    gpuc_error **err);
void gpuc__hosts_clear(gpuc__hosts *hosts);
#endif

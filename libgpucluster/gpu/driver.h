/* SPDX-License-Identifier: Apache-2.0 */
/* Which NVIDIA driver branch and kernel module a machine's GPUs need: driver-branches.json. */
#ifndef GPUC__DRIVER_H
#define GPUC__DRIVER_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct gpuc__driver_choice {
    bool install;    /* false: the wish is "none", or there is no GPU */
    int branch;      /* 580; 0 without install */
    bool open;       /* the open kernel modules; else the proprietary ones */
    char *arch;      /* names of the architectures found: "turing" or "pascal, turing" */
    char *note;      /* what a person should know; NULL */
} gpuc__driver_choice;

/* device_ids: PCI device ids of the machine's NVIDIA GPUs (0x1eb8). wish: "auto", "none" or a
 * branch ("580"). GPUC_EINVAL (wish), GPUC_EUNSUPPORTED (no branch or module serves all of them, or
 * not the wished one; says which and what would), GPUC_ENOMEM, GPUC_EINTERNAL. */
int gpuc__driver_choose(gpuc__driver_choice *out, const unsigned *device_ids, size_t count,
                        const char *wish, gpuc_error **err);
/* How a loaded driver fits a GPU. */
typedef struct gpuc__driver_fit {
    int branch;      /* in: 580 */
    int open;        /* in: 1 the open module, 0 the proprietary one, -1 not known */
    unsigned device; /* in: PCI device id */
    int64_t time_s;  /* in: now, for the end of support; 0: not known */
    bool known;      /* false: the table does not have the GPU; observed says so */
    int status;      /* GPUC_CHECK_… */
    char observed[240], remedy[160];
} gpuc__driver_fit;
/* The architecture of driver-branches.json with that PCI device id; borrowed, NULL: none. */
json_t *gpuc__driver_arch(json_t *table, unsigned id);
/* table: driver-branches.json */
void gpuc__driver_judge(gpuc__driver_fit *fit, json_t *table);
void gpuc__driver_choice_clear(gpuc__driver_choice *choice);
#endif

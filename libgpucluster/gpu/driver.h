/* SPDX-License-Identifier: Apache-2.0 */
/* Which NVIDIA driver branch and kernel module a machine's GPUs need: driver-branches.json. */
#ifndef GPUC__DRIVER_H
#define GPUC__DRIVER_H
#include <gpucluster.h>
#include <stdbool.h>

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
void gpuc__driver_choice_clear(gpuc__driver_choice *choice);
#endif

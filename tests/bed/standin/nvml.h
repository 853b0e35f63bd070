/* SPDX-License-Identifier: Apache-2.0 */
/* What libnvidia-ml.c and nvml-events.c share: codes of NVML, and handles, which are a GPU's index on
 * the machine plus one. */
#ifndef GPUC_BED_NVML_H
#define GPUC_BED_NVML_H
#include "sim.h"

#define EXPORT __attribute__((visibility("default")))

enum {
    SUCCESS = 0,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    GPU_IS_LOST = 15,
    LIB_RM_VERSION_MISMATCH = 18,
};

extern struct sim nvml_sim; /* as last read */

/* The GPU of a handle in nvml_sim; NULL: it is not there (any more). */
const struct sim_gpu *nvml_gpu(void *device);

#endif

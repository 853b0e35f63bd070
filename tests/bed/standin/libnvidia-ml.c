/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for libnvidia-ml.so.1: SIMULATED GPUs, the few calls by which a
 * program counts and names them. */
#include "sim.h"

#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    SUCCESS = 0,
    INVALID_ARGUMENT = 2,
    NOT_FOUND = 6,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    LIB_RM_VERSION_MISMATCH = 18,
};

static struct sim sim;

EXPORT int nvmlInit_v2(void)
{
    sim_read(&sim);
    if (sim.fault == SIM_NODRIVER)
        return DRIVER_NOT_LOADED;
    return sim.fault == SIM_MISMATCH ? LIB_RM_VERSION_MISMATCH : SUCCESS;
}

EXPORT int nvmlShutdown(void)
{
    return SUCCESS;
}

EXPORT const char *nvmlErrorString(int code)
{
    switch (code) {
    case SUCCESS:
        return "Success";
    case INVALID_ARGUMENT:
        return "Invalid Argument";
    case NOT_FOUND:
        return "Not Found";
    case DRIVER_NOT_LOADED:
        return "Driver Not Loaded";
    case GPU_IS_LOST:
        return "GPU is lost";
    case LIB_RM_VERSION_MISMATCH:
        return "Driver/library version mismatch";
    default:
        return "Unknown Error";
    }
}

EXPORT int nvmlSystemGetDriverVersion(char *version, unsigned size)
{
    snprintf(version, size, "550.163.01");
    return SUCCESS;
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
    sim_read(&sim);
    *count = (unsigned)sim.visible;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    sim_read(&sim);
    if (index >= (unsigned)sim.visible)
        return INVALID_ARGUMENT;
    if (sim.gpu[index].lost)
        return GPU_IS_LOST;
    *device = (void *)(uintptr_t)(index + 1);
    return SUCCESS;
}

static const struct sim_gpu *gpu_of(void *device)
{
    uintptr_t index = (uintptr_t)device - 1;

    return device && index < (uintptr_t)sim.visible ? &sim.gpu[index] : NULL;
}

EXPORT int nvmlDeviceGetUUID(void *device, char *uuid, unsigned size)
{
    const struct sim_gpu *gpu = gpu_of(device);

    if (!gpu)
        return INVALID_ARGUMENT;
    snprintf(uuid, size, "%s", gpu->uuid);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetName(void *device, char *name, unsigned size)
{
    if (!gpu_of(device))
        return INVALID_ARGUMENT;
    snprintf(name, size, "Tesla T4");
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMinorNumber(void *device, unsigned *minor)
{
    const struct sim_gpu *gpu = gpu_of(device);

    if (!gpu)
        return INVALID_ARGUMENT;
    *minor = (unsigned)gpu->index;
    return SUCCESS;
}

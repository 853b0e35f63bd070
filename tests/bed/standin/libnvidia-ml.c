/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for libnvidia-ml.so.1: SIMULATED GPUs, by the calls with which NVIDIA's container toolkit
 * and device plugin count, name and place them. The config is read again at every call. */
#include "nvml.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct pci_info { /* nvmlPciInfo_t */
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

struct memory_info { /* nvmlMemory_t */
    unsigned long long total, free, used;
};

#define MIB (1024ull * 1024)

struct sim nvml_sim;
static char given[SIM_MAX_GPUS][sizeof(nvml_sim.gpu[0].uuid)]; /* uuids of handles given out */

EXPORT int nvmlInit_v2(void)
{
    sim_read(&nvml_sim);
    if (nvml_sim.fault == SIM_NODRIVER)
        return DRIVER_NOT_LOADED;
    return nvml_sim.fault == SIM_MISMATCH ? LIB_RM_VERSION_MISMATCH : SUCCESS;
}

EXPORT int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    return nvmlInit_v2();
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
    case NOT_SUPPORTED:
        return "Not Supported";
    case NOT_FOUND:
        return "Not Found";
    case DRIVER_NOT_LOADED:
        return "Driver Not Loaded";
    case TIMEOUT:
        return "Timeout";
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
    snprintf(version, size, SIM_DRIVER);
    return SUCCESS;
}

EXPORT int nvmlSystemGetNVMLVersion(char *version, unsigned size)
{
    snprintf(version, size, "13." SIM_DRIVER);
    return SUCCESS;
}

EXPORT int nvmlSystemGetCudaDriverVersion(int *version)
{
    *version = 13000;
    return SUCCESS;
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}

/* ---- handles ---- */

static void *handle_of(const struct sim_gpu *gpu)
{
    snprintf(given[gpu->index], sizeof(given[0]), "%s", gpu->uuid);
    return (void *)(uintptr_t)(gpu->index + 1);
}

static int index_of(void *device)
{
    uintptr_t n = (uintptr_t)device;

    return n >= 1 && n <= SIM_MAX_GPUS ? (int)n - 1 : -1;
}

const struct sim_gpu *nvml_gpu(void *device)
{
    for (int i = 0; i < nvml_sim.visible; i++) {
        if (nvml_sim.gpu[i].index == index_of(device))
            return &nvml_sim.gpu[i];
    }
    return NULL;
}

/* The GPU of a handle, with the code of what hinders asking it. */
static int ask(void *device, const struct sim_gpu **gpu)
{
    sim_read(&nvml_sim);
    *gpu = nvml_gpu(device);
    if (!*gpu)
        return index_of(device) < 0 || !given[index_of(device)][0] ? INVALID_ARGUMENT : GPU_IS_LOST;
    return (*gpu)->lost ? GPU_IS_LOST : SUCCESS;
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
    sim_read(&nvml_sim);
    *count = (unsigned)nvml_sim.visible;
    return SUCCESS;
}

static int give(const struct sim_gpu *gpu, void **device)
{
    if (gpu->lost)
        return GPU_IS_LOST;
    *device = handle_of(gpu);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    sim_read(&nvml_sim);
    return index < (unsigned)nvml_sim.visible ? give(&nvml_sim.gpu[index], device)
                                              : INVALID_ARGUMENT;
}

EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    sim_read(&nvml_sim);
    for (int i = 0; i < nvml_sim.visible; i++) {
        if (strcmp(nvml_sim.gpu[i].uuid, uuid) == 0)
            return give(&nvml_sim.gpu[i], device);
    }
    return NOT_FOUND;
}

EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **device)
{
    size_t length = strlen(bus_id);

    sim_read(&nvml_sim);
    for (int i = 0; i < nvml_sim.visible; i++) {
        const char *own = nvml_sim.gpu[i].bus_id;

        /* The domain has eight digits or four. */
        if (length >= strlen(own) && strcmp(bus_id + length - strlen(own), own) == 0)
            return give(&nvml_sim.gpu[i], device);
    }
    return NOT_FOUND;
}

/* ---- one GPU ---- */

EXPORT int nvmlDeviceGetIndex(void *device, unsigned *index)
{
    const struct sim_gpu *gpu;
    int rc = ask(device, &gpu);

    if (rc == SUCCESS)
        *index = (unsigned)(gpu - nvml_sim.gpu);
    return rc;
}

/* Known from when the handle was given out, also of a GPU that was lost since. */
EXPORT int nvmlDeviceGetUUID(void *device, char *uuid, unsigned size)
{
    int index = index_of(device);

    if (index < 0 || !given[index][0])
        return INVALID_ARGUMENT;
    snprintf(uuid, size, "%s", given[index]);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetName(void *device, char *name, unsigned size)
{
    const struct sim_gpu *gpu;
    int rc = ask(device, &gpu);

    if (rc == SUCCESS)
        snprintf(name, size, "Tesla T4 (SIMULATED)");
    return rc;
}

EXPORT int nvmlDeviceGetBrand(void *device, int *brand)
{
    const struct sim_gpu *gpu;

    *brand = 2; /* Tesla */
    return ask(device, &gpu);
}

EXPORT int nvmlDeviceGetArchitecture(void *device, unsigned *architecture)
{
    const struct sim_gpu *gpu;

    *architecture = 6; /* Turing */
    return ask(device, &gpu);
}

EXPORT int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor)
{
    const struct sim_gpu *gpu;

    *major = 7;
    *minor = 5;
    return ask(device, &gpu);
}

EXPORT int nvmlDeviceGetSerial(void *device, char *serial, unsigned size)
{
    const struct sim_gpu *gpu;
    int rc = ask(device, &gpu);

    if (rc == SUCCESS)
        snprintf(serial, size, "%s", gpu->serial);
    return rc;
}

EXPORT int nvmlDeviceGetMinorNumber(void *device, unsigned *minor)
{
    const struct sim_gpu *gpu;
    int rc = ask(device, &gpu);

    if (rc == SUCCESS)
        *minor = (unsigned)gpu->index;
    return rc;
}

EXPORT int nvmlDeviceGetPciInfo_v3(void *device, struct pci_info *pci)
{
    const struct sim_gpu *gpu;
    int rc = ask(device, &gpu);

    if (rc != SUCCESS)
        return rc;
    memset(pci, 0, sizeof(*pci));
    if (sscanf(gpu->bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device) != 3)
        return INVALID_ARGUMENT;
    snprintf(pci->bus_id_legacy, sizeof(pci->bus_id_legacy), "%.15s", gpu->bus_id);
    snprintf(pci->bus_id, sizeof(pci->bus_id), "0000%s", gpu->bus_id);
    pci->device_id = 0x1eb810de;
    pci->subsystem_id = 0x12a210de;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMemoryInfo(void *device, struct memory_info *memory)
{
    const struct sim_gpu *gpu;
    int rc = ask(device, &gpu);

    if (rc == SUCCESS)
        *memory = (struct memory_info){.total = 15360 * MIB, .free = 14913 * MIB, .used = 447 * MIB};
    return rc;
}

/* Between any two of them there is a host bridge. */
EXPORT int nvmlDeviceGetTopologyCommonAncestor(void *one, void *other, int *level)
{
    (void)one;
    (void)other;
    *level = 30;
    return SUCCESS;
}

/* ---- what a T4 does not have ---- */

EXPORT int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *pending)
{
    const struct sim_gpu *gpu;
    int rc = ask(device, &gpu);

    *now = *pending = 0;
    return rc == SUCCESS ? NOT_SUPPORTED : rc;
}

EXPORT int nvmlDeviceIsMigDeviceHandle(void *device, unsigned *is_mig)
{
    (void)device;
    *is_mig = 0;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count)
{
    (void)device;
    *count = 0;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetNvLinkState(void *device, unsigned link, int *active)
{
    (void)device;
    (void)link;
    *active = 0;
    return NOT_SUPPORTED;
}

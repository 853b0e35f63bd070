/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for libcuda.so.1: a SIMULATED GPU with as much of the driver API as
 * the compute probe calls. "Device memory" is this process's own, and the three
 * kernels of the probe are known by name and computed on the CPU; the PTX itself
 * is only looked at. Faults come from the machine's config, see sim.h. */
#include "sim.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    OK = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_PTX = 218,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
};

enum { JIT_ERROR_LOG = 5, JIT_ERROR_LOG_SIZE = 6 };
enum { KERNEL_FILL = 1, KERNEL_ADD, KERNEL_CHECK };

#define MEMORY_TOTAL ((size_t)15360 << 20)
#define PAGE 4096u

static struct sim sim;
static int current_device;

/* Each call looks again: a fault may come in the middle of a run. */
static struct sim_gpu *gpu_at(int device)
{
    sim_read(&sim);
    return device >= 0 && device < sim.visible ? &sim.gpu[device] : NULL;
}

EXPORT int cuInit(unsigned flags)
{
    (void)flags;
    sim_read(&sim);
    if (sim.visible == 0 || sim.fault == SIM_NODEV || sim.fault == SIM_NODRIVER)
        return NO_DEVICE;
    return OK;
}

EXPORT int cuDriverGetVersion(int *version)
{
    *version = 12040;
    return OK;
}

EXPORT int cuGetErrorName(int error, const char **name)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {OK, "CUDA_SUCCESS"},
        {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
        {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
        {NO_DEVICE, "CUDA_ERROR_NO_DEVICE"},
        {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
        {INVALID_PTX, "CUDA_ERROR_INVALID_PTX"},
        {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
        {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
    };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (names[i].code == error) {
            *name = names[i].name;
            return OK;
        }
    }
    *name = NULL;
    return INVALID_VALUE;
}

EXPORT int cuDeviceGetCount(int *count)
{
    sim_read(&sim);
    *count = sim.visible;
    return OK;
}

EXPORT int cuDeviceGet(int *device, int ordinal)
{
    if (!gpu_at(ordinal))
        return INVALID_DEVICE;
    *device = ordinal;
    return OK;
}

EXPORT int cuDeviceGetName(char *name, int size, int device)
{
    if (!gpu_at(device))
        return INVALID_DEVICE;
    snprintf(name, (size_t)size, "Tesla T4");
    return OK;
}

EXPORT int cuDeviceGetPCIBusId(char *id, int size, int device)
{
    const struct sim_gpu *gpu = gpu_at(device);

    if (!gpu)
        return INVALID_DEVICE;
    snprintf(id, (size_t)size, "%s", gpu->bus_id);
    return OK;
}

EXPORT int cuDeviceGetUuid(unsigned char *uuid, int device)
{
    const struct sim_gpu *gpu = gpu_at(device);
    const char *p;
    unsigned byte;
    int i;

    if (!gpu)
        return INVALID_DEVICE;
    p = gpu->uuid + strlen("GPU-");
    for (i = 0; i < 16; i++) {
        p += *p == '-';
        if (sscanf(p, "%2x", &byte) != 1)
            return INVALID_VALUE;
        uuid[i] = (unsigned char)byte;
        p += 2;
    }
    return OK;
}

EXPORT int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    return cuDeviceGetUuid(uuid, device);
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    static const struct {
        int attribute, value;
    } values[] = {{16, 40}, {20, 0}, {32, 1}, {36, 5001000}, {37, 256}, {75, 7}, {76, 5}};
    size_t i;

    if (!gpu_at(device))
        return INVALID_DEVICE;
    for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
        if (values[i].attribute == attribute) {
            *value = values[i].value;
            return OK;
        }
    }
    return INVALID_VALUE;
}

EXPORT int cuDevicePrimaryCtxRetain(void **context, int device)
{
    const struct sim_gpu *gpu = gpu_at(device);

    if (!gpu)
        return INVALID_DEVICE;
    *context = (void *)(uintptr_t)(device + 1);
    return OK;
}

EXPORT int cuDevicePrimaryCtxRelease(int device)
{
    return gpu_at(device) ? OK : INVALID_DEVICE;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device)
{
    return cuDevicePrimaryCtxRelease(device);
}

EXPORT int cuCtxSetCurrent(void *context)
{
    current_device = (int)(uintptr_t)context - 1;
    return OK;
}

EXPORT int cuCtxSynchronize(void)
{
    const struct sim_gpu *gpu = gpu_at(current_device);

    return gpu && !gpu->lost ? OK : LAUNCH_FAILED;
}

EXPORT int cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    *free_bytes = sim.busy ? MEMORY_TOTAL / 2 : MEMORY_TOTAL - ((size_t)447 << 20);
    *total = MEMORY_TOTAL;
    return OK;
}

/* PTX is not compiled here; a text without the one version this simulates is
 * refused, as a driver refuses what it does not know. */
EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options,
                              void **values)
{
    const char *complaint = NULL;
    char *log = NULL;
    size_t size = 0;
    unsigned i;

    for (i = 0; i < count; i++) {
        if (options[i] == JIT_ERROR_LOG)
            log = values[i];
        else if (options[i] == JIT_ERROR_LOG_SIZE)
            size = (size_t)(uintptr_t)values[i];
    }
    sim_read(&sim);
    if (sim.fault == SIM_JIT)
        complaint = "ptxas fatal : SIMULATED: unsupported .version";
    else if (!strstr(image, ".version") || !strstr(image, ".entry"))
        complaint = "ptxas fatal : SIMULATED: not a PTX text";
    if (!complaint) {
        *module = (void *)image;
        return OK;
    }
    if (log && size)
        snprintf(log, size, "%s", complaint);
    return INVALID_PTX;
}

EXPORT int cuModuleUnload(void *module)
{
    (void)module;
    return OK;
}

EXPORT int cuModuleGetFunction(void **function, void *module, const char *name)
{
    static const char *const kernels[] = {
        [KERNEL_FILL] = "gpuc_fill", [KERNEL_ADD] = "gpuc_add", [KERNEL_CHECK] = "gpuc_check"};
    int i;

    (void)module;
    for (i = KERNEL_FILL; i <= KERNEL_CHECK; i++) {
        if (strcmp(name, kernels[i]) == 0) {
            *function = (void *)(uintptr_t)i;
            return OK;
        }
    }
    return NOT_FOUND;
}

/* A page before each allocation keeps its size. */
EXPORT int cuMemAlloc_v2(uint64_t *address, size_t size)
{
    size_t *head;

    if (size == 0 || size > MEMORY_TOTAL)
        return size ? OUT_OF_MEMORY : INVALID_VALUE;
    head = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (head == MAP_FAILED)
        return OUT_OF_MEMORY;
    *head = size;
    *address = (uint64_t)(uintptr_t)head + PAGE;
    return OK;
}

EXPORT int cuMemFree_v2(uint64_t address)
{
    size_t *head = (size_t *)(uintptr_t)(address - PAGE);

    return munmap(head, *head + PAGE) ? INVALID_VALUE : OK;
}

EXPORT int cuMemsetD32_v2(uint64_t address, unsigned value, size_t count)
{
    uint32_t *p = (uint32_t *)(uintptr_t)address;
    size_t i;

    for (i = 0; i < count; i++)
        p[i] = value;
    return OK;
}

EXPORT int cuMemcpyDtoH_v2(void *host, uint64_t device, size_t size)
{
    memcpy(host, (void *)(uintptr_t)device, size);
    return cuCtxSynchronize();
}

EXPORT int cuMemcpyHtoD_v2(uint64_t device, const void *host, size_t size)
{
    memcpy((void *)(uintptr_t)device, host, size);
    return cuCtxSynchronize();
}

#define MAX_EVENTS 64
static double event_times[MAX_EVENTS];
static unsigned event_count;

EXPORT int cuEventCreate(void **event, unsigned flags)
{
    (void)flags;
    *event = &event_times[event_count++ % MAX_EVENTS];
    return OK;
}

EXPORT int cuEventRecord(void *event, void *stream)
{
    struct timespec now;

    (void)stream;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *(double *)event = (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
    return OK;
}

EXPORT int cuEventSynchronize(void *event)
{
    (void)event;
    return cuCtxSynchronize();
}

EXPORT int cuEventElapsedTime(float *milliseconds, void *start, void *end)
{
    *milliseconds = (float)(*(double *)end - *(double *)start);
    return OK;
}

EXPORT int cuEventDestroy_v2(void *event)
{
    (void)event;
    return OK;
}

static uint32_t *buffer_argument(void **arguments, int index)
{
    return (uint32_t *)(uintptr_t) * (uint64_t *)arguments[index];
}

static uint32_t number_argument(void **arguments, int index)
{
    return *(uint32_t *)arguments[index];
}

static void run_fill(void **arguments)
{
    uint32_t *a = buffer_argument(arguments, 0), *b = buffer_argument(arguments, 1);
    uint32_t n = number_argument(arguments, 2), seed = number_argument(arguments, 3), i;

    for (i = 0; i < n; i++) {
        uint32_t x = (i ^ seed) * 0x9E3779B1u;

        x ^= x >> 15;
        x *= 0x85EBCA77u;
        x ^= x >> 13;
        a[i] = x;
        b[i] = 3 * i + seed - x;
    }
}

static void run_add(void **arguments, int wrong)
{
    uint32_t *a = buffer_argument(arguments, 0), *b = buffer_argument(arguments, 1);
    uint32_t *c = buffer_argument(arguments, 2);
    uint32_t n = number_argument(arguments, 3), i;

    for (i = 0; i < n; i++)
        c[i] = a[i] + b[i];
    if (wrong && n > 7)
        c[n - 7] ^= 1;
}

static void run_check(void **arguments)
{
    uint32_t *c = buffer_argument(arguments, 0), *bad = buffer_argument(arguments, 1);
    uint32_t n = number_argument(arguments, 2), seed = number_argument(arguments, 3), i;

    for (i = 0; i < n; i++)
        *bad += c[i] != 3 * i + seed;
}

EXPORT int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                          void *stream, void **arguments, void **extra)
{
    (void)grid_x, (void)grid_y, (void)grid_z, (void)block_x, (void)block_y, (void)block_z;
    (void)shared, (void)stream, (void)extra;
    sim_read(&sim);
    switch ((int)(uintptr_t)function) {
    case KERNEL_FILL:
        run_fill(arguments);
        return OK;
    case KERNEL_ADD:
        run_add(arguments, sim.fault == SIM_BADADD);
        return OK;
    case KERNEL_CHECK:
        run_check(arguments);
        return OK;
    default:
        return NOT_FOUND;
    }
}

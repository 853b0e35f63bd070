/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for libcuda.so.1: a SIMULATED GPU with as much of the driver API as
 * the compute probe calls. "Device memory" is this process's own, and the three
 * kernels of the probe are known by name and computed on the CPU; the PTX itself
 * is only looked at. Faults come from the machine's config, see sim.h. */
#include "sim.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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
/* CUDA_VISIBLE_DEVICES as libcuda has it: UUIDs (or their first characters) and
 * numbers, of GPUs and of MIG devices; what comes after one that is not there
 * does not count. Of MIG devices the first alone is seen. */
static struct cuda_device {
    int gpu; /* of sim.gpu */
    int mig; /* of that GPU; -1: the whole one */
} devices[SIM_MAX_GPUS];
static int device_count;

/* Nameless words name nothing. */
static int word_is(const char *word, size_t length, const char *uuid)
{
    return length >= 4 && length <= strlen(uuid) && strncmp(word, uuid, length) == 0;
}

static int find_word(const char *word, size_t length, struct cuda_device *out)
{
    int i, m;

    for (i = 0; i < sim.visible; i++) {
        for (m = 0; m < sim.gpu[i].migs; m++) {
            if (word_is(word, length, sim.gpu[i].mig_uuid[m])) {
                *out = (struct cuda_device){i, m};
                return 1;
            }
        }
        if (word_is(word, length, sim.gpu[i].uuid) ||
            (length == 1 && *word - '0' == i)) {
            *out = (struct cuda_device){i, sim.gpu[i].migs ? 0 : -1};
            return 1;
        }
    }
    return 0;
}

static void find_devices(void)
{
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    int i;

    device_count = 0;
    for (i = 0; !list && i < sim.visible; i++)
        devices[device_count++] = (struct cuda_device){i, sim.gpu[i].migs ? 0 : -1};
    while (list && *list && device_count < SIM_MAX_GPUS) {
        size_t length = strcspn(list, ",");

        if (!find_word(list, length, &devices[device_count]))
            break;
        device_count++;
        list += length + (list[length] == ',');
    }
    for (i = 0; i < device_count; i++) {
        if (devices[i].mig >= 0) {
            devices[0] = devices[i];
            device_count = 1;
        }
    }
}

/* Each call looks again: a fault may come in the middle of a run. */
static struct sim_gpu *gpu_at(int device)
{
    sim_read(&sim);
    find_devices();
    return device >= 0 && device < device_count ? &sim.gpu[devices[device].gpu] : NULL;
}

/* A call may be told to fail, to hang or to take the process down. */
static int enter(const char *call)
{
    const struct sim_gpu *gpu = gpu_at(current_device > 0 ? current_device : 0);

    if (sim.fault_gpu >= 0 && (!gpu || gpu->index != sim.fault_gpu))
        return OK;
    while (strcmp(sim.hangs, call) == 0)
        pause();
    if (strcmp(sim.crashes, call) == 0)
        abort();
    return strcmp(sim.fails.name, call) == 0 ? sim.fails.code : OK;
}

#define ENTER()                                                                                    \
    do {                                                                                           \
        int code_ = enter(__func__);                                                               \
                                                                                                   \
        if (code_)                                                                                 \
            return code_;                                                                          \
    } while (0)

EXPORT int cuInit(unsigned flags)
{
    ENTER();
    (void)flags;
    if (device_count == 0 || sim.fault == SIM_NODEV || sim.fault == SIM_NODRIVER)
        return NO_DEVICE;
    return OK;
}

EXPORT int cuDriverGetVersion(int *version)
{
    ENTER();
    *version = 13000;
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
        {3, "CUDA_ERROR_NOT_INITIALIZED"},
        {46, "CUDA_ERROR_DEVICE_UNAVAILABLE"},
        {NO_DEVICE, "CUDA_ERROR_NO_DEVICE"},
        {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
        {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
        {214, "CUDA_ERROR_ECC_UNCORRECTABLE"},
        {INVALID_PTX, "CUDA_ERROR_INVALID_PTX"},
        {221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND"},
        {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
        {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
        {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
        {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
        {802, "CUDA_ERROR_SYSTEM_NOT_READY"},
        {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"},
        {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"},
        {999, "CUDA_ERROR_UNKNOWN"},
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
    ENTER();
    *count = device_count;
    return OK;
}

EXPORT int cuDeviceGet(int *device, int ordinal)
{
    ENTER();
    if (!gpu_at(ordinal))
        return INVALID_DEVICE;
    *device = ordinal;
    return OK;
}

EXPORT int cuDeviceGetName(char *name, int size, int device)
{
    ENTER();
    if (!gpu_at(device))
        return INVALID_DEVICE;
    snprintf(name, (size_t)size, "Tesla T4%s", devices[device].mig >= 0 ? " MIG 1g.2gb" : "");
    return OK;
}

EXPORT int cuDeviceGetPCIBusId(char *id, int size, int device)
{
    const struct sim_gpu *gpu = gpu_at(device);

    ENTER();
    if (!gpu)
        return INVALID_DEVICE;
    snprintf(id, (size_t)size, "%s", gpu->bus_id);
    return OK;
}

static int read_uuid(unsigned char *raw, const char *text)
{
    const char *p = text + strlen("GPU-");
    unsigned byte;
    int i;

    for (i = 0; i < 16; i++) {
        p += *p == '-';
        if (sscanf(p, "%2x", &byte) != 1)
            return INVALID_VALUE;
        raw[i] = (unsigned char)byte;
        p += 2;
    }
    return OK;
}

/* The first form gives a MIG device's GPU, the second the MIG device. */
EXPORT int cuDeviceGetUuid(unsigned char *uuid, int device)
{
    const struct sim_gpu *gpu = gpu_at(device);

    ENTER();
    return gpu ? read_uuid(uuid, gpu->uuid) : INVALID_DEVICE;
}

EXPORT int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    const struct sim_gpu *gpu = gpu_at(device);
    int mig = gpu ? devices[device].mig : -1;

    ENTER();
    if (!gpu)
        return INVALID_DEVICE;
    return read_uuid(uuid, mig >= 0 ? gpu->mig_uuid[mig] : gpu->uuid);
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    static const struct {
        int attribute, value;
    } values[] = {{16, 40}, {20, 0}, {32, 1}, {36, 5001000}, {37, 256},
                  {38, 4 << 20}, {75, 7}, {76, 5}};
    size_t i;

    ENTER();
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

    ENTER();
    if (!gpu)
        return INVALID_DEVICE;
    *context = (void *)(uintptr_t)(device + 1);
    return OK;
}

EXPORT int cuDevicePrimaryCtxRelease(int device)
{
    ENTER();
    return gpu_at(device) ? OK : INVALID_DEVICE;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device)
{
    ENTER();
    return cuDevicePrimaryCtxRelease(device);
}

EXPORT int cuCtxSetCurrent(void *context)
{
    ENTER();
    current_device = (int)(uintptr_t)context - 1;
    return OK;
}

EXPORT int cuCtxSynchronize(void)
{
    const struct sim_gpu *gpu = gpu_at(current_device);

    ENTER();
    return gpu && !gpu->lost ? OK : LAUNCH_FAILED;
}

EXPORT int cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    ENTER();
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

    ENTER();
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
    ENTER();
    (void)module;
    return OK;
}

EXPORT int cuModuleGetFunction(void **function, void *module, const char *name)
{
    static const char *const kernels[] = {
        [KERNEL_FILL] = "gpuc_fill", [KERNEL_ADD] = "gpuc_add", [KERNEL_CHECK] = "gpuc_check"};
    int i;

    ENTER();
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

    ENTER();
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

    ENTER();
    return munmap(head, *head + PAGE) ? INVALID_VALUE : OK;
}

EXPORT int cuMemsetD32_v2(uint64_t address, unsigned value, size_t count)
{
    uint32_t *p = (uint32_t *)(uintptr_t)address;
    size_t i;

    ENTER();
    for (i = 0; i < count; i++)
        p[i] = value;
    return OK;
}

EXPORT int cuMemcpyDtoH_v2(void *host, uint64_t device, size_t size)
{
    ENTER();
    memcpy(host, (void *)(uintptr_t)device, size);
    return cuCtxSynchronize();
}

EXPORT int cuMemcpyHtoD_v2(uint64_t device, const void *host, size_t size)
{
    ENTER();
    memcpy((void *)(uintptr_t)device, host, size);
    return cuCtxSynchronize();
}

#define MAX_EVENTS 64
static double event_times[MAX_EVENTS];
static unsigned event_count;

EXPORT int cuEventCreate(void **event, unsigned flags)
{
    ENTER();
    (void)flags;
    *event = &event_times[event_count++ % MAX_EVENTS];
    return OK;
}

EXPORT int cuEventRecord(void *event, void *stream)
{
    struct timespec now;

    ENTER();
    (void)stream;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *(double *)event = (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
    return OK;
}

EXPORT int cuEventSynchronize(void *event)
{
    ENTER();
    (void)event;
    return cuCtxSynchronize();
}

EXPORT int cuEventElapsedTime(float *milliseconds, void *start, void *end)
{
    ENTER();
    *milliseconds = (float)(*(double *)end - *(double *)start);
    return OK;
}

EXPORT int cuEventDestroy_v2(void *event)
{
    ENTER();
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
    ENTER();
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the stand-in libnvidia-ml.so.1. A GPU that is lost, or that the config shows no longer,
 * reports Xid 79, as a GPU does that falls off the bus; a config line "nvml_xid=48" makes the GPU of
 * fault_gpu (-1: every GPU) report that Xid, once for each new number. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nvml.h"

#define XID_EVENT 0x8ull
#define FELL_OFF 79
#define POLL_MS 200

struct event { /* nvmlEventData_t */
    void *device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
};

struct event_set {
    int watched[SIM_MAX_GPUS]; /* by index on the machine */
    int told[SIM_MAX_GPUS];    /* the last Xid that was reported; 0: none */
};

EXPORT int nvmlEventSetCreate(struct event_set **set)
{
    *set = calloc(1, sizeof(**set));
    return *set ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT int nvmlEventSetFree(struct event_set *set)
{
    free(set);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetSupportedEventTypes(void *device, unsigned long long *types)
{
    sim_read(&nvml_sim);
    *types = XID_EVENT;
    return nvml_gpu(device) ? SUCCESS : GPU_IS_LOST;
}

EXPORT int nvmlDeviceRegisterEvents(void *device, unsigned long long types, struct event_set *set)
{
    const struct sim_gpu *gpu;

    sim_read(&nvml_sim);
    gpu = nvml_gpu(device);
    if (!gpu)
        return GPU_IS_LOST;
    set->watched[gpu->index] = (types & XID_EVENT) != 0;
    return SUCCESS;
}

/* The Xid that the config asks for, and of which GPU. */
static int read_xid(int *which)
{
    FILE *file = fopen(SIM_DIR "/config", "re");
    char line[256];
    int xid = 0;

    *which = -1;
    while (file && fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "nvml_xid=%d", &xid);
        (void)sscanf(line, "fault_gpu=%d", which);
    }
    if (file)
        fclose(file);
    return xid;
}

/* The Xid that the GPU of this index stands at; 0: none. */
static int xid_of(int index)
{
    int which, xid = read_xid(&which);

    for (int i = 0; i < nvml_sim.visible; i++) {
        if (nvml_sim.gpu[i].index == index)
            return nvml_sim.gpu[i].lost ? FELL_OFF : which < 0 || which == index ? xid : 0;
    }
    return FELL_OFF;
}

static int next_event(struct event_set *set, struct event *event)
{
    sim_read(&nvml_sim);
    for (int index = 0; index < SIM_MAX_GPUS; index++) {
        int xid = set->watched[index] ? xid_of(index) : 0;

        if (xid != set->told[index]) {
            set->told[index] = xid;
            if (!xid)
                continue;
            *event = (struct event){(void *)(uintptr_t)(index + 1), XID_EVENT,
                                    (unsigned long long)xid, 0xffffffff, 0xffffffff};
            return 1;
        }
    }
    return 0;
}

EXPORT int nvmlEventSetWait_v2(struct event_set *set, struct event *event, unsigned timeout_ms)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000l};

    for (unsigned waited = 0;; waited += POLL_MS) {
        if (next_event(set, event))
            return SUCCESS;
        if (waited >= timeout_ms)
            return TIMEOUT;
        nanosleep(&pause, NULL);
    }
}

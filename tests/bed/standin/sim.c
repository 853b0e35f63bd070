/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the SIMULATED GPU's config; see sim.h. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    int gpus;
    int fault_gpu; /* the GPU that "lost" is about; -1: all */
    char fault[16];
    int busy;
    int mig; /* MIG devices of each GPU */
    struct sim_call fails;
    char hangs[40], crashes[40];
    char seed[33]; /* 32 hex digits that differ from machine to machine */
};

static const char *const fault_names[] = {
    [SIM_NONE] = "none",         [SIM_NODEV] = "nodev", [SIM_BADADD] = "badadd",
    [SIM_JIT] = "jit",           [SIM_LOST] = "lost",   [SIM_NODRIVER] = "nodriver",
    [SIM_MISMATCH] = "mismatch", [SIM_HANG] = "hang",
};

static void read_settings(struct settings *out)
{
    FILE *file = fopen(SIM_DIR "/config", "re");
    char line[256];

    *out = (struct settings){.gpus = 1, .fault_gpu = -1, .fault = "none"};
    if (file) {
        while (fgets(line, sizeof(line), file)) {
            (void)sscanf(line, "gpus=%d", &out->gpus);
            (void)sscanf(line, "fault_gpu=%d", &out->fault_gpu);
            (void)sscanf(line, "fault=%15[a-z]", out->fault);
            (void)sscanf(line, "busy=%d", &out->busy);
            (void)sscanf(line, "mig=%d", &out->mig);
            (void)sscanf(line, "cuda_fail=%39[A-Za-z0-9_]:%d", out->fails.name, &out->fails.code);
            (void)sscanf(line, "cuda_hang=%39[A-Za-z0-9_]", out->hangs);
            (void)sscanf(line, "cuda_crash=%39[A-Za-z0-9_]", out->crashes);
        }
        fclose(file);
    }
    file = fopen(SIM_DIR "/seed", "re");
    if (!file || !fgets(out->seed, sizeof(out->seed), file) || strlen(out->seed) != 32)
        memcpy(out->seed, "00000000000000000000000000000000", 33);
    if (file)
        fclose(file);
    if (out->gpus < 0)
        out->gpus = 0;
    if (out->gpus > SIM_MAX_GPUS)
        out->gpus = SIM_MAX_GPUS;
    if (out->mig > SIM_MAX_MIGS)
        out->mig = SIM_MAX_MIGS;
}

static void fill_gpu(struct sim_gpu *gpu, int index, const struct settings *set)
{
    const char *s = set->seed;

    gpu->index = index;
    gpu->lost = strcmp(set->fault, "lost") == 0 &&
                (set->fault_gpu < 0 || set->fault_gpu == index);
    snprintf(gpu->uuid, sizeof(gpu->uuid), "GPU-%.8s-%.4s-%.4s-%.4s-%.10s%02x", s, s + 8, s + 12,
             s + 16, s + 20, index);
    snprintf(gpu->bus_id, sizeof(gpu->bus_id), "0000:00:%02x.0", 4 + index);
    snprintf(gpu->serial, sizeof(gpu->serial), "1320%09d", index);
    gpu->migs = set->mig > 0 ? set->mig : 0;
    for (int i = 0; i < gpu->migs; i++)
        snprintf(gpu->mig_uuid[i], sizeof(gpu->mig_uuid[i]), "MIG-%.8s-%.4s-%.4s-%.4s-%.8s%02x%02x", s,
                 s + 8, s + 12, s + 16, s + 20, index, 0xa0 + i);
}

/* One word of NVIDIA_VISIBLE_DEVICES: an index or a UUID. */
static int word_names(const char *word, size_t length, const struct sim_gpu *gpu)
{
    char number[16];

    if (length == strlen(gpu->uuid) && memcmp(word, gpu->uuid, length) == 0)
        return 1;
    snprintf(number, sizeof(number), "%d", gpu->index);
    return length == strlen(number) && memcmp(word, number, length) == 0;
}

static int is_visible(const struct sim_gpu *gpu)
{
    const char *list = getenv("NVIDIA_VISIBLE_DEVICES");

    if (!list || !*list || strcmp(list, "all") == 0)
        return 1;
    if (strcmp(list, "void") == 0) { /* CDI gave the container its device nodes: they tell */
        char node[32];

        snprintf(node, sizeof(node), "/dev/nvidia%d", gpu->index);
        return access(node, F_OK) == 0;
    }
    while (*list) {
        size_t length = strcspn(list, ",");

        if (word_names(list, length, gpu))
            return 1;
        list += length + (list[length] == ',');
    }
    return 0;
}

void sim_read(struct sim *sim)
{
    struct settings set;
    struct sim_gpu gpu;
    size_t i;
    int index;

    read_settings(&set);
    memset(sim, 0, sizeof(*sim));
    sim->busy = set.busy;
    sim->fault_gpu = set.fault_gpu;
    sim->fails = set.fails;
    memcpy(sim->hangs, set.hangs, sizeof(sim->hangs));
    memcpy(sim->crashes, set.crashes, sizeof(sim->crashes));
    for (i = 0; i < sizeof(fault_names) / sizeof(*fault_names); i++)
        if (strcmp(set.fault, fault_names[i]) == 0)
            sim->fault = (enum sim_fault)i;
    for (index = 0; index < set.gpus; index++) {
        fill_gpu(&gpu, index, &set);
        if (is_visible(&gpu))
            sim->gpu[sim->visible++] = gpu;
    }
}

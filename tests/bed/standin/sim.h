/* SPDX-License-Identifier: Apache-2.0 */
/* What the SIMULATED GPU's stand-ins share: the machine's config, which is read
 * again at every use, and which of the GPUs the calling container may see. */
#ifndef GPUC_BED_SIM_H
#define GPUC_BED_SIM_H

#ifndef SIM_DIR /* tests give a directory of their own */
#define SIM_DIR "/etc/gpucluster/simulated-gpu"
#endif
#define SIM_MAX_GPUS 16
#define SIM_MAX_MIGS 7 /* per GPU */
#define SIM_DRIVER "580.159.04" /* also the suffix of the libraries' names */

enum sim_fault {
    SIM_NONE = 0,
    SIM_NODEV,    /* cuInit finds no device */
    SIM_BADADD,   /* one wrong sum */
    SIM_JIT,      /* PTX is refused */
    SIM_LOST,     /* the GPU fell off the bus */
    SIM_NODRIVER, /* no kernel driver: nvidia-smi exits 9 */
    SIM_MISMATCH, /* driver and library differ: nvidia-smi exits 18 */
    SIM_HANG,     /* nvidia-smi never answers */
};

struct sim_gpu {
    int index;
    char uuid[48];
    char bus_id[24]; /* 0000:00:04.0 */
    char serial[16];
    int lost;
    int migs; /* MIG devices; 0: MIG is disabled */
    char mig_uuid[SIM_MAX_MIGS][64];
};

/* What a call of libcuda does instead of its work. */
struct sim_call {
    char name[40]; /* "" : none */
    int code;      /* it returns that */
};

struct sim {
    enum sim_fault fault;
    int busy;
    int visible; /* how many of gpu[] are filled */
    int fault_gpu; /* whom a call's misbehaviour is about; -1: all */
    struct sim_call fails;
    char hangs[40], crashes[40]; /* calls of libcuda that do */
    struct sim_gpu gpu[SIM_MAX_GPUS];
};

/* Reads the config and the environment's NVIDIA_VISIBLE_DEVICES. Missing files
 * mean one healthy GPU. */
void sim_read(struct sim *sim);

#endif

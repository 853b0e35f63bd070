/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA compute probe: texts fed over SSH or to a pod, which load PTX through libcuda and check
 * exact integer arithmetic; and the reader of its lines. Nothing stays on the machine. */
#ifndef GPUC__PROBE_H
#define GPUC__PROBE_H
#include <gpucluster.h>
#include <stdbool.h>

#include "gpu/smi_xml.h"

#define GPUC__PROBE_OUTPUT_MAX (1024u * 1024)
#define GPUC__PROBE_GPUS_MAX 256
#define GPUC__PROBE_NO_RUNNER "NO_RUNNER" /* the error when neither python3 nor a compiler is there */

/* Where a card's memory bandwidth on paper comes from. */
typedef enum gpuc__bandwidth_source {
    GPUC__BANDWIDTH_UNKNOWN = 0,
    GPUC__BANDWIDTH_DRIVER, /* memory clock and bus width as libcuda gives them */
    GPUC__BANDWIDTH_TABLE   /* memory-bandwidth.json, by the product's name */
} gpuc__bandwidth_source;

/* A GPU or a MIG device. */
typedef struct gpuc__probe_gpu {
    char device[96];       /* as it was asked for: the uuid of a GPU or of a MIG device */
    char parent[96];       /* of a MIG device: its GPU's uuid; else "" */
    int index;             /* of a MIG device: its number there; else -1 */
    char bus[GPUC__BUS_ID_SIZE];
    char uuid[96], name[128], cc[16]; /* as libcuda says */
    int cuda;              /* cuDriverGetVersion, 13000; 0 not known */
    int status;            /* GPUC_CHECK_PASS or _FAIL */
    char stage[64];        /* the call that failed, or at which it stopped */
    int code;              /* its CUresult; 0: none */
    char error[64];        /* "CUDA_ERROR_…", "MISMATCH", "TIMEOUT" … */
    char detail[512];      /* JIT log, exception text */
    long mismatches;       /* counted by the GPU; -1 not known */
    long host_mismatches;  /* counted on the host; -1 not known */
    double gbs;            /* memory bandwidth of the add kernel; 0 not known, or a cache could help */
    double theoretical_gbs; /* the card's; 0 not known. Of a MIG device never known */
    gpuc__bandwidth_source theoretical_source;
    long mib;              /* per buffer */
    long memory_mib, l2_kib; /* -1 not known */
} gpuc__probe_gpu;

typedef struct gpuc__probe {
    int status;      /* exit status of the command */
    char runner[16]; /* "python3" or "cc"; "" not known */
    int count;       /* devices it was pointed at; -1 not known */
    bool simulated;
    bool fatal;      /* it could not begin: stage, error, detail say why */
    size_t begun, ends; /* how many began or said why not; how many reached their end: each container
                         * of a pod runs one */
    char stage[64];
    int code;
    char error[64];
    char detail[512];
    gpuc__probe_gpu *gpus;
    size_t gpu_count;
} gpuc__probe;

/* What to run. All zero: every device that nvidia-smi -L lists where it runs. */
typedef struct gpuc__probe_request {
    const char *const *devices; /* uuids, or "GPU-UUID/INDEX" for a MIG device */
    size_t device_count;
    const char *const *skip; /* uuids to leave alone when all are asked for */
    size_t skip_count;
    int mib;        /* per buffer; 0: the probe's own choice, by the L2 cache */
    int deadline_s; /* for each device; 0: 60 */
    bool container; /* nvidia-smi's table first, which has to work; python3 or nothing */
} gpuc__probe_request;

/* Why a CUresult came and what to do; from cuda-errors.json. Strings are new. */
typedef struct gpuc__cuda_reason {
    char *name, *reason, *remedy;
} gpuc__cuda_reason;

/* The text for sh's stdin: python3 runs the probe, else a C compiler. New string. GPUC_EINVAL for a
 * device that is none. */
int gpuc__probe_script(char **out, const gpuc__probe_request *request, gpuc_error **err);
/* The same as a word of a container's command, where the kubelet reads $( and $$ in a way of its own. */
int gpuc__probe_script_for_pod(char **out, const gpuc__probe_request *request, gpuc_error **err);
/* When the run has ended by itself, whatever hangs: a time for the caller. */
int gpuc__probe_timeout_ms(size_t devices);
/* Reads stdout of the run. Lines that are not ours are ignored; stderr's tail explains a run that
 * printed none. GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__probe_parse(gpuc__probe **out, int status, const char *bytes, size_t length,
                      const char *errout, size_t errout_length, gpuc_error **err);
void gpuc__probe_free(gpuc__probe *probe);
/* The whole GPU of that uuid, else of that bus id; NULL. */
const gpuc__probe_gpu *gpuc__probe_find(const gpuc__probe *probe, const char *bus,
                                        const char *uuid);
/* The MIG device of that number on that GPU; NULL. */
const gpuc__probe_gpu *gpuc__probe_find_mig(const gpuc__probe *probe, const char *parent, int index);

/* By CUresult, or with code 0 by the probe's own name of the error ("MISMATCH"). An unknown one
 * gets a general reason. GPUC_ENOMEM, GPUC_EINTERNAL (table broken). */
int gpuc__cuda_reason_get(gpuc__cuda_reason *out, int code, const char *name, gpuc_error **err);
void gpuc__cuda_reason_clear(gpuc__cuda_reason *reason);

/* GB/s on paper of the product of that name, by memory-bandwidth.json; 0: not in the table. */
int gpuc__memory_bandwidth(double *out, const char *product, gpuc_error **err);
#endif

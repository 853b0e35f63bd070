/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA compute probe: a Python text fed over SSH that loads PTX through libcuda and checks
 * exact integer arithmetic; and the reader of its lines. Nothing is written on the machine. */
#ifndef GPUC__PROBE_H
#define GPUC__PROBE_H
#include <gpucluster.h>
#include <stdbool.h>

#include "gpu/smi_xml.h"

#define GPUC__PROBE_OUTPUT_MAX (1024u * 1024)
#define GPUC__PROBE_TIMEOUT_MS 150000 /* the caller's; the command carries 120 s of its own */
#define GPUC__PROBE_GPUS_MAX 256
#define GPUC__PROBE_MIB 256          /* per buffer, three buffers: more than any L2 cache */
#define GPUC__PROBE_MIB_SIMULATED 8

typedef struct gpuc__probe_gpu {
    int ordinal;
    char bus[GPUC__BUS_ID_SIZE];
    char uuid[64], name[128], cc[16];
    int status; /* GPUC_CHECK_PASS, _SKIP or _FAIL */
    char stage[64];        /* the call that failed */
    int code;              /* its CUresult; 0: none */
    char error[64];        /* "CUDA_ERROR_…" or "MISMATCH" */
    char detail[512];      /* JIT log, exception text */
    long mismatches;       /* counted by the GPU; -1 not known */
    long host_mismatches;  /* counted on the host; -1 not known */
    double gbs, theoretical_gbs; /* memory bandwidth of the add kernel; 0 not known */
    long mib;              /* per buffer */
} gpuc__probe_gpu;

typedef struct gpuc__probe {
    int status;      /* exit status of the command */
    int cuda;        /* cuDriverGetVersion, 13000; 0 not known */
    int count;       /* cuDeviceGetCount; -1 not known */
    bool simulated;
    bool ended;      /* it reached its end */
    bool fatal;      /* it could not begin: stage, code, error, detail say why */
    char stage[64];
    int code;
    char error[64];
    char detail[512];
    gpuc__probe_gpu *gpus;
    size_t gpu_count;
} gpuc__probe;

/* Why a CUresult came and what to do; from cuda-errors.json. Strings are new. */
typedef struct gpuc__cuda_reason {
    char *name, *reason, *remedy;
} gpuc__cuda_reason;

/* The text for python3's stdin. New string. */
int gpuc__probe_script(char **out, gpuc_error **err);
/* `timeout -k 5 120 python3 - --mib N --skip BUS …`; skip: bus ids to leave alone. mib 0: the
 * default. New string. GPUC_EINVAL for a bus id that is none. */
int gpuc__probe_command(char **out, int mib, const char *const *skip, size_t skip_count,
                        gpuc_error **err);
/* Reads stdout of the run. Lines that are not ours are ignored; stderr's tail explains a run that
 * printed none. GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__probe_parse(gpuc__probe **out, int status, const char *bytes, size_t length,
                      const char *errout, size_t errout_length, gpuc_error **err);
void gpuc__probe_free(gpuc__probe *probe);
/* The GPU of that bus id, else of that uuid; NULL. */
const gpuc__probe_gpu *gpuc__probe_find(const gpuc__probe *probe, const char *bus,
                                        const char *uuid);

/* By CUresult, or with code 0 by the probe's own name of the error ("MISMATCH"). An unknown one
 * gets a general reason. GPUC_ENOMEM, GPUC_EINTERNAL (table broken). */
int gpuc__cuda_reason_get(gpuc__cuda_reason *out, int code, const char *name, gpuc_error **err);
void gpuc__cuda_reason_clear(gpuc__cuda_reason *reason);
#endif

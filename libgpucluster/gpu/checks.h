/* SPDX-License-Identifier: Apache-2.0 */
/* The checks, each a function over what was collected. Private to proof.h's evaluate. */
#ifndef GPUC__CHECKS_H
#define GPUC__CHECKS_H
#include "gpu/proof.h"

/* One evaluation under way. */
typedef struct gpuc__checkup {
    gpuc__machine_proof *proof;
    int expected; /* -1: not declared */
    const gpuc__collect *collect;
    const gpuc__probe *probe; /* NULL: not run */
    const char *probe_reason;
    gpuc_error **err;
    int rc; /* the first failure of ours; later results are dropped */
} gpuc__checkup;

/* A result; observed is printf-like. remedy NULL: the table's. */
void gpuc__checkup_result(gpuc__checkup *up, const char *id, const char *gpu, int status,
                          const char *remedy, const char *evidence, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
/* Skipped because it does not apply. */
void gpuc__checkup_not_applicable(gpuc__checkup *up, const char *id, const char *gpu,
                                  const char *why);

void gpuc__check_machine(gpuc__checkup *up);                          /* checks.c */
void gpuc__check_gpu(gpuc__checkup *up, const gpuc__smi_gpu *gpu);    /* checks.c */
/* key, bus: as in the proof's GPU; gpu NULL: nvidia-smi does not list it. checks_cuda.c */
void gpuc__check_cuda(gpuc__checkup *up, const char *key, const char *bus,
                      const gpuc__smi_gpu *gpu);
/* Says why a GPU must be left alone into out; false: it need not. */
bool gpuc__gpu_busy(const gpuc__smi_gpu *gpu, char *out, size_t size);
bool gpuc__mig_busy(const gpuc__smi_gpu *gpu, const gpuc__smi_mig *mig, char *out, size_t size);
#endif

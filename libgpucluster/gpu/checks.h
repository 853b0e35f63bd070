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


/* What one check has seen, part by part: the worst part makes its status. */
typedef struct gpuc__findings {
    int status;
    const char *remedy; /* of the worst part; NULL: the table's */
    char text[480];
    size_t length; /* 0: nothing was seen */
} gpuc__findings;

/* Adds a part; remedy NULL: the table's. */
void gpuc__found(gpuc__findings *findings, int status, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A value of nvidia-smi that says the GPU is not well is a failure, and true. */
bool gpuc__found_sick(gpuc__findings *findings, const char *what, const gpuc__smi_value *value);
/* The result. nothing: why there may be no part: it does not apply here. */
void gpuc__checkup_findings(gpuc__checkup *up, const char *id, const char *gpu,
                            const gpuc__findings *findings, const char *evidence,
                            const char *nothing);
/* The limit in force of a check. */
double gpuc__checkup_limit(const gpuc__checkup *up, const char *id, const char *name);
/* The value is known and reads so. */
bool gpuc__smi_says(const gpuc__smi_value *value, const char *text);
/* The PCI function at that address; NULL. */
const gpuc__pci_device *gpuc__checkup_pci(const gpuc__checkup *up, const char *bus);

void gpuc__check_machine(gpuc__checkup *up);                          /* checks.c */
void gpuc__check_gpu(gpuc__checkup *up, const gpuc__smi_gpu *gpu);    /* checks.c */
/* Versions, device nodes, Secure Boot; and whether the driver fits the GPU at bus. checks_driver.c */
void gpuc__check_driver(gpuc__checkup *up);
void gpuc__check_driver_fit(gpuc__checkup *up, const char *key, const char *bus);
void gpuc__check_memory(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key);
void gpuc__check_load(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key);
/* What the probe measured beside what the card should give. checks_load.c */
void gpuc__check_bandwidth(gpuc__checkup *up, const char *key, const char *bus);
void gpuc__check_links(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key);
void gpuc__check_fabric_manager(gpuc__checkup *up); /* checks_links.c */
/* The kernel log, once all GPUs of the proof are known. checks_log.c */
void gpuc__check_log(gpuc__checkup *up);
void gpuc__check_dcgm(gpuc__checkup *up); /* checks_dcgm.c */
/* key, bus: as in the proof's GPU; gpu NULL: nvidia-smi does not list it. checks_cuda.c */
void gpuc__check_cuda(gpuc__checkup *up, const char *key, const char *bus,
                      const gpuc__smi_gpu *gpu);
/* Says why a GPU must be left alone into out; false: it need not. */
bool gpuc__gpu_busy(const gpuc__smi_gpu *gpu, char *out, size_t size);
bool gpuc__mig_busy(const gpuc__smi_gpu *gpu, const gpuc__smi_mig *mig, char *out, size_t size);
#endif

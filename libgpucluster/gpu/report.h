/* SPDX-License-Identifier: Apache-2.0 */
/* Building reports. The public functions are in gpucluster/report.h. */
#ifndef GPUC__GPU_REPORT_H
#define GPUC__GPU_REPORT_H
#include <gpucluster.h>

#include "gpu/proof.h"

/* One reference, to be dropped with gpuc_report_unref. NULL without memory. */
gpuc_report *gpuc__report_new(const char *cluster);
/* Takes the proof, also on failure; machines are kept sorted by name, and a second proof of a name
 * replaces the first. Only before the report is given to the user. */
int gpuc__report_add_machine(gpuc_report *report, gpuc__machine_proof *proof, gpuc_error **err);
/* Compares the machines; when all have been added, before the report is given to the user. rules: what
 * the comparison is judged by; NULL: what the first machine was. */
int gpuc__report_finish(gpuc_report *report, gpuc__rules *rules, gpuc_error **err);
/* GPUC_CHECK_…; -1: no such machine. */
int gpuc__report_machine_verdict(const gpuc_report *report, const char *name);
/* The proof inside, to set checks later (k8s.alloc, k8s.pod); NULL: no such machine. */
gpuc__machine_proof *gpuc__report_machine(gpuc_report *report, const char *name);
#endif

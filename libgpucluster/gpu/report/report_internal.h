/* SPDX-License-Identifier: Apache-2.0 */
/* What a report is made of, for the files that write it down. */
#ifndef GPUC__REPORT_INTERNAL_H
#define GPUC__REPORT_INTERNAL_H
#include <stdatomic.h>

#include "gpu/report.h"
#include "util/buf.h"

#define GPUC__REPORT_SCHEMA "urn:gpucluster:report:v1"
/* Of each form; a fleet of 500 machines with 8 GPUs takes a tenth of it. */
#define GPUC__REPORT_TEXT_MAX (256u * 1024 * 1024)

/* A value of a fact, and the machines that have it. */
typedef struct gpuc__fleet_value {
    char *text;
    size_t *machines; /* places in the report */
    size_t count;
} gpuc__fleet_value;

/* What should be the same everywhere. */
typedef struct gpuc__fleet_fact {
    const char *name; /* "driver" */
    char *of;         /* vbios: the GPU model that it is of; NULL */
    gpuc__fleet_value *values; /* what most machines have comes first */
    size_t count;
} gpuc__fleet_fact;

struct gpuc_report {
    atomic_int refs;
    char *cluster;
    gpuc__machine_proof **machines; /* by name */
    size_t count;
    gpuc__fleet_fact *facts;
    size_t fact_count;
    gpuc__machine_proof *fleet; /* its checks are those of the fleet; NULL until finished */
};

/* Checks, of the fleet and of all machines. */
typedef struct gpuc__report_counts {
    size_t gpus, status[4], idle;
} gpuc__report_counts;
void gpuc__report_count_all(gpuc__report_counts *out, const gpuc_report *report);
/* From the first machine's start to the last one's end; 0: not known. */
void gpuc__report_times(const gpuc_report *report, int64_t *started_ms, int64_t *finished_ms);
/* "PASS", "SKIP", "WARN", "FAIL" */
const char *gpuc__check_status_word(int status);
/* How people name the GPU of a check: "GPU 3", "GPU 3 MIG-…", "GPU 0000:0a:00.0"; "" of the machine. */
void gpuc__check_gpu_name(gpuc__buf *out, const gpuc__machine_proof *proof, const gpuc__check *check);
/* A new string of the buffer's text, NULL without memory; clears the buffer. */
char *gpuc__report_text(gpuc__buf *out, int rc);

/* fleet.c: compares the machines, and sets the facts and the check of it. */
int gpuc__fleet_compare(gpuc_report *report, gpuc__rules *rules, gpuc_error **err);
void gpuc__fleet_free(gpuc_report *report);
void gpuc__fleet_put(gpuc__buf *out, const gpuc_report *report, int indent); /* the member "fleet" */
#endif

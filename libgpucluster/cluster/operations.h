/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that walk a step graph. */
#ifndef GPUC__OPERATIONS_H
#define GPUC__OPERATIONS_H
#include <gpucluster.h>

typedef enum gpuc__work_kind {
    GPUC__WORK_PLAN = 0,
    GPUC__WORK_UP = 1,
    GPUC__WORK_VERIFY = 2,
    GPUC__WORK_DOWN = 3
} gpuc__work_kind;

/* One at a time per cluster. The errors are those of the public functions. */
int gpuc__cluster_start(gpuc_op **out, gpuc_cluster *cluster, gpuc__work_kind kind, uint32_t flags,
                        gpuc_error **err);
#endif

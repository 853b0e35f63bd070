/* SPDX-License-Identifier: Apache-2.0 */
/* What verifications of many machines have in common: each is told as it comes, the report grows, and
 * the end says which failed. */
#ifndef GPUC__VERIFY_TALLY_H
#define GPUC__VERIFY_TALLY_H
#include "gpu/report.h"

#define GPUC__VERIFY_STEP "verify"
#define GPUC__TALLY_NAMES 3 /* of machines that failed, in the error */

typedef struct gpuc__tally {
    gpuc_context *context; /* borrowed, as op */
    gpuc_op *op;
    gpuc_report *report;
    size_t done, total, failed;
    char failed_names[GPUC__TALLY_NAMES][128];
    char first_failure[400], first_remedy[400];
} gpuc__tally;

/* Takes the proof into the report, and tells of it. */
int gpuc__tally_add(gpuc__tally *tally, gpuc__machine_proof *proof, gpuc_error **err);
/* What the operation ends with: cancelled, or GPUC_EPROOF with who failed; NULL: all is well. Gives it
 * the report. */
gpuc_error *gpuc__tally_end(gpuc__tally *tally, bool cancelled);
/* A check that was not made because it does not apply. */
int gpuc__tally_leave_out(gpuc__machine_proof *proof, const char *id, const char *why,
                          gpuc_error **err);
#endif

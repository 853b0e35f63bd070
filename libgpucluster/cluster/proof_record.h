/* SPDX-License-Identifier: Apache-2.0 */
/* What the state keeps of a machine's proof: the proof as JSON, its verdict, and the boot it holds
 * for. A machine that has been restarted is proven anew. */
#ifndef GPUC__PROOF_RECORD_H
#define GPUC__PROOF_RECORD_H
#include "cluster/cluster.h"
#include "gpu/proof.h"

/* NULL: never proven, or the record cannot be read. New reference. */
json_t *gpuc__proof_record_load(gpuc__member *member);
int gpuc__proof_record_save(gpuc__member *member, const gpuc__machine_proof *proof,
                            gpuc_error **err);
/* What the record says of this boot and of as many GPUs as the spec declares. */
typedef enum gpuc__proof_record_state {
    GPUC__PROOF_RECORD_NONE,   /* nothing, or that it failed */
    GPUC__PROOF_RECORD_PARTLY, /* nothing failed, but not all could be tried: a GPU was busy */
    GPUC__PROOF_RECORD_HOLDS   /* all passed: the labels are due */
} gpuc__proof_record_state;
/* why: for a person, unless it holds. */
gpuc__proof_record_state gpuc__proof_record_read(gpuc__member *member, char *why, size_t why_size);
#endif

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
/* Whether the record says that all passed, on this boot, with as many GPUs as the spec declares. */
bool gpuc__proof_record_holds(gpuc__member *member, char *why, size_t why_size);
#endif

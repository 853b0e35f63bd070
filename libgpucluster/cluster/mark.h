/* SPDX-License-Identifier: Apache-2.0 */
/* What a verdict does: the node's labels and startup taint, and the error that tells of a failure. */
#ifndef GPUC__MARK_H
#define GPUC__MARK_H
#include "cluster/cluster.h"
#include "gpu/proof.h"

/* Lets labels and startup taint of the member's node follow the proof, in one change: both stay as they
 * are where the proof says neither. unproven: the node was seen with the taint. */
gpuc__kube_call *gpuc__mark_proven(gpuc__kube *kube, const gpuc__member *member,
                                   const gpuc__machine_proof *proof, bool unproven,
                                   gpuc__kube_done_fn done, void *data);
/* What of this the node of a proven member has not; NULL: it is as a passed proof leaves it. */
const char *gpuc__mark_lacks(const gpuc__member *member, const json_t *node);

/* The first check that failed, as an error with its remedy; NULL: none failed. */
gpuc_error *gpuc__proof_failure(const char *machine, const char *step,
                                const gpuc__machine_proof *proof);
#endif

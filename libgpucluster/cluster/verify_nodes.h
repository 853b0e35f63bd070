/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of the GPU nodes of a cluster that a kubeconfig leads to: what each offers, and from a pod
 * on its free GPUs what they are worth. */
#ifndef GPUC__VERIFY_NODES_H
#define GPUC__VERIFY_NODES_H
#include "cluster/verification.h"

/* The errors are those of gpuc_verification_start. */
int gpuc__verify_nodes_start(gpuc_op **out, const gpuc_verification *v, gpuc_error **err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What lost state files left behind at a provider. */
#ifndef GPUC__GC_H
#define GPUC__GC_H
#include <gpucluster.h>

/* Strings may be NULL, and are copied. */
int gpuc__gc_start(gpuc_op **out, gpuc_context *context, const char *kind, const char *project,
                   const char *cluster, const char *state_dir, uint32_t flags, int min_age_s,
                   gpuc_error **err);
#endif

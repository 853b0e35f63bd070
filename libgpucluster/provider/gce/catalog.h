/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue as an operation: live where the API can be asked, else the table. */
#ifndef GPUC__GCE_CATALOG_H
#define GPUC__GCE_CATALOG_H
#include <gpucluster.h>
#include <stdbool.h>

int gpuc__gce_catalog_start(gpuc_op **out, gpuc_context *context, const char *project,
                            const char *zone, bool shipped, gpuc_error **err);
#endif

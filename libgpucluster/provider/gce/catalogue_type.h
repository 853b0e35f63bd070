/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a shape that do not depend on each other: machine type, disk, image. */
#ifndef GPUC__GCE_CATALOGUE_TYPE_H
#define GPUC__GCE_CATALOGUE_TYPE_H
#include "provider/gce/catalogue_internal.h"

/* Fills in vCPUs, memory and processor of shape->machine_type. *row is NULL for custom types and
 * for those whose sizes the table does not have. */
int gpuc__gce_type_find(gpuc__gce_shape *shape, const json_t **row,
                        const gpuc__gce_catalogue *catalogue, gpuc_error **err);
bool gpuc__gce_is_shared_core(const char *machine_type);
/* After the GPUs are known. */
int gpuc__gce_type_disk(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                        const gpuc__machine_model *machine, gpuc_error **err);
int gpuc__gce_type_image(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                         const gpuc__machine_model *machine, gpuc_error **err);
#endif

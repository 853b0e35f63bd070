/* SPDX-License-Identifier: Apache-2.0 */
/* What Compute Engine has: accelerators, machine types, limits, prices, images. Pure functions over
 * the shipped table (catalogue.json, each part with source and date), which live answers of the API
 * may overlay. */
#ifndef GPUC__GCE_CATALOGUE_H
#define GPUC__GCE_CATALOGUE_H
#include <jansson.h>
#include <stdbool.h>

#include "spec/model.h"

typedef struct gpuc__gce_catalogue gpuc__gce_catalogue;

int gpuc__gce_catalogue_new(gpuc__gce_catalogue **out, gpuc_error **err);
void gpuc__gce_catalogue_free(gpuc__gce_catalogue *catalogue);

/* What a machine comes to: defaults filled in, GPUs that its type carries counted. */
typedef struct gpuc__gce_shape {
    const char *machine_type;
    const char *accelerator; /* attached, for guestAccelerators; NULL: none, or built in */
    int accelerator_count;
    const char *gpu; /* what it has in the end, attached or built in; NULL: none */
    int gpus;
    const char *image_project, *image_family;
    int disk_gb;
    const char *disk_type;
    bool spot;
    int vcpus;        /* 0: a type that the table does not have */
    double memory_gb; /* likewise */
    bool arm;
} gpuc__gce_shape;

/* Checks machine against the table: known and live type and accelerator, allowed number, N1 limits,
 * Arm, how it can be obtained. A retired choice (K80, ubuntu-1604-lts) names the closest live one.
 * The shape borrows from machine and catalogue. */
int gpuc__gce_catalogue_shape(gpuc__gce_shape *out, const gpuc__gce_catalogue *catalogue,
                              const gpuc__machine_model *machine, gpuc_error **err);
/* Of some zones other limits are known: GPUC_EUNSUPPORTED when the shape is beyond them there. */
int gpuc__gce_catalogue_fits_zone(const gpuc__gce_catalogue *catalogue,
                                  const gpuc__gce_shape *shape, const char *zone, gpuc_error **err);
/* US dollars an hour in the region, machine, GPUs and disk together; negative: not known. *source
 * (borrowed) says where from and of which date, or what it is that has no known price. */
double gpuc__gce_catalogue_price(const gpuc__gce_catalogue *catalogue, const gpuc__gce_shape *shape,
                                 const char *region, const char **source);
/* The regional quota metric the GPUs of this shape count in ("NVIDIA_T4_GPUS"); NULL: only in the
 * quota by GPU family, whose dimension is then in *family. Borrowed; both NULL without GPUs. */
const char *gpuc__gce_catalogue_quota(const gpuc__gce_catalogue *catalogue,
                                      const gpuc__gce_shape *shape, const char **family);
/* The metric for spot, which counts when its limit is not 0; NULL: there is none. */
const char *gpuc__gce_catalogue_spot_quota(const gpuc__gce_catalogue *catalogue,
                                           const gpuc__gce_shape *shape);
/* The regional metric its vCPUs count in; NULL: not known. */
const char *gpuc__gce_catalogue_cpu_quota(const gpuc__gce_catalogue *catalogue,
                                          const gpuc__gce_shape *shape);
/* Zones that had the accelerator when the table was made: an array, borrowed; NULL: not known. */
const json_t *gpuc__gce_catalogue_zones(const gpuc__gce_catalogue *catalogue,
                                        const char *accelerator);
/* "us-east1" of "us-east1-d"; new string, NULL without memory or when it is no zone's name. */
char *gpuc__gce_region_of(const char *zone);
bool gpuc__gce_is_zone(const char *name);

/* The catalogue for people's and programs' eyes: {"live","accelerators","machine_types","zones",
 * "parts"}, of one zone when that is not NULL. live: {"accelerator_types","machine_types","zones"},
 * arrays as the API gives them, or NULL for what the table knows alone. */
int gpuc__gce_catalogue_json(json_t **out, const gpuc__gce_catalogue *catalogue, const char *zone,
                             const json_t *live, gpuc_error **err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the catalogue only. All that they find is borrowed from the table. */
#ifndef GPUC__GCE_CATALOGUE_INTERNAL_H
#define GPUC__GCE_CATALOGUE_INTERNAL_H
#include "provider/gce/catalogue.h"

struct gpuc__gce_catalogue {
    json_t *root;
    char *price_source;
};

/* A part of the table ("disks"), and its row whose `key` has that value; NULL: there is none. */
const json_t *gpuc__gce_part(const gpuc__gce_catalogue *catalogue, const char *part);
const json_t *gpuc__gce_row(const gpuc__gce_catalogue *catalogue, const char *part, const char *key,
                            const char *value);
const char *gpuc__gce_text(const json_t *row, const char *key); /* NULL: there is none */
/* The row of the series of a machine type: "n1" of "n1-standard-2" and "custom-2-8192". */
const json_t *gpuc__gce_series(const gpuc__gce_catalogue *catalogue, const char *machine_type);
/* The nearest name in a part: for "did you mean"; NULL: nothing is near. */
const char *gpuc__gce_near(const gpuc__gce_catalogue *catalogue, const char *part,
                           const char *name);
/* The row of `retired` for that name, or NULL. */
const json_t *gpuc__gce_retired(const gpuc__gce_catalogue *catalogue, const char *kind,
                                const char *name);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a gpuc_spec is, for the files of this folder. */
#ifndef GPUC__SPEC_HANDLE_H
#define GPUC__SPEC_HANDLE_H
#include <stdatomic.h>

#include "spec/schema.h"

struct gpuc_spec {
    atomic_int refs;
    gpuc__schema *schema;
    gpuc__spec_node *root;
    char *file;   /* the name errors use; NULL: built by setters */
    char *folder; /* absolute: relative paths of the text start there */
};

struct gpuc_machine_spec {
    atomic_int refs;
    gpuc_spec *spec;
    gpuc__spec_node *node; /* in the spec's tree; machines are never taken out */
    size_t index;
};

/* A value by its dotted path; NULL when it is not there. */
gpuc__spec_node *gpuc__spec_at(const gpuc_spec *spec, const char *path);
/* A path of the spec made absolute: ~ and the spec's folder applied. New string. */
int gpuc__spec_absolute(char **out, const gpuc_spec *spec, const char *path,
                        const gpuc__spec_where *where, gpuc_error **err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A model in the making: what the model's files share. */
#ifndef GPUC__SPEC_BUILD_H
#define GPUC__SPEC_BUILD_H
#include "spec/handle.h"
#include "spec/model.h"
#include "spec/path.h"

typedef struct gpuc__build {
    const gpuc_spec *spec;
    gpuc__spec_model *model;
    gpuc_error **err;
} gpuc__build;

/* An error at a node (NULL: without position) with its key path. Always answers GPUC_EINVAL or
 * GPUC_ENOMEM. */
int gpuc__build_fail(const gpuc__build *build, const gpuc__spec_node *node, const char *path,
                     const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Copies a scalar's text, or `otherwise` (may be NULL). */
int gpuc__build_text(const gpuc__build *build, char **out, const gpuc__spec_node *value,
                     const char *otherwise);
/* The same for a path, made absolute. */
int gpuc__build_path(const gpuc__build *build, char **out, const gpuc__spec_node *value,
                     const char *key, const char *otherwise);
/* A string or a list of strings as a NULL-terminated list; empty when value is NULL. */
int gpuc__build_list(const gpuc__build *build, char ***out, const gpuc__spec_node *value);

bool gpuc__build_true(const gpuc__spec_node *value); /* NULL: false */

int gpuc__build_checks(const gpuc__build *build); /* model_checks.c */
int gpuc__build_networks(const gpuc__build *build);
/* What belongs to a cloud; for other kinds its defaults, which nobody reads. */
int gpuc__build_cloud(const gpuc__build *build);
int gpuc__build_cloud_machine(const gpuc__build *build, const gpuc__spec_node *node,
                              gpuc__machine_model *machine);
int gpuc__build_machines(const gpuc__build *build);
/* What must be different from machine to machine, and what each kind needs. */
int gpuc__build_check_machines(const gpuc__build *build, const size_t *origins);
#endif

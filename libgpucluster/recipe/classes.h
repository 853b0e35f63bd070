/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure on a machine means: table classes.json. Pure. */
#ifndef GPUC__CLASSES_H
#define GPUC__CLASSES_H
#include <gpucluster.h>

#include "recipe/recipe.h"

/* Makes the error of a step whose script failed. output: what it printed last, not NUL-terminated;
 * a line "gpuc-error: CLASS: text" in it gives class and text, else the table's patterns do.
 * status: its exit status (native code). klass: taken where output names none; may be NULL. */
int gpuc__classes_error(gpuc_error **err, const char *machine, const gpuc__recipe_step *step,
                        int status, const char *klass, const char *output, size_t length);
#endif

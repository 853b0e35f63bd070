/* SPDX-License-Identifier: Apache-2.0 */
/* From a step and variables to the text that a machine's sh reads. Pure. */
#ifndef GPUC__RENDER_H
#define GPUC__RENDER_H
#include <jansson.h>

#include "recipe/recipe.h"

typedef enum gpuc__recipe_function {
    GPUC__RECIPE_PROBE = 0, /* the values index gpuc__recipe_step.custom */
    GPUC__RECIPE_ACT = 1,
    GPUC__RECIPE_UNDO = 2
} gpuc__recipe_function;

/* variables: object of strings whose names are GPUC_…; the step gets the common ones and those in its
 * `vars`; for an act one that is missing is GPUC_EINVAL, else it is empty. The text is one command group, so that a part of it
 * does nothing. It may hold secrets. New string. */
int gpuc__recipe_render(char **out, const gpuc__recipe_step *step, gpuc__recipe_function function,
                        const json_t *variables, gpuc_error **err);
/* The probes of all steps in one text; each answers a line "id<TAB>rc<TAB>detail". */
int gpuc__recipe_render_probes(char **out, const gpuc__recipe_step *const *steps, size_t count,
                               const json_t *variables, gpuc_error **err);
/* A fragment of sh with the helpers before it and a call of its probe: "facts.sh". */
int gpuc__recipe_render_fragment(char **out, const char *fragment, gpuc_error **err);
/* The act for people (`plan --shell`): without the helpers, secrets as [redacted]; missing variables
 * are shown as such. New string; NULL without memory. */
char *gpuc__recipe_render_shell(const gpuc__recipe_step *step, const json_t *variables);
/* What each of those texts supposes: the helpers. Borrowed. */
const char *gpuc__recipe_shell_prelude(void);
/* Whether the variable's value must not be shown. */
bool gpuc__recipe_is_secret(const char *variable);
#endif

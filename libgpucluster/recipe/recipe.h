/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe: what a machine goes through, as data (recipe.json) and shell files (sh). */
#ifndef GPUC__RECIPE_H
#define GPUC__RECIPE_H
#include <gpucluster.h>
#include <stdbool.h>

#include "spec/model.h"

/* Strings and lists are the recipe's; lists end with NULL and are never NULL. */
typedef struct gpuc__recipe_step {
    const char *id, *title, *remedy; /* remedy may be NULL */
    bool cluster;                    /* once per cluster; else once per machine */
    const char *const *roles;        /* "all", "control-plane", "worker", "first-control-plane",
                                        "other-control-plane", "gpu": any of them */
    const char *const *after;        /* steps of the same machine (of the cluster, for its steps) */
    const char *const *after_first;  /* steps of the first control plane */
    const char *const *after_all;    /* steps of every machine that has them */
    const char *const *after_cluster; /* steps of the cluster */
    const char *source;              /* only with this GPUC_SOURCE; NULL: with any */
    uint32_t timeout_s, retries, backoff_s;
    bool check;   /* looks only */
    bool gate;    /* without it the machine cannot be asked */
    bool reboot;  /* its act restarts the machine */
    bool direct;  /* its undo leaves nothing to read a result from: run without a unit */
    const char *builtin; /* name of a C action; NULL: a script */
    const char *script;  /* "kube-init.sh"; NULL: a builtin, or a step of the caller's */
    const char *const *uses; /* further fragments before it */
    const char *const *vars; /* variables it is given, beside the common ones */
    const char *custom[3];   /* probe, act, undo of a step of the caller's; undo may be NULL */
} gpuc__recipe_step;

typedef struct gpuc__recipe gpuc__recipe;

/* Reads and checks the data compiled in. GPUC_EINTERNAL (bad data), GPUC_ENOMEM. */
int gpuc__recipe_new(gpuc__recipe **out, gpuc_error **err);
/* The same from a text, for tests. */
int gpuc__recipe_parse(gpuc__recipe **out, const char *json, size_t length, gpuc_error **err);
gpuc__recipe *gpuc__recipe_ref(gpuc__recipe *recipe);
void gpuc__recipe_unref(gpuc__recipe *recipe);

/* In an order that `after` allows on one machine; undo goes the other way. NULL past the end. */
const gpuc__recipe_step *gpuc__recipe_at(const gpuc__recipe *recipe, size_t index);
const gpuc__recipe_step *gpuc__recipe_find(const gpuc__recipe *recipe, const char *id);
/* The step's id that is nearest to a misspelt one; NULL when none is near. Borrowed. */
const char *gpuc__recipe_nearest(const gpuc__recipe *recipe, const char *id);
/* GPUC_OK, or GPUC_EINVAL naming the nearest. For skip_step and `after`. */
int gpuc__recipe_check_id(const gpuc__recipe *recipe, const char *id, gpuc_error **err);
/* Whether a machine of this kind has the step. source: "upstream", "mirror", "bundle". */
bool gpuc__recipe_applies(const gpuc__recipe_step *step, gpuc__role role, bool first, int gpus,
                          const char *source);
/* Adds (or replaces) a step of the caller's; GPUC_EINVAL: missing script, bad id, unknown `after` or
 * role, an id of the recipe's own. Do it before nodes are made: replacing frees the old one. */
int gpuc__recipe_add_custom(gpuc__recipe *recipe, const gpuc_custom_step *step, gpuc_error **err);
#endif

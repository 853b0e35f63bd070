/* SPDX-License-Identifier: Apache-2.0 */
/* What machines are judged by: the tables beside this file with the limits that the user sets, read
 * once and shared by all proofs that are judged by them. Nobody changes it. */
#ifndef GPUC__RULES_H
#define GPUC__RULES_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A check of checks.json. */
typedef struct gpuc__rule {
    const char *id, *title, *source, *remedy, *needs;
    char *threshold; /* with the numbers in force */
    bool off;        /* switched off by the user */
    json_t *row;     /* the whole of it */
} gpuc__rule;

typedef struct gpuc__rules {
    atomic_int refs;
    json_t *checks;   /* checks.json, with the user's limits */
    json_t *branches; /* driver-branches.json */
    json_t *xids;     /* xid.json */
    gpuc__rule *list; /* in the table's order, from cause to effect */
    const gpuc__rule **by_id; /* sorted */
    size_t count;
} gpuc__rules;

/* limits: what the user sets instead of the table's (limits.h), or NULL. GPUC_EINVAL names what is
 * wrong with them; GPUC_ENOMEM. */
int gpuc__rules_new(gpuc__rules **out, const json_t *limits, gpuc_error **err);
/* A reference to given, or with NULL the tables as they are. */
int gpuc__rules_take(gpuc__rules **out, gpuc__rules *given, gpuc_error **err);
void gpuc__rules_unref(gpuc__rules *rules);
const gpuc__rule *gpuc__rules_find(const gpuc__rules *rules, const char *id); /* NULL: none */
/* The limit in force; a name that is not in the table is a mistake of ours and gives 0. */
double gpuc__rules_limit(const gpuc__rules *rules, const char *id, const char *name);
#endif

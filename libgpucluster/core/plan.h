/* SPDX-License-Identifier: Apache-2.0 */
/* Building plans. A plan is immutable once it has been handed out. */
#ifndef GPUC__PLAN_H
#define GPUC__PLAN_H
#include <gpucluster.h>
#include <jansson.h>

#include "core/map.h"

/* A text that equal steps of many machines share. */
typedef struct gpuc__shared_text {
    unsigned refs;
    char text[];
} gpuc__shared_text;

struct gpuc_step {
    char *id, *machine, *title, *detail;
    int verdict;
    gpuc__shared_text *shell; /* NULL: the step has no commands */
    size_t *after;            /* indices of the steps it waits for */
    size_t after_count;
};

struct gpuc_plan {
    _Atomic int refs;
    char *cluster;
    gpuc_step *steps;
    size_t count, capacity;
    json_t *provider; /* what the provider says of the whole; NULL: nothing */
};

/* Room for `capacity` steps. NULL without memory. */
gpuc_plan *gpuc__plan_new(const char *cluster, size_t capacity);
/* Adds a step; strings are copied, `after` (may be NULL) is consumed even on failure. `shell` is
 * compared with `like`'s (the last step of that id, or NULL) and shared when equal; consumed. The
 * step, or NULL without memory. */
gpuc_step *gpuc__plan_add(gpuc_plan *plan, const char *machine, const char *id, const char *title,
                          int verdict, const char *detail, size_t *after, size_t after_count,
                          char *shell, const gpuc_step *like);
/* What the provider says of the whole: an object, consumed; its "text" is for people. Before the plan
 * is handed out. */
void gpuc__plan_describe(gpuc_plan *plan, json_t *provider);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What clusters left behind in a project: found by their marks, removed one by one. */
#ifndef GPUC__GCE_LEFT_H
#define GPUC__GCE_LEFT_H
#include "core/context.h"
#include "provider/gce/gce.h"

typedef struct gpuc__gce_left {
    struct gpuc__gce_left *next, **link;
    gpuc__provider *provider;
    gpuc__left_fn found_done;    /* of a find */
    gpuc__provider_fn done;      /* of a removal */
    void *data;
    gpuc__task task;
    void (*then)(struct gpuc__gce_left *left); /* once the project is known */
    bool asking, cancelled;      /* asking: for a token, which tells the project */
    gpuc__gce_call *call;
    size_t stage;                /* of a find: which list */
    json_t *found;
    char *path, *cluster, *what; /* of a removal */
    int conflicts;
} gpuc__gce_left;

void gpuc__gce_left_end(gpuc__gce_left *left, gpuc_error *error); /* consumes it */
void gpuc__gce_left_wait(gpuc__gce_left *left, gpuc__gce_call *call); /* NULL: no memory */
/* At the beginning of a call's done: true when it has ended for a cancel (error consumed). */
bool gpuc__gce_left_stopped(gpuc__gce_left *left, gpuc_error **error);

/* left_find.c, left_remove.c: what `then` begins with. */
void gpuc__gce_left_next(gpuc__gce_left *left);
void gpuc__gce_left_remove(gpuc__gce_left *left);

/* left_find.c: pure. Adds what the resource of that type says of itself, when it carries the mark;
 * false without memory. */
bool gpuc__gce_left_add(json_t *found, const char *type, const json_t *resource);
/* project_key.c: pure. Adds the clusters whose keys are in the project's metadata. */
bool gpuc__gce_left_add_keys(json_t *found, const json_t *project);
#endif

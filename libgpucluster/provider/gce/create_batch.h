/* SPDX-License-Identifier: Apache-2.0 */
/* Machines that one request makes. Shared by create_batch.c and create_group.c only. */
#ifndef GPUC__GCE_CREATE_BATCH_H
#define GPUC__GCE_CREATE_BATCH_H
#include "provider/gce/create.h"

struct gpuc__gce_batch {
    struct gpuc__gce_batch *next, **link;
    gpuc__provider *provider;
    gpuc__gce_ask **asks; /* NULL: made, failed or cancelled */
    size_t count, left;
    size_t looking;       /* finds under way */
    char *key;            /* equal for equal machines */
    size_t zone;          /* of the spec's list; regional without one */
    json_t *denied;       /* zones of the region that are full */
    gpuc__gce_record *record;
    gpuc__gce_call *call;
    gpuc__gce_scope scope; /* of the last try */
    gpuc_error *error;     /* likewise */
    bool lost;             /* likewise: its end is not known */
    size_t found;          /* machines that came of it */
    char place[64];        /* the zone where they are */
    char *group;           /* of the operations that a bulk request began; NULL: not known */
    int repeats, tries;
    gpuc__buf tried;
};

/* Sends it to its first place; it frees itself when all its machines are made, or have failed. */
void gpuc__gce_batch_send(gpuc__gce_batch *batch);
#endif

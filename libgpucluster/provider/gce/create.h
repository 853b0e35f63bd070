/* SPDX-License-Identifier: Apache-2.0 */
/* One call of create, on its way through create.c, create_group.c, create_batch.c and create_boot.c. */
#ifndef GPUC__GCE_CREATE_H
#define GPUC__GCE_CREATE_H
#include "provider/gce/machines.h"

typedef struct gpuc__gce_batch gpuc__gce_batch;
typedef enum gpuc__gce_state {
    GPUC__GCE_WAITING, /* for records that concern it to end */
    GPUC__GCE_FINDING,
    GPUC__GCE_MISSING, /* to be made */
    GPUC__GCE_MAKING,
    GPUC__GCE_BOOTING, /* it is there: until it runs */
    GPUC__GCE_STARTING,
    GPUC__GCE_KEYS,
    GPUC__GCE_LATE /* it does not come to run: its serial console is read */
} gpuc__gce_state;

typedef struct gpuc__gce_ask { /* one call of create */
    struct gpuc__gce_ask *next, **link;
    gpuc__provider *provider;
    const gpuc__machine_model *model;
    char *name; /* of the instance */
    gpuc__machine_fn done;
    void *data;
    gpuc__gce_state state;
    bool cancelled, resumed, made;
    int lives;               /* how often it may vanish */
    gpuc__gce_find find;
    gpuc__gce_batch *batch;
    gpuc__gce_call *call;
    gpuc__gce_record *record; /* of its start */
    uint64_t since, deadline;
    gpuc__machine_info info;
    json_t *instance;        /* as last seen */
    char *tried;             /* where it was tried before; may be NULL */
} gpuc__gce_ask;

void gpuc__gce_ask_end(gpuc__gce_ask *ask, gpuc_error *error); /* NULL: info is the answer */
void gpuc__gce_batch_all(gpuc__provider *provider);      /* makes all that are missing */
void gpuc__gce_batch_leave(gpuc__gce_ask *ask);          /* cancelled meanwhile */
json_t *gpuc__gce_batch_body(const gpuc__provider *provider, const gpuc__machine_model *model,
                             gpuc__gce_change kind, const char *zone, json_t *machines,
                             json_t *denied, gpuc_error **err);
void gpuc__gce_boot(gpuc__gce_ask *ask, json_t *instance); /* takes over what is there */
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-flight of a plan. First what can be told without a request, then the project alone, then
 * everything else at once; what the answers mean is decided by pure functions. */
#ifndef GPUC__GCE_CHECK_H
#define GPUC__GCE_CHECK_H
#include "core/context.h"
#include "provider/gce/gce.h"

/* The spec, with what it comes to. */
typedef struct gpuc__gce_wish {
    const gpuc__spec_model *spec;
    const gpuc__gce_catalogue *catalogue;
    const char *project, *uuid;
    gpuc__gce_shape *shapes; /* one for each machine of the spec */
    json_t *regions;         /* names, in the order in which they are tried */
    json_t *zones;           /* likewise; with a region alone filled in by the facts */
    json_t *described;       /* what ops->describe will give */
} gpuc__gce_wish;

/* check_local.c: refuses what needs no request to be refused, and fills the wish in. */
int gpuc__gce_wish_init(gpuc__gce_wish *wish, const gpuc__spec_model *spec,
                        const gpuc__gce_catalogue *catalogue, gpuc_error **err);
void gpuc__gce_wish_clear(gpuc__gce_wish *wish);
/* check_price.c: the estimated price, into described; refuses it above the spec's limit, and where
 * there is a limit and no known price. */
int gpuc__gce_wish_price(gpuc__gce_wish *wish, gpuc_error **err);
/* A remark for people: printf into described.notes. */
int gpuc__gce_wish_note(gpuc__gce_wish *wish, gpuc_error **err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What the API answered: {"project", "zones": […], "acceleratorTypes": […], "machineTypes": […],
 * "images": {"PROJECT/FAMILY": …}, "regions": {"NAME": …}, "instances": […], "permissions",
 * "families"}; the last two may be missing. */
int gpuc__gce_facts_places(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err);
int gpuc__gce_facts_images(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err);
int gpuc__gce_facts_permissions(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err);
int gpuc__gce_facts_quotas(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err);
/* The permissions a spec needs, as the API is asked for them: new array. */
int gpuc__gce_permissions(json_t **out, const gpuc__spec_model *spec, gpuc_error **err);
/* check_text.c: described.text. */
int gpuc__gce_wish_text(gpuc__gce_wish *wish, gpuc_error **err);

/* check.c and check_ask.c */
typedef struct gpuc__gce_check_task gpuc__gce_check_task;

typedef struct gpuc__gce_ask {
    gpuc__gce_check_task *check;
    struct gpuc__gce_ask *next, **link;
    gpuc__gce_call *call;
    const char *fact; /* where in the facts the answer goes */
    char *key;        /* below it; NULL: it is the answer itself */
    int rank;         /* of two failures that of the lower rank is told */
    bool optional;    /* a failure is a note */
    gpuc__gce_client *client;
} gpuc__gce_ask;

struct gpuc__gce_check_task {
    gpuc__provider *provider;
    struct gpuc__gce_check_task *next, **link;
    gpuc__task begin;
    gpuc__provider_fn done;
    void *data;
    bool cancelled, waiting; /* waiting: for a token */
    int phase;
    gpuc__gce_wish wish;
    json_t *facts;
    gpuc__gce_ask *asks;
    size_t pending;
    gpuc_error *error;
    int error_rank;
};

int gpuc__gce_ask_project(gpuc__gce_check_task *check, gpuc_error **err);
int gpuc__gce_ask_all(gpuc__gce_check_task *check, gpuc_error **err);
/* check.c: takes the answer. */
void gpuc__gce_check_answer(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error);
#endif

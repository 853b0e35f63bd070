/* SPDX-License-Identifier: Apache-2.0 */
/* What the files share that look for, make and delete instances: finds that share one list, and what
 * waits for them. */
#ifndef GPUC__GCE_MACHINES_H
#define GPUC__GCE_MACHINES_H
#include "core/context.h"
#include "provider/gce/gce.h"
#include "provider/gce/journal.h"
#include "util/buf.h"

/* ---- timer.c: a loop timer that outlives its owner by its closing ---- */
gpuc__gce_timer *gpuc__gce_timer_new(gpuc_context *context, void (*fn)(void *data), void *data);
void gpuc__gce_timer_set(gpuc__gce_timer *timer, uint64_t ms); /* does nothing while it is set */
void gpuc__gce_timer_free(gpuc__gce_timer *timer);

/* ---- look.c ---- */
typedef struct gpuc__gce_find gpuc__gce_find;
/* ours: array of our instances of that name, the best first, or NULL; foreign: another's, or NULL.
 * Borrowed. */
typedef void (*gpuc__gce_find_fn)(gpuc__gce_find *find, json_t *ours, json_t *foreign,
                                  gpuc_error *error);
struct gpuc__gce_find {
    gpuc__gce_find *next, **link; /* link NULL: not waiting */
    const char *name;             /* of the instance; borrowed */
    bool seen_will_do;            /* what a create has just seen need not be listed again */
    gpuc__gce_find_fn done;
    void *data;
};
/* Looks for it in the next list, which all finds of one turn share; done comes later. */
void gpuc__gce_find_begin(gpuc__provider *provider, gpuc__gce_find *find);
void gpuc__gce_find_drop(gpuc__gce_find *find); /* done does not come */
void gpuc__gce_find_fail(gpuc__provider *provider, const gpuc_error *error);
void gpuc__gce_look_turn(void *provider);
/* A create has ended with it: the next look is answered with it, within a few seconds, once. */
void gpuc__gce_seen_keep(gpuc__provider *provider, const char *name, json_t *instance);
void gpuc__gce_seen_forget(gpuc__provider *provider, const char *name);
/* The instances that the filter leaves; a reference of the provider goes with it until done. */
gpuc__gce_call *gpuc__gce_list_instances(gpuc__provider *provider, const char *filter,
                                         gpuc__gce_done_fn done, void *data);
/* look_one.c, list.c */
void gpuc__gce_look_reap(gpuc__provider *provider);
void gpuc__gce_names_turn(gpuc__provider *provider);
void gpuc__gce_names_reap(gpuc__provider *provider);
void gpuc__gce_names_fail(gpuc__provider *provider, const gpuc_error *error);
void gpuc__gce_names_cancel(gpuc__provider *provider, const void *data);
void gpuc__gce_look_cancel(gpuc__provider *provider, const void *data);
void gpuc__gce_set_foreign(const gpuc__provider *provider, const char *machine,
                           const json_t *instance, gpuc_error **err);
/* Whether it can stand in the path of a request as it is. NULL: no. */
bool gpuc__gce_is_name(const char *text);
/* The last part of a URL; borrowed, "" for NULL. */
const char *gpuc__gce_tail(const char *url);

/* ---- hostkeys.c: what is known already ---- */
/* New list, NULL when the keys of this very instance are not known. */
char **gpuc__gce_keys_known(gpuc__provider *provider, const char *machine, const json_t *instance);
void gpuc__gce_keys_keep(gpuc__provider *provider, const char *machine, const json_t *instance,
                         char *const *keys);
void gpuc__gce_keys_forget(gpuc__provider *provider, const char *machine);
void gpuc__gce_keys_free(char **keys);

/* The end of its serial console, as the answer's "contents": evidence of why it does not come up.
 * instance: its path. NULL without memory. */
gpuc__gce_call *gpuc__gce_console(gpuc__provider *provider, const char *machine, const char *instance,
                                  gpuc__gce_done_fn done, void *data);

/* ---- create.c: what it shares with its own files is in create.h ---- */
void gpuc__gce_create_turn(void *provider);
void gpuc__gce_create_fail(gpuc__provider *provider, const gpuc_error *error);
void gpuc__gce_create_cancel(gpuc__provider *provider, const void *data);

/* ---- destroy.c ---- */
void gpuc__gce_destroy_turn(void *provider);
void gpuc__gce_destroy_fail(gpuc__provider *provider, const gpuc_error *error);
void gpuc__gce_destroy_cancel(gpuc__provider *provider, const void *data);

/* ---- gce.c ---- */
/* True when calls can be made; otherwise that is being seen to, and turns come when it is done. */
bool gpuc__gce_ready(gpuc__provider *provider);
void gpuc__gce_wake_all(gpuc__provider *provider); /* turns of creates and destroys */
gpuc_error *gpuc__gce_error_copy(const gpuc_error *error, const char *machine);

struct gpuc__gce_machines {
    bool opening, loaded, dirty;
    int limit_ms;          /* for a mutation and its operation */
    int settle_ms;         /* how old a record without an operation must be to count as never sent */
    int lag_ms;            /* how far lists may be behind what was made */
    int boot_ms, keys_ms;  /* until it must run, and then have its host keys */
    int poll_ms;           /* between two looks at what boots, at first; twice that for keys */
    gpuc__gce_record *records;
    gpuc__task flush, looking, creating, destroying;
    gpuc__gce_find *finds, *asked; /* for the next list; of the one under way */
    gpuc__gce_find *late;          /* for one that is not behind any more */
    gpuc__gce_timer *late_timer;
    gpuc__gce_call *list;
    struct gpuc__gce_look *looks;
    struct gpuc__gce_ask *asks;
    struct gpuc__gce_batch *batches;
    gpuc__gce_timer *poll;
    struct gpuc__gce_gone *gones;
    struct gpuc__gce_names *names;
    struct gpuc__gce_key_wait *waits;    /* for host keys */
    gpuc__gce_timer *key_timer;
    json_t *keys;          /* machine → {"id","keys"} */
    json_t *seen;          /* instance → {"at","instance"} */
};
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Providers: where machines come from and where they go. One table per kind. Every function that
 * takes `done` answers exactly once, on the loop, never inside the call; errors are consumed by done. */
#ifndef GPUC__PROVIDER_H
#define GPUC__PROVIDER_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "spec/model.h"

typedef struct gpuc__provider gpuc__provider;

/* What a provider knows of a machine that is there. */
typedef struct gpuc__machine_info {
    char *address;     /* where SSH listens */
    int port;
    char *user;        /* login user */
    char **host_keys;  /* "type base64" lines read through an authenticated way; NULL: not known */
    char *provider_id; /* its name or id at the provider */
    char *status;      /* the provider's own word: "Running" */
    bool made_here;    /* the library made it and may delete it */
    char *image;       /* for "changed" detection and the status table; may be NULL */
    char *zone, *machine_type, *internal_ip, *external_ip; /* status table; NULL: none */
    char *note;        /* how it came about: places that were tried before; NULL: nothing to say */
    bool tunnelled;    /* `address` is reached through ops->tunnel, not directly */
} gpuc__machine_info;

void gpuc__machine_info_clear(gpuc__machine_info *info);

/* info NULL with error NULL: the machine is not there. info is borrowed. */
typedef void (*gpuc__machine_fn)(void *data, const gpuc__machine_info *info, gpuc_error *error);
typedef void (*gpuc__provider_fn)(void *data, gpuc_error *error);
typedef void (*gpuc__there_fn)(void *data, bool there, const char *detail, gpuc_error *error);
/* names: NULL-terminated, borrowed. */
typedef void (*gpuc__names_fn)(void *data, const char *const *names, gpuc_error *error);
/* found: array, borrowed; NULL with error. */
typedef void (*gpuc__left_fn)(void *data, json_t *found, gpuc_error *error);

/* What a provider must not forget: text by machine (NULL: of the cluster) and key, in the cluster's
 * state and committed when set returns. While a plan is made nothing may be set: GPUC_ESTATE. */
typedef struct gpuc__journal {
    int (*set)(void *data, const char *machine, const char *key, const char *value,
               gpuc_error **err); /* value NULL: deletes */
    int (*get)(void *data, const char *machine, const char *key, char **out, gpuc_error **err);
    void *data;
    /* As set, but committed with what is written next: for what may be lost. NULL: set. */
    int (*set_soon)(void *data, const char *machine, const char *key, const char *value,
                    gpuc_error **err);
} gpuc__journal;

typedef struct gpuc__provider_config {
    gpuc_context *context;
    const gpuc__spec_model *spec;
    const char *cluster_uuid;  /* machines carry it as label, so a lost state file loses none */
    const char *ssh_public_key; /* line to authorize on machines that are made; NULL: none */
    gpuc__journal journal;      /* a struct of NULLs: nothing is kept */
} gpuc__provider_config;

struct gpuc__provider_ops {
    const char *kind;
    bool makes_machines; /* false: adopts what is there; create and destroy do nothing */
    bool keys_follow;    /* users and keys come onto a new machine after its sshd answers */
    /* Machines asked for within one turn share requests: any number of creates and destroys may be
     * under way at once, beyond the operation's `parallel`. */
    bool bulk;
    /* Fills in what the provider knows of the spec's machines: `gpus` that a machine type carries.
     * Pure. What cannot be is left as it is, for check to refuse. NULL: there is nothing. */
    int (*settle)(gpuc__spec_model *model, gpuc_error **err);
    int (*new_)(gpuc__provider **out, const gpuc__provider_config *config, gpuc_error **err);
    void (*free)(gpuc__provider *provider);
    /* Side-effect-free pre-flight, before a plan and before an `up` that has machines to make: daemon
     * reachable, image there, quotas, price … Some of the machines may be there already. */
    void (*check)(gpuc__provider *provider, gpuc__provider_fn done, void *data);
    /* After check: what a plan says of the whole, as a new JSON object; "text" is shown to people,
     * the others (price_per_hour, currency, source …) are for programs. NULL: nothing to say. */
    json_t *(*describe)(gpuc__provider *provider);
    /* Looks the machine up by its name. */
    void (*look)(gpuc__provider *provider, const char *machine, gpuc__machine_fn done, void *data);
    /* Makes it (idempotent by name: a machine of ours of that name is taken over, a foreign one is
     * GPUC_EEXIST) and waits until it has an address. `attempt`: the committed request id. */
    void (*create)(gpuc__provider *provider, const gpuc__machine_model *machine, const char *attempt,
                   gpuc__machine_fn done, void *data);
    /* Deletes it, if made here; not there is fine. */
    void (*destroy)(gpuc__provider *provider, const char *machine, gpuc__provider_fn done, void *data);
    /* What the cluster's machines share (firewall rules, keys of the project), before the first
     * machine is made and after the last one has gone. NULL: there is nothing of the kind.
     * look_shared: `there` when all of it is there and as the spec has it. drop_shared is called
     * without a look before it, and takes away what it finds. */
    void (*look_shared)(gpuc__provider *provider, gpuc__there_fn done, void *data);
    void (*make_shared)(gpuc__provider *provider, gpuc__provider_fn done, void *data);
    void (*drop_shared)(gpuc__provider *provider, gpuc__provider_fn done, void *data);
    /* Opens a stream to a port of a tunnelled machine: *fd is one end of a socketpair, the caller's;
     * bytes wait until the tunnel is open; it ends when the tunnel does, and why is logged. All
     * end with the provider's free. NULL: machines are reached directly. */
    int (*tunnel)(gpuc__provider *provider, const char *machine, int port, int *fd,
                  gpuc_error **err);
    /* Names of all machines that carry this cluster's label. */
    void (*list)(gpuc__provider *provider, gpuc__names_fn done, void *data);
    /* Everything that carries the mark of a cluster, whichever: {"type","name","cluster" (its uuid)},
     * and where known "zone", "cluster_name", "status", "made", "machine_type"; what else it holds is
     * for remove_left. Machines are of type "instance". Neither looks at the spec's machines. NULL:
     * nothing is ever left behind. */
    void (*find_left)(gpuc__provider *provider, gpuc__left_fn done, void *data);
    /* Removes one of them; gone already is fine. */
    void (*remove_left)(gpuc__provider *provider, const json_t *entry, gpuc__provider_fn done,
                        void *data);
    /* What --shell prints for create and destroy: new string. */
    char *(*shell)(gpuc__provider *provider, const gpuc__machine_model *machine, bool destroy);
    /* Ends what is under way with this data (NULL: all): done comes with GPUC_ECANCELLED. */
    void (*cancel)(gpuc__provider *provider, const void *data);
};
typedef struct gpuc__provider_ops gpuc__provider_ops;

/* NULL: not in this build. */
const gpuc__provider_ops *gpuc__provider_get(gpuc__provider_kind kind);
extern const gpuc__provider_ops gpuc__provider_ssh, gpuc__provider_local, gpuc__provider_gce;
#endif

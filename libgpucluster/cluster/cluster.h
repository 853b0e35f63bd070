/* SPDX-License-Identifier: Apache-2.0 */
/* The room where the others meet: a cluster, its machines, and the graph that brings it up, proves
 * it and takes it down. Files here decide what is done and in which order; how is the other rooms'. */
#ifndef GPUC__CLUSTER_H
#define GPUC__CLUSTER_H
#include <gpucluster.h>
#include <stdatomic.h>

#include "core/context.h"
#include "core/graph.h"
#include "core/store.h"
#include "gpu/report.h"
#include "kube/client.h"
#include "provider/provider.h"
#include "recipe/bundle.h"
#include "recipe/recipe.h"
#include "recipe/remote.h"
#include "spec/model.h"
#include "transport/ssh.h"

/* What is made once per cluster and kept in the state: certificates, tokens, keys. */
typedef struct gpuc__identity {
    char *uuid;
    char *ca_cert, *ca_key, *ca_hash; /* cluster CA, and the pin of its public key for joins */
    char *token, *certificate_key;    /* kubeadm's bootstrap token and certificate key */
    char *admin_cert, *admin_key;     /* the library's own client certificate */
    char *ssh_private, *ssh_public;   /* key made for this cluster; NULL when the spec names one */
} gpuc__identity;

/* A machine of the cluster: of the spec, or known to the state from an earlier spec. */
typedef struct gpuc__member {
    struct gpuc_cluster *cluster;
    char *name;
    const gpuc__machine_model *model; /* NULL: no longer in the spec */
    gpuc__role role;
    int gpus;                 /* as declared; -1: not known, of hosts that are verified only */
    bool replace;             /* remove it first, then make it anew */
    bool let_go;              /* a host that is gone for good: nothing is undone on it */
    bool doubted;             /* `up` failed on it: its earlier proof does not count */
    bool has_info;
    gpuc__machine_info info;  /* where it is; valid with has_info */
    gpuc__ssh *ssh;           /* NULL before has_info */
    gpuc__remote *remote;     /* the recipe's view of it; always there */
} gpuc__member;

struct gpuc_cluster {
    atomic_int refs;
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc__spec_model *model;
    char *name, *state_dir;
    uint32_t parallel, connect_timeout_s; /* 0: the connection's own */
    gpuc__store *store;       /* NULL until there is a state folder */
    bool locked;              /* this process holds the state for writing */
    bool purge_driver;        /* `down` takes the driver away, too */
    json_t *limits;           /* of checks: the spec's, and what the caller sets; object */
    gpuc__rules *rules;       /* made of them, by rules.h; NULL until then */
    bool prove_again;         /* `verify`: earlier proofs do not count */
    gpuc_op *busy;            /* the operation under way that needs the graph; borrowed */
    gpuc__identity identity;
    gpuc__provider *provider;
    gpuc__member **members;
    size_t member_count;
    gpuc__ssh_key **keys;     /* parsed once, for all machines; by path in key_paths */
    char **key_paths;
    size_t key_count;
    gpuc__ssh *jump, *api_ssh; /* the latter of its own, for tunnels to the API server */
    gpuc__kube *kube;         /* NULL until the first control plane has an address */
    gpuc__recipe *recipe;     /* with the caller's own steps in it */
    gpuc__sources sources;    /* versions and files; filled by the first graph */
    bool sources_known;
    json_t *skips, *customs;  /* arrays: {"step","machine"}; the caller's steps as the state has them */
    gpuc__task bury;          /* frees it on the context's thread */
};

/* open.c */
int gpuc__cluster_new(gpuc_cluster **out, gpuc_context *context, const gpuc_spec *spec,
                      const char *name, const char *state_dir, uint32_t parallel, gpuc_error **err);
int gpuc__cluster_open_store(gpuc_cluster *cluster, bool create, gpuc_error **err);
/* members.c: fills members from spec and state; their connections follow when addresses are known. */
int gpuc__cluster_load_members(gpuc_cluster *cluster, gpuc_error **err);
void gpuc__cluster_free_members(gpuc_cluster *cluster);
/* A machine found at the provider that the state does not know. */
int gpuc__cluster_add_stray(gpuc_cluster *cluster, const char *name, gpuc_error **err);
gpuc__member *gpuc__cluster_member(gpuc_cluster *cluster, const char *name);
gpuc__member *gpuc__cluster_first_control_plane(gpuc_cluster *cluster);
/* Takes what a provider said, keeps it in the state (where there is one) and connects to it. */
int gpuc__member_set_info(gpuc__member *member, const gpuc__machine_info *info, gpuc_error **err);
/* connect.c: its SSH connection, and one more of its own (for tunnels). */
int gpuc__member_connect(gpuc__member *member, gpuc_error **err);
/* "user@host:port" as the spec's check has left it: new strings, user NULL when there is none; an
 * address of IPv6 is in brackets or has no port. */
int gpuc__jump_split(const char *text, char **user, char **host, int *port);
int gpuc__cluster_key(gpuc__ssh_key **out, gpuc_cluster *cluster, const char *path,
                      gpuc_error **err);
/* Keys parsed so far; connections that use them keep them. */
void gpuc__cluster_forget_keys(gpuc_cluster *cluster);
int gpuc__member_open_ssh(gpuc__ssh **out, gpuc__member *member, gpuc_error **err);
/* GPUC_ENOTFOUND with the nearest name. */
int gpuc__cluster_find(gpuc__member **out, gpuc_cluster *cluster, const char *name,
                       gpuc_error **err);

/* identity.c: reads what the state has, makes what is missing (create). */
int gpuc__identity_load(gpuc_cluster *cluster, bool create, gpuc_error **err);
void gpuc__identity_clear(gpuc__identity *identity);

/* variables.c: what the recipe's scripts are told about a machine; a new JSON object of strings. */
json_t *gpuc__member_variables(gpuc__member *member, gpuc_error **err);
/* Tells the machines' scripts what is known by now; member NULL: all of them. */
int gpuc__cluster_learned(gpuc_cluster *cluster, gpuc__member *member, gpuc_error **err);
const char *gpuc__cluster_source(const gpuc_cluster *cluster); /* "bundle", "mirror", "upstream" */

/* kube_access.c: the API client through a tunnel to the first control plane. */
int gpuc__cluster_kube(gpuc__kube **out, gpuc_cluster *cluster, gpuc_error **err);
/* Whether there is an API server to ask: remembered by the state once it has answered. */
bool gpuc__cluster_is_up(gpuc_cluster *cluster);
int gpuc__cluster_set_up(gpuc_cluster *cluster, gpuc_error **err);
void gpuc__cluster_drop_kube(gpuc_cluster *cluster);
/* The first control plane is elsewhere now: further tunnels go there. */
void gpuc__cluster_drop_tunnels(gpuc_cluster *cluster);
/* A descriptor that leads to the API server; the caller's. */
int gpuc__cluster_open_tunnel(gpuc_cluster *cluster, int *fd, gpuc_error **err);
int gpuc__cluster_write_kubeconfig(char **out, gpuc_cluster *cluster, const char *server,
                                   gpuc_error **err);

/* custom.c: skipped steps and steps of the caller's own. */
int gpuc__customs_load(gpuc_cluster *cluster, gpuc_error **err);
int gpuc__customs_save(gpuc_cluster *cluster, gpuc_error **err);
bool gpuc__cluster_skips(const gpuc_cluster *cluster, const char *step, const char *machine);

/* addons.c: what manifests and jobs are filled with, images as the bundle has them. */
int gpuc__cluster_manifest_values(json_t **out, gpuc_cluster *cluster, gpuc_error **err);

/* graph_up.c, graph_down.c: what `up`, `verify` and `down` consist of. */
int gpuc__cluster_up_graph(gpuc__graph **out, gpuc_cluster *cluster, uint32_t flags,
                           gpuc_error **err);
int gpuc__cluster_verify_graph(gpuc__graph **out, gpuc_cluster *cluster, gpuc_error **err);
/* Of machines that are doubted: the proof again. *out NULL when there are none. failed: the graph of
 * an `up` that failed; proven machines whose proof it held back become doubted. */
int gpuc__cluster_doubt_graph(gpuc__graph **out, gpuc_cluster *cluster, gpuc__graph *failed,
                              gpuc_error **err);
int gpuc__cluster_down_graph(gpuc__graph **out, gpuc_cluster *cluster, uint32_t flags,
                             gpuc_error **err);

/* status.c */
int gpuc__cluster_status_json(char **out, gpuc_cluster *cluster, gpuc_error **err);

/* report.c: the report of what the state knows of every machine's proof. */
int gpuc__cluster_report(gpuc_report **out, gpuc_cluster *cluster, gpuc_error **err);
#endif

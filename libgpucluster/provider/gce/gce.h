/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `gce`: instances of Google Compute Engine. Shared by the files of this folder only.
 *
 * Machines that are asked for within one turn of the loop and are equal go into one bulkInsert. Every
 * mutation has a request id, and is kept in the journal with its zone and body before it is sent: a
 * next run that finds it there sends it again under the same id before it does anything else. */
#ifndef GPUC__GCE_H
#define GPUC__GCE_H
#include <jansson.h>

#include "provider/gce/catalogue.h"
#include "provider/gce/client.h"
#include "provider/provider.h"

/* Instances, disks carry it as label, firewall rules in their description: gpucluster=UUID. */
#define GPUC__GCE_LABEL "gpucluster"
/* How long the server is trusted to know a request id; it does not say. */
#define GPUC__GCE_ID_MS (20 * 60 * 1000)
#define GPUC__GCE_LABEL_NAME "gpucluster-name"       /* the cluster's name */
#define GPUC__GCE_LABEL_MACHINE "gpucluster-machine" /* the machine's name in the spec */

struct gpuc__provider {
    int refs; /* the owner's and one for each piece of work under way */
    gpuc_context *context;
    const gpuc__spec_model *spec;
    char *uuid, *public_key;
    gpuc__journal journal;
    gpuc__gce_catalogue *catalogue;
    gpuc__gce_auth *auth;       /* NULL until the first call */
    gpuc__gce_client *client;   /* likewise */
    char *project;              /* likewise */
    bool project_kept;          /* gce.c: it is in the journal */
    struct gpuc__gce_machines *machines; /* machines.h: what is under way with them */
    void *checks;                 /* check.c: likewise */
    json_t *described;            /* check.c: what describe gives; freed with the provider */
    struct gpuc__gce_shared *shared;  /* shared.c: what is under way */
    struct gpuc__gce_tunnel *tunnels; /* iap.c: likewise */
    json_t *zones;                    /* iap.c: of machines that it has looked for */
    struct gpuc__gce_left *left;      /* left.c: likewise */
};

/* gce.c: credentials and client, at the first call, and the project where it is known: with the
 * metadata server as source that is after the first token only. */
int gpuc__gce_open(gpuc__provider *provider, gpuc_error **err);
/* The project is written down, so that later runs look where machines were made, whatever project
 * the environment names by then. Before the first mutation. */
int gpuc__gce_keep_project(gpuc__provider *provider, gpuc_error **err);
/* GPUC_EINVAL when nobody names a project. */
int gpuc__gce_need_project(const gpuc__provider *provider, gpuc_error **err);
void gpuc__gce_unref(gpuc__provider *provider);

/* name.c: instance, rule and tag names: CLUSTER-MACHINE, at most 63 characters, a longer one ends
 * in a digest. New strings. */
char *gpuc__gce_instance_name(const char *cluster, const char *machine);
char *gpuc__gce_tag(const gpuc__provider *provider, gpuc__role role); /* role 0: any machine */
/* expose NULL: the rule for SSH through IAP. */
char *gpuc__gce_rule_name(const gpuc__provider *provider, const gpuc__expose_model *expose);

/* look.c: all looks of one turn share one list. Instances of ours by label; one of the wanted name
 * without our label is GPUC_EEXIST. */
void gpuc__gce_look(gpuc__provider *provider, const char *machine, gpuc__machine_fn done, void *data);
void gpuc__gce_list_machines(gpuc__provider *provider, gpuc__names_fn done, void *data);
/* What an instance resource says; host keys excepted. */
int gpuc__gce_read_instance(gpuc__machine_info *out, const json_t *instance, bool external_ip,
                            gpuc_error **err);

/* hostkeys.c: guest attributes hostkeys/, waited for until deadline (ms, gpuc__clock_ms); keys: new
 * list of "type base64", the caller's. On failure the error has the end of the serial console. */
typedef void (*gpuc__gce_keys_fn)(void *data, char **keys, gpuc_error *error);
void gpuc__gce_host_keys(gpuc__provider *provider, const char *machine, const char *zone,
                         uint64_t deadline, gpuc__gce_keys_fn done, void *data);
/* For those of this data, done does not come any more. */
void gpuc__gce_host_keys_cancel(gpuc__provider *provider, const void *data);

/* create.c, destroy.c */
void gpuc__gce_create(gpuc__provider *provider, const gpuc__machine_model *machine,
                      const char *attempt, gpuc__machine_fn done, void *data);
void gpuc__gce_destroy(gpuc__provider *provider, const char *machine, gpuc__provider_fn done,
                       void *data);
void gpuc__gce_cancel(gpuc__provider *provider, const void *data);

/* check.c: pre-flight; no side effects. Keeps what it found for describe. cancel is part of
 * gpuc__gce_cancel: checks of this data (NULL: all) end with GPUC_ECANCELLED. */
void gpuc__gce_check(gpuc__provider *provider, gpuc__provider_fn done, void *data);
void gpuc__gce_check_cancel(gpuc__provider *provider, const void *data);
/* ops->describe and ops->settle. */
json_t *gpuc__gce_describe(gpuc__provider *provider);
int gpuc__gce_settle(gpuc__spec_model *model, gpuc_error **err);

/* shared.c: firewall rules and the key in project metadata. */
void gpuc__gce_look_shared(gpuc__provider *provider, gpuc__there_fn done, void *data);
void gpuc__gce_make_shared(gpuc__provider *provider, gpuc__provider_fn done, void *data);
void gpuc__gce_drop_shared(gpuc__provider *provider, gpuc__provider_fn done, void *data);
/* Part of gpuc__gce_cancel and of the provider's end. */
void gpuc__gce_shared_cancel(gpuc__provider *provider, const void *data);

/* left.c: what clusters left behind; cancel is part of gpuc__gce_cancel. */
void gpuc__gce_find_left(gpuc__provider *provider, gpuc__left_fn done, void *data);
void gpuc__gce_remove_left(gpuc__provider *provider, const json_t *entry, gpuc__provider_fn done,
                           void *data);
void gpuc__gce_left_cancel(gpuc__provider *provider, const void *data);

/* iap.c */
int gpuc__gce_tunnel(gpuc__provider *provider, const char *machine, int port, int *fd,
                     gpuc_error **err);
/* Part of the provider's end, at once: each tunnel holds a reference of it. */
void gpuc__gce_tunnels_close(gpuc__provider *provider);

/* shell.c: the gcloud commands that do the same by hand: new string. */
char *gpuc__gce_shell(gpuc__provider *provider, const gpuc__machine_model *machine, bool destroy);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A spec as plain data: what the other rooms read. Machines with `count` are expanded, defaults are
 * filled in. Strings are never NULL unless the comment says so; lists end with NULL. */
#ifndef GPUC__SPEC_MODEL_H
#define GPUC__SPEC_MODEL_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

typedef enum gpuc__provider_kind {
    GPUC__PROVIDER_SSH = 1,
    GPUC__PROVIDER_LOCAL = 2,
    GPUC__PROVIDER_GCE = 3
} gpuc__provider_kind;

typedef enum gpuc__role { GPUC__ROLE_CONTROL_PLANE = 1, GPUC__ROLE_WORKER = 2 } gpuc__role;

typedef struct gpuc__machine_model {
    char *name;   /* "kubernetes-worker-gpu-1" after expansion of count */
    char *group;  /* the name in the spec */
    gpuc__role role;
    int gpus;              /* accelerator.count, or gpus; 0: a machine without GPU. A provider may
                            * know of more (settle): those that machine_type carries */
    char *accelerator;     /* accelerator.type, NULL when not given */
    /* ssh */
    char *host;            /* NULL but with kind ssh */
    int port;              /* 22 */
    char *user;            /* machine's, else ssh.user */
    char *identity;        /* machine's, else ssh.identity; absolute; NULL: key made by the library */
    char **host_keys;      /* "ssh-ed25519 AAAA…" lines; may be empty */
    /* local */
    int cpus;              /* 0: no limit */
    char *memory;          /* "4GiB"; NULL: no limit */
    char *image;           /* alias in the daemon; NULL: provider's default image */
    char **gpu_devices;    /* PCI addresses passed through; empty unless `gpus` is a list */
    /* gce */
    char *machine_type;    /* NULL: not given */
    char *image_project, *image_family; /* NULL: the catalogue's default for the machine */
    int disk_gb;           /* boot disk; 0: the catalogue's default */
    char *disk_type;       /* "pd-balanced"; NULL: the catalogue's default */
    bool spot;             /* machine's, else provider's */
    char *reservation;     /* name of a specific reservation; NULL: any */
    bool secure_boot;
} gpuc__machine_model;

/* A TCP port of the control plane, opened in the cloud's firewall. */
typedef struct gpuc__expose_model {
    int port;
    char **from;           /* CIDRs; never empty */
} gpuc__expose_model;

typedef struct gpuc__spec_model {
    char *name;
    gpuc__provider_kind provider;
    char *provider_socket;   /* local: unix socket of the daemon; NULL: search the usual places */
    char *provider_project;  /* local: project of the daemon, "default" */
    char *provider_image;    /* local: default image alias; NULL: none */
    /* gce; provider_project is the cloud project, NULL: from the environment or the credentials */
    char **zones;             /* in order of preference; empty: any of region's */
    char *region;             /* NULL: zones are given, which may be of several regions */
    char **labels;            /* "key=value" */
    int64_t ttl_s;            /* 0: none */
    double max_price;         /* US dollars an hour; negative: no limit */
    char *network, *subnetwork; /* "default"; NULL */
    bool external_ip;         /* false: SSH goes through IAP */
    bool project_ssh_key;     /* the key goes into project metadata, not on the instances */
    char *service_account;    /* e-mail; "default"; "none" */
    gpuc__expose_model *exposes;
    size_t expose_count;
    char *kubernetes_version; /* "1.36" or "1.36.4" */
    char *pod_subnet;         /* "10.244.0.0/16" */
    char *service_subnet;     /* "10.96.0.0/12" */
    bool startup_taint;       /* GPU nodes are tainted until they are proven */
    char *source_mirror;      /* sources.mirror: base URL that replaces "https://"; NULL: upstream */
    char *source_bundle;      /* sources.bundle: absolute path of a bundle directory; NULL: none */
    char *ssh_user;
    char *ssh_identity;       /* absolute; NULL: a key made for this cluster */
    char *ssh_passphrase_env; /* name of the environment variable with its passphrase; NULL */
    bool ssh_agent;           /* ssh.agent: true */
    char *ssh_known_hosts;    /* absolute; NULL: ~/.ssh/known_hosts when kind is ssh */
    char *ssh_jump;           /* "user@host:port"; NULL */
    char **ssh_jump_host_keys; /* lines as in host_keys; may be empty: known_hosts then */
    char *ssh_sudo_password_env; /* name of the variable with sudo's password; NULL: sudo -n */
    bool ssh_trust_first_use; /* ssh.host_key_policy: trust-on-first-use */
    char *gpu_driver;         /* gpu.driver: "auto", "none", or a branch as "580" */
    json_t *checks;           /* limits of the proof's checks as gpu/limits.h has them; object */
    gpuc__machine_model *machines;
    size_t machine_count;
} gpuc__spec_model;

/* Checks the spec as a whole and expands it. */
int gpuc__spec_model_new(gpuc__spec_model **out, const gpuc_spec *spec, gpuc_error **err);
void gpuc__spec_model_free(gpuc__spec_model *model);
const gpuc__machine_model *gpuc__spec_model_machine(const gpuc__spec_model *model, const char *name);
#endif

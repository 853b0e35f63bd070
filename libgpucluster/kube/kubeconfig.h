/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files: written for a cluster, merged into files of the user's, and read, one file or a
 * list of them as KUBECONFIG names it. */
#ifndef GPUC__KUBECONFIG_H
#define GPUC__KUBECONFIG_H
#include <gpucluster.h>
#include <stdbool.h>

/* What a caller may allow: a file alone must not start programs or switch off checks. */
enum {
    GPUC__KUBECONFIG_EXEC = 1,    /* exec credential plugins are run */
    GPUC__KUBECONFIG_INSECURE = 2 /* insecure-skip-tls-verify is obeyed */
};

/* A credential plugin. Lists end with NULL. */
typedef struct gpuc__kubeconfig_exec {
    char *api_version, *command, *install_hint;
    char **args;
    char **env;           /* "NAME=value" */
    bool terminal;        /* interactiveMode: Always */
    bool cluster_info;    /* provideClusterInfo */
    char *cluster_config; /* JSON of the cluster's extension for plugins; NULL: none */
} gpuc__kubeconfig_exec;

/* One context with what it refers to. Strings may be NULL; the *_file ones are as written in the
 * file until gpuc__kubeconfig_resolve has read them, and token_file is made absolute by it. */
typedef struct gpuc__kubeconfig {
    char *context, *cluster, *user, *namespace_;
    char *cluster_origin, *user_origin; /* the files in which those two stand */
    char *server;          /* "https://10.0.0.5:6443" */
    char *ca_pem, *ca_file;
    char *tls_server_name, *proxy_url;
    char *cert_pem, *cert_file;
    char *key_pem, *key_file;
    char *token, *token_file; /* token_file wins; it is read again from time to time */
    char *username, *password;
    char *as, *as_uid;       /* impersonation */
    char **as_groups;        /* ends with NULL, as the next; NULL: none */
    char **as_extra;         /* key, value, key, value …; a key may come more than once */
    gpuc__kubeconfig_exec exec; /* command NULL: none */
    bool insecure;           /* insecure-skip-tls-verify */
    bool disable_compression;
    unsigned allow;          /* what the caller of the reading function allowed */
} gpuc__kubeconfig;

/* The base64 of a text in one line: new string; NULL without memory. */
char *gpuc__kubeconfig_base64(const char *text);
void gpuc__kubeconfig_clear(gpuc__kubeconfig *config); /* wipes keys, tokens and passwords */
int gpuc__kubeconfig_copy(gpuc__kubeconfig *out, const gpuc__kubeconfig *from, gpuc_error **err);

/* A whole file for one cluster with its data embedded: clusters[name], users[user], one context,
 * made current. Uses context, cluster, user, server, ca_pem, cert_pem, key_pem, token,
 * tls_server_name; NULL cluster or user is context's name. Release with gpuc__free_secret. */
int gpuc__kubeconfig_write(char **out, const gpuc__kubeconfig *config, gpuc_error **err);

enum { GPUC__KUBECONFIG_CLUSTER = 1, GPUC__KUBECONFIG_USER = 2, GPUC__KUBECONFIG_CONTEXT = 4 };

/* The text of an existing file with this cluster's three entries added or replaced and all else,
 * comments and unknown fields included, left as it is. set_current: current-context is changed
 * too; otherwise only when there is none. Refuses (GPUC_EUNSUPPORTED) rather than lose anything.
 * Release with gpuc__free_secret. */
int gpuc__kubeconfig_merge(char **out, const char *text, size_t length, const char *filename,
                           const gpuc__kubeconfig *config, bool set_current, gpuc_error **err);
/* The same for some of the three entries; set_current 0: current-context is left as it is, 1:
 * changed, -1: changed when there is none. */
int gpuc__kubeconfig_merge_part(char **out, const char *text, size_t length, const char *filename,
                                const gpuc__kubeconfig *config, unsigned parts, int set_current,
                                gpuc_error **err);

/* Merges into files, as kubectl does: each entry into the first file of the list that has it, new
 * ones into the first file that exists, or else the last of the list, which is made (0600). Each is
 * changed under FILE.lock and replaced whole; none is changed when one cannot be. list: paths with
 * ":" between them; NULL or "": KUBECONFIG, or else ~/.kube/config. written: the files that were
 * changed, with ":" between them, may be NULL. GPUC_EBUSY: locked by another program. */
int gpuc__kubeconfig_store(char **written, const char *list, const gpuc__kubeconfig *config,
                           bool set_current, gpuc_error **err);

/* Reads one context; context NULL: current-context, or the only one. No file is opened. Errors
 * start with "filename:line:column:"; exec plugins are GPUC_EUNSUPPORTED. */
int gpuc__kubeconfig_parse(gpuc__kubeconfig *out, const char *text, size_t length,
                           const char *filename, const char *context, gpuc_error **err);

/* The same over several texts, where the first that has an entry is the one that counts. */
typedef struct gpuc__kubeconfig_text {
    const char *text, *filename;
    size_t length;
} gpuc__kubeconfig_text;
int gpuc__kubeconfig_parse_list(gpuc__kubeconfig *out, const gpuc__kubeconfig_text *texts,
                                size_t count, const char *context, unsigned allow,
                                gpuc_error **err);

/* Reads the files named in config, relative to the folder of the file that names them, where no
 * data was given. */
int gpuc__kubeconfig_resolve(gpuc__kubeconfig *config, gpuc_error **err);

/* parse and resolve of a file on disk. */
int gpuc__kubeconfig_load(gpuc__kubeconfig *out, const char *path, const char *context,
                          gpuc_error **err);

/* parse and resolve of a list of files, of which those that are not there are passed over. list as
 * for gpuc__kubeconfig_store; without one, and without a file, the service account of the pod that
 * this program runs in. GPUC_ENOTFOUND: none of that is there. */
int gpuc__kubeconfig_load_list(gpuc__kubeconfig *out, const char *list, const char *context,
                               unsigned allow, gpuc_error **err);

/* The service account of the pod that this program runs in; GPUC_ENOTFOUND when it runs in none.
 * folder NULL: where Kubernetes puts it. */
int gpuc__kubeconfig_in_cluster(gpuc__kubeconfig *out, const char *folder, gpuc_error **err);
#endif

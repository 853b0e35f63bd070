/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files: written for a cluster, merged into a file of the user's, and read. */
#ifndef GPUC__KUBECONFIG_H
#define GPUC__KUBECONFIG_H
#include <gpucluster.h>
#include <stdbool.h>

/* One context with what it refers to. Strings may be NULL; the *_file ones are as written in the
 * file until gpuc__kubeconfig_resolve has read them. */
typedef struct gpuc__kubeconfig {
    char *context, *cluster, *user, *namespace_;
    char *server;          /* "https://10.0.0.5:6443" */
    char *ca_pem, *ca_file;
    char *tls_server_name, *proxy_url;
    bool insecure;         /* insecure-skip-tls-verify */
    char *cert_pem, *cert_file;
    char *key_pem, *key_file;
    char *token, *token_file; /* token_file wins; it is to be read again when refused */
} gpuc__kubeconfig;

void gpuc__kubeconfig_clear(gpuc__kubeconfig *config); /* wipes keys and token */

/* A whole file for one cluster with its data embedded: clusters[name], users[user], one context,
 * made current. Uses context, cluster, user, server, ca_pem, cert_pem, key_pem, token,
 * tls_server_name; NULL cluster or user is context's name. Release with gpuc__free_secret. */
int gpuc__kubeconfig_write(char **out, const gpuc__kubeconfig *config, gpuc_error **err);

/* The text of an existing file with this cluster's three entries added or replaced and all else,
 * comments and unknown fields included, left as it is. set_current: current-context is changed
 * too; otherwise only when there is none. Refuses (GPUC_EUNSUPPORTED) rather than lose anything.
 * Release with gpuc__free_secret. */
int gpuc__kubeconfig_merge(char **out, const char *text, size_t length, const char *filename,
                           const gpuc__kubeconfig *config, bool set_current, gpuc_error **err);

/* Reads one context; context NULL: current-context, or the only one. No file is opened. Errors
 * start with "filename:line:column:"; exec plugins are GPUC_EUNSUPPORTED. */
int gpuc__kubeconfig_parse(gpuc__kubeconfig *out, const char *text, size_t length,
                           const char *filename, const char *context, gpuc_error **err);

/* Reads the files named in config, relative to filename's folder, where no data was given. */
int gpuc__kubeconfig_resolve(gpuc__kubeconfig *config, const char *filename, gpuc_error **err);

/* parse and resolve of a file on disk. */
int gpuc__kubeconfig_load(gpuc__kubeconfig *out, const char *path, const char *context,
                          gpuc_error **err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read and write kubeconfigs only. */
#ifndef GPUC__KUBECONFIG_INTERNAL_H
#define GPUC__KUBECONFIG_INTERNAL_H
#include "kube/kubeconfig.h"
#include "kube/yaml_tree.h"

#define GPUC__KUBECONFIG_LIST_MAX 64

typedef struct gpuc__kubeconfig_source {
    const char *filename;
    gpuc__yaml_node *root; /* NULL: an empty file */
} gpuc__kubeconfig_source;

typedef struct gpuc__kubeconfig_reader {
    const gpuc__kubeconfig_source *sources, *at; /* at: the one that errors name */
    size_t count;
    unsigned allow;
    gpuc_error **err;
} gpuc__kubeconfig_reader;

/* kubeconfig_read.c */
int gpuc__kubeconfig_fail(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *node, int code,
                          const char *what, const char *name, const char *remedy);
bool gpuc__kubeconfig_absent(const gpuc__yaml_node *node);
/* A text value of a mapping as a new string; absent, null or empty leaves *out as it is. */
int gpuc__kubeconfig_text_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                             const char *key, char **out);
int gpuc__kubeconfig_bool_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                             const char *key, bool *out);

/* kubeconfig_user.c: user and its plugin; cluster is where the plugin's settings may stand. */
int gpuc__kubeconfig_read_user(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *user,
                               const gpuc__yaml_node *cluster, gpuc__kubeconfig *c);
int gpuc__kubeconfig_data_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                             const char *key, char **pem, char **file);

/* kubeconfig_list.c: a list's paths, without empty ones and repetitions, ended by NULL; *given: it
 * was named by the caller or the environment. Release with gpuc__kubeconfig_free_list. */
int gpuc__kubeconfig_paths(char ***out, bool *given, const char *list, gpuc_error **err);
void gpuc__kubeconfig_free_list(char **list);
/* A regular file as a new string; GPUC_ENOTFOUND when it is not there. */
int gpuc__kubeconfig_read_file(char **out, size_t *length, const char *path, size_t max,
                               gpuc_error **err);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one context of one or more kubeconfig texts; the first that has an entry counts. */
#include <stdio.h>
#include <string.h>

#include "kube/kubeconfig_internal.h"
#include "util/alloc.h"
#include "util/error.h"

int gpuc__kubeconfig_fail(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *node, int code,
                          const char *what, const char *name, const char *remedy)
{
    gpuc__error_set(r->err, code, GPUC_DOMAIN_KUBERNETES, "%s:%zu:%zu: %s%s%.200s%s",
                    r->at->filename, node ? node->line : 1, node ? node->column : 1, what,
                    name ? " \"" : "", name ? name : "", name ? "\"" : "");
    gpuc__error_remedy(r->err, "%s", remedy);
    return code;
}

bool gpuc__kubeconfig_absent(const gpuc__yaml_node *node)
{
    return !node || node->null;
}

int gpuc__kubeconfig_text_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                             const char *key, char **out)
{
    const gpuc__yaml_node *node = gpuc__yaml_get(map, key);

    if (gpuc__kubeconfig_absent(node))
        return GPUC_OK;
    if (node->kind != GPUC__YAML_SCALAR)
        return gpuc__kubeconfig_fail(r, node, GPUC_EINVAL, "a text was expected as the value of",
                                     key, "write the value as one word or quoted text");
    if (!*node->text)
        return GPUC_OK;
    *out = gpuc__strdup(node->text);
    return *out ? GPUC_OK : gpuc__error_nomem(r->err);
}

int gpuc__kubeconfig_bool_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                             const char *key, bool *out)
{
    const gpuc__yaml_node *node = gpuc__yaml_get(map, key);

    if (gpuc__kubeconfig_absent(node))
        return GPUC_OK;
    if (node->kind == GPUC__YAML_SCALAR && strcmp(node->text, "true") == 0)
        *out = true;
    else if (node->kind == GPUC__YAML_SCALAR && strcmp(node->text, "false") == 0)
        *out = false;
    else
        return gpuc__kubeconfig_fail(r, node, GPUC_EINVAL,
                                     "true or false was expected as the value of", key,
                                     "write true or false");
    return GPUC_OK;
}

/* The entry of one file's list, NULL when it has none; a second one of the name is an error. */
static int find_in(const gpuc__kubeconfig_reader *r, const char *list_key, const char *name,
                   const gpuc__yaml_node **out)
{
    const gpuc__yaml_node *list = gpuc__yaml_get(r->at->root, list_key);

    if (!gpuc__kubeconfig_absent(list) && list->kind != GPUC__YAML_SEQUENCE)
        return gpuc__kubeconfig_fail(r, list, GPUC_EINVAL, "a list was expected as the value of",
                                     list_key, "write it as a list of entries, each with a name");
    for (size_t i = 0; !gpuc__kubeconfig_absent(list) && i < list->count; i++) {
        const gpuc__yaml_node *entry = list->items[i], *n = gpuc__yaml_get(entry, "name");

        if (!n || n->kind != GPUC__YAML_SCALAR)
            return gpuc__kubeconfig_fail(r, entry, GPUC_EINVAL, "an entry without a name in",
                                         list_key, "give the entry a name");
        if (strcmp(n->text, name) != 0)
            continue;
        if (*out)
            return gpuc__kubeconfig_fail(r, n, GPUC_EINVAL, "a second entry has the name", name,
                                         "remove one of the two");
        *out = entry;
    }
    return GPUC_OK;
}

/* The entry called name of clusters, users or contexts: the mapping below `inner`. r->at becomes
 * its file; on failure it is where the name stands. */
static int find_entry(gpuc__kubeconfig_reader *r, const char *list_key, const char *inner,
                      const char *name, const gpuc__yaml_node *user_of,
                      const gpuc__yaml_node **out)
{
    const gpuc__kubeconfig_source *asking = r->at;
    const gpuc__yaml_node *value, *entry = NULL;
    char what[64];
    int rc;

    for (size_t i = 0; i < r->count && !entry; i++) {
        r->at = &r->sources[i];
        rc = find_in(r, list_key, name, &entry);
        if (rc != GPUC_OK)
            return rc;
    }
    if (!entry) {
        r->at = asking;
        snprintf(what, sizeof(what), "%s has no entry called", list_key);
        return gpuc__kubeconfig_fail(r, user_of, GPUC_ENOTFOUND, what, name,
                                     "correct the name or add the entry (kubectl config view "
                                     "shows what is there)");
    }
    value = gpuc__yaml_get(entry, inner);
    if (gpuc__kubeconfig_absent(value) || value->kind != GPUC__YAML_MAPPING) {
        snprintf(what, sizeof(what), "a mapping \"%s\" was expected in the entry", inner);
        return gpuc__kubeconfig_fail(r, value ? value : entry, GPUC_EINVAL, what, name,
                                     "fill in the entry");
    }
    *out = value;
    return GPUC_OK;
}

static int check_proxy(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *cluster,
                       const char *url)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};

    if (!url)
        return GPUC_OK;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return GPUC_OK;
    }
    return gpuc__kubeconfig_fail(r, gpuc__yaml_get(cluster, "proxy-url"), GPUC_EINVAL,
                                 "the URL of a proxy was expected as the value of", "proxy-url",
                                 "write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT");
}

static int read_server(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *cluster,
                       gpuc__kubeconfig *c)
{
    const gpuc__yaml_node *server = gpuc__yaml_get(cluster, "server");
    int rc = gpuc__kubeconfig_text_of(r, cluster, "server", &c->server);

    if (rc == GPUC_OK && (!c->server || (strncmp(c->server, "https://", 8) != 0 &&
                                         strncmp(c->server, "http://", 7) != 0)))
        rc = gpuc__kubeconfig_fail(r, server ? server : cluster, GPUC_EINVAL,
                                   "the URL of an API server was expected as the value of",
                                   "server", "write https://HOST:6443");
    return rc;
}

static int read_cluster(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *cluster,
                        gpuc__kubeconfig *c)
{
    int rc = read_server(r, cluster, c);

    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, cluster, "tls-server-name", &c->tls_server_name);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, cluster, "proxy-url", &c->proxy_url);
    if (rc == GPUC_OK)
        rc = check_proxy(r, cluster, c->proxy_url);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_bool_of(r, cluster, "insecure-skip-tls-verify", &c->insecure);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_bool_of(r, cluster, "disable-compression", &c->disable_compression);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_data_of(r, cluster, "certificate-authority", &c->ca_pem,
                                      &c->ca_file);
    if (rc == GPUC_OK && c->insecure && (c->ca_pem || c->ca_file))
        rc = gpuc__kubeconfig_fail(r, gpuc__yaml_get(cluster, "insecure-skip-tls-verify"),
                                   GPUC_EINVAL, "a certificate authority cannot be combined with",
                                   "insecure-skip-tls-verify",
                                   "remove one of the two, better insecure-skip-tls-verify");
    return rc;
}

/* The first current-context, with its place; NULL: there is none. */
static const char *current_of(gpuc__kubeconfig_reader *r, const gpuc__yaml_node **place)
{
    for (size_t i = 0; i < r->count; i++) {
        const gpuc__yaml_node *node = gpuc__yaml_get(r->sources[i].root, "current-context");

        if (gpuc__kubeconfig_absent(node) || node->kind != GPUC__YAML_SCALAR || !*node->text)
            continue;
        *place = node;
        r->at = &r->sources[i];
        return node->text;
    }
    return NULL;
}

/* The only context of all; NULL: there is none, or there are more. */
static const char *only_one_of(const gpuc__kubeconfig_reader *r)
{
    const gpuc__yaml_node *only = NULL;
    size_t contexts = 0;

    for (size_t i = 0; i < r->count; i++) {
        const gpuc__yaml_node *list = gpuc__yaml_get(r->sources[i].root, "contexts");

        if (gpuc__kubeconfig_absent(list) || list->kind != GPUC__YAML_SEQUENCE || !list->count)
            continue;
        contexts += list->count;
        only = gpuc__yaml_get(list->items[0], "name");
    }
    return contexts == 1 && only && only->kind == GPUC__YAML_SCALAR ? only->text : NULL;
}

/* Which context: the one asked for, the first current one, or the only one of all. */
static int choose_context(gpuc__kubeconfig_reader *r, const char *asked, char **out,
                          const gpuc__yaml_node **place)
{
    if (!asked)
        asked = current_of(r, place);
    if (!asked)
        asked = only_one_of(r);
    if (!asked)
        return gpuc__kubeconfig_fail(
            r, r->at->root, GPUC_EINVAL,
            "no context was asked for and there is no current-context", NULL,
            "name a context, or set one: kubectl config use-context NAME");
    *out = gpuc__strdup(asked);
    return *out ? GPUC_OK : gpuc__error_nomem(r->err);
}

static int note_origin(const gpuc__kubeconfig_reader *r, char **out)
{
    *out = gpuc__strdup(r->at->filename);
    return *out ? GPUC_OK : gpuc__error_nomem(r->err);
}

/* The cluster and the user that a context names; they may stand in other files than it. */
static int read_parts(gpuc__kubeconfig_reader *r, const gpuc__yaml_node *context,
                      gpuc__kubeconfig *c)
{
    const gpuc__kubeconfig_source *naming = r->at;
    const gpuc__yaml_node *cluster = NULL, *user = NULL;
    int rc = find_entry(r, "clusters", "cluster", c->cluster, gpuc__yaml_get(context, "cluster"),
                        &cluster);

    if (rc == GPUC_OK)
        rc = read_cluster(r, cluster, c);
    if (rc == GPUC_OK)
        rc = note_origin(r, &c->cluster_origin);
    if (rc != GPUC_OK || !c->user)
        return rc;
    r->at = naming;
    rc = find_entry(r, "users", "user", c->user, gpuc__yaml_get(context, "user"), &user);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_read_user(r, user, cluster, c);
    if (rc == GPUC_OK)
        rc = note_origin(r, &c->user_origin);
    return rc;
}

static int read_context(gpuc__kubeconfig_reader *r, const char *asked, gpuc__kubeconfig *c)
{
    const gpuc__yaml_node *place = NULL, *context = NULL;
    int rc = choose_context(r, asked, &c->context, &place);

    if (rc == GPUC_OK)
        rc = find_entry(r, "contexts", "context", c->context, place, &context);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, context, "cluster", &c->cluster);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, context, "user", &c->user);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, context, "namespace", &c->namespace_);
    if (rc == GPUC_OK && !c->cluster)
        rc = gpuc__kubeconfig_fail(r, context, GPUC_EINVAL, "no cluster is named in the context",
                                   c->context, "add cluster: NAME");
    return rc == GPUC_OK ? read_parts(r, context, c) : rc;
}

int gpuc__kubeconfig_parse_list(gpuc__kubeconfig *out, const gpuc__kubeconfig_text *texts,
                                size_t count, const char *context, unsigned allow,
                                gpuc_error **err)
{
    gpuc__kubeconfig_source sources[GPUC__KUBECONFIG_LIST_MAX] = {0};
    gpuc__kubeconfig_reader r = {sources, sources, count, allow, err};
    gpuc__kubeconfig config = {.allow = allow};
    int rc = GPUC_OK;

    if (count == 0 || count > GPUC__KUBECONFIG_LIST_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                               "%zu kubeconfig files; there may be 1 to %d", count,
                               GPUC__KUBECONFIG_LIST_MAX);
    for (size_t i = 0; rc == GPUC_OK && i < count; i++) {
        r.at = &sources[i];
        sources[i].filename = texts[i].filename ? texts[i].filename : "kubeconfig";
        rc = gpuc__yaml_parse(&sources[i].root, texts[i].text, texts[i].length,
                              sources[i].filename, err);
        /* In a list an empty file is an empty kubeconfig. */
        if (rc == GPUC_OK && !(gpuc__kubeconfig_absent(sources[i].root) && count > 1) &&
            (!sources[i].root || sources[i].root->kind != GPUC__YAML_MAPPING))
            rc = gpuc__kubeconfig_fail(&r, sources[i].root, GPUC_EINVAL,
                                       "a kubeconfig was expected (apiVersion, clusters …)", NULL,
                                       "give a file as kubectl config view --raw prints it");
    }
    r.at = sources;
    if (rc == GPUC_OK)
        rc = read_context(&r, context, &config);
    for (size_t i = 0; i < count; i++)
        gpuc__yaml_free(sources[i].root);
    if (rc == GPUC_OK)
        *out = config;
    else
        gpuc__kubeconfig_clear(&config);
    return rc;
}

int gpuc__kubeconfig_parse(gpuc__kubeconfig *out, const char *text, size_t length,
                           const char *filename, const char *context, gpuc_error **err)
{
    gpuc__kubeconfig_text one = {text, filename, length};

    return gpuc__kubeconfig_parse_list(out, &one, 1, context, 0, err);
}

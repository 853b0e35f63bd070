/* SPDX-License-Identifier: Apache-2.0 */
/* Reading kubeconfig files. */
#include "kube/kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/yaml_tree.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define SECRET_FILE_MAX (1024 * 1024)

typedef struct source {
    const char *filename;
    const gpuc__yaml_node *root;
    gpuc_error **err;
} source;

void gpuc__kubeconfig_clear(gpuc__kubeconfig *c)
{
    gpuc__free(c->context);
    gpuc__free(c->cluster);
    gpuc__free(c->user);
    gpuc__free(c->namespace_);
    gpuc__free(c->server);
    gpuc__free(c->ca_pem);
    gpuc__free(c->ca_file);
    gpuc__free(c->tls_server_name);
    gpuc__free(c->proxy_url);
    gpuc__free(c->cert_pem);
    gpuc__free(c->cert_file);
    gpuc__free_secret(c->key_pem);
    gpuc__free(c->key_file);
    gpuc__free_secret(c->token);
    gpuc__free(c->token_file);
    memset(c, 0, sizeof(*c));
}

static int fail_at(const source *s, const gpuc__yaml_node *node, int code, const char *what,
                   const char *name, const char *remedy)
{
    gpuc__error_set(s->err, code, GPUC_DOMAIN_KUBERNETES, "%s:%zu:%zu: %s%s%.200s%s", s->filename,
                    node ? node->line : 1, node ? node->column : 1, what, name ? " \"" : "",
                    name ? name : "", name ? "\"" : "");
    gpuc__error_remedy(s->err, "%s", remedy);
    return code;
}

static bool absent(const gpuc__yaml_node *node)
{
    return !node || node->null;
}

/* A text value of a mapping as a new string; absent or null leaves *out as it is. */
static int get_text(const source *s, const gpuc__yaml_node *map, const char *key, char **out)
{
    const gpuc__yaml_node *node = gpuc__yaml_get(map, key);

    if (absent(node))
        return GPUC_OK;
    if (node->kind != GPUC__YAML_SCALAR)
        return fail_at(s, node, GPUC_EINVAL, "a text was expected as the value of", key,
                       "write the value as one word or quoted text");
    if (!*node->text)
        return GPUC_OK;
    *out = gpuc__strdup(node->text);
    return *out ? GPUC_OK : gpuc__error_nomem(s->err);
}

static int get_bool(const source *s, const gpuc__yaml_node *map, const char *key, bool *out)
{
    const gpuc__yaml_node *node = gpuc__yaml_get(map, key);

    if (absent(node))
        return GPUC_OK;
    if (node->kind == GPUC__YAML_SCALAR && strcmp(node->text, "true") == 0)
        *out = true;
    else if (node->kind == GPUC__YAML_SCALAR && strcmp(node->text, "false") == 0)
        *out = false;
    else
        return fail_at(s, node, GPUC_EINVAL, "true or false was expected as the value of", key,
                       "write true or false");
    return GPUC_OK;
}

/* Base64 with line breaks and spaces allowed, as a new string; the result must be text. */
static int decode(const source *s, const gpuc__yaml_node *node, const char *key, char **out)
{
    size_t length = strlen(node->text), n = 0;
    char *packed = gpuc__malloc(length + 1);
    unsigned char *bytes = gpuc__malloc(length + 4);
    int size, rc = GPUC_OK;

    if (!packed || !bytes) {
        rc = gpuc__error_nomem(s->err);
        goto done;
    }
    for (const char *p = node->text; *p; p++) {
        if (!strchr(" \t\r\n", *p))
            packed[n++] = *p;
    }
    packed[n] = '\0';
    size = n % 4 == 0 && n > 0 ? EVP_DecodeBlock(bytes, (unsigned char *)packed, (int)n) : -1;
    for (size_t pad = n; size > 0 && pad > n - 2 && packed[pad - 1] == '='; pad--)
        size--; /* EVP_DecodeBlock counts the padding as zero bytes */
    if (size <= 0 || memchr(bytes, 0, (size_t)size)) {
        rc = fail_at(s, node, GPUC_EINVAL, "not the base64 of a PEM text: the value of", key,
                     "encode the PEM file with base64 -w0");
        goto done;
    }
    *out = gpuc__strndup((char *)bytes, (size_t)size);
    if (!*out)
        rc = gpuc__error_nomem(s->err);
done:
    if (bytes)
        OPENSSL_cleanse(bytes, length + 4);
    gpuc__free(bytes);
    gpuc__free_secret(packed);
    return rc;
}

/* `key`-data wins over `key`, which names a file. */
static int get_data(const source *s, const gpuc__yaml_node *map, const char *key, char **pem,
                    char **file)
{
    char data_key[64];
    const gpuc__yaml_node *node;

    snprintf(data_key, sizeof(data_key), "%s-data", key);
    node = gpuc__yaml_get(map, data_key);
    if (absent(node) || (node->kind == GPUC__YAML_SCALAR && !*node->text))
        return get_text(s, map, key, file);
    if (node->kind != GPUC__YAML_SCALAR)
        return fail_at(s, node, GPUC_EINVAL, "base64 text was expected as the value of", data_key,
                       "encode the PEM file with base64 -w0");
    return decode(s, node, data_key, pem);
}

/* The entry called name of clusters, users or contexts: the mapping below `inner`. */
static int find_entry(const source *s, const char *list_key, const char *inner, const char *name,
                      const gpuc__yaml_node *user_of, const gpuc__yaml_node **out)
{
    const gpuc__yaml_node *list = gpuc__yaml_get(s->root, list_key), *value;
    char what[64];

    if (!absent(list) && list->kind != GPUC__YAML_SEQUENCE)
        return fail_at(s, list, GPUC_EINVAL, "a list was expected as the value of", list_key,
                       "write it as a list of entries, each with a name");
    for (size_t i = 0; !absent(list) && i < list->count; i++) {
        const gpuc__yaml_node *entry = list->items[i], *n = gpuc__yaml_get(entry, "name");

        if (!n || n->kind != GPUC__YAML_SCALAR)
            return fail_at(s, entry, GPUC_EINVAL, "an entry without a name in", list_key,
                           "give the entry a name");
        if (strcmp(n->text, name) != 0)
            continue;
        value = gpuc__yaml_get(entry, inner);
        if (absent(value) || value->kind != GPUC__YAML_MAPPING) {
            snprintf(what, sizeof(what), "a mapping \"%s\" was expected in the entry", inner);
            return fail_at(s, value ? value : entry, GPUC_EINVAL, what, name, "fill in the entry");
        }
        *out = value;
        return GPUC_OK;
    }
    snprintf(what, sizeof(what), "%s has no entry called", list_key);
    return fail_at(s, user_of, GPUC_ENOTFOUND, what, name,
                   "correct the name or add the entry (kubectl config view shows what is there)");
}

static int read_cluster(const source *s, const gpuc__yaml_node *cluster, gpuc__kubeconfig *c)
{
    const gpuc__yaml_node *server = gpuc__yaml_get(cluster, "server");
    int rc = get_text(s, cluster, "server", &c->server);

    if (rc == GPUC_OK && (!c->server || (strncmp(c->server, "https://", 8) != 0 &&
                                         strncmp(c->server, "http://", 7) != 0)))
        rc = fail_at(s, server ? server : cluster, GPUC_EINVAL,
                     "the URL of an API server was expected as the value of", "server",
                     "write https://HOST:6443");
    if (rc == GPUC_OK)
        rc = get_text(s, cluster, "tls-server-name", &c->tls_server_name);
    if (rc == GPUC_OK)
        rc = get_text(s, cluster, "proxy-url", &c->proxy_url);
    if (rc == GPUC_OK)
        rc = get_bool(s, cluster, "insecure-skip-tls-verify", &c->insecure);
    if (rc == GPUC_OK)
        rc = get_data(s, cluster, "certificate-authority", &c->ca_pem, &c->ca_file);
    if (rc == GPUC_OK && c->insecure && (c->ca_pem || c->ca_file))
        rc = fail_at(s, gpuc__yaml_get(cluster, "insecure-skip-tls-verify"), GPUC_EINVAL,
                     "a certificate authority cannot be combined with", "insecure-skip-tls-verify",
                     "remove one of the two, better insecure-skip-tls-verify");
    return rc;
}

static int refuse_plugins(const source *s, const gpuc__yaml_node *user, const char *name)
{
    const gpuc__yaml_node *exec = gpuc__yaml_get(user, "exec");
    const gpuc__yaml_node *provider = gpuc__yaml_get(user, "auth-provider");

    if (!absent(exec))
        return fail_at(s, exec, GPUC_EUNSUPPORTED,
                       "exec credential plugins are not run by this version; one is in the user",
                       name,
                       "use a user with a client certificate or a token: kubectl create token "
                       "SERVICEACCOUNT gives one, kubectl config set-credentials NAME "
                       "--token=TOKEN stores it");
    if (!absent(provider))
        return fail_at(s, provider, GPUC_EUNSUPPORTED,
                       "auth-provider was removed from Kubernetes 1.26; it is in the user", name,
                       "make the kubeconfig anew with your provider's current tool, or use a "
                       "client certificate or a token");
    if (!absent(gpuc__yaml_get(user, "username")))
        return fail_at(s, gpuc__yaml_get(user, "username"), GPUC_EUNSUPPORTED,
                       "Kubernetes no longer takes a username and password; they are in the user",
                       name, "use a client certificate or a token");
    return GPUC_OK;
}

static int read_user(const source *s, const gpuc__yaml_node *user, gpuc__kubeconfig *c)
{
    int rc = refuse_plugins(s, user, c->user);

    if (rc == GPUC_OK && !absent(gpuc__yaml_get(user, "as")))
        rc = fail_at(s, gpuc__yaml_get(user, "as"), GPUC_EUNSUPPORTED,
                     "impersonation (as) is not done by this version; it is in the user", c->user,
                     "use a user that needs no impersonation");
    if (rc == GPUC_OK)
        rc = get_data(s, user, "client-certificate", &c->cert_pem, &c->cert_file);
    if (rc == GPUC_OK)
        rc = get_data(s, user, "client-key", &c->key_pem, &c->key_file);
    if (rc == GPUC_OK)
        rc = get_text(s, user, "tokenFile", &c->token_file);
    if (rc == GPUC_OK)
        rc = get_text(s, user, "token", &c->token);
    if (rc == GPUC_OK && (c->cert_pem || c->cert_file) != (c->key_pem || c->key_file))
        rc = fail_at(s, user, GPUC_EINVAL,
                     "a client certificate and its key belong together; one is missing in the user",
                     c->user, "give both client-certificate(-data) and client-key(-data)");
    return rc;
}

/* Which context: the one asked for, the current one, or the only one. */
static int choose_context(const source *s, const char *asked, char **out,
                          const gpuc__yaml_node **place)
{
    const gpuc__yaml_node *current = gpuc__yaml_get(s->root, "current-context");
    const gpuc__yaml_node *list = gpuc__yaml_get(s->root, "contexts");
    const gpuc__yaml_node *only = NULL;

    if (!asked && !absent(current) && current->kind == GPUC__YAML_SCALAR && *current->text) {
        asked = current->text;
        *place = current;
    }
    if (!asked && !absent(list) && list->kind == GPUC__YAML_SEQUENCE && list->count == 1)
        only = gpuc__yaml_get(list->items[0], "name");
    if (only && only->kind == GPUC__YAML_SCALAR)
        asked = only->text;
    if (!asked)
        return fail_at(s, s->root, GPUC_EINVAL,
                       "no context was asked for and there is no current-context", NULL,
                       "name a context, or set one: kubectl config use-context NAME");
    *out = gpuc__strdup(asked);
    return *out ? GPUC_OK : gpuc__error_nomem(s->err);
}

static int read_context(const source *s, const char *asked, gpuc__kubeconfig *c)
{
    const gpuc__yaml_node *place = NULL, *context = NULL, *cluster = NULL, *user = NULL;
    int rc = choose_context(s, asked, &c->context, &place);

    if (rc == GPUC_OK)
        rc = find_entry(s, "contexts", "context", c->context, place, &context);
    if (rc == GPUC_OK)
        rc = get_text(s, context, "cluster", &c->cluster);
    if (rc == GPUC_OK)
        rc = get_text(s, context, "user", &c->user);
    if (rc == GPUC_OK)
        rc = get_text(s, context, "namespace", &c->namespace_);
    if (rc == GPUC_OK && !c->cluster)
        rc = fail_at(s, context, GPUC_EINVAL, "no cluster is named in the context", c->context,
                     "add cluster: NAME");
    if (rc == GPUC_OK)
        rc = find_entry(s, "clusters", "cluster", c->cluster, gpuc__yaml_get(context, "cluster"),
                        &cluster);
    if (rc == GPUC_OK)
        rc = read_cluster(s, cluster, c);
    if (rc == GPUC_OK && c->user)
        rc = find_entry(s, "users", "user", c->user, gpuc__yaml_get(context, "user"), &user);
    if (rc == GPUC_OK && user)
        rc = read_user(s, user, c);
    return rc;
}

int gpuc__kubeconfig_parse(gpuc__kubeconfig *out, const char *text, size_t length,
                           const char *filename, const char *context, gpuc_error **err)
{
    gpuc__kubeconfig config = {0};
    gpuc__yaml_node *root = NULL;
    source s = {filename ? filename : "kubeconfig", NULL, err};
    int rc = gpuc__yaml_parse(&root, text, length, s.filename, err);

    if (rc != GPUC_OK)
        return rc;
    s.root = root;
    if (absent(root) || root->kind != GPUC__YAML_MAPPING)
        rc = fail_at(&s, root, GPUC_EINVAL, "a kubeconfig was expected (apiVersion, clusters …)",
                     NULL, "give a file as kubectl config view --raw prints it");
    if (rc == GPUC_OK)
        rc = read_context(&s, context, &config);
    gpuc__yaml_free(root);
    if (rc == GPUC_OK)
        *out = config;
    else
        gpuc__kubeconfig_clear(&config);
    return rc;
}

/* A file as a new string. Only regular files: a pipe or device could block or never end. */
static int read_file(char **out, size_t *length, const char *path, size_t max, gpuc_error **err)
{
    gpuc__buf buf;
    char chunk[16384];
    struct stat st;
    ssize_t n = 0;
    int rc = GPUC_OK, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    gpuc__buf_init(&buf, max);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = gpuc__error_errno(err, errno, "reading %s", path);
        gpuc__error_remedy(err, "check the path and that you may read it");
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_KUBERNETES, "%s is not a regular file",
                             path);
        gpuc__error_remedy(err, "give the path of a file");
        goto done;
    }
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && gpuc__buf_add(&buf, chunk, (size_t)n))
        ;
    if (n < 0)
        rc = gpuc__error_errno(err, errno, "reading %s", path);
    else if (buf.failed)
        rc = gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                             "%s is larger than the %zu bytes allowed here", path, max);
    if (rc == GPUC_OK) {
        *length = buf.length;
        *out = gpuc__buf_take(&buf);
        if (!*out)
            rc = gpuc__error_nomem(err);
    }
done:
    OPENSSL_cleanse(chunk, sizeof(chunk));
    if (buf.data)
        OPENSSL_cleanse(buf.data, buf.length);
    gpuc__buf_clear(&buf);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int resolve_one(char **value, const char *file, const char *filename, gpuc_error **err)
{
    const char *slash = strrchr(filename, '/');
    size_t length;
    char *text = NULL, *path;
    int rc;

    if (!file)
        return GPUC_OK;
    path = *file == '/' || !slash
               ? gpuc__strdup(file)
               : gpuc__asprintf("%.*s/%s", (int)(slash - filename), filename, file);
    if (!path)
        return gpuc__error_nomem(err);
    rc = read_file(&text, &length, path, SECRET_FILE_MAX, err);
    if (rc != GPUC_OK)
        gpuc__error_wrap(err, rc, GPUC_DOMAIN_KUBERNETES, "%s names the file %s, which cannot be read",
                         filename, path);
    if (rc == GPUC_OK) {
        gpuc__free_secret(*value);
        *value = text;
    }
    gpuc__free(path);
    return rc;
}

int gpuc__kubeconfig_resolve(gpuc__kubeconfig *config, const char *filename, gpuc_error **err)
{
    int rc = resolve_one(&config->ca_pem, config->ca_file, filename, err);

    if (rc == GPUC_OK)
        rc = resolve_one(&config->cert_pem, config->cert_file, filename, err);
    if (rc == GPUC_OK)
        rc = resolve_one(&config->key_pem, config->key_file, filename, err);
    if (rc == GPUC_OK)
        rc = resolve_one(&config->token, config->token_file, filename, err);
    if (rc == GPUC_OK && config->token)
        config->token[strcspn(config->token, "\r\n")] = '\0';
    return rc;
}

int gpuc__kubeconfig_load(gpuc__kubeconfig *out, const char *path, const char *context,
                          gpuc_error **err)
{
    gpuc__kubeconfig config = {0};
    size_t length = 0;
    char *text = NULL;
    int rc = read_file(&text, &length, path, GPUC__YAML_MAX_BYTES, err);

    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_parse(&config, text, length, path, context, err);
    gpuc__free_secret(text);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_resolve(&config, path, err);
    if (rc == GPUC_OK)
        *out = config;
    else
        gpuc__kubeconfig_clear(&config);
    return rc;
}

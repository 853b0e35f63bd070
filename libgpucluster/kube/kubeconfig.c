/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig's context as a value: copied, wiped, and its files read. */
#include "kube/kubeconfig.h"

#include <stddef.h>
#include <string.h>

#include "kube/kubeconfig_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define SECRET_FILE_MAX (1024 * 1024)

/* Every text and list of the struct; all are wiped, since any may hold a secret. */
static const size_t texts[] = {
    offsetof(gpuc__kubeconfig, context),         offsetof(gpuc__kubeconfig, cluster),
    offsetof(gpuc__kubeconfig, user),            offsetof(gpuc__kubeconfig, namespace_),
    offsetof(gpuc__kubeconfig, cluster_origin),  offsetof(gpuc__kubeconfig, user_origin),
    offsetof(gpuc__kubeconfig, server),          offsetof(gpuc__kubeconfig, ca_pem),
    offsetof(gpuc__kubeconfig, ca_file),         offsetof(gpuc__kubeconfig, tls_server_name),
    offsetof(gpuc__kubeconfig, proxy_url),       offsetof(gpuc__kubeconfig, cert_pem),
    offsetof(gpuc__kubeconfig, cert_file),       offsetof(gpuc__kubeconfig, key_pem),
    offsetof(gpuc__kubeconfig, key_file),        offsetof(gpuc__kubeconfig, token),
    offsetof(gpuc__kubeconfig, token_file),      offsetof(gpuc__kubeconfig, username),
    offsetof(gpuc__kubeconfig, password),        offsetof(gpuc__kubeconfig, as),
    offsetof(gpuc__kubeconfig, as_uid),          offsetof(gpuc__kubeconfig, exec.api_version),
    offsetof(gpuc__kubeconfig, exec.command),    offsetof(gpuc__kubeconfig, exec.install_hint),
    offsetof(gpuc__kubeconfig, exec.cluster_config),
};
static const size_t lists[] = {
    offsetof(gpuc__kubeconfig, as_groups),
    offsetof(gpuc__kubeconfig, as_extra),
    offsetof(gpuc__kubeconfig, exec.args),
    offsetof(gpuc__kubeconfig, exec.env),
};

static char **text_at(const gpuc__kubeconfig *c, size_t i)
{
    return (char **)((char *)c + texts[i]);
}

static char ***list_at(const gpuc__kubeconfig *c, size_t i)
{
    return (char ***)((char *)c + lists[i]);
}

void gpuc__kubeconfig_free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        gpuc__free_secret(list[i]);
    gpuc__free(list);
}

void gpuc__kubeconfig_clear(gpuc__kubeconfig *c)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        gpuc__free_secret(*text_at(c, i));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        gpuc__kubeconfig_free_list(*list_at(c, i));
    memset(c, 0, sizeof(*c));
}

static bool copy_list(char ***out, char **from)
{
    size_t n = 0;

    *out = NULL;
    if (!from)
        return true;
    while (from[n])
        n++;
    *out = gpuc__calloc(n + 1, sizeof(**out));
    for (size_t i = 0; *out && i < n; i++) {
        (*out)[i] = gpuc__strdup(from[i]);
        if (!(*out)[i])
            return false;
    }
    return *out != NULL;
}

int gpuc__kubeconfig_copy(gpuc__kubeconfig *out, const gpuc__kubeconfig *from, gpuc_error **err)
{
    gpuc__kubeconfig copy = *from;
    bool ok = true;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *text_at(&copy, i) = gpuc__strdup(*text_at(from, i));
        ok = ok && (*text_at(&copy, i) || !*text_at(from, i));
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        ok = copy_list(list_at(&copy, i), *list_at(from, i)) && ok;
    if (!ok) {
        gpuc__kubeconfig_clear(&copy);
        return gpuc__error_nomem(err);
    }
    *out = copy;
    return GPUC_OK;
}

/* A path of the file `origin`, as this process can open it: new string. */
static char *path_from(const char *origin, const char *file)
{
    const char *slash = origin ? strrchr(origin, '/') : NULL;

    return *file == '/' || !slash
               ? gpuc__strdup(file)
               : gpuc__asprintf("%.*s/%s", (int)(slash - origin), origin, file);
}

static int resolve_one(char **value, char **file, const char *origin, gpuc_error **err)
{
    size_t length;
    char *text = NULL, *path;
    int rc;

    if (!*file)
        return GPUC_OK;
    path = path_from(origin, *file);
    if (!path)
        return gpuc__error_nomem(err);
    rc = gpuc__kubeconfig_read_file(&text, &length, path, SECRET_FILE_MAX, err);
    if (rc != GPUC_OK)
        gpuc__error_wrap(err, rc, GPUC_DOMAIN_KUBERNETES,
                         "%s names the file %s, which cannot be read", origin ? origin : "the kubeconfig", path);
    if (rc == GPUC_OK) {
        gpuc__free_secret(*value);
        *value = text;
        gpuc__free(*file);
        *file = path;
        path = NULL;
    }
    gpuc__free(path);
    return rc;
}

/* A plugin's command with a slash in it is meant from the file's folder, as its data is. */
static int resolve_command(gpuc__kubeconfig *c, gpuc_error **err)
{
    char *path;

    if (!c->exec.command || !strchr(c->exec.command, '/'))
        return GPUC_OK;
    path = path_from(c->user_origin, c->exec.command);
    if (!path)
        return gpuc__error_nomem(err);
    gpuc__free(c->exec.command);
    c->exec.command = path;
    return GPUC_OK;
}

int gpuc__kubeconfig_resolve(gpuc__kubeconfig *c, gpuc_error **err)
{
    int rc = resolve_one(&c->ca_pem, &c->ca_file, c->cluster_origin, err);

    if (rc == GPUC_OK)
        rc = resolve_one(&c->cert_pem, &c->cert_file, c->user_origin, err);
    if (rc == GPUC_OK)
        rc = resolve_one(&c->key_pem, &c->key_file, c->user_origin, err);
    if (rc == GPUC_OK)
        rc = resolve_one(&c->token, &c->token_file, c->user_origin, err);
    if (rc == GPUC_OK && c->token)
        c->token[strcspn(c->token, "\r\n")] = '\0';
    return rc == GPUC_OK ? resolve_command(c, err) : rc;
}

int gpuc__kubeconfig_load(gpuc__kubeconfig *out, const char *path, const char *context,
                          gpuc_error **err)
{
    gpuc__kubeconfig config = {0};
    size_t length = 0;
    char *text = NULL;
    int rc = gpuc__kubeconfig_read_file(&text, &length, path, GPUC__YAML_MAX_BYTES, err);

    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_parse(&config, text, length, path, context, err);
    gpuc__free_secret(text);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_resolve(&config, err);
    if (rc == GPUC_OK)
        *out = config;
    else
        gpuc__kubeconfig_clear(&config);
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The users of kubeconfigs: how they prove who they are, and the data of certificates and keys. */
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "kube/kubeconfig_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define PLUGIN_EXTENSION "client.authentication.k8s.io/exec"
#define EXTENSION_MAX (256 * 1024)

/* Base64 with line breaks and spaces allowed, as a new string; the result must be text. */
static int decode(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *node, const char *key,
                  char **out)
{
    size_t length = strlen(node->text), n = 0;
    char *packed = gpuc__calloc(1, length + 1);
    unsigned char *bytes = gpuc__malloc(length + 4);
    int size, rc = GPUC_OK;

    if (!packed || !bytes) {
        rc = gpuc__error_nomem(r->err);
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
        rc = gpuc__kubeconfig_fail(r, node, GPUC_EINVAL,
                                   "not the base64 of a PEM text: the value of", key,
                                   "encode the PEM file with base64 -w0");
        goto done;
    }
    *out = gpuc__strndup((char *)bytes, (size_t)size);
    if (!*out)
        rc = gpuc__error_nomem(r->err);
done:
    if (bytes)
        OPENSSL_cleanse(bytes, length + 4);
    gpuc__free(bytes);
    gpuc__free_secret(packed);
    return rc;
}

/* `key`-data wins over `key`, which names a file. */
int gpuc__kubeconfig_data_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                             const char *key, char **pem, char **file)
{
    char data_key[64];
    const gpuc__yaml_node *node;

    snprintf(data_key, sizeof(data_key), "%s-data", key);
    node = gpuc__yaml_get(map, data_key);
    if (gpuc__kubeconfig_absent(node) || (node->kind == GPUC__YAML_SCALAR && !*node->text))
        return gpuc__kubeconfig_text_of(r, map, key, file);
    if (node->kind != GPUC__YAML_SCALAR)
        return gpuc__kubeconfig_fail(r, node, GPUC_EINVAL,
                                     "base64 text was expected as the value of", data_key,
                                     "encode the PEM file with base64 -w0");
    return decode(r, node, data_key, pem);
}

/* ---- lists ---- */

/* Adds a copy to a list that ends with NULL. */
static int push(char ***list, char *text, gpuc_error **err)
{
    size_t n = 0;
    char **longer;

    while (*list && (*list)[n])
        n++;
    longer = text ? gpuc__realloc(*list, (n + 2) * sizeof(*longer)) : NULL;
    if (!longer) {
        gpuc__free_secret(text);
        return gpuc__error_nomem(err);
    }
    longer[n] = text;
    longer[n + 1] = NULL;
    *list = longer;
    return GPUC_OK;
}

static bool is_text(const gpuc__yaml_node *node)
{
    return node && node->kind == GPUC__YAML_SCALAR;
}

/* The list under a key; NULL when there is none. More than 1024 are refused. */
static int list_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map, const char *key,
                   const gpuc__yaml_node **out)
{
    const gpuc__yaml_node *list = gpuc__yaml_get(map, key);

    if (gpuc__kubeconfig_absent(list))
        return GPUC_OK;
    if (list->kind != GPUC__YAML_SEQUENCE || list->count > 1024)
        return gpuc__kubeconfig_fail(r, list, GPUC_EINVAL,
                                     "a list of at most 1024 was expected as the value of", key,
                                     "write it as a list");
    *out = list;
    return GPUC_OK;
}

static int texts_of(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map, const char *key,
                    char ***out)
{
    const gpuc__yaml_node *list = NULL;
    int rc = list_of(r, map, key, &list);

    for (size_t i = 0; rc == GPUC_OK && list && i < list->count; i++) {
        if (!is_text(list->items[i]))
            return gpuc__kubeconfig_fail(r, list->items[i], GPUC_EINVAL,
                                         "a text was expected in the list", key,
                                         "write each value as one word or quoted text");
        rc = push(out, gpuc__strdup(list->items[i]->text), r->err);
    }
    return rc;
}

/* ---- credential plugins ---- */

/* A YAML value as JSON; quoted ones are text. New reference; NULL without memory. */
static json_t *to_json(const gpuc__yaml_node *node)
{
    json_t *value = NULL;
    bool ok = true;

    if (node->null)
        return json_null();
    if (node->kind == GPUC__YAML_SCALAR) {
        value = node->flow ? NULL : json_loads(node->text, JSON_DECODE_ANY, NULL);
        if (value && (json_is_number(value) || json_is_boolean(value)))
            return value;
        json_decref(value);
        return json_string(node->text);
    }
    value = node->kind == GPUC__YAML_SEQUENCE ? json_array() : json_object();
    for (size_t i = 0; value && ok && i < node->count; i++) {
        if (node->kind == GPUC__YAML_SEQUENCE) {
            ok = json_array_append_new(value, to_json(node->items[i])) == 0;
        } else {
            ok = json_object_set_new(value, node->items[i]->text, to_json(node->items[i + 1])) == 0;
            i++;
        }
    }
    if (!ok)
        json_decref(value);
    return ok ? value : NULL;
}

/* The settings that a cluster has for plugins, among its extensions. */
static int read_extension(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *cluster,
                          gpuc__kubeconfig_exec *exec)
{
    const gpuc__yaml_node *list = gpuc__yaml_get(cluster, "extensions"), *value = NULL;
    json_t *json;
    char *text;

    for (size_t i = 0; !gpuc__kubeconfig_absent(list) && list->kind == GPUC__YAML_SEQUENCE &&
                       i < list->count; i++) {
        const gpuc__yaml_node *name = gpuc__yaml_get(list->items[i], "name");

        if (is_text(name) && strcmp(name->text, PLUGIN_EXTENSION) == 0)
            value = gpuc__yaml_get(list->items[i], "extension");
    }
    if (gpuc__kubeconfig_absent(value))
        return GPUC_OK;
    json = to_json(value);
    text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (text && strlen(text) <= EXTENSION_MAX)
        exec->cluster_config = gpuc__strdup(text);
    free(text); /* jansson's own memory */
    return exec->cluster_config ? GPUC_OK : gpuc__error_nomem(r->err);
}

static int read_env(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                    gpuc__kubeconfig_exec *exec)
{
    const gpuc__yaml_node *list = NULL;
    int rc = list_of(r, map, "env", &list);

    for (size_t i = 0; rc == GPUC_OK && list && i < list->count; i++) {
        const gpuc__yaml_node *name = gpuc__yaml_get(list->items[i], "name");
        const gpuc__yaml_node *value = gpuc__yaml_get(list->items[i], "value");

        if (!is_text(name) || !*name->text || strchr(name->text, '=') ||
            (value && !is_text(value)))
            return gpuc__kubeconfig_fail(r, list->items[i], GPUC_EINVAL,
                                         "a name and a value were expected in the list", "env",
                                         "write {name: NAME, value: VALUE}");
        rc = push(&exec->env, gpuc__asprintf("%s=%s", name->text, value ? value->text : ""),
                  r->err);
    }
    return rc;
}

/* Checks what the file asks of the plugin's protocol; mode is borrowed. */
static int check_protocol(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                          gpuc__kubeconfig *c, const char *mode)
{
    static const char group[] = "client.authentication.k8s.io/";
    const char *version = c->exec.api_version ? c->exec.api_version : "";

    if (!c->exec.command)
        return gpuc__kubeconfig_fail(r, map, GPUC_EINVAL, "exec has no command in the user",
                                     c->user, "add command: PROGRAM");
    if (strncmp(version, group, sizeof(group) - 1) != 0 ||
        (strcmp(version + sizeof(group) - 1, "v1") != 0 &&
         strcmp(version + sizeof(group) - 1, "v1beta1") != 0))
        return gpuc__kubeconfig_fail(r, map, GPUC_EUNSUPPORTED,
                                     "exec has an apiVersion that is not known in the user",
                                     c->user,
                                     "write apiVersion: client.authentication.k8s.io/v1, and "
                                     "bring the plugin up to date");
    if (mode && strcmp(mode, "Never") != 0 && strcmp(mode, "IfAvailable") != 0 &&
        strcmp(mode, "Always") != 0)
        return gpuc__kubeconfig_fail(r, gpuc__yaml_get(map, "interactiveMode"), GPUC_EINVAL,
                                     "no interactiveMode:", mode,
                                     "write Never, IfAvailable or Always");
    c->exec.terminal = mode && strcmp(mode, "Always") == 0;
    return GPUC_OK;
}

static int read_exec(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *map,
                     const gpuc__yaml_node *cluster, gpuc__kubeconfig *c)
{
    gpuc__kubeconfig_exec *e = &c->exec;
    char *mode = NULL;
    int rc;

    if (!(r->allow & GPUC__KUBECONFIG_EXEC))
        return gpuc__kubeconfig_fail(
            r, map, GPUC_EUNSUPPORTED,
            "exec credential plugins are not run unless the caller allows it; one is in the user",
            c->user,
            "allow it if you trust this file, or use a user with a client certificate or a token: "
            "kubectl create token SERVICEACCOUNT gives one, kubectl config set-credentials NAME "
            "--token=TOKEN stores it");
    rc = gpuc__kubeconfig_text_of(r, map, "apiVersion", &e->api_version);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, map, "command", &e->command);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, map, "installHint", &e->install_hint);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, map, "interactiveMode", &mode);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_bool_of(r, map, "provideClusterInfo", &e->cluster_info);
    if (rc == GPUC_OK)
        rc = texts_of(r, map, "args", &e->args);
    if (rc == GPUC_OK)
        rc = read_env(r, map, e);
    if (rc == GPUC_OK)
        rc = check_protocol(r, map, c, mode);
    if (rc == GPUC_OK && e->cluster_info)
        rc = read_extension(r, cluster, e);
    gpuc__free(mode);
    return rc;
}

/* ---- impersonation ---- */

static int read_extra(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *user,
                      gpuc__kubeconfig *c)
{
    const gpuc__yaml_node *extra = gpuc__yaml_get(user, "as-user-extra");
    int rc = GPUC_OK;

    if (gpuc__kubeconfig_absent(extra))
        return GPUC_OK;
    if (extra->kind != GPUC__YAML_MAPPING)
        return gpuc__kubeconfig_fail(r, extra, GPUC_EINVAL,
                                     "a mapping was expected as the value of", "as-user-extra",
                                     "write each key with a list of texts");
    for (size_t i = 0; rc == GPUC_OK && i + 1 < extra->count; i += 2) {
        const char *key = extra->items[i]->text;
        char **values = NULL;

        rc = texts_of(r, extra, key, &values);
        for (size_t j = 0; rc == GPUC_OK && values && values[j]; j++) {
            rc = push(&c->as_extra, gpuc__strdup(key), r->err);
            if (rc == GPUC_OK)
                rc = push(&c->as_extra, gpuc__strdup(values[j]), r->err);
        }
        gpuc__kubeconfig_free_list(values);
    }
    return rc;
}

static int read_impersonation(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *user,
                              gpuc__kubeconfig *c)
{
    int rc = gpuc__kubeconfig_text_of(r, user, "as", &c->as);

    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, user, "as-uid", &c->as_uid);
    if (rc == GPUC_OK)
        rc = texts_of(r, user, "as-groups", &c->as_groups);
    if (rc == GPUC_OK)
        rc = read_extra(r, user, c);
    if (rc == GPUC_OK && !c->as && (c->as_uid || c->as_groups || c->as_extra))
        rc = gpuc__kubeconfig_fail(r, user, GPUC_EINVAL,
                                   "uid, groups or extra without a user to act as, in the user",
                                   c->user, "add as: NAME");
    return rc;
}

/* ---- all of it ---- */

/* Which of the ways to prove who one is go together. */
static int check_ways(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *user,
                      const gpuc__kubeconfig *c)
{
    if ((c->cert_pem || c->cert_file) != (c->key_pem || c->key_file))
        return gpuc__kubeconfig_fail(
            r, user, GPUC_EINVAL,
            "a client certificate and its key belong together; one is missing in the user",
            c->user, "give both client-certificate(-data) and client-key(-data)");
    if ((c->token || c->token_file) && c->username)
        return gpuc__kubeconfig_fail(r, gpuc__yaml_get(user, "username"), GPUC_EINVAL,
                                     "a token and a username exclude each other, in the user",
                                     c->user, "remove one of the two");
    return GPUC_OK;
}

int gpuc__kubeconfig_read_user(const gpuc__kubeconfig_reader *r, const gpuc__yaml_node *user,
                               const gpuc__yaml_node *cluster, gpuc__kubeconfig *c)
{
    const gpuc__yaml_node *exec = gpuc__yaml_get(user, "exec");
    const gpuc__yaml_node *provider = gpuc__yaml_get(user, "auth-provider");
    int rc = GPUC_OK;

    if (!gpuc__kubeconfig_absent(provider))
        return gpuc__kubeconfig_fail(
            r, provider, GPUC_EUNSUPPORTED,
            "auth-provider was removed from Kubernetes 1.26; it is in the user", c->user,
            "make the kubeconfig anew with your provider's current tool, or use a client "
            "certificate or a token");
    if (!gpuc__kubeconfig_absent(exec))
        rc = read_exec(r, exec, cluster, c);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_data_of(r, user, "client-certificate", &c->cert_pem, &c->cert_file);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_data_of(r, user, "client-key", &c->key_pem, &c->key_file);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, user, "tokenFile", &c->token_file);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, user, "token", &c->token);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, user, "username", &c->username);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_text_of(r, user, "password", &c->password);
    if (rc == GPUC_OK)
        rc = check_ways(r, user, c);
    return rc == GPUC_OK ? read_impersonation(r, user, c) : rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is said between us and a credential plugin: pure functions over its bytes. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "kube/plugin.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/rfc3339.h"

void gpuc__credential_clear(gpuc__credential *c)
{
    gpuc__free_secret(c->token);
    gpuc__free_secret(c->cert_pem);
    gpuc__free_secret(c->key_pem);
    memset(c, 0, sizeof(*c));
}

static int bad(gpuc_error **err, const char *what)
{
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_KUBERNETES, "the credential plugin's output %s",
                    what);
    gpuc__error_remedy(err, "run the plugin by hand as the kubeconfig has it: it must print an "
                            "ExecCredential of the apiVersion that the kubeconfig names");
    return GPUC_EPROTO;
}

/* A text of status, NULL when absent or empty; false without memory. */
static bool take(char **out, const json_t *status, const char *key)
{
    const char *text = json_string_value(json_object_get(status, key));

    *out = text && *text ? gpuc__strdup(text) : NULL;
    return *out || !text || !*text;
}

/* When it ends; absent or null is never. */
static int read_end(gpuc__credential *c, const json_t *expires, gpuc_error **err)
{
    const char *rest;
    int64_t ns = 0;

    if (!expires || json_is_null(expires))
        return GPUC_OK;
    rest = json_is_string(expires) ? gpuc__rfc3339_parse(json_string_value(expires), &ns) : NULL;
    if (!rest || *rest || ns <= 0)
        return bad(err, "holds an expirationTimestamp that is no time");
    c->expires_ms = ns / 1000000000 * 1000; /* rather too early */
    return GPUC_OK;
}

static int read_status(gpuc__credential *c, const json_t *status, gpuc_error **err)
{
    if (!take(&c->token, status, "token") || !take(&c->cert_pem, status, "clientCertificateData") ||
        !take(&c->key_pem, status, "clientKeyData"))
        return gpuc__error_nomem(err);
    if (!c->token && !c->cert_pem && !c->key_pem)
        return bad(err, "holds neither a token nor a client certificate");
    if (!c->cert_pem != !c->key_pem)
        return bad(err, "holds one of client certificate and key, but not both");
    if (c->token && strpbrk(c->token, "\r\n"))
        return bad(err, "holds a token with a line break");
    return read_end(c, json_object_get(status, "expirationTimestamp"), err);
}

int gpuc__credential_parse(gpuc__credential *out, const char *text, size_t length,
                           const char *api_version, gpuc_error **err)
{
    json_t *root = json_loadb(text, length, 0, NULL);
    const char *kind = gpuc__json_text(root, "kind", NULL);
    const char *version = gpuc__json_text(root, "apiVersion", NULL);
    gpuc__credential c = {0};
    int rc;

    if (!root)
        rc = bad(err, "is not one JSON object");
    else if (!kind || strcmp(kind, "ExecCredential") != 0)
        rc = bad(err, "is no ExecCredential");
    else if (!version || strcmp(version, api_version) != 0)
        rc = bad(err, "has another apiVersion than the kubeconfig asks for");
    else if (!json_is_object(json_object_get(root, "status")))
        rc = bad(err, "has no status");
    else
        rc = read_status(&c, json_object_get(root, "status"), err);
    json_decref(root); /* its strings are not wiped: jansson offers no way */
    if (rc == GPUC_OK)
        *out = c;
    else
        gpuc__credential_clear(&c);
    return rc;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, json_string(text));
}

/* spec.cluster, as client-go fills it in. */
static json_t *cluster_info(const gpuc__kubeconfig *config)
{
    json_t *cluster = json_object();
    json_t *settings = config->exec.cluster_config
                           ? json_loads(config->exec.cluster_config, JSON_DECODE_ANY, NULL)
                           : NULL;
    size_t length = config->ca_pem ? strlen(config->ca_pem) : 0;

    set_text(cluster, "server", config->server);
    set_text(cluster, "tls-server-name", config->tls_server_name);
    set_text(cluster, "proxy-url", config->proxy_url);
    if (config->insecure)
        json_object_set_new(cluster, "insecure-skip-tls-verify", json_true());
    if (config->disable_compression)
        json_object_set_new(cluster, "disable-compression", json_true());
    if (length && length < 1024 * 1024) {
        char *base64 = gpuc__kubeconfig_base64(config->ca_pem);

        set_text(cluster, "certificate-authority-data", base64);
        gpuc__free(base64);
    }
    if (settings)
        json_object_set_new(cluster, "config", settings);
    return cluster;
}

char *gpuc__plugin_info(const gpuc__kubeconfig *config)
{
    json_t *spec = json_pack("{s:b}", "interactive", 0);
    json_t *root;
    char *text, *copy;

    if (spec && config->exec.cluster_info)
        json_object_set_new(spec, "cluster", cluster_info(config));
    root = json_pack("{s:s, s:s, s:o}", "apiVersion", config->exec.api_version, "kind",
                     "ExecCredential", "spec", spec);
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    copy = gpuc__strdup(text);
    free(text); /* jansson's own memory */
    json_decref(root);
    return copy;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Credential files: service account keys, user credentials, workload identities, and service
 * accounts that one of these impersonates. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define REMEDY_FIELD                                                                               \
    "make the file anew: gcloud iam service-accounts keys create, gcloud auth "                    \
    "application-default login, or gcloud iam workload-identity-pools create-cred-config"

void gpuc__gce_headers_free(char **headers)
{
    for (size_t i = 0; headers && headers[i]; i++)
        gpuc__free_secret(headers[i]);
    gpuc__free(headers);
}

void gpuc__gce_credential_clear(gpuc__gce_credential *c)
{
    char *plain[] = {c->path,         c->host,         c->email,        c->key_id,
                     c->token_uri,    c->client_id,    c->audience,     c->subject_type,
                     c->user_project, c->subject_file, c->subject_url,  c->subject_field,
                     c->impersonation_url, c->project, c->quota_project};

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        gpuc__free(plain[i]);
    gpuc__free_secret(c->token);
    gpuc__free_secret(c->client_secret);
    gpuc__free_secret(c->refresh_token);
    gpuc__gce_headers_free(c->subject_headers);
    EVP_PKEY_free(c->key); /* overwrites it */
    json_decref(c->delegates);
    memset(c, 0, sizeof(*c));
}

int gpuc__gce_bad_field(const gpuc__gce_credential *c, int code, const char *field,
                        const char *what, const char *remedy, gpuc_error **err)
{
    gpuc__error_set(err, code, GPUC_DOMAIN_PROVIDER, "%s (%s): \"%s\" %s", c->path, c->origin,
                    field, what);
    gpuc__error_remedy(err, "%s", remedy ? remedy : REMEDY_FIELD);
    return code;
}

int gpuc__gce_take_text(char **out, const gpuc__gce_credential *c, const json_t *object,
                        const char *field, bool required, gpuc_error **err)
{
    const json_t *value = json_object_get(object, field);
    const char *text = json_string_value(value);

    if (!value || json_is_null(value))
        return required ? gpuc__gce_bad_field(c, GPUC_EINVAL, field, "is missing", NULL, err)
                        : GPUC_OK;
    if (!text)
        return gpuc__gce_bad_field(c, GPUC_EINVAL, field, "is not a text", NULL, err);
    if (!*text)
        return required ? gpuc__gce_bad_field(c, GPUC_EINVAL, field, "is empty", NULL, err)
                        : GPUC_OK;
    *out = gpuc__strdup(text);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

/* Whether secrets may be sent there. */
static bool is_safe(const char *url)
{
    static const char *const local[] = {"127.", "localhost", "[::1]"};

    for (const unsigned char *p = (const unsigned char *)url; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '#')
            return false;
    }
    if (strncmp(url, "https://", 8) == 0)
        return strcspn(url + 8, "/?") > 0 && !memchr(url + 8, '@', strcspn(url + 8, "/?"));
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        size_t length = strlen(local[i]), host = strlen(url) > 7 ? strcspn(url + 7, "/?") : 0;

        if (strncmp(url, "http://", 7) == 0 && strncmp(url + 7, local[i], length) == 0 &&
            !memchr(url + 7, '@', host) &&
            (i == 0 ? strspn(url + 7, "0123456789.:") == host
                    : url[7 + length] == ':' || length == host))
            return true;
    }
    return false;
}

int gpuc__gce_take_url(char **out, const gpuc__gce_credential *c, const json_t *object,
                       const char *field, bool required, gpuc_error **err)
{
    int rc = gpuc__gce_take_text(out, c, object, field, required, err);

    if (rc == GPUC_OK && *out && !is_safe(*out))
        return gpuc__gce_bad_field(c, GPUC_EINVAL, field,
                                   "is not an address that secrets may be sent to",
                                   "give an https:// address without user name; plain http:// only "
                                   "to this machine",
                                   err);
    return rc;
}

/* As gcloud: the variable, the file, Google. */
static int take_token_uri(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file,
                          gpuc_error **err)
{
    const char *host = getenv("CLOUDSDK_AUTH_TOKEN_HOST");
    int rc = GPUC_OK;

    if (host && *host && !is_safe(host)) {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                             "CLOUDSDK_AUTH_TOKEN_HOST is not an address that secrets may be sent "
                             "to");
        gpuc__error_remedy(err, "give an https:// address, or unset it");
        return rc;
    }
    if (host && *host)
        c->token_uri = gpuc__strdup(host);
    else
        rc = gpuc__gce_take_url(&c->token_uri, c, file, "token_uri", false, err);
    if (rc == GPUC_OK && !c->token_uri) {
        c->token_uri = gpuc__strdup(gpuc__gce_auth_text(auth, NULL, "token_uri"));
        rc = c->token_uri ? GPUC_OK : gpuc__error_nomem(err);
    }
    return rc;
}

static int read_service_account(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file,
                                gpuc_error **err)
{
    const char *why = NULL;
    char *pem = NULL;
    int rc = gpuc__gce_take_text(&c->email, c, file, "client_email", true, err);

    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->key_id, c, file, "private_key_id", false, err);
    if (rc == GPUC_OK)
        rc = take_token_uri(c, auth, file, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&pem, c, file, "private_key", true, err);
    if (rc == GPUC_OK)
        rc = gpuc__context_add_secret(auth->context, pem, err);
    if (rc == GPUC_OK) {
        c->kind = GPUC__GCE_SERVICE_ACCOUNT;
        c->key = gpuc__gce_key_read(pem, &why);
        if (!c->key)
            rc = gpuc__gce_bad_field(c, GPUC_EINVAL, "private_key", why,
                                     "take the file as it was downloaded, or make a new key: "
                                     "gcloud iam service-accounts keys create FILE "
                                     "--iam-account=EMAIL",
                                     err);
    }
    gpuc__free_secret(pem);
    return rc;
}

static int read_user(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file,
                     gpuc_error **err)
{
    int rc = gpuc__gce_take_text(&c->client_id, c, file, "client_id", true, err);

    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->client_secret, c, file, "client_secret", true, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->refresh_token, c, file, "refresh_token", true, err);
    if (rc == GPUC_OK)
        rc = take_token_uri(c, auth, file, err);
    if (rc == GPUC_OK)
        rc = gpuc__context_add_secret(auth->context, c->client_secret, err);
    if (rc == GPUC_OK)
        rc = gpuc__context_add_secret(auth->context, c->refresh_token, err);
    c->kind = GPUC__GCE_USER;
    return rc;
}

static int read_external(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file,
                         gpuc_error **err)
{
    const json_t *lifetime =
        json_object_get(json_object_get(file, "service_account_impersonation"),
                        "token_lifetime_seconds");
    int rc = gpuc__gce_take_text(&c->audience, c, file, "audience", true, err);

    c->kind = GPUC__GCE_EXTERNAL;
    c->impersonation_s = (long)json_integer_value(lifetime);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->subject_type, c, file, "subject_token_type", true, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_url(&c->token_uri, c, file, "token_url", true, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_url(&c->impersonation_url, c, file, "service_account_impersonation_url",
                                false, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->client_id, c, file, "client_id", false, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->client_secret, c, file, "client_secret", false, err);
    if (rc == GPUC_OK)
        rc = gpuc__context_add_secret(auth->context, c->client_secret, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->user_project, c, file, "workforce_pool_user_project", false,
                                 err);
    return rc == GPUC_OK ? gpuc__gce_source_read(c, file, err) : rc;
}

static int read_type(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file, bool nested,
                     gpuc_error **err);

static int read_impersonated(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file,
                             gpuc_error **err)
{
    const json_t *source = json_object_get(file, "source_credentials");
    const json_t *delegates = json_object_get(file, "delegates");
    int rc = gpuc__gce_take_url(&c->impersonation_url, c, file, "service_account_impersonation_url",
                                true, err);

    if (rc == GPUC_OK && !json_is_object(source))
        rc = gpuc__gce_bad_field(c, GPUC_EINVAL, "source_credentials", "is not an object", NULL,
                                 err);
    if (rc == GPUC_OK && json_array_size(delegates)) {
        c->delegates = json_deep_copy(delegates);
        rc = c->delegates ? GPUC_OK : gpuc__error_nomem(err);
    }
    return rc == GPUC_OK ? read_type(c, auth, source, true, err) : rc;
}

static const struct {
    const char *type;
    int (*read)(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file,
                gpuc_error **err);
    bool nests; /* may be what a service account is impersonated with */
} types[] = {
    {"service_account", read_service_account, true},
    {"authorized_user", read_user, true},
    {"external_account", read_external, false},
    {"impersonated_service_account", read_impersonated, false},
    /* Known to Google's own clients. */
    {"external_account_authorized_user", NULL, false},
    {"gdch_service_account", NULL, false},
};

static int bad_type(const gpuc__gce_credential *c, const json_t *file, bool known, gpuc_error **err)
{
    const char *type = json_string_value(json_object_get(file, "type"));

    if (!type && (json_object_get(file, "installed") || json_object_get(file, "web")))
        return gpuc__gce_bad_field(c, GPUC_EINVAL, "type",
                                   "is missing: this is the file of an OAuth client id, not a "
                                   "credential",
                                   "give a service account's key file, or run gcloud auth "
                                   "application-default login --client-id-file=FILE",
                                   err);
    if (!type)
        return gpuc__gce_bad_field(c, GPUC_EINVAL, "type", "is missing or no text", NULL, err);
    gpuc__error_set(err, known ? GPUC_EUNSUPPORTED : GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                    "%s (%s): \"type\" is \"%.80s\", which is %s", c->path, c->origin, type,
                    known ? "not supported here" : "not a type of credential");
    gpuc__error_remedy(err, "use service_account, authorized_user, external_account or "
                            "impersonated_service_account, or hand over a token: "
                            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE");
    return known ? GPUC_EUNSUPPORTED : GPUC_EINVAL;
}

static int read_type(gpuc__gce_credential *c, gpuc__gce_auth *auth, const json_t *file, bool nested,
                     gpuc_error **err)
{
    const char *type = json_string_value(json_object_get(file, "type"));

    for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].type, type) != 0)
            continue;
        return types[i].read && (types[i].nests || !nested) ? types[i].read(c, auth, file, err)
                                                            : bad_type(c, file, true, err);
    }
    return bad_type(c, file, false, err);
}

void gpuc__gce_json_wipe(json_t *value)
{
    const char *key;
    json_t *part;
    size_t i;

    if (json_is_string(value))
        OPENSSL_cleanse((char *)json_string_value(value), json_string_length(value));
    json_array_foreach(value, i, part)
        gpuc__gce_json_wipe(part);
    json_object_foreach(value, key, part)
        gpuc__gce_json_wipe(part);
}

static int read_common(gpuc__gce_credential *c, const gpuc__gce_auth *auth, const json_t *file,
                       gpuc_error **err)
{
    char *universe = NULL;
    int rc = gpuc__gce_take_text(&c->project, c, file, "project_id", false, err);

    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->quota_project, c, file, "quota_project_id", false, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&universe, c, file, "universe_domain", false, err);
    if (rc == GPUC_OK && universe &&
        strcmp(universe, gpuc__gce_auth_text(auth, NULL, "universe")) != 0)
        rc = gpuc__gce_bad_field(c, GPUC_EUNSUPPORTED, "universe_domain",
                                 "is not googleapis.com: other clouds are not supported",
                                 "use a credential for Google Cloud itself", err);
    gpuc__free(universe);
    return rc;
}

int gpuc__gce_credential_parse(gpuc__gce_credential *c, gpuc__gce_auth *auth, const char *text,
                               gpuc_error **err)
{
    json_error_t why = {0};
    json_t *file = json_loads(text, 0, &why);
    int rc;

    if (!file && json_error_code(&why) == json_error_out_of_memory)
        return gpuc__error_nomem(err);
    if (!json_is_object(file)) {
        /* The parser's own text quotes what it saw, which may be a secret. */
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                             "%s (%s) is not a JSON object: line %d, column %d", c->path, c->origin,
                             file ? 1 : why.line, file ? 1 : why.column);
        gpuc__error_remedy(err, "%s", REMEDY_FIELD);
    } else {
        rc = read_common(c, auth, file, err);
        if (rc == GPUC_OK)
            rc = read_type(c, auth, file, false, err);
    }
    gpuc__gce_json_wipe(file);
    json_decref(file);
    return rc;
}

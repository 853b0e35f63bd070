/* SPDX-License-Identifier: Apache-2.0 */
/* Where credentials are looked for, in the order in which Google's own clients look: what the
 * program gives, gcloud's token variables, application default credentials, the metadata server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define ADC_NAME "application_default_credentials.json"

/* A variable that is set and not empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static int find_token_file(gpuc__gce_credential *c, const char *path, gpuc_error **err)
{
    char *token = NULL;
    int rc;

    c->kind = GPUC__GCE_TOKEN_FILE;
    c->path = gpuc__strdup(path);
    if (!c->path)
        return gpuc__error_nomem(err);
    rc = gpuc__gce_read_token_file(&token, path, err); /* again at need; an error is told now */
    gpuc__free_secret(token);
    if (rc != GPUC_OK)
        gpuc__error_wrap(err, rc, GPUC_DOMAIN_PROVIDER,
                         "the token file that CLOUDSDK_AUTH_ACCESS_TOKEN_FILE names cannot be "
                         "used");
    return rc;
}

static int find_token(gpuc__gce_credential *c, const gpuc__gce_auth *auth, const char *text,
                      gpuc_error **err)
{
    const char *start;
    size_t length = gpuc__gce_one_word(text, &start);

    c->kind = GPUC__GCE_TOKEN_VARIABLE;
    if (!length) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        "CLOUDSDK_AUTH_ACCESS_TOKEN does not hold an access token alone");
        gpuc__error_remedy(err, "set it to what gcloud auth print-access-token prints, or unset "
                                "it");
        return GPUC_EINVAL;
    }
    c->token = gpuc__strndup(start, length);
    return c->token ? gpuc__context_add_secret(auth->context, c->token, err)
                    : gpuc__error_nomem(err);
}

static int find_file(gpuc__gce_credential *c, gpuc__gce_auth *auth, const char *path,
                     const char *origin, gpuc_error **err)
{
    bool exposed = false;
    char *text = NULL;
    int rc;

    c->origin = origin;
    c->path = gpuc__strdup(path);
    if (!c->path)
        return gpuc__error_nomem(err);
    rc = gpuc__gce_read_file(&text, path, &exposed, err);
    if (rc != GPUC_OK)
        gpuc__error_wrap(err, rc, GPUC_DOMAIN_PROVIDER,
                         "the credential file that %s names cannot be used", origin);
    else
        rc = gpuc__gce_credential_parse(c, auth, text, err);
    if (rc == GPUC_OK && exposed && c->kind != GPUC__GCE_EXTERNAL)
        gpuc__log(auth->context, GPUC_LOG_WARN, "gce",
                  "%s holds a key and can be read by others: chmod 600 it", path);
    gpuc__free_secret(text);
    return rc;
}

/* New string: where gcloud auth application-default login writes. NULL: nowhere, or no memory. */
static char *default_path(bool *nowhere)
{
    const char *config = variable("CLOUDSDK_CONFIG"), *home = variable("HOME");

    *nowhere = !config && !home;
    if (config)
        return gpuc__asprintf("%s/" ADC_NAME, config);
    return home ? gpuc__asprintf("%s/.config/gcloud/" ADC_NAME, home) : NULL;
}

static int find_metadata(gpuc__gce_credential *c, const gpuc__gce_auth *auth, const char *path,
                         gpuc_error **err)
{
    const char *host = variable("GCE_METADATA_HOST"), *address = variable("GCE_METADATA_IP");
    const char *no_check = variable("NO_GCE_CHECK");
    const char *check = variable("CLOUDSDK_CORE_CHECK_GCE_METADATA");

    c->kind = GPUC__GCE_METADATA;
    if ((no_check && strcmp(no_check, "true") == 0) ||
        (check && (strcmp(check, "false") == 0 || strcmp(check, "0") == 0))) {
        gpuc__error_set(err, GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                        "no credentials for Google: no variable names any, %s%s, and %s says that "
                        "there is no metadata server",
                        path ? path : "HOME is not set", path ? " does not exist" : "",
                        no_check ? "NO_GCE_CHECK" : "CLOUDSDK_CORE_CHECK_GCE_METADATA");
        gpuc__error_remedy(err, "run gcloud auth application-default login, or set "
                                "GOOGLE_APPLICATION_CREDENTIALS to a service account's key file");
        return GPUC_EAUTH;
    }
    host = host ? host : address ? address : gpuc__gce_auth_text(auth, "metadata", "address");
    if (host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]")]) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        "the metadata server's address \"%.80s\" is not HOST or HOST:PORT", host);
        gpuc__error_remedy(err, "correct GCE_METADATA_HOST or GCE_METADATA_IP, or unset it");
        return GPUC_EINVAL;
    }
    c->host = gpuc__strdup(host);
    return c->host ? GPUC_OK : gpuc__error_nomem(err);
}

static int find(gpuc__gce_credential *c, gpuc__gce_auth *auth, gpuc_error **err)
{
    const char *token_file = variable("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE");
    const char *token = variable("CLOUDSDK_AUTH_ACCESS_TOKEN");
    const char *file = variable("GOOGLE_APPLICATION_CREDENTIALS");
    bool nowhere = false;
    char *path;
    int rc;

    if (gpuc__context_has_google(auth->context)) {
        c->kind = GPUC__GCE_CALLER;
        return GPUC_OK;
    }
    if (token_file)
        return find_token_file(c, token_file, err);
    if (token)
        return find_token(c, auth, token, err);
    if (file)
        return find_file(c, auth, file, "GOOGLE_APPLICATION_CREDENTIALS", err);
    path = default_path(&nowhere);
    if (!path && !nowhere)
        return gpuc__error_nomem(err);
    /* Only what is not there is passed over: a file that cannot be read is a mistake to tell. */
    if (path && (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)))
        rc = find_file(c, auth, path, "application default credentials", err);
    else
        rc = find_metadata(c, auth, path, err);
    gpuc__free(path);
    return rc;
}

/* What the credentials are, for errors and plans. */
static char *describe(const gpuc__gce_credential *c)
{
    const char *as = c->impersonation_url ? strrchr(c->impersonation_url, '/') : NULL;
    int length = as ? (int)strcspn(as + 1, ":") : 0;

    switch (c->kind) {
    case GPUC__GCE_CALLER:
        return gpuc__strdup("access token of the program");
    case GPUC__GCE_TOKEN_FILE:
        return gpuc__asprintf("access token of %s (CLOUDSDK_AUTH_ACCESS_TOKEN_FILE)", c->path);
    case GPUC__GCE_TOKEN_VARIABLE:
        return gpuc__strdup("access token of CLOUDSDK_AUTH_ACCESS_TOKEN");
    case GPUC__GCE_SERVICE_ACCOUNT:
        if (as)
            return gpuc__asprintf("service account %.*s, acted for by %s of %s (%s)", length,
                                  as + 1, c->email, c->path, c->origin);
        return gpuc__asprintf("service account %s of %s (%s)", c->email, c->path, c->origin);
    case GPUC__GCE_METADATA:
        return gpuc__asprintf("metadata server at %s", c->host);
    default:
        return gpuc__asprintf("%s%.*s%s of %s (%s)", as ? "service account " : "", length,
                              as ? as + 1 : "",
                              c->kind == GPUC__GCE_USER ? (as ? ", acted for by the user" : "user")
                              : as                      ? ", acted for by the workload identity"
                                                        : "workload identity",
                              c->path, c->origin);
    }
}

static bool copy_first(char **out, const char *const *choices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (choices[i] && *choices[i]) {
            *out = gpuc__strdup(choices[i]);
            return *out != NULL;
        }
    }
    return true;
}

int gpuc__gce_credential_find(gpuc__gce_credential *out, gpuc__gce_auth *auth, gpuc_error **err)
{
    int rc = find(out, auth, err);
    const char *projects[] = {getenv("GOOGLE_CLOUD_PROJECT"), getenv("GCLOUD_PROJECT"),
                              getenv("CLOUDSDK_CORE_PROJECT"), out->project};
    const char *quota[] = {getenv("GOOGLE_CLOUD_QUOTA_PROJECT"), out->quota_project};

    if (rc != GPUC_OK)
        return rc;
    auth->description = describe(out);
    if (!auth->description || !copy_first(&auth->project, projects, 4) ||
        !copy_first(&auth->quota_project, quota, 2))
        return gpuc__error_nomem(err);
    /* The instance's own project is told by its metadata server; a program has its own ideas. */
    if (!auth->project && out->kind != GPUC__GCE_METADATA && out->kind != GPUC__GCE_CALLER)
        auth->project = gpuc__gce_gcloud_project();
    gpuc__log(auth->context, GPUC_LOG_DEBUG, "gce", "credentials: %s", auth->description);
    return GPUC_OK;
}

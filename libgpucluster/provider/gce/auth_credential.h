/* SPDX-License-Identifier: Apache-2.0 */
/* A credential says where tokens come from; for the auth*.c files only. */
#ifndef GPUC__GCE_AUTH_CREDENTIAL_H
#define GPUC__GCE_AUTH_CREDENTIAL_H
#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>

#include "provider/gce/auth.h"

typedef enum gpuc__gce_kind {
    GPUC__GCE_CALLER = 1,          /* the program's token or callback */
    GPUC__GCE_TOKEN_FILE = 2,      /* CLOUDSDK_AUTH_ACCESS_TOKEN_FILE */
    GPUC__GCE_TOKEN_VARIABLE = 3,  /* CLOUDSDK_AUTH_ACCESS_TOKEN */
    GPUC__GCE_SERVICE_ACCOUNT = 4, /* a key file */
    GPUC__GCE_USER = 5,            /* authorized_user: a refresh token */
    GPUC__GCE_EXTERNAL = 6,        /* external_account: another provider's token, exchanged */
    GPUC__GCE_METADATA = 7
} gpuc__gce_kind;

/* What a credential file says; what does not belong to its kind is NULL. */
typedef struct gpuc__gce_credential {
    gpuc__gce_kind kind;
    char *path;         /* of the file */
    const char *origin; /* what named it */
    char *host;         /* of the metadata server */
    char *token;        /* secret: of the variable */
    EVP_PKEY *key;
    char *email, *key_id, *token_uri;
    char *client_id, *client_secret, *refresh_token; /* the last two secret */
    char *audience, *subject_type, *user_project;
    char *subject_file, *subject_url, *subject_field; /* field NULL: the text itself */
    char **subject_headers;                           /* NULL-terminated, may be NULL */
    char *impersonation_url;                          /* NULL: none */
    json_t *delegates;
    long impersonation_s;
    char *project, *quota_project;
} gpuc__gce_credential;

/* auth_find.c: which credential the environment has. */
int gpuc__gce_credential_find(gpuc__gce_credential *out, gpuc__gce_auth *auth, gpuc_error **err);
/* auth_file.c: a file read whole, as a new secret string; an error names the path. exposed (may be
 * NULL): others than its owner may read it. */
int gpuc__gce_read_file(char **out, const char *path, bool *exposed, gpuc_error **err);
/* A file that holds a token alone. */
int gpuc__gce_read_token_file(char **out, const char *path, gpuc_error **err);
/* The length of the one word of visible ASCII that the text is, from *start; 0: it is not. */
size_t gpuc__gce_one_word(const char *text, const char **start);
/* auth_credential.c: reads a credential file's text; its path and origin are set already. */
int gpuc__gce_credential_parse(gpuc__gce_credential *credential, gpuc__gce_auth *auth,
                               const char *text, gpuc_error **err);
void gpuc__gce_credential_clear(gpuc__gce_credential *credential);
/* A field of the file; nothing when it is absent and not required. */
int gpuc__gce_take_text(char **out, const gpuc__gce_credential *credential, const json_t *object,
                        const char *field, bool required, gpuc_error **err);
/* The same for an address that secrets are sent to: https, or http to this machine. */
int gpuc__gce_take_url(char **out, const gpuc__gce_credential *credential, const json_t *object,
                       const char *field, bool required, gpuc_error **err);
/* "FILE (VARIABLE): field "x" …", and what to do. */
int gpuc__gce_bad_field(const gpuc__gce_credential *credential, int code, const char *field,
                        const char *what, const char *remedy, gpuc_error **err);
/* auth_external.c: the part of an external_account file that names the provider's token. */
int gpuc__gce_source_read(gpuc__gce_credential *credential, const json_t *file, gpuc_error **err);
/* The parser keeps strings in its own memory: overwrites them there. */
void gpuc__gce_json_wipe(json_t *value);

/* auth_gcloud.c: the project that gcloud is set to: new string; NULL for none. */
char *gpuc__gce_gcloud_project(void);
/* auth_exchange.c: what the credential's own token is to be good for: borrowed. */
const char *gpuc__gce_scope_of(const gpuc__gce_auth *auth);

/* auth_jwt.c */
/* The RSA key of that PEM; NULL, and then why it is none. */
EVP_PKEY *gpuc__gce_key_read(const char *pem, const char **why);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The assertion by which a service account proves who it is: a JWT signed with RS256 (RFC 7515,
 * 7519, 7523). */
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define JWT_MAX 65536
#define RSA_BITS_MIN 2048

/* An encrypted key must not make OpenSSL ask on the terminal. */
static int no_password(char *buffer, int size, int writing, void *data)
{
    return -1;
}

EVP_PKEY *gpuc__gce_key_read(const char *pem, const char **why)
{
    size_t length = strlen(pem);
    BIO *bio = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    if (!key)
        *why = "is not an unencrypted private key in PEM format";
    else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        *why = "is not an RSA key, which RS256 needs";
    else if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
        *why = "is an RSA key of fewer than 2048 bits";
    else
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static bool add_base64url(gpuc__buf *out, const void *bytes, size_t length)
{
    char *text = gpuc__malloc(4 * ((length + 2) / 3) + 1);
    size_t n = 0;

    if (!text)
        return false;
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    for (; text[n] && text[n] != '='; n++) {
        if (text[n] == '+' || text[n] == '/')
            text[n] = text[n] == '+' ? '-' : '_';
    }
    gpuc__buf_add(out, text, n);
    gpuc__free(text);
    return !out->failed;
}

static int add_text(const char *text, size_t length, void *data)
{
    return gpuc__buf_add(data, text, length) ? 0 : -1;
}

/* Consumes object. */
static bool add_part(gpuc__buf *out, json_t *object)
{
    gpuc__buf text = GPUC__BUF_INIT(JWT_MAX);
    bool ok = object && json_dump_callback(object, add_text, &text, JSON_COMPACT) == 0 &&
              add_base64url(out, gpuc__buf_text(&text), text.length);

    gpuc__buf_clear(&text);
    json_decref(object);
    return ok;
}

static bool add_claims(gpuc__buf *out, const gpuc__gce_auth *auth, int64_t now_s)
{
    const gpuc__gce_credential *c = &auth->credential;
    json_int_t end = now_s + gpuc__gce_auth_number(auth, "assertion", "seconds");
    json_t *header = c->key_id ? json_pack("{ss ss ss}", "typ", "JWT", "alg", "RS256", "kid",
                                           c->key_id)
                               : json_pack("{ss ss}", "typ", "JWT", "alg", "RS256");

    return add_part(out, header) && gpuc__buf_putc(out, '.') &&
           add_part(out, json_pack("{sI sI ss ss ss}", "iat", (json_int_t)now_s, "exp", end, "iss",
                                   c->email, "aud",
                                   gpuc__gce_auth_text(auth, "assertion", "audience"), "scope",
                                   gpuc__gce_scope_of(auth)));
}

/* Appends the signature of what is there. */
static bool sign(gpuc__buf *jwt, EVP_PKEY *key)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    size_t length = (size_t)EVP_PKEY_get_size(key);
    unsigned char *signature = gpuc__malloc(length);
    bool ok = digest && signature &&
              EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(digest, signature, &length, (const unsigned char *)jwt->data,
                             jwt->length) == 1 &&
              gpuc__buf_putc(jwt, '.') && add_base64url(jwt, signature, length);

    EVP_MD_CTX_free(digest);
    gpuc__free(signature);
    return ok;
}

int gpuc__gce_jwt(char **out, const gpuc__gce_auth *auth, int64_t now_s, gpuc_error **err)
{
    gpuc__buf jwt = GPUC__BUF_INIT(JWT_MAX);
    char text[256] = "no detail given";
    unsigned long code;

    jwt.secret = true;
    if (add_claims(&jwt, auth, now_s) && sign(&jwt, auth->credential.key)) {
        *out = gpuc__buf_take(&jwt);
        return GPUC_OK;
    }
    code = ERR_get_error();
    ERR_clear_error();
    gpuc__buf_clear(&jwt);
    if (!code)
        return gpuc__error_nomem(err);
    ERR_error_string_n(code, text, sizeof(text));
    gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_PROVIDER,
                    "signing for %s failed in OpenSSL: %s", auth->credential.email, text);
    gpuc__error_remedy(err, "check the OpenSSL installation and its configuration (openssl version "
                            "-a)");
    return GPUC_EINTERNAL;
}

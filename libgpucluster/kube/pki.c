/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates of a cluster, with OpenSSL 3. */
#include "kube/pki.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "util/alloc.h"
#include "util/error.h"

#define DAY_SECONDS 86400L
#define CA_DAYS (3650L + 2) /* ten years with their leap days */
#define CLIENT_DAYS 365L
#define CLOCK_SKEW_SECONDS 300L /* machines' clocks may be a little behind ours */
#define PEM_MAX (1024 * 1024)

typedef struct extension {
    int nid;
    const char *value;
} extension;

static int crypto_error(gpuc_error **err, const char *what)
{
    unsigned long code = ERR_get_error();
    char text[256] = "no detail given";

    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_TLS, "%s failed in OpenSSL: %s", what, text);
    gpuc__error_native(err, (long)code);
    gpuc__error_remedy(err, "check the OpenSSL installation and its configuration (openssl version "
                            "-a); a FIPS or provider setting may forbid ECDSA P-256");
    return GPUC_EINTERNAL;
}

void gpuc__pki_pair_clear(gpuc__pki_pair *pair)
{
    gpuc__free(pair->cert_pem);
    gpuc__free_secret(pair->key_pem);
    memset(pair, 0, sizeof(*pair));
}

/* What a memory BIO holds as a new string; the BIO's own copy is wiped. */
static char *bio_take(BIO *bio)
{
    char *data = NULL, *text = NULL;
    long length = bio ? BIO_get_mem_data(bio, &data) : 0;

    if (length > 0) {
        text = gpuc__strndup(data, (size_t)length);
        OPENSSL_cleanse(data, (size_t)length);
    }
    BIO_free(bio);
    return text;
}

static char *cert_to_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || !PEM_write_bio_X509(bio, cert)) {
        BIO_free(bio);
        return NULL;
    }
    return bio_take(bio);
}

static char *key_to_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
        BIO_free(bio);
        return NULL;
    }
    return bio_take(bio);
}

static BIO *pem_open(const char *pem)
{
    size_t length = pem ? strlen(pem) : 0;

    return length && length <= PEM_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
}

static int cert_read(X509 **out, const char *pem, gpuc_error **err)
{
    BIO *bio = pem_open(pem);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    if (!cert) {
        ERR_clear_error();
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_TLS,
                        "the text given as a certificate is not a PEM certificate");
        gpuc__error_remedy(err, "give a file that starts with -----BEGIN CERTIFICATE-----");
        return GPUC_EINVAL;
    }
    *out = cert;
    return GPUC_OK;
}

/* An encrypted key must not make OpenSSL ask on the terminal. */
static int no_password(char *buffer, int size, int writing, void *data)
{
    return -1;
}

static int key_read(EVP_PKEY **out, const char *pem, gpuc_error **err)
{
    BIO *bio = pem_open(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    if (!key) {
        ERR_clear_error();
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_TLS,
                        "the text given as the CA's key is not an unencrypted PEM private key");
        gpuc__error_remedy(err, "give the ca.key that belongs to ca.crt, without a passphrase");
        return GPUC_EINVAL;
    }
    *out = key;
    return GPUC_OK;
}

static bool set_serial(X509 *cert)
{
    unsigned char bytes[20];
    BIGNUM *number = NULL;
    bool ok = false;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] &= 0x7f; /* positive, and at most 20 bytes (RFC 5280) */
    bytes[sizeof(bytes) - 1] |= 1;
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

static bool set_name(X509_NAME *name, const char *common_name, const char *const *groups)
{
    for (; groups && *groups; groups++) {
        if (!X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                        (const unsigned char *)*groups, -1, -1, 0))
            return false;
    }
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)common_name, -1, -1, 0);
}

static bool add_extensions(X509 *cert, X509 *issuer, const extension *extensions)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    for (; extensions->value; extensions++) {
        X509_EXTENSION *e =
            X509V3_EXT_conf_nid(NULL, &context, extensions->nid, extensions->value);
        bool ok = e && X509_add_ext(cert, e, -1);

        X509_EXTENSION_free(e);
        if (!ok)
            return false;
    }
    return true;
}

/* Everything but key, extensions and signature. ca_cert NULL: self-signed. */
static bool fill(X509 *cert, X509 *ca_cert, const char *name, const char *const *groups, long days)
{
    return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SKEW_SECONDS) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY_SECONDS) &&
           set_name(X509_get_subject_name(cert), name, groups) &&
           X509_set_issuer_name(cert, X509_get_subject_name(ca_cert ? ca_cert : cert));
}

/* Fills, signs and writes one certificate with a new key. */
static int issue(gpuc__pki_pair *out, X509 *ca_cert, EVP_PKEY *ca_key, const char *name,
                 const char *const *groups, long days, const extension *extensions,
                 gpuc_error **err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    gpuc__pki_pair pair = {NULL, NULL};
    int rc = GPUC_OK;

    if (!key || !cert || !fill(cert, ca_cert, name, groups, days) || !X509_set_pubkey(cert, key) ||
        !add_extensions(cert, ca_cert ? ca_cert : cert, extensions) ||
        !X509_sign(cert, ca_key ? ca_key : key, EVP_sha256())) {
        rc = crypto_error(err, "making a certificate");
        goto done;
    }
    pair.cert_pem = cert_to_pem(cert);
    pair.key_pem = key_to_pem(key);
    if (!pair.cert_pem || !pair.key_pem) {
        rc = gpuc__error_nomem(err);
        goto done;
    }
    *out = pair;
    memset(&pair, 0, sizeof(pair));
done:
    gpuc__pki_pair_clear(&pair);
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

int gpuc__pki_ca_new(gpuc__pki_pair *out, gpuc_error **err)
{
    static const extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE"},
        {NID_key_usage, "critical,digitalSignature,keyEncipherment,keyCertSign"},
        {NID_subject_key_identifier, "hash"},
        {NID_subject_alt_name, "DNS:kubernetes"},
        {0, NULL}};

    return issue(out, NULL, NULL, "kubernetes", NULL, CA_DAYS, extensions, err);
}

int gpuc__pki_client_new(gpuc__pki_pair *out, const gpuc__pki_pair *ca, const char *name,
                         const char *const *groups, gpuc_error **err)
{
    static const extension extensions[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                           {NID_key_usage, "critical,digitalSignature"},
                                           {NID_ext_key_usage, "clientAuth"},
                                           {NID_subject_key_identifier, "hash"},
                                           {NID_authority_key_identifier, "keyid"},
                                           {0, NULL}};
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    int rc = cert_read(&cert, ca->cert_pem, err);

    if (rc == GPUC_OK)
        rc = key_read(&key, ca->key_pem, err);
    if (rc == GPUC_OK && X509_check_private_key(cert, key) != 1) {
        ERR_clear_error();
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_TLS,
                             "the CA's key does not belong to its certificate");
        gpuc__error_remedy(err, "give ca.crt and ca.key of the same cluster");
    }
    if (rc == GPUC_OK)
        rc = issue(out, cert, key, name, groups, CLIENT_DAYS, extensions, err);
    EVP_PKEY_free(key);
    X509_free(cert);
    return rc;
}

static void to_hex(char *out, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

int gpuc__pki_ca_hash(char **out, const char *cert_pem, gpuc_error **err)
{
    X509 *cert = NULL;
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1], *text = NULL;
    int length, rc = cert_read(&cert, cert_pem, err);

    if (rc != GPUC_OK)
        return rc;
    length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (length <= 0 || !EVP_Digest(der, (size_t)length, digest, &size, EVP_sha256(), NULL)) {
        rc = crypto_error(err, "hashing the CA's public key");
        goto done;
    }
    to_hex(hex, digest, size);
    text = gpuc__asprintf("sha256:%s", hex);
    if (!text) {
        rc = gpuc__error_nomem(err);
        goto done;
    }
    *out = text;
done:
    OPENSSL_free(der);
    X509_free(cert);
    return rc;
}

int gpuc__pki_not_after(int64_t *out, const char *cert_pem, gpuc_error **err)
{
    X509 *cert = NULL;
    struct tm end;
    int rc = cert_read(&cert, cert_pem, err);

    if (rc != GPUC_OK)
        return rc;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end))
        *out = (int64_t)timegm(&end);
    else
        rc = crypto_error(err, "reading a certificate's end");
    X509_free(cert);
    return rc;
}

/* count characters of [a-z0-9], each as likely as the other. */
static bool random_word(char *out, size_t count)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned char limit = 256 - 256 % 36; /* above it the remainder would favour some */
    unsigned char byte;

    for (size_t i = 0; i < count;) {
        if (RAND_priv_bytes(&byte, 1) != 1)
            return false;
        if (byte < limit)
            out[i++] = alphabet[byte % 36];
    }
    return true;
}

int gpuc__pki_token_new(char **out, gpuc_error **err)
{
    char token[6 + 1 + 16 + 1] = "";
    char *text;

    if (!random_word(token, 6) || !random_word(token + 7, 16))
        return crypto_error(err, "reading random bytes");
    token[6] = '.';
    text = gpuc__strdup(token);
    OPENSSL_cleanse(token, sizeof(token));
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
}

int gpuc__pki_certificate_key_new(char **out, gpuc_error **err)
{
    unsigned char bytes[32];
    char hex[2 * sizeof(bytes) + 1], *text;

    if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
        return crypto_error(err, "reading random bytes");
    to_hex(hex, bytes, sizeof(bytes));
    text = gpuc__strdup(hex);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(hex, sizeof(hex));
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
}

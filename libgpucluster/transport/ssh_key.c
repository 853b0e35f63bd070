/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys as OpenSSL keys: loading, public halves, signatures in SSH's form. */
#include "transport/ssh_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/ssh_key_internal.h"
#include "util/alloc.h"
#include "util/error.h"

struct gpuc__ssh_key {
    atomic_int refs;
    EVP_PKEY *pkey;
    gpuc__buf blob;
    char *line; /* "type base64" */
    char *name;
};

/* The curves of RFC 5656 and the digest each is used with. */
static const struct curve {
    const char *group, *type, *short_name;
    const EVP_MD *(*digest)(void);
} curves[] = {
    {"prime256v1", "ecdsa-sha2-nistp256", "nistp256", EVP_sha256},
    {"secp384r1", "ecdsa-sha2-nistp384", "nistp384", EVP_sha384},
    {"secp521r1", "ecdsa-sha2-nistp521", "nistp521", EVP_sha512},
};

static const struct curve *key_curve(const EVP_PKEY *pkey)
{
    char group[64];

    if (!EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                        NULL))
        return NULL;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (!strcmp(curves[i].group, group))
            return &curves[i];
    }
    return NULL;
}

static void put_number(gpuc__buf *out, const EVP_PKEY *pkey, const char *param)
{
    BIGNUM *number = NULL;
    unsigned char bytes[2048];

    if (!EVP_PKEY_get_bn_param(pkey, param, &number) || BN_num_bytes(number) > (int)sizeof(bytes))
        out->failed = true;
    else
        gpuc__wire_put_mpint(out, bytes, (size_t)BN_bn2bin(number, bytes));
    BN_free(number);
}

/* False for kinds SSH has no name for. */
static bool make_blob(gpuc__buf *out, const EVP_PKEY *pkey)
{
    unsigned char point[256];
    size_t length = sizeof(point);
    const struct curve *curve;

    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_ED25519:
        if (!EVP_PKEY_get_raw_public_key(pkey, point, &length))
            return false;
        gpuc__wire_put_text(out, "ssh-ed25519");
        gpuc__wire_put_string(out, point, length);
        return true;
    case EVP_PKEY_EC:
        curve = key_curve(pkey);
        if (!curve || !EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                       sizeof(point), &length))
            return false;
        gpuc__wire_put_text(out, curve->type);
        gpuc__wire_put_text(out, curve->short_name);
        gpuc__wire_put_string(out, point, length);
        return length > 0 && point[0] == 4; /* uncompressed */
    case EVP_PKEY_RSA:
        gpuc__wire_put_text(out, "ssh-rsa");
        put_number(out, pkey, OSSL_PKEY_PARAM_RSA_E);
        put_number(out, pkey, OSSL_PKEY_PARAM_RSA_N);
        return true;
    default:
        return false;
    }
}

/* Consumes pkey. */
static int key_new(gpuc__ssh_key **out, EVP_PKEY *pkey, const char *name, gpuc_error **err)
{
    gpuc__ssh_key *key = gpuc__calloc(1, sizeof(*key));

    if (!key) {
        EVP_PKEY_free(pkey);
        return gpuc__error_nomem(err);
    }
    atomic_init(&key->refs, 1);
    key->pkey = pkey;
    gpuc__buf_init(&key->blob, 16 * 1024);
    key->name = gpuc__strdup(name);
    if (!make_blob(&key->blob, pkey)) {
        gpuc__ssh_key_unref(key);
        gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_SSH,
                        "%s: this kind of private key cannot be used for SSH", name);
        gpuc__error_remedy(err, "use an ed25519 key: ssh-keygen -t ed25519");
        return GPUC_EUNSUPPORTED;
    }
    if (!key->blob.failed)
        key->line = gpuc__ssh_key_line(key->blob.data, key->blob.length);
    if (!key->line || !key->name) {
        gpuc__ssh_key_unref(key);
        return gpuc__error_nomem(err);
    }
    *out = key;
    return GPUC_OK;
}

struct passphrase_use {
    const char *passphrase;
    bool asked;
};

/* OpenSSL would prompt on the terminal without a callback. */
static int give_passphrase(char *buf, int size, int for_writing, void *data)
{
    struct passphrase_use *use = data;
    size_t length = use->passphrase ? strlen(use->passphrase) : 0;

    use->asked = true;
    if (!use->passphrase || length > (size_t)size)
        return -1;
    memcpy(buf, use->passphrase, length);
    return (int)length;
}

static int read_pem(EVP_PKEY **out, const char *text, size_t length, const char *passphrase,
                    const char *name, gpuc_error **err)
{
    struct passphrase_use use = {passphrase, false};
    BIO *bio = BIO_new_mem_buf(text, (int)length);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &use) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    if (pkey) {
        *out = pkey;
        return GPUC_OK;
    }
    if (use.asked) {
        gpuc__error_set(err, GPUC_EAUTH, GPUC_DOMAIN_SSH,
                        passphrase ? "%s: the passphrase does not open this private key"
                                   : "%s: the private key is encrypted and no passphrase was given",
                        name);
        gpuc__error_remedy(err, "give its passphrase, or load it into an SSH agent (ssh-add %s) "
                                "and use the agent", name);
        return GPUC_EAUTH;
    }
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SSH, "%s: not a private key that can be read",
                    name);
    gpuc__error_remedy(err, "name the private half (not the .pub file) of a key in OpenSSH or PEM "
                            "format");
    return GPUC_EINVAL;
}

int gpuc__ssh_key_parse(gpuc__ssh_key **out, const char *text, size_t length,
                        const char *passphrase, const char *name_for_errors, gpuc_error **err)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
    const char *name = name_for_errors ? name_for_errors : "private key";
    const char *openssh;
    EVP_PKEY *pkey = NULL;
    int rc;

    if (length > GPUC__SSH_KEY_FILE_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_SSH,
                               "%s: %zu bytes are too many for a private key", name, length);
    openssh = memmem(text, length, begin, sizeof(begin) - 1);
    if (openssh)
        rc = gpuc__ssh_openssh_read(&pkey, openssh, length - (size_t)(openssh - text), passphrase,
                                    name, err);
    else
        rc = read_pem(&pkey, text, length, passphrase, name, err);
    return rc ? rc : key_new(out, pkey, name, err);
}

/* As ssh does: a key of ours that others can read is as good as lost. */
static int check_mode(int fd, const char *path, gpuc_error **err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return gpuc__error_errno(err, errno, "private key %s", path);
    if (!S_ISREG(st.st_mode))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SSH, "private key %s: not a file",
                               path);
    if (st.st_uid == getuid() && (st.st_mode & 077)) {
        gpuc__error_set(err, GPUC_EPERM, GPUC_DOMAIN_SSH,
                        "private key %s: mode %03o lets others read it", path,
                        (unsigned)(st.st_mode & 0777));
        gpuc__error_remedy(err, "chmod 600 %s", path);
        return GPUC_EPERM;
    }
    return GPUC_OK;
}

int gpuc__ssh_key_load(gpuc__ssh_key **out, const char *path, const char *passphrase,
                       gpuc_error **err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *text = NULL;
    ssize_t n = 0;
    size_t length = 0;
    int rc;

    if (fd < 0) {
        rc = gpuc__error_errno(err, errno, "private key %s", path);
        gpuc__error_remedy(err, "check the key's path in the spec, and that you may read it");
        return rc;
    }
    rc = check_mode(fd, path, err);
    if (rc)
        goto done;
    text = gpuc__malloc(GPUC__SSH_KEY_FILE_MAX + 2);
    if (!text) {
        rc = gpuc__error_nomem(err);
        goto done;
    }
    while (length <= GPUC__SSH_KEY_FILE_MAX &&
           (n = read(fd, text + length, GPUC__SSH_KEY_FILE_MAX + 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    if (n < 0)
        rc = gpuc__error_errno(err, errno, "private key %s", path);
    else
        rc = gpuc__ssh_key_parse(out, text, length, passphrase, path, err);
done:
    if (text) {
        OPENSSL_cleanse(text, length);
        gpuc__free(text);
    }
    close(fd);
    return rc;
}

int gpuc__ssh_key_generate(char **private_text, char **public_line, const char *comment,
                           gpuc_error **err)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    gpuc__buf blob = GPUC__BUF_INIT(1024);
    char *text = NULL, *line = NULL, *whole = NULL;

    if (pkey && make_blob(&blob, pkey)) {
        text = gpuc__ssh_openssh_write(pkey, comment ? comment : "");
        line = gpuc__ssh_key_line(gpuc__buf_text(&blob), blob.length);
    }
    if (line)
        whole = comment && *comment ? gpuc__asprintf("%s %s", line, comment) : gpuc__strdup(line);
    gpuc__free(line);
    gpuc__buf_clear(&blob);
    EVP_PKEY_free(pkey);
    if (!text || !whole) {
        gpuc__free_secret(text);
        gpuc__free(whole);
        return gpuc__error_nomem(err);
    }
    *private_text = text;
    *public_line = whole;
    return GPUC_OK;
}

/* An ECDSA signature is DER in OpenSSL and two mpints in SSH. */
static bool put_ecdsa(gpuc__buf *out, const unsigned char *der, size_t length)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)length);
    unsigned char bytes[80];

    if (!sig)
        return false;
    gpuc__wire_put_mpint(out, bytes, (size_t)BN_bn2bin(ECDSA_SIG_get0_r(sig), bytes));
    gpuc__wire_put_mpint(out, bytes, (size_t)BN_bn2bin(ECDSA_SIG_get0_s(sig), bytes));
    ECDSA_SIG_free(sig);
    return true;
}

static const EVP_MD *key_digest(const EVP_PKEY *pkey, gpuc__span algorithm)
{
    const struct curve *curve;

    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC) {
        curve = key_curve(pkey);
        return curve ? curve->digest() : NULL;
    }
    if (gpuc__span_is(algorithm, "rsa-sha2-512"))
        return EVP_sha512();
    if (gpuc__span_is(algorithm, "rsa-sha2-256"))
        return EVP_sha256();
    return gpuc__span_is(algorithm, "ssh-rsa") ? EVP_sha1() : NULL;
}

bool gpuc__ssh_key_sign(const gpuc__ssh_key *key, gpuc__span algorithm, const unsigned char *data,
                        size_t length, gpuc__buf *out)
{
    int kind = EVP_PKEY_get_base_id(key->pkey);
    const EVP_MD *digest = kind == EVP_PKEY_ED25519 ? NULL : key_digest(key->pkey, algorithm);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char sig[2048];
    size_t sig_length = sizeof(sig);
    bool ok = false;

    if (!md || (kind != EVP_PKEY_ED25519 && !digest))
        goto done;
    if (EVP_DigestSignInit(md, NULL, digest, NULL, key->pkey) != 1 ||
        EVP_DigestSign(md, sig, &sig_length, data, length) != 1)
        goto done;
    if (kind == EVP_PKEY_EC)
        ok = put_ecdsa(out, sig, sig_length);
    else
        ok = gpuc__buf_add(out, sig, sig_length);
done:
    EVP_MD_CTX_free(md);
    return ok && !out->failed;
}

gpuc__span gpuc__ssh_key_blob(const gpuc__ssh_key *key)
{
    return (gpuc__span){(const unsigned char *)key->blob.data, key->blob.length};
}

const char *gpuc__ssh_key_name(const gpuc__ssh_key *key)
{
    return key->name;
}

bool gpuc__ssh_key_is_rsa(const gpuc__ssh_key *key)
{
    return EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_RSA;
}

const char *gpuc__ssh_key_public(const gpuc__ssh_key *key)
{
    return key->line;
}

gpuc__ssh_key *gpuc__ssh_key_ref(gpuc__ssh_key *key)
{
    atomic_fetch_add(&key->refs, 1);
    return key;
}

void gpuc__ssh_key_unref(gpuc__ssh_key *key)
{
    if (!key || atomic_fetch_sub(&key->refs, 1) != 1)
        return;
    EVP_PKEY_free(key->pkey);
    gpuc__buf_clear(&key->blob);
    gpuc__free(key->line);
    gpuc__free(key->name);
    gpuc__free(key);
}

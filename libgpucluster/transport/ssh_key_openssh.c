/* SPDX-License-Identifier: Apache-2.0 */
/* The "openssh-key-v1" format, which OpenSSL does not know: a bounded reader and a writer. */
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <string.h>

#include "transport/ssh_key_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define BEGIN_LINE "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END_LINE "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* with its NUL */
#define ROUNDS_MAX 1024 /* seconds; ssh-keygen writes 16 or 24 unless told */

/* Ciphers ssh-keygen can write that OpenSSL can undo without a tag. */
static const struct {
    const char *name, *openssl;
    size_t key, iv;
} ciphers[] = {
    {"aes256-ctr", "AES-256-CTR", 32, 16},
    {"aes192-ctr", "AES-192-CTR", 24, 16},
    {"aes128-ctr", "AES-128-CTR", 16, 16},
    {"aes256-cbc", "AES-256-CBC", 32, 16},
};

static int fail_broken(const char *name, const char *what, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SSH, "%s: broken OpenSSH private key: %s", name,
                    what);
    gpuc__error_remedy(err, "copy the file again, or make a new key: ssh-keygen -t ed25519");
    return GPUC_EINVAL;
}

static int fail_passphrase(const char *name, bool given, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_EAUTH, GPUC_DOMAIN_SSH,
                    given ? "%s: the passphrase does not open this private key"
                          : "%s: the private key is encrypted and no passphrase was given",
                    name);
    gpuc__error_remedy(err, "give its passphrase, or load it into an SSH agent (ssh-add %s) and "
                            "use the agent", name);
    return GPUC_EAUTH;
}

static BIGNUM *number_of(gpuc__span span)
{
    return span.length <= 4096 ? BN_bin2bn(span.data, (int)span.length, NULL) : NULL;
}

/* Consumes the builder. */
static EVP_PKEY *key_from_params(OSSL_PARAM_BLD *builder, const char *kind)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *pkey = NULL;

    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static EVP_PKEY *read_ed25519(gpuc__wire *wire)
{
    gpuc__span public = gpuc__wire_string(wire);
    gpuc__span private = gpuc__wire_string(wire);
    unsigned char derived[32];
    size_t length = sizeof(derived);
    EVP_PKEY *pkey;

    if (wire->bad || public.length != 32 || private.length != 64)
        return NULL;
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private.data, 32);
    if (pkey && (!EVP_PKEY_get_raw_public_key(pkey, derived, &length) || length != 32 ||
                 memcmp(derived, public.data, 32) != 0)) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

static EVP_PKEY *read_ecdsa(gpuc__wire *wire)
{
    static const char *const groups[][2] = {
        {"nistp256", "prime256v1"}, {"nistp384", "secp384r1"}, {"nistp521", "secp521r1"}};
    gpuc__span curve = gpuc__wire_string(wire);
    gpuc__span point = gpuc__wire_string(wire);
    BIGNUM *secret = number_of(gpuc__wire_string(wire));
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;

    for (size_t i = 0; i < 3 && builder && secret && !wire->bad; i++) {
        if (!gpuc__span_is(curve, groups[i][0]))
            continue;
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, groups[i][1], 0);
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data,
                                         point.length);
        OSSL_PARAM_BLD_push_BN_pad(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret, 66);
        pkey = key_from_params(builder, "EC");
        builder = NULL;
        break;
    }
    OSSL_PARAM_BLD_free(builder);
    BN_clear_free(secret);
    return pkey;
}

/* d mod (prime - 1) */
static BIGNUM *reduce(const BIGNUM *d, const BIGNUM *prime, BN_CTX *ctx)
{
    BIGNUM *less = BN_dup(prime), *out = BN_new();

    if (!less || !out || !BN_sub_word(less, 1) || BN_is_zero(less) ||
        !BN_mod(out, d, less, ctx)) {
        BN_clear_free(out);
        out = NULL;
    }
    BN_clear_free(less);
    return out;
}

static EVP_PKEY *read_rsa(gpuc__wire *wire)
{
    enum { N, E, D, IQMP, P, Q, DMP, DMQ, COUNT };
    static const char *const params[COUNT] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
        OSSL_PKEY_PARAM_RSA_FACTOR1,   OSSL_PKEY_PARAM_RSA_FACTOR2,
        OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2};
    BIGNUM *numbers[COUNT] = {NULL};
    BN_CTX *ctx = BN_CTX_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    bool ok = ctx && builder;

    for (int i = N; i <= Q; i++) {
        numbers[i] = number_of(gpuc__wire_string(wire));
        ok = ok && numbers[i] && !BN_is_zero(numbers[i]);
    }
    ok = ok && !wire->bad;
    numbers[DMP] = ok ? reduce(numbers[D], numbers[P], ctx) : NULL;
    numbers[DMQ] = ok ? reduce(numbers[D], numbers[Q], ctx) : NULL;
    for (int i = 0; i < COUNT && ok; i++)
        ok = numbers[i] && OSSL_PARAM_BLD_push_BN(builder, params[i], numbers[i]);
    if (ok) {
        pkey = key_from_params(builder, "RSA");
        builder = NULL;
    }
    OSSL_PARAM_BLD_free(builder);
    BN_CTX_free(ctx);
    for (int i = 0; i < COUNT; i++)
        BN_clear_free(numbers[i]);
    return pkey;
}

static int read_private(EVP_PKEY **out, gpuc__span section, bool encrypted, const char *name,
                        gpuc_error **err)
{
    gpuc__wire wire = gpuc__wire_of(section.data, section.length);
    uint32_t check1 = gpuc__wire_u32(&wire), check2 = gpuc__wire_u32(&wire);
    gpuc__span type = gpuc__wire_string(&wire);
    EVP_PKEY *pkey = NULL;

    if (check1 != check2)
        return encrypted ? fail_passphrase(name, true, err)
                         : fail_broken(name, "its check numbers differ", err);
    if (gpuc__span_is(type, "ssh-ed25519")) {
        pkey = read_ed25519(&wire);
    } else if (type.length > 11 && !memcmp(type.data, "ecdsa-sha2-", 11)) {
        pkey = read_ecdsa(&wire);
    } else if (gpuc__span_is(type, "ssh-rsa")) {
        pkey = read_rsa(&wire);
    } else {
        gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_SSH,
                        "%s: private keys of this type cannot be used (hardware and DSA keys need "
                        "an agent)", name);
        gpuc__error_remedy(err, "load it into an SSH agent, or use an ed25519 key");
        return GPUC_EUNSUPPORTED;
    }
    if (!pkey)
        return fail_broken(name, "its numbers do not make a key", err);
    *out = pkey;
    return GPUC_OK;
}

/* Replaces the encrypted section in `data` by its plain text. */
/* Index into ciphers; their number when it is none of them. */
static size_t find_cipher(gpuc__span cipher)
{
    size_t i = 0;

    while (i < sizeof(ciphers) / sizeof(ciphers[0]) && !gpuc__span_is(cipher, ciphers[i].name))
        i++;
    return i;
}

static int decrypt(unsigned char *data, gpuc__span section, gpuc__span cipher, gpuc__span options,
                   const char *passphrase, const char *name, gpuc_error **err)
{
    gpuc__wire wire = gpuc__wire_of(options.data, options.length);
    gpuc__span salt = gpuc__wire_string(&wire);
    uint32_t rounds = gpuc__wire_u32(&wire);
    unsigned char key[48];
    EVP_CIPHER *method = NULL;
    EVP_CIPHER_CTX *ctx = NULL;
    size_t i = find_cipher(cipher);
    int n = 0, rc;

    if (i == sizeof(ciphers) / sizeof(ciphers[0]))
        return gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_SSH,
                               "%s: encrypted with %.*s, which cannot be read here", name,
                               cipher.length > 64 ? 64 : (int)cipher.length, cipher.data);
    if (wire.bad || !salt.length || !rounds || rounds > ROUNDS_MAX || section.length % 16)
        return fail_broken(name, "its encryption parameters", err);
    method = EVP_CIPHER_fetch(NULL, ciphers[i].openssl, NULL);
    ctx = EVP_CIPHER_CTX_new();
    if (gpuc__bcrypt_pbkdf(passphrase, strlen(passphrase), salt.data, salt.length, rounds, key,
                           ciphers[i].key + ciphers[i].iv) &&
        method && ctx && EVP_DecryptInit_ex2(ctx, method, key, key + ciphers[i].key, NULL) &&
        EVP_CIPHER_CTX_set_padding(ctx, 0) &&
        EVP_DecryptUpdate(ctx, data, &n, section.data, (int)section.length) &&
        n == (int)section.length)
        rc = GPUC_OK;
    else
        rc = gpuc__error_nomem(err);
    OPENSSL_cleanse(key, sizeof(key));
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(method);
    return rc;
}

static int read_file(EVP_PKEY **out, gpuc__buf *bytes, const char *passphrase, const char *name,
                     gpuc_error **err)
{
    gpuc__wire wire = gpuc__wire_of(bytes->data, bytes->length);
    gpuc__span cipher, kdf, options, section;
    bool encrypted;

    if (bytes->length < sizeof(MAGIC) || memcmp(bytes->data, MAGIC, sizeof(MAGIC)) != 0)
        return fail_broken(name, "no openssh-key-v1 inside", err);
    wire.at += sizeof(MAGIC);
    wire.left -= sizeof(MAGIC);
    cipher = gpuc__wire_string(&wire);
    kdf = gpuc__wire_string(&wire);
    options = gpuc__wire_string(&wire);
    if (gpuc__wire_u32(&wire) != 1)
        return fail_broken(name, "not exactly one key inside", err);
    gpuc__wire_string(&wire); /* the public half, repeated inside */
    section = gpuc__wire_string(&wire);
    if (wire.bad)
        return fail_broken(name, "it ends too early", err);
    encrypted = !gpuc__span_is(cipher, "none");
    if (encrypted) {
        int rc;

        if (!gpuc__span_is(kdf, "bcrypt"))
            return fail_broken(name, "unknown key derivation", err);
        if (!passphrase)
            return fail_passphrase(name, false, err);
        rc = decrypt((unsigned char *)bytes->data + (section.data - (unsigned char *)bytes->data),
                     section, cipher, options, passphrase, name, err);
        if (rc)
            return rc;
    }
    return read_private(out, section, encrypted, name, err);
}

int gpuc__ssh_openssh_read(EVP_PKEY **out, const char *text, size_t length, const char *passphrase,
                           const char *name, gpuc_error **err)
{
    gpuc__buf bytes = GPUC__BUF_INIT(GPUC__SSH_KEY_FILE_MAX);
    const char *body, *end;
    int rc;

    if (length < sizeof(BEGIN_LINE) - 1)
        return fail_broken(name, "it ends too early", err);
    body = text + sizeof(BEGIN_LINE) - 1;
    length -= sizeof(BEGIN_LINE) - 1;
    end = memmem(body, length, END_LINE, sizeof(END_LINE) - 1);
    if (!end)
        return fail_broken(name, "its END line is missing", err);
    if (!gpuc__base64_get(&bytes, body, (size_t)(end - body)))
        rc = fail_broken(name, "its base64 text", err);
    else
        rc = read_file(out, &bytes, passphrase, name, err);
    if (bytes.data)
        OPENSSL_cleanse(bytes.data, bytes.capacity);
    gpuc__buf_clear(&bytes);
    return rc;
}

static void put_wrapped(gpuc__buf *out, const gpuc__buf *base64)
{
    for (size_t i = 0; i < base64->length; i += 70) {
        size_t n = base64->length - i < 70 ? base64->length - i : 70;

        gpuc__buf_add(out, base64->data + i, n);
        gpuc__buf_putc(out, '\n');
    }
}

char *gpuc__ssh_openssh_write(EVP_PKEY *ed25519, const char *comment)
{
    unsigned char pair[64], check[4];
    size_t half = 32;
    gpuc__buf public = GPUC__BUF_INIT(256), private = GPUC__BUF_INIT(4096);
    gpuc__buf whole = GPUC__BUF_INIT(8192), base64 = GPUC__BUF_INIT(16384);
    gpuc__buf text = GPUC__BUF_INIT(32768);

    if (!EVP_PKEY_get_raw_private_key(ed25519, pair, &half) ||
        !EVP_PKEY_get_raw_public_key(ed25519, pair + 32, &half) || RAND_bytes(check, 4) != 1)
        text.failed = true;
    gpuc__wire_put_text(&public, "ssh-ed25519");
    gpuc__wire_put_string(&public, pair + 32, 32);
    gpuc__buf_add(&private, check, 4);
    gpuc__buf_add(&private, check, 4);
    gpuc__wire_put_text(&private, "ssh-ed25519");
    gpuc__wire_put_string(&private, pair + 32, 32);
    gpuc__wire_put_string(&private, pair, 64);
    gpuc__wire_put_text(&private, comment);
    for (char pad = 1; private.length % 8; pad++)
        gpuc__buf_putc(&private, pad);
    gpuc__buf_add(&whole, MAGIC, sizeof(MAGIC));
    gpuc__wire_put_text(&whole, "none");
    gpuc__wire_put_text(&whole, "none");
    gpuc__wire_put_text(&whole, "");
    gpuc__wire_put_u32(&whole, 1);
    gpuc__wire_put_string(&whole, gpuc__buf_text(&public), public.length);
    gpuc__wire_put_string(&whole, gpuc__buf_text(&private), private.length);
    gpuc__base64_put(&base64, gpuc__buf_text(&whole), whole.length);
    gpuc__buf_puts(&text, BEGIN_LINE "\n");
    put_wrapped(&text, &base64);
    gpuc__buf_puts(&text, END_LINE "\n");
    if (private.failed || whole.failed || base64.failed || public.failed)
        text.failed = true;
    OPENSSL_cleanse(pair, sizeof(pair));
    for (size_t i = 0; i < 3; i++) {
        gpuc__buf *secret = i == 0 ? &private : i == 1 ? &whole : &base64;

        if (secret->data)
            OPENSSL_cleanse(secret->data, secret->capacity);
        gpuc__buf_clear(secret);
    }
    gpuc__buf_clear(&public);
    return gpuc__buf_take(&text);
}

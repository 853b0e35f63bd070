/* SPDX-License-Identifier: Apache-2.0 */
/* bcrypt_pbkdf, the key derivation of encrypted OpenSSH private keys. Blowfish's first state is the
 * fraction of pi in binary; it is computed (Machin's formula) rather than written down. */
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <string.h>

#include "transport/ssh_key_internal.h"
#include "util/alloc.h"

#define STATE_WORDS (18 + 4 * 256)
#define GUARD_BITS 64

struct blowfish {
    uint32_t p[18];
    uint32_t s[4][256];
};

/* sum += sign * factor * arctan(1/x), in fixed point */
static bool add_arctan(BIGNUM *sum, const BIGNUM *one, unsigned x, unsigned factor, bool negative)
{
    BIGNUM *power = BN_dup(one), *term = BN_new();
    bool ok = power && term && BN_mul_word(power, factor) && BN_div_word(power, x) != (BN_ULONG)-1;

    for (unsigned n = 1; ok && !BN_is_zero(power); n += 2, negative = !negative) {
        ok = BN_copy(term, power) && BN_div_word(term, n) != (BN_ULONG)-1 &&
             (negative ? BN_sub(sum, sum, term) : BN_add(sum, sum, term));
        ok = ok && BN_div_word(power, (BN_ULONG)x * x) != (BN_ULONG)-1;
    }
    BN_free(power);
    BN_free(term);
    return ok;
}

/* pi = 16 arctan(1/5) - 4 arctan(1/239) */
static bool blowfish_first(struct blowfish *state)
{
    unsigned char bytes[STATE_WORDS * 4];
    uint32_t words[STATE_WORDS];
    BIGNUM *one = BN_new(), *pi = BN_new();
    bool ok = one && pi && BN_one(one) && BN_lshift(one, one, STATE_WORDS * 32 + GUARD_BITS);

    if (ok)
        BN_zero(pi);
    ok = ok && add_arctan(pi, one, 5, 16, false) && add_arctan(pi, one, 239, 4, true) &&
         BN_mask_bits(pi, STATE_WORDS * 32 + GUARD_BITS) && BN_rshift(pi, pi, GUARD_BITS) &&
         BN_bn2binpad(pi, bytes, sizeof(bytes)) == (int)sizeof(bytes);
    BN_free(one);
    BN_free(pi);
    for (size_t i = 0; ok && i < STATE_WORDS; i++)
        words[i] = (uint32_t)bytes[i * 4] << 24 | (uint32_t)bytes[i * 4 + 1] << 16 |
                   (uint32_t)bytes[i * 4 + 2] << 8 | bytes[i * 4 + 3];
    if (ok) {
        memcpy(state->p, words, sizeof(state->p));
        memcpy(state->s, words + 18, sizeof(state->s));
    }
    return ok;
}

static void encipher(const struct blowfish *b, uint32_t *left, uint32_t *right)
{
    uint32_t l = *left, r = *right, swap;

    for (int i = 0; i < 16; i++) {
        l ^= b->p[i];
        r ^= ((b->s[0][l >> 24] + b->s[1][l >> 16 & 255]) ^ b->s[2][l >> 8 & 255]) +
             b->s[3][l & 255];
        swap = l;
        l = r;
        r = swap;
    }
    *left = r ^ b->p[17];
    *right = l ^ b->p[16];
}

static uint32_t next_word(const unsigned char *data, size_t length, size_t *at)
{
    uint32_t word = 0;

    for (int i = 0; i < 4; i++) {
        word = word << 8 | data[*at];
        *at = (*at + 1) % length;
    }
    return word;
}

/* salt may be NULL: the plain key schedule */
static void expand(struct blowfish *b, const unsigned char *salt, const unsigned char *key)
{
    size_t at = 0, salt_at = 0;
    uint32_t l = 0, r = 0, *words;

    for (int i = 0; i < 18; i++)
        b->p[i] ^= next_word(key, 64, &at);
    for (int i = 0; i < STATE_WORDS; i += 2) {
        if (salt) {
            l ^= next_word(salt, 64, &salt_at);
            r ^= next_word(salt, 64, &salt_at);
        }
        encipher(b, &l, &r);
        words = i < 18 ? &b->p[i] : &b->s[(i - 18) / 256][(i - 18) % 256];
        words[0] = l;
        words[1] = r;
    }
}

static void bcrypt_hash(const struct blowfish *first, const unsigned char *pass,
                        const unsigned char *salt, unsigned char *out)
{
    struct blowfish b = *first;
    uint32_t words[8];
    size_t at = 0;

    expand(&b, salt, pass);
    for (int i = 0; i < 64; i++) {
        expand(&b, NULL, salt);
        expand(&b, NULL, pass);
    }
    for (int i = 0; i < 8; i++)
        words[i] = next_word((const unsigned char *)"OxychromaticBlowfishSwatDynamite", 32, &at);
    for (int i = 0; i < 64; i++) {
        for (int k = 0; k < 8; k += 2)
            encipher(&b, &words[k], &words[k + 1]);
    }
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 4; k++)
            out[i * 4 + k] = (unsigned char)(words[i] >> (8 * k));
    }
    OPENSSL_cleanse(&b, sizeof(b));
}

static void sha512(const void *data, size_t length, unsigned char *out)
{
    EVP_Digest(data, length, out, NULL, EVP_sha512(), NULL);
}

bool gpuc__bcrypt_pbkdf(const char *passphrase, size_t passphrase_length, const unsigned char *salt,
                        size_t salt_length, unsigned rounds, unsigned char *key, size_t key_length)
{
    struct blowfish *first = gpuc__calloc(1, sizeof(*first));
    unsigned char pass[64], hashed[64], block[32], sum[32], counted[256 + 4];
    size_t stride = (key_length + 31) / 32, each = (key_length + stride - 1) / stride;
    bool ok = first && salt_length <= 256 && blowfish_first(first);

    if (ok)
        sha512(passphrase, passphrase_length, pass);
    for (size_t count = 1; ok && count <= stride; count++) {
        memcpy(counted, salt, salt_length);
        for (int k = 0; k < 4; k++)
            counted[salt_length + (size_t)k] = (unsigned char)(count >> (24 - 8 * k));
        sha512(counted, salt_length + 4, hashed);
        bcrypt_hash(first, pass, hashed, block);
        memcpy(sum, block, sizeof(sum));
        for (unsigned i = 1; i < rounds; i++) {
            sha512(block, sizeof(block), hashed);
            bcrypt_hash(first, pass, hashed, block);
            for (int k = 0; k < 32; k++)
                sum[k] ^= block[k];
        }
        for (size_t i = 0; i < each && i * stride + count - 1 < key_length; i++)
            key[i * stride + count - 1] = sum[i];
    }
    OPENSSL_cleanse(pass, sizeof(pass));
    OPENSSL_cleanse(sum, sizeof(sum));
    gpuc__free(first);
    return ok;
}

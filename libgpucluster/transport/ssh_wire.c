/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the SSH wire format, base64 and key fingerprints. */
#include "transport/ssh_wire.h"

#include <openssl/evp.h>
#include <string.h>

#include "util/alloc.h"

gpuc__wire gpuc__wire_of(const void *data, size_t length)
{
    return (gpuc__wire){data, length, false};
}

static const unsigned char *wire_take(gpuc__wire *wire, size_t length)
{
    const unsigned char *at = wire->at;

    if (wire->bad || length > wire->left) {
        wire->bad = true;
        return NULL;
    }
    wire->at += length;
    wire->left -= length;
    return at;
}

uint8_t gpuc__wire_u8(gpuc__wire *wire)
{
    const unsigned char *p = wire_take(wire, 1);

    return p ? p[0] : 0;
}

uint32_t gpuc__wire_u32(gpuc__wire *wire)
{
    const unsigned char *p = wire_take(wire, 4);

    if (!p)
        return 0;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

gpuc__span gpuc__wire_string(gpuc__wire *wire)
{
    uint32_t length = gpuc__wire_u32(wire);
    const unsigned char *p = wire_take(wire, length);

    return p ? (gpuc__span){p, length} : (gpuc__span){(const unsigned char *)"", 0};
}

bool gpuc__span_is(gpuc__span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.data, text, span.length) == 0;
}

void gpuc__wire_put_u32(gpuc__buf *out, uint32_t value)
{
    unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                              (unsigned char)(value >> 8), (unsigned char)value};

    gpuc__buf_add(out, bytes, sizeof(bytes));
}

void gpuc__wire_put_string(gpuc__buf *out, const void *data, size_t length)
{
    gpuc__wire_put_u32(out, (uint32_t)length);
    gpuc__buf_add(out, data, length);
}

void gpuc__wire_put_text(gpuc__buf *out, const char *text)
{
    gpuc__wire_put_string(out, text, strlen(text));
}

void gpuc__wire_put_mpint(gpuc__buf *out, const unsigned char *number, size_t length)
{
    bool sign;

    while (length && !number[0]) {
        number++;
        length--;
    }
    sign = length && (number[0] & 0x80);
    gpuc__wire_put_u32(out, (uint32_t)(length + sign));
    if (sign)
        gpuc__buf_putc(out, '\0');
    gpuc__buf_add(out, number, length);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool gpuc__base64_put(gpuc__buf *out, const void *data, size_t length)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < length; i += 3) {
        size_t n = length - i < 3 ? length - i : 3;
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (n > 2 ? p[i + 2] : 0);
        char quad[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                        n > 1 ? alphabet[v >> 6 & 63] : '=', n > 2 ? alphabet[v & 63] : '='};

        gpuc__buf_add(out, quad, sizeof(quad));
    }
    return !out->failed;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_space(char c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* The bytes of the last, incomplete group of four. */
static bool put_rest(gpuc__buf *out, uint32_t bits, unsigned count, unsigned padding)
{
    if (count % 4 == 1 || padding > 2 || (padding && (count + padding) % 4))
        return false;
    if (count % 4 == 2)
        gpuc__buf_putc(out, (char)(bits >> 4));
    if (count % 4 == 3) {
        gpuc__buf_putc(out, (char)(bits >> 10));
        gpuc__buf_putc(out, (char)(bits >> 2));
    }
    return !out->failed;
}

bool gpuc__base64_get(gpuc__buf *out, const char *text, size_t length)
{
    uint32_t bits = 0;
    unsigned count = 0, padding = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        int value = sextet(c);

        if (is_space(c))
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        if (value < 0 || padding)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (++count % 4 == 0) {
            unsigned char three[3] = {(unsigned char)(bits >> 16), (unsigned char)(bits >> 8),
                                      (unsigned char)bits};

            if (!gpuc__buf_add(out, three, 3))
                return false;
            bits = 0;
        }
    }
    return put_rest(out, bits, count, padding);
}

char *gpuc__ssh_fingerprint(const void *blob, size_t length)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_length = 0;
    gpuc__buf text = GPUC__BUF_INIT(128);

    if (!EVP_Digest(blob, length, digest, &digest_length, EVP_sha256(), NULL))
        return NULL;
    gpuc__buf_puts(&text, "SHA256:");
    gpuc__base64_put(&text, digest, digest_length);
    while (text.length && text.data[text.length - 1] == '=')
        text.data[--text.length] = '\0';
    return gpuc__buf_take(&text);
}

char *gpuc__ssh_key_line(const void *blob, size_t length)
{
    gpuc__wire wire = gpuc__wire_of(blob, length);
    gpuc__span type = gpuc__wire_string(&wire);
    gpuc__buf text = GPUC__BUF_INIT(64 * 1024);

    if (wire.bad || !type.length || type.length > 64)
        return NULL;
    for (size_t i = 0; i < type.length; i++) {
        if (type.data[i] <= ' ' || type.data[i] >= 127)
            return NULL;
    }
    gpuc__buf_add(&text, type.data, type.length);
    gpuc__buf_putc(&text, ' ');
    gpuc__base64_put(&text, blob, length);
    return gpuc__buf_take(&text);
}

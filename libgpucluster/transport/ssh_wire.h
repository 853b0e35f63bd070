/* SPDX-License-Identifier: Apache-2.0 */
/* The SSH wire format (RFC 4251 section 5): a bounded reader, and writers on a buffer. */
#ifndef GPUC__SSH_WIRE_H
#define GPUC__SSH_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

/* A read past the end sets `bad`; from then on everything reads as zero or empty. */
typedef struct gpuc__wire {
    const unsigned char *at;
    size_t left;
    bool bad;
} gpuc__wire;

typedef struct gpuc__span {
    const unsigned char *data;
    size_t length;
} gpuc__span;

gpuc__wire gpuc__wire_of(const void *data, size_t length);
uint8_t gpuc__wire_u8(gpuc__wire *wire);
uint32_t gpuc__wire_u32(gpuc__wire *wire);
gpuc__span gpuc__wire_string(gpuc__wire *wire); /* points into the data */
bool gpuc__span_is(gpuc__span span, const char *text);

void gpuc__wire_put_u32(gpuc__buf *out, uint32_t value);
void gpuc__wire_put_string(gpuc__buf *out, const void *data, size_t length);
void gpuc__wire_put_text(gpuc__buf *out, const char *text);
/* A positive big-endian number as mpint: leading zeros dropped, sign byte added where needed. */
void gpuc__wire_put_mpint(gpuc__buf *out, const unsigned char *number, size_t length);

/* Base64 without line breaks. */
bool gpuc__base64_put(gpuc__buf *out, const void *data, size_t length);
/* Decodes; white space is skipped. False on another byte, bad padding, a result past out->max. */
bool gpuc__base64_get(gpuc__buf *out, const char *text, size_t length);
/* "SHA256:…" of a public key blob as a new string, NULL without memory. */
char *gpuc__ssh_fingerprint(const void *blob, size_t length);
/* "type base64" of a public key blob as a new string; NULL for a blob without a plain type name. */
char *gpuc__ssh_key_line(const void *blob, size_t length);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Times as RFC 3339 text in UTC: "2026-11-29T23:40:13Z". */
#ifndef GPUC__RFC3339_H
#define GPUC__RFC3339_H
#include <stdint.h>

#define GPUC__RFC3339_SIZE 32

/* Milliseconds since the epoch into out, to the second; gives out. "" for a time out of range. */
const char *gpuc__rfc3339(char out[GPUC__RFC3339_SIZE], int64_t ms);
/* Back from that form; 0: NULL, or no such time. */
int64_t gpuc__rfc3339_read(const char *text);
/* Any form: with a fraction, and an offset in place of Z. Nanoseconds since the epoch; returns what
 * follows the time, NULL when there is none. */
const char *gpuc__rfc3339_parse(const char *text, int64_t *ns);
#endif

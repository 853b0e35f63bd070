/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPUC__UTF8_H
#define GPUC__UTF8_H
#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 sequence of two to four bytes at `at`, 0 when it is none; *c is its character. */
size_t gpuc__utf8_length(uint32_t *c, const void *at, size_t left);
#endif

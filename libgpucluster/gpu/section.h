/* SPDX-License-Identifier: Apache-2.0 */
/* The sections that the scripts in gpu/sh print, found in what a machine answered. */
#ifndef GPUC__GPU_SECTION_H
#define GPUC__GPU_SECTION_H
#include <stdbool.h>
#include <stddef.h>

/* Bytes of the answer. */
typedef struct gpuc__slice {
    const char *at;
    size_t length;
} gpuc__slice;

typedef struct gpuc__section {
    gpuc__slice body;
    bool begun, whole;
    int status; /* -1: cut before its end */
} gpuc__section;

/* 8 to 64 letters and digits. */
bool gpuc__section_nonce_ok(const char *nonce);
/* A section that was cut reaches to the end of the answer. */
gpuc__section gpuc__section_find(gpuc__slice all, const char *nonce, const char *name);
/* Cuts the next line off; false at the end. */
bool gpuc__slice_line(gpuc__slice *rest, gpuc__slice *line);
/* Copies without the white space around; control characters become spaces. */
void gpuc__slice_copy(char *out, size_t size, gpuc__slice from);
bool gpuc__slice_starts(gpuc__slice text, const char *with);
/* What follows `key` on the line that begins with it; false: there is no such line. */
bool gpuc__slice_value(char *out, size_t size, gpuc__slice body, const char *key);
#endif

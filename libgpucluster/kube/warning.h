/* SPDX-License-Identifier: Apache-2.0 */
/* Warning headers (RFC 7234, 5.5), as API servers use them for what will stop to work. Pure. */
#ifndef GPUC__KUBE_WARNING_H
#define GPUC__KUBE_WARNING_H
#include <stdbool.h>
#include <stddef.h>

/* The next warning of a header's value, from *at on: its code and its text, cut to size and without
 * control bytes. false at the end, or where the rest is no warning: *at then stands there. */
bool gpuc__warning_next(const char **at, int *code, char *text, size_t size);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Making errors. Setting one can never fail: without memory it becomes a static GPUC_ENOMEM. */
#ifndef GPUC__ERROR_H
#define GPUC__ERROR_H
#include <gpucluster.h>
#include <stdbool.h>

/* Sets *err (when err is not NULL and *err is NULL) and returns code, so that callers can write
 * `return gpuc__error_set(err, …)`. The message names what happened and where. */
int gpuc__error_set(gpuc_error **err, int code, int domain, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int gpuc__error_nomem(gpuc_error **err);
int gpuc__error_errno(gpuc_error **err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* GPUC_EIO/EPERM/ENOTFOUND by errno, SYSTEM */

/* Additions to an error just made; all do nothing when err or *err is NULL. Strings are copied. */
void gpuc__error_native(gpuc_error **err, long native_code);
void gpuc__error_at(gpuc_error **err, const char *machine, const char *step); /* NULL: leave */
void gpuc__error_evidence(gpuc_error **err, const char *text, size_t length); /* last 4 KiB kept */
void gpuc__error_remedy(gpuc_error **err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gpuc__error_retryable(gpuc_error **err, bool retryable); /* default: NETWORK, TIMEDOUT */
/* Replaces every text of an error that is not shared yet, causes included, by what map answers: a new
 * string, or NULL to drop the text. Redaction needs it. */
void gpuc__error_map_text(gpuc_error *error, char *(*map)(void *data, const char *text), void *data);
/* Wraps: *err becomes a new error of `code` whose cause is the old one; it says where, what was seen and
 * what to do as the old one does, until told otherwise. */
int gpuc__error_wrap(gpuc_error **err, int code, int domain, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* For public functions: answers GPUC_EINVAL naming the argument. */
#define GPUC__CHECK_ARG(err, condition)                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return gpuc__error_set((err), GPUC_EINVAL, GPUC_DOMAIN_NONE,                           \
                                   "%s: the argument check \"%s\" does not hold", __func__,        \
                                   #condition);                                                    \
    } while (0)
#endif

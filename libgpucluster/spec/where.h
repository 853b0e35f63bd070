/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of a spec: "file:line:column: key: what; expected what". */
#ifndef GPUC__SPEC_WHERE_H
#define GPUC__SPEC_WHERE_H
#include <gpucluster.h>

typedef struct gpuc__spec_where {
    const char *file; /* NULL: built by setters, there is no position */
    int line, column; /* 0: not known */
    const char *path; /* "machines[0].host"; NULL or empty: the whole spec */
} gpuc__spec_where;

/* With a remedy that fits a wrong value; callers replace it by a better one. */
int gpuc__spec_error(gpuc_error **err, int code, const gpuc__spec_where *where, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));
#endif

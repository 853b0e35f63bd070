/* SPDX-License-Identifier: Apache-2.0 */
/* Following a container's log so that each line comes exactly once, however often the connection
 * breaks. */
#ifndef GPUC__KUBE_LOG_H
#define GPUC__KUBE_LOG_H
#include <gpucluster.h>

#include "kube/client.h"

typedef struct gpuc__log_args {
    const char *namespace_, *pod, *container;
    int deadline_ms; /* required */
    /* One line without its newline and timestamp, NUL-terminated; at most 1 MiB, the rest of a
     * longer one is dropped. */
    void (*line)(void *data, const char *text, size_t length);
    /* result: NULL. error when the log could not be read to its end. */
    gpuc__kube_done_fn done;
    void *data;
} gpuc__log_args;

gpuc__kube_call *gpuc__log_follow(gpuc__kube *kube, const gpuc__log_args *args);
/* The container has ended: the log is complete once a stream opened from now on has ended. */
void gpuc__log_container_ended(gpuc__kube_call *log);

/* Splits the timestamp from a line: *seconds since 1970, returns where the text begins; NULL when
 * the line does not begin with a timestamp. The line ends in NUL. */
const char *gpuc__log_parse_line(const char *line, int64_t *seconds);
#endif

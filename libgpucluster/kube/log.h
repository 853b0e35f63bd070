/* SPDX-License-Identifier: Apache-2.0 */
/* Following a container's log so that each line comes exactly once, however often the connection
 * breaks and the container is started again. */
#ifndef GPUC__KUBE_LOG_H
#define GPUC__KUBE_LOG_H
#include <gpucluster.h>

#include "kube/client.h"

/* What is known of a log's wholeness. */
typedef struct gpuc__log_counts {
    uint64_t lines;
    uint64_t cut;  /* lines longer than 1 MiB: their rest was dropped */
    uint64_t gaps; /* places where lines may be missing, which the node had thrown away */
} gpuc__log_counts;

typedef struct gpuc__log_args {
    const char *namespace_, *pod, *container;
    int deadline_ms; /* required */
    bool restarts;   /* the kubelet may start the container again in its place */
    bool restarted;  /* it has done so already: begin with the log of the life before */
    /* One line without its newline and timestamp, NUL-terminated; at most 1 MiB, the rest of a
     * longer one is dropped. */
    void (*line)(void *data, const char *text, size_t length);
    gpuc__log_counts *counts; /* kept up to date; lives as long as the call */
    /* result: NULL. error when the log could not be read to its end. */
    gpuc__kube_done_fn done;
    void *data;
} gpuc__log_args;

gpuc__kube_call *gpuc__log_follow(gpuc__kube *kube, const gpuc__log_args *args);
/* The container has ended for good: the log is complete once a stream opened from now on has
 * ended. */
void gpuc__log_container_ended(gpuc__kube_call *log);

/* Splits the timestamp from a line: *at in nanoseconds since 1970, returns where the text begins;
 * NULL when the line does not begin with a timestamp. The line ends in NUL. */
const char *gpuc__log_parse_line(const char *line, int64_t *at);
#endif

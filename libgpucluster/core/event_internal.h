/* SPDX-License-Identifier: Apache-2.0 */
/* An event's fields, shared by core/event.c and core/event_queue.c only. */
#ifndef GPUC__EVENT_INTERNAL_H
#define GPUC__EVENT_INTERNAL_H
#include <gpucluster.h>
#include <stdatomic.h>

struct gpuc_event {
    atomic_int refs;
    int kind, done, total;
    int64_t time, remaining;
    char *machine, *step, *message;
    gpuc_event *next, *next_progress; /* while it waits in a queue */
};
#endif

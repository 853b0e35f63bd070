/* SPDX-License-Identifier: Apache-2.0 */
/* The context's own fields, shared by core/context.c, core/redact.c and core/event_queue.c only. */
#ifndef GPUC__CONTEXT_INTERNAL_H
#define GPUC__CONTEXT_INTERNAL_H
#include "core/context.h"

#include <pthread.h>
#include <stdatomic.h>

#define GPUC__EVENTS_MAX 10000

/* A callback of the user's with what it needs; `destroy` is called once. */
typedef struct gpuc__hook {
    void (*fn)(void);
    void *userdata;
    gpuc_destroy_fn destroy;
} gpuc__hook;

typedef struct gpuc__task_list {
    gpuc__task *first, *last;
    size_t count;
} gpuc__task_list;

typedef struct gpuc__event_queue {
    gpuc_event *first, *last;                   /* all that wait */
    gpuc_event *first_progress, *last_progress; /* those that may be dropped, oldest first */
    size_t count;
} gpuc__event_queue;

/* core/google.c: the access token that the program gave, and how to ask it for one. */
typedef struct gpuc__google {
    char *token;
    uint64_t until; /* gpuc__clock_ms; 0: not known */
    unsigned serial;
    gpuc__hook ask, retired;
    gpuc__google_watch *watches;
} gpuc__google;

struct gpuc_context {
    atomic_int refs;
    atomic_bool running;     /* a thread is inside uv_run */
    atomic_uintptr_t thread; /* the one that used the context last */
    bool dying, delivering, logging;
    unsigned in_callback;
    uint64_t last_id;

    uv_loop_t loop;
    uv_idle_t idle;   /* active while tasks are posted: the loop then never sleeps */
    uv_timer_t limit; /* bounds one gpuc_context_run */
    uv_async_t async;
    gpuc__task_list posted;

    pthread_mutex_t mutex; /* guards the two lists that other threads add to */
    gpuc__task_list inbox, dead;

    gpuc__hook log, event;
    gpuc__hook retired_log, retired_event; /* replaced while it ran: released when it returns */
    int log_level;
    gpuc__event_queue queue;
    gpuc__google google;

    char **secrets; /* longest first */
    size_t secret_count, secret_capacity;
};

void gpuc__context_clear_secrets(gpuc_context *context);
void gpuc__context_clear_events(gpuc_context *context);
void gpuc__context_clear_google(gpuc_context *context);
void gpuc__hook_release(gpuc__hook *hook);
/* `retired` keeps what is replaced while it runs. */
void gpuc__hook_replace(gpuc_context *context, gpuc__hook *hook, gpuc__hook *retired,
                        gpuc__hook with);
/* Which of two kinds of event may be dropped when too many wait. */
bool gpuc__event_is_progress(const gpuc_event *event);
#endif

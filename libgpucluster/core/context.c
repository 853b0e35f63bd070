/* SPDX-License-Identifier: Apache-2.0 */
/* The context: its loop, the ways to run it, tasks, and when it dies. */
#include <stdarg.h>
#include <string.h>

#include "core/context_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define LOG_LINE_MAX (16 * 1024)

/* ---- tasks ---- */

static void list_add(gpuc__task_list *list, gpuc__task *task)
{
    task->next = NULL;
    task->prev = list->last;
    if (list->last)
        list->last->next = task;
    else
        list->first = task;
    list->last = task;
    list->count++;
}

static void list_remove(gpuc__task_list *list, gpuc__task *task)
{
    if (task->prev)
        task->prev->next = task->next;
    else
        list->first = task->next;
    if (task->next)
        task->next->prev = task->prev;
    else
        list->last = task->prev;
    task->next = task->prev = NULL;
    list->count--;
}

/* Runs what was posted up to now; what that posts waits for the next turn. */
static void run_posted(gpuc_context *context)
{
    size_t n = context->posted.count;

    while (n-- && context->posted.first) {
        gpuc__task *task = context->posted.first;

        list_remove(&context->posted, task);
        task->posted = false;
        task->fn(task->data);
    }
    if (!context->posted.first)
        uv_idle_stop(&context->idle);
}

static void on_idle(uv_idle_t *handle)
{
    run_posted(handle->data);
}

void gpuc__context_post(gpuc_context *context, gpuc__task *task)
{
    if (task->posted)
        return;
    task->posted = true;
    list_add(&context->posted, task);
    uv_idle_start(&context->idle, on_idle);
}

void gpuc__context_unpost(gpuc_context *context, gpuc__task *task)
{
    if (!task->posted)
        return;
    task->posted = false;
    list_remove(&context->posted, task);
}

typedef struct deferred {
    gpuc__task task;
    void (*fn)(void *data);
    void *data;
} deferred;

static void run_deferred(void *data)
{
    deferred *item = data;

    item->fn(item->data);
    gpuc__free(item);
}

int gpuc__context_defer(gpuc_context *context, void (*fn)(void *data), void *data)
{
    deferred *item = gpuc__calloc(1, sizeof(*item));

    if (!item)
        return GPUC_ENOMEM;
    item->task = (gpuc__task){.fn = run_deferred, .data = item};
    item->fn = fn;
    item->data = data;
    gpuc__context_post(context, &item->task);
    return GPUC_OK;
}

/* Takes a list that other threads add to and runs it on this one. */
static void run_shared(gpuc_context *context, gpuc__task_list *shared)
{
    gpuc__task_list list;

    pthread_mutex_lock(&context->mutex);
    list = *shared;
    memset(shared, 0, sizeof(*shared));
    pthread_mutex_unlock(&context->mutex);
    while (list.first) {
        gpuc__task *task = list.first;

        list_remove(&list, task);
        task->fn(task->data);
    }
}

static void on_async(uv_async_t *handle)
{
    gpuc_context *context = handle->data;

    run_shared(context, &context->inbox);
    run_shared(context, &context->dead);
}

static void share(gpuc_context *context, gpuc__task_list *shared, gpuc__task *task)
{
    pthread_mutex_lock(&context->mutex);
    list_add(shared, task);
    uv_async_send(&context->async);
    pthread_mutex_unlock(&context->mutex);
}

void gpuc__context_send(gpuc_context *context, gpuc__task *task)
{
    share(context, &context->inbox, task);
}

static bool is_here(gpuc_context *context)
{
    return atomic_load(&context->thread) == (uintptr_t)pthread_self();
}

void gpuc__context_bury(gpuc_context *context, gpuc__task *task)
{
    if (is_here(context))
        task->fn(task->data);
    else
        share(context, &context->dead, task);
    gpuc_context_unref(context);
}

/* ---- life ---- */

static int init_handles(gpuc_context *context)
{
    int rc = uv_loop_init(&context->loop);

    if (rc)
        return rc;
    rc = uv_async_init(&context->loop, &context->async, on_async);
    if (rc) {
        uv_loop_close(&context->loop);
        return rc;
    }
    uv_idle_init(&context->loop, &context->idle);
    uv_timer_init(&context->loop, &context->limit);
    context->async.data = context->idle.data = context->limit.data = context;
    return 0;
}

int gpuc_context_new(gpuc_context **out, gpuc_error **err)
{
    gpuc_context *context;
    int rc;

    GPUC__CHECK_ARG(err, out);
    context = gpuc__calloc(1, sizeof(*context));
    if (!context)
        return gpuc__error_nomem(err);
    atomic_init(&context->refs, 1);
    atomic_init(&context->running, false);
    atomic_init(&context->thread, (uintptr_t)pthread_self());
    pthread_mutex_init(&context->mutex, NULL);
    rc = init_handles(context);
    if (rc) {
        pthread_mutex_destroy(&context->mutex);
        gpuc__free(context);
        if (rc == UV_ENOMEM)
            return gpuc__error_nomem(err);
        gpuc__error_errno(err, -rc, "cannot make an event loop");
        gpuc__error_remedy(err, "raise the limit of open files (ulimit -n) or close some");
        return GPUC_EIO;
    }
    *out = context;
    return GPUC_OK;
}

static void close_left(uv_handle_t *handle, void *data)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Runs with no reference left, so nobody else is inside; what it frees may still ref and unref. */
static void destroy(gpuc_context *context)
{
    context->dying = true;
    atomic_store(&context->thread, (uintptr_t)pthread_self());
    for (int i = 0; i < 100 && (context->posted.first || context->dead.first); i++) {
        run_posted(context);
        run_shared(context, &context->dead);
    }
    uv_walk(&context->loop, close_left, NULL);
    while (uv_loop_close(&context->loop) == UV_EBUSY)
        uv_run(&context->loop, UV_RUN_DEFAULT);
    gpuc__context_clear_events(context);
    gpuc__hook_release(&context->event);
    gpuc__hook_release(&context->log);
    gpuc__context_clear_google(context);
    gpuc__context_clear_secrets(context);
    pthread_mutex_destroy(&context->mutex);
    gpuc__free(context);
}

gpuc_context *gpuc_context_ref(gpuc_context *context)
{
    atomic_fetch_add(&context->refs, 1);
    return context;
}

gpuc_context *gpuc_context_unref(gpuc_context *context)
{
    if (!context)
        return NULL;
    /* What other threads let go of may hold the context; here it can be freed without a turn. */
    if (is_here(context) && !context->dying)
        run_shared(context, &context->dead);
    if (atomic_fetch_sub(&context->refs, 1) == 1 && !context->dying)
        destroy(context);
    return NULL;
}

uv_loop_t *gpuc__context_loop(gpuc_context *context)
{
    return &context->loop;
}

uint64_t gpuc__context_next_id(gpuc_context *context)
{
    /* Starting an operation claims the context for this thread, as running it does. */
    atomic_store(&context->thread, (uintptr_t)pthread_self());
    return ++context->last_id;
}

/* ---- running ---- */

/* Mostly it ends the poll by being due. On a busy machine it may be so before the loop polls, which
 * would then wait for what comes next, however long. */
static void on_limit(uv_timer_t *handle)
{
    uv_stop(handle->loop);
}

static int refuse_to_run(gpuc_error **err)
{
    gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_NONE,
                    "the context is running already: called from one of its callbacks, or "
                    "from a second thread");
    gpuc__error_remedy(err, "return from the callback first; one thread at a time per context");
    return GPUC_ESTATE;
}

int gpuc__context_check_idle(gpuc_context *context, gpuc_error **err)
{
    return context->in_callback || atomic_load(&context->running) ? refuse_to_run(err) : GPUC_OK;
}

static int turn(gpuc_context *context, int timeout_ms, gpuc_error **err)
{
    if (context->in_callback || atomic_exchange(&context->running, true))
        return refuse_to_run(err);
    gpuc_context_ref(context);
    atomic_store(&context->thread, (uintptr_t)pthread_self());
    if (timeout_ms > 0) {
        uv_update_time(&context->loop);
        uv_timer_start(&context->limit, on_limit, (uint64_t)timeout_ms, 0);
    }
    uv_run(&context->loop, timeout_ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    uv_timer_stop(&context->limit);
    atomic_store(&context->running, false);
    gpuc_context_unref(context);
    return GPUC_OK;
}

int gpuc_context_process(gpuc_context *context, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, context);
    return turn(context, 0, err);
}

int gpuc_context_run(gpuc_context *context, int timeout_ms, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, context);
    GPUC__CHECK_ARG(err, timeout_ms >= -1);
    return turn(context, timeout_ms, err);
}

int gpuc_context_fd(gpuc_context *context)
{
    return uv_backend_fd(&context->loop);
}

int gpuc_context_timeout(gpuc_context *context)
{
    /* Posted tasks, closing handles and watchers that the kernel does not know yet all need a turn
     * before the descriptor can be trusted; libuv answers 0 for the last two. */
    if (context->posted.first)
        return 0;
    uv_update_time(&context->loop);
    return uv_backend_timeout(&context->loop);
}

void gpuc_context_wakeup(gpuc_context *context)
{
    if (context)
        uv_async_send(&context->async);
}

/* ---- callbacks ---- */

void gpuc__hook_release(gpuc__hook *hook)
{
    gpuc__hook old = *hook;

    memset(hook, 0, sizeof(*hook));
    if (old.destroy)
        old.destroy(old.userdata);
}

void gpuc__hook_replace(gpuc_context *context, gpuc__hook *hook, gpuc__hook *retired,
                        gpuc__hook with)
{
    gpuc__hook old = *hook;

    *hook = with;
    /* A callback may replace itself: its userdata must last until it returns. Only the first that
     * is replaced can be the one that runs. */
    if (context->in_callback && !retired->destroy)
        *retired = old;
    else
        gpuc__hook_release(&old);
}

void gpuc__context_callback_begin(gpuc_context *context)
{
    context->in_callback++;
}

void gpuc__context_callback_end(gpuc_context *context)
{
    if (--context->in_callback)
        return;
    gpuc__hook_release(&context->retired_event);
    gpuc__hook_release(&context->retired_log);
    gpuc__hook_release(&context->google.retired);
}

void gpuc_context_set_event(gpuc_context *context, gpuc_event_fn fn, void *userdata,
                            gpuc_destroy_fn destroy_fn)
{
    if (context)
        gpuc__hook_replace(context, &context->event, &context->retired_event,
                           (gpuc__hook){(void (*)(void))fn, userdata, destroy_fn});
}

void gpuc_context_set_log(gpuc_context *context, gpuc_log_fn fn, int level, void *userdata,
                          gpuc_destroy_fn destroy_fn)
{
    if (!context)
        return;
    context->log_level = level;
    gpuc__hook_replace(context, &context->log, &context->retired_log,
                       (gpuc__hook){(void (*)(void))fn, userdata, destroy_fn});
}

void gpuc__log(gpuc_context *context, int level, const char *category, const char *format, ...)
{
    gpuc__buf raw = GPUC__BUF_INIT(LOG_LINE_MAX);
    char *clean = NULL, *line = NULL;
    va_list args;

    if (!context->log.fn || level > context->log_level || context->logging)
        return;
    va_start(args, format);
    if (!gpuc__buf_vprintf(&raw, format, args)) {
        gpuc__buf_reset(&raw);
        gpuc__buf_puts(&raw, "[a log line too long to show]");
    }
    va_end(args);
    clean = gpuc__context_redact(context, gpuc__buf_text(&raw));
    line = clean ? gpuc__text_line(clean) : NULL;
    if (line) {
        context->logging = true;
        gpuc__context_callback_begin(context);
        ((gpuc_log_fn)context->log.fn)(context, level, category, line, context->log.userdata);
        gpuc__context_callback_end(context);
        context->logging = false;
    }
    gpuc__free(line);
    gpuc__free(clean);
    gpuc__buf_clear(&raw);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The context: one event loop that all operations of a program run on.
 *
 * Either let the library run it (gpuc_context_run, or any blocking call), or put gpuc_context_fd into
 * your own loop, poll it for reading for at most gpuc_context_timeout milliseconds, and then call
 * gpuc_context_process. */
#ifndef GPUCLUSTER_CONTEXT_H
#define GPUCLUSTER_CONTEXT_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** Log levels, each including those above it. */
enum { GPUC_LOG_ERROR = 0, GPUC_LOG_WARN = 1, GPUC_LOG_INFO = 2, GPUC_LOG_DEBUG = 3 };

/**
 * Receives a log line. It runs on the thread that runs the context and may call any function of the
 * library except those that run the context (they return GPUC_ESTATE).
 * @param category  "ssh", "http", "step" …; borrowed
 * @param message   one line, secrets redacted; borrowed
 */
typedef void (*gpuc_log_fn)(gpuc_context *context, int level, const char *category,
                            const char *message, void *userdata);

/** Receives an event; the same rules as gpuc_log_fn. The event is borrowed. */
typedef void (*gpuc_event_fn)(gpuc_context *context, gpuc_event *event, void *userdata);

/**
 * Makes a context.
 * @param[out] out  the context, owned by the caller.
 * @param[out] err  NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOMEM, GPUC_EINVAL, GPUC_EIO (no descriptors left).
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_context_new(gpuc_context **out, gpuc_error **err);

/** Takes a reference. @param[in] context not NULL. @return context. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_context *gpuc_context_ref(gpuc_context *context);

/** Drops a reference; the last one, once no operation is left, closes the loop. @param[in] context may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_context *gpuc_context_unref(gpuc_context *context);

/**
 * Sets the log callback, replacing any earlier one.
 * @param[in] context   not NULL.
 * @param[in] fn        NULL for none.
 * @param[in] level     the least urgent GPUC_LOG level wanted.
 * @param[in] userdata  passed to fn.
 * @param[in] destroy   NULL, or called once when userdata is no longer needed.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API void gpuc_context_set_log(gpuc_context *context, gpuc_log_fn fn, int level, void *userdata,
                                   gpuc_destroy_fn destroy);

/**
 * Sets the event callback. While one is set, gpuc_context_next_event finds nothing.
 * @param[in] context   not NULL.
 * @param[in] fn        NULL for none.
 * @param[in] userdata  passed to fn.
 * @param[in] destroy   NULL, or called once when userdata is no longer needed.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API void gpuc_context_set_event(gpuc_context *context, gpuc_event_fn fn, void *userdata,
                                     gpuc_destroy_fn destroy);

/**
 * Takes the oldest waiting event. At most 10000 wait; then the oldest progress events go first.
 * @param[in]  context  not NULL.
 * @param[out] out      the event, owned by the caller; NULL when none waits.
 * @return 1 with an event, 0 without.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_context_next_event(gpuc_context *context, gpuc_event **out);

/** The descriptor to poll for reading. @param[in] context not NULL. @return a descriptor, borrowed. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_context_fd(gpuc_context *context);

/** How long to poll at most. @param[in] context not NULL. @return milliseconds, 0 = at once, -1 = no limit. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_context_timeout(gpuc_context *context);

/**
 * Does what is due, without waiting.
 * @param[in]  context  not NULL.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_ESTATE (called from a callback of this context).
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_context_process(gpuc_context *context, gpuc_error **err);

/**
 * Waits until something is due, for at most timeout_ms, and does it.
 * @param[in]  context     not NULL.
 * @param[in]  timeout_ms  milliseconds; 0 as gpuc_context_process; -1 without limit.
 * @param[out] err         NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_ESTATE (called from a callback of this context).
 * @blocking for at most timeout_ms
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_context_run(gpuc_context *context, int timeout_ms, gpuc_error **err);

/** Makes a gpuc_context_run that waits return. @param[in] context not NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API void gpuc_context_wakeup(gpuc_context *context);

GPUC_END_DECLS

#endif

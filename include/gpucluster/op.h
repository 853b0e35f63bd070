/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: work under way. Each completes exactly once: done, failed or cancelled. */
#ifndef GPUCLUSTER_OP_H
#define GPUCLUSTER_OP_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** States of an operation. */
enum { GPUC_OP_RUNNING = 0, GPUC_OP_DONE = 1, GPUC_OP_FAILED = 2, GPUC_OP_CANCELLED = 3 };

/** Called once when the operation completes, on the context's thread; same rules as gpuc_log_fn. */
typedef void (*gpuc_op_fn)(gpuc_op *op, void *userdata);

/** A number that names the operation in events and logs. @param[in] op not NULL. @return the id, unique in its context. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API uint64_t gpuc_op_id(const gpuc_op *op);

/** The GPUC_OP state. @param[in] op not NULL. @return the state. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_op_state(const gpuc_op *op);

/**
 * How far it is.
 * @param[in]  op         not NULL.
 * @param[out] done       steps done; may be NULL.
 * @param[out] total      steps in all; may be NULL.
 * @param[out] remaining  estimate in milliseconds, -1 unknown; may be NULL.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API void gpuc_op_progress(const gpuc_op *op, int *done, int *total, int64_t *remaining);

/**
 * Calls fn at completion; at the next turn of the loop if it has completed already.
 * @param[in] op        not NULL.
 * @param[in] fn        NULL removes an earlier one.
 * @param[in] userdata  passed to fn.
 * @param[in] destroy   NULL, or called once when userdata is no longer needed.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API void gpuc_op_set_done(gpuc_op *op, gpuc_op_fn fn, void *userdata, gpuc_destroy_fn destroy);

/** Asks the operation to stop; it completes as GPUC_OP_CANCELLED soon after, unless it completes first. @param[in] op not NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API void gpuc_op_cancel(gpuc_op *op);

/**
 * Runs the context until the operation has completed.
 * @param[in]  op          not NULL.
 * @param[in]  timeout_ms  milliseconds, -1 without limit.
 * @param[out] err         NULL or where the operation's own error goes.
 * @return GPUC_OK when it is done; the operation's code when it failed or was cancelled;
 *         GPUC_ETIMEDOUT while it still runs; GPUC_ESTATE from a callback of its context.
 * @blocking for at most timeout_ms
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_op_wait(gpuc_op *op, int timeout_ms, gpuc_error **err);

/** The error it failed with. @param[in] op not NULL. @return borrowed, NULL while running or when done. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API const gpuc_error *gpuc_op_error(const gpuc_op *op);

/** Result of a plan operation. @param[in] op not NULL. @return a borrowed plan, NULL if it has none. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API gpuc_plan *gpuc_op_plan(const gpuc_op *op);

/** Result of an up or verify operation. @param[in] op not NULL. @return a borrowed report, NULL if it has none. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API gpuc_report *gpuc_op_report(const gpuc_op *op);

/** Result of an operation that gives JSON (gpuc_catalog_start, gpuc_gc_start). @param[in] op not NULL. @return borrowed, valid as long as op; NULL if it has none. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API const char *gpuc_op_json(const gpuc_op *op);

/** Takes a reference. @param[in] op not NULL. @return op. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_op *gpuc_op_ref(gpuc_op *op);

/** Drops a reference. An operation that runs goes on without its handle. @param[in] op may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_op *gpuc_op_unref(gpuc_op *op);

GPUC_END_DECLS

#endif

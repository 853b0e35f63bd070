/* SPDX-License-Identifier: Apache-2.0 */
/* Events: what happens, as it happens, as data. */
#ifndef GPUCLUSTER_EVENT_H
#define GPUCLUSTER_EVENT_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** Kinds of event. */
enum {
    GPUC_EVENT_STEP_STARTED = 1,   /**< a step's act begins (or is attached to again) */
    GPUC_EVENT_STEP_PROGRESS = 2,  /**< a step's latest line of output, or its share done */
    GPUC_EVENT_STEP_DONE = 3,      /**< a step's effect is there */
    GPUC_EVENT_STEP_FAILED = 4,    /**< a step failed for good; the message says why */
    GPUC_EVENT_STEP_RETRY = 5,     /**< a step failed and will be tried again */
    GPUC_EVENT_STEP_SKIPPED = 6,   /**< skipped by the caller, or because of a failed dependency */
    GPUC_EVENT_PROGRESS = 7,       /**< steps done of all, and the estimate of the time left */
    GPUC_EVENT_NOTICE = 8,         /**< something the person should know, SIMULATED GPU for one */
    GPUC_EVENT_LOG_LINE = 9,       /**< a line of a job's log */
    GPUC_EVENT_OP_DONE = 10        /**< an operation completed */
};

/** The GPUC_EVENT kind. @param[in] event not NULL. @return the kind. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int gpuc_event_kind(const gpuc_event *event);

/** When it happened. @param[in] event not NULL. @return milliseconds since 1970 UTC. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int64_t gpuc_event_time(const gpuc_event *event);

/** The machine. @param[in] event not NULL. @return borrowed, or NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_event_machine(const gpuc_event *event);

/** The step's id. @param[in] event not NULL. @return borrowed, or NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_event_step(const gpuc_event *event);

/** One line for a person, secrets redacted. @param[in] event not NULL. @return borrowed, never NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_event_message(const gpuc_event *event);

/** Steps done. @param[in] event not NULL. @return a count, 0 where it does not apply. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int gpuc_event_done(const gpuc_event *event);

/** Steps in all. @param[in] event not NULL. @return a count, 0 where it does not apply. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int gpuc_event_total(const gpuc_event *event);

/** Estimate of the time left from earlier runs. @param[in] event not NULL. @return milliseconds, -1 when unknown. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int64_t gpuc_event_remaining(const gpuc_event *event);

/** The event as a JSON object on one line. @param[in] event not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_event_to_json(const gpuc_event *event);

/** Takes a reference. @param[in] event not NULL. @return event. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_event *gpuc_event_ref(gpuc_event *event);

/** Drops a reference. @param[in] event may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_event *gpuc_event_unref(gpuc_event *event);

GPUC_END_DECLS

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: what `up` would do, found without side effects. */
#ifndef GPUCLUSTER_PLAN_H
#define GPUCLUSTER_PLAN_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** What the plan says of a step. */
enum {
    GPUC_STEP_NEEDED = 1,  /**< its effect is not there: `up` will act */
    GPUC_STEP_PRESENT = 2, /**< its effect is there */
    GPUC_STEP_SKIPPED = 3, /**< skipped at the caller's wish */
    GPUC_STEP_UNKNOWN = 4, /**< cannot be told before an earlier step has run */
    GPUC_STEP_CHECK = 5    /**< looks only (the proof): runs each time, changes nothing */
};

/** Steps in the plan, of every kind. @param[in] plan not NULL. @return a count. @blocking no @threadsafety any thread; plans are immutable @since 0.1 */
GPUC_API size_t gpuc_plan_size(const gpuc_plan *plan);

/** A step, in an order that its dependencies allow. @param[in] plan not NULL. @param[in] index below gpuc_plan_size. @return borrowed; NULL past the end. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const gpuc_step *gpuc_plan_step(const gpuc_plan *plan, size_t index);

/** How many steps would change something (needed or unknown). @param[in] plan not NULL. @return a count; 0 means nothing to do. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API size_t gpuc_plan_changes(const gpuc_plan *plan);

/** The plan as a table for people. @param[in] plan not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_plan_to_text(const gpuc_plan *plan);

/** The exact commands of every step, as a commented shell text. @param[in] plan not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_plan_to_shell(const gpuc_plan *plan);

/** The plan as JSON: {"cluster","changes","steps":[{"id","machine","title","verdict","detail","after"}],"provider"}; provider is there where the machines' provider has something to say of them all, such as their price. @param[in] plan not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API char *gpuc_plan_to_json(const gpuc_plan *plan);

/** Takes a reference. @param[in] plan not NULL. @return plan. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_plan *gpuc_plan_ref(gpuc_plan *plan);

/** Drops a reference. @param[in] plan may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_plan *gpuc_plan_unref(gpuc_plan *plan);

/** The step's id in the recipe, "os.swap". @param[in] step not NULL. @return borrowed. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_step_id(const gpuc_step *step);

/** Its machine. @param[in] step not NULL. @return borrowed; NULL for a step of the cluster. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_step_machine(const gpuc_step *step);

/** What it does, for a person. @param[in] step not NULL. @return borrowed. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_step_title(const gpuc_step *step);

/** The GPUC_STEP verdict. @param[in] step not NULL. @return the verdict. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int gpuc_step_verdict(const gpuc_step *step);

/** Why the verdict is what it is. @param[in] step not NULL. @return borrowed; "" when there is nothing to say. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_step_detail(const gpuc_step *step);

GPUC_END_DECLS

#endif

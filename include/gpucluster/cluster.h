/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters: open, plan, up, verify, status, down. Each X_start gives an operation; the function
 * without _start runs it to its end. */
#ifndef GPUCLUSTER_CLUSTER_H
#define GPUCLUSTER_CLUSTER_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** Options of gpuc_cluster_open. Fill it with GPUC_CLUSTER_OPTIONS_INIT or the init function. */
typedef struct gpuc_cluster_options {
    uint32_t struct_size;   /**< sizeof(gpuc_cluster_options) */
    uint32_t flags;         /**< 0 */
    const char *state_dir;  /**< NULL: $XDG_STATE_HOME/gpucluster */
    uint32_t parallel;      /**< machines worked on at once; 0: 64 */
    uint32_t reserved;      /**< 0 */
} gpuc_cluster_options;

#define GPUC_CLUSTER_OPTIONS_INIT {sizeof(gpuc_cluster_options), 0, NULL, 0, 0}

/** Fills options with the defaults, for languages without macros. @param[out] options not NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API void gpuc_cluster_options_init(gpuc_cluster_options *options);

/**
 * Opens a cluster: from a spec, or the one of that name that the state directory knows.
 * Nothing is contacted; the state is opened for reading until an operation needs to write.
 * @param[out] out      the cluster, owned by the caller.
 * @param[in]  context  its event loop; the cluster keeps a reference.
 * @param[in]  spec     the spec, copied; NULL to use the spec of the last `up` of `name`.
 * @param[in]  name     NULL or "" with a spec.
 * @param[in]  options  NULL for the defaults.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (spec or options), GPUC_ENOTFOUND (no such cluster), GPUC_EIO,
 *         GPUC_EPERM (state readable by others), GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_open(gpuc_cluster **out, gpuc_context *context, const gpuc_spec *spec,
                               const char *name, const gpuc_cluster_options *options,
                               gpuc_error **err);

/**
 * Skips a step of the recipe on every machine, or on one; the plan shows it as skipped.
 * The choice is kept in the state, so that it holds after a crash.
 * @param[in]  cluster  not NULL.
 * @param[in]  step     the step's id, "os.swap".
 * @param[in]  machine  NULL or "" for all.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (not in the recipe; the nearest is named), GPUC_ENOMEM, GPUC_EIO.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_skip_step(gpuc_cluster *cluster, const char *step, const char *machine,
                                    gpuc_error **err);

/**
 * Sets a limit of one of the proof's checks for this object's life, or switches the check off.
 * docs/checks.md lists checks and limits; a spec's `checks` sets them for good.
 * @param[in]  cluster  not NULL.
 * @param[in]  check    "mem.remap.uncorrectable_fail", or "thermal.temp" for the check as a whole.
 * @param[in]  value    a number; of a whole check "off", or "on" to take back what was set.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (no such check or limit; the nearest is named), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_set_check(gpuc_cluster *cluster, const char *check, const char *value,
                                    gpuc_error **err);

/** A step of the caller's own. Scripts are POSIX sh, run as root on the machine. */
typedef struct gpuc_custom_step {
    uint32_t struct_size;  /**< sizeof(gpuc_custom_step) */
    uint32_t timeout_s;    /**< deadline of the act in seconds; 0: 600 */
    const char *id;        /**< "site.ntp": a name with a dot that the recipe does not use */
    const char *title;     /**< one line for a person; NULL: the id */
    const char *after;     /**< id of the step it follows; NULL: "os.packages" */
    const char *roles;     /**< "all", "worker", "control-plane" or "gpu"; NULL: "all" */
    const char *probe;     /**< exits 0 when the effect is there; not NULL */
    const char *act;       /**< brings the effect about; run at most once per attempt; not NULL */
    const char *undo;      /**< takes it back at `down`; NULL: nothing to take back */
} gpuc_custom_step;

#define GPUC_CUSTOM_STEP_INIT {sizeof(gpuc_custom_step), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL}

/** Fills the struct with the defaults, for languages without macros. @param[out] step not NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API void gpuc_custom_step_init(gpuc_custom_step *step);

/**
 * Adds a step of the caller's own to the recipe of this cluster; kept in the state.
 * @param[in]  cluster  not NULL.
 * @param[in]  step     copied. The same id replaces the step.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (missing script, bad id, unknown `after`), GPUC_ENOMEM, GPUC_EIO.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_add_step(gpuc_cluster *cluster, const gpuc_custom_step *step,
                                   gpuc_error **err);

/** Flags of up and down. */
enum {
    GPUC_UP_NO_PROOF = 1,       /**< up: stop before the proof */
    GPUC_DOWN_PURGE_DRIVER = 2  /**< down: also remove the NVIDIA driver that `up` installed */
};

/**
 * Looks, without side effects, at what `up` would do. The result is gpuc_op_plan.
 * @param[out] out      the operation, owned by the caller.
 * @param[in]  cluster  not NULL.
 * @param[in]  flags    0.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EBUSY (another operation of this program on the cluster), GPUC_EINVAL,
 *         GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_plan_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags,
                                     gpuc_error **err);

/** As gpuc_cluster_plan_start, to its end. @param[out] out the plan, owned by the caller. @param[in] cluster not NULL. @param[in] flags 0. @param[out] err NULL or where an error goes. @return GPUC_OK, or the operation's code. @blocking yes @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_cluster_plan(gpuc_plan **out, gpuc_cluster *cluster, uint32_t flags,
                               gpuc_error **err);

/**
 * Makes it so: creates or adopts the machines, brings up Kubernetes, proves the GPUs, labels the
 * nodes; machines that are no longer in the spec are drained and removed. Safe to run again after
 * anything. The result is gpuc_op_report.
 * @param[out] out      the operation, owned by the caller.
 * @param[in]  cluster  not NULL, opened with a spec or known to the state.
 * @param[in]  flags    0 or GPUC_UP_NO_PROOF.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EBUSY (another process holds the cluster; it is named), GPUC_EINVAL,
 *         GPUC_EIO, GPUC_ENOMEM. The operation itself ends with GPUC_ESTEP, GPUC_EPROOF or
 *         GPUC_ECANCELLED.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_up_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags,
                                   gpuc_error **err);

/** As gpuc_cluster_up_start, to its end. @param[in] cluster not NULL. @param[in] flags as there. @param[out] err NULL or where an error goes. @return GPUC_OK, or the operation's code. @blocking yes @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_cluster_up(gpuc_cluster *cluster, uint32_t flags, gpuc_error **err);

/**
 * The proof, again: reads, computes, compares, and sets the labels by the verdict. The result is
 * gpuc_op_report, also when the verdict is bad. Of a cluster that is not up the machines alone are
 * proven, as gpuc_verification_start does it: nothing is changed, and a notice says so.
 * @param[out] out      the operation, owned by the caller.
 * @param[in]  cluster  not NULL.
 * @param[in]  flags    0.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EBUSY, GPUC_EINVAL, GPUC_ESTATE (not up, and no machine with a GPU is
 *         there), GPUC_EAUTH (not up, and no key to log in with), GPUC_ENOMEM. The operation ends
 *         with GPUC_EPROOF when a check failed.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_verify_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags,
                                       gpuc_error **err);

/** As gpuc_cluster_verify_start, to its end. @param[out] out the report, owned by the caller; set also with GPUC_EPROOF. @param[in] cluster not NULL. @param[in] flags 0. @param[out] err NULL or where an error goes. @return GPUC_OK, or the operation's code. @blocking yes @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_cluster_verify(gpuc_report **out, gpuc_cluster *cluster, uint32_t flags,
                                 gpuc_error **err);

/**
 * What the state has of the last proof of each machine that the spec gives GPUs; no machine is
 * contacted. A machine without a proof is there with its one check skipped.
 * @param[out] out      the report, owned by the caller.
 * @param[in]  cluster  not NULL.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_report(gpuc_report **out, gpuc_cluster *cluster, gpuc_error **err);

/**
 * Undoes what `up` did: deletes the machines it made, takes Kubernetes and what came with it off the
 * hosts it adopted, and then removes the state.
 * @param[out] out      the operation, owned by the caller.
 * @param[in]  cluster  not NULL.
 * @param[in]  flags    0 or GPUC_DOWN_PURGE_DRIVER.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EBUSY, GPUC_EINVAL, GPUC_ENOMEM. The operation ends with GPUC_ESTEP when
 *         something could not be removed; the state is kept then.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_down_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags,
                                     gpuc_error **err);

/** As gpuc_cluster_down_start, to its end. @param[in] cluster not NULL. @param[in] flags as there. @param[out] err NULL or where an error goes. @return GPUC_OK, or the operation's code. @blocking yes @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_cluster_down(gpuc_cluster *cluster, uint32_t flags, gpuc_error **err);

/**
 * What the state knows: machines, steps and why each is where it is. Works while another process
 * runs `up`.
 * @param[out] out      new JSON string (gpuc_free).
 * @param[in]  cluster  not NULL.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EIO, GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_status(char **out, gpuc_cluster *cluster, gpuc_error **err);

/**
 * Marks a machine to be replaced: the next `up` drains and removes it and makes it anew.
 * @param[in]  cluster  not NULL.
 * @param[in]  machine  the machine's name.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOTFOUND, GPUC_EUNSUPPORTED (adopted hosts are not made anew), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_replace(gpuc_cluster *cluster, const char *machine, gpuc_error **err);

/**
 * Marks a machine that is gone for good, an adopted host or a control plane: when `up` or `down` of
 * this handle takes it out of the cluster, nothing is undone on it. If it comes back, what the library
 * did there is still there; a control plane's member of etcd stays until it is removed by hand.
 * @param[in]  cluster  not NULL.
 * @param[in]  machine  the machine's name.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOTFOUND, GPUC_EUNSUPPORTED (workers that the library made go as a whole).
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_let_go(gpuc_cluster *cluster, const char *machine, gpuc_error **err);

/**
 * The names of the clusters that the state directory knows.
 * @param[out] out        new JSON array of names (gpuc_free).
 * @param[in]  state_dir  NULL: $XDG_STATE_HOME/gpucluster.
 * @param[out] err        NULL or where an error goes.
 * @return GPUC_OK, GPUC_EIO, GPUC_EPERM, GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_list(char **out, const char *state_dir, gpuc_error **err);

/**
 * The latest events that the state has kept, oldest first.
 * @param[out] out      new JSON array of events (gpuc_free).
 * @param[in]  cluster  not NULL.
 * @param[in]  limit    how many at most; 0: 1000.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EIO, GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_history(char **out, gpuc_cluster *cluster, int limit, gpuc_error **err);

/** The cluster's name. @param[in] cluster not NULL. @return borrowed. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API const char *gpuc_cluster_name(const gpuc_cluster *cluster);

/** Takes a reference. @param[in] cluster not NULL. @return cluster. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_cluster *gpuc_cluster_ref(gpuc_cluster *cluster);

/** Drops a reference; operations that run keep their own. @param[in] cluster may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_cluster *gpuc_cluster_unref(gpuc_cluster *cluster);

GPUC_END_DECLS

#endif

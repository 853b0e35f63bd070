/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: what happened, where, and what to do next; they travel with the call that failed. */
#ifndef GPUCLUSTER_ERROR_H
#define GPUCLUSTER_ERROR_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** Result codes. The value of a code never changes. */
enum {
    GPUC_OK = 0,
    GPUC_EINVAL = -1,      /**< an argument, a spec or a file's content is wrong */
    GPUC_ENOMEM = -2,      /**< out of memory */
    GPUC_ENOTFOUND = -3,   /**< what was named is not there */
    GPUC_EEXIST = -4,      /**< it is there already, and is not ours */
    GPUC_EBUSY = -5,       /**< another process holds the cluster */
    GPUC_ETIMEDOUT = -6,   /**< a deadline passed */
    GPUC_ECANCELLED = -7,  /**< cancelled by the caller */
    GPUC_EAUTH = -8,       /**< a credential was refused */
    GPUC_EHOSTKEY = -9,    /**< an SSH host key is unknown or is not the expected one */
    GPUC_ENETWORK = -10,   /**< a connection could not be made or was lost */
    GPUC_EREMOTE = -11,    /**< a command on a machine failed; native code is its exit status */
    GPUC_EHTTP = -12,      /**< a server answered with an error; native code is the HTTP status */
    GPUC_EPROTO = -13,     /**< a peer sent something that cannot be understood */
    GPUC_ELIMIT = -14,     /**< a bound on size, count or depth was passed */
    GPUC_ESTATE = -15,     /**< not possible in the object's present state */
    GPUC_EUNSUPPORTED = -16, /**< this build, platform or provider cannot do it */
    GPUC_EPERM = -17,      /**< not permitted: file mode, sudo, daemon socket, RBAC */
    GPUC_EIO = -18,        /**< reading or writing a local file failed; native code is errno */
    GPUC_EPROOF = -19,     /**< the proof failed: a GPU or node is not what the spec declares */
    GPUC_ESTEP = -20,      /**< a step failed; the cause says why */
    GPUC_EINTERNAL = -21   /**< a defect of the library; please report it */
};

/** The part of the world an error comes from. */
enum {
    GPUC_DOMAIN_NONE = 0,
    GPUC_DOMAIN_SPEC = 1,
    GPUC_DOMAIN_STATE = 2,
    GPUC_DOMAIN_SYSTEM = 3,
    GPUC_DOMAIN_SSH = 4,
    GPUC_DOMAIN_HTTP = 5,
    GPUC_DOMAIN_TLS = 6,
    GPUC_DOMAIN_PROVIDER = 7,
    GPUC_DOMAIN_MACHINE = 8,
    GPUC_DOMAIN_KUBERNETES = 9,
    GPUC_DOMAIN_GPU = 10,
    GPUC_DOMAIN_JOB = 11
};

/**
 * The GPUC_E code of the error.
 * @param[in] error  not NULL.
 * @return the code, always negative.
 * @blocking no
 * @threadsafety any thread; errors are immutable once returned
 * @since 0.1
 */
GPUC_API int gpuc_error_code(const gpuc_error *error);

/** The GPUC_DOMAIN value. @param[in] error not NULL. @return the domain. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int gpuc_error_domain(const gpuc_error *error);

/** The raw code of whoever failed first: errno, HTTP status, exit status, libssh2 or CURLcode; 0 if none. @param[in] error not NULL. @return the raw code. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API long gpuc_error_native_code(const gpuc_error *error);

/** What happened and where, one sentence or more, no secrets. @param[in] error not NULL. @return borrowed, never NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_error_message(const gpuc_error *error);

/** The machine concerned. @param[in] error not NULL. @return borrowed, or NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_error_machine(const gpuc_error *error);

/** The step concerned. @param[in] error not NULL. @return borrowed, or NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_error_step(const gpuc_error *error);

/** The last lines of output or the document that show the failure. @param[in] error not NULL. @return borrowed, or NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_error_evidence(const gpuc_error *error);

/** What to do next. @param[in] error not NULL. @return borrowed, or NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_error_remedy(const gpuc_error *error);

/** Whether the same call may succeed later without a change. @param[in] error not NULL. @return 1 or 0. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API int gpuc_error_retryable(const gpuc_error *error);

/** The error beneath this one. @param[in] error not NULL. @return borrowed, or NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const gpuc_error *gpuc_error_cause(const gpuc_error *error);

/** The name of a code, "GPUC_EINVAL". @param[in] code a GPUC_E code. @return a static string; "GPUC_E?" for others. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_error_name(int code);

/**
 * The error as a JSON object: code, name, domain, native_code, message, machine, step, evidence,
 * remedy, retryable, cause.
 * @param[in] error  not NULL.
 * @return new string (gpuc_free), or NULL without memory.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API char *gpuc_error_to_json(const gpuc_error *error);

/** Takes a reference. @param[in] error not NULL. @return error. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_error *gpuc_error_ref(gpuc_error *error);

/** Drops a reference. @param[in] error may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_error *gpuc_error_unref(gpuc_error *error);

GPUC_END_DECLS

#endif

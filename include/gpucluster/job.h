/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: the same container once on every GPU node, its logs and results. */
#ifndef GPUCLUSTER_JOB_H
#define GPUCLUSTER_JOB_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/**
 * Prepares a job of a known kind. Nothing is sent yet.
 * @param[out] out      the job, owned by the caller.
 * @param[in]  cluster  not NULL; the job keeps a reference.
 * @param[in]  kind     "nvidia-smi".
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (unknown kind; the known ones are named), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_new(gpuc_job **out, gpuc_cluster *cluster, const char *kind, gpuc_error **err);

/**
 * Changes a parameter: "image", "command" (a JSON array), "gpus" per node, "namespace",
 * "deadline" in seconds, "node" (run there only), "keep" (true leaves Job and pods behind).
 * @param[in]  job    not NULL, not started.
 * @param[in]  key    the parameter.
 * @param[in]  value  its value as text.
 * @param[out] err    NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_ESTATE (started), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_set(gpuc_job *job, const char *key, const char *value, gpuc_error **err);

/**
 * Submits the job to every GPU node, follows its logs, waits for its end and cleans up.
 * @param[out] out  the operation, owned by the caller; GPUC_EREMOTE when a pod ended badly, with the
 *                  true reason.
 * @param[in]  job  not NULL.
 * @param[out] err  NULL or where an error goes.
 * @return GPUC_OK, GPUC_ESTATE (started already, or the cluster is not up), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_start(gpuc_op **out, gpuc_job *job, gpuc_error **err);

/** As gpuc_job_start, to its end; log lines wait for gpuc_job_next_line. @param[in] job not NULL. @param[out] err NULL or where an error goes. @return GPUC_OK, or the operation's code. @blocking yes @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_job_run(gpuc_job *job, gpuc_error **err);

/**
 * Takes the oldest waiting log line.
 * @param[out] line  new string (gpuc_free) without the newline.
 * @param[out] node  new string (gpuc_free): the node it came from; may be NULL.
 * @param[in]  job   not NULL.
 * @return 1 with a line, 0 when none waits now.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_next_line(char **line, char **node, gpuc_job *job);

/** The results so far as JSON: {"kind","nodes":[{"node","pod","phase","reason","exit_code","lines"}]}. @param[in] job not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API char *gpuc_job_to_json(const gpuc_job *job);

/** Takes a reference. @param[in] job not NULL. @return job. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_job *gpuc_job_ref(gpuc_job *job);

/** Drops a reference. @param[in] job may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_job *gpuc_job_unref(gpuc_job *job);

GPUC_END_DECLS

#endif

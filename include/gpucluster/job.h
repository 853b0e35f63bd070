/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: one container on every GPU node, or whatever manifests say; their logs and results. On a cluster of
 * the library's, or on any other that a kubeconfig leads to. */
#ifndef GPUCLUSTER_JOB_H
#define GPUCLUSTER_JOB_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/**
 * Prepares a job of a known kind. Nothing is sent yet.
 * @param[out] out      the job, owned by the caller.
 * @param[in]  cluster  not NULL; the job keeps a reference.
 * @param[in]  kind     "nvidia-smi", "cuda", "vectoradd", "tensorflow" or "pytorch".
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (unknown kind; the known ones are named), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_new(gpuc_job **out, gpuc_cluster *cluster, const char *kind, gpuc_error **err);

/**
 * Prepares a job of manifests, which gpuc_job_add_file and gpuc_job_add_text then give. Nothing is
 * sent yet. Jobs and Pods are run and followed to their end; what else there is (ConfigMaps, claims,
 * Services) is created before them, in order, and deleted after them when the run has made it.
 * @param[out] out      the job, owned by the caller.
 * @param[in]  cluster  not NULL; the job keeps a reference.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_new_manifest(gpuc_job **out, gpuc_cluster *cluster, gpuc_error **err);

/**
 * Prepares a job on a cluster that the library did not make. Nothing is read or sent yet, and nothing is
 * kept here. Its GPU nodes are those that offer nvidia.com/gpu and are not cordoned when it starts.
 * @param[out] out         the job, owned by the caller.
 * @param[in]  context     its event loop; the job keeps a reference.
 * @param[in]  kubeconfig  paths with ":" between them, or "default": KUBECONFIG, ~/.kube/config, the
 *                         service account of a pod, whichever comes first.
 * @param[in]  kind        as of gpuc_job_new; NULL or "": of manifests, as gpuc_job_new_manifest.
 * @param[out] err         NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (unknown kind; the known ones are named), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_new_kubeconfig(gpuc_job **out, gpuc_context *context, const char *kubeconfig,
                                     const char *kind, gpuc_error **err);

/**
 * Adds the objects of a file, YAML or JSON: several documents and Lists are read, aliases too.
 * @param[in]  job   of manifests, not started.
 * @param[in]  path  the file.
 * @param[out] err   NULL or where an error goes: its message begins with "FILE:LINE:COLUMN:".
 * @return GPUC_OK, GPUC_EINVAL (not a manifest), GPUC_EUNSUPPORTED (a kind of object that is not known,
 *         or a key that Kubernetes no longer has; the remedy says what replaces it), GPUC_ELIMIT,
 *         GPUC_ESTATE, GPUC_ENOMEM, GPUC_ENOTFOUND, GPUC_EPERM, GPUC_EIO. Nothing is added then.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_add_file(gpuc_job *job, const char *path, gpuc_error **err);

/** As gpuc_job_add_file, of a text. @param[in] job of manifests, not started. @param[in] text not NULL; need not end in NUL. @param[in] length its bytes. @param[in] filename for messages; NULL: "manifest". @param[out] err NULL or where an error goes. @return GPUC_OK, GPUC_EINVAL, GPUC_EUNSUPPORTED, GPUC_ELIMIT, GPUC_ESTATE, GPUC_ENOMEM. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_job_add_text(gpuc_job *job, const char *text, size_t length, const char *filename,
                               gpuc_error **err);

/**
 * Changes a parameter. Of any job: "per" (node: one on each GPU machine; gpu: a container for each of
 * its GPUs; given: one, wherever the scheduler puts it; of manifests node or given), "namespace",
 * "node" (there only), "deadline" in seconds, "cleanup" (always, on-success or never). Of a job of a kind:
 * "name", "image", "command" and "args" (JSON arrays), "env" (NAME=VALUE; each call adds one), "gpus" of
 * each container, "runtime_class" ("none": the cluster's own). Of a cluster of the library's: "verify" (true:
 * look at its machines' GPUs before anything is submitted; false). Of a kubeconfig: "context", and "exec"
 * (true: it may run credential plugins; false). docs/jobs.md has their defaults.
 * @param[in]  job    not NULL, not started.
 * @param[in]  key    the parameter.
 * @param[in]  value  its value as text.
 * @param[out] err    NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_ENOTFOUND (no such machine), GPUC_ESTATE (started), GPUC_ELIMIT,
 *         GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_set(gpuc_job *job, const char *key, const char *value, gpuc_error **err);

/**
 * Submits the job, follows the logs of all its pods, waits for its end and cleans up.
 * @param[out] out  the operation, owned by the caller; GPUC_EREMOTE when a pod ended badly, with the
 *                  true reason; with "verify" GPUC_EPROOF for a machine that failed: nothing was
 *                  submitted then. Of a kubeconfig also GPUC_EPERM (what the API server refuses, told
 *                  before anything is submitted) and GPUC_ENOTFOUND (no node offers GPUs).
 * @param[in]  job  not NULL.
 * @param[out] err  NULL or where an error goes.
 * @return GPUC_OK, GPUC_ESTATE (started already, or the cluster is not up), GPUC_ENOTFOUND (no machine to
 *         run on; no such kubeconfig or context), GPUC_EINVAL (a manifest that cannot be run; a kubeconfig
 *         that is none), GPUC_EPERM, GPUC_EIO or GPUC_ELIMIT (reading the kubeconfig), GPUC_EUNSUPPORTED (a
 *         kubeconfig with a plugin that was not allowed, or with what is never done),
 *         GPUC_EBUSY (with "verify": another operation of this program is at the cluster's machines),
 *         GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_start(gpuc_op **out, gpuc_job *job, gpuc_error **err);

/** As gpuc_job_start, to its end; log lines wait for gpuc_job_next_line. @param[in] job not NULL. @param[out] err NULL or where an error goes. @return GPUC_OK, or the operation's code. @blocking yes @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_job_run(gpuc_job *job, gpuc_error **err);

/**
 * Takes the oldest waiting log line. So many wait (100000 lines, 64 MiB); beyond that the oldest are
 * dropped and counted (lines_dropped of the results), and a warning is logged.
 * @param[out] line  new string (gpuc_free) without the newline.
 * @param[out] node  new string (gpuc_free): where it came from: NODE, NODE/CONTAINER where a pod has
 *                   several, NODE/POD[/CONTAINER] of a job of manifests; may be NULL.
 * @param[in]  job   not NULL.
 * @return 1 with a line, 0 when none waits now.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_job_next_line(char **line, char **node, gpuc_job *job);

/** The results so far as JSON; docs/jobs.md describes them: {"kind","run","seconds","lines_dropped","pods":[{"workload","node","pod","phase","reason","text","remedy","exit_code","lines","containers":[…]}]}. @param[in] job not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety the context's thread @since 0.1 */
GPUC_API char *gpuc_job_to_json(const gpuc_job *job);

/** Takes a reference. @param[in] job not NULL. @return job. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_job *gpuc_job_ref(gpuc_job *job);

/** Drops a reference. @param[in] job may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_job *gpuc_job_unref(gpuc_job *job);

GPUC_END_DECLS

#endif

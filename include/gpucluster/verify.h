/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of what the library did not make: hosts, over SSH alone, or the GPU nodes of a cluster
 * that a kubeconfig leads to. Nothing is installed or changed, and nothing is kept here.
 * docs/verify.md says more. */
#ifndef GPUCLUSTER_VERIFY_H
#define GPUCLUSTER_VERIFY_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/**
 * Prepares a verification. Nothing is contacted yet.
 * @param[out] out      the verification, owned by the caller.
 * @param[in]  context  its event loop; the verification keeps a reference.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_verification_new(gpuc_verification **out, gpuc_context *context,
                                   gpuc_error **err);

/**
 * Adds hosts, one a line: [USER@]HOST[:PORT] [gpus=N], an address of IPv6 with a port in brackets;
 * "#" begins a comment. gpus is how many GPUs the host must have; without it any number above zero
 * passes that all of the machine's sources agree on.
 * @param[in]  verification  not NULL.
 * @param[in]  text          one host, or the text of a file.
 * @param[in]  filename      the name used in errors; NULL or "" for "hosts".
 * @param[out] err           NULL or where an error goes; its message begins "filename:line:".
 * @return GPUC_OK, GPUC_EINVAL (not a host, or one that is there already), GPUC_ELIMIT (more than
 *         10,000 hosts or 4 MiB), GPUC_ENOMEM. After an error the hosts are as before.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_verification_add_hosts(gpuc_verification *verification, const char *text,
                                         const char *filename, gpuc_error **err);

/**
 * Changes a setting. Of the login: "user" (otherwise this program's), "port" (22), "identity" (the
 * path of a private key; otherwise the first usual one in ~/.ssh, and the agent), "passphrase_env"
 * and "sudo_password_env" (names of environment variables), "agent" (true or false), "jump"
 * ([USER@]HOST[:PORT]). Of the host keys, which are always verified: "known_hosts" (a path, otherwise
 * ~/.ssh/known_hosts), "trust_on_first_use" (true: an unknown key, never a changed one, is accepted,
 * and the report says so). Of the whole: "gpus" (expected of hosts that do not say), "parallel"
 * (machines under way at once; 128, of nodes 32), "connect_timeout" (seconds until a login must be done; 30).
 * Of a cluster instead of hosts: "kubeconfig" (paths with ":" between them, or "default": KUBECONFIG,
 * ~/.kube/config, the service account of a pod, whichever comes first), "context", "exec" (true: a
 * kubeconfig may run credential plugins), "namespace" of the pods (the context's, or "default"),
 * "image" and "runtime_class" of the pods (otherwise "nvidia" where there is one; "none": the
 * cluster's own), "label" (true: gpu=true and cuda=true follow the verdict).
 * "check.ID" is a limit of a check of hosts, as gpuc_cluster_set_check has it.
 * @param[in]  verification  not NULL.
 * @param[in]  key           the setting.
 * @param[in]  value         its value as text; "" takes an earlier one back.
 * @param[out] err           NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (unknown key, with the nearest known one; bad value), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_verification_set(gpuc_verification *verification, const char *key,
                                   const char *value, gpuc_error **err);

/**
 * Looks at all of them; of a cluster at every node with GPUs: what it offers, why it offers too few,
 * and in a pod on its free GPUs what they compute. The pods' Jobs are deleted, also after a cancel, and
 * an hour after a client that was killed; GPUs that pods hold are left alone. Each machine is told as an event as it comes (step "verify"); the result is
 * gpuc_op_report, also when the verdict is bad. A machine that cannot be reached or looked at is one
 * that failed (check "host.reach", with the reason), and holds up none of the others.
 * @param[out] out           the operation, owned by the caller.
 * @param[in]  verification  not NULL; it may be started again, and changed meanwhile.
 * @param[out] err           NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (no hosts, a key file that is none), GPUC_EAUTH (no key to log in
 *         with), GPUC_ENOTFOUND, GPUC_EPERM or GPUC_EIO (key file, kubeconfig), GPUC_EUNSUPPORTED (a
 *         kubeconfig with a plugin that was not allowed), GPUC_ENOMEM. The operation ends with
 *         GPUC_EPROOF when a machine failed, GPUC_EPERM when the API server refuses what is needed,
 *         GPUC_ENOTFOUND when no node has GPUs, or GPUC_ECANCELLED.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_verification_start(gpuc_op **out, gpuc_verification *verification,
                                     gpuc_error **err);

/** As gpuc_verification_start, to its end. @param[out] out the report, owned by the caller; set also with GPUC_EPROOF. @param[in] verification not NULL. @param[out] err NULL or where an error goes. @return GPUC_OK, or the operation's code. @blocking yes @threadsafety the context's thread @since 0.1 */
GPUC_API int gpuc_verification_run(gpuc_report **out, gpuc_verification *verification,
                                   gpuc_error **err);

/** Takes a reference. @param[in] verification not NULL. @return verification. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_verification *gpuc_verification_ref(gpuc_verification *verification);

/** Drops a reference; operations go on without it. @param[in] verification may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_verification *gpuc_verification_unref(gpuc_verification *verification);

GPUC_END_DECLS

#endif

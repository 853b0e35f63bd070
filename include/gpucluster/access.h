/* SPDX-License-Identifier: Apache-2.0 */
/* Access to a cluster and its machines: kubeconfig, proxy, commands, shells, files. */
#ifndef GPUCLUSTER_ACCESS_H
#define GPUCLUSTER_ACCESS_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/**
 * A kubeconfig with a client certificate of its own.
 * @param[out] out      new YAML string (gpuc_free); it holds a private key.
 * @param[in]  cluster  not NULL, and up.
 * @param[in]  server   the API server's URL; NULL or "" for the control plane's own address.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ESTATE (not up yet), GPUC_EIO, GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_kubeconfig(char **out, gpuc_cluster *cluster, const char *server,
                                     gpuc_error **err);

/**
 * Serves the API server on a local port through the SSH connection, until cancelled.
 * @param[out] out      the operation, owned by the caller; it ends only by cancel or error.
 * @param[in]  cluster  not NULL, and up.
 * @param[in]  port     the port on 127.0.0.1; 0 for a free one.
 * @param[out] bound    the port in use.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ESTATE, GPUC_EIO (port in use), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_proxy_start(gpuc_op **out, gpuc_cluster *cluster, int port, int *bound,
                                      gpuc_error **err);

/** Receives output of a command on a machine: stream 1 or 2; the data is borrowed. Same rules as gpuc_log_fn. */
typedef void (*gpuc_output_fn)(int stream, const char *data, size_t length, void *userdata);

/**
 * Runs a command on a machine, as the spec's user. Its exit status is the native code of the error.
 * @param[out] out        the operation, owned by the caller; GPUC_EREMOTE when the status is not 0.
 * @param[in]  cluster    not NULL.
 * @param[in]  machine    the machine's name.
 * @param[in]  command    a shell command line.
 * @param[in]  output     NULL or where its output goes.
 * @param[in]  userdata   passed to output.
 * @param[in]  timeout_s  deadline in seconds; 0: 3600.
 * @param[out] err        NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOTFOUND (no such machine), GPUC_EINVAL, GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_exec_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine,
                                     const char *command, gpuc_output_fn output, void *userdata,
                                     uint32_t timeout_s, gpuc_error **err);

/**
 * Copies a file to a machine (to_machine not 0) or from it, by SFTP as the spec's user.
 * @param[out] out         the operation, owned by the caller.
 * @param[in]  cluster     not NULL.
 * @param[in]  machine     the machine's name.
 * @param[in]  local       the local path.
 * @param[in]  remote      the path on the machine.
 * @param[in]  to_machine  the direction.
 * @param[out] err         NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOTFOUND, GPUC_EINVAL, GPUC_EIO, GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_copy_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine,
                                     const char *local, const char *remote, int to_machine,
                                     gpuc_error **err);

/**
 * A shell (or one command) with a terminal on a machine; bytes pass between the descriptors and the
 * machine until it ends. The caller sets its own terminal to raw mode. The operation ends with
 * GPUC_EREMOTE when the shell or command ended with another status than 0: its native code.
 * @param[out] out      the operation, owned by the caller.
 * @param[in]  cluster  not NULL.
 * @param[in]  machine  the machine's name.
 * @param[in]  command  NULL or "" for a login shell.
 * @param[in]  fd_in    read from; stays the caller's.
 * @param[in]  fd_out   written to; stays the caller's.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_ENOTFOUND, GPUC_EINVAL, GPUC_ENOMEM.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_cluster_shell_start(gpuc_op **out, gpuc_cluster *cluster, const char *machine,
                                      const char *command, int fd_in, int fd_out, gpuc_error **err);

/**
 * Puts the entries of one kubeconfig into another text, replacing entries of the same name and
 * leaving everything else as it is.
 * @param[out] out       new YAML string (gpuc_free).
 * @param[in]  existing  the text to merge into; NULL or "" for none.
 * @param[in]  addition  what gpuc_cluster_kubeconfig gave.
 * @param[out] err       NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (not a kubeconfig), GPUC_ELIMIT, GPUC_ENOMEM.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_kubeconfig_merge(char **out, const char *existing, const char *addition,
                                   gpuc_error **err);

/**
 * Puts the entries of one kubeconfig into files, each where kubectl would: into the first file that
 * has an entry of the name, otherwise into the first file that is there, or else the last, which is
 * made (mode 0600). Everything else in them stays as it is. A file is locked as kubectl does it
 * (FILE.lock) and replaced whole, for its owner alone when it gets a key; when one cannot be changed
 * none is.
 * @param[out] out          the files that were changed, with ":" between them (gpuc_free); "": none.
 * @param[in]  paths        files with ":" between them; NULL or "" for KUBECONFIG, or else
 *                          ~/.kube/config.
 * @param[in]  addition     what gpuc_cluster_kubeconfig gave.
 * @param[in]  set_current  not 0: its context becomes the current one; 0: only where none is.
 * @param[out] err          NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (not a kubeconfig), GPUC_EUNSUPPORTED (cannot be changed without
 *         loss), GPUC_EBUSY (locked), GPUC_EIO, GPUC_EPERM, GPUC_ENOTFOUND (no file is named),
 *         GPUC_ELIMIT, GPUC_ENOMEM.
 * @blocking on the disk
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_kubeconfig_store(char **out, const char *paths, const char *addition,
                                   int set_current, gpuc_error **err);

GPUC_END_DECLS

#endif

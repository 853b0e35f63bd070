/* SPDX-License-Identifier: Apache-2.0 */
/* What clusters left behind at a provider when their state was lost. */
#ifndef GPUCLUSTER_GC_H
#define GPUCLUSTER_GC_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** Flags of gpuc_gc. */
enum {
    GPUC_GC_DELETE = 1, /**< remove what is found */
    GPUC_GC_ALL = 2     /**< with GPUC_GC_DELETE and no cluster named: of all clusters found */
};

/**
 * Begins to look for what carries the mark of a cluster: machines, disks, addresses, firewall rules,
 * SSH keys in a project's metadata, in all zones. What belongs to a cluster whose state is in
 * state_dir is left out, unless that cluster is named; states elsewhere (of other people) are not
 * known, so look at the list before anything is deleted. With GPUC_GC_ALL a cluster stays of which
 * something was made less than min_age_s ago, or nobody can tell when: another client may be making it
 * just now. The result (gpuc_op_json), also of a failed
 * removal: {"kind", "project", "delete", "clusters": [{"uuid", "name" or null, "state_here",
 * "young", "resources": [{"type", "name", "zone", "status", "made", "machine_type", "deleted", "error"}]}]},
 * a resource having only what is known of it. Nothing is removed before the list is complete and
 * each thing on it was told by an event (GPUC_EVENT_NOTICE).
 * @param[out] out        new operation.
 * @param[in]  context    not NULL.
 * @param[in]  kind       "gce" or "local"; NULL or "": "gce".
 * @param[in]  project    where to look; NULL or "": the project that the environment or the
 *                        credentials name.
 * @param[in]  cluster    uuid or name of the cluster that is meant; NULL or "": all that have no
 *                        state here.
 * @param[in]  state_dir  NULL or "": $XDG_STATE_HOME/gpucluster.
 * @param[in]  flags      GPUC_GC values, or 0: only look.
 * @param[in]  min_age_s  seconds; negative: 3600. A cluster that is named may be of any age.
 * @param[out] err        NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (unknown kind or flags; GPUC_GC_DELETE with neither a cluster nor
 *         GPUC_GC_ALL), GPUC_ENOMEM. The operation fails with GPUC_EINVAL when the name of what is to
 *         be removed is that of several clusters, GPUC_ESTEP when something could not be removed, and
 *         as requests to the provider fail.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_gc_start(gpuc_op **out, gpuc_context *context, const char *kind,
                           const char *project, const char *cluster, const char *state_dir,
                           uint32_t flags, int min_age_s, gpuc_error **err);

/**
 * Looks for what clusters left behind, as gpuc_gc_start does, to the end.
 * @param[out] out        new JSON object (gpuc_free); only when GPUC_OK is returned.
 * @param[in]  context    not NULL.
 * @param[in]  kind       as of gpuc_gc_start.
 * @param[in]  project    as of gpuc_gc_start.
 * @param[in]  cluster    as of gpuc_gc_start.
 * @param[in]  state_dir  as of gpuc_gc_start.
 * @param[in]  flags      GPUC_GC values, or 0.
 * @param[in]  min_age_s  as of gpuc_gc_start.
 * @param[out] err        NULL or where an error goes.
 * @return GPUC_OK, GPUC_ESTATE from a callback of the context, or the operation's code.
 * @blocking until the provider has answered, and what is to be removed is gone
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_gc(char **out, gpuc_context *context, const char *kind, const char *project,
                     const char *cluster, const char *state_dir, uint32_t flags, int min_age_s,
                     gpuc_error **err);

GPUC_END_DECLS

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/gc.h: arguments checked, the core called. */
#include "cluster/gc.h"
#include "core/context.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

/* Languages without a null string pass "". */
static const char *given(const char *text)
{
    return text && text[0] ? text : NULL;
}

int gpuc_gc_start(gpuc_op **out, gpuc_context *context, const char *kind, const char *project,
                  const char *cluster, const char *state_dir, uint32_t flags, int min_age_s,
                  gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && context);
    GPUC__CHECK_ARG(err, (flags & ~(uint32_t)(GPUC_GC_DELETE | GPUC_GC_ALL)) == 0);
    if ((flags & GPUC_GC_DELETE) && !given(cluster) && !(flags & GPUC_GC_ALL)) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                        "gc is to delete, and no cluster is named");
        gpuc__error_remedy(err, "name the cluster whose things are to go, or say that those of all "
                                "that have no state here are meant");
        return GPUC_EINVAL;
    }
    return gpuc__gc_start(out, context, given(kind) ? kind : "gce", given(project), given(cluster),
                          given(state_dir), flags, min_age_s, err);
}

int gpuc_gc(char **out, gpuc_context *context, const char *kind, const char *project,
            const char *cluster, const char *state_dir, uint32_t flags, int min_age_s, gpuc_error **err)
{
    gpuc_op *op = NULL;
    char *text = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out && context);
    rc = gpuc__context_check_idle(context, err);
    if (rc == GPUC_OK)
        rc = gpuc_gc_start(&op, context, kind, project, cluster, state_dir, flags, min_age_s,
                           err);
    if (rc == GPUC_OK)
        rc = gpuc_op_wait(op, -1, err);
    if (rc == GPUC_OK) {
        text = gpuc__strdup(gpuc_op_json(op));
        rc = text ? GPUC_OK : gpuc__error_nomem(err);
    }
    gpuc_op_unref(op);
    if (rc == GPUC_OK)
        *out = text;
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/catalog.h: arguments checked, the catalogue of Compute Engine called. */
#include "core/context.h"
#include "core/op.h"
#include "provider/gce/catalog.h"
#include "util/alloc.h"
#include "util/error.h"

int gpuc_catalog_start(gpuc_op **out, gpuc_context *context, const char *project, const char *zone,
                       uint32_t flags, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && context);
    GPUC__CHECK_ARG(err, (flags & ~(uint32_t)GPUC_CATALOG_SHIPPED) == 0);
    if (project && !project[0])
        project = NULL; /* languages without a null string */
    if (zone && !zone[0])
        zone = NULL;
    return gpuc__gce_catalog_start(out, context, project, zone, flags & GPUC_CATALOG_SHIPPED, err);
}

int gpuc_catalog(char **out, gpuc_context *context, const char *project, const char *zone,
                 uint32_t flags, gpuc_error **err)
{
    gpuc_op *op = NULL;
    char *text = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out && context);
    rc = gpuc__context_check_idle(context, err);
    if (!rc)
        rc = gpuc_catalog_start(&op, context, project, zone, flags, err);
    if (!rc)
        rc = gpuc_op_wait(op, -1, err);
    if (!rc) {
        text = gpuc__strdup(gpuc_op_json(op));
        rc = text ? GPUC_OK : gpuc__error_nomem(err);
    }
    gpuc_op_unref(op);
    if (!rc)
        *out = text;
    return rc;
}

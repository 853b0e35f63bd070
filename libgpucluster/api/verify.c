/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/verify.h: arguments checked, the core called. */
#include <gpucluster.h>
#include <string.h>

#include "cluster/verification.h"
#include "core/context.h"
#include "util/error.h"

int gpuc_verification_new(gpuc_verification **out, gpuc_context *context, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && context);
    return gpuc__verification_create(out, context, err);
}

int gpuc_verification_add_hosts(gpuc_verification *verification, const char *text,
                                const char *filename, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, verification && text);
    if (filename && !filename[0])
        filename = NULL; /* languages without a null string */
    return gpuc__hosts_add(&verification->hosts, text, strlen(text), filename, err);
}

int gpuc_verification_set(gpuc_verification *verification, const char *key, const char *value,
                          gpuc_error **err)
{
    GPUC__CHECK_ARG(err, verification && key && value);
    return gpuc__verification_put(verification, key, value, err);
}

int gpuc_verification_start(gpuc_op **out, gpuc_verification *verification, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && verification);
    return gpuc__verification_begin(out, verification, err);
}

int gpuc_verification_run(gpuc_report **out, gpuc_verification *verification, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out && verification);
    rc = gpuc__context_check_idle(verification->context, err);
    if (rc == GPUC_OK)
        rc = gpuc_verification_start(&op, verification, err);
    if (rc < 0)
        return rc;
    rc = gpuc_op_wait(op, -1, err);
    if (gpuc_op_report(op))
        *out = gpuc_report_ref(gpuc_op_report(op));
    gpuc_op_unref(op);
    return rc;
}

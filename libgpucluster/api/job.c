/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/job.h: arguments checked, the core called. */
#include <gpucluster.h>

#include "cluster/jobs.h"
#include "core/context.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

int gpuc_job_new(gpuc_job **out, gpuc_cluster *cluster, const char *kind, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && kind);
    return gpuc__job_create(out, cluster, kind, err);
}

int gpuc_job_new_manifest(gpuc_job **out, gpuc_cluster *cluster, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster);
    return gpuc__job_create(out, cluster, NULL, err);
}

int gpuc_job_new_kubeconfig(gpuc_job **out, gpuc_context *context, const char *kubeconfig,
                            const char *kind, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && context && kubeconfig && kubeconfig[0]);
    if (kind && !kind[0])
        kind = NULL; /* languages without a null string */
    return gpuc__job_create_for_others(out, context, kubeconfig, kind, err);
}

int gpuc_job_add_file(gpuc_job *job, const char *path, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, job && path);
    return gpuc__job_add_file(job, path, err);
}

int gpuc_job_add_text(gpuc_job *job, const char *text, size_t length, const char *filename,
                      gpuc_error **err)
{
    GPUC__CHECK_ARG(err, job && text);
    return gpuc__job_add_manifest(job, text, length, filename, err);
}

int gpuc_job_set(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, job && key && value);
    return gpuc__job_parameter(job, key, value, err);
}

int gpuc_job_start(gpuc_op **out, gpuc_job *job, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && job);
    return gpuc__job_begin(out, job, err);
}

int gpuc_job_run(gpuc_job *job, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc;

    GPUC__CHECK_ARG(err, job);
    rc = gpuc__context_check_idle(gpuc__job_context(job), err);
    if (rc == GPUC_OK)
        rc = gpuc_job_start(&op, job, err);
    return rc < 0 ? rc : gpuc__op_finish(op, err);
}

int gpuc_job_next_line(char **line, char **node, gpuc_job *job)
{
    return gpuc__job_take_line(job, line, node);
}

char *gpuc_job_to_json(const gpuc_job *job)
{
    json_t *root = gpuc__job_results(job);
    char *dump = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    char *text = gpuc__strdup(dump);

    free(dump); /* jansson's own memory */
    json_decref(root);
    return text;
}

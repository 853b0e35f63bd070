/* SPDX-License-Identifier: Apache-2.0 */
/* nvidia-smi as a Job on every GPU node of a cluster that is up, its log as it comes.
 *
 *     job NAME        the cluster's name */
#include <gpucluster.h>
#include <stdio.h>

static int fail(gpuc_error *error)
{
    fprintf(stderr, "%s\n", error ? gpuc_error_message(error) : "unknown error");
    gpuc_error_unref(error);
    return 1;
}

static void print_lines(gpuc_job *job)
{
    char *line = NULL, *node = NULL;

    while (gpuc_job_next_line(&line, &node, job) == 1) {
        printf("%s | %s\n", node, line);
        gpuc_free(line);
        gpuc_free(node);
    }
}

/* Lines are printed while the job runs, not after it. */
static int run(gpuc_context *context, gpuc_job *job, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc = gpuc_job_start(&op, job, err);

    while (rc == GPUC_OK && gpuc_op_state(op) == GPUC_OP_RUNNING) {
        rc = gpuc_context_run(context, 1000, err);
        print_lines(job);
    }
    if (rc == GPUC_OK)
        rc = gpuc_op_wait(op, -1, err);
    print_lines(job);
    gpuc_op_unref(op);
    return rc;
}

int main(int argc, char **argv)
{
    gpuc_context *context = NULL;
    gpuc_cluster *cluster = NULL;
    gpuc_job *job = NULL;
    gpuc_error *error = NULL;
    int rc;

    if (argc != 2) {
        fprintf(stderr, "usage: %s NAME\n", argv[0]);
        return 2;
    }
    rc = gpuc_context_new(&context, &error);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_open(&cluster, context, NULL, argv[1], NULL, &error);
    if (rc == GPUC_OK)
        rc = gpuc_job_new(&job, cluster, "nvidia-smi", &error);
    if (rc == GPUC_OK)
        rc = run(context, job, &error);
    if (job) {
        char *results = gpuc_job_to_json(job);

        printf("%s\n", results ? results : "");
        gpuc_free(results);
    }
    gpuc_job_unref(job);
    gpuc_cluster_unref(cluster);
    gpuc_context_unref(context);
    return rc == GPUC_OK ? 0 : fail(error);
}

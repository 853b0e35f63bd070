/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: submit, follow the logs, tell how each node ended. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void drain(cli *c, gpuc_job *job)
{
    char *line, *node;

    while (gpuc_job_next_line(&line, &node, job)) {
        if (c->json) {
            json_t *event = json_pack("{s:s,s:s,s:s}", "event", "log_line", "machine", node, "message",
                                      line);

            json_dumpf(event, stderr, JSON_COMPACT);
            fputc('\n', stderr);
            json_decref(event);
        } else {
            printf("%s | ", node);
            print_clean(stdout, line);
            putchar('\n');
        }
        gpuc_free(line);
        gpuc_free(node);
    }
    fflush(stdout);
}

/* --set KEY=VALUE, whose "=" has been looked for. */
static int set_parameter(gpuc_job *job, const char *pair, gpuc_error **error)
{
    char *key = strndup(pair, strcspn(pair, "="));
    int rc = key ? gpuc_job_set(job, key, strchr(pair, '=') + 1, error) : GPUC_ENOMEM;

    free(key);
    return rc;
}

static int follow(cli *c, gpuc_job *job)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    int rc = gpuc_job_start(&op, job, &error), status = EXIT_DONE;

    if (rc == GPUC_OK) {
        while ((rc = gpuc_op_wait(op, 100, &error)) == GPUC_ETIMEDOUT &&
               gpuc_op_state(op) == GPUC_OP_RUNNING) {
            gpuc_error_unref(error);
            error = NULL;
            drain(c, job);
            if (interrupted)
                gpuc_op_cancel(op);
        }
        drain(c, job);
    }
    if (rc < 0)
        status = print_error_with(c, error, "job", take_json(gpuc_job_to_json(job)));
    else if (c->json)
        print_new(gpuc_job_to_json(job));
    gpuc_op_unref(op);
    return status;
}

int cmd_run(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"cluster", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *cluster = NULL, *sets[64];
    gpuc_error *error = NULL;
    gpuc_job *job = NULL;
    size_t count = 0;
    int o, status, rc;

    while ((o = next_option(c, argc, argv, "c:", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        if (o == 'c')
            cluster = optarg;
        else if (strchr(optarg, '=') && count < 64)
            sets[count++] = optarg;
        else
            return usage_error(c, "--set wants KEY=VALUE, not \"%s\", 64 times at most", optarg);
    }
    if (optind >= argc)
        return usage_error(c, "run wants the kind of job, for one: gpucluster run nvidia-smi");
    if ((status = arguments(c, argc, argv, 1, 1)) || (status = open_cluster(c, cluster)))
        return status;
    rc = gpuc_job_new(&job, c->cluster, argv[optind], &error);
    for (size_t i = 0; i < count && rc == GPUC_OK; i++)
        rc = set_parameter(job, sets[i], &error);
    status = rc < 0 ? print_error(c, error) : follow(c, job);
    gpuc_job_unref(job);
    return status;
}

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
            json_t *event;

            keep_utf8(line);
            event = json_pack("{s:s,s:s,s:s}", "event", "log_line", "machine", node, "message", line);
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
    if (rc < 0) {
        char *text = c->json ? gpuc_job_to_json(job) : NULL;

        status = print_error_with(c, error, "job", text);
        gpuc_free(text);
    } else if (c->json) {
        print_new(gpuc_job_to_json(job));
    }
    gpuc_op_unref(op);
    return status;
}

#define SETS_MAX 64
#define FILES_MAX 64
#define STDIN_MAX (4u * 1024 * 1024)

enum { KUBECONFIG = 1000, CONTEXT };

typedef struct wish {
    const char *cluster, *kubeconfig, *context, *kind;
    const char *sets[SETS_MAX], *files[FILES_MAX];
    size_t set_count, file_count;
} wish;

/* Standard input as a manifest; more than the library takes is refused by it. */
static int add_stdin(gpuc_job *job, gpuc_error **error)
{
    char *text = malloc(STDIN_MAX + 1);
    size_t length = text ? fread(text, 1, STDIN_MAX + 1, stdin) : 0;
    int rc = text ? gpuc_job_add_text(job, text, length, "stdin", error) : GPUC_ENOMEM;

    free(text);
    return rc;
}

/* As kubectl: whoever names a kubeconfig at a shell means its plugins, too. */
static int new_for_others(cli *c, const wish *w, gpuc_job **job, gpuc_error **error)
{
    int rc = gpuc_job_new_kubeconfig(job, c->context, w->kubeconfig ? w->kubeconfig : "default", w->kind,
                                     error);

    if (rc == GPUC_OK)
        rc = gpuc_job_set(*job, "exec", "true", error);
    if (rc == GPUC_OK && w->context)
        rc = gpuc_job_set(*job, "context", w->context, error);
    return rc;
}

static int make_job(cli *c, const wish *w, gpuc_job **job, gpuc_error **error)
{
    int rc = !c->cluster ? new_for_others(c, w, job, error)
             : w->kind   ? gpuc_job_new(job, c->cluster, w->kind, error)
                         : gpuc_job_new_manifest(job, c->cluster, error);

    for (size_t i = 0; i < w->file_count && rc == GPUC_OK; i++)
        rc = strcmp(w->files[i], "-") == 0 ? add_stdin(*job, error)
                                           : gpuc_job_add_file(*job, w->files[i], error);
    for (size_t i = 0; i < w->set_count && rc == GPUC_OK; i++)
        rc = set_parameter(*job, w->sets[i], error);
    return rc;
}

/* One option; 0, or the exit status of a wrong use. */
static int take_option(cli *c, wish *w, int option)
{
    if (option == 'v')
        optarg = (char *)"verify=true";
    if (option == 'c') {
        w->cluster = optarg;
    } else if (option == KUBECONFIG) {
        w->kubeconfig = optarg;
    } else if (option == CONTEXT) {
        w->context = optarg;
    } else if (option == 'f') {
        if (w->file_count == FILES_MAX)
            return usage_error(c, "--file %d times at most", FILES_MAX);
        w->files[w->file_count++] = optarg;
    } else if (strchr(optarg, '=') && w->set_count < SETS_MAX) {
        w->sets[w->set_count++] = optarg;
    } else {
        return usage_error(c, "--set wants KEY=VALUE, not \"%s\", %d times at most", optarg,
                           SETS_MAX);
    }
    return 0;
}

/* 0, or the exit status of a wrong use. */
static int check_wish(const cli *c, const wish *w)
{
    if (!w->kind && !w->file_count)
        return usage_error(c, "run wants the kind of job, for one: gpucluster run nvidia-smi, or a "
                              "manifest: gpucluster run -f FILE");
    if (w->kind && w->file_count)
        return usage_error(c, "run wants a kind of job or manifests (-f), not both");
    if (w->cluster && (w->kubeconfig || w->context))
        return usage_error(c, "run wants a cluster of gpucluster's (-c) or a kubeconfig (--kubeconfig, "
                              "--context), not both");
    if (w->kubeconfig && !*w->kubeconfig)
        return usage_error(c, "--kubeconfig wants FILE, or \"default\"; it is empty");
    return EXIT_DONE;
}

int cmd_run(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"cluster", required_argument, NULL, 'c'},
                                            {"kubeconfig", required_argument, NULL, KUBECONFIG},
                                            {"context", required_argument, NULL, CONTEXT},
                                            {"file", required_argument, NULL, 'f'},
                                            {"set", required_argument, NULL, 's'},
                                            {"verify", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    gpuc_error *error = NULL;
    gpuc_job *job = NULL;
    wish w = {0};
    int o, status, rc;

    while ((o = next_option(c, argc, argv, "c:f:", options, &status)) != -1) {
        if (o == BAD_OPTION || (status = take_option(c, &w, o)))
            return status;
    }
    w.kind = argv[optind];
    if ((status = check_wish(c, &w)) || (status = arguments(c, argc, argv, 0, 1)))
        return status;
    if (!w.kubeconfig && !w.context && (status = open_cluster(c, w.cluster)))
        return status;
    rc = make_job(c, &w, &job, &error);
    status = rc < 0 ? print_error(c, error) : follow(c, job);
    gpuc_job_unref(job);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* N jobs one after the other in one process, as a program does that keeps its cluster open:
 *
 *     job_run CLUSTER NODE NAMESPACE N        (XDG_STATE_HOME: where its state is)
 *
 * Prints for each "RUN WALL_MS CPU_MS LINES". tests/bench/jobs.py runs it. */
#include <gpucluster.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static double cpu_ms(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static int run(gpuc_cluster *cluster, char **argv, gpuc_error **err)
{
    double wall = wall_ms(), cpu = cpu_ms();
    gpuc_job *job = NULL;
    char *line = NULL, *text;
    json_t *results;
    int lines = 0, rc = gpuc_job_new(&job, cluster, "nvidia-smi", err);

    if (rc == GPUC_OK)
        rc = gpuc_job_set(job, "node", argv[2], err);
    if (rc == GPUC_OK)
        rc = gpuc_job_set(job, "namespace", argv[3], err);
    if (rc == GPUC_OK)
        rc = gpuc_job_set(job, "gpus", "0", err);
    if (rc == GPUC_OK)
        rc = gpuc_job_set(job, "cleanup", "never", err);
    if (rc == GPUC_OK)
        rc = gpuc_job_set(job, "command", "[\"echo\", \"hello\"]", err);
    if (rc == GPUC_OK)
        rc = gpuc_job_run(job, err);
    wall = wall_ms() - wall;
    cpu = cpu_ms() - cpu;
    while (gpuc_job_next_line(&line, NULL, job)) {
        lines++;
        gpuc_free(line);
    }
    text = gpuc_job_to_json(job);
    results = text ? json_loads(text, 0, NULL) : NULL;
    printf("%s %.2f %.2f %d\n", json_string_value(json_object_get(results, "run")), wall, cpu, lines);
    fflush(stdout);
    json_decref(results);
    gpuc_free(text);
    gpuc_job_unref(job);
    return rc;
}

int main(int argc, char **argv)
{
    gpuc_context *context = NULL;
    gpuc_cluster *cluster = NULL;
    gpuc_error *error = NULL;
    int rc;

    if (argc != 5) {
        fprintf(stderr, "usage: %s CLUSTER NODE NAMESPACE N\n", argv[0]);
        return 2;
    }
    rc = gpuc_context_new(&context, &error);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_open(&cluster, context, NULL, argv[1], NULL, &error);
    for (long i = strtol(argv[4], NULL, 10); rc == GPUC_OK && i > 0; i--)
        rc = run(cluster, argv, &error);
    if (rc != GPUC_OK)
        fprintf(stderr, "%s\n", error ? gpuc_error_message(error) : "failed");
    gpuc_error_unref(error);
    gpuc_cluster_unref(cluster);
    gpuc_context_unref(context);
    return rc == GPUC_OK ? 0 : 1;
}

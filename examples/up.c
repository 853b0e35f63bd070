/* SPDX-License-Identifier: Apache-2.0 */
/* A spec in, a proven cluster out.
 *
 *     up k8s.yaml        plans, brings up, proves; prints what happens and the proof */
#include <gpucluster.h>
#include <stdio.h>

static int fail(const char *what, gpuc_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error ? gpuc_error_message(error) : "unknown error");
    if (error && gpuc_error_evidence(error))
        fprintf(stderr, "%s\n", gpuc_error_evidence(error));
    if (error && gpuc_error_remedy(error))
        fprintf(stderr, "  %s\n", gpuc_error_remedy(error));
    gpuc_error_unref(error);
    return 1;
}

static void print_event(gpuc_context *context, gpuc_event *event, void *userdata)
{
    const char *machine = gpuc_event_machine(event), *step = gpuc_event_step(event);

    if (gpuc_event_kind(event) != GPUC_EVENT_STEP_PROGRESS)
        printf("%-12s %-18s %s\n", machine ? machine : "", step ? step : "",
               gpuc_event_message(event));
}

/* The operation in its asynchronous form, as it has a report to ask for. */
static int up(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc = gpuc_cluster_up_start(&op, cluster, 0, err);

    if (rc == GPUC_OK)
        rc = gpuc_op_wait(op, -1, err);
    if (op && gpuc_op_report(op)) {
        char *text = gpuc_report_to_text(gpuc_op_report(op));

        fputs(text ? text : "", stdout);
        gpuc_free(text);
    }
    gpuc_op_unref(op);
    return rc;
}

int main(int argc, char **argv)
{
    gpuc_context *context = NULL;
    gpuc_spec *spec = NULL;
    gpuc_cluster *cluster = NULL;
    gpuc_error *error = NULL;
    int rc;

    if (argc != 2) {
        fprintf(stderr, "usage: %s SPEC\n", argv[0]);
        return 2;
    }
    rc = gpuc_context_new(&context, &error);
    if (rc == GPUC_OK) {
        gpuc_context_set_event(context, print_event, NULL, NULL);
        rc = gpuc_spec_load(&spec, argv[1], &error);
    }
    if (rc == GPUC_OK)
        rc = gpuc_cluster_open(&cluster, context, spec, NULL, NULL, &error);
    if (rc == GPUC_OK)
        rc = up(cluster, &error);
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    gpuc_context_unref(context);
    return rc == GPUC_OK ? 0 : fail(argv[1], error);
}

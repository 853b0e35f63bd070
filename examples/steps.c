/* SPDX-License-Identifier: Apache-2.0 */
/* A step of one's own and a step skipped.
 *
 *     steps k8s.yaml plan      shows both in the plan
 *     steps k8s.yaml up        brings the cluster up with them
 *
 * What was added and skipped is kept in the cluster's state when `up` begins: after a crash, `up` of
 * any program that opens the cluster by its name goes on with both. */
#include <gpucluster.h>
#include <stdio.h>
#include <string.h>

static int fail(gpuc_error *error)
{
    fprintf(stderr, "%s\n", error ? gpuc_error_message(error) : "unknown error");
    gpuc_error_unref(error);
    return 1;
}

/* Scripts are POSIX sh and run as root. The probe alone decides whether there is something to do; the
 * act leaves a mark each time, so that one can see that it ran once. */
static int own_step(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;

    step.id = "site.motd";
    step.title = "Say whose machine it is";
    step.after = "os.packages";
    step.probe = "test -e /etc/motd.site";
    step.act = "echo begun >> /var/log/motd.site; sleep 5\n"
               "echo 'of the cluster' > /etc/motd.site.new\n"
               "mv /etc/motd.site.new /etc/motd.site";
    step.undo = "rm -f /etc/motd.site /var/log/motd.site";
    return gpuc_cluster_add_step(cluster, &step, err);
}

static int plan(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc_plan *result = NULL;
    int rc = gpuc_cluster_plan(&result, cluster, 0, err);

    if (rc == GPUC_OK) {
        char *text = gpuc_plan_to_text(result);

        fputs(text ? text : "", stdout);
        gpuc_free(text);
    }
    gpuc_plan_unref(result);
    return rc;
}

static void print_event(gpuc_context *context, gpuc_event *event, void *userdata)
{
    const char *machine = gpuc_event_machine(event), *step = gpuc_event_step(event);

    printf("%s %s %s\n", machine ? machine : "-", step ? step : "-", gpuc_event_message(event));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    gpuc_context *context = NULL;
    gpuc_spec *spec = NULL;
    gpuc_cluster *cluster = NULL;
    gpuc_error *error = NULL;
    int rc;

    if (argc != 3 || (strcmp(argv[2], "plan") != 0 && strcmp(argv[2], "up") != 0)) {
        fprintf(stderr, "usage: %s SPEC plan|up\n", argv[0]);
        return 2;
    }
    rc = gpuc_context_new(&context, &error);
    if (rc == GPUC_OK)
        rc = gpuc_spec_load(&spec, argv[1], &error);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_open(&cluster, context, spec, NULL, NULL, &error);
    if (rc == GPUC_OK)
        rc = own_step(cluster, &error);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_skip_step(cluster, "os.swap", NULL, &error);
    if (rc == GPUC_OK && strcmp(argv[2], "plan") == 0) {
        rc = plan(cluster, &error);
    } else if (rc == GPUC_OK) {
        gpuc_context_set_event(context, print_event, NULL, NULL);
        rc = gpuc_cluster_up(cluster, 0, &error);
    }
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    gpuc_context_unref(context);
    return rc == GPUC_OK ? 0 : fail(error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `up` with a step of the caller's own that restarts the machine in mid-recipe.
 *
 *     restart SPEC      prints each event; 0 when the cluster is up, 1 when not */
#include <gpucluster.h>
#include <stdio.h>

static int fail(gpuc_error *error)
{
    printf("error: %s\n", error ? gpuc_error_message(error) : "unknown error");
    if (error && gpuc_error_remedy(error))
        printf("remedy: %s\n", gpuc_error_remedy(error));
    gpuc_error_unref(error);
    return 1;
}

static void print_event(gpuc_context *context, gpuc_event *event, void *userdata)
{
    const char *step = gpuc_event_step(event);

    (void)context;
    (void)userdata;
    printf("%s %s\n", step ? step : "-", gpuc_event_message(event));
    fflush(stdout);
}

/* The act marks the boot in which it ran: the effect is there in any later one. */
static int add_restart(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;

    step.id = "site.restart";
    step.title = "Restart in mid-recipe";
    step.after = "os.kernel";
    step.probe = "b=/proc/sys/kernel/random/boot_id; f=/var/lib/site-restart\n"
                 "[ -e $f ] || { echo 'not restarted yet'; exit 1; }\n"
                 "! cmp -s $f $b || { echo 'the restart is to come'; exit 1; }\n"
                 "echo 'restarted since'\n";
    step.act = "cat /proc/sys/kernel/random/boot_id >/var/lib/site-restart\n"
               "sync\nsystemctl reboot\nsleep 600\n";
    step.undo = "rm -f /var/lib/site-restart\n";
    step.timeout_s = 900;
    return gpuc_cluster_add_step(cluster, &step, err);
}

int main(int argc, char **argv)
{
    gpuc_context *context = NULL;
    gpuc_cluster *cluster = NULL;
    gpuc_spec *spec = NULL;
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
        rc = add_restart(cluster, &error);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_up(cluster, 0, &error);
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    gpuc_context_unref(context);
    return rc == GPUC_OK ? 0 : fail(error);
}

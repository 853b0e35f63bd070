/* SPDX-License-Identifier: Apache-2.0 */
/* A context inside another event loop: an epoll loop of the program's own waits for the context and
 * for standard input, and plans a cluster meanwhile.
 *
 *     loop k8s.yaml        prints each event, then the plan; Enter cancels */
#include <errno.h>
#include <gpucluster.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

static int fail(const char *what, gpuc_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error ? gpuc_error_message(error) : "unknown error");
    if (error && gpuc_error_remedy(error))
        fprintf(stderr, "  %s\n", gpuc_error_remedy(error));
    gpuc_error_unref(error);
    return 1;
}

static void print_event(gpuc_context *context, gpuc_event *event, void *userdata)
{
    const char *machine = gpuc_event_machine(event), *step = gpuc_event_step(event);

    printf("%s%s%s %s\n", machine ? machine : "", machine ? " " : "", step ? step : "-",
           gpuc_event_message(event));
}

static int watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The program's loop. All that the library asks of it: wait on the descriptor for no longer than
 * the timeout, then call process. */
static int loop(gpuc_context *context, gpuc_op *op, gpuc_error **err)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), rc = GPUC_OK;

    if (epoll < 0 || watch(epoll, gpuc_context_fd(context)) != 0) {
        perror("epoll");
        return GPUC_EIO;
    }
    watch(epoll, STDIN_FILENO); /* a plain file cannot be watched; then there is no cancel */
    while (rc == GPUC_OK && gpuc_op_state(op) == GPUC_OP_RUNNING) {
        struct epoll_event ready[2];
        int n = epoll_wait(epoll, ready, 2, gpuc_context_timeout(context));

        if (n < 0 && errno != EINTR) {
            perror("epoll_wait");
            rc = GPUC_EIO;
        }
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == STDIN_FILENO) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
                if (getchar() != EOF)
                    gpuc_op_cancel(op);
            }
        }
        if (rc == GPUC_OK)
            rc = gpuc_context_process(context, err);
    }
    close(epoll);
    return rc;
}

static int plan(gpuc_context *context, const char *path)
{
    gpuc_spec *spec = NULL;
    gpuc_cluster *cluster = NULL;
    gpuc_op *op = NULL;
    gpuc_error *error = NULL;
    int rc = gpuc_spec_load(&spec, path, &error);

    if (rc == GPUC_OK)
        rc = gpuc_cluster_open(&cluster, context, spec, NULL, NULL, &error);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_plan_start(&op, cluster, 0, &error);
    if (rc == GPUC_OK)
        rc = loop(context, op, &error);
    if (rc == GPUC_OK)
        rc = gpuc_op_wait(op, -1, &error); /* it has ended: gives its result */
    if (rc == GPUC_OK && gpuc_op_plan(op)) {
        char *text = gpuc_plan_to_text(gpuc_op_plan(op));

        fputs(text ? text : "out of memory\n", stdout);
        gpuc_free(text);
    }
    gpuc_op_unref(op);
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    return rc == GPUC_OK ? 0 : fail(path, error);
}

int main(int argc, char **argv)
{
    gpuc_context *context = NULL;
    gpuc_error *error = NULL;
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: %s SPEC\n", argv[0]);
        return 2;
    }
    if (gpuc_context_new(&context, &error) != GPUC_OK)
        return fail("context", error);
    gpuc_context_set_event(context, print_event, NULL, NULL);
    status = plan(context, argv[1]);
    gpuc_context_unref(context);
    return status;
}

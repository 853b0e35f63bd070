/* SPDX-License-Identifier: Apache-2.0 */
/* Access: kubeconfig, proxy, ssh, scp. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

/* The whole of a file of at most 4 MiB; "" when it is not there; NULL after an error. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t max = 4 << 20, n;
    char *text;

    if (!file)
        return errno == ENOENT ? strdup("") : NULL;
    text = malloc(max + 1);
    n = text ? fread(text, 1, max, file) : 0;
    if (text)
        text[n] = '\0';
    fclose(file);
    return text;
}

/* Writes a secret to a temporary file beside path and renames it: never half a kubeconfig. */
static int write_file(const char *path, const char *text)
{
    size_t length = strlen(path) + 8;
    char *temporary = malloc(length);
    int fd, ok;

    if (!temporary)
        return EXIT_FAILED;
    snprintf(temporary, length, "%s.XXXXXX", path);
    fd = mkstemp(temporary); /* 0600 */
    ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0 &&
         rename(temporary, path) == 0;
    if (!ok)
        fprintf(stderr, "gpucluster: cannot write %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(temporary);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static int merge_into(cli *c, const char *path, const char *config)
{
    char *existing = read_file(path), *merged = NULL;
    gpuc_error *error = NULL;
    int status;

    if (!existing)
        return usage_error("cannot read %s: %s", path, strerror(errno));
    if (gpuc_kubeconfig_merge(&merged, existing, config, &error) < 0)
        status = print_error(c, error);
    else
        status = write_file(path, merged);
    gpuc_free(merged);
    free(existing);
    return status;
}

int cmd_kubeconfig(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"merge", required_argument, NULL, 'm'},
                                            {"server", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *merge = NULL, *server = NULL;
    gpuc_error *error = NULL;
    char *config = NULL;
    int o, status;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'm')
            merge = optarg;
        else if (o == 's')
            server = optarg;
        else
            return EXIT_USAGE;
    }
    if ((status = open_cluster(c, argv[optind])))
        return status;
    if (gpuc_cluster_kubeconfig(&config, c->cluster, server, &error) < 0)
        return print_error(c, error);
    if (!merge) {
        print_new(config);
        return EXIT_DONE;
    }
    status = merge_into(c, merge, config);
    gpuc_free(config);
    return status;
}

/* A kubeconfig for the proxy's own port, so that `kubectl --kubeconfig FILE` works while it runs. */
static int write_proxy_config(cli *c, const char *path, int port)
{
    gpuc_error *error = NULL;
    char *config = NULL, server[64];
    int status;

    snprintf(server, sizeof(server), "https://127.0.0.1:%d", port);
    if (gpuc_cluster_kubeconfig(&config, c->cluster, server, &error) < 0)
        return print_error(c, error);
    status = write_file(path, config);
    gpuc_free(config);
    return status;
}

int cmd_proxy(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"kubeconfig", required_argument, NULL, 'k'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    char *end = NULL;
    long port = 0;
    int o, status, bound;

    while ((o = getopt_long(argc, argv, "p:", options, NULL)) != -1) {
        if (o == 'p')
            port = strtol(optarg, &end, 10);
        else if (o == 'k')
            file = optarg;
        else
            return EXIT_USAGE;
    }
    if ((end && *end) || port < 0 || port > 65535)
        return usage_error("--port wants a number from 0 to 65535");
    if ((status = open_cluster(c, argv[optind])))
        return status;
    if (gpuc_cluster_proxy_start(&op, c->cluster, (int)port, &bound, &error) < 0)
        return print_error(c, error);
    if (file && (status = write_proxy_config(c, file, bound))) {
        gpuc_op_unref(op);
        return status;
    }
    printf(c->json ? "{\"server\":\"https://127.0.0.1:%d\"}\n" : "https://127.0.0.1:%d\n", bound);
    fflush(stdout);
    status = run_operation(c, op, &error) < 0 && !interrupted ? print_error(c, error) : EXIT_DONE;
    gpuc_op_unref(op);
    return status;
}

static void to_stream(int stream, const char *data, size_t length, void *userdata)
{
    (void)userdata;
    fwrite(data, 1, length, stream == 2 ? stderr : stdout);
}

/* The words of a command as one line for the remote shell, as ssh(1) joins them. */
static char *join(char **words)
{
    size_t length = 1;
    char *line, *p;

    for (char **w = words; *w; w++)
        length += strlen(*w) + 1;
    line = p = malloc(length);
    if (!line)
        return NULL;
    for (char **w = words; *w; w++)
        p += snprintf(p, length - (size_t)(p - line), "%s%s", w == words ? "" : " ", *w);
    *p = '\0';
    return line;
}

static int shell(cli *c, const char *machine)
{
    struct termios saved, raw;
    bool tty = tcgetattr(STDIN_FILENO, &saved) == 0;
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    int rc = gpuc_cluster_shell_start(&op, c->cluster, machine, NULL, STDIN_FILENO, STDOUT_FILENO,
                                      &error);

    if (rc == GPUC_OK) {
        if (tty) {
            raw = saved;
            cfmakeraw(&raw);
            tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
        }
        rc = gpuc_op_wait(op, -1, &error);
        if (tty)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    }
    gpuc_op_unref(op);
    return rc < 0 ? print_error(c, error) : EXIT_DONE;
}

int cmd_ssh(cli *c, int argc, char **argv)
{
    const char *cluster = NULL;
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    char *line;
    int o, status, rc;

    while ((o = getopt(argc, argv, "+c:")) != -1) {
        if (o != 'c')
            return EXIT_USAGE;
        cluster = optarg;
    }
    if (optind >= argc)
        return usage_error("ssh wants the name of a machine");
    if ((status = open_cluster(c, cluster)))
        return status;
    if (!argv[optind + 1])
        return shell(c, argv[optind]);
    line = join(argv + optind + 1);
    rc = gpuc_cluster_exec_start(&op, c->cluster, argv[optind], line ? line : "", to_stream, NULL, 0,
                                 &error);
    free(line);
    if (rc == GPUC_OK)
        rc = run_operation(c, op, &error);
    gpuc_op_unref(op);
    if (rc == GPUC_EREMOTE && gpuc_error_native_code(error) > 0) {
        status = (int)gpuc_error_native_code(error); /* the command's own status, as ssh gives it */
        gpuc_error_unref(error);
        return status;
    }
    return rc < 0 ? print_error(c, error) : EXIT_DONE;
}

int cmd_scp(cli *c, int argc, char **argv)
{
    const char *cluster = NULL, *from, *to;
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    char *machine, *colon;
    int o, status, rc, upload;

    while ((o = getopt(argc, argv, "c:")) != -1) {
        if (o != 'c')
            return EXIT_USAGE;
        cluster = optarg;
    }
    if (argc - optind != 2)
        return usage_error("scp wants FROM and TO, one of them as MACHINE:PATH");
    from = argv[optind];
    to = argv[optind + 1];
    upload = !strchr(from, ':');
    machine = strdup(upload ? to : from);
    colon = machine ? strchr(machine, ':') : NULL;
    if (!colon) {
        free(machine);
        return usage_error("one of FROM and TO must be MACHINE:PATH");
    }
    *colon = '\0';
    if ((status = open_cluster(c, cluster))) {
        free(machine);
        return status;
    }
    rc = gpuc_cluster_copy_start(&op, c->cluster, machine, upload ? from : to, colon + 1, upload,
                                 &error);
    if (rc == GPUC_OK)
        rc = run_operation(c, op, &error);
    gpuc_op_unref(op);
    free(machine);
    return rc < 0 ? print_error(c, error) : EXIT_DONE;
}

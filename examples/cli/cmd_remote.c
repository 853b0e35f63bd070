/* SPDX-License-Identifier: Apache-2.0 */
/* On a machine: ssh, scp. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

#define JSON_OUTPUT_MAX (16 << 20) /* kept of each stream with --json */

typedef struct streams {
    char *data[2];
    size_t length[2];
} streams;

static void keep(int stream, const char *data, size_t length, void *userdata)
{
    streams *s = userdata;
    int i = stream == 2;
    char *grown;

    if (s->length[i] + length > JSON_OUTPUT_MAX ||
        !(grown = realloc(s->data[i], s->length[i] + length)))
        return;
    memcpy(grown + s->length[i], data, length);
    s->data[i] = grown;
    s->length[i] += length;
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

/* A command's own status, as ssh(1) gives it; what kept it from running is an error. */
static int remote_status(cli *c, int rc, gpuc_error *error)
{
    int status = error ? (int)gpuc_error_native_code(error) : 0;

    if (rc != GPUC_EREMOTE || status <= 0)
        return rc < 0 ? print_error(c, error) : EXIT_DONE;
    gpuc_error_unref(error);
    return status;
}

/* With a terminal: a login shell, or a command. */
static int shell(cli *c, const char *machine, const char *line)
{
    struct termios saved, raw;
    bool tty = tcgetattr(STDIN_FILENO, &saved) == 0;
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    int rc = gpuc_cluster_shell_start(&op, c->cluster, machine, line, STDIN_FILENO,
                                      STDOUT_FILENO, &error);

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
    return remote_status(c, rc, error);
}

/* Bytes that are not UTF-8 are shown by their marks: JSON has no other bytes. */
static json_t *text_of(const char *data, size_t length)
{
    json_t *text = json_stringn(data ? data : "", length);
    char *copy;

    if (text || !(copy = malloc(length)))
        return text ? text : json_null();
    for (size_t i = 0; i < length; i++)
        copy[i] = (unsigned char)data[i] < 0x80 ? data[i] : '?';
    text = json_stringn(copy, length);
    free(copy);
    return text ? text : json_null();
}

static int print_streams(int status, streams *s)
{
    print_json(json_pack("{s:i,s:o,s:o}", "status", status, "stdout",
                         text_of(s->data[0], s->length[0]), "stderr",
                         text_of(s->data[1], s->length[1])));
    return status;
}

static int run_command(cli *c, const char *machine, const char *line)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    streams s = {{NULL, NULL}, {0, 0}};
    int rc = gpuc_cluster_exec_start(&op, c->cluster, machine, line, c->json ? keep : to_stream, &s, 0,
                                     &error),
        status;

    if (rc == GPUC_OK)
        rc = run_operation(c, op, &error);
    gpuc_op_unref(op);
    status = remote_status(c, rc, error);
    if (c->json && (rc == GPUC_OK || rc == GPUC_EREMOTE))
        print_streams(status, &s);
    free(s.data[0]);
    free(s.data[1]);
    return status;
}

int cmd_ssh(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"cluster", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    const char *cluster = NULL;
    bool terminal = false;
    char *line;
    int o, status;

    while ((o = next_option(c, argc, argv, "+c:t", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        if (o == 'c')
            cluster = optarg;
        else
            terminal = true;
    }
    if ((status = arguments(c, argc, argv, 1, argc)) || (status = open_cluster(c, cluster)))
        return status;
    if (!argv[optind + 1])
        return shell(c, argv[optind], NULL);
    line = join(argv + optind + 1);
    if (!line)
        return EXIT_FAILED;
    status = terminal ? shell(c, argv[optind], line) : run_command(c, argv[optind], line);
    free(line);
    return status;
}

/* MACHINE:PATH; a path with a slash before the colon is a local one, as with scp(1). */
static bool is_remote(const char *path)
{
    return path[strcspn(path, "/:")] == ':';
}

int cmd_scp(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"cluster", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    const char *cluster = NULL, *from, *to;
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    char *machine, *colon;
    int o, status, rc, upload;

    while ((o = next_option(c, argc, argv, "c:", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        cluster = optarg;
    }
    if ((status = arguments(c, argc, argv, 2, 2)))
        return status;
    from = argv[optind];
    to = argv[optind + 1];
    upload = !is_remote(from);
    if (!upload == is_remote(to))
        return usage_error(c, "scp: one of FROM and TO must be MACHINE:PATH, and only one");
    machine = strdup(upload ? to : from);
    if (!machine)
        return EXIT_FAILED;
    colon = strchr(machine, ':');
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
    if (rc < 0)
        return print_error(c, error);
    if (c->json)
        print_json(json_pack("{s:s,s:s}", "from", from, "to", to));
    return EXIT_DONE;
}

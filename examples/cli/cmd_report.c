/* SPDX-License-Identifier: Apache-2.0 */
/* report: the last proof, in the form that is asked for. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define REPORT_MAX (256u * 1024 * 1024)

typedef struct request {
    const struct report_format *format;
    const char *output, *from;
} request;

/* The whole file, which grows in memory as it is read; NULL: errno says why. */
static char *read_all(FILE *file, size_t *length)
{
    size_t room = 1 << 16;
    char *bytes = malloc(room);

    *length = 0;
    while (bytes && !feof(file) && !ferror(file) && *length <= REPORT_MAX) {
        if (*length == room) {
            char *more = realloc(bytes, room *= 2);

            if (!more)
                free(bytes);
            bytes = more;
        }
        if (bytes)
            *length += fread(bytes + *length, 1, room - *length, file);
    }
    if (bytes && ferror(file)) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

static int report_from_file(cli *c, gpuc_report **out, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    gpuc_error *error = NULL;
    size_t length = 0;
    char *bytes = file ? read_all(file, &length) : NULL;
    int status = EXIT_DONE;

    if (!bytes) {
        usage_error(c, "report: %s cannot be read: %s", path, strerror(errno));
        status = EXIT_FAILED;
    } else if (gpuc_report_from_json(out, bytes, length, &error) < 0) {
        status = print_error(c, error);
    }
    free(bytes);
    if (file && file != stdin)
        fclose(file);
    return status;
}

static int parse_request(cli *c, request *r, int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"from", required_argument, NULL, 'F'},
                                            {NULL, 0, NULL, 0}};
    int o, status;

    while ((o = next_option(c, argc, argv, "o:", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        if (o == 'o')
            r->output = optarg;
        else if (o == 'F')
            r->from = optarg;
        else if (!(r->format = report_format_named(optarg)))
            return usage_error(c, "--format: \"%s\" is none of json, ctrf, junit, html, table", optarg);
    }
    if (!r->format && r->output && !(r->format = report_format_of(r->output)))
        return usage_error(c, "report: the ending of %s says no format; give --format", r->output);
    return arguments(c, argc, argv, 0, r->from ? 0 : 1);
}

static int get_report(cli *c, gpuc_report **out, const request *r, char **argv)
{
    gpuc_error *error = NULL;
    int status;

    if (r->from)
        return report_from_file(c, out, r->from);
    status = open_cluster(c, argv[optind]);
    if (status)
        return status;
    return gpuc_cluster_report(out, c->cluster, &error) < 0 ? print_error(c, error) : EXIT_DONE;
}

int cmd_report(cli *c, int argc, char **argv)
{
    request r = {NULL, NULL, NULL};
    gpuc_report *report = NULL;
    int status = parse_request(c, &r, argc, argv);

    if (!status)
        status = get_report(c, &report, &r, argv);
    if (!status && r.output)
        status = write_report(c, report, r.format, r.output);
    else if (!status && r.format && strcmp(r.format->name, "table") != 0)
        print_new(r.format->write(report));
    else if (!status)
        print_report(c, report);
    if (!status)
        status = verdict_status(report);
    gpuc_report_unref(report);
    return status;
}

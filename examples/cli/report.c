/* SPDX-License-Identifier: Apache-2.0 */
/* A report's forms: which one a file wants, and writing it. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

static char *to_table(const gpuc_report *report)
{
    return gpuc_report_to_table(report, 0, 0);
}

/* Longer endings come first. */
static const struct report_format formats[] = {
    {"ctrf", ".ctrf.json", gpuc_report_to_ctrf},
    {"json", ".json", gpuc_report_to_json},
    {"junit", ".xml", gpuc_report_to_junit},
    {"html", ".html", gpuc_report_to_html},
    {"table", ".txt", to_table},
};

const struct report_format *report_format_named(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    }
    return NULL;
}

const struct report_format *report_format_of(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        size_t n = strlen(formats[i].ending);

        if (length > n && strcmp(path + length - n, formats[i].ending) == 0)
            return &formats[i];
    }
    return NULL;
}

int add_report_file(cli *c, const char *path)
{
    const char **list;

    if (!report_format_of(path))
        return usage_error(c, "--report %s: its ending must say what it is: .json, .ctrf.json, .xml "
                              "(JUnit), .html or .txt",
                           path);
    list = realloc(c->report_files, (c->report_file_count + 1) * sizeof(*list));
    if (!list)
        return EXIT_FAILED;
    c->report_files = list;
    list[c->report_file_count++] = path;
    return EXIT_DONE;
}

int write_report(cli *c, const gpuc_report *report, const struct report_format *format,
                 const char *path)
{
    char *text = format->write(report);
    int status = text ? write_file(c, path, text, 0666) : EXIT_FAILED;

    if (!text)
        usage_error(c, "no memory for %s", path);
    gpuc_free(text);
    return status;
}

int write_report_files(cli *c, const gpuc_report *report)
{
    int status = EXIT_DONE;

    for (size_t i = 0; report && i < c->report_file_count; i++) {
        const char *path = c->report_files[i];
        int rc = write_report(c, report, report_format_of(path), path);

        status = rc ? rc : status;
    }
    return status;
}

static int terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long width;

    if (columns && parse_number(columns, 20, 10000, &width))
        return (int)width;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 0;
}

void print_report(const cli *c, const gpuc_report *report)
{
    const char *no_color = getenv("NO_COLOR");
    bool terminal = isatty(STDOUT_FILENO);

    if (c->json)
        print_new(gpuc_report_to_json(report));
    else
        print_new(gpuc_report_to_table(report, terminal ? terminal_width() : 0,
                                       terminal && !(no_color && no_color[0])));
}

int verdict_status(const gpuc_report *report)
{
    if (gpuc_report_count(report, GPUC_CHECK_FAIL))
        return EXIT_PROOF;
    return gpuc_report_count(report, GPUC_CHECK_SKIP) ? EXIT_UNPROVEN : EXIT_DONE;
}

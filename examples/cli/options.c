/* SPDX-License-Identifier: Apache-2.0 */
/* Options and arguments of a command: the same words for the same mistakes. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int usage_error(const cli *c, const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (c->json) {
        json_t *root = json_pack("{s:{s:s,s:s}}", "error", "name", "USAGE", "message", message);

        print_json(root);
    } else {
        fputs("gpucluster: ", stderr);
        print_clean(stderr, message);
        fputc('\n', stderr);
    }
    return EXIT_USAGE;
}

int next_option(cli *c, int argc, char **argv, const char *letters, const struct option *options,
                int *status)
{
    return next_option_at(c, argc, argv, letters, options, status, NULL);
}

int next_option_at(cli *c, int argc, char **argv, const char *letters, const struct option *options,
                   int *status, int *index)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    int at = optind ? optind : 1, o;

    opterr = 0;
    o = getopt_long(argc, argv, letters, options ? options : none, index);
    if (o == '?' || o == ':') {
        const char *word = argv[at] && argv[at][0] == '-' ? argv[at] : argv[optind - 1];

        *status = usage_error(c, "%s: the option %s %s; `gpucluster %s --help` shows its options",
                              argv[0], word,
                              o == ':' || (optopt && optopt != '?' && strchr(letters, optopt))
                                  ? "wants a value"
                                  : "is not known, or lacks its value, or has one too many",
                              argv[0]);
        return BAD_OPTION;
    }
    return o;
}

int arguments(cli *c, int argc, char **argv, int least, int most)
{
    int count = argc - optind;

    if (count >= least && count <= most)
        return EXIT_DONE;
    if (count > most)
        return usage_error(c, "%s: \"%s\" is one argument too many; `gpucluster %s --help` shows what it "
                              "takes",
                           argv[0], argv[optind + most], argv[0]);
    return usage_error(c, "%s lacks an argument; `gpucluster %s --help` shows what it takes", argv[0],
                       argv[0]);
}

bool parse_number(const char *text, long least, long most, long *out)
{
    char *end = NULL;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most)
        return false;
    *out = value;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Errors for people and for programs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static int exit_status(const gpuc_error *error)
{
    switch (gpuc_error_code(error)) {
    case GPUC_EPROOF:
        return EXIT_PROOF;
    case GPUC_EBUSY:
        return EXIT_HELD;
    case GPUC_ECANCELLED:
        return EXIT_CANCELLED;
    case GPUC_EINVAL:
    case GPUC_ELIMIT:
        return gpuc_error_domain(error) == GPUC_DOMAIN_SPEC ? EXIT_SPEC : EXIT_FAILED;
    default:
        return EXIT_FAILED;
    }
}

static void print_indented(const char *text)
{
    fputs("    | ", stderr);
    for (; *text; text++) {
        /* What a machine printed must not drive the terminal. */
        if (*text == '\n' && text[1])
            fputs("\n    | ", stderr);
        else if (*text != '\n')
            fputc((unsigned char)*text < 0x20 && *text != '\t' ? '?' : *text, stderr);
    }
    fputc('\n', stderr);
}

static void print_chain(const cli *c, const gpuc_error *e, int depth)
{
    const char *red = c->color ? "\033[31m" : "", *plain = c->color ? "\033[0m" : "";

    fprintf(stderr, "%s%s%s", depth ? "  because: " : red, depth ? "" : "error: ",
            depth ? "" : plain);
    if (gpuc_error_machine(e) && !depth)
        fprintf(stderr, "[%s] ", gpuc_error_machine(e));
    fprintf(stderr, "%s\n", gpuc_error_message(e));
    if (gpuc_error_evidence(e) && gpuc_error_evidence(e)[0])
        print_indented(gpuc_error_evidence(e));
    if (gpuc_error_remedy(e))
        fprintf(stderr, "  what to do: %s\n", gpuc_error_remedy(e));
    if (gpuc_error_cause(e))
        print_chain(c, gpuc_error_cause(e), depth + 1);
}

int print_error(cli *c, gpuc_error *error)
{
    int status = error ? exit_status(error) : EXIT_FAILED;

    if (!error) {
        fputs("error: failed without saying why; please report this\n", stderr);
    } else if (c->json) {
        char *text = gpuc_error_to_json(error);

        printf("{\"error\":%s}\n", text ? text : "null");
        gpuc_free(text);
    } else {
        print_chain(c, error, 0);
    }
    gpuc_error_unref(error);
    return status;
}

int usage_error(const char *format, ...)
{
    va_list args;

    fputs("gpucluster: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Errors for people and for programs. */
#include <stdio.h>
#include <string.h>

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
    while (*text) {
        size_t length = strcspn(text, "\n");
        char line[512];

        snprintf(line, sizeof(line), "%.*s", (int)length, text);
        fputs("    | ", stderr);
        print_clean(stderr, line);
        fputc('\n', stderr);
        text += length + (text[length] == '\n');
    }
}

static bool says_it_already(const gpuc_error *e, const gpuc_error *cause)
{
    return strstr(gpuc_error_message(e), gpuc_error_message(cause)) != NULL;
}

/* What the outermost error has said already is not said again. */
static const char *news(const char *text, const char *said)
{
    return text && text[0] && !(said && strcmp(text, said) == 0) ? text : NULL;
}

static void print_one(const gpuc_error *e, const gpuc_error *top)
{
    bool first = e == top;
    const char *evidence = news(gpuc_error_evidence(e), first ? NULL : gpuc_error_evidence(top));
    const char *remedy = news(gpuc_error_remedy(e), first ? NULL : gpuc_error_remedy(top));

    if (first && gpuc_error_machine(e))
        fprintf(stderr, "[%s] ", gpuc_error_machine(e));
    print_clean(stderr, gpuc_error_message(e));
    fputc('\n', stderr);
    if (evidence)
        print_indented(evidence);
    if (remedy)
        fprintf(stderr, "  what to do: %s\n", remedy);
}

/* The error of a run repeats what its first step said: once is enough for a person. */
static void print_chain(const cli *c, const gpuc_error *top)
{
    fputs(c->color ? "\033[31merror: \033[0m" : "error: ", stderr);
    print_one(top, top);
    for (const gpuc_error *e = gpuc_error_cause(top); e; e = gpuc_error_cause(e)) {
        if (!says_it_already(top, e)) {
            fputs("  because: ", stderr);
            print_one(e, top);
        }
    }
}

int print_error(cli *c, gpuc_error *error)
{
    return print_error_with(c, error, NULL, NULL);
}

/* The data is not read, only copied: a report of a thousand machines is large. */
static void print_as_json(const gpuc_error *error, const char *key, const char *data)
{
    char *text = gpuc_error_to_json(error);

    fputs("{\"error\":", stdout);
    print_one_line(text ? text : "null");
    if (data) {
        printf(",\"%s\":", key);
        print_one_line(data);
    }
    fputs("}\n", stdout);
    gpuc_free(text);
}

int print_error_with(cli *c, gpuc_error *error, const char *key, const char *data)
{
    int status = error ? exit_status(error) : EXIT_FAILED;

    if (!error)
        fputs("error: failed without saying why; please report this\n", stderr);
    else if (c->json)
        print_as_json(error, key, data);
    else
        print_chain(c, error);
    gpuc_error_unref(error);
    return status;
}

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

static void print_chain(const cli *c, const gpuc_error *e, const gpuc_error *top, int depth)
{
    const char *red = c->color ? "\033[31m" : "", *plain = c->color ? "\033[0m" : "";
    const char *evidence = gpuc_error_evidence(e);

    /* What is not shown of a cause is shown here. */
    for (const gpuc_error *cause = gpuc_error_cause(e);
         !evidence && cause && says_it_already(top, cause); cause = gpuc_error_cause(cause))
        evidence = gpuc_error_evidence(cause);
    fprintf(stderr, "%s%s%s", depth ? "  because: " : red, depth ? "" : "error: ",
            depth ? "" : plain);
    if (gpuc_error_machine(e) && !depth)
        fprintf(stderr, "[%s] ", gpuc_error_machine(e));
    print_clean(stderr, gpuc_error_message(e));
    fputc('\n', stderr);
    if (evidence && evidence[0])
        print_indented(evidence);
    if (gpuc_error_remedy(e))
        fprintf(stderr, "  what to do: %s\n", gpuc_error_remedy(e));
    /* The error of a run repeats what its first step said: once is enough for a person. */
    for (e = gpuc_error_cause(e); e; e = gpuc_error_cause(e)) {
        if (!says_it_already(top, e)) {
            print_chain(c, e, top, depth + 1);
            return;
        }
    }
}

int print_error(cli *c, gpuc_error *error)
{
    int status = error ? exit_status(error) : EXIT_FAILED;

    if (!error) {
        fputs("error: failed without saying why; please report this\n", stderr);
    } else if (c->json) {
        print_json(json_pack("{s:o}", "error", take_json(gpuc_error_to_json(error))));
    } else {
        print_chain(c, error, error, 0);
    }
    gpuc_error_unref(error);
    return status;
}

int print_error_with(cli *c, gpuc_error *error, const char *key, json_t *data)
{
    int status = error ? exit_status(error) : EXIT_FAILED;

    if (!c->json || !error) {
        json_decref(data);
        return print_error(c, error);
    }
    print_json(json_pack("{s:o,s:o}", "error", take_json(gpuc_error_to_json(error)), key, data));
    gpuc_error_unref(error);
    return status;
}

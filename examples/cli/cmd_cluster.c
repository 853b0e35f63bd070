/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a cluster: plan, up, verify, down. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static int start_failed(cli *c, gpuc_op *op, gpuc_error *error)
{
    gpuc_op_unref(op);
    return print_error(c, error);
}

#define WISHES_MAX 64 /* of one kind */

/* What `up` and `down` are told beside the spec; `plan` takes the same, to show what `up` would do. */
typedef struct wishes {
    const char *replace[WISHES_MAX], *skip[WISHES_MAX], *let_go[WISHES_MAX];
    size_t replaces, skips, let_gos;
    uint32_t flags;
    bool shell; /* plan only */
    bool yes;   /* down only */
} wishes;

static bool keep(const char **list, size_t *count)
{
    if (*count == WISHES_MAX)
        return false;
    list[(*count)++] = optarg;
    return true;
}

/* false: it was given too often. */
static bool take_wish(wishes *w, int option)
{
    switch (option) {
    case 'r':
        return keep(w->replace, &w->replaces);
    case 'l':
        return keep(w->let_go, &w->let_gos);
    case 's':
        return keep(w->skip, &w->skips);
    case 'n':
        w->flags |= GPUC_UP_NO_PROOF;
        return true;
    case 'p':
        w->flags |= GPUC_DOWN_PURGE_DRIVER;
        return true;
    case 'S':
        w->shell = true;
        return true;
    default:
        w->yes = true;
        return true;
    }
}

/* Reads the options and opens the cluster. */
static int parse_wishes(cli *c, wishes *w, int argc, char **argv, const struct option *options,
                        const char *shorts)
{
    int o, status;

    while ((o = next_option(c, argc, argv, shorts, options, &status)) != -1) {
        if (o == BAD_OPTION || (o == 'R' && (status = add_report_file(c, optarg))))
            return status;
        if (o != 'R' && !take_wish(w, o))
            return usage_error(c, "%s: more than %d times one option", argv[0], WISHES_MAX);
    }
    status = arguments(c, argc, argv, 0, 1);
    return status ? status : open_cluster(c, argv[optind]);
}

static int tell_wishes(cli *c, const wishes *w, gpuc_error **error)
{
    int rc = GPUC_OK;

    for (size_t i = 0; i < w->replaces && rc == GPUC_OK; i++)
        rc = gpuc_cluster_replace(c->cluster, w->replace[i], error);
    for (size_t i = 0; i < w->let_gos && rc == GPUC_OK; i++)
        rc = gpuc_cluster_let_go(c->cluster, w->let_go[i], error);
    for (size_t i = 0; i < w->skips && rc == GPUC_OK; i++)
        rc = gpuc_cluster_skip_step(c->cluster, w->skip[i], NULL, error);
    return rc;
}

static void print_shell_json(const gpuc_plan *plan)
{
    char *text = gpuc_plan_to_shell(plan);

    print_json(json_pack("{s:s?}", "shell", text));
    gpuc_free(text);
}

int cmd_plan(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"shell", no_argument, NULL, 'S'},
                                            {"replace", required_argument, NULL, 'r'},
                                            {"let-go", required_argument, NULL, 'l'},
                                            {"skip", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    gpuc_plan *plan;
    wishes w = {0};
    int status;

    if ((status = parse_wishes(c, &w, argc, argv, options, "")))
        return status;
    if (tell_wishes(c, &w, &error) < 0 || gpuc_cluster_plan_start(&op, c->cluster, 0, &error) < 0 ||
        run_operation(c, op, &error) < 0)
        return start_failed(c, op, error);
    plan = gpuc_op_plan(op);
    if (c->json && w.shell)
        print_shell_json(plan);
    else
        print_new(c->json    ? gpuc_plan_to_json(plan)
                  : w.shell ? gpuc_plan_to_shell(plan)
                            : gpuc_plan_to_text(plan));
    gpuc_op_unref(op);
    return EXIT_DONE;
}

int finish_with_report(cli *c, gpuc_op *op, int rc, gpuc_error *error, bool by_verdict)
{
    gpuc_report *report = gpuc_op_report(op);
    int status = EXIT_DONE, written;

    if (report && !(c->json && rc < 0))
        print_report(c, report);
    else if (c->json && rc == GPUC_OK)
        print_json(json_pack("{s:b}", "done", 1));
    written = write_report_files(c, report);
    if (rc < 0) {
        char *text = report && c->json ? gpuc_report_to_json(report) : NULL;

        status = print_error_with(c, error, "report", text);
        gpuc_free(text);
    } else if (report && by_verdict) {
        status = verdict_status(report);
    }
    gpuc_op_unref(op);
    return status ? status : written;
}

int cmd_up(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"replace", required_argument, NULL, 'r'},
                                            {"let-go", required_argument, NULL, 'l'},
                                            {"skip", required_argument, NULL, 's'},
                                            {"no-proof", no_argument, NULL, 'n'},
                                            {"report", required_argument, NULL, 'R'},
                                            {NULL, 0, NULL, 0}};
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    wishes w = {0};
    int status, rc;

    if ((status = parse_wishes(c, &w, argc, argv, options, "")))
        return status;
    rc = tell_wishes(c, &w, &error);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_up_start(&op, c->cluster, w.flags, &error);
    if (rc < 0)
        return start_failed(c, op, error);
    rc = run_operation(c, op, &error);
    return finish_with_report(c, op, rc, error, false);
}

/* Asks before anything is undone; without a terminal only --yes says yes. */
static bool confirmed(const cli *c)
{
    char answer[8] = "";

    if (!isatty(STDIN_FILENO))
        return false;
    fprintf(stderr, "Remove cluster %s and everything `up` made? [y/N] ",
            gpuc_cluster_name(c->cluster));
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int cmd_down(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"purge-driver", no_argument, NULL, 'p'},
                                            {"let-go", required_argument, NULL, 'l'},
                                            {"yes", no_argument, NULL, 'y'},
                                            {NULL, 0, NULL, 0}};
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    wishes w = {0};
    int status;

    if ((status = parse_wishes(c, &w, argc, argv, options, "y")))
        return status;
    if (!w.yes && !confirmed(c))
        return usage_error(c, "nothing was done: confirm, or pass --yes");
    if (tell_wishes(c, &w, &error) < 0 ||
        gpuc_cluster_down_start(&op, c->cluster, w.flags, &error) < 0 ||
        run_operation(c, op, &error) < 0)
        return start_failed(c, op, error);
    gpuc_op_unref(op);
    if (c->json)
        puts("{\"down\":true}");
    else if (!c->quiet)
        printf("cluster %s is gone\n", gpuc_cluster_name(c->cluster));
    return EXIT_DONE;
}

int cmd_list(cli *c, int argc, char **argv)
{
    gpuc_error *error = NULL;
    json_t *names, *name;
    char *text = NULL;
    size_t i;
    int status;

    if (next_option(c, argc, argv, "", NULL, &status) == BAD_OPTION ||
        (status = arguments(c, argc, argv, 0, 0)))
        return status;
    if (gpuc_cluster_list(&text, c->state_dir, &error) < 0)
        return print_error(c, error);
    if (c->json) {
        print_new(text);
        return EXIT_DONE;
    }
    names = take_json(text);
    json_array_foreach(names, i, name)
        puts(json_string_value(name));
    json_decref(names);
    return EXIT_DONE;
}

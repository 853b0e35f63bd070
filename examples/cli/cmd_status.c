/* SPDX-License-Identifier: Apache-2.0 */
/* What is: status, logs, support-bundle. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static const char *text_of(json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "-";
}

static void print_step(json_t *step)
{
    json_t *error = json_object_get(step, "error");

    printf("  %-8s %-20s %s%s%s\n", text_of(step, "state"), text_of(step, "machine"),
           text_of(step, "step"), json_is_object(error) ? ": " : "",
           json_is_object(error) ? text_of(error, "message") : "");
}

static bool is_cloud(json_t *machines)
{
    json_t *item;
    size_t i;

    json_array_foreach(machines, i, item)
        if (json_object_get(item, "zone"))
            return true;
    return false;
}

static void print_machines(json_t *machines)
{
    bool cloud = is_cloud(machines);
    json_t *item;
    size_t i;

    if (cloud)
        printf("%-28s %-14s %-15s %-15s %-15s %-10s %s\n", "NAME", "ZONE", "MACHINE_TYPE",
               "INTERNAL_IP", "EXTERNAL_IP", "STATUS", "PROOF");
    else
        printf("%-28s %-14s %-16s %-10s %s\n", "NAME", "ROLE", "ADDRESS", "STATUS", "PROOF");
    json_array_foreach(machines, i, item) {
        const char *mark = json_is_true(json_object_get(item, "simulated")) ? "  SIMULATED GPU" : "";

        if (cloud)
            printf("%-28s %-14s %-15s %-15s %-15s %-10s %s%s\n", text_of(item, "name"),
                   text_of(item, "zone"), text_of(item, "machine_type"),
                   text_of(item, "internal_ip"), text_of(item, "external_ip"),
                   text_of(item, "status"), text_of(item, "proof"), mark);
        else
            printf("%-28s %-14s %-16s %-10s %s%s\n", text_of(item, "name"), text_of(item, "role"),
                   text_of(item, "address"), text_of(item, "status"), text_of(item, "proof"), mark);
    }
}

/* The article's table, then the steps that are not done, each with its reason. */
static void print_status(json_t *status)
{
    json_t *item, *holder = json_object_get(status, "holder");
    size_t i, open_steps = 0;

    printf("cluster %s", text_of(status, "cluster"));
    if (json_is_object(holder))
        printf("  (busy: %s since %s, pid %lld)", text_of(holder, "what"),
               text_of(holder, "started"),
               (long long)json_integer_value(json_object_get(holder, "pid")));
    putchar('\n');
    print_machines(json_object_get(status, "machines"));
    json_array_foreach(json_object_get(status, "steps"), i, item)
        open_steps += strcmp(text_of(item, "state"), "done") != 0;
    if (open_steps)
        printf("steps that are not done:\n");
    json_array_foreach(json_object_get(status, "steps"), i, item) {
        if (strcmp(text_of(item, "state"), "done") != 0)
            print_step(item);
    }
}

static int show_status(cli *c)
{
    gpuc_error *error = NULL;
    char *text = NULL;
    json_t *status;

    if (gpuc_cluster_status(&text, c->cluster, &error) < 0)
        return print_error(c, error);
    status = take_json(text);
    if (c->json) {
        print_json(status); /* one line: --watch gives many */
        return EXIT_DONE;
    }
    print_status(status);
    json_decref(status);
    return EXIT_DONE;
}

int cmd_status(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"watch", no_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    bool watch = false;
    int o, status;

    while ((o = next_option(c, argc, argv, "w", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        watch = true;
    }
    if ((status = arguments(c, argc, argv, 0, 1)) || (status = open_cluster(c, argv[optind])))
        return status;
    do {
        if (watch && isatty(STDOUT_FILENO))
            fputs("\033[H\033[J", stdout);
        status = show_status(c);
        fflush(stdout);
        if (watch && !status)
            gpuc_context_run(c->context, 2000, NULL);
    } while (watch && !status && !interrupted);
    return status;
}

static void print_event(json_t *event)
{
    time_t seconds = (time_t)(json_integer_value(json_object_get(event, "time_ms")) / 1000);
    struct tm utc;
    char when[32] = "-";

    if (gmtime_r(&seconds, &utc))
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    printf("%s %-14s %-20s %-18s ", when, text_of(event, "event"), text_of(event, "machine"),
           text_of(event, "step"));
    print_clean(stdout, text_of(event, "message"));
    putchar('\n');
}

int cmd_logs(cli *c, int argc, char **argv)
{
    gpuc_error *error = NULL;
    long limit = 1000;
    json_t *events, *event;
    char *text = NULL;
    size_t i;
    int o, status;

    while ((o = next_option(c, argc, argv, "n:", NULL, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        if (!parse_number(optarg, 1, 20000, &limit))
            return usage_error(c, "-n wants a number from 1 to 20000, not \"%s\"", optarg);
    }
    if ((status = arguments(c, argc, argv, 0, 1)) || (status = open_cluster(c, argv[optind])))
        return status;
    if (gpuc_cluster_history(&text, c->cluster, (int)limit, &error) < 0)
        return print_error(c, error);
    if (c->json) {
        print_new(text);
        return EXIT_DONE;
    }
    events = json_loads(text, 0, NULL);
    gpuc_free(text);
    json_array_foreach(events, i, event)
        print_event(event);
    json_decref(events);
    return EXIT_DONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What clusters left behind when their state was lost: listed, and removed when that is said. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct wishes {
    const char *kind, *project, *cluster;
    uint32_t flags;
    int min_age_s; /* -1: the library's own */
} wishes;

static const char *text_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "-";
}

static void print_resource(const json_t *resource)
{
    const json_t *deleted = json_object_get(resource, "deleted");

    printf("  %-14s ", text_of(resource, "type"));
    print_clean(stdout, text_of(resource, "name"));
    printf("%*s %-20s %-12s %-19.19s %s\n",
           (int)strlen(text_of(resource, "name")) < 40 ? 40 - (int)strlen(text_of(resource, "name"))
                                                       : 0,
           "", text_of(resource, "zone"), text_of(resource, "status"), text_of(resource, "made"),
           json_is_true(deleted)    ? "deleted"
           : json_is_false(deleted) ? "NOT DELETED"
                                    : "");
    if (json_object_get(resource, "error")) {
        fputs("    ", stdout);
        print_clean(stdout, text_of(json_object_get(resource, "error"), "message"));
        putchar('\n');
    }
}

static void print_found(const char *text)
{
    json_t *root = json_loads(text, 0, NULL), *clusters = json_object_get(root, "clusters");
    json_t *cluster, *resource;
    size_t i, k;

    json_array_foreach(clusters, i, cluster) {
        printf("cluster ");
        print_clean(stdout, text_of(cluster, "name"));
        printf(" (%s)%s%s\n", text_of(cluster, "uuid"),
               json_is_true(json_object_get(cluster, "state_here")) ? ", whose state is here" : "",
               json_is_true(json_object_get(cluster, "young"))
                   ? ", just made or being made: --all leaves it"
                   : "");
        json_array_foreach(json_object_get(cluster, "resources"), k, resource)
            print_resource(resource);
    }
    if (!json_array_size(clusters))
        puts("nothing was left behind");
    else if (!json_is_true(json_object_get(root, "delete")))
        puts("\nNothing was deleted. `gpucluster gc CLUSTER --delete` removes what is a cluster's; "
             "other people's\nclusters are listed too, since their state is elsewhere.");
    json_decref(root);
}

/* "90s", "30m", "1h", "2d", "0"; -1: none of them. */
static int seconds_of(const char *text)
{
    static const char units[] = "smhd";
    static const int factors[] = {1, 60, 3600, 86400};
    char *end;
    long number = strtol(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;

    if (end == text || number < 0 || number > 10000 || (*end && (!unit || end[1])) ||
        (!*end && number))
        return -1;
    return (int)number * (unit ? factors[unit - units] : 1);
}

static int parse(cli *c, wishes *w, int argc, char **argv)
{
    static const struct option options[] = {{"kind", required_argument, NULL, 'k'},
                                            {"project", required_argument, NULL, 'p'},
                                            {"delete", no_argument, NULL, 'd'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"min-age", required_argument, NULL, 'm'},
                                            {NULL, 0, NULL, 0}};
    int o, status;

    while ((o = next_option(c, argc, argv, "", options, &status)) != -1) {
        switch (o) {
        case 'k':
            w->kind = optarg;
            break;
        case 'p':
            w->project = optarg;
            break;
        case 'd':
            w->flags |= GPUC_GC_DELETE;
            break;
        case 'a':
            w->flags |= GPUC_GC_ALL;
            break;
        case 'm':
            w->min_age_s = seconds_of(optarg);
            if (w->min_age_s < 0)
                return usage_error(c, "gc: --min-age wants a time, as 30m, 2h or 0");
            break;
        default:
            return status;
        }
    }
    status = arguments(c, argc, argv, 0, 1);
    w->cluster = argv[optind];
    if (!status && w->cluster && (w->flags & GPUC_GC_ALL))
        status = usage_error(c, "gc: either a cluster or --all, not both");
    if (!status && (w->flags & GPUC_GC_DELETE) && !w->cluster && !(w->flags & GPUC_GC_ALL))
        status = usage_error(c, "gc: --delete wants a cluster, by name or uuid, or --all");
    return status;
}

int cmd_gc(cli *c, int argc, char **argv)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    const char *text;
    wishes w = {.min_age_s = -1};
    int status = parse(c, &w, argc, argv), rc;

    if (status)
        return status;
    if (gpuc_gc_start(&op, c->context, w.kind, w.project, w.cluster, c->state_dir, w.flags,
                      w.min_age_s, &error) < 0)
        return print_error(c, error);
    rc = run_operation(c, op, &error);
    text = gpuc_op_json(op);
    if (text && !c->json)
        print_found(text);
    if (rc < 0) {
        status = print_error_with(c, error, "found", text);
    } else if (text && c->json) {
        print_one_line(text);
        putchar('\n');
    }
    gpuc_op_unref(op);
    return status;
}

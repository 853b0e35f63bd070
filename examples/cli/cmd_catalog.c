/* SPDX-License-Identifier: Apache-2.0 */
/* What Google Compute Engine has: accelerators, machine types, zones. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define WIDTH 100

static const char *text_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

/* Names from elsewhere, separated by commas, on as many lines as they need behind `indent`. */
static void print_list(const json_t *list, int indent)
{
    int column = indent;
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *text = json_string_value(one);
        int length = text ? (int)strlen(text) : 0;

        if (i && column + length + 2 > WIDTH) {
            printf(",\n%*s", indent, "");
            column = indent;
        } else if (i) {
            fputs(", ", stdout);
        }
        print_clean(stdout, text ? text : "");
        column += length + 2;
    }
    putchar('\n');
}

/* [on demand, spot] */
static void print_price(const json_t *pair)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *price = json_array_get(pair, i);

        if (json_is_number(price))
            printf(" %9.4f", json_number_value(price));
        else
            printf(" %9s", "-");
    }
}

static void print_accelerator(const json_t *item, bool zone)
{
    json_t *attach = json_object_get(item, "attach"), *row;
    json_t *memory = json_object_get(item, "memory_gb");
    size_t i;

    printf("%-24s", text_of(item, "name"));
    if (json_is_number(memory))
        printf(" %4.0f GB", json_number_value(memory));
    else
        printf(" %7s", "-");
    if (zone)
        print_price(json_object_get(item, "price_per_hour"));
    fputs("  ", stdout);
    if (attach) {
        fputs("with N1, ", stdout);
        json_array_foreach(attach, i, row)
        {
            printf("%s%lld", i ? " or " : "",
                   (long long)json_integer_value(json_object_get(row, "count")));
        }
        fputs(" to a machine\n", stdout);
    } else {
        print_list(json_object_get(item, "machine_types"), zone ? 54 : 34);
    }
    if (!zone && json_array_size(json_object_get(item, "zones"))) {
        printf("    zones: ");
        print_list(json_object_get(item, "zones"), 11);
    }
}

static void print_machine_type(const json_t *item, bool zone)
{
    json_t *obtain = json_object_get(item, "obtain");
    char gpu[96] = "-";

    if (json_object_get(item, "accelerator"))
        snprintf(gpu, sizeof(gpu), "%lld x %.60s",
                 (long long)json_integer_value(json_object_get(item, "gpus")),
                 text_of(item, "accelerator"));
    printf("%-22s %5lld %8g %-26s", text_of(item, "name"),
           (long long)json_integer_value(json_object_get(item, "vcpus")),
           json_number_value(json_object_get(item, "memory_gb")), gpu);
    if (zone)
        print_price(json_object_get(item, "price_per_hour"));
    fputs("  ", stdout);
    if (obtain)
        print_list(obtain, zone ? 86 : 66);
    else
        puts("standard, spot, reservation");
}

static void print_zone(const json_t *item)
{
    const char *status = text_of(item, "status");

    printf("%-26s %-8s ", text_of(item, "name"), *status ? status : "-");
    print_list(json_object_get(item, "accelerators"), 36);
}

/* The parts of the document, each with its heading. */
static void print_part(const json_t *all, const char *key)
{
    bool zone = json_object_get(all, "zone") != NULL;
    const char *prices = zone ? " ON DEMAND      SPOT" : "";
    json_t *item;
    size_t i;

    if (strcmp(key, "accelerators") == 0)
        printf("%-24s %7s%s  %s\n", "ACCELERATOR", "MEMORY", prices, "MACHINE TYPES");
    else if (strcmp(key, "machine_types") == 0)
        printf("%-22s %5s %8s %-26s%s  %s\n", "MACHINE TYPE", "VCPUS", "GB", "GPUS", prices,
               "TO BE HAD AS");
    else
        printf("%-26s %-8s %s\n", "ZONE", "STATUS", "ACCELERATORS");
    json_array_foreach(json_object_get(all, key), i, item)
    {
        if (strcmp(key, "accelerators") == 0)
            print_accelerator(item, zone);
        else if (strcmp(key, "machine_types") == 0)
            print_machine_type(item, zone);
        else
            print_zone(item);
    }
}

/* Where it is from: the API of today, or the table and why. */
static void print_source(const json_t *all)
{
    json_t *part;
    size_t i;

    if (json_is_true(json_object_get(all, "live")))
        printf("\nWhere things are: the Compute Engine API, project %s.\n",
               text_of(all, "project"));
    else
        printf("\nFrom the table of this version, not from the API: %s.\n", text_of(all, "why"));
    json_array_foreach(json_object_get(all, "parts"), i, part)
    {
        const char *name = text_of(part, "part");

        if (strcmp(name, "prices") == 0 || strcmp(name, "machine_types") == 0)
            printf("%s: %s, %s.\n", strcmp(name, "prices") == 0 ? "Prices in USD an hour" : "Sizes",
                   text_of(part, "source"), text_of(part, "date"));
    }
}

static int show(cli *c, char *text, const char *key)
{
    static const char *const keys[] = {"accelerators", "machine_types", "zones"};
    json_t *all;

    if (c->json && !key) {
        print_new(text);
        return EXIT_DONE;
    }
    all = take_json(text);
    if (c->json) {
        for (size_t i = 0; i < 3; i++) {
            if (strcmp(keys[i], key) != 0)
                json_object_del(all, keys[i]);
        }
        print_json(all);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < 3; i++) {
        if (key && strcmp(keys[i], key) != 0)
            continue;
        if (!key && i)
            putchar('\n');
        print_part(all, keys[i]);
    }
    if (!c->quiet)
        print_source(all);
    json_decref(all);
    return EXIT_DONE;
}

static int run(cli *c, const char *project, const char *zone, uint32_t flags, const char *key)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    char *text = NULL;
    const char *json;
    int rc = gpuc_catalog_start(&op, c->context, project, zone, flags, &error);

    if (rc < 0)
        return print_error(c, error);
    rc = run_operation(c, op, &error);
    json = gpuc_op_json(op);
    if (rc == 0 && json)
        text = strdup(json);
    gpuc_op_unref(op);
    if (rc < 0)
        return print_error(c, error);
    return text ? show(c, text, key) : EXIT_FAILED;
}

int cmd_catalog(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"zone", required_argument, NULL, 'z'},
                                            {"project", required_argument, NULL, 'p'},
                                            {"shipped", no_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    static const char *const words[] = {"accelerators", "machine-types", "zones"};
    static const char *const keys[] = {"accelerators", "machine_types", "zones"};
    const char *zone = NULL, *project = NULL, *key = NULL;
    uint32_t flags = 0;
    int o, status;

    while ((o = next_option(c, argc, argv, "", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        if (o == 'z')
            zone = optarg;
        else if (o == 'p')
            project = optarg;
        else if (o == 's')
            flags |= GPUC_CATALOG_SHIPPED;
        else
            c->json = true;
    }
    status = arguments(c, argc, argv, 0, 1);
    if (status)
        return status;
    for (size_t i = 0; optind < argc && i < 3; i++) {
        if (strcmp(argv[optind], words[i]) == 0)
            key = keys[i];
    }
    if (optind < argc && !key)
        return usage_error(c, "catalog: %s is none of accelerators, machine-types, zones",
                           argv[optind]);
    return run(c, project, zone, flags, key);
}

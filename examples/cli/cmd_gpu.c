/* SPDX-License-Identifier: Apache-2.0 */
/* What a saved capture of nvidia-smi says, without a GPU. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define CAPTURE_MAX (16u * 1024 * 1024)

static int read_capture(cli *c, const char *path, char **out, size_t *length)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *bytes = file ? malloc(CAPTURE_MAX + 1) : NULL;
    int failed = !bytes, status = EXIT_DONE;

    /* One byte too many is enough for the library to say that it is too long. */
    if (bytes) {
        *length = fread(bytes, 1, CAPTURE_MAX + 1, file);
        failed = ferror(file);
    }
    if (failed) {
        status = usage_error(c, "gpu parse: %s cannot be read: %s", path, strerror(errno));
        free(bytes);
    } else {
        *out = bytes;
    }
    if (file && file != stdin)
        fclose(file);
    return status == EXIT_USAGE ? EXIT_FAILED : status;
}

static void print_cell(const json_t *value, const char *unit, int width)
{
    char text[128];
    const char *string = json_string_value(value);

    if (json_is_number(value))
        snprintf(text, sizeof(text), "%.6g%s", json_number_value(value), unit);
    else
        snprintf(text, sizeof(text), "%s", string ? string : "-");
    print_clean(stdout, text);
    printf("%*s", (int)strlen(text) < width ? width - (int)strlen(text) : 1, "");
}

static void print_gpu(const json_t *gpu)
{
    static const struct {
        const char *key, *unit;
        int width;
    } columns[] = {{"memory_used_mib", "", 11},      {"memory_total_mib", "", 12},
                   {"temperature_c", "", 6},         {"utilization_percent", "", 6},
                   {"power_draw_w", "", 8},          {"mig_mode", "", 10},
                   {"ecc_volatile_uncorrected", "", 8}};
    const json_t *said = json_object_get(gpu, "nvidia_smi");
    const char *sick = json_string_value(json_object_get(said, "sick"));
    size_t processes = json_array_size(json_object_get(said, "processes"));
    json_t *device;
    size_t i;

    print_cell(json_object_get(said, "index"), "", 4);
    print_cell(json_object_get(gpu, "product"), "", 28);
    print_cell(json_object_get(gpu, "bus"), "", 14);
    for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        print_cell(json_object_get(said, columns[i].key), columns[i].unit, columns[i].width);
    if (json_is_array(json_object_get(said, "processes")))
        printf("%zu", processes);
    else
        putchar('-');
    if (sick)
        printf("  %s", sick);
    putchar('\n');
    json_array_foreach(json_object_get(said, "mig"), i, device) {
        fputs("    MIG ", stdout);
        print_cell(json_object_get(device, "index"), "", 4);
        print_cell(json_object_get(device, "profile"), "", 12);
        print_cell(json_object_get(device, "memory_total_mib"), " MiB", 12);
        print_cell(json_object_get(device, "uuid"), "", 1);
        putchar('\n');
    }
}

static void print_line(const char *label, const json_t *value)
{
    if (!json_is_string(value))
        return;
    printf("%s: ", label);
    print_clean(stdout, json_string_value(value));
    putchar('\n');
}

static void print_links(const json_t *root)
{
    const json_t *gpu, *topology = json_object_get(root, "topology"), *link;
    size_t i;

    json_array_foreach(json_object_get(root, "gpus"), i, gpu) {
        const json_t *n = json_object_get(json_object_get(gpu, "nvidia_smi"), "nvlink");

        if (n && json_is_string(json_object_get(n, "note")))
            print_line("NVLink", json_object_get(n, "note"));
        else if (n)
            printf("NVLink of GPU %zu: %d active, %d inactive\n", i,
                   (int)json_integer_value(json_object_get(n, "active")),
                   (int)json_integer_value(json_object_get(n, "inactive")));
    }
    json_array_foreach(json_object_get(topology, "links"), i, link) {
        print_clean(stdout, json_string_value(json_object_get(link, "from")));
        putchar(' ');
        print_clean(stdout, json_string_value(json_object_get(link, "to")));
        fputs(": ", stdout);
        print_clean(stdout, json_string_value(json_object_get(link, "link")));
        putchar('\n');
    }
}

static void print_capture(const json_t *root)
{
    const json_t *gpus = json_object_get(root, "gpus"), *row;
    size_t i;

    print_line("form", json_object_get(root, "form"));
    print_line("driver", json_object_get(root, "driver"));
    print_line("CUDA", json_object_get(root, "cuda"));
    if (json_is_true(json_object_get(root, "simulated")))
        puts("SIMULATED: no real GPU said this");
    if (json_array_size(gpus))
        puts("GPU product                     bus           used MiB   total MiB   C     %     "
             "W       MIG       ECC unc processes");
    json_array_foreach(gpus, i, row)
        print_gpu(row);
    print_links(root);
    if (json_array_size(json_object_get(root, "fields")))
        printf("fields: %zu are listed; ask with --query-gpu=%s\n",
               json_array_size(json_object_get(root, "fields")),
               json_string_value(json_object_get(root, "query")));
    json_array_foreach(json_object_get(root, "failures"), i, row) {
        print_line("nvidia-smi failed", json_object_get(row, "text"));
        print_line("  reason", json_object_get(row, "reason"));
        print_line("  remedy", json_object_get(row, "remedy"));
    }
    json_array_foreach(json_object_get(root, "warnings"), i, row)
        print_line("warning", row);
}

int cmd_gpu(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    gpuc_error *error = NULL;
    char *bytes = NULL, *text = NULL;
    size_t length = 0;
    json_t *root;
    int o, status, rc;

    while ((o = next_option(c, argc, argv, "", options, &status)) != -1) {
        if (o != 'j')
            return status;
        c->json = true;
    }
    if (optind < argc && strcmp(argv[optind], "parse") != 0)
        return usage_error(c, "gpu: \"%s\" is none of its words; there is gpu parse FILE",
                           argv[optind]);
    status = arguments(c, argc, argv, 2, 2);
    if (status)
        return status;
    status = read_capture(c, argv[optind + 1], &bytes, &length);
    if (status)
        return status;
    rc = gpuc_gpu_parse(&text, bytes, length, &error);
    free(bytes);
    if (rc < 0)
        return print_error(c, error);
    root = take_json(text);
    if (c->json) {
        print_json(root);
    } else {
        print_capture(root);
        json_decref(root);
    }
    return EXIT_DONE;
}

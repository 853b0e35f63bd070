/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for nvidia-smi: a SIMULATED Tesla T4 per configured GPU. It fills
 * in the templates under SIM_DIR/smi, so that what it prints can be changed
 * without a compiler, and behaves as the real one does when the driver is
 * missing: the text goes to standard output and the exit status tells. */
#include "override.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRIVER SIM_DRIVER
#define CUDA "13.0"
#define PRODUCT "Tesla T4"

struct options {
    int query, xml, list, version, help;
    const char *fields; /* of --query-gpu */
    int header;
    const char *bad; /* the first option not known */
};

struct field {
    const char *name;
    const char *value; /* NULL: from the GPU */
};

static const struct field fields[] = {
    {"name", PRODUCT},          {"driver_version", DRIVER}, {"memory.total", "15360 MiB"},
    {"memory.used", "0 MiB"},   {"memory.free", "14913 MiB"}, {"compute_mode", "Default"},
    {"utilization.gpu", "0 %"}, {"pstate", "P8"},           {"temperature.gpu", "36"},
    {"compute_cap", "7.5"},     {"index", NULL},            {"uuid", NULL},
    {"pci.bus_id", NULL},       {"gpu_uuid", NULL},         {"gpu_bus_id", NULL},
    {"serial", NULL},           {"count", NULL},
};

static const char *field_value(const struct field *field, const struct sim *sim,
                               const struct sim_gpu *gpu, char *buf, size_t size)
{
    if (field->value)
        return gpu->lost ? "[GPU is lost]" : field->value;
    if (strcmp(field->name, "index") == 0)
        snprintf(buf, size, "%d", gpu->index);
    else if (strcmp(field->name, "count") == 0)
        snprintf(buf, size, "%d", sim->visible);
    else if (strstr(field->name, "bus_id"))
        snprintf(buf, size, "0000%s", gpu->bus_id);
    else
        snprintf(buf, size, "%s", strstr(field->name, "uuid") ? gpu->uuid : gpu->serial);
    return buf;
}

static const struct field *find_field(const char *word, size_t length)
{
    size_t i;

    for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (strlen(fields[i].name) == length && memcmp(fields[i].name, word, length) == 0)
            return &fields[i];
    return NULL;
}

/* --query-gpu=a,b --format=csv: one unknown field fails the whole query. */
static int print_query(const struct sim *sim, const struct options *opt)
{
    char buf[64];
    int i;

    for (i = opt->header ? -1 : 0; i < sim->visible; i++) {
        const char *p = opt->fields;

        while (*p) {
            size_t length = strcspn(p, ",");
            const struct field *field = find_field(p, length);

            if (!field) {
                printf("Field \"%.*s\" is not a valid field to query.\n\n", (int)length, p);
                return 2;
            }
            printf("%s%s", p == opt->fields ? "" : ", ",
                   i < 0 ? field->name : field_value(field, sim, &sim->gpu[i], buf, sizeof(buf)));
            p += length + (p[length] == ',');
        }
        putchar('\n');
    }
    return 0;
}

static void print_migs(const struct sim_gpu *gpu)
{
    int m;

    if (!gpu->migs)
        fputs("None", stdout);
    for (m = 0; m < gpu->migs; m++)
        printf("\n\t\t\t<mig_device>\n\t\t\t\t<index>%d</index>\n\t\t\t\t<gpu_instance_id>%d"
               "</gpu_instance_id>\n\t\t\t\t<compute_instance_id>0</compute_instance_id>\n\t\t\t\t"
               "<fb_memory_usage>\n\t\t\t\t\t<total>2048 MiB</total>\n\t\t\t\t\t<used>0 MiB</used>\n"
               "\t\t\t\t</fb_memory_usage>\n\t\t\t</mig_device>\n\t\t", m, m + 7);
}

/* The value of one @NAME@ of a template. */
static void print_value(const char *name, size_t length, const struct sim *sim,
                        const struct sim_gpu *gpu)
{
    char stamp[64];
    time_t now = time(NULL);
    struct tm tm;

    if (length == 4 && memcmp(name, "TIME", 4) == 0) {
        gmtime_r(&now, &tm);
        strftime(stamp, sizeof(stamp), "%a %b %e %H:%M:%S %Y", &tm);
        fputs(stamp, stdout);
    } else if (length == 5 && memcmp(name, "COUNT", 5) == 0) {
        printf("%d", sim->visible);
    } else if (gpu && length == 5 && memcmp(name, "INDEX", 5) == 0) {
        printf("%d", gpu->index);
    } else if (gpu && length == 6 && memcmp(name, "INDEX3", 6) == 0) {
        printf("%3d", gpu->index);
    } else if (gpu && length == 4 && memcmp(name, "UUID", 4) == 0) {
        fputs(gpu->uuid, stdout);
    } else if (gpu && length == 3 && memcmp(name, "BUS", 3) == 0) {
        printf("0000%s", gpu->bus_id);
    } else if (gpu && length == 6 && memcmp(name, "DEVICE", 6) == 0) {
        printf("%.2s", gpu->bus_id + 8);
    } else if (gpu && length == 6 && memcmp(name, "SERIAL", 6) == 0) {
        fputs(gpu->serial, stdout);
    } else if (gpu && length == 3 && memcmp(name, "MIG", 3) == 0) {
        fputs(gpu->migs ? "Enabled" : "N/A", stdout);
    } else if (gpu && length == 4 && memcmp(name, "MIGS", 4) == 0) {
        print_migs(gpu);
    } else {
        printf("@%.*s@", (int)length, name);
    }
}

static int print_template(const char *name, const struct sim *sim, const struct sim_gpu *gpu)
{
    char path[128], line[1024];
    FILE *file;

    snprintf(path, sizeof(path), SIM_DIR "/smi/%s", name);
    file = fopen(path, "re");
    if (!file) {
        printf("SIMULATED nvidia-smi: cannot read %s\n", path);
        return 255;
    }
    while (fgets(line, sizeof(line), file)) {
        char *p = line, *at, *end;

        if (strcmp(name, "gpu.xml") == 0 && !strchr(line, '@')) {
            override_print(line);
            continue;
        }
        while ((at = strchr(p, '@')) && (end = strchr(at + 1, '@'))) {
            fwrite(p, 1, (size_t)(at - p), stdout);
            print_value(at + 1, (size_t)(end - at - 1), sim, gpu);
            p = end + 1;
        }
        fputs(p, stdout);
    }
    fclose(file);
    return 0;
}

static int print_xml(const struct sim *sim)
{
    int i, rc = print_template("head.xml", sim, NULL);

    for (i = 0; rc == 0 && i < sim->visible; i++) {
        rc = print_template(sim->gpu[i].lost ? "gpu-lost.xml" : "gpu.xml", sim, &sim->gpu[i]);
        if (!sim->gpu[i].lost)
            override_rest();
        if (rc == 0)
            rc = print_template(sim->busy ? "processes-busy.xml" : "processes.xml", sim,
                                &sim->gpu[i]);
    }
    return rc ? rc : print_template("tail.xml", sim, NULL);
}

static int print_table(const struct sim *sim)
{
    int i, rc;

    for (i = 0; i < sim->visible; i++) {
        if (sim->gpu[i].lost) {
            printf("Unable to determine the device handle for GPU%d: 0000%s: GPU is lost.  "
                   "Reboot the system to recover this GPU\n", sim->gpu[i].index,
                   sim->gpu[i].bus_id);
            return 15;
        }
    }
    rc = print_template("table-head.txt", sim, NULL);
    for (i = 0; rc == 0 && i < sim->visible; i++)
        rc = print_template("table-gpu.txt", sim, &sim->gpu[i]);
    return rc ? rc : print_template(sim->busy ? "table-tail-busy.txt" : "table-tail.txt", sim, NULL);
}

/* What the real one says, and exits with, where no driver answers; 0: go on. */
static int print_failure(const struct sim *sim)
{
    switch (sim->fault) {
    case SIM_NODRIVER:
        puts("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make "
             "sure that the latest NVIDIA driver is installed and running.\n");
        return 9;
    case SIM_MISMATCH:
        puts("Failed to initialize NVML: Driver/library version mismatch\n"
             "NVML library version: 580.159");
        return 18;
    case SIM_HANG:
        for (;;)
            pause();
    default:
        break;
    }
    if (sim->visible == 0) {
        puts("No devices were found");
        return 6;
    }
    return 0;
}

static void read_option(struct options *opt, const char *arg)
{
    if (strcmp(arg, "-q") == 0 || strcmp(arg, "--query") == 0)
        opt->query = 1;
    else if (strcmp(arg, "-x") == 0 || strcmp(arg, "--xml-format") == 0)
        opt->xml = 1;
    else if (strcmp(arg, "-L") == 0 || strcmp(arg, "--list-gpus") == 0)
        opt->list = 1;
    else if (strcmp(arg, "--version") == 0)
        opt->version = 1;
    else if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0)
        opt->help = 1;
    else if (strncmp(arg, "--query-gpu=", 12) == 0)
        opt->fields = arg + 12;
    else if (strncmp(arg, "--format=", 9) == 0)
        opt->header = strstr(arg, "noheader") == NULL;
    else if (!opt->bad)
        opt->bad = arg;
}

static int print_list(const struct sim *sim)
{
    int i, m;

    for (i = 0; i < sim->visible; i++) {
        printf("GPU %d: " PRODUCT " (UUID: %s)\n", sim->gpu[i].index, sim->gpu[i].uuid);
        for (m = 0; m < sim->gpu[i].migs; m++)
            printf("  MIG 1g.2gb      Device %2d: (UUID: %s)\n", m, sim->gpu[i].mig_uuid[m]);
    }
    return 0;
}

/* nvlink -s or -e, of every GPU alike: config nvlink=26.562 GB/s,<inactive> and nvlink_errors=0,7. */
static int print_nvlinks(const struct sim *sim, int errors)
{
    int i;

    for (i = 0; i < sim->visible; i++) {
        const char *state = override_config(errors ? "nvlink_errors" : "nvlink");
        int link;

        printf("GPU %d: " PRODUCT " (UUID: %s)\n", sim->gpu[i].index, sim->gpu[i].uuid);
        for (link = 0; *state; link++) {
            size_t n = strcspn(state, ",");

            printf("\t Link %d: %s%.*s\n", link, errors ? "Replay Errors: " : "", (int)n, state);
            state += n + (state[n] == ',');
        }
    }
    return 0;
}

static int print_version(void)
{
    puts("NVIDIA-SMI version  : " DRIVER " (SIMULATED)\nNVML version        : 580.159\n"
         "DRIVER version      : " DRIVER "\nCUDA Version        : " CUDA);
    return 0;
}

int main(int argc, char **argv)
{
    struct options opt = {.header = 1};
    struct sim sim;
    int i, rc;

    if (argc == 3 && strcmp(argv[1], "nvlink") == 0) {
        sim_read(&sim);
        rc = print_failure(&sim);
        return rc ? rc : print_nvlinks(&sim, strcmp(argv[2], "-e") == 0);
    }
    override_read();
    for (i = 1; i < argc; i++)
        read_option(&opt, argv[i]);
    sim_read(&sim);
    rc = print_failure(&sim);
    if (rc)
        return rc;
    if (opt.bad) {
        printf("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help. "
               "(SIMULATED nvidia-smi: no %s)\n", opt.bad);
        return 2;
    }
    if (opt.help) {
        puts("SIMULATED NVIDIA System Management Interface, a stand-in of the gpucluster test bed\n"
             "options: -L, -q -x, --query-gpu=… --format=csv[,noheader], --version; none: table");
        return 0;
    }
    if (opt.version)
        return print_version();
    if (opt.list)
        return print_list(&sim);
    if (opt.fields)
        return print_query(&sim, &opt);
    return opt.query || opt.xml ? print_xml(&sim) : print_table(&sim);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a report down in one form, in a process of its own, and prints what that cost:
 * usage: report_forms REPORT.json FORM [ROUNDS]: form bytes cpu_milliseconds rss_before_kib rss_peak_kib; times are
 * the median of the rounds, after the JSON was read ("read" as FORM: that alone). */
#include <gpucluster.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define ROUNDS_MAX 101

static char *to_table(const gpuc_report *report)
{
    return gpuc_report_to_table(report, 120, 1);
}

static const struct {
    const char *name;
    char *(*write)(const gpuc_report *report);
} forms[] = {{"json", gpuc_report_to_json},   {"ctrf", gpuc_report_to_ctrf},
             {"junit", gpuc_report_to_junit}, {"html", gpuc_report_to_html},
             {"table", to_table},             {"read", NULL}};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static long peak_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;

    if (!file || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    *length = (size_t)ftell(file);
    rewind(file);
    text = malloc(*length + 1);
    if (text && fread(text, 1, *length, file) != *length) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

static int bench(const char *text, size_t length, size_t form, int rounds)
{
    double times[ROUNDS_MAX];
    gpuc_report *report = NULL;
    size_t bytes = length;
    long before = 0;

    for (int i = 0; i < rounds; i++) {
        double start = now();

        if (!report || !forms[form].write) {
            gpuc_report_unref(report);
            if (gpuc_report_from_json(&report, text, length, NULL) < 0)
                return 1;
        }
        if (forms[form].write) {
            char *out;

            before = before ? before : peak_kib();
            start = now();
            out = forms[form].write(report);
            if (!out)
                return 1;
            bytes = strlen(out);
            times[i] = now() - start;
            gpuc_free(out);
        } else {
            times[i] = now() - start;
        }
    }
    gpuc_report_unref(report);
    qsort(times, (size_t)rounds, sizeof(times[0]), by_value);
    printf("%s %zu %.1f %ld %ld\n", forms[form].name, bytes, times[rounds / 2], before, peak_kib());
    return 0;
}

int main(int argc, char **argv)
{
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 5;
    size_t length = 0;
    char *text = argc > 2 ? read_file(argv[1], &length) : NULL;

    for (size_t i = 0; text && i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(forms[i].name, argv[2]) == 0 && rounds > 0 && rounds <= ROUNDS_MAX)
            return bench(text, length, i, rounds);
    }
    fprintf(stderr, "usage: report_forms REPORT.json json|ctrf|junit|html|table|read [ROUNDS]\n");
    return 2;
}

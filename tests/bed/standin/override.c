/* SPDX-License-Identifier: Apache-2.0 */
#include "override.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sim.h"

#define LINES 64
#define DEPTH 16

static struct {
    char path[128], value[256];
    int used;
} lines[LINES];
static int count;
static char stack[DEPTH][64]; /* open elements below the GPU's */
static int depth;

void override_read(void)
{
    FILE *file = fopen(SIM_DIR "/config", "re");
    char line[512];

    while (file && count < LINES && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "xml.%127[^=]=%255[^\n]", lines[count].path, lines[count].value) == 2)
            count++;
    }
    if (file)
        fclose(file);
}

const char *override_config(const char *key)
{
    static char line[512];
    FILE *file = fopen(SIM_DIR "/config", "re");
    size_t n = strlen(key);

    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, n) == 0 && line[n] == '=') {
            fclose(file);
            line[strcspn(line, "\n")] = '\0';
            return line + n + 1;
        }
    }
    if (file)
        fclose(file);
    return "";
}

static void print_value(const char *value)
{
    const char *clock = strstr(value, "@CLOCK@");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (clock)
        printf("%.*s%ld%s", (int)(clock - value), value,
               (long)(now.tv_sec % 1000000) * 1000 + now.tv_nsec / 1000000, clock + 7);
    else
        fputs(value, stdout);
}

static int ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), k = strlen(end);

    return n >= k && strcmp(path + n - k, end) == 0 && (n == k || path[n - k - 1] == '/');
}

/* The override of the element of that name here; -1: none. */
static int find(const char *name)
{
    char path[DEPTH * 64 + 64] = "";
    size_t at = 0;
    int i;

    for (i = 0; i < depth; i++)
        at += (size_t)snprintf(path + at, sizeof(path) - at, "%s/", stack[i]);
    snprintf(path + at, sizeof(path) - at, "%s", name);
    for (i = 0; i < count; i++)
        if (ends_with(path, lines[i].path))
            return i;
    return -1;
}

void override_print(const char *line)
{
    char name[64];
    const char *start = line + strspn(line, "\t ");
    int n = 0, which;

    if (sscanf(start, "</%63[a-zA-Z0-9_]>%n", name, &n) == 1 && n) {
        depth -= depth > 0;
    } else if (sscanf(start, "<%63[a-zA-Z0-9_]>%n", name, &n) == 1 && n) {
        if (!strstr(start + n, "</")) {
            if (depth < DEPTH)
                memcpy(stack[depth++], name, sizeof(name));
        } else if ((which = find(name)) >= 0) {
            lines[which].used = 1;
            printf("\t\t<%s>", name);
            print_value(lines[which].value);
            printf("</%s>\n", name);
            return;
        }
    }
    fputs(line, stdout);
}

/* "a/b" with its value as elements within each other. */
static void print_nested(const char *path, const char *value)
{
    size_t n = strcspn(path, "/");

    printf("<%.*s>", (int)n, path);
    if (path[n])
        print_nested(path + n + 1, value);
    else
        print_value(value);
    printf("</%.*s>", (int)n, path);
}

void override_rest(void)
{
    int i;

    for (i = 0; i < count; i++) {
        if (!lines[i].used) {
            fputs("\t\t", stdout);
            print_nested(lines[i].path, lines[i].value);
            putchar('\n');
        }
        lines[i].used = 0;
    }
    depth = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of nvidia-smi's CSV with a header, and of the help that lists what can be asked for. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gpu/smi_fields.h"
#include "gpu/smi_text.h"
#include "util/alloc.h"
#include "util/buf.h"

#define CELL 512

typedef enum process_part { NO_PART, PID, NAME, MEMORY } process_part;

typedef struct column {
    int field, log_field; /* -1: none */
    process_part process;
    bool index;
    char unit[16]; /* "MiB"; what --format=csv,nounits leaves away */
} column;

typedef struct csv {
    gpuc__smi *smi;
    gpuc__smi_text *text;
    column *columns;
    size_t count;
    size_t name_at;  /* the column that may hold commas; count: none */
    bool processes;  /* rows are running processes */
    bool pages;      /* rows are retired pages, or processes of the past */
} csv;

/* The next cell; false: none is left. */
static bool next_cell(char *cell, size_t size, const char **at)
{
    size_t length;

    if (!*at)
        return false;
    length = strcspn(*at, ",");
    gpuc__smi_trim(cell, size, *at, length);
    *at = (*at)[length] ? *at + length + 1 : NULL;
    return true;
}

static size_t count_cells(const char *line)
{
    size_t count = 1;

    for (; *line; line++)
        count += *line == ',';
    return count;
}

/* Takes the unit off: "memory.used [MiB]". false: no name of a column. */
static bool column_name(char *cell, char *unit, size_t size)
{
    char *bracket = strchr(cell, '[');

    unit[0] = '\0';
    if (bracket && bracket > cell) {
        gpuc__smi_trim(unit, size, bracket + 1, strcspn(bracket + 1, "]"));
        while (bracket > cell && bracket[-1] == ' ')
            bracket--;
        *bracket = '\0';
    }
    if (!islower((unsigned char)cell[0]))
        return false;
    for (const char *c = cell; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            return false;
    }
    return true;
}

static column column_of(const char *name)
{
    static const struct {
        const char *name;
        process_part part;
    } processes[] = {{"pid", PID}, {"process_name", NAME}, {"used_gpu_memory", MEMORY},
                     {"used_memory", MEMORY}};
    column c = {.field = gpuc__smi_field_of(GPUC__SMI_GPU_COLUMNS, name),
                .log_field = gpuc__smi_field_of(GPUC__SMI_LOG_COLUMNS, name),
                .index = strcmp(name, "index") == 0};

    for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++) {
        if (strcmp(processes[i].name, name) == 0)
            c.process = processes[i].part;
    }
    return c;
}

static bool is_known(const column *c)
{
    return c->field >= 0 || c->log_field >= 0 || c->process != NO_PART || c->index;
}

static bool is_header(const char *line)
{
    char cell[CELL], unit[16];
    size_t known = 0, count = 0;

    while (next_cell(cell, sizeof(cell), &line)) {
        column c;

        if (++count > GPUC__SMI_COLUMNS_MAX || !column_name(cell, unit, sizeof(unit)))
            return false;
        c = column_of(cell);
        known += is_known(&c);
    }
    return known > 0;
}

bool gpuc__smi_is_csv(const gpuc__smi_text *text)
{
    const char *line = gpuc__smi_line(text);
    char next[CELL], unit[16];

    if (!line || !islower((unsigned char)line[0]) || !is_header(line))
        return false;
    if (strchr(line, ','))
        return true;
    /* A single word is a header only when what follows is a value, not another such word. */
    if (text->at + 1 >= text->count)
        return false;
    gpuc__smi_trim(next, sizeof(next), text->line[text->at + 1], strlen(text->line[text->at + 1]));
    return next[0] && next[0] != '#' && !column_name(next, unit, sizeof(unit));
}

static bool read_header(csv *c, const char *line)
{
    char cell[CELL];

    c->count = count_cells(line);
    c->columns = gpuc__calloc(c->count, sizeof(*c->columns));
    if (!c->columns) {
        c->text->no_memory = true;
        return false;
    }
    c->name_at = c->count;
    for (size_t i = 0; i < c->count && next_cell(cell, sizeof(cell), &line); i++) {
        char unit[16];

        column_name(cell, unit, sizeof(unit));
        c->columns[i] = column_of(cell);
        snprintf(c->columns[i].unit, sizeof(unit), "%s", unit);
        if (strncmp(cell, "retired_pages.address", 21) == 0 || strcmp(cell, "max_memory_usage") == 0)
            c->pages = true;
        if (c->columns[i].process == PID)
            c->processes = true;
        if (c->columns[i].process == NAME)
            c->name_at = i;
    }
    return true;
}

/* A bare number of a column with a unit gets it back. */
static void with_unit(char *cell, size_t size, const char *unit)
{
    size_t length = strlen(cell);

    if (unit[0] && length && strspn(cell, "-.0123456789") == length)
        snprintf(cell + length, size - length, " %s", unit);
}

static void take_process(gpuc__smi_process *p, process_part part, const char *cell)
{
    if (part == PID)
        p->pid = gpuc__smi_count(cell);
    else if (part == NAME)
        snprintf(p->name, sizeof(p->name), "%.*s", (int)sizeof(p->name) - 1, cell);
    else if (part == MEMORY)
        gpuc__smi_value_read(&p->memory, GPUC__SMI_KIND_MIB, cell);
}

/* A process belongs to the GPU of its row, which others of its rows have named before. */
static void add_process(csv *c, const gpuc__smi_process *p)
{
    gpuc__smi_gpu *gpu = &c->smi->gpus[c->smi->gpu_count - 1];

    for (size_t i = 0; i + 1 < c->smi->gpu_count; i++) {
        gpuc__smi_gpu *other = &c->smi->gpus[i];

        if (strcmp(gpuc__smi_gpu_key(other), gpuc__smi_gpu_key(gpu)) == 0 &&
            strcmp(other->bus, gpu->bus) == 0) {
            gpu = other;
            c->smi->gpu_count--;
            break;
        }
    }
    gpu->processes_known = true;
    if (!gpuc__smi_add_process(gpu, p))
        c->text->no_memory = true;
}

static void take_cell(csv *c, gpuc__smi_gpu *gpu, const column *k, char *cell, size_t size)
{
    with_unit(cell, size, k->unit);
    if (k->field >= 0)
        gpuc__smi_take(gpu, k->field, cell);
    else if (k->log_field >= 0)
        gpuc__smi_value_take(&c->smi->field[k->log_field], gpuc__smi_log_fields[k->log_field].kind,
                             cell);
    else if (k->index)
        gpu->index = gpuc__smi_count(cell);
    else
        gpuc__smi_note_sickness(gpu, "csv", cell);
}

/* false: the row is none of this header's. */
static bool read_row(csv *c, const char *line)
{
    char cell[CELL];
    size_t cells = count_cells(line), extra = cells - c->count;
    gpuc__smi_process process = {.pid = -1, .gpu_instance = -1, .compute_instance = -1};
    gpuc__smi_gpu *gpu;

    if (cells < c->count || (extra && c->name_at == c->count))
        return false;
    if (c->pages || c->smi->gpu_count == GPUC__SMI_GPUS_MAX)
        return true;
    gpu = gpuc__smi_add_gpu(c->smi);
    if (!gpu) {
        c->text->no_memory = true;
        return true;
    }
    for (size_t i = 0; i < c->count && next_cell(cell, sizeof(cell), &line); i++) {
        for (size_t k = 0; i == c->name_at && k < extra; k++) {
            size_t length = strlen(cell);

            snprintf(cell + length, sizeof(cell) - length, ", ");
            next_cell(cell + strlen(cell), sizeof(cell) - strlen(cell), &line);
        }
        if (c->columns[i].process != NO_PART) {
            with_unit(cell, sizeof(cell), c->columns[i].unit);
            take_process(&process, c->columns[i].process, cell);
        } else {
            take_cell(c, gpu, &c->columns[i], cell, sizeof(cell));
        }
    }
    gpuc__bus_id_normalise(gpu->bus, gpu->field[GPUC__SMI_PCI_BUS_ID].text);
    if (c->processes)
        add_process(c, &process);
    return true;
}

void gpuc__smi_read_csv(gpuc__smi *smi, gpuc__smi_text *text)
{
    csv c = {.smi = smi, .text = text};
    const char *line;

    if (!read_header(&c, gpuc__smi_line(text)))
        return;
    for (text->at++; (line = gpuc__smi_line(text)) && !text->no_memory; text->at++) {
        if (!line[strspn(line, " \t")] || line[0] == '#' || gpuc__smi_is_csv(text))
            break;
        if (!read_row(&c, line)) {
            gpuc__smi_warn(text, "line %zu: %zu cells under a header of %zu columns",
                           text->at + 1, count_cells(line), c.count);
            text->at++;
            break;
        }
    }
    gpuc__free(c.columns);
}

bool gpuc__smi_is_help(const gpuc__smi_text *text)
{
    static const char start[] = "List of valid properties to query for the switch \"--query-";
    const char *line = gpuc__smi_line(text);

    return line && strncmp(line, start, sizeof(start) - 1) == 0;
}

json_t *gpuc__smi_read_help(gpuc__smi_text *text)
{
    json_t *names = json_array();
    bool of_gpus = strstr(gpuc__smi_line(text), "\"--query-gpu") != NULL;
    const char *line;

    for (text->at++; (line = gpuc__smi_line(text)) && names; text->at++) {
        if ((line[0] && strchr("#<=+", line[0])) || gpuc__smi_is_help(text) ||
            gpuc__smi_is_list(text))
            break;
        for (const char *at = line; of_gpus && *at == '"';) {
            size_t length = strcspn(at + 1, "\"");

            if (!at[length + 1])
                break;
            if (json_array_size(names) < GPUC__SMI_COLUMNS_MAX &&
                json_array_append_new(names, json_stringn(at + 1, length)))
                text->no_memory = true;
            at += length + 2;
            if (strncmp(at, " or ", 4) == 0)
                at += 4;
        }
    }
    text->no_memory |= !names;
    return names;
}

/* The names as keys, to be looked up; NULL without memory. */
static json_t *keys_of(const json_t *names)
{
    json_t *keys = json_object(), *name;
    size_t i;

    json_array_foreach(names, i, name) {
        if (json_is_string(name) && json_object_set_new(keys, json_string_value(name), json_true()) < 0) {
            json_decref(keys);
            return NULL;
        }
    }
    return keys;
}

void gpuc__smi_columns_to_ask(gpuc__buf *out, const json_t *listed)
{
    bool asked[GPUC__SMI_GPU_FIELDS] = {false};
    size_t count;
    const gpuc__smi_path *rows = gpuc__smi_names(GPUC__SMI_GPU_COLUMNS, &count);
    json_t *keys = keys_of(listed);

    out->failed |= !keys;
    if (json_object_get(keys, "index"))
        gpuc__buf_puts(out, "index");
    for (size_t i = 0; i < count; i++) {
        if (asked[rows[i].field] || !json_object_get(keys, rows[i].path))
            continue;
        asked[rows[i].field] = true;
        gpuc__buf_printf(out, "%s%s", out->length ? "," : "", rows[i].path);
    }
    rows = gpuc__smi_names(GPUC__SMI_LOG_COLUMNS, &count);
    for (size_t i = 0; i < count; i++) {
        if (json_object_get(keys, rows[i].path))
            gpuc__buf_printf(out, "%s%s", out->length ? "," : "", rows[i].path);
    }
    json_decref(keys);
}

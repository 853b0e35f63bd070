/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of `nvidia-smi topo -m`: which link joins which two devices. */
#include <stdio.h>
#include <string.h>

#include "gpu/smi_text.h"
#include "util/error.h"

#define CELL 96
#define AFFINITY 2 /* columns behind the matrix that are read: CPUs, NUMA node */

/* The next cell between tabs; false: none is left. */
static bool next_cell(char cell[CELL], const char **at)
{
    size_t length;

    if (!*at)
        return false;
    length = strcspn(*at, "\t");
    gpuc__smi_trim(cell, CELL, *at, length);
    *at = (*at)[length] ? *at + length + 1 : NULL;
    return true;
}

bool gpuc__smi_is_topology(const gpuc__smi_text *text)
{
    const char *line = gpuc__smi_line(text);
    char cell[CELL];

    return line && strchr(line, '\t') && next_cell(cell, &line) && !cell[0] &&
           next_cell(cell, &line) && strncmp(cell, "GPU", 3) == 0 &&
           gpuc__smi_count(cell + 3) >= 0;
}

/* Devices are the columns up to the first with a space in its name ("CPU Affinity"). */
static json_t *read_devices(const char *line)
{
    json_t *devices = json_array();
    char cell[CELL];

    next_cell(cell, &line);
    while (next_cell(cell, &line) && cell[0] && !strchr(cell, ' ') &&
           json_array_size(devices) < GPUC__SMI_TOPOLOGY_MAX) {
        if (json_array_append_new(devices, json_string(cell))) {
            json_decref(devices);
            return NULL;
        }
    }
    return devices;
}

static json_t *text_or_null(const char *text)
{
    return text[0] && strcmp(text, "N/A") != 0 ? json_string(text) : json_null();
}

/* One row: links to devices further right, each pair once; false: no row of the matrix. */
static bool read_row(gpuc__smi_text *text, const json_t *devices, json_t *links, json_t *affinity)
{
    const char *line = gpuc__smi_line(text);
    char name[CELL], cell[CELL], behind[AFFINITY][CELL] = {"", ""};
    size_t count = json_array_size(devices), self = count;
    int failed = 0;

    if (!line || !next_cell(name, &line) || !name[0] || !line)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(json_string_value(json_array_get(devices, i)), name) == 0)
            self = i;
    }
    if (self == count)
        return false;
    for (size_t i = 0; i < count && next_cell(cell, &line); i++) {
        if (i > self && cell[0])
            failed |= json_array_append_new(
                links, json_pack("{s:s, s:O, s:s}", "from", name, "to", json_array_get(devices, i),
                                 "link", cell));
    }
    for (size_t i = 0; i < AFFINITY; i++)
        next_cell(behind[i], &line);
    if (strncmp(name, "GPU", 3) == 0)
        failed |= json_array_append_new(
            affinity, json_pack("{s:s, s:o, s:o}", "device", name, "cpus", text_or_null(behind[0]),
                                "numa", text_or_null(behind[1])));
    text->no_memory |= failed != 0;
    return true;
}

json_t *gpuc__smi_read_topology(gpuc__smi_text *text)
{
    json_t *devices = read_devices(gpuc__smi_line(text)), *links = json_array(),
           *affinity = json_array(), *object;

    text->at++;
    while (devices && links && affinity && !text->no_memory &&
           read_row(text, devices, links, affinity))
        text->at++;
    if (devices && json_array_size(affinity) == 0)
        gpuc__smi_warn(text, "line %zu: the matrix of topo -m has no rows", text->at);
    object = json_pack("{s:o, s:o, s:o}", "devices", devices, "links", links, "affinity", affinity);
    text->no_memory |= !object;
    return object;
}

int gpuc__smi_topology_parse(json_t **out, const char *bytes, size_t length, gpuc_error **err)
{
    gpuc__smi_text text = {0};
    json_t *topology = NULL;
    int rc = gpuc__smi_text_init(&text, bytes, length, err);

    while (rc == GPUC_OK && gpuc__smi_line(&text) && !gpuc__smi_is_topology(&text))
        text.at++;
    if (rc == GPUC_OK && gpuc__smi_line(&text))
        topology = gpuc__smi_read_topology(&text);
    if (text.no_memory) {
        json_decref(topology);
        topology = NULL;
        rc = gpuc__error_nomem(err);
    }
    gpuc__smi_text_clear(&text);
    if (rc == GPUC_OK)
        *out = topology;
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of `nvidia-smi -q` as text: indentation makes the path, names are brought to one form. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gpu/smi_fields.h"
#include "gpu/smi_text.h"

#define PATH_MAX_BYTES 512
#define LEVELS 16

typedef struct query {
    gpuc__smi *smi;
    gpuc__smi_text *text;
    gpuc__smi_gpu *gpu;
    gpuc__smi_mig *mig; /* open; NULL: none, or one too many */
    bool in_mig;
    struct {
        size_t indent, length; /* of the path with this name */
    } level[LEVELS];
    size_t levels;
    char path[PATH_MAX_BYTES];
    gpuc__smi_process process; /* open when pending */
    bool pending;
} query;

bool gpuc__smi_is_query(const gpuc__smi_text *text)
{
    const char *line = gpuc__smi_line(text);

    return line && line[0] == '=' && strstr(line, "=NVSMI LOG=");
}

/* Appends the name in lower case, '_' for runs of what is no letter or digit. */
static void add_name(query *q, const char *name, size_t length)
{
    size_t at = strlen(q->path), start;

    if (at && at + 1 < sizeof(q->path))
        q->path[at++] = '/';
    start = at;
    for (size_t i = 0; i < length && at + 1 < sizeof(q->path); i++) {
        if (isalnum((unsigned char)name[i]))
            q->path[at++] = (char)tolower((unsigned char)name[i]);
        else if (at > start && q->path[at - 1] != '_')
            q->path[at++] = '_';
    }
    while (at > start && q->path[at - 1] == '_')
        at--;
    q->path[at] = '\0';
}

static void end_process(query *q)
{
    if (q->pending && !gpuc__smi_add_process(q->gpu, &q->process))
        q->text->no_memory = true;
    q->pending = false;
    memset(&q->process, 0, sizeof(q->process));
    q->process.pid = q->process.gpu_instance = q->process.compute_instance = -1;
}

/* path is below "processes/". */
static void process_line(query *q, const char *path, const char *value)
{
    gpuc__smi_process *p = &q->process;

    if (strcmp(path, "gpu_instance_id") == 0) {
        end_process(q);
        p->gpu_instance = gpuc__smi_count(value);
    } else if (strcmp(path, "compute_instance_id") == 0) {
        p->compute_instance = gpuc__smi_count(value);
    } else if (strcmp(path, "process_id") == 0) {
        if (q->pending)
            end_process(q);
        p->pid = gpuc__smi_count(value);
        q->pending = true;
    } else if (q->pending && strcmp(path, "process_id/type") == 0) {
        snprintf(p->type, sizeof(p->type), "%.*s", (int)sizeof(p->type) - 1, value);
    } else if (q->pending && strcmp(path, "process_id/name") == 0) {
        snprintf(p->name, sizeof(p->name), "%.*s", (int)sizeof(p->name) - 1, value);
    } else if (q->pending && strncmp(path, "process_id/used_gpu_memory", 26) == 0) {
        gpuc__smi_value_read(&p->memory, GPUC__SMI_KIND_MIB, value);
    }
}

static void new_gpu(query *q, const char *bus)
{
    if (q->gpu)
        end_process(q);
    q->in_mig = false;
    q->mig = NULL;
    if (q->smi->gpu_count == GPUC__SMI_GPUS_MAX) {
        gpuc__smi_warn(q->text, "more than %d GPUs: the rest is not read", GPUC__SMI_GPUS_MAX);
        return;
    }
    q->gpu = gpuc__smi_add_gpu(q->smi);
    if (!q->gpu) {
        q->text->no_memory = true;
        return;
    }
    memcpy(q->gpu->bus, bus, GPUC__BUS_ID_SIZE);
    end_process(q);
}

static void mig_line(query *q, const char *value)
{
    const char *below = strchr(q->path, '/');
    int field;

    if (!below) {
        q->in_mig = true;
        if (!gpuc__smi_add_mig(q->gpu, &q->mig))
            q->text->no_memory = true;
        return;
    }
    field = q->mig && value ? gpuc__smi_field_of(GPUC__SMI_MIG_PATHS, below + 1) : -1;
    if (field >= 0)
        gpuc__smi_value_take(&q->mig->field[field], gpuc__smi_mig_fields[field].kind, value);
    if (value)
        gpuc__smi_note_sickness(q->gpu, q->path, value);
}

static void gpu_line(query *q, const char *value)
{
    gpuc__smi_value word;
    int field;

    if (strcmp(q->path, "mig_device") == 0 || strncmp(q->path, "mig_device/", 11) == 0) {
        mig_line(q, value);
    } else if (strncmp(q->path, "processes/", 10) == 0) {
        if (value)
            process_line(q, q->path + 10, value);
    } else if (strcmp(q->path, "processes") == 0) {
        q->gpu->processes_known = !value || !value[0] || strcmp(value, "None") == 0;
        if (value && !q->gpu->processes_known)
            gpuc__smi_note_sickness(q->gpu, q->path, value);
    } else if (value) {
        field = gpuc__smi_field_of(GPUC__SMI_GPU_PATHS, q->path);
        gpuc__smi_note_sickness(q->gpu, q->path, value);
        if (field >= 0)
            gpuc__smi_value_take(&q->gpu->field[field], gpuc__smi_gpu_fields[field].kind, value);
        gpuc__smi_value_read(&word, GPUC__SMI_KIND_TEXT, value);
        if (field < 0 && word.state != GPUC__SMI_KNOWN)
            gpuc__smi_fields_below(q->gpu->field, GPUC__SMI_GPU_PATHS, q->path, word.state);
    }
}

/* A line of another form stands at the left margin and is neither "Name : value" nor a GPU. */
static bool is_ours(const char *line, const char *colon)
{
    return line[0] == '\0' || line[0] == ' ' || line[0] == '\t' || colon ||
           strncmp(line, "GPU ", 4) == 0;
}

/* The path becomes that of a name at this indentation. */
static void open_path(query *q, size_t indent, const char *name, size_t length)
{
    while (q->levels && q->level[q->levels - 1].indent >= indent)
        q->levels--;
    q->path[q->levels ? q->level[q->levels - 1].length : 0] = '\0';
    add_name(q, name, length);
    if (q->levels < LEVELS && indent) {
        q->level[q->levels].indent = indent;
        q->level[q->levels++].length = strlen(q->path);
    }
}

static bool is_gpu_line(const char *line, char bus[GPUC__BUS_ID_SIZE])
{
    return strncmp(line, "GPU ", 4) == 0 && gpuc__bus_id_normalise(bus, line + 4);
}

static void read_line(query *q, const char *line, const char *colon)
{
    size_t indent = strspn(line, " \t"), length = colon ? (size_t)(colon - line) : strlen(line);
    char value[512], bus[GPUC__BUS_ID_SIZE];
    int field;

    if (!line[indent] || length <= indent)
        return; /* blank, or a value without a name */
    if (!colon && is_gpu_line(line, bus)) {
        q->levels = 0;
        new_gpu(q, bus);
        return;
    }
    open_path(q, indent, line + indent, length - indent);
    if (colon)
        gpuc__smi_trim(value, sizeof(value), colon + 2, strlen(colon + 2));
    if (q->gpu && indent)
        gpu_line(q, colon ? value : NULL);
    if (q->gpu || !colon)
        return;
    field = gpuc__smi_field_of(GPUC__SMI_LOG_PATHS, q->path);
    if (field >= 0)
        gpuc__smi_value_take(&q->smi->field[field], gpuc__smi_log_fields[field].kind, value);
}

void gpuc__smi_read_query(gpuc__smi *smi, gpuc__smi_text *text)
{
    query q = {.smi = smi, .text = text};
    const char *line;

    for (text->at++; (line = gpuc__smi_line(text)) && !text->no_memory; text->at++) {
        const char *colon = strstr(line, " : ");
        size_t length = strlen(line);

        if (!colon && length > 2 && strcmp(line + length - 2, " :") == 0)
            colon = line + length - 2;
        if (!is_ours(line, colon) || gpuc__smi_is_query(text))
            break;
        read_line(&q, line, colon);
    }
    if (q.gpu)
        end_process(&q);
}

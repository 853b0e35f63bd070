/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of the table that nvidia-smi prints without arguments, from the forms of 2012 on. Cells
 * are narrow: a name may be cut, and XML is what verdicts come from. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gpu/smi_fields.h"
#include "gpu/smi_text.h"

#define CELLS 4
#define CELL 160
#define TOKENS 8

typedef struct table {
    gpuc__smi *smi;
    gpuc__smi_text *text;
    enum { PART_HEAD, PART_GPUS, PART_MIG, PART_PROCESSES } part;
    bool body;           /* below the line of '=' */
    bool has_gi, has_type; /* columns of the processes */
    gpuc__smi_gpu *gpu;  /* of the rows since the last rule */
    int row;             /* of that GPU, or of that MIG device */
    bool restricted;     /* a line of the processes was no process */
} table;

bool gpuc__smi_is_table(const gpuc__smi_text *text)
{
    const char *line = gpuc__smi_line(text), *next;

    if (!line || strncmp(line, "+---", 4) != 0 || text->at + 1 >= text->count)
        return false;
    next = text->line[text->at + 1];
    return strncmp(next, "| NVIDIA-SMI", 12) == 0;
}

/* The word behind a label of the head. */
static void head_value(gpuc__smi_value *value, const char *line, const char *label)
{
    const char *at = strstr(line, label);
    char word[64];

    if (!at)
        return;
    at += strlen(label);
    at += strspn(at, " ");
    gpuc__smi_trim(word, sizeof(word), at, strcspn(at, " |"));
    gpuc__smi_value_take(value, GPUC__SMI_KIND_TEXT, word);
}

static void read_head(table *t, const char *line)
{
    static const char *const drivers[] = {"Driver Version:", "KMD Version:"};
    static const char *const cudas[] = {"CUDA Version:", "CUDA UMD Version:"};

    for (int i = 0; i < 2; i++) {
        head_value(&t->smi->field[GPUC__SMI_DRIVER_VERSION], line, drivers[i]);
        head_value(&t->smi->field[GPUC__SMI_CUDA_VERSION], line, cudas[i]);
    }
}

/* Cells between bars; gives how many. */
static int split_cells(char cells[CELLS][CELL], const char *line)
{
    int count = 0;

    for (int i = 0; i < CELLS; i++)
        cells[i][0] = '\0';
    for (const char *at = line + 1; *at && count < CELLS; count++) {
        size_t length = strcspn(at, "|");

        if (!at[length] && count == 0)
            return 0; /* cut: no bar ends it */
        gpuc__smi_trim(cells[count], CELL, at, length);
        at += length + (at[length] != '\0');
        if (!*at)
            return count + 1;
    }
    return count;
}

/* Words of a cell, the last one with all that is left; gives how many. */
static int split_words(char words[TOKENS][CELL], const char *cell, int most)
{
    int count = 0;

    while (*cell && count < most) {
        size_t length = count + 1 == most ? strlen(cell) : strcspn(cell, " \t");

        gpuc__smi_trim(words[count++], CELL, cell, length);
        cell += length;
        cell += strspn(cell, " \t");
    }
    return count;
}

/* On and Off as the other forms say it. */
static const char *enabled(const char *word)
{
    return strcmp(word, "On") == 0 ? "Enabled" : strcmp(word, "Off") == 0 ? "Disabled" : word;
}

static void name_cell(gpuc__smi_gpu *gpu, char *cell)
{
    static const char *const models[] = {"WDDM", "TCC", "MCDM"};
    char *last;

    cell += strspn(cell, "0123456789.");
    cell += strspn(cell, " ");
    last = strrchr(cell, ' ');
    if (last && (strcmp(last + 1, "On") == 0 || strcmp(last + 1, "Off") == 0 ||
                 strcmp(last + 1, "N/A") == 0 || strcmp(last + 1, "ERR!") == 0)) {
        gpuc__smi_take(gpu, GPUC__SMI_PERSISTENCE, enabled(last + 1));
        *last = '\0';
    }
    for (size_t i = 0; last && i < sizeof(models) / sizeof(models[0]); i++) {
        if (strcmp(last + 1, models[i]) == 0) {
            gpuc__smi_take(gpu, GPUC__SMI_DRIVER_MODEL, models[i]);
            *last = '\0';
        }
    }
    gpuc__smi_take(gpu, GPUC__SMI_PRODUCT, cell);
}

/* "0", "Off", with MIG "On"; in 2012 single and double bit errors beside each other. */
static void ecc_cell(gpuc__smi_gpu *gpu, const char *cell)
{
    char words[TOKENS][CELL];

    if (strcmp(cell, "On") == 0 || strcmp(cell, "Off") == 0) {
        gpuc__smi_take(gpu, GPUC__SMI_ECC_MODE, enabled(cell));
    } else if (split_words(words, cell, 2) == 2 && gpuc__smi_count(words[0]) >= 0) {
        gpuc__smi_take(gpu, GPUC__SMI_ECC_SINGLE_BIT, words[0]);
        gpuc__smi_take(gpu, GPUC__SMI_ECC_DOUBLE_BIT, words[1]);
    } else {
        gpuc__smi_take(gpu, GPUC__SMI_ECC_TOTAL, cell);
        if (gpu->field[GPUC__SMI_ECC_TOTAL].has_number)
            gpuc__smi_take(gpu, GPUC__SMI_ECC_MODE, "Enabled");
    }
}

static void first_row(table *t, char cells[CELLS][CELL], int count)
{
    char words[TOKENS][CELL];
    char digits[CELL];
    gpuc__smi_gpu *gpu;

    gpuc__smi_trim(digits, sizeof(digits), cells[0], strspn(cells[0], "0123456789"));
    if (gpuc__smi_count(digits) < 0 || count < 3) {
        gpuc__smi_warn(t->text, "line %zu: a row of the table that is no GPU", t->text->at + 1);
        return;
    }
    if (t->smi->gpu_count == GPUC__SMI_GPUS_MAX) {
        gpuc__smi_warn(t->text, "more than %d GPUs: the rest is not read", GPUC__SMI_GPUS_MAX);
        return;
    }
    gpu = t->gpu = gpuc__smi_add_gpu(t->smi);
    if (!gpu) {
        t->text->no_memory = true;
        return;
    }
    gpu->index = gpuc__smi_count(digits);
    name_cell(gpu, cells[0]);
    count = split_words(words, cells[1], 2);
    if (count > 0) {
        gpuc__bus_id_normalise(gpu->bus, words[0]);
        gpuc__smi_take(gpu, GPUC__SMI_PCI_BUS_ID, words[0]);
    }
    if (count > 1)
        gpuc__smi_take(gpu, GPUC__SMI_DISPLAY_ACTIVE, enabled(words[1]));
    ecc_cell(gpu, cells[2]);
}

/* Off: the driver does not measure it. */
static const char *measured(const char *word)
{
    return strcmp(word, "Off") == 0 ? "N/A" : word;
}

/* "77W / 149W" */
static void pair(gpuc__smi_gpu *gpu, gpuc__smi_gpu_field first, gpuc__smi_gpu_field second,
                 const char *cell)
{
    const char *slash = strstr(cell, " /");
    char word[CELL];

    gpuc__smi_note_sickness(gpu, gpuc__smi_gpu_fields[first].name, cell);
    if (!slash)
        return;
    gpuc__smi_trim(word, sizeof(word), cell, (size_t)(slash - cell));
    /* The form of 2012 has a share before it. */
    gpuc__smi_take(gpu, first, measured(strrchr(word, ' ') ? strrchr(word, ' ') + 1 : word));
    gpuc__smi_trim(word, sizeof(word), slash + 2, strlen(slash + 2));
    gpuc__smi_take(gpu, second, measured(word));
}

static void second_row(gpuc__smi_gpu *gpu, char cells[CELLS][CELL])
{
    static const struct {
        const char *cell, *mode;
    } modes[] = {{"E. Process", "Exclusive_Process"}, {"E. Thread", "Exclusive_Thread"}};
    static const gpuc__smi_gpu_field first[] = {GPUC__SMI_FAN, GPUC__SMI_TEMPERATURE,
                                                GPUC__SMI_PSTATE};
    char words[TOKENS][CELL];
    int count = split_words(words, cells[0], 4);

    gpuc__smi_note_sickness(gpu, "table", cells[0]);
    for (int i = 0; i < 3 && i < count; i++)
        gpuc__smi_take(gpu, first[i], words[i]);
    if (count > 3)
        pair(gpu, GPUC__SMI_POWER_DRAW, GPUC__SMI_POWER_LIMIT, words[3]);
    pair(gpu, GPUC__SMI_MEMORY_USED, GPUC__SMI_MEMORY_TOTAL, cells[1]);
    count = split_words(words, cells[2], 2);
    gpuc__smi_note_sickness(gpu, "table", cells[2]);
    if (count > 0)
        gpuc__smi_take(gpu, GPUC__SMI_UTILIZATION, words[0]);
    for (size_t i = 0; count > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(words[1], modes[i].cell) == 0)
            snprintf(words[1], CELL, "%s", modes[i].mode);
    }
    if (count > 1)
        gpuc__smi_take(gpu, GPUC__SMI_COMPUTE_MODE, words[1]);
}

static void gpu_row(table *t, char cells[CELLS][CELL], int count)
{
    if (t->row == 0) {
        t->gpu = NULL;
        first_row(t, cells, count);
    } else if (t->gpu && t->row == 1 && count >= 3) {
        second_row(t->gpu, cells);
    } else if (t->gpu && t->row == 2 && count >= 3 && cells[2][0]) {
        char *star = strchr(cells[2], '*'); /* a change is pending */

        if (star)
            *star = '\0';
        gpuc__smi_take(t->gpu, GPUC__SMI_MIG, cells[2]);
    }
    t->row++;
}

static void mig_value(gpuc__smi_mig *mig, gpuc__smi_mig_field field, const char *text)
{
    gpuc__smi_value_take(&mig->field[field], gpuc__smi_mig_fields[field].kind, text);
}

static void mig_row(table *t, char cells[CELLS][CELL], int count)
{
    char words[TOKENS][CELL], memory[CELL];
    gpuc__smi_gpu *gpu;
    gpuc__smi_mig *mig = NULL;
    char *slash;

    if (t->row++ || count < 3)
        return; /* the second row is about BAR1 */
    gpu = split_words(words, cells[0], 4) == 4 ? gpuc__smi_gpu_at(t->smi, gpuc__smi_count(words[0]))
                                               : NULL;
    if (!gpu || gpuc__smi_count(words[0]) < 0) {
        if (strncmp(cells[0], "No MIG", 6) != 0)
            gpuc__smi_warn(t->text, "line %zu: a MIG device of no GPU", t->text->at + 1);
        return;
    }
    if (!gpuc__smi_add_mig(gpu, &mig))
        t->text->no_memory = true;
    if (!mig)
        return;
    mig_value(mig, GPUC__SMI_MIG_GI, words[1]);
    mig_value(mig, GPUC__SMI_MIG_CI, words[2]);
    mig_value(mig, GPUC__SMI_MIG_INDEX, words[3]);
    slash = strchr(cells[1], '/');
    if (slash) {
        gpuc__smi_trim(memory, sizeof(memory), cells[1], (size_t)(slash - cells[1]));
        mig_value(mig, GPUC__SMI_MIG_MEMORY_USED, memory);
        gpuc__smi_trim(memory, sizeof(memory), slash + 1, strlen(slash + 1));
        mig_value(mig, GPUC__SMI_MIG_MEMORY_TOTAL, memory);
    }
    if (split_words(words, cells[2], 2) == 2) {
        mig_value(mig, GPUC__SMI_MIG_SMS, words[0]);
        mig_value(mig, GPUC__SMI_MIG_ECC_SRAM, words[1]);
    }
}

/* What is between the bars of a line that may have bars in it. */
static void inner_text(char *out, size_t size, const char *line)
{
    size_t length = strlen(line);

    while (length > 1 && line[length - 1] != '|')
        length--;
    gpuc__smi_trim(out, size, line + 1, length > 1 ? length - 2 : 0);
}

/* The GPU of a row's first word, which has a dot in 2012; NULL: it is none. */
static gpuc__smi_gpu *gpu_of(table *t, const char *word)
{
    char digits[CELL];
    size_t length = strlen(word);
    long index;

    gpuc__smi_trim(digits, sizeof(digits), word, length - (length > 1 && word[length - 1] == '.'));
    index = gpuc__smi_count(digits);
    return index < 0 ? NULL : gpuc__smi_gpu_at(t->smi, index);
}

static void process_row(table *t, const char *line)
{
    char cell[CELL * 2], words[TOKENS][CELL] = {{'\0'}};
    int pid = t->has_gi ? 3 : 1, name = pid + 1 + t->has_type, count;
    gpuc__smi_process p = {.pid = -1, .gpu_instance = -1, .compute_instance = -1};
    gpuc__smi_gpu *gpu;
    char *memory;

    inner_text(cell, sizeof(cell), line);
    if (!cell[0] || strncmp(cell, "No running", 10) == 0)
        return;
    count = split_words(words, cell, name + 1);
    gpu = gpu_of(t, words[0]);
    memory = count == name + 1 ? strrchr(words[name], ' ') : NULL;
    p.pid = gpuc__smi_count(words[pid]);
    if (!gpu || !memory || p.pid < 0) {
        t->restricted = true; /* "Not Supported" and the like */
        return;
    }
    if (t->has_gi) {
        p.gpu_instance = gpuc__smi_count(words[1]);
        p.compute_instance = gpuc__smi_count(words[2]);
    }
    if (t->has_type)
        snprintf(p.type, sizeof(p.type), "%.*s", (int)sizeof(p.type) - 1, words[pid + 1]);
    gpuc__smi_value_read(&p.memory, GPUC__SMI_KIND_MIB, memory + 1);
    gpuc__smi_trim(p.name, sizeof(p.name), words[name], (size_t)(memory - words[name]));
    if (!gpuc__smi_add_process(gpu, &p))
        t->text->no_memory = true;
}

/* A rule ends rows; below the processes it ends the table. false: it was the last line. */
static bool rule(table *t)
{
    t->row = 0;
    if (t->part != PART_PROCESSES || !t->body)
        return true;
    for (size_t i = 0; i < t->smi->gpu_count && !t->restricted; i++)
        t->smi->gpus[i].processes_known = true;
    return false;
}

static void part_row(table *t, const char *line)
{
    char cells[CELLS][CELL];
    int count;

    if (strstr(line, "| MIG devices:") == line) {
        t->part = PART_MIG;
        t->body = false;
    } else if (strncmp(line, "| Processes:", 12) == 0 ||
               strncmp(line, "| Compute processes:", 20) == 0) {
        t->part = PART_PROCESSES;
        t->body = false;
    } else if (line[1] == '=') {
        t->body = true;
        t->row = 0;
        if (t->part == PART_HEAD)
            t->part = PART_GPUS;
    } else if (t->part == PART_PROCESSES && !t->body) {
        t->has_gi = t->has_gi || strstr(line, " GI ");
        t->has_type = t->has_type || strstr(line, " Type ");
    } else if (t->part == PART_PROCESSES) {
        process_row(t, line);
    } else if (t->body && line[1] != '-') {
        count = split_cells(cells, line);
        if (t->part == PART_GPUS)
            gpu_row(t, cells, count);
        else
            mig_row(t, cells, count);
    } else if (line[1] == '-') {
        t->row = 0;
    }
}

void gpuc__smi_read_table(gpuc__smi *smi, gpuc__smi_text *text)
{
    table t = {.smi = smi, .text = text};
    const char *line;

    read_head(&t, text->line[++text->at]);
    for (text->at++; (line = gpuc__smi_line(text)) && !text->no_memory; text->at++) {
        bool blank = line[strspn(line, " \t")] == '\0';

        if (line[0] == '|' && line[1]) {
            part_row(&t, line);
        } else if (line[0] == '+' && line[1] == '-') {
            if (gpuc__smi_is_table(text))
                return;
            if (!rule(&t)) {
                text->at++;
                return;
            }
        } else if (!blank) {
            return;
        }
    }
}

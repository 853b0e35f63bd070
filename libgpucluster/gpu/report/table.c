/* SPDX-License-Identifier: Apache-2.0 */
/* The report as a table for people, and below it what is not as it should be, the worst first. */
#include <stdio.h>
#include <string.h>

#include "gpu/report/view.h"
#include "util/alloc.h"

#define COLUMNS 8
#define CELL 96
#define GAP 2
#define MARGIN 4       /* of what belongs to the line above */
#define NARROWEST 40   /* no line is broken for a terminal that is narrower still */

enum { MACHINE, GPU, NAME, DRIVER, CUDA, MEMORY, CHECKS, VERDICT };

typedef struct row {
    char cell[COLUMNS][CELL];
    int status; /* of the verdict; -1: the head */
} row;

typedef struct table {
    row *rows;
    size_t count;
    size_t width[COLUMNS]; /* 0: the column is left out */
    bool failed, color;
    size_t line; /* widest line; 0: any */
} table;

static row *add_row(table *t)
{
    row *rows = t->failed ? NULL : gpuc__realloc(t->rows, (t->count + 1) * sizeof(*rows));

    if (!rows) {
        t->failed = true;
        return NULL;
    }
    t->rows = rows;
    memset(&rows[t->count], 0, sizeof(*rows));
    return &rows[t->count++];
}

static void set(row *r, int column, const char *text)
{
    snprintf(r->cell[column], CELL, "%s", text && *text ? text : "-");
}

/* "9 pass, 1 fail", and the worst of them: the machine's own checks count for each of its GPUs. */
static int count_checks(char *out, size_t size, const gpuc__machine_proof *m,
                        const gpuc__proof_gpu *g)
{
    int counts[4] = {0, 0, 0, 0}, worst = GPUC_CHECK_PASS;
    size_t length = 0;

    for (size_t i = 0; i < m->check_count; i++) {
        const gpuc__check *c = &m->checks[i];

        if (c->idle || (g && c->gpu && !gpuc__proof_is_of(m, c, g)))
            continue;
        counts[c->status]++;
        worst = c->status > worst ? c->status : worst;
    }
    out[0] = '\0';
    for (int s = 0; s < 4; s++) {
        if (counts[s] && length < size)
            length += (size_t)snprintf(out + length, size - length, "%s%d %s", length ? ", " : "",
                                       counts[s], gpuc__check_status_name(s));
    }
    return worst;
}

static void fill_row(row *r, const gpuc__machine_proof *m, size_t index)
{
    const gpuc__proof_gpu *g = index < m->gpu_count ? &m->gpus[index] : NULL;
    char text[CELL], checks[CELL];

    r->status = count_checks(checks, sizeof(checks), m, g);
    set(r, MACHINE, m->name);
    if (g && g->index >= 0)
        snprintf(text, sizeof(text), "%d %.64s", g->index, g->product ? g->product : "?");
    else
        snprintf(text, sizeof(text), "? %.64s", g && g->product ? g->product : "?");
    set(r, GPU, g ? text : "-");
    set(r, NAME, g ? g->uuid ? g->uuid : g->bus : NULL);
    set(r, DRIVER, m->driver);
    set(r, CUDA, m->cuda);
    snprintf(text, sizeof(text), "%.0f MiB", g ? g->memory_mib : 0);
    set(r, MEMORY, g && g->memory_mib >= 0 ? text : NULL);
    set(r, CHECKS, checks);
    snprintf(text, sizeof(text), "%s%s", gpuc__check_status_word(r->status),
             m->simulated ? " SIMULATED GPU" : "");
    set(r, VERDICT, text);
}

static size_t total_width(const table *t)
{
    size_t total = 0;

    for (int c = 0; c < COLUMNS; c++)
        total += t->width[c] ? t->width[c] + (c < COLUMNS - 1 ? GAP : 0) : 0;
    return total;
}

/* What one can do without goes first, until the table fits or the rest is needed: a UUID is known by
 * its first 12 characters. */
static void fit(table *t)
{
    static const struct {
        int column;
        size_t width;
    } steps[] = {{NAME, 12}, {CUDA, 0}, {MEMORY, 0}, {DRIVER, 0}, {GPU, 16}, {NAME, 0}, {CHECKS, 0}};

    for (size_t i = 0; i < t->count; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            size_t n = strlen(t->rows[i].cell[c]);

            t->width[c] = n > t->width[c] ? n : t->width[c];
        }
    }
    for (size_t i = 0; t->line && i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (total_width(t) <= t->line)
            return;
        if (t->width[steps[i].column] > steps[i].width)
            t->width[steps[i].column] = steps[i].width;
    }
}

static void put_word(gpuc__buf *out, bool color, int status, const char *word)
{
    static const char *const codes[] = {"32", "36", "33", "31"};

    if (color && status >= 0)
        gpuc__buf_printf(out, "\033[%sm%s\033[0m", codes[status], word);
    else
        gpuc__buf_puts(out, word);
}

static void put_rows(gpuc__buf *out, const table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const row *r = &t->rows[i];

        for (int c = 0; c < VERDICT; c++) {
            if (t->width[c])
                gpuc__buf_printf(out, "%-*.*s%*s", (int)t->width[c], (int)t->width[c], r->cell[c], GAP,
                                 "");
        }
        put_word(out, t->color, r->status, r->cell[VERDICT]);
        gpuc__buf_putc(out, '\n');
    }
}

/* The text in lines that fit, those after the first behind a margin; used: of the first line. */
static void put_wrapped(gpuc__buf *out, size_t line, size_t used, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n"), room = line > used ? line - used : 0;

        if (line >= NARROWEST && length > room) {
            size_t cut = room;

            while (cut > 0 && text[cut] != ' ')
                cut--;
            if (cut > 0 || used > MARGIN)
                length = cut;
        }
        gpuc__buf_add(out, text, length);
        text += length;
        text += strspn(text, " \n");
        if (*text)
            gpuc__buf_printf(out, "\n%*s", MARGIN, "");
        used = MARGIN;
    }
    gpuc__buf_putc(out, '\n');
}

static void put_problem(gpuc__buf *out, const table *t, const gpuc__machine_proof *m,
                        const gpuc__check *c)
{
    gpuc__buf text = GPUC__BUF_INIT(65536);

    put_word(out, t->color, c->status, gpuc__check_status_word(c->status));
    gpuc__buf_printf(&text, " %s %s%s", *m->name ? m->name : "fleet", c->id, c->gpu ? " " : "");
    gpuc__page_gpus(&text, m, c);
    if (gpuc__page_gpu_count(m, c) == 1)
        gpuc__buf_printf(&text, " %s", c->gpu);
    gpuc__buf_printf(&text, ": %s (wanted: %s)", c->observed, c->threshold ? c->threshold : "-");
    put_wrapped(out, t->line, strlen(gpuc__check_status_word(c->status)), gpuc__buf_text(&text));
    if (c->remedy) {
        gpuc__buf_reset(&text);
        gpuc__buf_printf(&text, "%*sremedy: %s", MARGIN, "", c->remedy);
        put_wrapped(out, t->line, 0, gpuc__buf_text(&text));
    }
    out->failed |= text.failed;
    gpuc__buf_clear(&text);
}

static void put_problems(gpuc__buf *out, table *t, const gpuc_report *report)
{
    gpuc__page page = {0};

    if (!gpuc__page_init(&page, report))
        t->failed = true;
    for (size_t i = 0; i < page.count; i++) {
        const gpuc__problem *p = &page.problems[i];

        put_problem(out, t, gpuc__page_machine(report, p), p->check);
    }
    gpuc__page_clear(&page);
}

char *gpuc_report_to_table(const gpuc_report *report, int width, int color)
{
    static const char *const heads[COLUMNS] = {"MACHINE", "GPU",    "UUID/BUS", "DRIVER",
                                               "CUDA",    "MEMORY", "CHECKS",   "VERDICT"};
    gpuc__buf out = GPUC__BUF_INIT(GPUC__REPORT_TEXT_MAX);
    table t = {.color = color != 0, .line = width > 0 ? (size_t)width : 0};
    row *r = add_row(&t);

    for (int c = 0; r && c < COLUMNS; c++)
        set(r, c, heads[c]);
    if (r)
        r->status = -1;
    for (size_t i = 0; i < report->count; i++) {
        const gpuc__machine_proof *m = report->machines[i];

        for (size_t g = 0; g < m->gpu_count || g == 0; g++) {
            r = add_row(&t);
            if (r)
                fill_row(r, m, g);
        }
    }
    if (gpuc_report_simulated(report))
        put_wrapped(&out, t.line, 0, "SIMULATED GPU: at least one GPU below is a stand-in");
    fit(&t);
    put_rows(&out, &t);
    put_problems(&out, &t, report);
    if (t.failed)
        out.failed = true;
    gpuc__free(t.rows);
    return gpuc__buf_take(&out);
}

char *gpuc_report_to_text(const gpuc_report *report)
{
    return gpuc_report_to_table(report, 0, 0);
}

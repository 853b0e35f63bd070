/* SPDX-License-Identifier: Apache-2.0 */
/* The report as one HTML page that needs nothing else: report.html.tmpl with its style and script.
 * Here are the lists that the template names; html_values.c has the values. */
#include <string.h>

#include "gpu/report/view.h"
#include "util/data.h"
#include "util/template.h"

#define FOLDED_ROWS 12   /* places of one problem; more are folded away */
#define OPEN_MACHINES 4  /* with more, each is closed until asked for */

static void see_problem(gpuc__view *v, size_t at)
{
    const gpuc__problem *p = &v->page->problems[at];

    v->check = p->check;
    v->machine_at = p->machine;
    v->machine = gpuc__page_machine(v->report, p);
}

static bool same_group(const gpuc__problem *a, const gpuc__problem *b)
{
    const char *x = a->check->remedy, *y = b->check->remedy;

    return a->check->status == b->check->status && strcmp(a->check->id, b->check->id) == 0 &&
           !a->check->gpu == !b->check->gpu && (x == y || (x && y && strcmp(x, y) == 0));
}

/* Problems of one check with one remedy; they are sorted so that these stand together. */
static bool groups(gpuc__view *v, size_t index)
{
    const gpuc__page *page = v->page;

    v->group_end = 0;
    do {
        v->group = v->group_end;
        if (v->group >= page->count)
            return false;
        while (v->group_end < page->count &&
               same_group(&page->problems[v->group], &page->problems[v->group_end]))
            v->group_end++;
    } while (index--);
    see_problem(v, v->group);
    return true;
}

static bool group_folded(gpuc__view *v, size_t index)
{
    return index == 0 && v->group_end - v->group > FOLDED_ROWS;
}

static bool group_items(gpuc__view *v, size_t index)
{
    if (v->group + index >= v->group_end)
        return false;
    see_problem(v, v->group + index);
    return true;
}

static bool machines(gpuc__view *v, size_t index)
{
    if (index >= v->report->count)
        return false;
    v->machine = v->report->machines[index];
    v->machine_at = index;
    return true;
}

static bool machine_open(gpuc__view *v, size_t index)
{
    return index == 0 && v->report->count <= OPEN_MACHINES;
}

static bool machine_simulated(gpuc__view *v, size_t index)
{
    return index == 0 && v->machine->simulated;
}

static bool has_gpus(gpuc__view *v, size_t index)
{
    return index == 0 && v->machine->gpu_count > 0;
}

static bool gpus(gpuc__view *v, size_t index)
{
    if (index >= v->machine->gpu_count)
        return false;
    v->gpu = &v->machine->gpus[index];
    return true;
}

/* The first check of each that say the same. */
static bool rows(gpuc__view *v, size_t index)
{
    return gpuc__page_row(&v->check, v->page, v->machine, index);
}

static bool row_names(gpuc__view *v, size_t index)
{
    return index == 0 && v->check->gpu && gpuc__page_gpu_count(v->machine, v->check) == 1;
}

static bool has_links(gpuc__view *v, size_t index)
{
    gpuc__page_link(v->page, v->machine);
    return index == 0 && v->page->link_gpus > 1;
}

static bool link_rows(gpuc__view *v, size_t index)
{
    v->link_row = index;
    return index < v->page->link_gpus;
}

static bool link_cells(gpuc__view *v, size_t index)
{
    v->link_column = index;
    return index < v->page->link_gpus;
}

static bool facts_known(gpuc__view *v, size_t index)
{
    return index == 0 && v->report->count > 1 && v->report->fact_count > 0;
}

static bool facts(gpuc__view *v, size_t index)
{
    if (index >= v->report->fact_count)
        return false;
    v->fact = &v->report->facts[index];
    return true;
}

static bool fact_values(gpuc__view *v, size_t index)
{
    v->value = index;
    return index < v->fact->count;
}

static const gpuc__view_list lists[] = {
    {"groups", groups},
    {"group_folded", group_folded},
    {"group_items", group_items},
    {"machines", machines},
    {"machine_open", machine_open},
    {"machine_simulated", machine_simulated},
    {"has_gpus", has_gpus},
    {"gpus", gpus},
    {"rows", rows},
    {"row_names", row_names},
    {"has_links", has_links},
    {"link_heads", link_rows},
    {"link_rows", link_rows},
    {"link_cells", link_cells},
    {"facts_known", facts_known},
    {"facts", facts},
    {"values", fact_values},
    {NULL, NULL},
};

static bool value(const void *scope, const char *name, gpuc__buf *out)
{
    return gpuc__view_put(gpuc__page_values, scope, name, out) ||
           gpuc__view_put(gpuc__view_values, scope, name, out);
}

static bool item(void *inner, const void *scope, const char *name, size_t index)
{
    bool there = false;

    (void)scope;
    if (!gpuc__view_item(lists, &there, inner, name, index))
        gpuc__view_item(gpuc__view_lists, &there, inner, name, index);
    return there;
}

char *gpuc_report_to_html(const gpuc_report *report)
{
    static const gpuc__template_source source = {sizeof(gpuc__view), value, item};
    gpuc__buf out = GPUC__BUF_INIT(GPUC__REPORT_TEXT_MAX);
    gpuc__page page = {0};
    gpuc__view view = {.report = report, .page = &page};
    int rc = GPUC_ENOMEM;

    if (gpuc__page_init(&page, report))
        rc = gpuc__template_render(&out, gpuc__data_get("gpu/report/report.html.tmpl")->text, &source,
                                   &view, NULL);
    if (page.failed)
        rc = GPUC_ENOMEM;
    gpuc__page_clear(&page);
    return gpuc__report_text(&out, rc);
}

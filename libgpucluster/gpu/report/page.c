/* SPDX-License-Identifier: Apache-2.0 */
/* What the page needs worked out: the problems in their order, which checks say the same, and the
 * links between a machine's GPUs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/report/view.h"
#include "util/alloc.h"

static bool equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool gpuc__page_same(const gpuc__check *a, const gpuc__check *b)
{
    return a->status == b->status && a->idle == b->idle && !a->gpu == !b->gpu &&
           strcmp(a->id, b->id) == 0 && equal(a->observed, b->observed) &&
           equal(a->threshold, b->threshold) && equal(a->remedy, b->remedy);
}

static bool is_first(const gpuc__machine_proof *m, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (gpuc__page_same(&m->checks[i], &m->checks[at]))
            return false;
    }
    return true;
}

static bool add_problems(gpuc__page *page, const gpuc__machine_proof *m, size_t at)
{
    for (size_t i = 0; i < m->check_count; i++) {
        const gpuc__check *c = &m->checks[i];
        gpuc__problem *list;

        if (c->status == GPUC_CHECK_PASS || c->idle || !is_first(m, i))
            continue;
        list = gpuc__realloc(page->problems, (page->count + 1) * sizeof(*list));
        if (!list)
            return false;
        page->problems = list;
        list[page->count++] = (gpuc__problem){at, (size_t)(c->rule - m->rules->list), c};
    }
    return true;
}

static int by_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int compare(const void *left, const void *right)
{
    const gpuc__problem *a = left, *b = right;
    int remedy = by_text(a->check->remedy, b->check->remedy);

    if (a->check->status != b->check->status)
        return b->check->status - a->check->status;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (!a->check->gpu != !b->check->gpu)
        return a->check->gpu ? 1 : -1;
    if (remedy)
        return remedy;
    if (a->machine != b->machine)
        return a->machine < b->machine ? -1 : 1;
    return a->check < b->check ? -1 : a->check > b->check;
}

bool gpuc__page_init(gpuc__page *page, const gpuc_report *report)
{
    bool ok = !report->fleet || add_problems(page, report->fleet, GPUC__FLEET);

    for (size_t i = 0; ok && i < report->count; i++)
        ok = add_problems(page, report->machines[i], i);
    if (page->count)
        qsort(page->problems, page->count, sizeof(*page->problems), compare);
    return ok;
}

void gpuc__page_clear(gpuc__page *page)
{
    gpuc__free(page->problems);
    gpuc__free(page->rows);
    memset(page, 0, sizeof(*page));
}

const gpuc__machine_proof *gpuc__page_machine(const gpuc_report *report,
                                              const gpuc__problem *problem)
{
    return problem->machine == GPUC__FLEET ? report->fleet : report->machines[problem->machine];
}

static void find_rows(gpuc__page *page, const gpuc__machine_proof *m)
{
    const gpuc__check **rows = gpuc__realloc(page->rows, (m->check_count + 1) * sizeof(*rows));

    page->rowed = m;
    page->row_count = 0;
    if (!rows) {
        page->failed = true;
        return;
    }
    page->rows = rows;
    for (size_t i = 0; i < m->check_count; i++) {
        if (is_first(m, i))
            rows[page->row_count++] = &m->checks[i];
    }
}

bool gpuc__page_row(const gpuc__check **out, gpuc__page *page, const gpuc__machine_proof *m,
                    size_t index)
{
    if (page->rowed != m)
        find_rows(page, m);
    if (index >= page->row_count)
        return false;
    *out = page->rows[index];
    return true;
}

/* "GPU3" of topo -m; -1: another device, or too many. */
static int gpu_number(const char *name)
{
    int number = -1, end = 0;

    if (!name || sscanf(name, "GPU%3d%n", &number, &end) != 1 || name[end] || number < 0 ||
        number >= GPUC__LINKS_MAX)
        return -1;
    return number;
}

void gpuc__page_link(gpuc__page *page, const gpuc__machine_proof *m)
{
    json_t *link, *device;
    size_t i;

    if (page->linked == m)
        return;
    memset(page->links, 0, sizeof(page->links));
    page->linked = m;
    page->link_gpus = 0;
    json_array_foreach(json_object_get(m->topology, "devices"), i, device) {
        int number = gpu_number(json_string_value(device));

        if (number >= (int)page->link_gpus)
            page->link_gpus = (size_t)number + 1;
    }
    json_array_foreach(json_object_get(m->topology, "links"), i, link) {
        int from = gpu_number(json_string_value(json_object_get(link, "from")));
        int to = gpu_number(json_string_value(json_object_get(link, "to")));

        if (from >= 0 && to >= 0)
            page->links[from][to] = page->links[to][from] =
                json_string_value(json_object_get(link, "link"));
    }
}

/* One run of numbers, "0-3" or "5". */
static void put_run(gpuc__buf *out, const char **before, int first, int last)
{
    if (last > first)
        gpuc__buf_printf(out, "%s%d-%d", *before, first, last);
    else
        gpuc__buf_printf(out, "%s%d", *before, first);
    *before = ", ";
}

static bool counted(const gpuc__machine_proof *m, const gpuc__check *c, const gpuc__check *like,
                    int *index)
{
    const gpuc__proof_gpu *g = c->gpu && gpuc__page_same(c, like) ? gpuc__proof_gpu_of(m, c->gpu)
                                                                  : NULL;

    *index = g && strncmp(c->gpu, "MIG-", 4) != 0 ? g->index : -1;
    return *index >= 0;
}

void gpuc__page_gpus(gpuc__buf *out, const gpuc__machine_proof *m, const gpuc__check *like)
{
    const char *before = "GPU ";
    int first = -1, last = -1, index;

    for (size_t i = 0; i < m->check_count; i++) {
        if (!counted(m, &m->checks[i], like, &index))
            continue;
        if (first >= 0 && index == last + 1) {
            last = index;
            continue;
        }
        if (first >= 0)
            put_run(out, &before, first, last);
        first = last = index;
    }
    if (first >= 0)
        put_run(out, &before, first, last);
    before = first >= 0 ? ", " : "";
    for (size_t i = 0; i < m->check_count; i++) {
        const gpuc__check *c = &m->checks[i];

        if (!c->gpu || !gpuc__page_same(c, like) || counted(m, c, like, &index))
            continue;
        gpuc__buf_puts(out, before);
        gpuc__check_gpu_name(out, m, c);
        before = ", ";
    }
}

size_t gpuc__page_gpu_count(const gpuc__machine_proof *m, const gpuc__check *like)
{
    size_t n = 0;

    for (size_t i = 0; i < m->check_count; i++)
        n += m->checks[i].gpu && gpuc__page_same(&m->checks[i], like);
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report as templates see it: names of values and lists, for JUnit and for the page. */
#ifndef GPUC__REPORT_VIEW_H
#define GPUC__REPORT_VIEW_H
#include "gpu/report/report_internal.h"
#include "util/template.h"

#define GPUC__LINKS_MAX 16 /* GPUs whose links are shown */

/* A check that is no pass, or several of one machine that say the same. */
typedef struct gpuc__problem {
    size_t machine; /* place in the report; GPUC__FLEET */
    size_t order;   /* of its check in the table, which goes from cause to effect */
    const gpuc__check *check; /* the first of them */
} gpuc__problem;
#define GPUC__FLEET ((size_t)-1)

/* What is worked out before a page is written, and of the machine at hand. */
typedef struct gpuc__page {
    gpuc__problem *problems; /* worst first */
    size_t count;
    const gpuc__machine_proof *linked; /* whose links these are */
    size_t link_gpus;
    const char *links[GPUC__LINKS_MAX][GPUC__LINKS_MAX]; /* NULL: not known */
    const gpuc__machine_proof *rowed; /* whose rows these are */
    const gpuc__check **rows;         /* the first check of each that say the same */
    size_t row_count;
    bool failed; /* no memory for them */
} gpuc__page;

typedef struct gpuc__view {
    const gpuc_report *report;
    gpuc__page *page; /* NULL for JUnit */
    const gpuc__machine_proof *machine;
    size_t machine_at; /* GPUC__FLEET: the checks of the fleet */
    const gpuc__proof_gpu *gpu;
    const gpuc__check *check;
    size_t group, group_end; /* of the page's problems */
    const gpuc__fleet_fact *fact;
    size_t value, link_row, link_column;
} gpuc__view;

typedef struct gpuc__view_value {
    const char *name;
    void (*put)(const gpuc__view *v, gpuc__buf *out);
} gpuc__view_value;
/* A list: makes v the item, false behind the last. */
typedef struct gpuc__view_list {
    const char *name;
    bool (*item)(gpuc__view *v, size_t index);
} gpuc__view_list;
/* Both end with a NULL name. false: the table has none of that name. */
bool gpuc__view_put(const gpuc__view_value *table, const gpuc__view *v, const char *name,
                    gpuc__buf *out);
bool gpuc__view_item(const gpuc__view_list *table, bool *there, gpuc__view *v, const char *name,
                     size_t index);
extern const gpuc__view_value gpuc__view_values[]; /* view.c: what both forms name */
extern const gpuc__view_list gpuc__view_lists[];
/* Of the checks about one GPU alone; SKIP when there is none. */
int gpuc__view_gpu_status(const gpuc__machine_proof *machine, const gpuc__proof_gpu *gpu);
extern const gpuc__view_value gpuc__page_values[]; /* html_values.c */

/* page.c: the problems, sorted. false without memory. */
bool gpuc__page_init(gpuc__page *page, const gpuc_report *report);
void gpuc__page_clear(gpuc__page *page);
const gpuc__machine_proof *gpuc__page_machine(const gpuc_report *report,
                                              const gpuc__problem *problem);
/* That row of the machine's checks; false behind the last. */
bool gpuc__page_row(const gpuc__check **out, gpuc__page *page, const gpuc__machine_proof *machine,
                    size_t index);
/* Whether both say the same of their machine, so that one line does for both. */
bool gpuc__page_same(const gpuc__check *a, const gpuc__check *b);
/* Fills the links of that machine, once. */
void gpuc__page_link(gpuc__page *page, const gpuc__machine_proof *machine);
/* "GPU 0-3, 5": of all checks of the machine that say the same as this one. */
void gpuc__page_gpus(gpuc__buf *out, const gpuc__machine_proof *machine, const gpuc__check *check);
size_t gpuc__page_gpu_count(const gpuc__machine_proof *machine, const gpuc__check *check);
#endif

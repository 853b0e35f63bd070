/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel log of this boot says about each GPU: Xids, and failures of driver and bus. */
#include <stdio.h>
#include <string.h>

#include "gpu/checks.h"
#include "gpu/tables.h"

typedef struct judge {
    gpuc__checkup *up;
    json_t *table;     /* xid.json */
    unsigned char *used; /* events that some GPU was found for */
} judge;

static int verdict_of(const char *word)
{
    return strcmp(word, "fail") == 0   ? GPUC_CHECK_FAIL
           : strcmp(word, "warn") == 0 ? GPUC_CHECK_WARN
                                       : GPUC_CHECK_PASS;
}

static bool is_about(const gpuc__klog_event *e, const char *bus)
{
    return *bus && (strcmp(e->bus, bus) == 0 || strcmp(e->other, bus) == 0);
}

/* "x3, first T1, last T2" */
static void when(char *out, size_t size, const gpuc__klog_event *e)
{
    if (e->count == 1)
        snprintf(out, size, "%s%s", e->first[0] ? " at " : "", e->first);
    else
        snprintf(out, size, " x%u%s%s%s%s", e->count, e->first[0] ? ", first " : "", e->first,
                 e->last[0] ? ", last " : "", e->last);
}

static json_t *xid_row(const judge *j, int xid)
{
    json_t *row = gpuc__table_find_int(j->table, "xids", "xid", xid);

    return row ? row : json_object_get(j->table, "other");
}

static int xid_status(const judge *j, const json_t *row, const gpuc__klog_event *e)
{
    const char *word = gpuc__table_text(row, "verdict");

    if (e->nonfatal && json_object_get(row, "nonfatal"))
        word = gpuc__table_text(row, "nonfatal");
    if (json_is_true(json_object_get(row, "repeats")) &&
        e->count >= gpuc__checkup_limit(j->up, "log.xid", "repeat_warn"))
        word = "warn";
    return verdict_of(word);
}

static const char *xid_remedy(const judge *j, const json_t *row)
{
    const char *own = gpuc__table_text(row, "remedy");

    return *own ? own
                : gpuc__table_text(json_object_get(j->table, "actions"),
                                   gpuc__table_text(row, "action"));
}

/* Adds an event's line to what is shown, when it is the worst so far. */
static void keep_line(const char **evidence, const gpuc__findings *f, int status,
                      const gpuc__klog_event *e)
{
    if (!*evidence || status > f->status)
        *evidence = e->line;
}

static void add_xid(const judge *j, gpuc__findings *f, const char **evidence,
                    const gpuc__klog_event *e)
{
    const json_t *row = xid_row(j, e->xid);
    int status = xid_status(j, row, e);
    char time[120];

    when(time, sizeof(time), e);
    keep_line(evidence, f, status, e);
    gpuc__found(f, status, xid_remedy(j, row), "Xid %d%s %s%s (NVIDIA: %s)", e->xid,
                e->nonfatal ? " nonfatal," : "", gpuc__table_text(row, "name"), time,
                gpuc__table_text(row, "action"));
}

/* A failure at the driver's start is over once the driver serves the GPU. */
static void add_message(gpuc__findings *f, const char **evidence, const json_t *rule,
                        const gpuc__klog_event *e, bool serves)
{
    int status = verdict_of(gpuc__table_text(rule, "verdict"));
    bool over = serves && json_is_true(json_object_get(rule, "heals"));
    char time[120];

    if (over)
        status = GPUC_CHECK_PASS;
    when(time, sizeof(time), e);
    keep_line(evidence, f, status, e);
    gpuc__found(f, status, gpuc__table_text(rule, "remedy"), "%s%s%s",
                gpuc__table_text(rule, "name"), time, over ? " (over: the driver serves it now)" : "");
}

/* All events of that check that are meant. bus NULL: those for which there was no GPU. */
static void gather(judge *j, gpuc__findings *f, const char **evidence, const char *check,
                   const char *bus, bool serves)
{
    const gpuc__klog *log = j->up->collect->klog;

    for (size_t i = 0; i < log->count; i++) {
        const gpuc__klog_event *e = &log->events[i];
        json_t *rule = gpuc__table_find_text(j->table, "messages", "id", e->message);
        const char *of = e->xid ? "log.xid" : gpuc__table_text(rule, "check");

        if (bus ? !is_about(e, bus) : j->used[i])
            continue;
        if (bus)
            j->used[i] = 1;
        if (strcmp(of, check) != 0 || (!bus && json_is_true(json_object_get(rule, "on_gpu"))))
            continue;
        if (e->xid)
            add_xid(j, f, evidence, e);
        else
            add_message(f, evidence, rule, e, serves);
    }
}

static void judge_one(judge *j, const char *check, const char *key, const char *bus, bool serves)
{
    const gpuc__collect *c = j->up->collect;
    gpuc__findings f = {0};
    const char *evidence = NULL;

    gather(j, &f, &evidence, check, bus, serves);
    if (!f.length)
        gpuc__found(&f, GPUC_CHECK_PASS, NULL, "none (%s)", c->klog_source);
    if (!key && c->klog->more)
        gpuc__found(&f, GPUC_CHECK_WARN, "read the kernel log itself",
                    "%zu further messages were not kept", c->klog->more);
    gpuc__checkup_findings(j->up, check, key, &f, evidence, "");
}

static bool served(const gpuc__checkup *up, const char *bus)
{
    const gpuc__smi *smi = up->collect->smi;

    for (size_t i = 0; smi && i < smi->gpu_count; i++) {
        if (strcmp(smi->gpus[i].bus, bus) == 0)
            return !smi->gpus[i].sick_count;
    }
    return false;
}

static void judge_all(judge *j)
{
    static const char *const checks[] = {"log.xid", "log.fallen"};
    gpuc__checkup *up = j->up;
    bool all = up->proof->gpu_count > 0;

    for (size_t i = 0; i < up->proof->gpu_count; i++) {
        const gpuc__proof_gpu *g = &up->proof->gpus[i];
        const char *key = g->uuid ? g->uuid : g->bus;
        bool serves = g->bus && served(up, g->bus);

        all = all && serves;
        for (int k = 0; k < 2 && g->bus && key; k++)
            judge_one(j, checks[k], key, g->bus, serves);
    }
    for (int k = 0; k < 2; k++)
        judge_one(j, checks[k], NULL, NULL, all);
}

void gpuc__check_log(gpuc__checkup *up)
{
    const gpuc__klog *log = up->collect->klog;
    unsigned char used[GPUC__KLOG_EVENTS_MAX] = {0};
    judge j = {.up = up, .table = up->proof->rules->xids, .used = used};

    if (!log && up->collect->not_root) {
        gpuc__checkup_result(up, "log.xid", NULL, GPUC_CHECK_SKIP,
                             "log in as root or a user with sudo, or let the user read the journal "
                             "(group systemd-journal)",
                             NULL, "this user may not read the kernel log");
        gpuc__checkup_not_applicable(up, "log.fallen", NULL, "no kernel log could be read");
        return;
    }
    if (!log) {
        gpuc__checkup_result(up, "log.xid", NULL, GPUC_CHECK_WARN,
                             "let journald keep the kernel's messages, or allow root to read dmesg",
                             NULL, "no kernel log of this boot could be read");
        gpuc__checkup_not_applicable(up, "log.fallen", NULL, "no kernel log could be read");
        return;
    }
    judge_all(&j);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Mutations that were begun, each kept in the journal until its end is known. */
#ifndef GPUC__GCE_JOURNAL_H
#define GPUC__GCE_JOURNAL_H
#include "provider/gce/gce.h"

typedef struct gpuc__gce_timer gpuc__gce_timer; /* timer.c */

/* ---- journal.c: mutations that were begun and whose end is not known ---- */
typedef enum gpuc__gce_change {
    GPUC__GCE_INSERT = 1,
    GPUC__GCE_BULK = 2,
    GPUC__GCE_DELETE = 3,
    GPUC__GCE_START = 4,
    GPUC__GCE_RESUME = 5
} gpuc__gce_change;

typedef struct gpuc__gce_record {
    struct gpuc__gce_record *next, **link;
    gpuc__provider *provider;
    char id[37];           /* the request id */
    gpuc__gce_change kind;
    char *zone, *region;   /* one of them */
    json_t *names;         /* of the machines, as in the spec */
    json_t *body;          /* NULL: none */
    int64_t at;            /* when it was committed, wall clock */
    bool busy;             /* this process is at it */
    gpuc_error *error;     /* why it could not be brought to its end */
    gpuc__gce_call *call;  /* resume.c */
    gpuc__gce_timer *timer; /* likewise */
    json_t *unseen;        /* it has succeeded: instances of it that no list has shown yet, by name */
    uint64_t until;        /* how long they are waited for (gpuc__clock_ms) */
} gpuc__gce_record;

/* Reads what an earlier run left, once. */
int gpuc__gce_journal_load(gpuc__provider *provider, gpuc_error **err);
/* A new record, with an id of its own, in memory; names and body are referenced. */
gpuc__gce_record *gpuc__gce_journal_add(gpuc__provider *provider, gpuc__gce_change kind,
                                        const char *zone, const char *region, json_t *names,
                                        json_t *body, gpuc_error **err);
/* All records are on the disk when it returns. */
int gpuc__gce_journal_commit(gpuc__provider *provider, gpuc_error **err);
/* Its end is known: it goes, from the disk with the next commit or turn, and those who wait for it
 * are woken. */
void gpuc__gce_journal_end(gpuc__gce_record *record);
/* A record that concerns the machine and whose end is not known, or NULL. */
gpuc__gce_record *gpuc__gce_journal_find(const gpuc__provider *provider, const char *machine);
void gpuc__gce_journal_close(gpuc__provider *provider); /* writes what is due; then no more */

/* ---- unseen.c: a list may be behind: what was made and is not listed is not gone, and its record stays
 * until a list has shown it, or lag_ms have passed ---- */
/* It has succeeded, and these machines came of it: not the caller's any more. */
void gpuc__gce_record_made(gpuc__gce_record *record, const json_t *machines);
/* Whether the instance was made and is to be waited for. */
bool gpuc__gce_unseen(gpuc__provider *provider, const char *name);
void gpuc__gce_unseen_listed(gpuc__provider *provider, const char *name);

/* ---- create_resume.c: brings a record to its end, then wakes creates and destroys. make: sends it
 * again under its id; otherwise, and when it is old, nothing new comes into being: what runs under
 * its id is waited for. (What deletes is sent again while it is young.) ---- */
void gpuc__gce_resume(gpuc__gce_record *record, bool make);
void gpuc__gce_resume_stop(gpuc__provider *provider);
/* Arguments for sending it; strings live as long as *path and *query, the caller's. */
int gpuc__gce_record_args(gpuc__gce_args *args, const gpuc__gce_record *record, char **path,
                          gpuc_error **err);
/* Whether the request may still have an effect: no answer, or one that says nothing. (With an error
 * that comes with the operation that has failed, it has not.) */
bool gpuc__gce_lost(gpuc__gce_scope scope, const gpuc_error *error);
#endif

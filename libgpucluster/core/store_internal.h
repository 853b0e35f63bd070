/* SPDX-License-Identifier: Apache-2.0 */
/* The store's own fields and helpers, shared by core/store*.c only. */
#ifndef GPUC__STORE_INTERNAL_H
#define GPUC__STORE_INTERNAL_H
#include "core/store.h"

#include <sqlite3.h>

/* Statements, prepared at first use; their text is in store_db.c. */
enum {
    GPUC__SQL_GET,
    GPUC__SQL_SET,
    GPUC__SQL_UNSET,
    GPUC__SQL_MACHINE_ADD,
    GPUC__SQL_MACHINES,
    GPUC__SQL_FORGET_VALUES,
    GPUC__SQL_FORGET_STEPS,
    GPUC__SQL_FORGET_INTENTS,
    GPUC__SQL_FORGET_MACHINE,
    GPUC__SQL_INTENT_ADD,
    GPUC__SQL_INTENT_OPEN,
    GPUC__SQL_INTENT_END,
    GPUC__SQL_STEP_SET,
    GPUC__SQL_STEPS,
    GPUC__SQL_EVENT_ADD,
    GPUC__SQL_EVENT_PRUNE,
    GPUC__SQL_EVENTS,
    GPUC__SQL_COUNT
};

#define GPUC__SAMPLES_MAX 256

typedef struct gpuc__sample {
    char step[96];
    int64_t duration_ms;
} gpuc__sample;

struct gpuc__store {
    char *base, *name, *dir;
    bool network; /* the folder lies on a network file system: no WAL there */
    sqlite3 *db;
    sqlite3_stmt *statements[GPUC__SQL_COUNT];
    int lock_fd; /* -1: not held */
    unsigned batch;
    bool txn; /* a transaction was begun; SQLite may have rolled it back by itself since */
    unsigned events_added;
    sqlite3 *timings; /* opened at first use; NULL when it cannot be */
    bool timings_tried;
    size_t sample_count;
    gpuc__sample samples[GPUC__SAMPLES_MAX];
};

/* store_db.c */
int gpuc__store_db_open(gpuc__store *store, bool create, gpuc_error **err);
void gpuc__store_db_close(gpuc__store *store);
int gpuc__store_db_error(gpuc__store *store, int sqlite_rc, const char *doing, gpuc_error **err);
/* The statement, reset, its parameters bound to the texts that follow, as many as it has. */
int gpuc__store_statement(gpuc__store *store, int which, sqlite3_stmt **out, gpuc_error **err);
/* Begins a transaction unless one is open; refused without the lock. */
int gpuc__store_write_begin(gpuc__store *store, gpuc_error **err);
/* Commits unless a batch is open. */
int gpuc__store_write_end(gpuc__store *store, gpuc_error **err);
int gpuc__store_commit(gpuc__store *store, gpuc_error **err);
/* Runs a statement that gives no rows, with up to three texts; NULL ends them. */
int gpuc__store_exec(gpuc__store *store, int which, const char *a, const char *b, const char *c,
                     gpuc_error **err);

/* store_dir.c */
char *gpuc__store_base(const char *base, gpuc_error **err);
bool gpuc__store_name_valid(const char *name);
int gpuc__store_dir_make(const char *path, gpuc_error **err);
int gpuc__store_dir_check(const char *path, bool *network, gpuc_error **err);

/* store_timing.c: samples are kept in memory and flushed with the commits. */
void gpuc__store_timing_add(gpuc__store *store, const char *step, int64_t duration_ms);
void gpuc__store_timing_flush(gpuc__store *store);
void gpuc__store_timing_close(gpuc__store *store);
#endif

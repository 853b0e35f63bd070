/* SPDX-License-Identifier: Apache-2.0 */
/* How long steps took, for estimates: timings.db beside the clusters, shared by all of them. Losing
 * it costs only estimates, so no failure here is an error. */
#include "core/store_internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/alloc.h"

#define KEPT 15 /* samples per step */

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
    "CREATE TABLE IF NOT EXISTS timing (id INTEGER PRIMARY KEY AUTOINCREMENT, step TEXT NOT NULL,"
    " duration_ms INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS timing_step ON timing (step, id);";

static sqlite3 *timings(gpuc__store *store)
{
    char *path;
    int fd, rc;

    if (store->timings || store->timings_tried || store->network)
        return store->timings;
    store->timings_tried = true;
    path = gpuc__asprintf("%s/timings.db", store->base);
    fd = path ? open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        close(fd);
        if (sqlite3_open_v2(path, &store->timings, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
            sqlite3_busy_timeout(store->timings, 200);
        rc = sqlite3_exec(store->timings, schema, NULL, NULL, NULL);
        if (rc != SQLITE_OK) {
            sqlite3_close(store->timings);
            store->timings = NULL;
        }
        if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT)
            unlink(path); /* the next run starts a new one */
    }
    gpuc__free(path);
    return store->timings;
}

void gpuc__store_timing_add(gpuc__store *store, const char *step, int64_t duration_ms)
{
    gpuc__sample *sample;
    size_t length = strlen(step);

    if (store->sample_count == GPUC__SAMPLES_MAX || length >= sizeof(sample->step))
        return;
    sample = &store->samples[store->sample_count++];
    memcpy(sample->step, step, length + 1);
    sample->duration_ms = duration_ms;
}

void gpuc__store_timing_flush(gpuc__store *store)
{
    sqlite3 *db = store->sample_count ? timings(store) : NULL;
    sqlite3_stmt *insert = NULL, *prune = NULL;

    if (!db || sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        goto done;
    sqlite3_prepare_v2(db, "INSERT INTO timing (step, duration_ms) VALUES (?1, ?2)", -1, &insert,
                       NULL);
    sqlite3_prepare_v2(db,
                       "DELETE FROM timing WHERE step = ?1 AND id <= (SELECT id FROM timing WHERE "
                       "step = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                       -1, &prune, NULL);
    for (size_t i = 0; insert && prune && i < store->sample_count; i++) {
        sqlite3_bind_text(insert, 1, store->samples[i].step, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 2, store->samples[i].duration_ms);
        sqlite3_step(insert);
        sqlite3_reset(insert);
        sqlite3_bind_text(prune, 1, store->samples[i].step, -1, SQLITE_STATIC);
        sqlite3_bind_int(prune, 2, KEPT);
        sqlite3_step(prune);
        sqlite3_reset(prune);
    }
    sqlite3_finalize(insert);
    sqlite3_finalize(prune);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
done:
    store->sample_count = 0;
}

/* SQL sorts: the middle of the newest samples. */
int64_t gpuc__store_step_estimate(gpuc__store *store, const char *step)
{
    sqlite3 *db = timings(store);
    sqlite3_stmt *statement = NULL;
    int64_t values[KEPT], median = -1;
    size_t n = 0;

    if (!db || sqlite3_prepare_v2(db,
                                  "SELECT duration_ms FROM (SELECT duration_ms FROM timing WHERE "
                                  "step = ?1 ORDER BY id DESC LIMIT ?2) ORDER BY duration_ms",
                                  -1, &statement, NULL) != SQLITE_OK)
        return -1;
    sqlite3_bind_text(statement, 1, step, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, KEPT);
    while (n < KEPT && sqlite3_step(statement) == SQLITE_ROW)
        values[n++] = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    if (n)
        median = values[(n - 1) / 2];
    return median;
}

void gpuc__store_timing_close(gpuc__store *store)
{
    gpuc__store_timing_flush(store);
    sqlite3_close(store->timings);
    store->timings = NULL;
}

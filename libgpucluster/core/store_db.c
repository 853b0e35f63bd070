/* SPDX-License-Identifier: Apache-2.0 */
/* The store's database: schema and its versions, statements, transactions.
 *
 * Rule for versions: PRAGMA user_version counts the entries of `migrations` that were applied. An
 * older database is brought up at open, one transaction per entry; a newer one is refused. Entries
 * are never changed once released, only added. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define BUSY_TIMEOUT_MS 10000

static const char *const migrations[] = {
    /* 1: release 0.1 */
    "CREATE TABLE machine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE value (machine TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (machine, key)) WITHOUT ROWID;"
    "CREATE TABLE intent (attempt TEXT PRIMARY KEY, machine TEXT NOT NULL, step TEXT NOT NULL,"
    " begun INTEGER NOT NULL, ended INTEGER, code INTEGER, detail TEXT) WITHOUT ROWID;"
    "CREATE INDEX intent_open ON intent (machine, step, begun) WHERE ended IS NULL;"
    "CREATE TABLE step (id INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT NOT NULL,"
    " step TEXT NOT NULL, state TEXT NOT NULL, error TEXT, duration_ms INTEGER,"
    " updated INTEGER NOT NULL, UNIQUE (machine, step));"
    "CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT NOT NULL);",
};
#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

static const char *const sql[GPUC__SQL_COUNT] = {
    [GPUC__SQL_GET] = "SELECT value FROM value WHERE machine = ?1 AND key = ?2",
    [GPUC__SQL_SET] = "INSERT INTO value (machine, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT DO UPDATE SET value = excluded.value",
    [GPUC__SQL_UNSET] = "DELETE FROM value WHERE machine = ?1 AND key = ?2",
    [GPUC__SQL_MACHINE_ADD] = "INSERT OR IGNORE INTO machine (name) VALUES (?1)",
    [GPUC__SQL_MACHINES] = "SELECT name FROM machine ORDER BY id",
    [GPUC__SQL_FORGET_VALUES] = "DELETE FROM value WHERE machine = ?1",
    [GPUC__SQL_FORGET_STEPS] = "DELETE FROM step WHERE machine = ?1",
    [GPUC__SQL_FORGET_INTENTS] = "DELETE FROM intent WHERE machine = ?1",
    [GPUC__SQL_FORGET_MACHINE] = "DELETE FROM machine WHERE name = ?1",
    [GPUC__SQL_INTENT_ADD] = "INSERT INTO intent (machine, step, attempt, begun)"
                             " VALUES (?1, ?2, ?3, ?4)",
    [GPUC__SQL_INTENT_OPEN] = "SELECT attempt FROM intent WHERE machine = ?1 AND step = ?2"
                              " AND ended IS NULL ORDER BY begun DESC LIMIT 1",
    [GPUC__SQL_INTENT_END] = "UPDATE intent SET ended = ?3, code = ?4, detail = ?2"
                             " WHERE attempt = ?1",
    [GPUC__SQL_STEP_SET] =
        "INSERT INTO step (machine, step, state, error, duration_ms, updated)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT DO UPDATE SET state = excluded.state, error = excluded.error,"
        " duration_ms = coalesce(excluded.duration_ms, duration_ms), updated = excluded.updated",
    [GPUC__SQL_STEPS] = "SELECT machine, step, state, error, duration_ms, updated FROM step"
                        " ORDER BY id",
    [GPUC__SQL_EVENT_ADD] = "INSERT INTO event (json) VALUES (?1)",
    [GPUC__SQL_EVENT_PRUNE] = "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - 20000",
    [GPUC__SQL_EVENTS] = "SELECT json FROM (SELECT id, json FROM event ORDER BY id DESC LIMIT ?1)"
                         " ORDER BY id",
};

int gpuc__store_db_error(gpuc__store *store, int sqlite_rc, const char *doing, gpuc_error **err)
{
    int code = sqlite_rc == SQLITE_NOMEM ? GPUC_ENOMEM : GPUC_EIO;

    gpuc__error_set(err, code, GPUC_DOMAIN_STATE, "%s in the state of %s (%s/state.db): %s", doing,
                    store->name, store->dir,
                    store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(sqlite_rc));
    gpuc__error_native(err, sqlite_rc);
    switch (sqlite_rc & 0xff) {
    case SQLITE_FULL:
        gpuc__error_remedy(err, "free space on that file system and run the same command again");
        break;
    case SQLITE_BUSY:
        gpuc__error_remedy(err, "another program keeps the database open for writing; end it");
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        gpuc__error_remedy(err, "the file is damaged: restore it from a backup, or move it away "
                                "and import the machines again by the cluster's label");
        break;
    default:
        gpuc__error_remedy(err, "see that the folder can be written and the disk is healthy");
    }
    return code;
}

static int refuse_closed(gpuc__store *store, gpuc_error **err)
{
    return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_STATE, "the state of %s has been removed",
                           store->name);
}

int gpuc__store_statement(gpuc__store *store, int which, sqlite3_stmt **out, gpuc_error **err)
{
    sqlite3_stmt **statement = &store->statements[which];

    if (!store->db)
        return refuse_closed(store, err);
    if (!*statement) {
        int rc = sqlite3_prepare_v3(store->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
                                    NULL);

        if (rc != SQLITE_OK)
            return gpuc__store_db_error(store, rc, "preparing a statement", err);
    }
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    *out = *statement;
    return GPUC_OK;
}

int gpuc__store_write_begin(gpuc__store *store, gpuc_error **err)
{
    int rc;

    if (!store->db)
        return refuse_closed(store, err);
    if (store->lock_fd < 0)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_STATE,
                               "the state of %s cannot be written without its lock", store->name);
    if (store->txn)
        return GPUC_OK;
    rc = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return gpuc__store_db_error(store, rc, "beginning to write", err);
    store->txn = true;
    return GPUC_OK;
}

int gpuc__store_commit(gpuc__store *store, gpuc_error **err)
{
    int rc;

    if (!store->txn)
        return GPUC_OK;
    store->txn = false;
    if (sqlite3_get_autocommit(store->db)) {
        /* A full disk makes SQLite roll back by itself: what the batch wrote is lost. */
        gpuc__error_set(err, GPUC_EIO, GPUC_DOMAIN_STATE,
                        "what was to be written to the state of %s was rolled back", store->name);
        gpuc__error_remedy(err, "free space on the disk and run the same command again");
        return GPUC_EIO;
    }
    rc = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        int code = gpuc__store_db_error(store, rc, "committing", err);

        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return code;
    }
    gpuc__store_timing_flush(store);
    return GPUC_OK;
}

int gpuc__store_write_end(gpuc__store *store, gpuc_error **err)
{
    return store->batch ? GPUC_OK : gpuc__store_commit(store, err);
}

void gpuc__store_batch_begin(gpuc__store *store)
{
    store->batch++;
}

int gpuc__store_batch_end(gpuc__store *store, gpuc_error **err)
{
    if (store->batch && --store->batch)
        return GPUC_OK;
    return gpuc__store_commit(store, err);
}

int gpuc__store_exec(gpuc__store *store, int which, const char *a, const char *b, const char *c,
                     gpuc_error **err)
{
    const char *texts[] = {a, b, c};
    sqlite3_stmt *statement;
    int rc = gpuc__store_statement(store, which, &statement, err);

    if (rc != GPUC_OK)
        return rc;
    for (int i = 0; i < 3 && texts[i]; i++)
        sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? GPUC_OK : gpuc__store_db_error(store, rc, "writing", err);
}

/* ---- opening ---- */

static int read_version(gpuc__store *store, int *version, gpuc_error **err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            *version = sqlite3_column_int(statement, 0);
        rc = rc == SQLITE_ROW ? SQLITE_OK : rc;
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_OK ? GPUC_OK : gpuc__store_db_error(store, rc, "reading the version", err);
}

/* Applies migration number `index` unless another process did so meanwhile. */
static int migrate(gpuc__store *store, int index, gpuc_error **err)
{
    char set[48];
    int version = index, rc;

    rc = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return gpuc__store_db_error(store, rc, "beginning to write the schema", err);
    if (read_version(store, &version, NULL) == GPUC_OK && version == index) {
        rc = sqlite3_exec(store->db, migrations[index], NULL, NULL, NULL);
        sqlite3_snprintf(sizeof(set), set, "PRAGMA user_version = %d", index + 1);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(store->db, set, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        int code = gpuc__store_db_error(store, rc, "writing the schema", err);

        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return code;
    }
    return GPUC_OK;
}

static int bring_up(gpuc__store *store, gpuc_error **err)
{
    int version = 0, rc = read_version(store, &version, err);

    if (rc != GPUC_OK)
        return rc;
    if (version > VERSION) {
        gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_STATE,
                        "the state of %s has version %d; this library knows versions up to %d",
                        store->name, version, VERSION);
        gpuc__error_remedy(err, "use the release of the library that wrote it, or a newer one");
        return GPUC_EUNSUPPORTED;
    }
    for (int i = version; rc == GPUC_OK && i < VERSION; i++)
        rc = migrate(store, i, err);
    return rc;
}

static int set_pragmas(gpuc__store *store, gpuc_error **err)
{
    /* WAL lets readers read while a writer writes; its shared memory fails over a network. */
    int rc = sqlite3_exec(
        store->db, store->network ? "PRAGMA journal_mode = DELETE" : "PRAGMA journal_mode = WAL",
        NULL, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->db, "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;",
                          NULL, NULL, NULL);
    return rc == SQLITE_OK ? GPUC_OK : gpuc__store_db_error(store, rc, "opening the database", err);
}

/* The file is made by us, not by SQLite, so that its mode does not depend on the umask; the files
 * that SQLite puts beside it take its mode. */
static int make_file(const char *path, bool create, gpuc_error **err)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    struct stat st;
    int rc = GPUC_OK;

    if (fd < 0)
        return gpuc__error_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &st) != 0) {
        rc = gpuc__error_errno(err, errno, "cannot examine %s", path);
    } else if (st.st_mode & 077) {
        rc = gpuc__error_set(err, GPUC_EPERM, GPUC_DOMAIN_STATE,
                             "%s can be read or written by others (mode %04o)", path,
                             (unsigned)(st.st_mode & 07777));
        gpuc__error_remedy(err, "chmod 600 '%s'", path);
    }
    close(fd);
    return rc;
}

int gpuc__store_db_open(gpuc__store *store, bool create, gpuc_error **err)
{
    char *path = gpuc__asprintf("%s/state.db", store->dir);
    int rc;

    if (!path)
        return gpuc__error_nomem(err);
    rc = make_file(path, create, err);
    if (rc == GPUC_OK) {
        int sqlite_rc = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE, NULL);

        if (sqlite_rc != SQLITE_OK)
            rc = gpuc__store_db_error(store, sqlite_rc, "opening", err);
    }
    if (rc == GPUC_OK) {
        sqlite3_extended_result_codes(store->db, 1);
        sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
        rc = set_pragmas(store, err);
    }
    if (rc == GPUC_OK)
        rc = bring_up(store, err);
    gpuc__free(path);
    return rc;
}

void gpuc__store_db_close(gpuc__store *store)
{
    for (int i = 0; i < GPUC__SQL_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    if (store->db && store->txn)
        gpuc__store_commit(store, NULL);
    sqlite3_close(store->db);
    store->db = NULL;
    store->txn = false;
}

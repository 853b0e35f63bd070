/* SPDX-License-Identifier: Apache-2.0 */
/* The store's records of what was done: intents, steps, events. */
#include "core/store_internal.h"

#include <string.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define PRUNE_EVERY 512

static int step_once(gpuc__store *store, sqlite3_stmt *statement, gpuc_error **err)
{
    int rc = sqlite3_step(statement);

    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? GPUC_OK : gpuc__store_db_error(store, rc, "writing", err);
}

int gpuc__store_intent_add(gpuc__store *store, const char *machine, const char *step,
                           const char *attempt, gpuc_error **err)
{
    sqlite3_stmt *statement;
    int rc = gpuc__store_write_begin(store, err);

    if (rc == GPUC_OK && machine && *machine)
        rc = gpuc__store_exec(store, GPUC__SQL_MACHINE_ADD, machine, NULL, NULL, err);
    if (rc == GPUC_OK)
        rc = gpuc__store_statement(store, GPUC__SQL_INTENT_ADD, &statement, err);
    if (rc != GPUC_OK)
        return rc;
    sqlite3_bind_text(statement, 1, machine ? machine : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, step, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, attempt, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, gpuc__now_ms());
    return step_once(store, statement, err);
}

int gpuc__store_intent_begin(gpuc__store *store, const char *machine, const char *step,
                             const char *attempt, gpuc_error **err)
{
    int rc = gpuc__store_intent_add(store, machine, step, attempt, err);

    return rc == GPUC_OK ? gpuc__store_commit(store, err) : rc;
}

int gpuc__store_intent_open(gpuc__store *store, const char *machine, const char *step,
                            char **attempt, gpuc_error **err)
{
    sqlite3_stmt *statement;
    char *found = NULL;
    int rc = gpuc__store_statement(store, GPUC__SQL_INTENT_OPEN, &statement, err);

    if (rc != GPUC_OK)
        return rc;
    sqlite3_bind_text(statement, 1, machine ? machine : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, step, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        found = gpuc__strdup((const char *)sqlite3_column_text(statement, 0));
        rc = found ? GPUC_OK : gpuc__error_nomem(err);
    } else {
        rc = rc == SQLITE_DONE ? GPUC_OK : gpuc__store_db_error(store, rc, "reading", err);
    }
    sqlite3_reset(statement);
    if (rc == GPUC_OK)
        *attempt = found;
    return rc;
}

int gpuc__store_intent_end(gpuc__store *store, const char *attempt, int code, const char *detail,
                           gpuc_error **err)
{
    sqlite3_stmt *statement;
    int rc = gpuc__store_write_begin(store, err), end;

    if (rc == GPUC_OK)
        rc = gpuc__store_statement(store, GPUC__SQL_INTENT_END, &statement, err);
    if (rc != GPUC_OK)
        return rc;
    sqlite3_bind_text(statement, 1, attempt, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, detail, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, gpuc__now_ms());
    sqlite3_bind_int(statement, 4, code);
    rc = step_once(store, statement, err);
    if (rc == GPUC_OK && sqlite3_changes(store->db) == 0)
        rc = gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_STATE,
                             "no attempt %s is known in the state of %s", attempt, store->name);
    end = gpuc__store_write_end(store, rc == GPUC_OK ? err : NULL);
    return rc == GPUC_OK ? end : rc;
}

int gpuc__store_step_set(gpuc__store *store, const char *machine, const char *step,
                         const char *state, const char *error_json, int64_t duration_ms,
                         gpuc_error **err)
{
    sqlite3_stmt *statement;
    int rc = gpuc__store_write_begin(store, err), end;

    if (rc == GPUC_OK)
        rc = gpuc__store_statement(store, GPUC__SQL_STEP_SET, &statement, err);
    if (rc != GPUC_OK)
        return rc;
    sqlite3_bind_text(statement, 1, machine ? machine : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, step, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, state, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, error_json, -1, SQLITE_STATIC);
    if (duration_ms >= 0)
        sqlite3_bind_int64(statement, 5, duration_ms);
    sqlite3_bind_int64(statement, 6, gpuc__now_ms());
    rc = step_once(store, statement, err);
    if (rc == GPUC_OK && duration_ms >= 0 && strcmp(state, "done") == 0)
        gpuc__store_timing_add(store, step, duration_ms);
    end = gpuc__store_write_end(store, rc == GPUC_OK ? err : NULL);
    return rc == GPUC_OK ? end : rc;
}

static json_t *text_column(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text ? json_string(text) : json_null();
}

static json_t *step_row(sqlite3_stmt *statement)
{
    const char *error = (const char *)sqlite3_column_text(statement, 3);
    json_t *parsed = error ? json_loads(error, JSON_DECODE_ANY, NULL) : NULL;
    json_int_t duration =
        sqlite3_column_type(statement, 4) == SQLITE_NULL ? -1 : sqlite3_column_int64(statement, 4);

    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "machine", text_column(statement, 0), "step",
                     text_column(statement, 1), "state", text_column(statement, 2), "error",
                     parsed ? parsed : json_null(), "duration_ms", duration, "updated",
                     (json_int_t)sqlite3_column_int64(statement, 5));
}

int gpuc__store_steps(gpuc__store *store, json_t **out, gpuc_error **err)
{
    sqlite3_stmt *statement;
    json_t *list;
    int rc = gpuc__store_statement(store, GPUC__SQL_STEPS, &statement, err);

    if (rc != GPUC_OK)
        return rc;
    list = json_array();
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        json_array_append_new(list, step_row(statement));
    sqlite3_reset(statement);
    if (rc != SQLITE_DONE || !list) {
        json_decref(list);
        return gpuc__store_db_error(store, rc, "reading the steps", err);
    }
    *out = list;
    return GPUC_OK;
}

int gpuc__store_event_add(gpuc__store *store, const char *json, gpuc_error **err)
{
    int rc = gpuc__store_write_begin(store, err), end;

    if (rc != GPUC_OK)
        return rc;
    rc = gpuc__store_exec(store, GPUC__SQL_EVENT_ADD, json, NULL, NULL, err);
    if (rc == GPUC_OK && ++store->events_added % PRUNE_EVERY == 0)
        rc = gpuc__store_exec(store, GPUC__SQL_EVENT_PRUNE, NULL, NULL, NULL, err);
    end = gpuc__store_write_end(store, rc == GPUC_OK ? err : NULL);
    return rc == GPUC_OK ? end : rc;
}

int gpuc__store_events(gpuc__store *store, int limit, json_t **out, gpuc_error **err)
{
    sqlite3_stmt *statement;
    json_t *list;
    int rc = gpuc__store_statement(store, GPUC__SQL_EVENTS, &statement, err);

    if (rc != GPUC_OK)
        return rc;
    sqlite3_bind_int(statement, 1, limit);
    list = json_array();
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        json_t *event = json_loads((const char *)sqlite3_column_text(statement, 0), 0, NULL);

        if (event)
            json_array_append_new(list, event);
    }
    sqlite3_reset(statement);
    if (rc != SQLITE_DONE || !list) {
        json_decref(list);
        return gpuc__store_db_error(store, rc, "reading the events", err);
    }
    *out = list;
    return GPUC_OK;
}

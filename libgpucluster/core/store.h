/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one cluster: a folder (0700) with state.db (SQLite, WAL, synchronous=FULL), a lock
 * file, and secrets in files of their own (0600). What is committed here is committed before the
 * act it speaks of. Every function blocks on the disk. */
#ifndef GPUC__STORE_H
#define GPUC__STORE_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

typedef struct gpuc__store gpuc__store;

/* Opens (create: makes) DIR/NAME. base NULL: $XDG_STATE_HOME/gpucluster or
 * ~/.local/state/gpucluster. GPUC_ENOTFOUND without create; GPUC_EPERM when others can read it; a
 * warning text about NFS goes to *warning (new string, may be NULL). */
int gpuc__store_open(gpuc__store **out, const char *base, const char *name, bool create,
                     char **warning, gpuc_error **err);
void gpuc__store_close(gpuc__store *store); /* also gives the lock back */
const char *gpuc__store_dir(const gpuc__store *store);

/* The writer's lock: a lock on an open file (F_OFD_SETLK), so it dies with its holder, holds on
 * network file systems, and can be asked about without being taken. GPUC_EBUSY names holder (user,
 * host, pid, command) and start time. Needed before any function that writes. */
int gpuc__store_lock(gpuc__store *store, const char *what, gpuc_error **err);
void gpuc__store_unlock(gpuc__store *store);
/* Who holds it: new JSON object or NULL when nobody does. */
json_t *gpuc__store_holder(gpuc__store *store);

/* Small values by key ("spec", "ca.crt", "skip", …) and by machine + key. Values are text.
 * get: a new string, NULL (and GPUC_OK) when not there. set with NULL deletes. */
int gpuc__store_get(gpuc__store *store, const char *machine, const char *key, char **out,
                    gpuc_error **err);
int gpuc__store_set(gpuc__store *store, const char *machine, const char *key, const char *value,
                    gpuc_error **err);
/* As set, but on the disk only with the next commit (a step's record, an intent, unlock): for what a
 * run that is killed before may lose. */
int gpuc__store_set_soon(gpuc__store *store, const char *machine, const char *key,
                         const char *value, gpuc_error **err);
/* Machines known, as a new JSON array of names in order of first appearance. */
int gpuc__store_machines(gpuc__store *store, json_t **out, gpuc_error **err);
int gpuc__store_forget_machine(gpuc__store *store, const char *machine, gpuc_error **err);

/* Secrets: files of 0600 below secrets/ in the folder, written to a temporary name, fsynced,
 * renamed. */
int gpuc__store_get_secret(gpuc__store *store, const char *name, char **out, gpuc_error **err);
int gpuc__store_set_secret(gpuc__store *store, const char *name, const char *value,
                           gpuc_error **err);

/* Intents: one row per attempt at an act. begin commits before it returns. An attempt without an
 * end was cut short: `open` gives its id so that the next run attaches to it instead of starting
 * again. */
int gpuc__store_intent_begin(gpuc__store *store, const char *machine, const char *step,
                             const char *attempt, gpuc_error **err);
int gpuc__store_intent_open(gpuc__store *store, const char *machine, const char *step,
                            char **attempt, gpuc_error **err); /* *attempt NULL when none is open */
int gpuc__store_intent_end(gpuc__store *store, const char *attempt, int code, const char *detail,
                           gpuc_error **err);

/* As intent_begin inside a batch, committed by batch_end: many attempts, one commit. The caller
 * must not act before batch_end has returned GPUC_OK. */
int gpuc__store_intent_add(gpuc__store *store, const char *machine, const char *step,
                           const char *attempt, gpuc_error **err);

/* What is known of each step: state text ("done", "failed", "running", "waiting", "skipped"),
 * error JSON or NULL, duration of the act (-1: it was not run; what is known is kept). machine ""
 * or NULL = a step of the cluster, here and in the intents. */
int gpuc__store_step_set(gpuc__store *store, const char *machine, const char *step,
                         const char *state, const char *error_json, int64_t duration_ms,
                         gpuc_error **err);
/* New JSON array of {"machine","step","state","error","duration_ms","updated"}. */
int gpuc__store_steps(gpuc__store *store, json_t **out, gpuc_error **err);
/* Median duration of earlier acts of the step on any machine, also of other clusters below the same
 * base (a file beside them keeps it); -1 when never run. */
int64_t gpuc__store_step_estimate(gpuc__store *store, const char *step);

/* Events, kept for status and the support bundle; the last 20000 are kept. */
int gpuc__store_event_add(gpuc__store *store, const char *json, gpuc_error **err);
int gpuc__store_events(gpuc__store *store, int limit, json_t **out, gpuc_error **err);

/* Group commit: writes between batch_begin and batch_end share one transaction; intent_begin always
 * ends the batch with a commit before it returns. */
void gpuc__store_batch_begin(gpuc__store *store);
int gpuc__store_batch_end(gpuc__store *store, gpuc_error **err);

/* Removes the folder and everything in it: the end of `down`. */
int gpuc__store_destroy(gpuc__store *store, gpuc_error **err);
/* New JSON array of names of the clusters below base. */
int gpuc__store_list(const char *base, json_t **out, gpuc_error **err);
#endif

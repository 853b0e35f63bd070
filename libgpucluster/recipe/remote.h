/* SPDX-License-Identifier: Apache-2.0 */
/* One machine as the recipe sees it: scripts run as root over its SSH connection; acts run as
 * transient systemd units to which a later run attaches. */
#ifndef GPUC__REMOTE_H
#define GPUC__REMOTE_H
#include <gpucluster.h>
#include <jansson.h>

#include "core/graph.h"
#include "recipe/facts.h"
#include "recipe/recipe.h"
#include "transport/ssh.h"

typedef struct gpuc__remote gpuc__remote;

int gpuc__remote_new(gpuc__remote **out, gpuc_context *context, const char *machine,
                     gpuc_error **err);
gpuc__remote *gpuc__remote_ref(gpuc__remote *remote);
void gpuc__remote_unref(gpuc__remote *remote);

/* Its connection, referenced; NULL while the machine is not there: probes answer UNKNOWN then. */
void gpuc__remote_set_ssh(gpuc__remote *remote, gpuc__ssh *ssh);
/* For sudo, when the user is not root and needs one; sent on stdin, only after sudo -n was refused. */
int gpuc__remote_set_sudo_password(gpuc__remote *remote, const char *password, gpuc_error **err);
/* A machine that is only looked at: a user who is not root and whom sudo refuses runs scripts all the
 * same, as who they are, and an answer longer than 6 MiB is none. */
void gpuc__remote_set_foreign(gpuc__remote *remote);
/* Object of strings (docs/recipe.md names them); copied. Can be set again as more becomes known. */
int gpuc__remote_set_variables(gpuc__remote *remote, const json_t *variables, gpuc_error **err);
/* Drops what the last probes said: call it before each plan, up, verify. */
void gpuc__remote_forget(gpuc__remote *remote);
const char *gpuc__remote_machine(const gpuc__remote *remote);

/* Runs a script as root: sh reads it from stdin. Errors (sudo refused, connection) carry the machine;
 * an exit status other than 0 is not an error. done comes once, later. NULL: no memory or no
 * connection object; then done does not come and err is set. */
typedef void (*gpuc__remote_fn)(void *data, int status, const char *out, size_t out_length,
                                const char *errout, size_t errout_length, gpuc_error *error);
gpuc__ssh_op *gpuc__remote_run(gpuc__remote *remote, const char *script, size_t length,
                               int timeout_ms, gpuc__remote_fn done, void *data, gpuc_error **err);
/* The same; what it prints also goes to output() as it comes. */
gpuc__ssh_op *gpuc__remote_follow(gpuc__remote *remote, const char *script, size_t length,
                                  int timeout_ms,
                                  void (*output)(void *data, int stream, const char *bytes,
                                                 size_t length),
                                  gpuc__remote_fn done, void *data, gpuc_error **err);

/* Asks for the facts; they are borrowed, NULL with an error. */
typedef void (*gpuc__facts_fn)(void *data, const gpuc__facts *facts, gpuc_error *error);
gpuc__ssh_op *gpuc__remote_facts(gpuc__remote *remote, gpuc__facts_fn done, void *data,
                                 gpuc_error **err);
/* The last facts, borrowed; NULL when never asked. */
const gpuc__facts *gpuc__remote_last_facts(const gpuc__remote *remote);

/* Makes the graph's node for a script step (or a step of the caller's) on this machine; undo: what
 * takes it back, needed where the machine's ledger knows the step. The recipe is referenced. */
int gpuc__remote_add_step(gpuc__graph *graph, gpuc__remote *remote, gpuc__recipe *recipe,
                          const gpuc__recipe_step *step, bool undo, bool skip, gpuc__node **out,
                          gpuc_error **err);
/* Ops for such nodes; the data is private to recipe/. */
extern const gpuc__step_ops gpuc__recipe_step_ops;
#endif

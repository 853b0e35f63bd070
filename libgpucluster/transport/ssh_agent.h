/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the SSH agent protocol on the loop (libssh2's own blocks). One request at a time;
 * replies are bounded. */
#ifndef GPUC__SSH_AGENT_H
#define GPUC__SSH_AGENT_H
#include <gpucluster.h>
#include <stdbool.h>

#include "transport/ssh_wire.h"

#define GPUC__AGENT_IDENTITIES_MAX 64

typedef struct gpuc__agent gpuc__agent;

typedef struct gpuc__agent_identity {
    gpuc__buf blob;
    char *comment;
} gpuc__agent_identity;

/* The payload of the answer, or an error (consumed). Called on the loop, once per request. */
typedef void (*gpuc__agent_reply_fn)(void *data, gpuc__span payload, gpuc_error *error);

/* NULL only without memory. Connects with the first request. */
gpuc__agent *gpuc__agent_new(gpuc_context *context, const char *path);
void gpuc__agent_free(gpuc__agent *agent); /* drops a request under way; no reply comes */
void gpuc__agent_list(gpuc__agent *agent, gpuc__agent_reply_fn reply, void *data);
void gpuc__agent_sign(gpuc__agent *agent, gpuc__span blob, gpuc__span to_sign, unsigned flags,
                      gpuc__agent_reply_fn reply, void *data);

/* Parses the answer to a list; the caller frees with gpuc__agent_identities_free. */
bool gpuc__agent_parse_list(gpuc__span payload, gpuc__agent_identity **out, size_t *count);
void gpuc__agent_identities_free(gpuc__agent_identity *identities, size_t count);
/* The signature inside the answer to a sign, behind the algorithm's name; false if refused. */
bool gpuc__agent_parse_signature(gpuc__span payload, gpuc__span *algorithm, gpuc__span *signature);
#endif

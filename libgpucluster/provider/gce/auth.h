/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials for Google's APIs: found in the order in which Google's own clients look, turned into
 * access tokens, refreshed before they expire, kept in memory only. */
#ifndef GPUC__GCE_AUTH_H
#define GPUC__GCE_AUTH_H
#include <gpucluster.h>

typedef struct gpuc__gce_auth gpuc__gce_auth;

/* Looks for credentials: the context's own (a token or callback given by the caller), the token
 * file and variables of gcloud, GOOGLE_APPLICATION_CREDENTIALS, the ADC file, else the metadata
 * server. Reads files, asks nobody. */
int gpuc__gce_auth_new(gpuc__gce_auth **out, gpuc_context *context, gpuc_error **err);
gpuc__gce_auth *gpuc__gce_auth_ref(gpuc__gce_auth *auth);
void gpuc__gce_auth_unref(gpuc__gce_auth *auth); /* who still waits gets GPUC_ECANCELLED first */

/* token is borrowed until done returns, and good for another 225 s at least where its source gives
 * such; NULL with error (consumed). On the loop, exactly once, never inside the call (but without
 * memory); one refresh serves all who wait. */
typedef void (*gpuc__gce_token_fn)(void *data, const char *token, gpuc_error *error);
void gpuc__gce_auth_token(gpuc__gce_auth *auth, gpuc__gce_token_fn done, void *data);
/* Ends the wait of this data with GPUC_ECANCELLED. */
void gpuc__gce_auth_cancel(gpuc__gce_auth *auth, const void *data);
/* The API answered 401 to this token: the next caller gets a new one, where one can be had. */
void gpuc__gce_auth_reject(gpuc__gce_auth *auth, const char *token);

/* The project that the environment or the credentials name, and the one that pays (for the
 * X-Goog-User-Project header); borrowed, NULL when none. With the metadata server as source the
 * project is known once a token was got. */
const char *gpuc__gce_auth_project(const gpuc__gce_auth *auth);
const char *gpuc__gce_auth_quota_project(const gpuc__gce_auth *auth);
/* For errors and plans: "service account a@b.c of /path (GOOGLE_APPLICATION_CREDENTIALS)". */
const char *gpuc__gce_auth_describe(const gpuc__gce_auth *auth);
#endif

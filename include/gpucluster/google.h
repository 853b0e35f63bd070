/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials for Google Compute Engine, for programs that have their own. Without them the library
 * looks where Google's own clients look: CLOUDSDK_AUTH_ACCESS_TOKEN_FILE, CLOUDSDK_AUTH_ACCESS_TOKEN,
 * GOOGLE_APPLICATION_CREDENTIALS, the file of `gcloud auth application-default login`, the metadata
 * server. */
#ifndef GPUCLUSTER_GOOGLE_H
#define GPUCLUSTER_GOOGLE_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/**
 * Asks the program for an access token: none was given, the one that was given ends within four
 * minutes, or Google refused it. Answer by gpuc_context_set_google_token, inside the callback or at
 * any time within a minute after it. It runs on the thread that runs the context and may call any
 * function of the library except those that run the context (they return GPUC_ESTATE).
 * @return GPUC_OK; a GPUC_E code when no token can be had: what needs one then fails.
 */
typedef int (*gpuc_google_token_fn)(gpuc_context *context, void *userdata);

/**
 * Gives the access token that requests to Google carry, in place of any earlier one. A cluster that
 * is opened afterwards uses it instead of credentials from the environment; give the next one in
 * time, on your own or when the callback asks. It is kept in memory only, and never shown.
 * @param[in]  context     not NULL.
 * @param[in]  token       copied; NULL takes the token back.
 * @param[in]  lifetime_s  seconds for which it is still good; 0 when that is not known.
 * @param[out] err         NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (not one word of visible ASCII, a negative lifetime), GPUC_ENOMEM,
 *         GPUC_ELIMIT (more than 16384 bytes).
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_context_set_google_token(gpuc_context *context, const char *token, int lifetime_s,
                                           gpuc_error **err);

/**
 * Sets the callback that is asked for tokens, replacing any earlier one. A cluster that is opened
 * afterwards uses it instead of credentials from the environment.
 * @param[in] context   not NULL.
 * @param[in] fn        NULL for none.
 * @param[in] userdata  passed to fn.
 * @param[in] destroy   NULL, or called once when userdata is no longer needed.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API void gpuc_context_set_google_token_callback(gpuc_context *context, gpuc_google_token_fn fn,
                                                     void *userdata, gpuc_destroy_fn destroy);

GPUC_END_DECLS

#endif

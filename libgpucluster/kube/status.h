/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of the API server above 399 means: pure functions over its bytes. */
#ifndef GPUC__KUBE_STATUS_H
#define GPUC__KUBE_STATUS_H
#include <gpucluster.h>
#include <jansson.h>

/* Makes the error for an answer; what: "GET /api/v1/nodes". Domain KUBERNETES, native code the HTTP
 * status. 401 EAUTH, 403 EPERM, 404 ENOTFOUND, 409 AlreadyExists EEXIST, else EHTTP; retryable:
 * 408, 429, 5xx and 409 Conflict. */
int gpuc__kube_status_error(gpuc_error **err, const char *what, int status, const char *body,
                            size_t length);

/* Milliseconds of a Retry-After header (seconds only; at most 5 minutes); -1 when absent or not
 * understood. */
int gpuc__kube_retry_after(const char *value);

/* object[a][b]… as text; NULL when any is missing or it is no text. Ends with NULL. */
const char *gpuc__json_text(const json_t *object, ...) __attribute__((sentinel));
json_t *gpuc__json_at(const json_t *object, ...) __attribute__((sentinel));
#endif

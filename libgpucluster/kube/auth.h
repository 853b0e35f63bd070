/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are to an API server, request by request: tokens, files of tokens that change, names and
 * passwords, credential plugins, impersonation. */
#ifndef GPUC__KUBE_AUTH_H
#define GPUC__KUBE_AUTH_H
#include <gpucluster.h>
#include <stdbool.h>

#include "kube/client.h"

typedef struct gpuc__kube_auth gpuc__kube_auth;

/* Of a kubeconfig (resolved, copied). A plugin's client certificate needs another pool of
 * connections: connect, connect_data and machine are as for gpuc__kube_open. */
int gpuc__kube_auth_new(gpuc__kube_auth **out, gpuc_context *context,
                        const gpuc__kubeconfig *config, int (*connect)(void *data),
                        void *connect_data, const char *machine, gpuc_error **err);
void gpuc__kube_auth_free(gpuc__kube_auth *auth); /* no call waits for it */

/* A pool of connections as the kubeconfig has it, with this certificate. */
int gpuc__kube_auth_pool(gpuc__http **out, const gpuc__kube_auth *auth, const char *cert_pem,
                         const char *key_pem, gpuc_error **err);

/* Runs fn on the loop once there are credentials, at once when there are; ends the call when none
 * can be had. fn starts a request. */
void gpuc__auth_then(gpuc__kube_call *call, void (*fn)(gpuc__kube_call *call));
/* After 401: true when other credentials are tried, with fn as above; then nothing is left to do. */
bool gpuc__auth_again(gpuc__kube_call *call, void (*fn)(gpuc__kube_call *call));
#endif

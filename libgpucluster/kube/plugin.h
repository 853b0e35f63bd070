/* SPDX-License-Identifier: Apache-2.0 */
/* Exec credential plugins of kubeconfigs: a program of the user's that prints an ExecCredential
 * (client.authentication.k8s.io/v1 or v1beta1). Started without a shell and without a terminal. */
#ifndef GPUC__KUBE_PLUGIN_H
#define GPUC__KUBE_PLUGIN_H
#include <gpucluster.h>
#include <stdbool.h>

#include "kube/kubeconfig.h"

typedef struct gpuc__plugin gpuc__plugin; /* one run; valid until done has returned */

typedef struct gpuc__credential {
    char *token;              /* or NULL */
    char *cert_pem, *key_pem; /* both or neither */
    int64_t expires_ms;       /* since 1970; 0: not told */
} gpuc__credential;

void gpuc__credential_clear(gpuc__credential *credential); /* wipes */

/* Reads what a plugin has printed. Pure. */
int gpuc__credential_parse(gpuc__credential *out, const char *text, size_t length,
                           const char *api_version, gpuc_error **err);

/* What a plugin is told in KUBERNETES_EXEC_INFO: new string; NULL without memory. */
char *gpuc__plugin_info(const gpuc__kubeconfig *config);

/* Runs config->exec for at most deadline_ms. done comes once, on the loop, not inside this call:
 * credential is emptied by it (NULL on failure), error consumed. NULL without memory. */
gpuc__plugin *gpuc__plugin_run(gpuc_context *context, const gpuc__kubeconfig *config,
                               int deadline_ms,
                               void (*done)(void *data, gpuc__credential *credential,
                                            gpuc_error *error),
                               void *data);
/* Ends it at once, with what it has started: done does not come. */
void gpuc__plugin_drop(gpuc__plugin *plugin);
#endif

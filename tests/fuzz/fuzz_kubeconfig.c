/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a kubeconfig: reading ends with a value or an error, and what merging gives out can
 * be read, names our cluster, and is not changed by merging again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/kubeconfig.h"
#include "util/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const gpuc__kubeconfig ours = {
        .context = (char *)"k8s", .server = (char *)"https://h:6443", .token = (char *)"t"};
    const char *text = (const char *)data;
    gpuc__kubeconfig config = {0};
    gpuc_error *err = NULL;
    char *merged = NULL, *again = NULL;

    if (gpuc__kubeconfig_parse(&config, text, size, "fuzz", NULL, &err) == GPUC_OK) {
        if (!config.context || !config.server)
            abort();
        gpuc__kubeconfig_clear(&config);
    } else if (!err) {
        abort();
    }
    gpuc_error_unref(err);
    if (gpuc__kubeconfig_merge(&merged, text, size, "fuzz", &ours, true, NULL) == GPUC_OK) {
        if (gpuc__kubeconfig_parse(&config, merged, strlen(merged), "fuzz", "k8s", NULL) != GPUC_OK ||
            strcmp(config.token, "t") != 0)
            abort();
        gpuc__kubeconfig_clear(&config);
        if (gpuc__kubeconfig_merge(&again, merged, strlen(merged), "fuzz", &ours, true, NULL) !=
                GPUC_OK ||
            strcmp(merged, again) != 0)
            abort();
    }
    gpuc__free_secret(merged);
    gpuc__free_secret(again);
    return 0;
}

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

/* As the second of a list, with everything allowed; a copy is as good as what it was made from. */
static void read_all_of_it(const char *text, size_t size)
{
    static const char first[] = "current-context: x\n";
    const gpuc__kubeconfig_text list[] = {{first, "first", sizeof(first) - 1}, {text, "fuzz", size}};
    gpuc__kubeconfig config = {0}, copy = {0};

    if (gpuc__kubeconfig_parse_list(&config, list, 2, NULL,
                                    GPUC__KUBECONFIG_EXEC | GPUC__KUBECONFIG_INSECURE,
                                    NULL) != GPUC_OK)
        return;
    if (gpuc__kubeconfig_copy(&copy, &config, NULL) != GPUC_OK || strcmp(copy.context, "x") != 0 ||
        strcmp(copy.server, config.server) != 0 || (copy.exec.command && !copy.exec.api_version))
        abort();
    gpuc__kubeconfig_clear(&copy);
    gpuc__kubeconfig_clear(&config);
}

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
    read_all_of_it(text, size);
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

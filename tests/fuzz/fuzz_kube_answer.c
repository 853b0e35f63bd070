/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a credential plugin prints and as a Warning header: reading ends with a value or
 * an error, and goes forward. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/plugin.h"
#include "kube/warning.h"
#include "util/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc__credential c = {0};
    gpuc_error *err = NULL;
    char *text = gpuc__strndup((const char *)data, size), warning[64];
    const char *at = text;
    int code = 0;

    if (!text)
        return 0;
    if (gpuc__credential_parse(&c, (const char *)data, size, "client.authentication.k8s.io/v1",
                               &err) == GPUC_OK) {
        if ((!c.token && !c.cert_pem) || !c.cert_pem != !c.key_pem)
            abort();
        gpuc__credential_clear(&c);
    } else if (!err || c.token) {
        abort();
    }
    gpuc_error_unref(err);
    for (const char *last = at; gpuc__warning_next(&at, &code, warning, sizeof(warning)); last = at) {
        if (at <= last || code < 0 || code > 999 || strlen(warning) >= sizeof(warning))
            abort();
    }
    gpuc__free(text);
    return 0;
}

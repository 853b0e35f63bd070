/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an answer of the Compute Engine API: whatever it says, a failure gets an error with
 * a remedy and a scope, and an operation a path of the known form or none. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provider/gce/call.h"
#include "util/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void classify(int status, const json_t *answer)
{
    gpuc_error *err = NULL;
    gpuc__gce_scope scope = gpuc__gce_classify(status, answer, "fuzz", &err);

    if ((scope == GPUC__GCE_SCOPE_NONE) != !err || (status >= 400 && !err))
        abort();
    if (err && (!gpuc_error_remedy(err) || strncmp(gpuc_error_message(err), "fuzz: ", 6) != 0))
        abort();
    if (scope != GPUC__GCE_SCOPE_RETRY && gpuc__gce_is_rate_limit(status, answer))
        abort();
    gpuc_error_unref(err);
}

static void find_operation(const json_t *answer, const char *project_path)
{
    gpuc_error *err = NULL;
    char *path = NULL;

    if (gpuc__gce_operation_path(&path, answer, project_path, &err) == GPUC_OK) {
        if (err || strncmp(path, "projects/", 9) != 0 || !strstr(path, "/operations/") ||
            strstr(path, "/../") || strpbrk(path, "?#& \r\n"))
            abort();
    } else if (!err || path) {
        abort();
    }
    gpuc__free(path);
    gpuc_error_unref(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 403, 404, 409, 412, 429, 503};
    json_t *answer = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    gpuc_error *err = NULL;

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        classify(statuses[i], answer);
    find_operation(answer, NULL);
    find_operation(answer, "projects/p1/zones/z1/instances");
    if ((gpuc__gce_check_project("projects/p1/zones/z1", answer, &err) == GPUC_OK) != !err)
        abort();
    gpuc_error_unref(err);
    json_decref(answer);
    return 0;
}

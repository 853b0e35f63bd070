/* SPDX-License-Identifier: Apache-2.0 */
/* The clean-up of a run. Under the workload's name there may be another one: it stood there before, or
 * has come since. So it is looked at first, and deleted only as the object that was seen then. */
#include <string.h>

#include "core/context.h"
#include "kube/job_internal.h"
#include "kube/status.h"
#include "util/error.h"

#define CLEANUP_MS 15000 /* to look and to delete, together */

bool gpuc__job_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool gpuc__job_run_owns(const gpuc__job_run *r, const json_t *object)
{
    const char *run_id = gpuc__json_text(object, "metadata", "labels", "gpucluster/run-id", NULL);
    const char *node = gpuc__json_text(object, "metadata", "annotations", "gpucluster/node", NULL);
    const char *uid = gpuc__json_text(object, "metadata", "uid", NULL);

    return gpuc__job_same(run_id, r->run_id) && gpuc__job_same(node, r->node) &&
           (!r->uid || gpuc__job_same(uid, r->uid));
}

/* error is consumed; NULL when there is nothing to delete or it is deleted. */
static void end_cleaning(gpuc__job_run *r, gpuc_error *error)
{
    bool gone = error && (gpuc_error_code(error) == GPUC_ENOTFOUND ||
                          gpuc_error_native_code(error) == 409); /* another's by now */

    if (error && !gone)
        gpuc__log(gpuc__kube_context(r->kube), GPUC_LOG_WARN, "kube",
                  "the %s %s/%s%s could not be deleted%s: %s", r->is_pod ? "pod" : "job",
                  r->namespace_, r->name, r->created ? "" : ", if it was made,",
                  r->is_pod ? "" : "; it goes by itself an hour after its end",
                  gpuc_error_message(error));
    gpuc_error_unref(error);
    gpuc__job_run_evaluate(r);
}

static void on_deleted(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;

    r->children[GPUC__JOB_CLEANUP] = NULL;
    end_cleaning(r, error);
}

static gpuc__kube_call *ask(gpuc__job_run *r, const char *method, const json_t *body,
                            gpuc__kube_done_fn done)
{
    uint64_t now = gpuc__clock_ms();

    return gpuc__kube_send(
        r->kube, &(gpuc__kube_args){.method = method,
                                    .path = r->path,
                                    .body = body,
                                    .deadline_ms =
                                        r->clean_until > now ? (int)(r->clean_until - now) : 1,
                                    .done = done,
                                    .data = r});
}

static gpuc__kube_call *send_delete(gpuc__job_run *r, const char *uid)
{
    json_t *options = json_pack("{s:s, s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind",
                                "DeleteOptions", "propagationPolicy", "Background",
                                "preconditions", "uid", uid);
    gpuc__kube_call *call = options ? ask(r, "DELETE", options, on_deleted) : NULL;

    json_decref(options);
    return call;
}

static void on_looked(void *data, json_t *result, gpuc_error *error)
{
    gpuc__job_run *r = data;
    const char *uid = gpuc__json_text(result, "metadata", "uid", NULL);

    r->children[GPUC__JOB_CLEANUP] = NULL;
    if (!error && uid && gpuc__job_run_owns(r, result)) {
        r->children[GPUC__JOB_CLEANUP] = send_delete(r, uid);
        if (r->children[GPUC__JOB_CLEANUP])
            return;
        gpuc__error_nomem(&error);
    }
    end_cleaning(r, error);
}

void gpuc__job_run_clean(gpuc__job_run *r)
{
    r->cleaned = true;
    r->clean_until = gpuc__clock_ms() + CLEANUP_MS;
    r->children[GPUC__JOB_CLEANUP] = ask(r, "GET", NULL, on_looked);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the workloads of manifests need: ConfigMaps, claims, Services. What was there before the run is
 * brought to what the manifest says, and stays there after it. An entry's "ours" is true for what this
 * run has made, and null where its answer was lost, so that it is asked for again. */
#include <string.h>

#include "cluster/jobs_internal.h"
#include "kube/call.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define OBJECT_MS 30000

static json_t *entry_at(const gpuc_job *job)
{
    return json_array_get(job->objects, job->at);
}

static const char *text_at(const gpuc_job *job, const char *a, const char *b)
{
    return gpuc__json_text(entry_at(job), "object", a, b, NULL);
}

/* A request about the current object. collection: to where it is made, not to itself. */
static bool ask(gpuc_job *job, const char *method, bool collection, const char *query,
                 gpuc__kube_done_fn done)
{
    const json_t *object = json_object_get(entry_at(job), "object");
    char *path = NULL, *whole = NULL;

    if (gpuc__kube_object_path(&path, object, NULL) == GPUC_OK) {
        if (collection)
            *strrchr(path, '/') = '\0';
        whole = gpuc__asprintf("%s%s", path, query);
    }
    if (whole)
        job->call = gpuc__kube_send(job->kube, &(gpuc__kube_args){.method = method,
                                                                  .path = whole,
                                                                  .body = collection ? object : NULL,
                                                                  .deadline_ms = OBJECT_MS,
                                                                  .done = done,
                                                                  .data = job});
    gpuc__free(path);
    gpuc__free(whole);
    return job->call != NULL;
}

static bool is_ours(const gpuc_job *job, const json_t *result)
{
    const char *run_id = gpuc__json_text(result, "metadata", "labels", "gpucluster/run-id", NULL);

    return run_id && strcmp(run_id, job->run_id) == 0;
}

/* ---- creation ---- */

static void create(gpuc_job *job);

static void over(gpuc_job *job)
{
    void (*next)(gpuc_job *job) = job->next;

    job->call = NULL;
    next(job);
}

/* The current one cannot be had: the error (consumed; NULL: no memory) ends the creation. */
static void give_up(gpuc_job *job, gpuc_error *error)
{
    const char *kind = text_at(job, "kind", NULL), *name = text_at(job, "metadata", "name");

    if (!error)
        gpuc__error_nomem(&error);
    gpuc__call_wrap(&error, "%s: creating %s %s", gpuc__json_text(entry_at(job), "where", NULL), kind,
                    name);
    gpuc__job_keep_error(job, NULL, error);
    job->at++; /* it may have been made all the same */
    over(job);
}

static void created(gpuc_job *job, json_t *ours)
{
    json_object_set_new(entry_at(job), "ours", ours);
    job->at++;
    create(job);
}

static void on_applied(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;

    job->call = NULL;
    if (error) {
        json_object_set_new(entry_at(job), "ours", json_false());
        give_up(job, error);
        return;
    }
    gpuc__log(job->cluster->context, GPUC_LOG_WARN, "job",
              "%s %s was there before the run: it is now as the manifest says, and stays after it",
              text_at(job, "kind", NULL), text_at(job, "metadata", "name"));
    created(job, json_false());
}

static void on_found(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;
    json_t *object, *labels;

    job->call = NULL;
    if (error) {
        give_up(job, error);
        return;
    }
    if (is_ours(job, result)) { /* a request of ours whose answer was lost */
        created(job, json_true());
        return;
    }
    object = json_object_get(entry_at(job), "object");
    labels = gpuc__json_at(object, "metadata", "labels", NULL);
    json_object_del(labels, "gpucluster/run-id");
    json_object_del(labels, "app.kubernetes.io/managed-by");
    job->call = gpuc__kube_apply(job->kube, object, OBJECT_MS, on_applied, job);
    if (!job->call)
        give_up(job, NULL);
}

static void on_posted(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;

    job->call = NULL;
    if (!error) {
        created(job, json_true());
    } else if (gpuc_error_code(error) != GPUC_EEXIST || job->cancelled) {
        give_up(job, error);
    } else {
        gpuc_error_unref(error);
        if (!ask(job, "GET", false, "", on_found))
            give_up(job, NULL);
    }
}

static void create(gpuc_job *job)
{
    if (job->cancelled || job->at == json_array_size(job->objects)) {
        over(job);
        return;
    }
    json_object_set_new(entry_at(job), "ours", json_null());
    if (!ask(job, "POST", true, "", on_posted))
        give_up(job, NULL);
}

void gpuc__job_objects_create(gpuc_job *job, void (*next)(gpuc_job *job))
{
    job->at = 0;
    job->next = next;
    create(job);
}

/* ---- clean-up ---- */

static void take_away(gpuc_job *job);

static void on_deleted(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;

    job->call = NULL;
    if (error && gpuc_error_code(error) != GPUC_ENOTFOUND)
        gpuc__log(job->cluster->context, GPUC_LOG_WARN, "job", "%s %s could not be deleted: %s",
                  text_at(job, "kind", NULL), text_at(job, "metadata", "name"),
                  gpuc_error_message(error));
    gpuc_error_unref(error);
    take_away(job);
}

static void delete(gpuc_job *job)
{
    if (!ask(job, "DELETE", false, "?propagationPolicy=Background", on_deleted))
        take_away(job);
}

static void on_asked(void *data, json_t *result, gpuc_error *error)
{
    gpuc_job *job = data;

    job->call = NULL;
    gpuc_error_unref(error);
    if (is_ours(job, result))
        delete(job);
    else
        take_away(job);
}

/* The one before the current one. */
static void take_away(gpuc_job *job)
{
    const json_t *ours;

    do {
        if (job->at == 0) {
            over(job);
            return;
        }
        job->at--;
        ours = json_object_get(entry_at(job), "ours");
    } while (!ours || json_is_false(ours));
    if (json_is_true(ours))
        delete(job);
    else if (!ask(job, "GET", false, "", on_asked))
        take_away(job);
}

void gpuc__job_objects_delete(gpuc_job *job, void (*next)(gpuc_job *job))
{
    job->next = next;
    job->cleaning = true;
    take_away(job);
}

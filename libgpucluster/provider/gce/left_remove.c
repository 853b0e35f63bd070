/* SPDX-License-Identifier: Apache-2.0 */
/* Removes one thing that was left behind. What is gone already is fine. */
#include <string.h>

#include "provider/gce/left.h"
#include "provider/gce/shared.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define CONFLICTS_MAX 10
#define LIMIT_MS 600000

static void read_project(gpuc__gce_left *left);

static void on_removed(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_left *left = data;

    (void)answer;
    if (gpuc__gce_left_stopped(left, &error))
        return;
    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND && scope != GPUC__GCE_SCOPE_LOOK)
        error = gpuc_error_unref(error);
    if (scope == GPUC__GCE_SCOPE_CONFLICT && !left->path && ++left->conflicts < CONFLICTS_MAX) {
        gpuc_error_unref(error);
        read_project(left);
        return;
    }
    gpuc__gce_left_end(left, error);
}

/* path and body are the caller's. */
static void mutate(gpuc__gce_left *left, const char *method, const char *path, const json_t *body)
{
    char id[37], *doing = gpuc__asprintf("removing the %s", left->what);
    gpuc_error *error = NULL;
    gpuc__gce_args args = {.method = method,
                           .path = path,
                           .body = body,
                           .request_id = id,
                           .doing = doing,
                           .limit_ms = LIMIT_MS,
                           .done = on_removed,
                           .data = left};

    if (gpuc__gce_uuid(id, &error) < 0)
        gpuc__gce_left_end(left, error);
    else
        gpuc__gce_left_wait(left, path && doing ? gpuc__gce_mutate(left->provider->client, &args)
                                                : NULL);
    gpuc__free(doing);
}

/* ---- lines of the metadata ---- */

static void on_project(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_left *left = data;
    char *project = NULL, *path = NULL;
    json_t *none = NULL, *body = NULL;

    (void)scope;
    if (gpuc__gce_left_stopped(left, &error))
        return;
    none = json_array();
    if (!error && !none)
        gpuc__error_nomem(&error);
    if (!error)
        gpuc__gce_key_plan(&body, answer, none, left->cluster, &error);
    if (error || !body) {
        gpuc__gce_left_end(left, error);
    } else {
        project = gpuc__http_escape(left->provider->project);
        path = project ? gpuc__asprintf("projects/%s/setCommonInstanceMetadata", project) : NULL;
        mutate(left, "POST", path, body);
    }
    gpuc__free(project);
    gpuc__free(path);
    json_decref(none);
    json_decref(body);
}

static void read_project(gpuc__gce_left *left)
{
    char *project = gpuc__http_escape(left->provider->project);
    char *path = project ? gpuc__asprintf("projects/%s", project) : NULL;
    gpuc__gce_args args = {.method = "GET",
                           .path = path,
                           .doing = "reading the project's metadata",
                           .done = on_project,
                           .data = left};

    gpuc__gce_left_wait(left, path ? gpuc__gce_send(left->provider->client, &args) : NULL);
    gpuc__free(project);
    gpuc__free(path);
}

void gpuc__gce_left_remove(gpuc__gce_left *left)
{
    if (left->path)
        mutate(left, "DELETE", left->path, NULL);
    else
        read_project(left);
}

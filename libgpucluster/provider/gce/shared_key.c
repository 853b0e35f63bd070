/* SPDX-License-Identifier: Apache-2.0 */
/* The key in the project's metadata: read, changed, written under its fingerprint; read again when
 * somebody else was faster. The metadata is kept nowhere: it may hold others' secrets. */
#include <string.h>

#include "provider/gce/machines.h"
#include "provider/gce/shared.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define CONFLICTS_MAX 10
#define LIMIT_MS 300000

static void read_project(gpuc__gce_shared *work);

/* ---- writing ---- */

/* The metadata is as it should be. */
static void settled(gpuc__gce_shared *work)
{
    gpuc_error *error = NULL;

    if (work->mode == GPUC__GCE_SHARED_DROP)
        gpuc__gce_shared_set_key(work, false, &error);
    gpuc__gce_shared_end(work, error);
}

static void on_written(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_shared *work = data;
    bool lost = gpuc__gce_lost(scope, error) || scope == GPUC__GCE_SCOPE_LOOK;
    bool resumed = work->rounds == 0; /* the rules come after what an earlier run began */
    gpuc_error *kept = NULL;

    (void)answer;
    if (gpuc__gce_shared_stopped(work, &error))
        return;
    if (error && lost) {
        gpuc__gce_shared_end(work, error);
        return;
    }
    if (gpuc__gce_shared_forget(work, &kept) < 0 && !error)
        error = kept;
    else
        gpuc_error_unref(kept);
    if (resumed) {
        gpuc_error_unref(error);
        gpuc__gce_shared_rules(work);
    } else if (error && scope == GPUC__GCE_SCOPE_CONFLICT && ++work->conflicts < CONFLICTS_MAX) {
        gpuc_error_unref(error);
        read_project(work);
    } else if (error) {
        if (scope == GPUC__GCE_SCOPE_CONFLICT)
            gpuc__error_remedy(&error, "something changes the project's metadata all the time: see "
                                       "what it is, or set ssh.project_key to false");
        gpuc__gce_shared_end(work, error);
    } else {
        settled(work);
    }
}

static void send_body(gpuc__gce_shared *work, const json_t *body)
{
    char *project = gpuc__http_escape(work->provider->project);
    char *path = project ? gpuc__asprintf("projects/%s/setCommonInstanceMetadata", project) : NULL;
    gpuc__gce_args args = {.method = "POST",
                           .path = path,
                           .body = body,
                           .request_id = work->record.id,
                           .doing = work->record.drop ? "taking the SSH key out of the project's "
                                                        "metadata"
                                                      : "putting the SSH key into the project's "
                                                        "metadata",
                           .limit_ms = LIMIT_MS,
                           .done = on_written,
                           .data = work};

    gpuc__gce_shared_wait(work, path ? gpuc__gce_mutate(work->provider->client, &args) : NULL);
    gpuc__free(project);
    gpuc__free(path);
}

static void write_project(gpuc__gce_shared *work, const json_t *body)
{
    gpuc__gce_shared_record *r = &work->record;
    const char *fingerprint = json_string_value(json_object_get(body, "fingerprint"));
    gpuc_error *error = NULL;
    int rc;

    gpuc__gce_shared_record_clear(r);
    r->drop = work->mode == GPUC__GCE_SHARED_DROP;
    r->fingerprint = gpuc__strdup(fingerprint);
    rc = r->fingerprint ? GPUC_OK : gpuc__error_nomem(&error);
    if (rc == GPUC_OK && !r->drop)
        rc = gpuc__gce_shared_set_key(work, true, &error);
    if (rc == GPUC_OK)
        rc = gpuc__gce_shared_keep(work, &error);
    if (rc < 0)
        gpuc__gce_shared_end(work, error);
    else
        send_body(work, body);
}

/* ---- reading ---- */

static void look_at(gpuc__gce_shared *work, bool differs)
{
    gpuc__buf text = GPUC__BUF_INIT(16 * 1024);
    gpuc_error *error = NULL;

    if (differs) {
        gpuc__buf_printf(&text, "%s%sput the SSH key into the metadata of project %s",
                         work->detail ? work->detail : "", work->detail ? "; " : "",
                         work->provider->project);
        gpuc__free(work->detail);
        work->missing = true;
        work->detail = gpuc__buf_take(&text);
        if (!work->detail)
            gpuc__error_nomem(&error);
    }
    gpuc__buf_clear(&text);
    gpuc__gce_shared_end(work, error);
}

/* An earlier run's request: while the metadata is what it was written for it may still come, and is
 * sent again, with the same body and id; afterwards it can only fail. */
static void resume(gpuc__gce_shared *work, const json_t *project, const json_t *body)
{
    const json_t *metadata = json_object_get(project, "commonInstanceMetadata");
    const char *now = json_string_value(json_object_get(metadata, "fingerprint"));
    gpuc_error *error = NULL;

    if (body && now && strcmp(now, work->record.fingerprint) == 0)
        send_body(work, body);
    else if (gpuc__gce_shared_forget(work, &error) < 0)
        gpuc__gce_shared_end(work, error);
    else
        gpuc__gce_shared_rules(work);
}

static void on_project(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_shared *work = data;
    gpuc__provider *provider = work->provider;
    bool open = work->record.id[0];
    bool drop = open ? work->record.drop : work->mode == GPUC__GCE_SHARED_DROP;
    json_t *lines = NULL, *body = NULL;

    (void)scope;
    if (gpuc__gce_shared_stopped(work, &error))
        return;
    lines = drop || !provider->spec->project_ssh_key ? json_array() : gpuc__gce_key_lines(provider);
    if (!error && !lines)
        gpuc__error_nomem(&error);
    if (!error)
        gpuc__gce_key_plan(&body, answer, lines, provider->uuid, &error);
    if (error)
        gpuc__gce_shared_end(work, error);
    else if (open)
        resume(work, answer, body);
    else if (work->mode == GPUC__GCE_SHARED_LOOK)
        look_at(work, body != NULL);
    else if (body)
        write_project(work, body);
    else
        settled(work);
    json_decref(lines);
    json_decref(body);
}

static void read_project(gpuc__gce_shared *work)
{
    char *project = gpuc__http_escape(work->provider->project);
    char *path = project ? gpuc__asprintf("projects/%s", project) : NULL;
    gpuc__gce_args args = {.method = "GET",
                           .path = path,
                           .doing = "reading the project's metadata",
                           .done = on_project,
                           .data = work};

    gpuc__gce_shared_wait(work, path ? gpuc__gce_send(work->provider->client, &args) : NULL);
    gpuc__free(project);
    gpuc__free(path);
}

/* Asked for only where our key is to be, or may be. */
void gpuc__gce_shared_key(gpuc__gce_shared *work)
{
    const gpuc__provider *provider = work->provider;
    gpuc_error *error = NULL;
    bool had = false;

    if (gpuc__gce_shared_had_key(work, &had, &error) < 0)
        gpuc__gce_shared_end(work, error);
    else if (had || work->record.id[0] || (provider->spec->project_ssh_key && provider->public_key))
        read_project(work);
    else
        gpuc__gce_shared_end(work, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the catalogue: three lists of the API, or the table alone and why. */
#include "provider/gce/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/op.h"
#include "provider/gce/catalogue_internal.h"
#include "provider/gce/client.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define LIMIT_MS 60000
#define ANSWER_MAX (32 * 1024 * 1024)
#define FILTER_MAX 16384
#define LISTS 3

typedef struct reading {
    gpuc_op *op;
    gpuc_context *context;
    gpuc__task begin;
    gpuc__gce_catalogue *catalogue;
    gpuc__gce_auth *auth;
    gpuc__gce_client *client;
    char *project, *zone;
    bool shipped, cancelled, waiting; /* waiting: for a token */
    json_t *live;
    gpuc__gce_call *calls[LISTS];
    size_t pending;
    gpuc_error *why; /* why it is not live */
} reading;

static void reading_free(void *data)
{
    reading *r = data;

    gpuc__context_unpost(r->context, &r->begin);
    gpuc__gce_client_unref(r->client);
    gpuc__gce_auth_unref(r->auth);
    gpuc__gce_catalogue_free(r->catalogue);
    json_decref(r->live);
    gpuc_error_unref(r->why);
    gpuc__free(r->project);
    gpuc__free(r->zone);
    gpuc_context_unref(r->context);
    gpuc__free(r);
}

static bool has_zone(const reading *r)
{
    json_t *zone;
    size_t i;

    json_array_foreach(json_object_get(r->live, "zones"), i, zone)
    {
        const char *name = json_string_value(json_object_get(zone, "name"));

        if (name && strcmp(name, r->zone) == 0)
            return true;
    }
    return false;
}

static int make_text(char **out, const reading *r, gpuc_error **err)
{
    const json_t *live = r->why || r->shipped ? NULL : r->live;
    json_t *all = NULL;
    char *dump;
    int rc;

    /* The other lists fail for a zone that is not there; this one tells why. */
    if (r->zone && json_object_get(r->live, "zones") && !has_zone(r)) {
        rc = gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_PROVIDER,
                             "there is no zone %s, or it is not open to project %s", r->zone,
                             r->project);
        gpuc__error_remedy(err, "`gpucluster catalog zones` lists them");
        return rc;
    }
    rc = gpuc__gce_catalogue_json(&all, r->catalogue, r->zone, live, err);
    if (rc)
        return rc;
    if (live)
        json_object_set_new(all, "project", json_string(r->project));
    else
        json_object_set_new(
            all, "why",
            json_string(r->why ? gpuc_error_message(r->why) : "the shipped table was asked for"));
    dump = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(7));
    *out = dump ? gpuc__strdup(dump) : NULL;
    free(dump); /* jansson's own memory */
    json_decref(all);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

static void finish(reading *r)
{
    gpuc_error *error = NULL;
    char *text = NULL;

    if (r->cancelled)
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                        "reading the catalogue was cancelled");
    else if (make_text(&text, r, &error) == GPUC_OK)
        gpuc__op_set_json(r->op, text);
    gpuc__op_complete(r->op, error);
}

/* The first reason is kept. */
static void not_live(reading *r, gpuc_error *error)
{
    if (r->why)
        gpuc_error_unref(error);
    else
        r->why = error;
}

static void on_list(reading *r, size_t which, const char *key, json_t *answer, gpuc_error *error)
{
    r->calls[which] = NULL;
    if (!error && json_object_set(r->live, key, answer))
        gpuc__error_nomem(&error);
    if (error)
        not_live(r, error);
    if (--r->pending == 0)
        finish(r);
}

static void on_zones(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    (void)scope;
    on_list(data, 0, "zones", answer, error);
}

static void on_accelerators(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    (void)scope;
    on_list(data, 1, "accelerator_types", answer, error);
}

static void on_types(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    (void)scope;
    on_list(data, 2, "machine_types", answer, error);
}

static void list(reading *r, size_t which, char *path, const char *query, const char *kind,
                 gpuc__gce_done_fn done)
{
    gpuc__gce_args args = {.method = "GET",
                           .path = path,
                           .query = query,
                           .doing = "reading the catalogue",
                           .limit_ms = LIMIT_MS,
                           .answer_max = ANSWER_MAX,
                           .done = done,
                           .data = r};
    gpuc_error *error = NULL;

    r->calls[which] = path ? gpuc__gce_list(r->client, &args, kind) : NULL;
    if (r->calls[which]) {
        r->pending++;
    } else {
        gpuc__error_nomem(&error);
        not_live(r, error);
    }
    gpuc__free(path);
}

/* Types that carry GPUs, by name: all types of all zones would be tens of megabytes. */
static char *gpu_types(const reading *r)
{
    json_t *rows = json_object_get(gpuc__gce_part(r->catalogue, "machine_types"), "list"), *row;
    gpuc__buf filter = GPUC__BUF_INIT(FILTER_MAX);
    char *escaped = NULL, *query = NULL;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (gpuc__gce_text(row, "accelerator"))
            gpuc__buf_printf(&filter, "%s(name=%s)", filter.length ? " OR " : "",
                             gpuc__gce_text(row, "name"));
    }
    if (!filter.failed)
        escaped = gpuc__http_escape(gpuc__buf_text(&filter));
    if (escaped)
        query = gpuc__asprintf("filter=%s", escaped);
    gpuc__free(escaped);
    gpuc__buf_clear(&filter);
    return query;
}

static void with_project(reading *r)
{
    char *project = gpuc__http_escape(r->project), *query = NULL;
    gpuc_error *error = NULL;

    if (project && !r->zone)
        query = gpu_types(r);
    if (!project || (!r->zone && !query)) {
        gpuc__error_nomem(&error);
        not_live(r, error);
    } else if (r->zone) {
        list(r, 0, gpuc__asprintf("projects/%s/zones", project), NULL, NULL, on_zones);
        list(r, 1, gpuc__asprintf("projects/%s/zones/%s/acceleratorTypes", project, r->zone), NULL,
             NULL, on_accelerators);
        list(r, 2, gpuc__asprintf("projects/%s/zones/%s/machineTypes", project, r->zone), NULL,
             NULL, on_types);
    } else {
        list(r, 0, gpuc__asprintf("projects/%s/zones", project), NULL, NULL, on_zones);
        list(r, 1, gpuc__asprintf("projects/%s/aggregated/acceleratorTypes", project), NULL,
             "acceleratorTypes", on_accelerators);
        list(r, 2, gpuc__asprintf("projects/%s/aggregated/machineTypes", project), query,
             "machineTypes", on_types);
    }
    gpuc__free(query);
    gpuc__free(project);
    if (r->pending == 0)
        finish(r);
}

static void on_token(void *data, const char *token, gpuc_error *error)
{
    reading *r = data;
    const char *project = gpuc__gce_auth_project(r->auth);

    (void)token;
    r->waiting = false;
    if (!error && !r->project && project)
        r->project = gpuc__strdup(project);
    if (!error && !r->project)
        gpuc__error_set(&error, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        "no project is named, by the caller, the environment or %s",
                        gpuc__gce_auth_describe(r->auth));
    if (error)
        not_live(r, error);
    if (r->why || r->cancelled)
        finish(r);
    else
        with_project(r);
}

static void begin(void *data)
{
    reading *r = data;
    gpuc_error *error = NULL;

    if (r->shipped || r->cancelled) {
        finish(r);
        return;
    }
    if (gpuc__gce_auth_new(&r->auth, r->context, &error) < 0 ||
        gpuc__gce_client_new(&r->client, r->context, r->auth, NULL, &error) < 0) {
        not_live(r, error);
        finish(r);
        return;
    }
    r->waiting = true; /* whether credentials work is known before anything is asked */
    gpuc__gce_auth_token(r->auth, on_token, r);
}

static void cancel(gpuc_op *op, void *data)
{
    reading *r = data;

    (void)op;
    r->cancelled = true;
    if (r->waiting)
        gpuc__gce_auth_cancel(r->auth, r);
    for (size_t i = 0; i < LISTS; i++) {
        if (r->calls[i])
            gpuc__gce_call_cancel(r->calls[i]);
    }
}

int gpuc__gce_catalog_start(gpuc_op **out, gpuc_context *context, const char *project,
                            const char *zone, bool shipped, gpuc_error **err)
{
    static const gpuc__op_class op_class = {"catalog", cancel, reading_free};
    reading *r;
    int rc;

    if (zone && !gpuc__gce_is_zone(zone)) {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                             "%.80s is not the name of a zone", zone);
        gpuc__error_remedy(err, "give one as us-east1-d; `gpucluster catalog zones` lists them");
        return rc;
    }
    r = gpuc__calloc(1, sizeof(*r));
    if (!r)
        return gpuc__error_nomem(err);
    r->context = gpuc_context_ref(context);
    r->begin = (gpuc__task){.fn = begin, .data = r};
    r->shipped = shipped;
    r->project = gpuc__strdup(project);
    r->zone = gpuc__strdup(zone);
    r->live = json_object();
    rc = gpuc__gce_catalogue_new(&r->catalogue, err);
    if (!rc && (!r->live || (project && !r->project) || (zone && !r->zone)))
        rc = gpuc__error_nomem(err);
    if (!rc)
        rc = gpuc__op_new(&r->op, context, &op_class, r, err);
    if (rc) {
        reading_free(r);
        return rc;
    }
    gpuc__context_post(context, &r->begin);
    *out = r->op;
    return GPUC_OK;
}

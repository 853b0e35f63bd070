/* SPDX-License-Identifier: Apache-2.0 */
/* Firewall rules: those of the project are read once, and what differs is made, changed, deleted. */
#include <string.h>

#include "provider/gce/machines.h"
#include "provider/gce/shared.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define ROUNDS_MAX 5 /* readings, when something else changes rules at the same time */
#define LIMIT_MS 300000

static char *rules_path(const gpuc__provider *provider, const char *name)
{
    char *project = gpuc__http_escape(provider->project);
    char *path = project ? gpuc__asprintf("projects/%s/global/firewalls%s%s", project,
                                          name ? "/" : "", name ? name : "")
                         : NULL;

    gpuc__free(project);
    return path;
}

/* ---- one act of the plan ---- */

static void next_act(gpuc__gce_shared *work);

static void on_sent(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_shared *work = data;
    bool lost = gpuc__gce_lost(scope, error) || scope == GPUC__GCE_SCOPE_LOOK, again;
    int code = error ? gpuc_error_code(error) : GPUC_OK;

    (void)answer;
    if (gpuc__gce_shared_stopped(work, &error))
        return;
    /* of an earlier run, made meanwhile by another, or gone: what there is now decides */
    again = !work->plan ||
            code == (strcmp(work->record.method, "POST") == 0 ? GPUC_EEXIST : GPUC_ENOTFOUND);
    if (error && (lost || !again)) {
        gpuc_error *kept = NULL;

        if (!lost)
            gpuc__gce_shared_forget(work, &kept);
        gpuc_error_unref(kept); /* the next run sends it once more, and hears the same */
        gpuc__gce_shared_end(work, error);
        return;
    }
    if (error)
        gpuc__log(work->provider->context, GPUC_LOG_INFO, "provider", "%s",
                  gpuc_error_message(error));
    error = gpuc_error_unref(error);
    if (gpuc__gce_shared_forget(work, &error) < 0) {
        gpuc__gce_shared_end(work, error);
    } else if (again) {
        gpuc__gce_shared_rules(work);
    } else {
        work->at++;
        next_act(work);
    }
}

void gpuc__gce_shared_send_rule(gpuc__gce_shared *work)
{
    gpuc__gce_shared_record *r = &work->record;
    bool insert = strcmp(r->method, "POST") == 0, delete = strcmp(r->method, "DELETE") == 0;
    char *path = rules_path(work->provider, insert ? NULL : r->name);
    char *doing = gpuc__asprintf("%s the firewall rule %s",
                                 insert   ? "making"
                                 : delete ? "deleting"
                                          : "changing",
                                 r->name);
    gpuc__gce_args args = {.method = r->method,
                           .path = path,
                           .body = r->body,
                           .request_id = r->id,
                           .doing = doing,
                           .limit_ms = LIMIT_MS,
                           .done = on_sent,
                           .data = work};

    gpuc__gce_shared_wait(work, path && doing ? gpuc__gce_mutate(work->provider->client, &args)
                                              : NULL);
    gpuc__free(path);
    gpuc__free(doing);
}

static const char *method_of(const char *text)
{
    return strcmp(text, "POST") == 0 ? "POST" : strcmp(text, "PATCH") == 0 ? "PATCH" : "DELETE";
}

static void next_act(gpuc__gce_shared *work)
{
    json_t *act = json_array_get(work->plan, work->at);
    gpuc__gce_shared_record *r = &work->record;
    gpuc_error *error = NULL;
    int rc;

    if (!act) {
        gpuc__gce_shared_then(work, gpuc__gce_shared_key);
        return;
    }
    gpuc__gce_shared_record_clear(r);
    r->method = method_of(json_string_value(json_object_get(act, "method")));
    r->name = gpuc__strdup(json_string_value(json_object_get(act, "name")));
    r->body = json_incref(json_object_get(act, "body"));
    rc = r->name ? gpuc__gce_shared_keep(work, &error) : gpuc__error_nomem(&error);
    if (rc < 0)
        gpuc__gce_shared_end(work, error);
    else
        gpuc__gce_shared_send_rule(work);
}

/* ---- the plan ---- */

/* "make the firewall rule demo-expose-443; …" */
static int describe(gpuc__gce_shared *work, gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(16 * 1024);
    json_t *act;
    size_t i = 0;

    json_array_foreach(work->plan, i, act) {
        const char *method = json_string_value(json_object_get(act, "method"));

        gpuc__buf_printf(&text, "%s%s the firewall rule %s", i ? "; " : "",
                         strcmp(method, "POST") == 0    ? "make"
                         : strcmp(method, "PATCH") == 0 ? "change"
                                                        : "delete",
                         json_string_value(json_object_get(act, "name")));
    }
    if (work->open)
        gpuc__buf_printf(&text, "%sfinish what an earlier run began", i ? "; " : "");
    work->missing = work->open || i > 0;
    gpuc__free(work->detail);
    work->detail = work->missing ? gpuc__buf_take(&text) : NULL;
    gpuc__buf_clear(&text);
    return work->missing && !work->detail ? gpuc__error_nomem(err) : GPUC_OK;
}

static int make_plan(gpuc__gce_shared *work, const json_t *there, gpuc_error **err)
{
    const gpuc__provider *provider = work->provider;
    json_t *wanted = work->mode == GPUC__GCE_SHARED_DROP ? json_array()
                                                         : gpuc__gce_rules_wanted(provider);
    int rc = wanted ? GPUC_OK : gpuc__error_nomem(err);

    json_decref(work->plan);
    work->plan = NULL;
    work->at = 0;
    if (rc == GPUC_OK)
        rc = gpuc__gce_rules_plan(&work->plan, there, wanted, provider->uuid, err);
    json_decref(wanted);
    if (rc == GPUC_OK && work->mode == GPUC__GCE_SHARED_LOOK)
        rc = describe(work, err);
    return rc;
}

static void on_rules(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_shared *work = data;
    const gpuc__spec_model *spec = work->provider->spec;

    (void)scope;
    if (gpuc__gce_shared_stopped(work, &error))
        return;
    if (error && gpuc_error_code(error) == GPUC_EPERM && !spec->expose_count &&
        !gpuc__gce_needs_iap(spec)) {
        /* who may not even list rules has made none, and asks for none */
        error = gpuc_error_unref(error);
        answer = NULL;
    }
    if (!error)
        make_plan(work, answer, &error);
    if (error)
        gpuc__gce_shared_end(work, error);
    else if (work->mode == GPUC__GCE_SHARED_LOOK)
        gpuc__gce_shared_key(work);
    else
        next_act(work);
}

void gpuc__gce_shared_rules(gpuc__gce_shared *work)
{
    char *path = rules_path(work->provider, NULL);
    gpuc__gce_args args = {.method = "GET",
                           .path = path,
                           .doing = "listing the project's firewall rules",
                           .done = on_rules,
                           .data = work};
    gpuc_error *error = NULL;

    if (++work->rounds > ROUNDS_MAX) {
        gpuc__error_set(&error, GPUC_ESTATE, GPUC_DOMAIN_PROVIDER,
                        "the cluster's firewall rules are changed by something else at the same "
                        "time");
        gpuc__error_remedy(&error, "see who else works on them, then try again");
        gpuc__error_retryable(&error, true);
        gpuc__gce_shared_end(work, error);
    } else {
        gpuc__gce_shared_wait(work, path ? gpuc__gce_list(work->provider->client, &args, NULL)
                                         : NULL);
    }
    gpuc__free(path);
}

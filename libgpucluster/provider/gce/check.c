/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a pre-flight. */
#include "provider/gce/check.h"

#include <string.h>

#include "util/alloc.h"
#include "util/error.h"

static void begin(void *data);

void gpuc__gce_check(gpuc__provider *provider, gpuc__provider_fn done, void *data)
{
    gpuc__gce_check_task *check = gpuc__calloc(1, sizeof(*check));
    gpuc_error *error = NULL;

    if (!check) { /* without memory there is no later */
        gpuc__error_nomem(&error);
        done(data, error);
        return;
    }
    check->provider = provider;
    provider->refs++;
    check->done = done;
    check->data = data;
    check->begin = (gpuc__task){.fn = begin, .data = check};
    check->next = provider->checks;
    check->link = (gpuc__gce_check_task **)(void *)&provider->checks;
    if (check->next)
        check->next->link = &check->next;
    provider->checks = check;
    gpuc__context_post(provider->context, &check->begin);
}

/* Ends it; error is consumed. */
static void finish(gpuc__gce_check_task *check, gpuc_error *error)
{
    gpuc__provider *provider = check->provider;

    *check->link = check->next;
    if (check->next)
        check->next->link = check->link;
    if (!error) {
        json_decref(provider->described);
        provider->described = json_incref(check->wish.described);
    }
    check->done(check->data, error);
    gpuc__gce_wish_clear(&check->wish);
    json_decref(check->facts);
    gpuc__free(check);
    gpuc__gce_unref(provider);
}

/* The failure of the lowest rank is told: what comes first in the spec's reader's mind. */
static void keep_error(gpuc__gce_check_task *check, gpuc_error *error, int rank)
{
    if (check->error && check->error_rank <= rank) {
        gpuc_error_unref(error);
        return;
    }
    gpuc_error_unref(check->error);
    check->error = error;
    check->error_rank = rank;
}

static void stop_asking(gpuc__gce_check_task *check)
{
    for (gpuc__gce_ask *ask = check->asks; ask; ask = ask->next)
        gpuc__gce_call_cancel(ask->call);
}

static gpuc_error *cancelled(void)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                    "the look at Compute Engine was cancelled");
    return error;
}

static int evaluate(gpuc__gce_check_task *check, gpuc_error **err)
{
    gpuc__gce_wish *wish = &check->wish;
    int rc = gpuc__gce_facts_permissions(wish, check->facts, err);

    if (!rc)
        rc = gpuc__gce_facts_places(wish, check->facts, err);
    if (!rc)
        rc = gpuc__gce_facts_images(wish, check->facts, err);
    if (!rc)
        rc = gpuc__gce_facts_quotas(wish, check->facts, err);
    return rc ? rc : gpuc__gce_wish_text(wish, err);
}

/* Of the project's own request, which everything else depends on: what to do, with its name. */
static void explain_project(const gpuc__gce_check_task *check, gpuc_error **error)
{
    const char *project = check->provider->project, *evidence = gpuc_error_evidence(*error);
    int code = gpuc_error_code(*error);

    if (evidence &&
        (strstr(evidence, "accessNotConfigured") || strstr(evidence, "SERVICE_DISABLED")))
        gpuc__error_remedy(error,
                           "turn the Compute Engine API on for project %s: "
                           "https://console.cloud.google.com/apis/library/"
                           "compute.googleapis.com?project=%s, or gcloud services enable "
                           "compute.googleapis.com --project %s; it takes some minutes",
                           project, project, project);
    else if (code == GPUC_ENOTFOUND || code == GPUC_EPERM)
        gpuc__error_remedy(error,
                           "correct provider.project (%s), or let the account behind %s see it",
                           project, gpuc__gce_auth_describe(check->provider->auth));
}

/* No answer is awaited any more. */
static void go_on(gpuc__gce_check_task *check)
{
    gpuc_error *error = check->error;

    check->error = NULL;
    if (check->cancelled) {
        gpuc_error_unref(error);
        finish(check, cancelled());
        return;
    }
    if (!error && check->phase == 1) {
        check->phase = 2;
        if (gpuc__gce_ask_all(check, &error) == GPUC_OK)
            return;
        if (check->pending) { /* those that were sent end first */
            keep_error(check, error, -1);
            stop_asking(check);
            return;
        }
    } else if (!error) {
        evaluate(check, &error);
    }
    finish(check, error);
}

static int keep_answer(gpuc__gce_check_task *check, const gpuc__gce_ask *ask, json_t *answer,
                       gpuc_error **err)
{
    json_t *place = check->facts;

    if (!answer)
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                               "the Compute Engine API gave no answer for %s", ask->fact);
    if (ask->key) {
        place = json_object_get(check->facts, ask->fact);
        if (!place) {
            place = json_object();
            if (json_object_set_new(check->facts, ask->fact, place))
                return gpuc__error_nomem(err);
        }
    }
    return json_object_set(place, ask->key ? ask->key : ask->fact, answer) ? gpuc__error_nomem(err)
                                                                           : GPUC_OK;
}

void gpuc__gce_check_answer(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_ask *ask = data;
    gpuc__gce_check_task *check = ask->check;

    (void)scope;
    if (!error)
        keep_answer(check, ask, answer, &error);
    if (error && ask->optional && gpuc_error_code(error) != GPUC_ENOMEM) {
        /* The plan goes without it, and says so. */
        gpuc__gce_wish_note(&check->wish, NULL, "%s: %s", ask->fact, gpuc_error_message(error));
        gpuc_error_unref(error);
    } else if (error) {
        if (ask->rank == 0)
            explain_project(check, &error);
        keep_error(check, error, ask->rank);
    }
    *ask->link = ask->next;
    if (ask->next)
        ask->next->link = ask->link;
    gpuc__gce_client_unref(ask->client);
    gpuc__free(ask->key);
    gpuc__free(ask);
    if (--check->pending == 0)
        go_on(check);
}

/* Credentials are there, and the project is known. */
static void with_project(gpuc__gce_check_task *check)
{
    gpuc__provider *provider = check->provider;
    gpuc_error *error = NULL;

    if (!provider->project) {
        gpuc__error_set(&error, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        "no project is named, by the spec, the environment or %s",
                        gpuc__gce_auth_describe(provider->auth));
        gpuc__error_remedy(&error, "set provider.project in the spec, or CLOUDSDK_CORE_PROJECT");
    } else {
        check->wish.project = provider->project;
        check->wish.uuid = provider->uuid;
        check->phase = 1;
        if (gpuc__gce_ask_project(check, &error) == GPUC_OK)
            return;
    }
    finish(check, error);
}

static void on_token(void *data, const char *token, gpuc_error *error)
{
    gpuc__gce_check_task *check = data;

    (void)token; /* with it the project is known, where the metadata server tells it */
    check->waiting = false;
    if (!error)
        gpuc__gce_open(check->provider, &error);
    if (check->cancelled) {
        gpuc_error_unref(error);
        error = cancelled();
    }
    if (error)
        finish(check, error);
    else
        with_project(check);
}

static void begin(void *data)
{
    gpuc__gce_check_task *check = data;
    gpuc__provider *provider = check->provider;
    gpuc_error *error = NULL;

    check->facts = json_object();
    if (check->cancelled)
        error = cancelled();
    else if (!check->facts)
        gpuc__error_nomem(&error);
    else if (gpuc__gce_wish_init(&check->wish, provider->spec, provider->catalogue, &error) ==
             GPUC_OK)
        gpuc__gce_open(provider, &error);
    if (error) {
        finish(check, error);
    } else if (provider->project) {
        with_project(check);
    } else {
        check->waiting = true;
        gpuc__gce_auth_token(provider->auth, on_token, check);
    }
}

void gpuc__gce_check_cancel(gpuc__provider *provider, const void *data)
{
    for (gpuc__gce_check_task *check = provider->checks, *next; check; check = next) {
        next = check->next;
        if ((data && check->data != data) || check->cancelled)
            continue;
        check->cancelled = true;
        if (check->waiting)
            gpuc__gce_auth_cancel(provider->auth, check);
        else
            stop_asking(check);
    }
}

json_t *gpuc__gce_describe(gpuc__provider *provider)
{
    return json_deep_copy(provider->described);
}

/* GPUs that a machine type carries, where the spec does not count them. */
int gpuc__gce_settle(gpuc__spec_model *model, gpuc_error **err)
{
    gpuc__gce_catalogue *catalogue = NULL;
    int rc = gpuc__gce_catalogue_new(&catalogue, err);

    for (size_t i = 0; !rc && i < model->machine_count; i++) {
        gpuc__machine_model *machine = &model->machines[i];
        gpuc__gce_shape shape;

        if (machine->machine_type && machine->gpus == 0 &&
            gpuc__gce_catalogue_shape(&shape, catalogue, machine, NULL) == GPUC_OK)
            machine->gpus = shape.gpus;
    }
    gpuc__gce_catalogue_free(catalogue);
    return rc;
}

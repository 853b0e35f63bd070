/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a find or a removal of what was left behind. */
#include "provider/gce/left.h"

#include <string.h>

#include "util/alloc.h"
#include "util/error.h"

void gpuc__gce_left_end(gpuc__gce_left *left, gpuc_error *error)
{
    gpuc__provider *provider = left->provider;

    *left->link = left->next;
    if (left->next)
        left->next->link = left->link;
    gpuc__context_unpost(provider->context, &left->task);
    if (left->found_done)
        left->found_done(left->data, error ? NULL : left->found, error);
    else
        left->done(left->data, error);
    json_decref(left->found);
    gpuc__free(left->path);
    gpuc__free(left->cluster);
    gpuc__free(left->what);
    gpuc__free(left);
    gpuc__gce_unref(provider);
}

static void end_cancelled(gpuc__gce_left *left)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                    "looking for what was left behind: cancelled");
    gpuc__gce_left_end(left, error);
}

void gpuc__gce_left_wait(gpuc__gce_left *left, gpuc__gce_call *call)
{
    gpuc_error *error = NULL;

    left->call = call;
    if (call)
        return;
    gpuc__error_nomem(&error);
    gpuc__gce_left_end(left, error);
}

bool gpuc__gce_left_stopped(gpuc__gce_left *left, gpuc_error **error)
{
    left->call = NULL;
    if (!left->cancelled)
        return false;
    gpuc_error_unref(*error);
    *error = NULL;
    end_cancelled(left);
    return true;
}

static void on_token(void *data, const char *token, gpuc_error *error)
{
    gpuc__gce_left *left = data;

    (void)token; /* with it the project is known, where the metadata server tells it */
    left->asking = false;
    if (left->cancelled) {
        gpuc_error_unref(error);
        end_cancelled(left);
        return;
    }
    if (!error && gpuc__gce_open(left->provider, &error) == GPUC_OK)
        gpuc__gce_need_project(left->provider, &error);
    if (error)
        gpuc__gce_left_end(left, error);
    else
        left->then(left);
}

static void begin(void *data)
{
    gpuc__gce_left *left = data;
    gpuc__provider *provider = left->provider;
    gpuc_error *error = NULL;

    if (left->cancelled) {
        if (!left->call && !left->asking)
            end_cancelled(left);
    } else if (gpuc__gce_open(provider, &error) < 0) {
        gpuc__gce_left_end(left, error);
    } else if (provider->project) {
        left->then(left);
    } else {
        left->asking = true;
        gpuc__gce_auth_token(provider->auth, on_token, left);
    }
}

/* NULL: no memory, which done was told. */
static gpuc__gce_left *left_new(gpuc__provider *provider, gpuc__left_fn found_done,
                                gpuc__provider_fn done, void *data)
{
    gpuc__gce_left *left = gpuc__calloc(1, sizeof(*left));
    gpuc_error *error = NULL;

    if (!left) { /* without memory there is no later */
        gpuc__error_nomem(&error);
        if (found_done)
            found_done(data, NULL, error);
        else
            done(data, error);
        return NULL;
    }
    provider->refs++;
    left->provider = provider;
    left->found_done = found_done;
    left->done = done;
    left->data = data;
    left->task = (gpuc__task){.fn = begin, .data = left};
    left->next = provider->left;
    left->link = &provider->left;
    if (left->next)
        left->next->link = &left->next;
    provider->left = left;
    gpuc__context_post(provider->context, &left->task);
    return left;
}

static void fail_now(gpuc__gce_left *left)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    gpuc__gce_left_end(left, error);
}

void gpuc__gce_find_left(gpuc__provider *provider, gpuc__left_fn done, void *data)
{
    gpuc__gce_left *left = left_new(provider, done, NULL, data);

    if (!left)
        return;
    left->then = gpuc__gce_left_next;
    left->found = json_array();
    if (!left->found)
        fail_now(left);
}

void gpuc__gce_remove_left(gpuc__provider *provider, const json_t *entry, gpuc__provider_fn done,
                           void *data)
{
    gpuc__gce_left *left = left_new(provider, NULL, done, data);
    const char *path = json_string_value(json_object_get(entry, "link"));

    if (!left)
        return;
    left->then = gpuc__gce_left_remove;
    left->path = gpuc__strdup(path);
    left->cluster = gpuc__strdup(json_string_value(json_object_get(entry, "cluster")));
    left->what = gpuc__asprintf("%s %s", json_string_value(json_object_get(entry, "type")),
                                json_string_value(json_object_get(entry, "name")));
    if ((path && !left->path) || !left->cluster || !left->what)
        fail_now(left);
}

void gpuc__gce_left_cancel(gpuc__provider *provider, const void *data)
{
    for (gpuc__gce_left *left = provider->left; left; left = left->next) {
        if (data && left->data != data)
            continue;
        left->cancelled = true;
        if (left->call)
            gpuc__gce_call_cancel(left->call);
        else if (left->asking)
            gpuc__gce_auth_cancel(provider->auth, left);
        else
            gpuc__context_post(provider->context, &left->task);
    }
}

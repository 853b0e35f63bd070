/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: which one it is, and waiting until it is done. */
#include <string.h>

#include "core/context.h"
#include "provider/gce/call.h"
#include "util/alloc.h"
#include "util/error.h"

#define WAIT_TRY_S 150 /* the server may hold a wait for 2 minutes */
#define WAIT_FLOOR_MS                                                                              \
    1000 /* between waits that come back early; grows to WAIT_FLOORS times that                    \
          */
#define WAIT_FLOORS 5

/* One path segment of harmless characters; its length, 0 if it is none. */
static size_t segment(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:%");

    return n <= 256 && strspn(text, ".") < n && (text[n] == '/' || !text[n]) ? n : 0;
}

static bool is_segment(const char *text)
{
    size_t n = text ? segment(text) : 0;

    return n && !text[n];
}

/* Behind the given word and a slash; NULL when it is not there. */
static const char *skip(const char *path, const char *word)
{
    size_t n = strlen(word);

    return path && strncmp(path, word, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static const char *skip_segment(const char *path)
{
    size_t n = path ? segment(path) : 0;

    return n && path[n] == '/' ? path + n + 1 : NULL;
}

/* "projects/P/{zones/Z|regions/R|global}/operations/NAME" */
static bool is_operation_path(const char *path, const char *name)
{
    const char *scope = skip_segment(skip(path, "projects"));
    const char *rest = skip_segment(skip(scope, "zones"));

    if (!rest)
        rest = skip_segment(skip(scope, "regions"));
    if (!rest)
        rest = skip(scope, "global");
    rest = skip(rest, "operations");
    return rest && strcmp(rest, name) == 0;
}

/* From its parts, when it has no link of its own. */
static char *composed(const json_t *operation, const char *project_path, const char *name)
{
    const char *zone = gpuc__gce_link_name(json_string_value(json_object_get(operation, "zone")));
    const char *region =
        gpuc__gce_link_name(json_string_value(json_object_get(operation, "region")));
    const char *project = skip(gpuc__gce_link_path(project_path), "projects");
    int length = project ? (int)segment(project) : 0;

    if (!length)
        return NULL;
    if (is_segment(zone))
        return gpuc__asprintf("projects/%.*s/zones/%s/operations/%s", length, project, zone, name);
    if (is_segment(region))
        return gpuc__asprintf("projects/%.*s/regions/%s/operations/%s", length, project, region,
                              name);
    return gpuc__asprintf("projects/%.*s/global/operations/%s", length, project, name);
}

int gpuc__gce_operation_path(char **out, const json_t *operation, const char *project_path,
                             gpuc_error **err)
{
    const char *name = json_string_value(json_object_get(operation, "name"));
    const char *link = json_string_value(json_object_get(operation, "selfLink"));
    const char *path = gpuc__gce_link_path(link);
    char *made = NULL;

    if (is_segment(name) && (path ? is_operation_path(path, name) : project_path != NULL))
        made = path ? gpuc__strdup(path) : composed(operation, project_path, name);
    if (made) {
        *out = made;
        return GPUC_OK;
    }
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                    "the answer is no operation of Compute Engine (name %.100s, selfLink %.200s)",
                    name ? name : "missing", link ? link : "missing");
    gpuc__error_remedy(err,
                       "check the endpoint, and any proxy in between; look whether it was carried "
                       "out before it is asked for again");
    return GPUC_EPROTO;
}

static void on_wait(gpuc__gce_call *call, json_t *operation)
{
    call->rounds++;
    gpuc__gce_operation_take(call, operation);
}

static void ask_wait(gpuc__gce_call *call)
{
    call->try_s = WAIT_TRY_S;
    gpuc__gce_call_request(call, "POST", gpuc__asprintf("/%s/wait", call->operation), true,
                           on_wait);
}

/* A server that holds no wait is not to be hammered. */
static void wait_again(gpuc__gce_call *call)
{
    unsigned floors = call->rounds < WAIT_FLOORS ? call->rounds : WAIT_FLOORS;
    uint64_t now = gpuc__clock_ms();
    uint64_t next = call->sent_at + gpuc__gce_call_scaled(call, (uint64_t)floors * WAIT_FLOOR_MS);

    gpuc__gce_call_after(call, next > now ? next - now : 0, ask_wait);
}

static void take_done(gpuc__gce_call *call, json_t *operation)
{
    gpuc_error *error = NULL;
    gpuc__gce_scope scope = gpuc__gce_classify(200, operation, call->doing, &error);

    if (scope == GPUC__GCE_SCOPE_RETRY) /* not with the same id: that names this operation */
        scope = GPUC__GCE_SCOPE_FINAL;
    if (error)
        gpuc__gce_call_fail_with(call, operation, scope, error);
    else
        gpuc__gce_call_finish(call, operation, GPUC__GCE_SCOPE_NONE, NULL);
}

void gpuc__gce_operation_take(gpuc__gce_call *call, json_t *operation)
{
    const char *status = json_string_value(json_object_get(operation, "status"));
    char *path = NULL;
    gpuc_error *error = NULL;
    bool known;

    gpuc__gce_operation_path(&path, operation, call->operation ? call->operation : call->path,
                             &error);
    known = status && (strcmp(status, "DONE") == 0 || strcmp(status, "RUNNING") == 0 ||
                       strcmp(status, "PENDING") == 0);
    if (path && (!known || (call->operation && !gpuc__gce_same_link(path, call->operation)))) {
        gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                        "the answer is not about the operation asked for, or has an unknown status "
                        "(%.200s: %.50s)",
                        path, status ? status : "missing");
        gpuc__error_remedy(&error, "check the endpoint, and any proxy in between; then try again");
    }
    if (error) {
        gpuc__free(path);
        gpuc__gce_call_odd(call, error);
        return;
    }
    if (!call->operation)
        call->operation = path;
    else
        gpuc__free(path);
    if (strcmp(status, "DONE") == 0)
        take_done(call, operation);
    else if (call->rounds)
        wait_again(call);
    else
        ask_wait(call);
}

static void begin_mutation(gpuc__gce_call *call)
{
    gpuc__gce_call_request(call, call->method, gpuc__gce_call_target(call, NULL),
                           call->safe || call->request_id, gpuc__gce_operation_take);
}

gpuc__gce_call *gpuc__gce_mutate(gpuc__gce_client *client, const gpuc__gce_args *args)
{
    gpuc__gce_call *call = gpuc__gce_call_new(client, args);

    if (call)
        gpuc__gce_call_after(call, 0, begin_mutation);
    return call;
}

/* The operation as it was given may be done, failed or no operation at all. */
static void begin_wait(gpuc__gce_call *call)
{
    json_t *operation = call->items;
    gpuc_error *error = NULL;

    call->items = NULL;
    if (gpuc__gce_check_project(call->path, operation, &error) == GPUC_OK)
        gpuc__gce_operation_take(call, operation);
    else
        gpuc__gce_call_fail(call, GPUC__GCE_SCOPE_FINAL, error);
    json_decref(operation);
}

gpuc__gce_call *gpuc__gce_wait(gpuc__gce_client *client, const json_t *operation,
                               const gpuc__gce_args *args)
{
    gpuc__gce_call *call = gpuc__gce_call_new(client, args);

    if (!call)
        return NULL;
    call->safe = false; /* something is under way */
    call->items = json_incref((json_t *)operation);
    gpuc__gce_call_after(call, 0, begin_wait);
    return call;
}

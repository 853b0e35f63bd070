/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the pre-flight: the project alone, then one for each kind of thing. */
#include <stdlib.h>
#include <string.h>

#include "provider/gce/check.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define FILTER_MAX 16384
#define ANSWER_MAX (16 * 1024 * 1024)
#define FAMILY_QUOTA                                                                               \
    "locations/global/services/compute.googleapis.com/quotaInfos/"                                 \
    "GPUS-PER-GPU-FAMILY-per-project-region"

typedef struct request {
    gpuc__gce_client *client;
    const char *method;
    char *path, *query; /* consumed; a NULL path is no memory */
    const json_t *body;
    const char *kind; /* of a list; "" of one that is not aggregated; NULL: no list */
    const char *doing, *fact;
    char *key; /* consumed */
    int rank;
    bool optional;
} request;

static gpuc__gce_call *send_it(const gpuc__gce_ask *ask, const request *r)
{
    gpuc__gce_args args = {.method = r->method ? r->method : "GET",
                           .path = r->path,
                           .query = r->query,
                           .body = r->body,
                           .safe = true,
                           .doing = r->doing,
                           .limit_ms = r->optional ? 20000 : 120000,
                           .answer_max = ANSWER_MAX,
                           .done = gpuc__gce_check_answer,
                           .data = (void *)ask};

    if (!r->kind)
        return gpuc__gce_send(ask->client, &args);
    return gpuc__gce_list(ask->client, &args, *r->kind ? r->kind : NULL);
}

static int ask(gpuc__gce_check_task *check, request r, gpuc_error **err)
{
    gpuc__gce_ask *a = r.path ? gpuc__calloc(1, sizeof(*a)) : NULL;
    int rc = GPUC_OK;

    if (a) {
        a->check = check;
        a->client = gpuc__gce_client_ref(r.client ? r.client : check->provider->client);
        a->fact = r.fact;
        a->key = r.key;
        a->rank = r.rank;
        a->optional = r.optional;
        a->call = send_it(a, &r);
    }
    if (!a || !a->call) {
        rc = gpuc__error_nomem(err);
        gpuc__free(r.key);
        if (a)
            gpuc__gce_client_unref(a->client);
        gpuc__free(a);
    } else {
        a->next = check->asks;
        a->link = &check->asks;
        if (a->next)
            a->next->link = &a->next;
        check->asks = a;
        check->pending++;
    }
    gpuc__free(r.path);
    gpuc__free(r.query);
    return rc;
}

/* "projects/P/" and the rest, with up to two names put in escaped. */
static char *path_of(const char *project, const char *format, const char *one, const char *two)
{
    char *p = gpuc__http_escape(project), *a = gpuc__http_escape(one ? one : "");
    char *b = gpuc__http_escape(two ? two : ""), *path = NULL;
    gpuc__buf buf = GPUC__BUF_INIT(4096);

    if (p && a && b) {
        gpuc__buf_printf(&buf, "projects/%s", p);
        for (const char *names = a; *format; format++) {
            if (*format != '*') {
                gpuc__buf_putc(&buf, *format);
                continue;
            }
            gpuc__buf_puts(&buf, names);
            names = b;
        }
        path = gpuc__buf_take(&buf);
    }
    gpuc__buf_clear(&buf);
    gpuc__free(p);
    gpuc__free(a);
    gpuc__free(b);
    return path;
}

int gpuc__gce_ask_project(gpuc__gce_check_task *check, gpuc_error **err)
{
    return ask(check,
               (request){.path = path_of(check->provider->project, "", NULL, NULL),
                         .doing = "looking at the project",
                         .fact = "project"},
               err);
}

/* "filter=(name=a) OR (name=b)" of all names, escaped. NULL without memory. */
static char *name_filter(const json_t *names)
{
    gpuc__buf filter = GPUC__BUF_INIT(FILTER_MAX);
    char *escaped = NULL, *query = NULL;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)names, name, value)
    {
        gpuc__buf_printf(&filter, json_object_size(names) > 1 ? "%s(name=%s)" : "%sname=%s",
                         filter.length ? " OR " : "", name);
    }
    if (!filter.failed)
        escaped = gpuc__http_escape(gpuc__buf_text(&filter));
    if (escaped)
        query = gpuc__asprintf("filter=%s", escaped);
    gpuc__free(escaped);
    gpuc__buf_clear(&filter);
    return query;
}

/* All items of that kind, of every zone, whose names are wanted: those of other zones tell where
 * else it can be had. */
static int ask_kind(gpuc__gce_check_task *check, json_t *names, const char *kind, const char *doing,
                    int rank, gpuc_error **err)
{
    char *path, *query;

    if (json_object_size(names) == 0)
        return GPUC_OK;
    path = path_of(check->provider->project, "/aggregated/*", kind, NULL);
    query = name_filter(names);
    if (!query) {
        gpuc__free(path);
        return gpuc__error_nomem(err);
    }
    return ask(
        check,
        (request){
            .path = path, .query = query, .kind = kind, .doing = doing, .fact = kind, .rank = rank},
        err);
}

static int ask_types(gpuc__gce_check_task *check, gpuc_error **err)
{
    json_t *gpus = json_object(), *types = json_object();
    int rc = gpus && types ? GPUC_OK : gpuc__error_nomem(err);

    for (size_t i = 0; !rc && i < check->wish.spec->machine_count; i++) {
        const gpuc__gce_shape *shape = &check->wish.shapes[i];

        if ((shape->gpu && json_object_set_new(gpus, shape->gpu, json_true())) ||
            (!strstr(shape->machine_type, "custom-") &&
             json_object_set_new(types, shape->machine_type, json_true())))
            rc = gpuc__error_nomem(err);
    }
    if (!rc)
        rc =
            ask_kind(check, gpus, "acceleratorTypes", "looking where the accelerators are", 2, err);
    if (!rc)
        rc = ask_kind(check, types, "machineTypes", "looking where the machine types are", 3, err);
    json_decref(gpus);
    json_decref(types);
    return rc;
}

static int ask_images(gpuc__gce_check_task *check, gpuc_error **err)
{
    json_t *asked = json_object();
    int rc = asked ? GPUC_OK : gpuc__error_nomem(err);

    for (size_t i = 0; !rc && i < check->wish.spec->machine_count; i++) {
        const gpuc__gce_shape *shape = &check->wish.shapes[i];
        char *key = gpuc__asprintf("%s/%s", shape->image_project, shape->image_family);

        if (!key) {
            rc = gpuc__error_nomem(err);
        } else if (json_object_get(asked, key)) {
            gpuc__free(key);
        } else if (json_object_set_new(asked, key, json_true())) {
            gpuc__free(key);
            rc = gpuc__error_nomem(err);
        } else {
            rc = ask(check,
                     (request){.path = path_of(shape->image_project, "/global/images/family/*",
                                               shape->image_family, NULL),
                               .doing = "resolving an image family",
                               .fact = "images",
                               .key = key,
                               .rank = 4},
                     err);
        }
    }
    json_decref(asked);
    return rc;
}

static int ask_regions(gpuc__gce_check_task *check, gpuc_error **err)
{
    json_t *region;
    size_t i;
    int rc = GPUC_OK;

    json_array_foreach(check->wish.regions, i, region)
    {
        const char *name = json_string_value(region);
        char *key = gpuc__strdup(name);

        rc =
            key ? ask(check,
                      (request){.path = path_of(check->provider->project, "/regions/*", name, NULL),
                                .doing = "reading a region's quotas",
                                .fact = "regions",
                                .key = key,
                                .rank = 5},
                      err)
                : gpuc__error_nomem(err);
        if (rc)
            break;
    }
    return rc;
}

static int ask_network(gpuc__gce_check_task *check, gpuc_error **err)
{
    const gpuc__spec_model *spec = check->wish.spec;
    const char *project = check->provider->project;
    const char *region = json_string_value(json_array_get(check->wish.regions, 0));
    char *path;

    if (spec->subnetwork)
        path = path_of(project, "/regions/*/subnetworks/*", region, spec->subnetwork);
    else
        path =
            path_of(project, "/global/networks/*", spec->network ? spec->network : "default", NULL);
    return ask(
        check,
        (request){.path = path, .doing = "looking for the network", .fact = "network", .rank = 6},
        err);
}

/* What exists of the cluster is in use already. */
static int ask_instances(gpuc__gce_check_task *check, gpuc_error **err)
{
    char *value, *query, *path;

    if (!*check->provider->uuid) /* before the first `up` there is no label to ask for */
        return GPUC_OK;
    value = gpuc__http_escape(check->provider->uuid);
    query = value ? gpuc__asprintf("filter=labels.%s%%3D%s", GPUC__GCE_LABEL, value) : NULL;
    path = path_of(check->provider->project, "/aggregated/instances", NULL, NULL);
    gpuc__free(value);
    if (!query) {
        gpuc__free(path);
        return gpuc__error_nomem(err);
    }
    return ask(check,
               (request){.path = path,
                         .query = query,
                         .kind = "instances",
                         .doing = "listing the cluster's instances",
                         .fact = "instances",
                         .rank = 7},
               err);
}

/* Google's other APIs: asked at their own addresses, but never from a stand-in of Compute Engine's,
 * whose tokens are none of theirs. false: not to be asked. */
static bool open_other(gpuc__gce_client **out, gpuc__gce_check_task *check, const char *variable,
                       const char *google, const char *version)
{
    const char *address = getenv(variable),
               *compute = gpuc__gce_client_endpoint(check->provider->client);
    char *endpoint;
    bool open;

    if (!address || !*address)
        address = strncmp(compute, "https://compute.googleapis.com/", 31) == 0 ? google : NULL;
    if (!address)
        return false;
    endpoint =
        gpuc__asprintf("%s%s%s", address, address[strlen(address) - 1] == '/' ? "" : "/", version);
    open = endpoint && gpuc__gce_client_new(out, check->provider->context, check->provider->auth,
                                            endpoint, NULL) == GPUC_OK;
    gpuc__free(endpoint);
    return open;
}

static int ask_permissions(gpuc__gce_check_task *check, gpuc_error **err)
{
    gpuc__gce_client *client = NULL;
    json_t *names = NULL, *body;
    char *project, *path;
    int rc;

    if (!open_other(&client, check, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER",
                    "https://cloudresourcemanager.googleapis.com/", "v1/"))
        return gpuc__gce_wish_note(&check->wish, err, "permissions were not asked for");
    rc = gpuc__gce_permissions(&names, check->wish.spec, err);
    if (rc)
        goto done;
    body = json_pack("{s:o}", "permissions", names);
    project = gpuc__http_escape(check->provider->project);
    path = project ? gpuc__asprintf("projects/%s:testIamPermissions", project) : NULL;
    gpuc__free(project);
    rc = body ? ask(check,
                    (request){.client = client,
                              .method = "POST",
                              .path = path,
                              .body = body,
                              .doing = "asking for permissions",
                              .fact = "permissions",
                              .optional = true},
                    err)
              : gpuc__error_nomem(err);
    json_decref(body);
done:
    gpuc__gce_client_unref(client);
    return rc;
}

static bool needs_family(const gpuc__gce_wish *wish)
{
    const char *family = NULL;

    for (size_t i = 0; i < wish->spec->machine_count; i++) {
        if (!gpuc__gce_catalogue_quota(wish->catalogue, &wish->shapes[i], &family) && family)
            return true;
    }
    return false;
}

static int ask_families(gpuc__gce_check_task *check, gpuc_error **err)
{
    gpuc__gce_client *client = NULL;
    int rc;

    if (!needs_family(&check->wish) ||
        !open_other(&client, check, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDQUOTAS",
                    "https://cloudquotas.googleapis.com/", "v1/"))
        return GPUC_OK; /* the quota is then told as not known */
    rc = ask(check,
             (request){.client = client,
                       .path = path_of(check->provider->project, "/" FAMILY_QUOTA, NULL, NULL),
                       .doing = "reading the quotas by GPU family",
                       .fact = "families",
                       .optional = true},
             err);
    gpuc__gce_client_unref(client);
    return rc;
}

int gpuc__gce_ask_all(gpuc__gce_check_task *check, gpuc_error **err)
{
    char *zones = path_of(check->provider->project, "/zones", NULL, NULL);
    int rc = ask(
        check,
        (request){
            .path = zones, .kind = "", .doing = "listing the zones", .fact = "zones", .rank = 1},
        err);

    if (!rc)
        rc = ask_types(check, err);
    if (!rc)
        rc = ask_images(check, err);
    if (!rc)
        rc = ask_regions(check, err);
    if (!rc)
        rc = ask_network(check, err);
    if (!rc)
        rc = ask_instances(check, err);
    if (!rc)
        rc = ask_permissions(check, err);
    return rc ? rc : ask_families(check, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what carries the mark of a cluster: by label, and where there are no labels by what a
 * description or a comment begins with. */
#include <string.h>

#include "provider/gce/left.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define MARK GPUC__GCE_LABEL "="
#define LABELLED "filter=labels." GPUC__GCE_LABEL "%3A%2A" /* labels.gpucluster:* */

static const struct {
    const char *type, *path, *kind, *query;
} lists[] = {
    {"instance", "aggregated/instances", "instances", LABELLED},
    {"disk", "aggregated/disks", "disks", LABELLED},
    {"address", "aggregated/addresses", "addresses", LABELLED},
    {"firewall rule", "global/firewalls", NULL, NULL},
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* What goes into the path of a request: nothing else is taken from an answer. */
static bool is_path(const char *text)
{
    return text && strncmp(text, "projects/", 9) == 0 && strlen(text) < 512 &&
           !strstr(text, "..") && !strstr(text, "//") &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.:/ABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
               strlen(text);
}

/* "gpucluster=UUID port 443 of cluster NAME" */
static char *mark_of(const char *said)
{
    const char *uuid = said && strncmp(said, MARK, strlen(MARK)) == 0 ? said + strlen(MARK) : NULL;

    return uuid ? gpuc__strndup(uuid, strcspn(uuid, " ")) : NULL;
}

static char *name_in(const char *said)
{
    const char *at = said ? strstr(said, " cluster ") : NULL;

    return at ? gpuc__strndup(at + 9, strcspn(at + 9, " ")) : NULL;
}

static json_t *entry_of(const char *type, const json_t *resource, const char *path,
                        const char *cluster, const char *cluster_name)
{
    const char *zone = text_at(resource, "zone"), *region = text_at(resource, "region");
    const char *place = gpuc__gce_link_name(zone ? zone : region);
    const char *machine_type = gpuc__gce_link_name(text_at(resource, "machineType"));

    return json_pack("{s:s, s:s, s:s*, s:s, s:s*, s:s*, s:s*, s:s*, s:s}", "type", type, "name",
                     gpuc__gce_link_name(path), "zone", place, "cluster", cluster, "cluster_name",
                     cluster_name, "status", text_at(resource, "status"), "made",
                     text_at(resource, "creationTimestamp"), "machine_type", machine_type, "link",
                     path);
}

bool gpuc__gce_left_add(json_t *found, const char *type, const json_t *resource)
{
    const json_t *labels = json_object_get(resource, "labels");
    const char *said = text_at(resource, "description"), *label = text_at(labels, GPUC__GCE_LABEL);
    const char *path = gpuc__gce_link_path(text_at(resource, "selfLink"));
    bool rule = strcmp(type, "firewall rule") == 0;
    char *cluster = rule ? mark_of(said) : gpuc__strdup(label);
    char *name = rule ? name_in(said) : gpuc__strdup(text_at(labels, GPUC__GCE_LABEL_NAME));
    bool ok = true;

    if (cluster && *cluster && is_path(path))
        ok = json_array_append_new(found, entry_of(type, resource, path, cluster, name)) == 0;
    else if (rule ? said && strncmp(said, MARK, strlen(MARK)) == 0 && !cluster : label && !cluster)
        ok = false;
    gpuc__free(cluster);
    gpuc__free(name);
    return ok;
}

static void on_list(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_left *left = data;
    json_t *resource;
    size_t i;

    (void)scope;
    if (gpuc__gce_left_stopped(left, &error))
        return;
    json_array_foreach(error ? NULL : answer, i, resource) {
        if (!error && !gpuc__gce_left_add(left->found, lists[left->stage].type, resource))
            gpuc__error_nomem(&error);
    }
    if (error) {
        gpuc__gce_left_end(left, error);
        return;
    }
    left->stage++;
    gpuc__gce_left_next(left);
}

static void on_project(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_left *left = data;

    (void)scope;
    if (gpuc__gce_left_stopped(left, &error))
        return;
    if (!error && !gpuc__gce_left_add_keys(left->found, answer))
        gpuc__error_nomem(&error);
    gpuc__gce_left_end(left, error);
}

/* The next list; the project's metadata after the last one. */
void gpuc__gce_left_next(gpuc__gce_left *left)
{
    gpuc__provider *provider = left->provider;
    bool list = left->stage < LISTS;
    char *project = gpuc__http_escape(provider->project), *path = NULL, *doing = NULL;
    gpuc__gce_args args = {.method = "GET", .data = left};
    gpuc__gce_call *call = NULL;

    if (project)
        path = gpuc__asprintf("projects/%s%s%s", project, list ? "/" : "",
                              list ? lists[left->stage].path : "");
    doing = list ? gpuc__asprintf("listing what there is of type %s", lists[left->stage].type)
                 : gpuc__strdup("reading the project's metadata");
    args.path = path;
    args.doing = doing;
    args.done = list ? on_list : on_project;
    args.query = list ? lists[left->stage].query : NULL;
    if (path && doing)
        call = list ? gpuc__gce_list(provider->client, &args, lists[left->stage].kind)
                    : gpuc__gce_send(provider->client, &args);
    gpuc__free(project);
    gpuc__free(path);
    gpuc__free(doing);
    gpuc__gce_left_wait(left, call);
}

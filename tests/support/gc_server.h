/* SPDX-License-Identifier: Apache-2.0 */
/* A project with things in it (SIMULATED): aggregated lists, firewall rules, metadata; deleting is
 * done at once. */
#ifndef TEST_GC_SERVER_H
#define TEST_GC_SERVER_H
#include <jansson.h>
#include <stdbool.h>


#include "support/http_server.h"

#define GC_PROJECT "/compute/v1/projects/p1"
#define GC_LINK "https://www.googleapis.com/compute/v1/projects/p1/"
#define GC_THINGS 100

static struct {
    http_server http;
    pthread_mutex_t lock;
    struct gc_thing {
        char place[32], kind[16], name[64]; /* "zones/z1-a"; "global" */
        json_t *json;
        bool gone;
    } things[GC_THINGS];
    int count, deletes, conflicts;
    char order[16384];   /* names, as they were deleted */
    const char *refuse;  /* what cannot be deleted */
    const char *deny;    /* a list that cannot be had */
    const char *vanish;  /* is gone when it is to be deleted */
    char keys[1024];
    int print;
} gc_world;

/* A thing with the mark of a cluster; uuid NULL: somebody's. */
static inline void gc_put(const char *place, const char *kind, const char *name, const char *uuid,
                          const char *cluster)
{
    struct gc_thing *t = &gc_world.things[gc_world.count++];
    bool rule = strcmp(kind, "firewalls") == 0;

    snprintf(t->place, sizeof(t->place), "%s", place);
    snprintf(t->kind, sizeof(t->kind), "%s", kind);
    snprintf(t->name, sizeof(t->name), "%s", name);
    t->json = json_pack("{s:s, s:o, s:s}", "name", name, "selfLink",
                        json_sprintf(GC_LINK "%s/%s/%s", place, kind, name), "creationTimestamp",
                        "2026-11-23T10:00:00.000-08:00");
    if (strncmp(place, "zones/", 6) == 0)
        json_object_set_new(t->json, "zone", json_sprintf(GC_LINK "%s", place));
    if (strcmp(kind, "instances") == 0)
        json_object_set_new(t->json, "status", json_string("RUNNING"));
    if (rule)
        json_object_set_new(t->json, "description",
                            uuid ? json_sprintf("gpucluster=%s port 443 of cluster %s", uuid, cluster)
                                 : json_string("not gpucluster=x"));
    else
        json_object_set_new(t->json, "labels",
                            uuid ? json_pack("{s:s, s:s*}", "gpucluster", uuid, "gpucluster-name",
                                             cluster)
                                 : json_object());
}

static inline json_t *gc_list(const char *kind, bool aggregated)
{
    json_t *items = aggregated ? json_object() : json_array();

    for (int i = 0; i < gc_world.count; i++) {
        struct gc_thing *t = &gc_world.things[i];

        if (t->gone || strcmp(t->kind, kind) != 0)
            continue;
        if (!aggregated) {
            json_array_append(items, t->json);
            continue;
        }
        if (!json_object_get(items, t->place))
            json_object_set_new(items, t->place, json_pack("{s:[]}", kind));
        json_array_append(json_object_get(json_object_get(items, t->place), kind), t->json);
    }
    return json_pack("{s:o}", "items", items);
}

static inline json_t *gc_error(int status)
{
    return json_pack("{s:{s:i,s:s,s:[{s:s}]}}", "error", "code", status, "message", "no", "errors",
                     "reason", status == 404 ? "notFound" : status == 412 ? "conditionNotMet" : "forbidden");
}

static inline json_t *gc_operation(void)
{
    return json_pack("{s:s,s:s,s:s,s:s}", "kind", "compute#operation", "name", "o-1", "status", "DONE",
                     "selfLink", GC_LINK "global/operations/o-1");
}

static inline json_t *gc_delete(const char *path, int *status)
{
    gc_world.deletes++;
    for (int i = 0; i < gc_world.count; i++) {
        struct gc_thing *t = &gc_world.things[i];
        char own[160];

        snprintf(own, sizeof(own), "/%s/%s/%s", t->place, t->kind, t->name);
        if (t->gone || strcmp(own, path) != 0)
            continue;
        if (gc_world.refuse && strcmp(gc_world.refuse, t->name) == 0) {
            *status = 403;
            return gc_error(403);
        }
        t->gone = true;
        snprintf(gc_world.order + strlen(gc_world.order),
                 sizeof(gc_world.order) - strlen(gc_world.order), "%s ", t->name);
        if (!gc_world.vanish || strcmp(gc_world.vanish, t->name) != 0)
            return gc_operation();
    }
    *status = 404;
    return gc_error(404);
}

static inline json_t *gc_metadata(const json_t *body, int *status)
{
    const char *keys;
    char print[16];

    if (gc_world.conflicts-- > 0)
        gc_world.print++;
    snprintf(print, sizeof(print), "f%d", gc_world.print);
    if (strcmp(json_string_value(json_object_get(body, "fingerprint")), print) != 0) {
        *status = 412;
        return gc_error(412);
    }
    gc_world.print++;
    keys = json_string_value(
        json_object_get(json_array_get(json_object_get(body, "items"), 0), "value"));
    snprintf(gc_world.keys, sizeof(gc_world.keys), "%s", keys ? keys : "");
    return gc_operation();
}

static inline json_t *gc_answer(const http_server_request *r, int *status)
{
    char path[512] = "", print[16];
    json_t *body, *answer;

    sscanf(r->target + strlen(GC_PROJECT), "%511[^?]", path);
    if (gc_world.deny && strstr(path, gc_world.deny)) {
        *status = 403;
        return gc_error(403);
    }
    if (strcmp(r->method, "DELETE") == 0)
        return gc_delete(path, status);
    if (strncmp(path, "/aggregated/", 12) == 0)
        return gc_list(path + 12, true);
    if (strcmp(path, "/global/firewalls") == 0)
        return gc_list("firewalls", false);
    if (strcmp(r->method, "POST") == 0) {
        body = json_loads(r->body, 0, NULL);
        answer = gc_metadata(body, status);
        json_decref(body);
        return answer;
    }
    snprintf(print, sizeof(print), "f%d", gc_world.print);
    return json_pack("{s:s,s:{s:s,s:[{s:s,s:s}]}}", "name", "p1", "commonInstanceMetadata",
                     "fingerprint", print, "items", "key", "ssh-keys", "value", gc_world.keys);
}

static inline void gc_serve(http_server *server, int fd)
{
    http_server_request r;

    while (http_server_read(fd, &r)) {
        int status = 200;
        json_t *answer;
        char *text;

        pthread_mutex_lock(&gc_world.lock);
        answer = gc_answer(&r, &status);
        text = json_dumps(answer, 0);
        json_decref(answer);
        pthread_mutex_unlock(&gc_world.lock);
        http_server_answer(fd, status, text);
        free(text);
        free(r.body);
    }
    free(r.body);
}

static inline void gc_begin(void)
{
    memset(&gc_world, 0, sizeof(gc_world));
    pthread_mutex_init(&gc_world.lock, NULL);
    http_server_start(&gc_world.http, NULL, gc_serve, NULL);
}

static inline void gc_finish(void)
{
    http_server_stop(&gc_world.http);
    for (int i = 0; i < gc_world.count; i++)
        json_decref(gc_world.things[i].json);
}

static inline int gc_left(void)
{
    int n = 0;

    for (int i = 0; i < gc_world.count; i++)
        n += !gc_world.things[i].gone;
    return n;
}
#endif

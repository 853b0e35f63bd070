/* SPDX-License-Identifier: Apache-2.0 */
/* A small Compute Engine (SIMULATED) for tests of the provider: instances, operations that are done
 * at once, request ids that are remembered, faults as a test wants them. */
#ifndef TEST_GCE_SERVER_H
#define TEST_GCE_SERVER_H
#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "support/http_server.h"

#define GCE_BASE "/compute/v1/projects/p1/"
#define GCE_KEY "AAAAC3NzaC1lZDI1NTE5AAAAILlCh0STabcdefghijklmnopqrstuvwxyz012345"

/* The first fault whose match is part of "METHOD /path?query" and that is not used up applies. */
typedef struct gce_fault {
    const char *match;
    int skip, times; /* times 0: always */
    int status;      /* 0: the connection is closed; -1: hangs */
    const char *body;
    bool effect;     /* first does what is asked */
    int used;
} gce_fault;

typedef struct gce_instance {
    char name[64], zone[32], status[20], uuid[64], machine[64];
    int keys_after; /* asked so often before there are keys */
    int runs_after; /* listed so often before it runs; -1: vanishes then */
    int id;
    int64_t listed_at; /* not in lists before: ms of the monotonic clock */
    bool gone;
} gce_instance;

typedef struct gce_server {
    http_server http;
    pthread_mutex_t lock;
    gce_instance instances[256];
    int count, ids;
    char requests[128][64]; /* ids seen */
    int request_count;
    gce_fault *faults;      /* ends with a NULL match */
    int room;               /* machines a bulkInsert makes at most; 0: all */
    int keys_after, runs_after; /* of new instances */
    int listed_after_ms;    /* likewise: how far behind lists are */
    bool first_is_listed;   /* but for the first one */
    char log[128 * 1024];   /* "METHOD /path" of each request, a line each */
    char bodies[256 * 1024];
    void (*arrived)(const char *line); /* under the lock, for each request */
} gce_server;

static gce_server gce;

static inline int64_t gce_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* As a server does after a while: a request under an old id is a new one. */
static inline void gce_forget_ids(void)
{
    pthread_mutex_lock(&gce.lock);
    gce.request_count = 0;
    pthread_mutex_unlock(&gce.lock);
}

static inline gce_instance *gce_find(const char *name, const char *zone)
{
    for (int i = 0; i < gce.count; i++) {
        gce_instance *in = &gce.instances[i];

        if (!in->gone && strcmp(in->name, name) == 0 && (!zone || strcmp(in->zone, zone) == 0))
            return in;
    }
    return NULL;
}

static inline gce_instance *gce_set_status(gce_instance *in, const char *status)
{
    snprintf(in->status, sizeof(in->status), "%s", status);
    return in;
}

static inline gce_instance *gce_add(const char *name, const char *zone, const char *uuid)
{
    gce_instance *in = &gce.instances[gce.count++];

    memset(in, 0, sizeof(*in));
    snprintf(in->name, sizeof(in->name), "%s", name);
    snprintf(in->zone, sizeof(in->zone), "%s", zone);
    snprintf(in->uuid, sizeof(in->uuid), "%s", uuid);
    gce_set_status(in, gce.runs_after ? "STAGING" : "RUNNING");
    in->keys_after = gce.keys_after;
    in->runs_after = gce.runs_after;
    in->listed_at = gce_now_ms() + (gce.first_is_listed && !gce.ids ? 0 : gce.listed_after_ms);
    in->id = ++gce.ids;
    return in;
}

/* How often an instance of that name was made, and how many there are. */
static inline int gce_made(const char *name)
{
    int n = 0;

    for (int i = 0; i < gce.count; i++)
        n += strcmp(gce.instances[i].name, name) == 0;
    return n;
}

static inline int gce_left(void)
{
    int n = 0;

    for (int i = 0; i < gce.count; i++)
        n += !gce.instances[i].gone;
    return n;
}

static inline int gce_asked(const char *part)
{
    int n = 0;

    for (const char *at = gce.log; (at = strstr(at, part)); at++)
        n++;
    return n;
}

static inline json_t *gce_instance_json(gce_instance *in)
{
    json_t *labels = json_object();

    if (in->uuid[0])
        json_object_set_new(labels, "gpucluster", json_string(in->uuid));
    if (in->machine[0])
        json_object_set_new(labels, "gpucluster-machine", json_string(in->machine));
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:[{s:o, s:[{s:o}]}]}", "id",
                     json_sprintf("%d", in->id), "name", in->name, "status", in->status, "zone",
                     json_sprintf("https://www.googleapis.com/compute/v1/projects/p1/zones/%s",
                                  in->zone),
                     "machineType", json_sprintf("projects/p1/zones/%s/machineTypes/n1-standard-2",
                                                 in->zone),
                     "labels", labels, "networkInterfaces", "networkIP",
                     json_sprintf("10.0.0.%d", in->id % 250), "accessConfigs", "natIP",
                     json_sprintf("192.0.2.%d", in->id % 250));
}

static inline json_t *gce_list(void)
{
    json_t *items = json_object();

    for (int i = 0; i < gce.count; i++) {
        gce_instance *in = &gce.instances[i];
        char key[48];

        if (in->gone || gce_now_ms() < in->listed_at)
            continue;
        if (in->runs_after && --in->runs_after == 0)
            gce_set_status(in, "RUNNING");
        in->gone = in->runs_after < -1;
        snprintf(key, sizeof(key), "zones/%s", in->zone);
        if (!json_object_get(items, key))
            json_object_set_new(items, key, json_pack("{s:[]}", "instances"));
        json_array_append_new(json_object_get(json_object_get(items, key), "instances"),
                              gce_instance_json(in));
    }
    return json_pack("{s:o}", "items", items);
}

static inline bool gce_seen(const char *id)
{
    for (int i = 0; i < gce.request_count; i++) {
        if (strcmp(gce.requests[i], id) == 0)
            return true;
    }
    return false;
}

static inline json_t *gce_operation(const char *place, const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind", "compute#operation", "name", "op-1",
                     "status", "DONE", "clientOperationId", id, "selfLink",
                     json_sprintf("http://x/compute/v1/projects/p1/%s/operations/op-1", place));
}

static inline const char *gce_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static inline void gce_insert(const json_t *properties, const char *name, const char *zone)
{
    const json_t *labels = json_object_get(properties, "labels");
    gce_instance *in = gce_add(name, zone, gce_text(labels, "gpucluster"));

    snprintf(in->machine, sizeof(in->machine), "%s", gce_text(labels, "gpucluster-machine"));
}

static inline void gce_bulk(const json_t *body, const char *place)
{
    const json_t *properties = json_object_get(body, "instanceProperties");
    json_t *each = json_object_get(body, "perInstanceProperties"), *value;
    bool denied = json_object_get(json_object_get(body, "locationPolicy"), "locations");
    char zone[sizeof(gce.instances->zone)];
    const char *name;
    int made = 0;

    snprintf(zone, sizeof(zone), "%s%s", strchr(place, '/') + 1,
             strncmp(place, "regions/", 8) != 0 ? "" : denied ? "-b" : "-a");
    json_object_foreach(each, name, value) {
        if (!gce.room || made++ < gce.room)
            gce_insert(properties, name, zone);
    }
}

/* Does what a mutation asks for; NULL: 404. */
static inline json_t *gce_mutate(const char *method, char *path, const char *id,
                                 const json_t *body)
{
    char place[64] = "", *instances = strstr(path, "/instances"), *name;
    gce_instance *in = NULL;
    json_t *answer;

    if (!instances || instances - path >= (int)sizeof(place))
        return NULL;
    memcpy(place, path, (size_t)(instances - path));
    name = instances + strlen("/instances");
    if (!gce_seen(id)) {
        char *verb = *name ? strchr(name + 1, '/') : NULL;

        if (verb)
            *verb = '\0';
        if (strcmp(name, "/bulkInsert") == 0)
            gce_bulk(body, place);
        else if (!*name)
            gce_insert(body, gce_text(body, "name"), strchr(place, '/') + 1);
        else if (!(in = gce_find(name + 1, strchr(place, '/') + 1)))
            return NULL;
        else if (strcmp(method, "DELETE") == 0)
            in->gone = true;
        else
            gce_set_status(in, "RUNNING");
        snprintf(gce.requests[gce.request_count++ % 128], 64, "%s", id);
    }
    answer = gce_operation(place, id);
    if (strcmp(name, "/bulkInsert") == 0)
        json_object_set_new(answer, "operationGroupId", json_string("group-1"));
    return answer;
}

static inline json_t *gce_keys(const char *path)
{
    char name[64] = "";
    gce_instance *in;

    sscanf(strstr(path, "/instances/") + 11, "%63[^/]", name);
    in = gce_find(name, NULL);
    if (!in || in->keys_after-- > 0)
        return NULL;
    in->keys_after = 0;
    return json_pack("{s:{s:[{s:s,s:s,s:s}]}}", "queryValue", "items", "namespace", "hostkeys",
                     "key", "ssh-ed25519", "value", GCE_KEY);
}

static inline json_t *gce_do(const http_server_request *r)
{
    char path[1024] = "", id[64] = "";
    const char *query = strchr(r->target, '?');
    json_t *body = json_loads(r->body ? r->body : "", 0, NULL), *answer = NULL;

    if (strncmp(r->target, GCE_BASE, strlen(GCE_BASE)) == 0)
        sscanf(r->target + strlen(GCE_BASE), "%1023[^?]", path);
    if (query && strstr(query, "requestId="))
        sscanf(strstr(query, "requestId=") + 10, "%36s", id);
    if (query && strstr(query, "clientOperationId"))
        sscanf(strstr(query, "%22") + 3, "%36s", id);
    if (strcmp(path, "aggregated/instances") == 0)
        answer = gce_list();
    else if (strstr(path, "/getGuestAttributes"))
        answer = gce_keys(path);
    else if (strcmp(path, "global/firewalls") == 0 && strcmp(r->method, "GET") == 0)
        answer = json_pack("{}");
    else if (strstr(path, "/serialPort"))
        answer = json_pack("{s:s}", "contents", "the console says why\n");
    else if (strstr(path, "/operations") && strcmp(r->method, "GET") == 0)
        answer = gce_seen(id) ? json_pack("{s:[o]}", "items", gce_operation("zones/z", id))
                              : json_pack("{}");
    else if (id[0])
        answer = gce_mutate(r->method, path, id, body);
    json_decref(body);
    return answer;
}

static inline gce_fault *gce_fault_for(const char *line)
{
    for (gce_fault *f = gce.faults; f && f->match; f++) {
        if (!strstr(line, f->match))
            continue;
        f->used++;
        if (f->used > f->skip && (!f->times || f->used <= f->skip + f->times))
            return f;
    }
    return NULL;
}

static inline void gce_serve(http_server *s, int fd)
{
    http_server_request r;
    char line[1100];

    while (http_server_read(fd, &r)) {
        json_t *answer = NULL;
        gce_fault *fault, copy = {0};
        char *text;

        snprintf(line, sizeof(line), "%s %s", r.method, r.target);
        pthread_mutex_lock(&gce.lock);
        if (gce.arrived)
            gce.arrived(line);
        snprintf(gce.log + strlen(gce.log), sizeof(gce.log) - strlen(gce.log), "%s\n", line);
        snprintf(gce.bodies + strlen(gce.bodies), sizeof(gce.bodies) - strlen(gce.bodies), "%s\n",
                 r.length ? r.body : "");
        fault = gce_fault_for(line);
        if (fault)
            copy = *fault;
        if (!fault || fault->effect)
            answer = gce_do(&r);
        pthread_mutex_unlock(&gce.lock);
        free(r.body);
        r.body = NULL;
        text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
        json_decref(answer);
        if (fault && copy.status < 0)
            http_server_hang(fd);
        if (!fault || copy.status > 0)
            http_server_answer(fd, fault ? copy.status : text ? 200 : 404,
                               fault && copy.body ? copy.body
                               : text             ? text
                                      : "{\"error\":{\"code\":404,\"message\":\"not found\","
                                        "\"errors\":[{\"reason\":\"notFound\"}]}}");
        free(text);
        if (fault && copy.status <= 0)
            break;
    }
    free(r.body);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The firewall rules and the metadata of a project (SIMULATED): fingerprints, request ids that are
 * remembered, operations that are done at once, faults, and neighbours who change the metadata. */
#ifndef TEST_GCE_SHARED_SERVER_H
#define TEST_GCE_SHARED_SERVER_H
#include <jansson.h>
#include <stdbool.h>


#include "support/http_server.h"

#define GCE_PROJECT "/compute/v1/projects/p1"

/* The nth request (from 1) whose "METHOD /path" holds match. */
typedef struct gce_shared_fault {
    const char *match;
    int nth;
    int status;  /* answered; 0: no answer until the client goes */
    bool effect; /* after it was done */
    int seen;
} gce_shared_fault;

static struct {
    http_server http;
    pthread_mutex_t lock;
    json_t *rules, *items, *seen; /* seen: request id → how often */
    int prints, operations, intruders; /* intruders: so many writes meet another writer */
    gce_shared_fault fault;
    char log[64 * 1024]; /* "METHOD path" of each request, a line each, without the project's path */
    char last_metadata[64 * 1024];
    bool deny_list;
} world;

static inline void world_begin(void)
{
    memset(&world, 0, sizeof(world));
    pthread_mutex_init(&world.lock, NULL);
    world.rules = json_array();
    world.items = json_array();
    world.seen = json_object();
}

static inline void world_finish(void)
{
    json_decref(world.rules);
    json_decref(world.items);
    json_decref(world.seen);
}

static inline json_t *world_rule(const char *name)
{
    json_t *rule;
    size_t i;

    json_array_foreach(world.rules, i, rule) {
        if (strcmp(json_string_value(json_object_get(rule, "name")), name) == 0)
            return rule;
    }
    return NULL;
}

static inline char *world_error(int status, const char *reason)
{
    json_t *root = json_pack("{s:{s:i,s:s,s:[{s:s,s:s}]}}", "error", "code", status, "message", reason,
                             "errors", "reason", reason, "message", reason);
    char *text = json_dumps(root, 0);

    json_decref(root);
    return text;
}

static inline char *world_operation(void)
{
    char *text = NULL;

    if (asprintf(&text,
                 "{\"kind\":\"compute#operation\",\"name\":\"o-%d\",\"status\":\"DONE\","
                 "\"selfLink\":\"https://www.googleapis.com/compute/v1/projects/p1/global/"
                 "operations/o-%d\"}",
                 world.operations, world.operations) < 0)
        abort();
    world.operations++;
    return text;
}

static inline char *world_set_metadata(json_t *body, int *status)
{
    char print[32];

    if (world.intruders) {
        world.intruders--;
        world.prints++;
        json_array_append_new(world.items, json_pack("{s:s,s:s}", "key", "intruder", "value", "x"));
    }
    snprintf(print, sizeof(print), "print-%d", world.prints);
    if (strcmp(json_string_value(json_object_get(body, "fingerprint")), print) != 0) {
        *status = 412;
        return world_error(412, "conditionNotMet");
    }
    json_decref(world.items);
    world.items = json_deep_copy(json_object_get(body, "items"));
    world.prints++;
    return world_operation();
}

static inline char *world_change_rule(const char *method, const char *name, json_t *body, int *status)
{
    json_t *rule = world_rule(name ? name : json_string_value(json_object_get(body, "name")));
    size_t i;

    if ((strcmp(method, "POST") == 0) == (rule != NULL)) {
        *status = rule ? 409 : 404;
        return world_error(*status, rule ? "alreadyExists" : "notFound");
    }
    if (!rule) {
        json_array_append_new(world.rules, json_deep_copy(body));
    } else if (strcmp(method, "PATCH") == 0) {
        json_object_update(rule, body);
    } else {
        for (i = 0; json_array_get(world.rules, i) != rule;)
            i++;
        json_array_remove(world.rules, i);
    }
    return world_operation();
}

/* What the request comes to: new text, and its status. */
static inline char *world_do(const http_server_request *r, const char *path, int *status)
{
    json_t *body = r->length ? json_loads(r->body, 0, NULL) : NULL, *root = NULL;
    const char *name = strncmp(path, "/global/firewalls/", 18) == 0 ? path + 18 : NULL;
    char bare[128] = "", print[32], *text;

    *status = 200;
    if (name)
        snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "?"), name);
    if (strncmp(path, "/setCommonInstanceMetadata", 26) == 0) {
        snprintf(world.last_metadata, sizeof(world.last_metadata), "%s", r->body);
        text = world_set_metadata(body, status);
    } else if (strncmp(path, "/global/firewalls", 17) == 0 && strcmp(r->method, "GET") != 0) {
        text = world_change_rule(r->method, name ? bare : NULL, body, status);
    } else if (strncmp(path, "/global/firewalls", 17) == 0 && world.deny_list) {
        *status = 403;
        text = world_error(403, "forbidden");
    } else if (strncmp(path, "/global/firewalls", 17) == 0) {
        root = json_pack("{s:O}", "items", world.rules);
        text = json_dumps(root, 0);
    } else {
        snprintf(print, sizeof(print), "print-%d", world.prints);
        root = json_pack("{s:s,s:{s:s,s:O}}", "name", "p1", "commonInstanceMetadata", "fingerprint",
                         print, "items", world.items);
        text = json_dumps(root, 0);
    }
    json_decref(root);
    json_decref(body);
    return text;
}

/* A request id that was seen before: what it did is not done again. */
static inline bool world_known(const char *target)
{
    const char *id = strstr(target, "requestId=");
    char key[37] = "";

    if (!id)
        return false;
    snprintf(key, sizeof(key), "%.36s", id + 10);
    if (json_object_get(world.seen, key))
        return true;
    json_object_set_new(world.seen, key, json_true());
    return false;
}

static inline bool world_fault(const char *line)
{
    gce_shared_fault *f = &world.fault;

    return f->match && strstr(line, f->match) && ++f->seen == f->nth;
}

static inline void world_serve(http_server *server, int fd)
{
    http_server_request r;

    while (http_server_read(fd, &r)) {
        const char *path = r.target + strlen(GCE_PROJECT);
        char line[1100], *text = NULL;
        int status = 200;
        bool hang = false;

        pthread_mutex_lock(&world.lock);
        snprintf(line, sizeof(line), "%s %.*s\n", r.method, (int)strcspn(path, "?"), path);
        strncat(world.log, line, sizeof(world.log) - strlen(world.log) - 1);
        if (world_fault(line)) {
            if (world.fault.effect && !world_known(r.target))
                free(world_do(&r, path, &status));
            hang = !world.fault.status;
            status = world.fault.status;
            text = world_error(status, status >= 500 ? "backendError" : "invalid");
        } else {
            text = world_known(r.target) ? world_operation() : world_do(&r, path, &status);
        }
        pthread_mutex_unlock(&world.lock);
        if (hang)
            http_server_hang(fd);
        else
            http_server_answer(fd, status, text);
        free(text);
        free(r.body);
        if (hang)
            return;
    }
    free(r.body);
}
#endif

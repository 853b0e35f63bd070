/* SPDX-License-Identifier: Apache-2.0 */
/* A pretended cluster with GPU nodes, whose pods end at once with the answer of a GPU machine. Include
 * after cmocka.h, gpu_data.h and gpu_machine.h. */
#ifndef TEST_KUBE_FLEET_H
#define TEST_KUBE_FLEET_H
#include <jansson.h>

#include "support/http_server.h"

#define NODE(name, status, more)                                                                   \
    "{\"metadata\":{\"name\":\"" name "\"" more "},\"status\":{\"conditions\":[{\"type\":\"Ready\","  \
    "\"status\":\"True\",\"reason\":\"KubeletReady\",\"message\":\"fine\"}]," status "}}"
#define GPUS(n) "\"capacity\":{\"nvidia.com/gpu\":\"" #n "\"},\"allocatable\":{\"nvidia.com/gpu\":\"" #n "\"}"
#define NONE "\"capacity\":{},\"allocatable\":{}"
#define POD(node, gpus)                                                                            \
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"x\"},\"spec\":{\"nodeName\":\"" node "\",\"containers\":["  \
    "{\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"" #gpus "\"}}}]},\"status\":{\"phase\":\"Running\"}}"

typedef struct kube_fleet {
    http_server server;
    pthread_mutex_t mutex;
    const char *nodes, *pods, *runtime_classes; /* items of the lists */
    const char *node;      /* as it is when it is asked for by its name; NULL: without GPUs */
    const char *denied;    /* "create jobs": of SelfSubjectAccessReview */
    const char *forbidden; /* a part of the paths that are answered with 403 */
    const char *pod_phase; /* NULL: Succeeded */
    int exit_code;         /* of the container, when the phase is an end */
    char *machine, *probe; /* what a pod's log says; the nonce is "nonce123" */
    json_t *jobs;          /* as they were created */
    int created, deleted, reviews, logs;
    char patched[2048];
} kube_fleet;

static kube_fleet fleet;

static void fleet_make_machine(void)
{
    const gpu_machine m = GPU_MACHINE_SIMULATED;
    size_t length, at = 0;
    char *xml = gpu_fixture(m.fixture, &length), *text = malloc(length + 16384);

    at += gpu_section(text + at, "facts", m.facts, 0);
    /* a pod's /sys shows the machine's other GPUs, too */
    at += gpu_section(text + at, "pci",
                      "0000:00:04.0 0x10de 0x1eb8 0x030200 -\n0000:00:05.0 0x10de 0x1eb8 0x030200 -", 0);
    at += gpu_section(text + at, "smi", xml, 0);
    snprintf(text + at, 64, "==nonce123 done\n");
    free(xml);
    fleet.machine = text;
    fleet.probe = strdup("{\"event\":\"start\",\"runner\":\"python3\",\"devices\":1}\n"
                         "{\"event\":\"gpu\",\"device\":\"GPU-x\",\"bus\":\"0000:00:04.0\",\"status\":"
                         "\"pass\",\"mismatches\":0,\"host_mismatches\":0,\"gbs\":1.5,\"mib\":16}\n"
                         "{\"event\":\"end\"}\n");
}

static void fleet_json(int fd, int status, json_t *root)
{
    char *text = json_dumps(root, 0);

    http_server_answer(fd, status, text);
    free(text);
    json_decref(root);
}

static void fleet_list(int fd, const char *items)
{
    char text[16384];

    snprintf(text, sizeof(text), "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[%s]}",
             items ? items : "");
    http_server_answer(fd, 200, text);
}

static void fleet_review(int fd, const char *body)
{
    json_t *root = json_loads(body, 0, NULL);
    json_t *a = json_object_get(json_object_get(root, "spec"), "resourceAttributes");
    char what[200];

    snprintf(what, sizeof(what), "%s %s", json_string_value(json_object_get(a, "verb")),
             json_string_value(json_object_get(a, "resource")));
    fleet.reviews++;
    fleet_json(fd, 201, json_pack("{s:{s:b}}", "status", "allowed",
                                  !fleet.denied || strcmp(fleet.denied, what) != 0));
    json_decref(root);
}

static void fleet_create(int fd, const char *body)
{
    json_t *job = json_loads(body, 0, NULL), *metadata = json_object_get(job, "metadata");

    json_object_set_new(metadata, "uid", json_string("ju"));
    json_object_set_new(metadata, "resourceVersion", json_string("1"));
    json_array_append(fleet.jobs, job);
    fleet.created++;
    fleet_json(fd, 201, job);
}

/* The job that the target names; NULL. */
static json_t *fleet_job(const char *target)
{
    json_t *job;
    size_t i;

    json_array_foreach(fleet.jobs, i, job) {
        const char *name = json_string_value(json_object_get(json_object_get(job, "metadata"), "name"));

        if (strstr(target, name))
            return job;
    }
    return NULL;
}

static json_t *fleet_pod(const json_t *job)
{
    const char *phase = fleet.pod_phase ? fleet.pod_phase : "Succeeded";
    const char *name = json_string_value(json_object_get(json_object_get(job, "metadata"), "name"));
    json_t *state = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0
                        ? json_pack("{s:{s:s, s:i}}", "terminated", "reason",
                                    fleet.exit_code ? "Error" : "Completed", "exitCode", fleet.exit_code)
                        : json_pack("{s:{s:s, s:s}}", "waiting", "reason", "InvalidImageName",
                                    "message", "couldn't parse image name");

    return json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:[{s:s}]}, s:{s:s, s:[{s:s, s:o}]}}", "metadata",
                     "name", name, "uid", "pu", "resourceVersion", "11", "spec", "restartPolicy",
                     "Never", "containers", "name", "gpucluster-verify", "status", "phase", phase,
                     "containerStatuses", "name", "gpucluster-verify", "state", state);
}

/* Every line of a pod's log, with the mark that its command was given. */
static void fleet_log(int fd, const char *target)
{
    json_t *spec = json_object_get(json_object_get(json_object_get(fleet_job(target), "spec"),
                                                   "template"), "spec");
    json_t *container = json_array_get(json_object_get(spec, "containers"), 0);
    const char *script = json_string_value(json_array_get(json_object_get(container, "command"), 3));
    const char *nonce = script ? strstr(script, "GPUC_NONCE=") : NULL;
    size_t size = strlen(fleet.machine) + strlen(fleet.probe) + 65536, at = 0;
    char *text = malloc(size), *save = NULL, *all = malloc(size);

    fleet.logs++;
    snprintf(all, size, "%s%s", fleet.machine, fleet.probe);
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *mark = strstr(line, "nonce123");

        if (mark && nonce)
            at += (size_t)snprintf(text + at, size - at, "2026-01-01T00:00:01Z %.*s%.32s%s\n",
                                  (int)(mark - line), line, nonce + 11, mark + 8);
        else
            at += (size_t)snprintf(text + at, size - at, "2026-01-01T00:00:01Z %s\n", line);
    }
    http_server_answer(fd, 200, text);
    free(text);
    free(all);
}

static void fleet_list_of(int fd, json_t *one)
{
    fleet_json(fd, 200, json_pack("{s:{s:s}, s:[o*]}", "metadata", "resourceVersion", "10", "items",
                                  one));
}

/* true: the connection stays open for more. */
static bool fleet_answer(int fd, const http_server_request *r)
{
    const char *t = r->target;

    if (strstr(t, "?watch")) {
        http_server_puts(fd, "HTTP/1.1 200 S\r\nTransfer-Encoding: chunked\r\n\r\n");
        return false;
    }
    if (fleet.forbidden && strstr(t, fleet.forbidden))
        http_server_answer(fd, 403, "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Forbidden\","
                                    "\"code\":403,\"message\":\"it is forbidden\"}");
    else if (strstr(t, "selfsubjectaccessreviews"))
        fleet_review(fd, r->body);
    else if (strcmp(r->method, "PATCH") == 0) {
        snprintf(fleet.patched, sizeof(fleet.patched), "%.200s %.1000s", t, r->body);
        http_server_answer(fd, 200, "{}");
    } else if (strcmp(r->method, "POST") == 0)
        fleet_create(fd, r->body);
    else if (strcmp(r->method, "DELETE") == 0) {
        fleet.deleted++;
        http_server_answer(fd, 200, "{}");
    } else if (strncmp(t, "/api/v1/nodes?", 14) == 0)
        fleet_list(fd, fleet.nodes);
    else if (strncmp(t, "/api/v1/nodes/", 14) == 0)
        http_server_answer(fd, 200, fleet.node ? fleet.node
                                               : "{\"metadata\":{\"name\":\"n\"},\"status\":{}}");
    else if (strncmp(t, "/api/v1/pods?", 13) == 0)
        fleet_list(fd, fleet.pods);
    else if (strstr(t, "runtimeclasses"))
        fleet_list(fd, fleet.runtime_classes);
    else if (strstr(t, "/jobs/") && fleet_job(t))
        fleet_json(fd, 200, json_incref(fleet_job(t)));
    else if (strstr(t, "/jobs?"))
        fleet_list_of(fd, json_incref(fleet_job(t)));
    else if (strstr(t, "/log?"))
        fleet_log(fd, t);
    else if (strstr(t, "/pods?"))
        fleet_list_of(fd, fleet_job(t) ? fleet_pod(fleet_job(t)) : NULL);
    else
        fleet_list(fd, "");
    return true;
}

/* The Job's own end comes after its pod's, whose log has been asked for by then. */
static void fleet_fail_job(int fd, const char *target)
{
    char *text = NULL;
    char head[32];

    for (int i = 0; i < 2000 && !text; i++) {
        pthread_mutex_lock(&fleet.mutex);
        if (fleet.logs && fleet_job(target)) {
            json_t *job = json_deep_copy(fleet_job(target));

            json_object_set_new(job, "status", json_pack("{s:[{s:s, s:s, s:s}]}", "conditions", "type",
                                                         "Failed", "status", "True", "reason",
                                                         "BackoffLimitExceeded"));
            job = json_pack("{s:s, s:o}", "type", "MODIFIED", "object", job);
            text = json_dumps(job, JSON_COMPACT);
            json_decref(job);
        }
        pthread_mutex_unlock(&fleet.mutex);
        usleep(1000);
    }
    snprintf(head, sizeof(head), "%zx\r\n", text ? strlen(text) + 1 : 0);
    http_server_puts(fd, head);
    http_server_puts(fd, text ? text : "");
    http_server_puts(fd, "\n\r\n");
    free(text);
}

static void fleet_serve(http_server *server, int fd)
{
    http_server_request r;
    bool more = true, fails = false;

    while (more && http_server_read(fd, &r)) {
        pthread_mutex_lock(&fleet.mutex);
        more = fleet_answer(fd, &r);
        fails = !more && fleet.pod_phase && strcmp(fleet.pod_phase, "Failed") == 0 &&
                strstr(r.target, "/jobs?watch");
        pthread_mutex_unlock(&fleet.mutex);
        free(r.body);
    }
    if (fails)
        fleet_fail_job(fd, r.target);
    if (!more)
        http_server_hang(fd);
}

static void fleet_begin(const char *nodes, const char *pods)
{
    memset(&fleet, 0, sizeof(fleet));
    pthread_mutex_init(&fleet.mutex, NULL);
    fleet.nodes = nodes;
    fleet.pods = pods;
    fleet.jobs = json_array();
    fleet_make_machine();
    http_server_start(&fleet.server, NULL, fleet_serve, NULL);
}

/* The way to it, with the current context "lab" and its namespace "team", beside "hall" with "guests". */
static void fleet_kubeconfig(const char *path)
{
    FILE *f = fopen(path, "w");

    fprintf(f,
            "clusters:\n- {name: c, cluster: {server: '%s'}}\n"
            "contexts:\n- {name: lab, context: {cluster: c, user: u, namespace: team}}\n"
            "- {name: hall, context: {cluster: c, user: u, namespace: guests}}\n"
            "users:\n- {name: u, user: {token: abc}}\ncurrent-context: lab\n",
            fleet.server.url);
    fclose(f);
}

static void fleet_end(void)
{
    http_server_stop(&fleet.server);
    json_decref(fleet.jobs);
    free(fleet.machine);
    free(fleet.probe);
}
#endif

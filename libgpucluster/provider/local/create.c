/* SPDX-License-Identifier: Apache-2.0 */
/* Making a machine. The instance's label `stage` tells a later call what a killed one had done:
 * "made" (it exists), "prepared" (its keys are in it: it may start), "ready" (it has its name). An
 * instance that was never prepared holds nothing and is made anew. */
#include <string.h>

#include "core/context.h"
#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

#define ADDRESS_MS 120000
#define TRIES_MAX 3

static void find(gpuc__local_task *task);

static void report(gpuc__local_task *task)
{
    task->deadline = gpuc__clock_ms() + ADDRESS_MS;
    gpuc__local_look(task);
}

static void on_stage(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    if (error)
        gpuc__local_end(task, error);
    else
        task->then(task);
}

static void set_stage(gpuc__local_task *task, const char *stage,
                      void (*then)(gpuc__local_task *task))
{
    task->then = then;
    gpuc__local_call(task, "PATCH", gpuc__asprintf("/1.0/instances/%s", task->instance),
                     json_pack("{s:{s:s}}", "config", GPUC__LOCAL_LABEL "stage", stage), on_stage);
}

static void named(gpuc__local_task *task)
{
    set_stage(task, "ready", report);
}

static void set_name(gpuc__local_task *task)
{
    gpuc__local_set_name(task, named);
}

/* A start that failed: LXC's own log says why. */
static void on_log(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    gpuc_error *failure = task->failure;

    task->failure = NULL;
    if (!error)
        gpuc__error_evidence(&failure, answer->body, answer->length);
    gpuc_error_unref(error);
    gpuc__local_end(task, failure);
}

static void take_start(gpuc__local_task *task, gpuc_error *error, void (*then)(gpuc__local_task *))
{
    if (!error) {
        then(task);
        return;
    }
    task->failure = error;
    gpuc__local_call_raw(task, "GET",
                         gpuc__asprintf("/1.0/instances/%s/logs/lxc.log", task->instance), NULL,
                         NULL, 0, on_log);
}

static void on_started(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    take_start(task, error, set_name);
}

static void on_restarted(gpuc__local_task *task, const gpuc__local_answer *answer,
                         gpuc_error *error)
{
    take_start(task, error, report);
}

static void start(gpuc__local_task *task, gpuc__local_next next)
{
    task->doing = "starting the machine";
    gpuc__local_call(task, "PUT", gpuc__asprintf("/1.0/instances/%s/state", task->instance),
                     json_pack("{s:s, s:i}", "action", "start", "timeout", 60), next);
}

static void first_start(gpuc__local_task *task)
{
    start(task, on_started);
}

static void prepared(gpuc__local_task *task)
{
    set_stage(task, "prepared", first_start);
}

static void on_made(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    bool raced = error && strstr(gpuc_error_message(error), "already exists");

    if (raced && task->tries++ < TRIES_MAX) { /* a request of a killed caller came in between */
        gpuc_error_unref(error);
        gpuc__local_settle(task, find);
    } else if (error) {
        gpuc__local_end(task, error);
    } else {
        gpuc__local_prepare(task, prepared);
    }
}

static int set_label(json_t *config, const char *name, const char *value)
{
    char key[64];

    snprintf(key, sizeof(key), GPUC__LOCAL_LABEL "%s", name);
    return value ? json_object_set_new(config, key, json_string(value)) : 0;
}

static json_t *config_of(const gpuc__local_task *task)
{
    const gpuc__machine_model *model = task->model;
    gpuc__local_facts facts;
    json_t *config;
    int failed = 0;
    char cpus[16];

    gpuc__local_facts_probe(&facts, "");
    config = gpuc__local_container_config(&facts);
    if (!config)
        return NULL;
    if (model->cpus > 0) {
        snprintf(cpus, sizeof(cpus), "%d", model->cpus);
        failed |= json_object_set_new(config, "limits.cpu", json_string(cpus));
    }
    if (model->memory)
        failed |= json_object_set_new(config, "limits.memory", json_string(model->memory));
    failed |= set_label(config, "cluster", task->provider->uuid);
    failed |= set_label(config, "machine", task->machine);
    failed |= set_label(config, "attempt", task->attempt);
    failed |= set_label(config, "image", gpuc__local_image(task->provider, model));
    failed |= set_label(config, "user", model->user);
    failed |= set_label(config, "stage", "made");
    if (failed) {
        json_decref(config);
        config = NULL;
    }
    return config;
}

/* GPUs that the spec names by PCI address. */
static json_t *devices_of(const gpuc__machine_model *model)
{
    json_t *devices = json_object();
    char name[16];

    for (int i = 0; devices && model->gpu_devices && model->gpu_devices[i]; i++) {
        snprintf(name, sizeof(name), "gpu%d", i);
        json_object_set_new(devices, name,
                            json_pack("{s:s, s:s}", "type", "gpu", "pci", model->gpu_devices[i]));
    }
    return devices;
}

static void make(gpuc__local_task *task)
{
    json_t *config = config_of(task), *devices = devices_of(task->model), *body = NULL;
    gpuc_error *error = NULL;

    if (config && devices)
        body = json_pack("{s:s, s:s, s:{s:s, s:s}, s:[s], s:O, s:O}", "name", task->instance,
                         "type", "container", "source", "type", "image", "alias",
                         gpuc__local_image(task->provider, task->model), "profiles", "default",
                         "config", config, "devices", devices);
    json_decref(config);
    json_decref(devices);
    if (!body) {
        gpuc__error_nomem(&error);
        gpuc__local_end(task, error);
        return;
    }
    task->doing = "making the machine";
    gpuc__local_call(task, "POST", gpuc__strdup("/1.0/instances"), body, on_made);
}

static void check_profile(gpuc__local_task *task)
{
    gpuc__local_check_profile(task, make);
}

static void check_image(gpuc__local_task *task)
{
    gpuc__local_check_image(task, gpuc__local_image(task->provider, task->model), check_profile);
}

/* An instance of ours is there: goes on where it was left. */
static void take_over(gpuc__local_task *task, const json_t *instance)
{
    const char *stage = gpuc__local_label(instance, "stage");
    const char *status = json_string_value(json_object_get(instance, "status"));
    bool running = status && strcmp(status, "Running") == 0;

    gpuc__log(task->provider->context, GPUC_LOG_INFO, "provider", "%s is there, %s: taken over",
              task->instance, stage ? stage : "made");
    if (stage && strcmp(stage, "ready") == 0) {
        if (running)
            report(task);
        else
            start(task, on_restarted);
    } else if (stage && strcmp(stage, "prepared") == 0) {
        if (running)
            set_name(task);
        else
            first_start(task);
    } else {
        gpuc__local_remove(task, instance, check_image);
    }
}

static void on_found(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    if (error && answer->status == 404) {
        gpuc_error_unref(error);
        check_image(task);
    } else if (error) {
        gpuc__local_end(task, error);
    } else if (!gpuc__local_is_ours(task, answer->metadata)) {
        gpuc__local_set_foreign(task, task->instance, &error);
        gpuc__local_end(task, error);
    } else {
        take_over(task, answer->metadata);
    }
}

static void find(gpuc__local_task *task)
{
    task->doing = "looking the machine up";
    gpuc__local_call(task, "GET", gpuc__asprintf("/1.0/instances/%s", task->instance), NULL,
                     on_found);
}

void gpuc__local_create(gpuc__local_task *task)
{
    task->wait = true;
    gpuc__local_settle(task, find);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting an instance, and waiting for what the daemon still does to it on behalf of a caller that
 * is gone. */
#include <string.h>

#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

/* Whether the operation concerns the instance. */
static bool concerns(const gpuc__local_task *task, const json_t *operation)
{
    json_t *list = json_object_get(json_object_get(operation, "resources"), "instances"), *entry;
    size_t i;

    json_array_foreach(list, i, entry) {
        const char *path = json_string_value(entry);
        const char *name = path ? strrchr(path, '/') : NULL;
        size_t length = strlen(task->instance);

        if (name && strncmp(name + 1, task->instance, length) == 0 &&
            (name[1 + length] == '\0' || name[1 + length] == '?'))
            return true;
    }
    return false;
}

static void on_operations(gpuc__local_task *task, const gpuc__local_answer *answer,
                          gpuc_error *error);

static void look_again(gpuc__local_task *task)
{
    task->doing = "waiting for what the daemon still does to the machine";
    gpuc__local_call(task, "GET", gpuc__strdup("/1.0/operations?recursion=1"), NULL, on_operations);
}

/* How it ended does not matter: what is there is looked at afterwards. */
static void on_operation(gpuc__local_task *task, const gpuc__local_answer *answer,
                         gpuc_error *error)
{
    gpuc_error_unref(error);
    gpuc__local_later(task, 50, look_again);
}

static void on_operations(gpuc__local_task *task, const gpuc__local_answer *answer,
                          gpuc_error *error)
{
    json_t *running = json_object_get(answer->metadata, "running"), *operation;
    size_t i;

    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    json_array_foreach(running, i, operation) {
        const char *id = json_string_value(json_object_get(operation, "id"));

        if (id && concerns(task, operation)) {
            gpuc__local_call(task, "GET",
                             gpuc__asprintf("/1.0/operations/%.36s/wait?timeout=10", id), NULL,
                             on_operation);
            return;
        }
    }
    task->then(task);
}

void gpuc__local_settle(gpuc__local_task *task, void (*then)(gpuc__local_task *task))
{
    task->then = then;
    look_again(task);
}

/* Gone is gone, whoever did it. */
static void on_deleted(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    if (error && answer->status == 404)
        error = gpuc_error_unref(error);
    if (error)
        gpuc__local_end(task, error);
    else
        task->then(task);
}

static void delete_it(gpuc__local_task *task)
{
    task->doing = "deleting the machine";
    gpuc__local_call(task, "DELETE", gpuc__asprintf("/1.0/instances/%s", task->instance), NULL,
                     on_deleted);
}

/* A failed stop shows again in the delete, which says more. */
static void on_stopped(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    gpuc_error_unref(error);
    delete_it(task);
}

void gpuc__local_remove(gpuc__local_task *task, const json_t *instance,
                        void (*then)(gpuc__local_task *task))
{
    const char *status = json_string_value(json_object_get(instance, "status"));

    task->then = then;
    if (status && strcmp(status, "Stopped") == 0) {
        delete_it(task);
        return;
    }
    task->doing = "stopping the machine";
    gpuc__local_call(task, "PUT", gpuc__asprintf("/1.0/instances/%s/state", task->instance),
                     json_pack("{s:s, s:b, s:i}", "action", "stop", "force", 1, "timeout", 30),
                     on_stopped);
}

static void destroyed(gpuc__local_task *task)
{
    gpuc__local_end(task, NULL);
}

static void on_found(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    if (error && answer->status == 404)
        error = gpuc_error_unref(error);
    else if (!error && gpuc__local_is_ours(task, answer->metadata)) {
        gpuc__local_remove(task, answer->metadata, destroyed);
        return;
    }
    gpuc__local_end(task, error); /* not there, or not ours: nothing to do */
}

static void find(gpuc__local_task *task)
{
    task->doing = "looking the machine up";
    gpuc__local_call(task, "GET", gpuc__asprintf("/1.0/instances/%s", task->instance), NULL,
                     on_found);
}

void gpuc__local_destroy(gpuc__local_task *task)
{
    gpuc__local_settle(task, find);
}

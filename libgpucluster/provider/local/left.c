/* SPDX-License-Identifier: Apache-2.0 */
/* Instances that clusters left behind: all that carry the label of one. */
#include <string.h>

#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

#define FIND_MS 60000
#define REMOVE_MS 180000

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The cluster's name is what the instance's begins with. */
static json_t *entry_of(const json_t *instance, const char *cluster, const char *machine)
{
    const char *name = text_at(instance, "name");
    size_t length = strlen(name), tail = strlen(machine);
    bool whole = length > tail + 1 && strcmp(name + length - tail, machine) == 0 &&
                 name[length - tail - 1] == '-';
    char *of = whole ? gpuc__strndup(name, length - tail - 1) : NULL;
    json_t *entry = json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*}", "type", "instance", "name", name,
                              "cluster", cluster, "cluster_name", of, "status",
                              text_at(instance, "status"), "made", text_at(instance, "created_at"));

    gpuc__free(of);
    return entry;
}

static void on_list(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    json_t *instance;
    size_t i;

    task->left = json_array();
    json_array_foreach(error ? NULL : answer->metadata, i, instance) {
        const char *cluster = gpuc__local_label(instance, "cluster");
        const char *machine = gpuc__local_label(instance, "machine");

        if (!error && cluster && machine && text_at(instance, "name") &&
            json_array_append_new(task->left, entry_of(instance, cluster, machine)) != 0)
            gpuc__error_nomem(&error);
    }
    gpuc__local_end(task, error);
}

static void find(gpuc__local_task *task)
{
    task->doing = "listing the daemon's instances";
    gpuc__local_call(task, "GET", gpuc__strdup("/1.0/instances?recursion=1"), NULL, on_list);
}

void gpuc__local_find_left(gpuc__provider *provider, gpuc__left_fn done, void *data)
{
    gpuc__local_begin(provider, &(gpuc__local_task){.left_done = done, .data = data}, NULL, FIND_MS,
                      find);
}

/* ---- removal ---- */

static void removed(gpuc__local_task *task)
{
    gpuc__local_end(task, NULL);
}

/* Removed only while it still is that cluster's. */
static void on_found(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const char *cluster = error ? NULL : gpuc__local_label(answer->metadata, "cluster");
    const char *of = text_at(task->left, "cluster");

    if (error && answer->status == 404)
        error = gpuc_error_unref(error);
    if (!error && cluster && of && strcmp(cluster, of) == 0)
        gpuc__local_remove(task, answer->metadata, removed);
    else
        gpuc__local_end(task, error);
}

static void look(gpuc__local_task *task)
{
    task->doing = "looking the machine up";
    gpuc__local_call(task, "GET", gpuc__asprintf("/1.0/instances/%s", task->instance), NULL,
                     on_found);
}

static void begin(gpuc__local_task *task)
{
    gpuc__local_settle(task, look);
}

/* An instance's name, which goes into a path. */
static bool is_name(const char *text)
{
    return text && text[0] && strlen(text) < 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz"
                                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                                "0123456789-") == strlen(text);
}

static void no_name(gpuc__local_task *task)
{
    gpuc_error *error = NULL;

    if (is_name(text_at(task->left, "name")))
        gpuc__error_nomem(&error);
    else
        gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                        "an instance's name cannot be used: \"%.70s\"",
                        text_at(task->left, "name"));
    gpuc__local_end(task, error);
}

void gpuc__local_remove_left(gpuc__provider *provider, const json_t *entry, gpuc__provider_fn done,
                             void *data)
{
    gpuc__local_task *task =
        gpuc__local_begin(provider, &(gpuc__local_task){.provider_done = done, .data = data}, NULL,
                          REMOVE_MS, begin);

    if (!task)
        return;
    task->left = json_deep_copy(entry);
    if (is_name(text_at(entry, "name")))
        task->instance = gpuc__strdup(text_at(entry, "name"));
    if (!task->left || !task->instance)
        task->then = no_name;
}

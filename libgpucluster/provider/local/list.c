/* SPDX-License-Identifier: Apache-2.0 */
/* All instances of the daemon, seen from one cluster: those that carry its label, and strangers
 * that stand where a machine of the spec is to be. */
#include <string.h>

#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

static void read_instances(gpuc__local_task *task, gpuc__local_next next)
{
    task->doing = "listing the daemon's instances";
    gpuc__local_call(task, "GET", gpuc__strdup("/1.0/instances?recursion=1"), NULL, next);
}

static void on_list(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    size_t i, n = 0, size = json_array_size(answer->metadata);
    const char **names = error ? NULL : gpuc__calloc(size + 1, sizeof(*names));
    json_t *instance;

    if (!error && !names)
        gpuc__error_nomem(&error);
    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    json_array_foreach(answer->metadata, i, instance) {
        const char *cluster = gpuc__local_label(instance, "cluster");
        const char *machine = gpuc__local_label(instance, "machine");

        if (cluster && machine && strcmp(cluster, task->provider->uuid) == 0)
            names[n++] = machine;
    }
    gpuc__local_end_names(task, names);
    gpuc__free(names);
}

void gpuc__local_list(gpuc__local_task *task)
{
    read_instances(task, on_list);
}

/* The machine of the spec whose place an instance of this name takes. */
static const char *machine_named(const gpuc__provider *provider, const char *instance)
{
    const gpuc__spec_model *spec = provider->spec;

    for (size_t i = 0; instance && i < spec->machine_count; i++) {
        char *name = gpuc__local_instance_name(spec->name, spec->machines[i].name);
        bool same = name && strcmp(name, instance) == 0;

        gpuc__free(name);
        if (same)
            return spec->machines[i].name;
    }
    return NULL;
}

static void on_check(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    json_t *instance;
    size_t i;

    json_array_foreach(error ? NULL : answer->metadata, i, instance) {
        const char *name = json_string_value(json_object_get(instance, "name"));
        const char *cluster = gpuc__local_label(instance, "cluster");
        const char *machine = machine_named(task->provider, name);

        if (machine && (!cluster || strcmp(cluster, task->provider->uuid) != 0)) {
            gpuc__local_set_foreign(task, name, &error);
            gpuc__error_at(&error, machine, NULL);
            break;
        }
    }
    gpuc__local_end(task, error);
}

void gpuc__local_set_foreign(const gpuc__local_task *task, const char *instance, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_EEXIST, GPUC_DOMAIN_PROVIDER,
                    "%s has an instance %s already, which this cluster did not make",
                    gpuc__local_daemon(task->provider), instance);
    gpuc__error_remedy(err, "give the cluster or the machine another name, or remove the instance "
                            "yourself (`%s delete %s`)",
                       gpuc__local_program(task->provider), instance);
}

static void check_names(gpuc__local_task *task)
{
    read_instances(task, on_check);
}

/* One image after the other, each once. */
static void check_next_image(gpuc__local_task *task)
{
    const gpuc__spec_model *spec = task->provider->spec;

    while (task->image_index < spec->machine_count) {
        const gpuc__machine_model *model = &spec->machines[task->image_index];
        const char *image = gpuc__local_image(task->provider, model);
        const char *before = task->model ? gpuc__local_image(task->provider, task->model) : NULL;

        task->image_index++;
        if (image && before && strcmp(image, before) == 0)
            continue;
        task->model = model;
        gpuc__local_check_image(task, image, check_next_image);
        return;
    }
    gpuc__local_check_profile(task, check_names);
}

void gpuc__local_check(gpuc__local_task *task)
{
    check_next_image(task);
}

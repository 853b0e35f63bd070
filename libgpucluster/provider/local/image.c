/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine is made from: the image, and the default profile's disk and network. */
#include <string.h>

#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/suggest.h"

#define NAMES_SHOWN 20

const char *gpuc__local_image(const gpuc__provider *provider, const gpuc__machine_model *model)
{
    return model->image ? model->image : provider->spec->provider_image;
}

static const char *wanted_image(const gpuc__local_task *task)
{
    return gpuc__local_image(task->provider, task->model);
}

/* The image is not there: says which are. */
static void on_aliases(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    gpuc__suggest near = gpuc__suggest_for(wanted_image(task));
    gpuc__buf names = GPUC__BUF_INIT(4096);
    gpuc_error *missing = NULL;
    json_t *alias;
    size_t i;

    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    json_array_foreach(answer->metadata, i, alias) {
        const char *name = json_string_value(json_object_get(alias, "name"));

        if (!name)
            continue;
        gpuc__suggest_try(&near, name);
        if (i < NAMES_SHOWN)
            gpuc__buf_printf(&names, "%s%s", names.length ? ", " : "", name);
    }
    gpuc__error_set(&missing, GPUC_ENOTFOUND, GPUC_DOMAIN_PROVIDER,
                    "%s has no image with the alias %s; it has %zu: %s",
                    gpuc__local_daemon(task->provider), wanted_image(task),
                    json_array_size(answer->metadata),
                    names.length ? gpuc__buf_text(&names) : "none");
    if (near.best)
        gpuc__error_remedy(&missing, "did you mean %s?", near.best);
    else
        gpuc__error_remedy(&missing,
                           "name one of them as the image, or copy one: `%s image copy images:"
                           "debian/12 local: --alias %s`",
                           gpuc__local_program(task->provider), wanted_image(task));
    gpuc__buf_clear(&names);
    gpuc__local_end(task, missing);
}

static void on_alias(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const char *type = json_string_value(json_object_get(answer->metadata, "type"));

    if (error && answer->status == 404) {
        gpuc_error_unref(error);
        gpuc__local_call(task, "GET", gpuc__strdup("/1.0/images/aliases?recursion=1"), NULL,
                         on_aliases);
        return;
    }
    if (!error && type && strcmp(type, "container") != 0) {
        gpuc__error_set(&error, GPUC_EUNSUPPORTED, GPUC_DOMAIN_PROVIDER,
                        "the image %s is for a %s; local machines are containers",
                        wanted_image(task), type);
        gpuc__error_remedy(&error, "name an image of type container");
    }
    if (error)
        gpuc__local_end(task, error);
    else
        task->then(task);
}

void gpuc__local_check_image(gpuc__local_task *task, const char *alias,
                             void (*then)(gpuc__local_task *task))
{
    gpuc_error *error = NULL;
    char *escaped;

    if (!alias) {
        gpuc__error_set(&error, GPUC_EINVAL, GPUC_DOMAIN_SPEC,
                        "the machine %s has no image, and the provider no default one",
                        task->model->name);
        gpuc__error_remedy(&error, "give the machine an image, or set provider.image");
        gpuc__local_end(task, error);
        return;
    }
    task->doing = "looking for the image";
    task->then = then;
    escaped = gpuc__http_escape(alias);
    gpuc__local_call(task, "GET",
                     escaped ? gpuc__asprintf("/1.0/images/aliases/%s", escaped) : NULL, NULL,
                     on_alias);
    gpuc__free(escaped);
}

static bool has_device(const json_t *devices, const char *type, const char *path)
{
    const char *name;
    json_t *device;

    json_object_foreach((json_t *)devices, name, device) {
        const char *is = json_string_value(json_object_get(device, "type"));
        const char *at = json_string_value(json_object_get(device, "path"));

        if (is && strcmp(is, type) == 0 && (!path || (at && strcmp(at, path) == 0)))
            return true;
    }
    return false;
}

static void on_profile(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const json_t *devices = json_object_get(answer->metadata, "devices");
    const char *program = gpuc__local_program(task->provider);

    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    if (!has_device(devices, "disk", "/")) {
        gpuc__error_set(&error, GPUC_ESTATE, GPUC_DOMAIN_PROVIDER,
                        "the default profile of %s gives machines no root disk",
                        gpuc__local_daemon(task->provider));
        gpuc__error_remedy(&error, "`%s storage create default dir`, then `%s profile device add "
                                   "default root disk path=/ pool=default`",
                           program, program);
    } else if (!has_device(devices, "nic", NULL)) {
        gpuc__error_set(&error, GPUC_ESTATE, GPUC_DOMAIN_PROVIDER,
                        "the default profile of %s gives machines no network",
                        gpuc__local_daemon(task->provider));
        gpuc__error_remedy(&error, "`%s network create gpucbr0`, then `%s profile device add "
                                   "default eth0 nic network=gpucbr0 name=eth0`",
                           program, program);
    }
    if (error)
        gpuc__local_end(task, error);
    else
        task->then(task);
}

void gpuc__local_check_profile(gpuc__local_task *task, void (*then)(gpuc__local_task *task))
{
    task->doing = "reading the default profile";
    task->then = then;
    gpuc__local_call(task, "GET", gpuc__strdup("/1.0/profiles/default"), NULL, on_profile);
}

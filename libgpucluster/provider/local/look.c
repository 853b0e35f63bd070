/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon knows of a machine: its state, its address, its host keys. */
#include <string.h>

#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

#define POLL_MS 300
#define LOOKS_MAX 8 /* for the address of a machine that runs */
#define NICS_MAX 16

static const char *const key_types[] = {"ed25519", "ecdsa", "rsa"};
#define KEY_TYPES (sizeof(key_types) / sizeof(key_types[0]))

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *gpuc__local_label(const json_t *instance, const char *name)
{
    char key[64];

    snprintf(key, sizeof(key), GPUC__LOCAL_LABEL "%s", name);
    return text_at(json_object_get(instance, "config"), key);
}

bool gpuc__local_is_ours(const gpuc__local_task *task, const json_t *instance)
{
    const char *cluster = gpuc__local_label(instance, "cluster");
    const char *machine = gpuc__local_label(instance, "machine");

    return cluster && machine && strcmp(cluster, task->provider->uuid) == 0 &&
           strcmp(machine, task->machine) == 0;
}

/* The machine's own network interfaces: later it has others (bridges of the pod network), whose
 * addresses are not for us. */
static bool take_nics(gpuc__local_task *task, const json_t *instance)
{
    json_t *devices = json_object_get(instance, "expanded_devices"), *device;
    const char *name;
    size_t n = 0;

    if (task->nics)
        return true;
    task->nics = gpuc__calloc(NICS_MAX + 1, sizeof(*task->nics));
    if (!task->nics)
        return false;
    json_object_foreach(devices, name, device) {
        const char *type = text_at(device, "type"), *inside = text_at(device, "name");

        if (!type || strcmp(type, "nic") != 0 || n == NICS_MAX)
            continue;
        task->nics[n] = gpuc__strdup(inside ? inside : name);
        if (!task->nics[n++])
            return false;
    }
    return true;
}

static bool take_info(gpuc__local_task *task, const json_t *instance)
{
    const gpuc__spec_model *spec = task->provider->spec;
    const gpuc__machine_model *model = gpuc__spec_model_machine(spec, task->machine);
    const char *user = gpuc__local_label(instance, "user");
    const char *image = gpuc__local_label(instance, "image");
    const char *status = text_at(instance, "status");

    gpuc__machine_info_clear(&task->info);
    task->info.port = 22;
    task->info.made_here = true;
    task->info.provider_id = gpuc__strdup(task->instance);
    task->info.user = gpuc__strdup(user ? user : model ? model->user : spec->ssh_user);
    task->info.status = gpuc__strdup(status ? status : "unknown");
    task->info.image = gpuc__strdup(image);
    return task->info.provider_id && task->info.user && task->info.status &&
           (!image || task->info.image) && take_nics(task, instance);
}

static void read_key(gpuc__local_task *task);
static void read_state(gpuc__local_task *task);

/* "type base64" of a public key file, which is whole only with its line break. */
static char *key_line(const char *body, size_t length)
{
    size_t type = strcspn(body, " \n"), data;

    if (!length || body[length - 1] != '\n' || body[type] != ' ')
        return NULL;
    data = strcspn(body + type + 1, " \n");
    if (strncmp(body, "ssh-", 4) != 0 && strncmp(body, "ecdsa-", 6) != 0)
        return NULL;
    return data > 32 ? gpuc__strndup(body, type + 1 + data) : NULL;
}

static void on_key(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    char *line = error ? NULL : key_line(answer->body, answer->length);

    if (error && answer->status != 404) {
        gpuc__local_end(task, error);
        return;
    }
    gpuc_error_unref(error);
    if (line)
        task->info.host_keys[task->key_count++] = line;
    if (++task->key_index < KEY_TYPES) {
        read_key(task);
    } else if (task->key_count || !task->wait) {
        if (!task->key_count) {
            gpuc__free(task->info.host_keys);
            task->info.host_keys = NULL;
        }
        gpuc__local_end(task, NULL);
    } else { /* the image makes its keys when it boots */
        task->doing = "waiting for the machine's SSH host keys";
        task->key_index = 0;
        gpuc__local_later(task, POLL_MS, read_key);
    }
}

static void read_key(gpuc__local_task *task)
{
    gpuc__local_call_raw(task, "GET",
                         gpuc__asprintf("/1.0/instances/%s/files?path=/etc/ssh/ssh_host_%s_key.pub",
                                        task->instance, key_types[task->key_index]),
                         NULL, NULL, 0, on_key);
}

/* The first global IPv4 address of one of its own interfaces; borrowed. */
static const char *find_address(const gpuc__local_task *task, const json_t *state)
{
    const json_t *network = json_object_get(state, "network");

    for (char **nic = task->nics; *nic; nic++) {
        json_t *list = json_object_get(json_object_get(network, *nic), "addresses"), *entry;
        size_t i;

        json_array_foreach(list, i, entry) {
            const char *family = text_at(entry, "family"), *scope = text_at(entry, "scope");

            if (family && scope && strcmp(family, "inet") == 0 && strcmp(scope, "global") == 0)
                return text_at(entry, "address");
        }
    }
    return NULL;
}

static void stopped(const gpuc__local_task *task, const char *status, gpuc_error **error)
{
    gpuc__error_set(error, GPUC_EREMOTE, GPUC_DOMAIN_PROVIDER, "the machine was started but is %s",
                    status);
    gpuc__error_remedy(error, "see `%s info %s --show-log`, and whether its image boots",
                       gpuc__local_program(task->provider), task->instance);
}

static void take_address(gpuc__local_task *task, const char *address)
{
    gpuc_error *error = NULL;

    task->info.address = gpuc__strdup(address);
    task->info.host_keys = gpuc__calloc(KEY_TYPES + 1, sizeof(char *));
    if (!task->info.address || !task->info.host_keys) {
        gpuc__error_nomem(&error);
        gpuc__local_end(task, error);
        return;
    }
    task->doing = "reading the machine's SSH host keys";
    task->key_index = task->key_count = 0;
    read_key(task);
}

static void on_state(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const char *address = error ? NULL : find_address(task, answer->metadata);
    const char *status = error ? NULL : text_at(answer->metadata, "status");

    if (task->wait && status && strcmp(status, "Running") != 0)
        stopped(task, status, &error);
    if (error)
        gpuc__local_end(task, error);
    else if (address)
        take_address(task, address);
    else if (task->wait || ++task->looks < LOOKS_MAX)
        /* The daemon asks the machine itself, which may be busy, or have begun just now. */
        gpuc__local_later(task, POLL_MS, read_state);
    else
        gpuc__local_end(task, NULL);
}

static void read_state(gpuc__local_task *task)
{
    task->doing = "waiting for the machine's IPv4 address";
    gpuc__local_call(task, "GET", gpuc__asprintf("/1.0/instances/%s/state", task->instance), NULL,
                     on_state);
}

static void on_instance(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const char *stage = gpuc__local_label(answer->metadata, "stage");
    const char *status = text_at(answer->metadata, "status");

    if (error) {
        if (answer->status == 404 && !task->wait)
            error = gpuc_error_unref(error);
        gpuc__local_end(task, error);
        return;
    }
    if (!gpuc__local_is_ours(task, answer->metadata)) { /* to a look it is not there */
        if (task->wait)
            gpuc__local_set_foreign(task, task->instance, &error);
        gpuc__local_end(task, error);
        return;
    }
    if (!take_info(task, answer->metadata)) {
        gpuc__error_nomem(&error);
        gpuc__local_end(task, error);
    } else if (task->wait ||
               (stage && strcmp(stage, "ready") == 0 && status && strcmp(status, "Running") == 0)) {
        read_state(task);
    } else { /* no address: create takes it over */
        gpuc__local_end(task, NULL);
    }
}

void gpuc__local_look(gpuc__local_task *task)
{
    task->doing = "looking the machine up";
    gpuc__local_call(task, "GET", gpuc__asprintf("/1.0/instances/%s", task->instance), NULL,
                     on_instance);
}

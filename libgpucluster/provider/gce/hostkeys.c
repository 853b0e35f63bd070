/* SPDX-License-Identifier: Apache-2.0 */
/* Host keys, which the guest agent puts among the guest attributes at its first boot. However many
 * machines wait, few are asked before the first has its keys: each tick asks a handful, and each
 * answer with keys has two more asked at once. */
#include <string.h>

#include "provider/gce/machines.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define PER_TICK 4
#define PARALLEL 16
#define GET_MS 30000
#define KEY_MAX 4096
#define CONSOLE_MAX ((size_t)4 << 20) /* it keeps 1 MB, escaped in the answer */

static const char *const key_types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"};
#define KEY_TYPES (sizeof(key_types) / sizeof(key_types[0]))

typedef struct gpuc__gce_key_wait {
    struct gpuc__gce_key_wait *next, **link;
    gpuc__provider *provider;
    char *machine, *path; /* path: of the instance */
    uint64_t deadline, next_at;
    bool cancelled, late;
    gpuc__gce_call *call;
    gpuc_error *last; /* what was answered instead of keys */
    gpuc__gce_keys_fn done;
    void *data;
} key_wait;

static void pump(gpuc__provider *provider, int count);

static uint64_t tick_ms(const gpuc__provider *provider)
{
    return 2 * (uint64_t)provider->machines->poll_ms;
}

void gpuc__gce_keys_free(char **keys)
{
    for (size_t i = 0; keys && keys[i]; i++)
        gpuc__free(keys[i]);
    gpuc__free(keys);
}

static void unlink_wait(key_wait *wait)
{
    *wait->link = wait->next;
    if (wait->next)
        wait->next->link = wait->link;
}

static void push_wait(key_wait *wait)
{
    key_wait **last = &wait->provider->machines->waits;

    while (*last)
        last = &(*last)->next;
    wait->next = NULL;
    wait->link = last;
    *last = wait;
}

static void end(key_wait *wait, char **keys, gpuc_error *error)
{
    gpuc__provider *provider = wait->provider;

    unlink_wait(wait);
    if (error)
        gpuc__error_at(&error, wait->machine, NULL);
    if (wait->cancelled) { /* nobody waits any more */
        gpuc__gce_keys_free(keys);
        gpuc_error_unref(error);
    } else {
        wait->done(wait->data, keys, error);
    }
    gpuc_error_unref(wait->last);
    gpuc__free(wait->machine);
    gpuc__free(wait->path);
    gpuc__free(wait);
    gpuc__gce_unref(provider);
}

static bool is_base64(const char *text)
{
    size_t length = strlen(text);
    size_t good = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    return length > 32 && length <= KEY_MAX && length - good <= 2 &&
           strspn(text + good, "=") == length - good;
}

/* "type base64" of each known type; an empty list: none yet. NULL without memory. */
static char **read_keys(const json_t *answer)
{
    json_t *items = json_object_get(json_object_get(answer, "queryValue"), "items"), *item;
    char **keys = gpuc__calloc(KEY_TYPES + 1, sizeof(*keys));
    size_t n = 0, i;

    for (size_t type = 0; keys && type < KEY_TYPES; type++) {
        json_array_foreach(items, i, item) {
            const char *key = json_string_value(json_object_get(item, "key"));
            const char *value = json_string_value(json_object_get(item, "value"));

            if (!key || !value || strcmp(key, key_types[type]) != 0 || !is_base64(value))
                continue;
            keys[n] = gpuc__asprintf("%s %s", key, value);
            if (!keys[n++]) {
                gpuc__gce_keys_free(keys);
                return NULL;
            }
            break;
        }
    }
    return keys;
}

/* ---- too late: the serial console says why ---- */

static void end_late(key_wait *wait, const char *console)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_PROVIDER,
                    "the machine runs, but its SSH host keys did not come in time%s%s",
                    wait->last ? ": " : "", wait->last ? gpuc_error_message(wait->last) : "");
    gpuc__error_remedy(&error, "see its serial console (`gcloud compute instances "
                               "get-serial-port-output %s`): the image needs Google's guest agent, "
                               "and guest attributes must be allowed in the project",
                       gpuc__gce_tail(wait->path));
    if (console)
        gpuc__error_evidence(&error, console, strlen(console));
    end(wait, NULL, error);
}

static void on_console(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    key_wait *wait = data;

    wait->call = NULL;
    end_late(wait, error ? NULL : json_string_value(json_object_get(answer, "contents")));
    gpuc_error_unref(error);
}

gpuc__gce_call *gpuc__gce_console(gpuc__provider *provider, const char *machine, const char *instance,
                                  gpuc__gce_done_fn done, void *data)
{
    char *path = gpuc__asprintf("%s/serialPort", instance);
    gpuc__gce_args args = {.method = "GET", .path = path, .query = "port=1",
                           .doing = "reading the serial console", .machine = machine,
                           .limit_ms = GET_MS, .answer_max = CONSOLE_MAX,
                           .done = done, .data = data};
    gpuc__gce_call *call = path ? gpuc__gce_send(provider->client, &args) : NULL;

    gpuc__free(path);
    return call;
}

static void read_console(key_wait *wait)
{
    wait->late = true;
    wait->call = gpuc__gce_console(wait->provider, wait->machine, wait->path, on_console, wait);
    if (!wait->call)
        end_late(wait, NULL);
}

/* ---- asking ---- */

static void arm(gpuc__provider *provider);

static void not_yet(key_wait *wait, gpuc_error *error)
{
    uint64_t now = gpuc__clock_ms();

    gpuc_error_unref(wait->last);
    wait->last = error;
    if (!wait->deadline) {
        end(wait, NULL, NULL);
        return;
    }
    wait->next_at = now + tick_ms(wait->provider);
    unlink_wait(wait);
    push_wait(wait);
    if (now >= wait->deadline)
        read_console(wait);
    else
        arm(wait->provider);
}

static void on_answer(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    key_wait *wait = data;
    gpuc__provider *provider = wait->provider;
    char **keys = error ? NULL : read_keys(answer);
    bool once = !wait->deadline, had = keys && keys[0];

    provider->refs++;
    wait->call = NULL;
    if (wait->cancelled) {
        end(wait, NULL, error);
    } else if (had) {
        char **taken = keys;

        keys = NULL;
        end(wait, taken, NULL);
    } else if (!error && !keys) {
        gpuc__error_nomem(&error);
        end(wait, NULL, error);
    } else if (!error || gpuc_error_code(error) == GPUC_ENOTFOUND ||
               scope == GPUC__GCE_SCOPE_RETRY) {
        not_yet(wait, error);
    } else {
        end(wait, NULL, error);
    }
    gpuc__gce_keys_free(keys);
    if (had || once)
        pump(provider, 2);
    gpuc__gce_unref(provider);
}

static bool ask(key_wait *wait)
{
    char *path = gpuc__asprintf("%s/getGuestAttributes", wait->path);
    gpuc__gce_args args = {.method = "GET", .path = path, .query = "queryPath=hostkeys%2F",
                           .doing = "reading the machine's SSH host keys",
                           .machine = wait->machine, .limit_ms = GET_MS,
                           .done = on_answer, .data = wait};

    wait->call = path ? gpuc__gce_send(wait->provider->client, &args) : NULL;
    gpuc__free(path);
    return wait->call;
}

static void pump(gpuc__provider *provider, int count)
{
    uint64_t now = gpuc__clock_ms();
    int busy = 0;

    for (key_wait *w = provider->machines->waits; w; w = w->next)
        busy += w->call != NULL;
    for (key_wait *w = provider->machines->waits; w && count > 0 && busy < PARALLEL; w = w->next) {
        if (w->call || w->cancelled || w->next_at > now)
            continue;
        if (!ask(w))
            break; /* without memory: the next tick tries again */
        count--;
        busy++;
    }
}

static void on_tick(void *data)
{
    gpuc__provider *provider = data;
    key_wait *wait = provider->machines->waits;

    provider->refs++;
    while (wait) {
        key_wait *next = wait->next;

        if (wait->deadline && !wait->call && gpuc__clock_ms() >= wait->deadline)
            read_console(wait);
        wait = next;
    }
    pump(provider, PER_TICK);
    if (provider->machines->waits)
        arm(provider);
    gpuc__gce_unref(provider);
}

static void arm(gpuc__provider *provider)
{
    gpuc__gce_timer_set(provider->machines->key_timer, tick_ms(provider));
}

void gpuc__gce_host_keys(gpuc__provider *provider, const char *machine, const char *zone,
                         uint64_t deadline, gpuc__gce_keys_fn done, void *data)
{
    struct gpuc__gce_machines *m = provider->machines;
    key_wait *wait = gpuc__calloc(1, sizeof(*wait));
    char *project = gpuc__http_escape(provider->project);
    char *name = gpuc__gce_instance_name(provider->spec->name, machine);
    gpuc_error *error = NULL;

    if (!m->key_timer)
        m->key_timer = gpuc__gce_timer_new(provider->context, on_tick, provider);
    if (wait && project && name) {
        wait->machine = gpuc__strdup(machine);
        wait->path = gpuc__asprintf("projects/%s/zones/%s/instances/%s", project, zone, name);
    }
    gpuc__free(project);
    gpuc__free(name);
    if (!wait || !wait->machine || !wait->path || !m->key_timer) { /* no later without memory */
        if (wait) {
            gpuc__free(wait->machine);
            gpuc__free(wait->path);
        }
        gpuc__free(wait);
        gpuc__error_nomem(&error);
        done(data, NULL, error);
        return;
    }
    wait->provider = provider;
    provider->refs++;
    wait->deadline = deadline;
    wait->done = done;
    wait->data = data;
    push_wait(wait);
    pump(provider, 1);
    arm(provider);
}

void gpuc__gce_host_keys_cancel(gpuc__provider *provider, const void *data)
{
    key_wait *wait = provider->machines->waits;

    while (wait) {
        key_wait *next = wait->next;

        if (wait->data == data) {
            wait->cancelled = true;
            if (wait->call)
                gpuc__gce_call_cancel(wait->call);
            else
                end(wait, NULL, NULL);
        }
        wait = next;
    }
}

/* ---- what is known already ---- */

static const char *id_of(const json_t *instance)
{
    const char *id = json_string_value(json_object_get(instance, "id"));

    return id ? id : "";
}

/* {"id": of the instance, "keys": [...]}; from the journal where an earlier run has kept it. */
static json_t *known_entry(gpuc__provider *provider, const char *machine)
{
    json_t *entry = json_object_get(provider->machines->keys, machine);
    char *text = NULL;

    if (entry || !provider->journal.get ||
        provider->journal.get(provider->journal.data, machine, "gce.hostkeys", &text, NULL) < 0)
        return entry;
    if (text)
        json_object_set_new(provider->machines->keys, machine, json_loads(text, 0, NULL));
    gpuc__free(text);
    return json_object_get(provider->machines->keys, machine);
}

char **gpuc__gce_keys_known(gpuc__provider *provider, const char *machine, const json_t *instance)
{
    json_t *entry = known_entry(provider, machine), *list = json_object_get(entry, "keys");
    const char *id = json_string_value(json_object_get(entry, "id"));
    char **keys;

    if (!id || strcmp(id, id_of(instance)) != 0 || !json_array_size(list))
        return NULL;
    keys = gpuc__calloc(json_array_size(list) + 1, sizeof(*keys));
    for (size_t i = 0; keys && i < json_array_size(list); i++) {
        keys[i] = gpuc__strdup(json_string_value(json_array_get(list, i)));
        if (!keys[i]) {
            gpuc__gce_keys_free(keys);
            return NULL;
        }
    }
    return keys;
}

/* With what is committed next: what is lost is asked for again. */
static void keep_text(gpuc__provider *provider, const char *machine, const char *text,
                      gpuc_error **err)
{
    const gpuc__journal *journal = &provider->journal;

    if (journal->set)
        (journal->set_soon ? journal->set_soon : journal->set)(journal->data, machine,
                                                               "gce.hostkeys", text, err);
}

/* Best effort: what is not kept is asked for again. */
void gpuc__gce_keys_keep(gpuc__provider *provider, const char *machine, const json_t *instance,
                         char *const *keys)
{
    json_t *list = json_array(), *entry;
    gpuc_error *error = NULL;
    char *text;

    for (; keys && *keys; keys++)
        json_array_append_new(list, json_string(*keys));
    entry = json_pack("{s:s, s:o}", "id", id_of(instance), "keys", list);
    text = entry ? json_dumps(entry, JSON_COMPACT) : NULL;
    if (text)
        keep_text(provider, machine, text, &error);
    gpuc_error_unref(error); /* a plan may not write */
    free(text);              /* jansson's own memory */
    json_object_set_new(provider->machines->keys, machine, entry);
}

void gpuc__gce_keys_forget(gpuc__provider *provider, const char *machine)
{
    gpuc_error *error = NULL;

    json_object_del(provider->machines->keys, machine);
    keep_text(provider, machine, NULL, &error);
    gpuc_error_unref(error);
}

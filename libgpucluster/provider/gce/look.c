/* SPDX-License-Identifier: Apache-2.0 */
/* Which instances there are. All that is asked within one turn, and while a list is under way, is
 * answered by the next list. */
#include <arpa/inet.h>
#include <string.h>

#include "provider/gce/machines.h"
#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

#define SEEN_MS 5000
#define PREFIX_MAX 54 /* a longer name may be cut behind it */

const char *gpuc__gce_tail(const char *url)
{
    const char *slash = url ? strrchr(url, '/') : NULL;

    return slash ? slash + 1 : url ? url : "";
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_ours(const gpuc__provider *provider, const json_t *instance)
{
    const char *uuid = text_at(json_object_get(instance, "labels"), GPUC__GCE_LABEL);

    return uuid && strcmp(uuid, provider->uuid) == 0;
}

/* ---- finds ---- */

static void push(gpuc__gce_find **list, gpuc__gce_find *find)
{
    find->next = *list;
    find->link = list;
    if (find->next)
        find->next->link = &find->next;
    *list = find;
}

void gpuc__gce_find_begin(gpuc__provider *provider, gpuc__gce_find *find)
{
    push(&provider->machines->finds, find);
    gpuc__context_post(provider->context, &provider->machines->looking);
}

void gpuc__gce_find_drop(gpuc__gce_find *find)
{
    if (!find->link)
        return;
    *find->link = find->next;
    if (find->next)
        find->next->link = find->link;
    find->link = NULL;
}

static void move_all(gpuc__gce_find **from, gpuc__gce_find **to)
{
    *to = *from;
    if (*to)
        (*to)->link = to;
    *from = NULL;
}

/* One that runs is the one that is meant, should there be two. */
static int add_ours(json_t *list, json_t *instance)
{
    const char *status = text_at(instance, "status");

    if (status && strcmp(status, "RUNNING") == 0)
        return json_array_insert(list, 0, instance);
    return json_array_append(list, instance);
}

/* By name: of ours an array, of others one. An error: then nothing can be said. */
static int sort_out(const gpuc__provider *provider, json_t *all, json_t *ours, json_t *foreign,
                    gpuc_error **err)
{
    json_t *instance;
    size_t i;
    bool bad = !ours || !foreign;

    json_array_foreach(all, i, instance) {
        const char *name = text_at(instance, "name");
        json_t *list = name ? json_object_get(ours, name) : NULL;

        if (name && !is_ours(provider, instance)) {
            bad |= json_object_set(foreign, name, instance) != 0;
        } else if (name) {
            if (!gpuc__gce_is_name(gpuc__gce_tail(text_at(instance, "zone"))))
                return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                                       "listing the machines: %.63s is said to be in no zone", name);
            if (!list) {
                list = json_array();
                bad |= json_object_set_new(ours, name, list) != 0;
            }
            bad |= add_ours(json_object_get(ours, name), instance) != 0;
        }
    }
    return bad ? gpuc__error_nomem(err) : GPUC_OK;
}

static void on_late(void *data)
{
    gpuc__provider *provider = data;
    struct gpuc__gce_machines *m = provider->machines;

    while (m->late) {
        gpuc__gce_find *find = m->late;

        gpuc__gce_find_drop(find);
        gpuc__gce_find_begin(provider, find);
    }
}

/* It was made, and this list does not show it yet: a later one will. */
static void look_later(gpuc__provider *provider, gpuc__gce_find *find)
{
    struct gpuc__gce_machines *m = provider->machines;
    gpuc_error *error = NULL;

    if (!m->late_timer)
        m->late_timer = gpuc__gce_timer_new(provider->context, on_late, provider);
    if (!m->late_timer) {
        gpuc__error_nomem(&error);
        find->done(find, NULL, NULL, error);
        return;
    }
    push(&m->late, find);
    gpuc__gce_timer_set(m->late_timer, 2 * (uint64_t)m->poll_ms);
}

static void answer(gpuc__provider *provider, gpuc__gce_find *find, json_t *ours, json_t *foreign)
{
    if (ours)
        gpuc__gce_unseen_listed(provider, find->name);
    if (ours || !gpuc__gce_unseen(provider, find->name))
        find->done(find, ours, foreign, NULL);
    else
        look_later(provider, find);
}

static void answer_all(gpuc__provider *provider, json_t *all, const gpuc_error *error)
{
    struct gpuc__gce_machines *m = provider->machines;
    json_t *ours = json_object(), *foreign = json_object();
    gpuc__gce_find *answered = NULL;
    gpuc_error *odd = NULL;

    if (!error && sort_out(provider, all, ours, foreign, &odd) < 0)
        error = odd;
    move_all(&m->asked, &answered);
    while (answered) {
        gpuc__gce_find *find = answered;

        gpuc__gce_find_drop(find);
        if (error)
            find->done(find, NULL, NULL, gpuc__gce_error_copy(error, NULL));
        else
            answer(provider, find, json_object_get(ours, find->name),
                   json_object_get(foreign, find->name));
    }
    gpuc_error_unref(odd);
    json_decref(ours);
    json_decref(foreign);
}

void gpuc__gce_find_fail(gpuc__provider *provider, const gpuc_error *error)
{
    if (provider->machines->list)
        return;
    move_all(&provider->machines->finds, &provider->machines->asked);
    answer_all(provider, NULL, error);
}

/* ---- what a create has just seen ---- */

void gpuc__gce_seen_keep(gpuc__provider *provider, const char *name, json_t *instance)
{
    json_object_set_new(provider->machines->seen, name, /* without memory: it is listed */
                        json_pack("{s:I, s:O}", "at", (json_int_t)gpuc__clock_ms(), "instance",
                                  instance));
}

void gpuc__gce_seen_forget(gpuc__provider *provider, const char *name)
{
    json_object_del(provider->machines->seen, name);
}

/* New reference of an array, or NULL. */
static json_t *take_seen(gpuc__provider *provider, const char *name)
{
    json_t *entry = json_object_get(provider->machines->seen, name), *ours = NULL;
    uint64_t at = (uint64_t)json_integer_value(json_object_get(entry, "at"));

    if (entry && gpuc__clock_ms() - at <= SEEN_MS)
        ours = json_pack("[O]", json_object_get(entry, "instance"));
    json_object_del(provider->machines->seen, name);
    return ours;
}

static void answer_seen(gpuc__provider *provider)
{
    gpuc__gce_find *next;

    for (gpuc__gce_find *find = provider->machines->finds; find; find = next) {
        json_t *ours = find->seen_will_do ? take_seen(provider, find->name) : NULL;

        next = find->next;
        if (!ours)
            continue;
        gpuc__gce_find_drop(find);
        find->done(find, ours, NULL, NULL);
        json_decref(ours);
    }
}

static void on_list(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__provider *provider = data;
    struct gpuc__gce_machines *m = provider->machines;

    m->list = NULL;
    answer_all(provider, answer, error);
    gpuc_error_unref(error);
    gpuc__context_post(provider->context, &m->looking);
    gpuc__gce_unref(provider);
}

/* Most of what is said of an instance. */
static const char *const not_needed[] = {
    "disks", "metadata", "serviceAccounts", "guestAccelerators", "scheduling", "tags",
    "resourceStatus", "cpuPlatform", "lastStartTimestamp", "creationTimestamp", "labelFingerprint",
    NULL};

gpuc__gce_call *gpuc__gce_list_instances(gpuc__provider *provider, const char *filter,
                                         gpuc__gce_done_fn done, void *data)
{
    char *project = gpuc__http_escape(provider->project);
    char *escaped = filter ? gpuc__http_escape(filter) : NULL;
    char *path = project ? gpuc__asprintf("projects/%s/aggregated/instances", project) : NULL;
    char *query = escaped ? gpuc__asprintf("filter=%s", escaped) : NULL;
    gpuc__gce_call *call = NULL;

    if (path && query) {
        gpuc__gce_args args = {.method = "GET", .path = path, .query = query,
                               .doing = "listing the machines", .without = not_needed, .done = done,
                               .data = data};

        call = gpuc__gce_list(provider->client, &args, "instances");
    }
    gpuc__free(project);
    gpuc__free(escaped);
    gpuc__free(path);
    gpuc__free(query);
    if (call)
        provider->refs++;
    return call;
}

/* Instances of this cluster, and of others whose name begins alike. */
static char *prefix_filter(const gpuc__provider *provider)
{
    char *name = gpuc__gce_instance_name(provider->spec->name, "");
    char *filter = name ? gpuc__asprintf("name eq \"%.*s.*\"", PREFIX_MAX, name) : NULL;

    gpuc__free(name);
    return filter;
}

void gpuc__gce_look_turn(void *data)
{
    gpuc__provider *provider = data;
    struct gpuc__gce_machines *m = provider->machines;
    gpuc_error *error = NULL;
    char *filter;

    gpuc__gce_look_reap(provider);
    gpuc__gce_names_reap(provider);
    answer_seen(provider);
    if (m->list && !m->asked) /* nobody waits for it any more */
        gpuc__gce_call_cancel(m->list);
    if (m->list || !(m->finds || m->names) || !gpuc__gce_ready(provider))
        return;
    gpuc__gce_names_turn(provider);
    if (!m->finds)
        return;
    filter = prefix_filter(provider);
    move_all(&m->finds, &m->asked);
    if (filter)
        m->list = gpuc__gce_list_instances(provider, filter, on_list, provider);
    gpuc__free(filter);
    if (!m->list) {
        gpuc__error_nomem(&error);
        answer_all(provider, NULL, error);
        gpuc_error_unref(error);
    }
}

void gpuc__gce_set_foreign(const gpuc__provider *provider, const char *machine,
                           const json_t *instance, gpuc_error **err)
{
    const char *zone = gpuc__gce_tail(text_at(instance, "zone")), *name = text_at(instance, "name");

    gpuc__error_set(err, GPUC_EEXIST, GPUC_DOMAIN_PROVIDER,
                    "project %s has an instance %.63s in %.63s already, which this cluster did not "
                    "make",
                    provider->project, name, zone);
    gpuc__error_remedy(err,
                       "give the cluster or the machine another name, or delete the instance "
                       "yourself (`gcloud compute instances delete %.63s --zone=%.63s`)",
                       name, zone);
    gpuc__error_at(err, machine, NULL);
}

/* ---- what an instance says ---- */

static int take_address(char **out, const char *text, gpuc_error **err)
{
    struct in6_addr parsed;

    if (!text || !*text)
        return GPUC_OK;
    if (inet_pton(AF_INET, text, &parsed) != 1 && inet_pton(AF_INET6, text, &parsed) != 1)
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                               "an instance's address is none: \"%.60s\"", text);
    *out = gpuc__strdup(text);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

int gpuc__gce_read_instance(gpuc__machine_info *out, const json_t *instance, bool external_ip,
                            gpuc_error **err)
{
    json_t *nic = json_array_get(json_object_get(instance, "networkInterfaces"), 0);
    json_t *access = json_array_get(json_object_get(nic, "accessConfigs"), 0);
    const char *status = text_at(instance, "status");
    gpuc__machine_info info = {.port = 22, .made_here = true, .tunnelled = !external_ip};
    int rc = take_address(&info.internal_ip, text_at(nic, "networkIP"), err);

    if (rc == GPUC_OK)
        rc = take_address(&info.external_ip, text_at(access, "natIP"), err);
    if (rc == GPUC_OK) {
        const char *address = external_ip ? info.external_ip : info.internal_ip;

        info.address = gpuc__strdup(address);
        info.provider_id = gpuc__strdup(text_at(instance, "name"));
        info.status = gpuc__strdup(status ? status : "unknown");
        info.zone = gpuc__strdup(gpuc__gce_tail(text_at(instance, "zone")));
        info.machine_type = gpuc__strdup(gpuc__gce_tail(text_at(instance, "machineType")));
        if (!info.provider_id || !info.status || !info.zone || !info.machine_type ||
            (address && !info.address))
            rc = gpuc__error_nomem(err);
    }
    if (rc < 0) {
        gpuc__machine_info_clear(&info);
        return rc;
    }
    *out = info;
    return GPUC_OK;
}

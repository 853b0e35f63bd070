/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what clusters left behind at a provider, and removes it when that is asked for: machines
 * first, since what belongs to them is not let go of before. A cluster whose state is here is not
 * lost: it is left out unless it is named. */
#include "cluster/gc.h"

#include <string.h>

#include "core/context.h"
#include "core/op.h"
#include "core/store.h"
#include "provider/provider.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/rfc3339.h"

#define PARALLEL 32
#define MIN_AGE_S 3600
#define MACHINE "instance"

typedef struct gc {
    gpuc_op *op;
    const gpuc__provider_ops *ops;
    gpuc__provider *provider;
    gpuc__spec_model spec; /* of no cluster: who to ask, nothing more */
    char *project, *cluster, *state_dir;
    uint32_t flags;
    bool cancelled;
    json_t *here;          /* uuid → name of the clusters whose state is here */
    int min_age_s;
    json_t *young;         /* uuid → whether it may just be being made */
    json_t *all, *due;     /* found and chosen; what of that is to be removed */
    size_t next;           /* of those; once through the machines, once through the rest */
    bool rest;
    int running, done, failures;
    gpuc_error *error;     /* the first */
} gc;

/* One removal under way. */
typedef struct removal {
    gc *of;
    json_t *entry;
} removal;

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void gc_free(void *data)
{
    gc *g = data;

    if (g->provider)
        g->ops->free(g->provider);
    json_decref(g->here);
    json_decref(g->all);
    json_decref(g->due);
    json_decref(g->young);
    gpuc_error_unref(g->error);
    gpuc__free(g->project);
    gpuc__free(g->cluster);
    gpuc__free(g->state_dir);
    gpuc__free(g);
}

/* ---- the result ---- */

static json_t *cluster_of(json_t *clusters, const gc *g, const json_t *entry)
{
    const char *uuid = text_at(entry, "cluster"), *name = text_at(entry, "cluster_name");
    const char *here = text_at(g->here, uuid);
    json_t *cluster;
    size_t i;

    json_array_foreach(clusters, i, cluster) {
        if (strcmp(text_at(cluster, "uuid"), uuid) == 0) {
            if (name && json_is_null(json_object_get(cluster, "name")))
                json_object_set_new(cluster, "name", json_string(name));
            return json_object_get(cluster, "resources");
        }
    }
    cluster = json_pack("{s:s, s:s?, s:b, s:b, s:[]}", "uuid", uuid, "name", here ? here : name,
                        "state_here", here != NULL, "young",
                        json_is_true(json_object_get(g->young, uuid)), "resources");
    json_array_append_new(clusters, cluster);
    return json_object_get(cluster, "resources");
}

static int set_result(gc *g, gpuc_error **err)
{
    json_t *clusters = json_array(), *root, *entry;
    char *dump, *text;
    size_t i;

    json_array_foreach(g->all, i, entry) {
        json_t *resource = json_deep_copy(entry);

        json_object_del(resource, "link");
        json_object_del(resource, "cluster");
        json_object_del(resource, "cluster_name");
        json_array_append_new(cluster_of(clusters, g, entry), resource);
    }
    root = json_pack("{s:s, s:s*, s:b, s:o}", "kind", g->ops->kind, "project", g->project, "delete",
                     (g->flags & GPUC_GC_DELETE) != 0, "clusters", clusters);
    dump = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    text = gpuc__strdup(dump);
    free(dump); /* jansson's own memory */
    json_decref(root);
    if (!text)
        return gpuc__error_nomem(err);
    gpuc__op_set_json(g->op, text);
    return GPUC_OK;
}

static void complete(gc *g, gpuc_error *error)
{
    if (!error && g->error) {
        error = g->error;
        g->error = NULL;
        if (gpuc_error_code(error) != GPUC_ECANCELLED)
            gpuc__error_wrap(&error, GPUC_ESTEP, GPUC_DOMAIN_PROVIDER,
                             "%d of %zu things that were left behind could not be removed",
                             g->failures, json_array_size(g->due));
    }
    if (g->all) {
        gpuc_error *no_result = NULL;

        if (set_result(g, &no_result) < 0 && !error)
            error = no_result;
        else
            gpuc_error_unref(no_result);
    }
    gpuc__op_complete(g->op, error);
}

/* ---- removal ---- */

static void remove_more(gc *g);

static void note_failure(gc *g, json_t *entry, gpuc_error *error)
{
    json_object_set_new(entry, "deleted", json_false());
    json_object_set_new(entry, "error",
                        json_pack("{s:s, s:s, s:s*}", "code",
                                  gpuc_error_name(gpuc_error_code(error)), "message",
                                  gpuc_error_message(error), "remedy", gpuc_error_remedy(error)));
    if (gpuc_error_code(error) != GPUC_ECANCELLED)
        g->failures++;
    if (g->error)
        gpuc_error_unref(error);
    else
        g->error = error;
}

static void on_removed(void *data, gpuc_error *error)
{
    removal *r = data;
    gc *g = r->of;

    if (error)
        note_failure(g, r->entry, error);
    else
        json_object_set_new(r->entry, "deleted", json_true());
    gpuc__free(r);
    g->running--;
    gpuc__op_set_progress(g->op, ++g->done, (int)json_array_size(g->due), -1);
    remove_more(g);
}

static json_t *next_entry(gc *g)
{
    while (g->next < json_array_size(g->due)) {
        json_t *entry = json_array_get(g->due, g->next++);

        if ((strcmp(text_at(entry, "type"), MACHINE) != 0) == g->rest)
            return entry;
    }
    return NULL;
}

static void remove_one(gc *g, json_t *entry)
{
    removal *r = gpuc__malloc(sizeof(*r));
    gpuc_error *error = NULL;

    if (!r) {
        gpuc__error_nomem(&error);
        note_failure(g, entry, error);
        return;
    }
    *r = (removal){g, entry};
    g->running++;
    g->ops->remove_left(g->provider, entry, on_removed, r);
}

static void remove_more(gc *g)
{
    json_t *entry;

    while (!g->cancelled && g->running < PARALLEL && (entry = next_entry(g)))
        remove_one(g, entry);
    if (g->running)
        return;
    if (!g->rest && !g->cancelled) {
        g->rest = true;
        g->next = 0;
        remove_more(g);
        return;
    }
    complete(g, NULL);
}

/* ---- what was found ---- */

/* The clusters whose state is here. One that cannot be read may be alive: nothing is told then. */
static int read_here(gc *g, gpuc_error **err)
{
    json_t *names = NULL, *name;
    size_t i;
    int rc = gpuc__store_list(g->state_dir, &names, err);

    json_array_foreach(names, i, name) {
        gpuc__store *store = NULL;
        char *uuid = NULL, *warning = NULL;

        if (rc == GPUC_OK)
            rc = gpuc__store_open(&store, g->state_dir, json_string_value(name), false, &warning,
                                  err);
        if (rc == GPUC_OK)
            rc = gpuc__store_get(store, NULL, "uuid", &uuid, err);
        if (rc == GPUC_OK && uuid && json_object_set(g->here, uuid, name) != 0)
            rc = gpuc__error_nomem(err);
        gpuc__store_close(store);
        gpuc__free(uuid);
        gpuc__free(warning);
    }
    json_decref(names);
    return rc;
}

/* Machines, and what comes before them, are made within minutes: what is older is no cluster in the
 * making. One of which nobody can tell may be one. */
static int find_young(gc *g, const json_t *found, gpuc_error **err)
{
    int64_t limit = gpuc__now_ms() - (int64_t)g->min_age_s * 1000, at;
    json_t *entry, *entries = (json_t *)found;
    size_t i;
    bool ok = true;

    g->young = json_object();
    json_array_foreach(entries, i, entry) {
        if (!json_object_get(g->young, text_at(entry, "cluster")))
            ok = ok && json_object_set_new(g->young, text_at(entry, "cluster"), json_null()) == 0;
    }
    json_array_foreach(entries, i, entry) {
        const char *uuid = text_at(entry, "cluster");

        if (json_is_true(json_object_get(g->young, uuid)) ||
            !gpuc__rfc3339_parse(text_at(entry, "made"), &at))
            continue;
        ok = ok && json_object_set_new(g->young, uuid, json_boolean(at / 1000000 > limit)) == 0;
    }
    json_array_foreach(entries, i, entry) {
        if (json_is_null(json_object_get(g->young, text_at(entry, "cluster"))))
            ok = ok && json_object_set_new(g->young, text_at(entry, "cluster"),
                                           json_boolean(g->min_age_s > 0)) == 0;
    }
    return ok ? GPUC_OK : gpuc__error_nomem(err);
}

/* The uuids that are meant, as keys of a new object. */
static json_t *chosen(const gc *g, const json_t *found)
{
    json_t *set = json_object(), *entry;
    size_t i;

    json_array_foreach(found, i, entry) {
        const char *uuid = text_at(entry, "cluster"), *name = text_at(entry, "cluster_name");
        const char *here = text_at(g->here, uuid);
        bool meant = !g->cluster ? !here
                                 : strcmp(g->cluster, uuid) == 0 ||
                                       (name && strcmp(g->cluster, name) == 0) ||
                                       (here && strcmp(g->cluster, here) == 0);

        if (meant)
            json_object_set_new(set, uuid, json_true());
    }
    return set;
}

static int check_choice(const gc *g, const json_t *set, gpuc_error **err)
{
    if (!g->cluster || !(g->flags & GPUC_GC_DELETE) || json_object_size(set) <= 1)
        return GPUC_OK;
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                    "%zu clusters of the name %s have left something behind: nothing was removed",
                    json_object_size(set), g->cluster);
    gpuc__error_remedy(err, "name the one that is meant by its uuid, which the list without delete "
                            "shows");
    return GPUC_EINVAL;
}

static void tell(gc *g)
{
    json_t *entry;
    size_t i;

    json_array_foreach(g->due, i, entry) {
        const char *zone = text_at(entry, "zone"), *of = text_at(entry, "cluster_name");

        gpuc__context_emit(gpuc__op_context(g->op),
                           gpuc__event_new(GPUC_EVENT_NOTICE, NULL, NULL,
                                           "found: %s %s%s%s of cluster %s (%s)",
                                           text_at(entry, "type"), text_at(entry, "name"),
                                           zone ? " in " : "", zone ? zone : "", of ? of : "?",
                                           text_at(entry, "cluster")));
    }
}

static int choose(gc *g, const json_t *found, gpuc_error **err)
{
    json_t *set, *entry;
    size_t i;
    int rc = read_here(g, err);

    if (rc == GPUC_OK)
        rc = find_young(g, found, err);
    if (rc < 0)
        return rc;
    set = chosen(g, found);
    rc = check_choice(g, set, err);
    g->all = rc < 0 ? NULL : json_array();
    g->due = json_array();
    json_array_foreach(g->all ? found : NULL, i, entry) {
        const char *uuid = text_at(entry, "cluster");
        json_t *own;

        if (!json_object_get(set, uuid))
            continue;
        own = json_deep_copy(entry);
        if (g->cluster || !json_is_true(json_object_get(g->young, uuid)))
            json_array_append(g->due, own);
        json_array_append_new(g->all, own);
    }
    json_decref(set);
    return rc;
}

static void on_found(void *data, json_t *found, gpuc_error *error)
{
    gc *g = data;

    if (!error)
        choose(g, found, &error);
    if (error) {
        complete(g, error);
        return;
    }
    if (!(g->flags & GPUC_GC_DELETE)) {
        complete(g, NULL);
        return;
    }
    tell(g); /* before anything goes */
    remove_more(g);
}

/* ---- the beginning ---- */

static void gc_cancel(gpuc_op *op, void *data)
{
    gc *g = data;

    (void)op;
    g->cancelled = true;
    if (!g->error && g->all)
        gpuc__error_set(&g->error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER, "cancelled");
    g->ops->cancel(g->provider, NULL);
}

static const gpuc__op_class gc_class = {.kind = "gc", .cancel = gc_cancel, .free = gc_free};

static int find_kind(const gpuc__provider_ops **out, gpuc__provider_kind *kind, const char *name,
                     gpuc_error **err)
{
    static const gpuc__provider_kind kinds[] = {GPUC__PROVIDER_LOCAL, GPUC__PROVIDER_GCE};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const gpuc__provider_ops *ops = gpuc__provider_get(kinds[i]);

        if (ops && ops->find_left && strcmp(ops->kind, name) == 0) {
            *out = ops;
            *kind = kinds[i];
            return GPUC_OK;
        }
    }
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                    "machines of the kind \"%.40s\" leave nothing behind", name);
    gpuc__error_remedy(err, "name the kind gce or local");
    return GPUC_EINVAL;
}

static int open_provider(gc *g, gpuc_context *context, gpuc__provider_kind kind, gpuc_error **err)
{
    static char name[] = "gc", user[] = "ubuntu", network[] = "default", nobody[] = "none";
    static char *none[] = {NULL};
    gpuc__provider_config config = {.context = context, .spec = &g->spec, .cluster_uuid = ""};

    g->spec = (gpuc__spec_model){.name = name,
                                 .provider = kind,
                                 .provider_project = g->project,
                                 .zones = none,
                                 .labels = none,
                                 .network = network,
                                 .service_account = nobody,
                                 .ssh_user = user,
                                 .max_price = -1,
                                 .external_ip = true};
    return g->ops->new_(&g->provider, &config, err);
}

int gpuc__gc_start(gpuc_op **out, gpuc_context *context, const char *kind, const char *project,
                   const char *cluster, const char *state_dir, uint32_t flags, int min_age_s,
                   gpuc_error **err)
{
    gpuc__provider_kind which = GPUC__PROVIDER_GCE;
    gc *g = gpuc__calloc(1, sizeof(*g));
    int rc;

    if (!g)
        return gpuc__error_nomem(err);
    g->flags = flags;
    g->min_age_s = min_age_s < 0 ? MIN_AGE_S : min_age_s;
    g->project = gpuc__strdup(project);
    g->cluster = gpuc__strdup(cluster);
    g->state_dir = gpuc__strdup(state_dir);
    g->here = json_object();
    if ((project && !g->project) || (cluster && !g->cluster) || (state_dir && !g->state_dir) ||
        !g->here)
        rc = gpuc__error_nomem(err);
    else
        rc = find_kind(&g->ops, &which, kind, err);
    if (rc == GPUC_OK)
        rc = open_provider(g, context, which, err);
    if (rc == GPUC_OK)
        rc = gpuc__op_new(&g->op, context, &gc_class, g, err);
    if (rc < 0) {
        gc_free(g);
        return rc;
    }
    *out = g->op;
    g->ops->find_left(g->provider, on_found, g);
    return GPUC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads recipe.json, checks it, and answers what a machine's steps are. */
#include "recipe/recipe.h"

#include <jansson.h>
#include <stdatomic.h>
#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"
#include "util/suggest.h"

enum { MAX_STEPS = 256, MAX_LIST = 32, MAX_ID = 48, MAX_SCRIPT = 256 * 1024 };

typedef struct entry {
    gpuc__recipe_step step;
    const char **lists[7]; /* owned arrays behind the step's lists */
    json_t *source;        /* owner of the strings of a step of the caller's; NULL: recipe's */
} entry;

struct gpuc__recipe {
    atomic_int refs;
    json_t *json;
    entry **entries;
    size_t count;
};

static const char *const no_list[] = {NULL};
static const char *const role_names[] = {"all",    "control-plane", "first-control-plane",
                                         "worker", "gpu",           "other-control-plane"};

static void free_entry(entry *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < sizeof(e->lists) / sizeof(*e->lists); i++)
        gpuc__free(e->lists[i]);
    json_decref(e->source);
    gpuc__free(e);
}

static int bad(gpuc_error **err, const char *id, const char *what)
{
    return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE, "recipe.json: step \"%s\": %s", id,
                           what);
}

/* A list of strings into a NULL-terminated array; absent: the default. */
static int read_list(const char ***owned, const char *const **out, const json_t *step,
                     const char *key, gpuc_error **err)
{
    const json_t *array = json_object_get(step, key);
    size_t count = json_array_size(array);
    if (!array)
        return GPUC_OK;
    if (!json_is_array(array) || count > MAX_LIST)
        return bad(err, json_string_value(json_object_get(step, "id")), key);
    const char **list = gpuc__calloc(count + 1, sizeof(*list));
    if (!list)
        return gpuc__error_nomem(err);
    *owned = list;
    for (size_t i = 0; i < count; i++) {
        list[i] = json_string_value(json_array_get(array, i));
        if (!list[i])
            return bad(err, json_string_value(json_object_get(step, "id")), key);
    }
    *out = list;
    return GPUC_OK;
}

static int read_lists(entry *e, const json_t *json, gpuc_error **err)
{
    gpuc__recipe_step *s = &e->step;
    static const char *const all[] = {"all", NULL};
    s->roles = all;
    s->after = s->after_first = s->after_all = s->after_cluster = s->uses = s->vars = no_list;
    const struct {
        const char *key;
        const char *const **out;
    } lists[] = {{"roles", &s->roles},         {"after", &s->after},
                 {"after_first", &s->after_first}, {"after_all", &s->after_all},
                 {"after_cluster", &s->after_cluster}, {"uses", &s->uses},
                 {"vars", &s->vars}};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        int rc = read_list(&e->lists[i], lists[i].out, json, lists[i].key, err);
        if (rc != GPUC_OK)
            return rc;
    }
    return GPUC_OK;
}

static uint32_t number(const json_t *json, const char *key, uint32_t otherwise)
{
    const json_t *value = json_object_get(json, key);
    json_int_t n = json_integer_value(value);
    return json_is_integer(value) && n >= 0 && n <= 86400 ? (uint32_t)n : otherwise;
}

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static bool flag(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

static bool known_role(const char *role)
{
    for (size_t i = 0; i < sizeof(role_names) / sizeof(*role_names); i++) {
        if (strcmp(role, role_names[i]) == 0)
            return true;
    }
    return false;
}

/* Letters, digits, - and dots: it becomes part of a unit's name and of paths. */
static bool good_id(const char *id)
{
    size_t length = strlen(id);
    if (length < 3 || length > MAX_ID || id[0] == '.' || id[length - 1] == '.' || strstr(id, ".."))
        return false;
    return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-.") == length && id[0] != '-';
}

static int check_script(const gpuc__recipe_step *s, gpuc_error **err)
{
    char path[160];
    if (s->script)
        snprintf(path, sizeof(path), "recipe/sh/%s", s->script);
    if (s->script && !gpuc__data_get(path))
        return bad(err, s->id, "its script is not there");
    for (size_t i = 0; s->uses[i]; i++) {
        snprintf(path, sizeof(path), "recipe/sh/%s", s->uses[i]);
        if (!gpuc__data_get(path))
            return bad(err, s->id, "a fragment it uses is not there");
    }
    return GPUC_OK;
}

/* What a step's fields must be to each other and to the rest. */
static int check_step(const gpuc__recipe_step *s, const json_t *variables, gpuc_error **err)
{
    int rc = GPUC_OK;
    if (!s->title || !s->timeout_s)
        rc = bad(err, s->id, "title or timeout_s is missing");
    if (rc == GPUC_OK && !s->builtin == !s->script)
        rc = bad(err, s->id, "one of script and builtin is wanted");
    for (size_t i = 0; rc == GPUC_OK && s->roles[i]; i++)
        rc = known_role(s->roles[i]) ? GPUC_OK : bad(err, s->id, "an unknown role");
    for (size_t i = 0; rc == GPUC_OK && s->vars[i]; i++)
        rc = json_object_get(variables, s->vars[i]) ? GPUC_OK
                                                    : bad(err, s->id, "an unknown variable");
    return rc == GPUC_OK ? check_script(s, err) : rc;
}
static int read_step(entry **out, const json_t *json, const json_t *variables, gpuc_error **err)
{
    const char *id = text_of(json, "id");
    if (!id || !good_id(id))
        return bad(err, id ? id : "?", "a bad id");
    entry *e = gpuc__calloc(1, sizeof(*e));
    if (!e)
        return gpuc__error_nomem(err);
    gpuc__recipe_step *s = &e->step;
    s->id = id;
    s->title = text_of(json, "title");
    s->remedy = text_of(json, "remedy");
    const char *scope = text_of(json, "scope");
    s->cluster = scope && strcmp(scope, "cluster") == 0;
    s->source = text_of(json, "source");
    s->timeout_s = number(json, "timeout_s", 0);
    s->retries = number(json, "retries", 0);
    s->backoff_s = number(json, "backoff_s", 1);
    s->check = flag(json, "check");
    s->gate = flag(json, "gate");
    s->reboot = flag(json, "reboot");
    s->direct = flag(json, "direct");
    s->builtin = text_of(json, "builtin");
    s->script = text_of(json, "script");
    int rc = read_lists(e, json, err);
    if (rc == GPUC_OK)
        rc = check_step(s, variables, err);
    if (rc != GPUC_OK) {
        free_entry(e);
        return rc;
    }
    *out = e;
    return GPUC_OK;
}

/* Every step that another waits for must stand before it: so there is no cycle, and undo can simply
 * go backwards. */
static int check_order(const gpuc__recipe *recipe, gpuc_error **err)
{
    for (size_t i = 0; i < recipe->count; i++) {
        const gpuc__recipe_step *s = &recipe->entries[i]->step;
        const char *const *const lists[] = {s->after, s->after_first, s->after_all,
                                            s->after_cluster};
        for (size_t l = 0; l < 4; l++) {
            for (size_t a = 0; lists[l][a]; a++) {
                size_t j = 0;
                while (j < i && strcmp(recipe->entries[j]->step.id, lists[l][a]) != 0)
                    j++;
                if (j == i)
                    return bad(err, s->id, "it waits for a step that does not stand before it");
            }
        }
    }
    return GPUC_OK;
}

static int read_all(gpuc__recipe *recipe, gpuc_error **err)
{
    const json_t *steps = json_object_get(recipe->json, "steps");
    const json_t *variables = json_object_get(recipe->json, "variables");
    size_t count = json_array_size(steps);
    if (count == 0 || count > MAX_STEPS || !json_is_object(variables))
        return bad(err, "-", "no steps, too many, or no variables");
    recipe->entries = gpuc__calloc(MAX_STEPS, sizeof(*recipe->entries));
    if (!recipe->entries)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        int rc = read_step(&recipe->entries[i], json_array_get(steps, i), variables, err);
        if (rc != GPUC_OK)
            return rc;
        if (gpuc__recipe_find(recipe, recipe->entries[i]->step.id))
            return bad(err, recipe->entries[i]->step.id, "there are two of this id");
        recipe->count++;
    }
    return check_order(recipe, err);
}

int gpuc__recipe_parse(gpuc__recipe **out, const char *json, size_t length, gpuc_error **err)
{
    json_error_t why;
    gpuc__recipe *recipe = gpuc__calloc(1, sizeof(*recipe));
    if (!recipe)
        return gpuc__error_nomem(err);
    atomic_init(&recipe->refs, 1);
    int rc = GPUC_OK;
    recipe->json = json_loadb(json, length, JSON_REJECT_DUPLICATES, &why);
    if (!recipe->json)
        rc = gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE, "recipe.json:%d:%d: %s",
                             why.line, why.column, why.text);
    if (rc == GPUC_OK)
        rc = read_all(recipe, err);
    if (rc != GPUC_OK) {
        gpuc__recipe_unref(recipe);
        return rc;
    }
    *out = recipe;
    return GPUC_OK;
}

int gpuc__recipe_new(gpuc__recipe **out, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get("recipe/recipe.json");
    if (!data)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_NONE, "recipe.json is not built in");
    return gpuc__recipe_parse(out, data->text, data->length, err);
}

gpuc__recipe *gpuc__recipe_ref(gpuc__recipe *recipe)
{
    atomic_fetch_add(&recipe->refs, 1);
    return recipe;
}

void gpuc__recipe_unref(gpuc__recipe *recipe)
{
    if (!recipe || atomic_fetch_sub(&recipe->refs, 1) != 1)
        return;
    for (size_t i = 0; i < recipe->count; i++)
        free_entry(recipe->entries[i]);
    /* A step that was read but found to be a double is behind the count. */
    if (recipe->entries && recipe->count < MAX_STEPS)
        free_entry(recipe->entries[recipe->count]);
    gpuc__free(recipe->entries);
    json_decref(recipe->json);
    gpuc__free(recipe);
}

const gpuc__recipe_step *gpuc__recipe_at(const gpuc__recipe *recipe, size_t index)
{
    return index < recipe->count ? &recipe->entries[index]->step : NULL;
}

const gpuc__recipe_step *gpuc__recipe_find(const gpuc__recipe *recipe, const char *id)
{
    for (size_t i = 0; id && i < recipe->count; i++) {
        if (strcmp(recipe->entries[i]->step.id, id) == 0)
            return &recipe->entries[i]->step;
    }
    return NULL;
}

const char *gpuc__recipe_nearest(const gpuc__recipe *recipe, const char *id)
{
    gpuc__suggest suggest = gpuc__suggest_for(id ? id : "");
    for (size_t i = 0; i < recipe->count; i++) {
        const char *candidate = recipe->entries[i]->step.id;
        const char *dot = strchr(candidate, '.');
        /* "swap" for "os.swap" */
        if (id && dot && strcmp(dot + 1, id) == 0)
            return candidate;
        gpuc__suggest_try(&suggest, candidate);
    }
    return suggest.best;
}

int gpuc__recipe_check_id(const gpuc__recipe *recipe, const char *id, gpuc_error **err)
{
    if (gpuc__recipe_find(recipe, id))
        return GPUC_OK;
    const char *nearest = gpuc__recipe_nearest(recipe, id);
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE, "the recipe has no step \"%.64s\"%s%s%s",
                    id ? id : "", nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                    nearest ? "\"?" : "");
    gpuc__error_remedy(err, "gpucluster plan lists the steps with their ids.");
    return GPUC_EINVAL;
}

bool gpuc__recipe_applies(const gpuc__recipe_step *step, gpuc__role role, bool first, int gpus,
                          const char *source)
{
    bool control = role == GPUC__ROLE_CONTROL_PLANE;
    if (step->cluster || (step->source && (!source || strcmp(step->source, source) != 0)))
        return false;
    const struct {
        const char *name;
        bool is;
    } roles[] = {{"all", true},
                 {"control-plane", control},
                 {"worker", !control},
                 {"first-control-plane", control && first},
                 {"other-control-plane", control && !first},
                 {"gpu", gpus > 0}};
    for (size_t i = 0; step->roles[i]; i++) {
        for (size_t r = 0; r < sizeof(roles) / sizeof(*roles); r++) {
            if (roles[r].is && strcmp(step->roles[i], roles[r].name) == 0)
                return true;
        }
    }
    return false;
}

static int check_custom_scripts(const gpuc_custom_step *c, gpuc_error **err)
{
    const char *const scripts[] = {c->probe, c->act, c->undo};
    if (!c->probe || !*c->probe || !c->act || !*c->act)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "the step \"%s\" lacks its %s script", c->id,
                               c->probe && *c->probe ? "act" : "probe");
    for (size_t i = 0; i < 3; i++) {
        if (scripts[i] && strlen(scripts[i]) > MAX_SCRIPT)
            return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                                   "a script of the step \"%s\" is longer than %d bytes", c->id,
                                   MAX_SCRIPT);
    }
    return GPUC_OK;
}
static int check_custom_place(const gpuc__recipe *recipe, const gpuc_custom_step *c,
                              gpuc_error **err)
{
    const char *after = c->after ? c->after : "os.packages";
    int rc = gpuc__recipe_check_id(recipe, after, err);
    if (rc == GPUC_OK && gpuc__recipe_find(recipe, after)->cluster)
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                             "the step \"%s\" runs on machines and cannot follow \"%s\", which is "
                             "one of the cluster",
                             c->id, after);
    return rc;
}
static int check_custom(const gpuc__recipe *recipe, const gpuc_custom_step *c, gpuc_error **err)
{
    if (!c->id || !good_id(c->id) || !strchr(c->id, '.'))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "the step's id \"%.64s\" is not a name with a dot, as \"site.ntp\": "
                               "a-z, 0-9, - and . only, %d characters at most",
                               c->id ? c->id : "", MAX_ID);
    const gpuc__recipe_step *there = gpuc__recipe_find(recipe, c->id);
    if (there && (there->script || there->builtin))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "\"%s\" is a step of the recipe itself; choose another id", c->id);
    int rc = check_custom_scripts(c, err);
    if (rc != GPUC_OK)
        return rc;
    const char *roles = c->roles ? c->roles : "all";
    if (!known_role(roles))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "the step \"%s\": roles is \"%.32s\"; it can be all, worker, "
                               "control-plane or gpu",
                               c->id, roles);
    if (c->timeout_s > 86400)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "the step \"%s\": timeout_s is above a day", c->id);
    return check_custom_place(recipe, c, err);
}

static entry *custom_entry(const gpuc_custom_step *c)
{
    entry *e = gpuc__calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    gpuc__recipe_step *s = &e->step;
    e->source = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s*}", "id", c->id, "title",
                          c->title ? c->title : c->id, "after", c->after ? c->after : "os.packages",
                          "roles", c->roles ? c->roles : "all", "probe", c->probe, "act", c->act,
                          "undo", c->undo);
    e->lists[0] = gpuc__calloc(2, sizeof(char *));
    e->lists[1] = gpuc__calloc(2, sizeof(char *));
    if (!e->source || !e->lists[0] || !e->lists[1]) {
        free_entry(e);
        return NULL;
    }
    s->id = text_of(e->source, "id");
    s->title = text_of(e->source, "title");
    e->lists[0][0] = text_of(e->source, "roles");
    e->lists[1][0] = text_of(e->source, "after");
    s->roles = e->lists[0];
    s->after = e->lists[1];
    s->after_first = s->after_all = s->after_cluster = s->uses = s->vars = no_list;
    s->timeout_s = c->timeout_s ? c->timeout_s : 600;
    s->backoff_s = 1;
    s->custom[0] = text_of(e->source, "probe");
    s->custom[1] = text_of(e->source, "act");
    s->custom[2] = text_of(e->source, "undo");
    s->remedy = "The step is the caller's own; look at its script and its last output.";
    return e;
}

int gpuc__recipe_add_custom(gpuc__recipe *recipe, const gpuc_custom_step *step, gpuc_error **err)
{
    int rc = check_custom(recipe, step, err);
    if (rc != GPUC_OK)
        return rc;
    size_t index = 0;
    while (index < recipe->count && strcmp(recipe->entries[index]->step.id, step->id) != 0)
        index++;
    if (index == MAX_STEPS)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE, "more than %d steps", MAX_STEPS);
    entry *e = custom_entry(step);
    if (!e)
        return gpuc__error_nomem(err);
    if (index < recipe->count)
        free_entry(recipe->entries[index]);
    else
        recipe->count++;
    recipe->entries[index] = e;
    return GPUC_OK;
}

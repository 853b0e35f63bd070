/* SPDX-License-Identifier: Apache-2.0 */
/* What the caller changes in the recipe: steps skipped and steps added. Both are kept in the state
 * when `up` begins, so that they hold for the next process as well. */
#include <string.h>

#include "cluster/cluster.h"
#include "util/alloc.h"
#include "util/error.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int apply_custom(gpuc_cluster *cluster, const json_t *kept, gpuc_error **err)
{
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;

    step.id = text_of(kept, "id");
    step.title = text_of(kept, "title");
    step.after = text_of(kept, "after");
    step.roles = text_of(kept, "roles");
    step.probe = text_of(kept, "probe");
    step.act = text_of(kept, "act");
    step.undo = text_of(kept, "undo");
    step.timeout_s = (uint32_t)json_integer_value(json_object_get(kept, "timeout_s"));
    return gpuc__recipe_add_custom(cluster->recipe, &step, err);
}

static int load_array(json_t **out, gpuc_cluster *cluster, const char *key, gpuc_error **err)
{
    char *text = NULL;
    json_t *array;
    int rc = gpuc__store_get(cluster->store, NULL, key, &text, err);

    if (rc < 0 || !text)
        return rc;
    array = json_loads(text, 0, NULL);
    gpuc__free(text);
    if (!json_is_array(array)) {
        json_decref(array);
        return gpuc__error_set(err, GPUC_EIO, GPUC_DOMAIN_STATE,
                               "the state of cluster %s is damaged: \"%s\" is not a list",
                               cluster->name, key);
    }
    json_decref(*out);
    *out = array;
    return GPUC_OK;
}

int gpuc__customs_load(gpuc_cluster *cluster, gpuc_error **err)
{
    json_t *kept;
    size_t i;
    int rc = GPUC_OK;

    if (cluster->store)
        rc = load_array(&cluster->skips, cluster, "skips", err);
    if (rc == GPUC_OK && cluster->store)
        rc = load_array(&cluster->customs, cluster, "customs", err);
    json_array_foreach(cluster->customs, i, kept) {
        if (rc == GPUC_OK)
            rc = apply_custom(cluster, kept, err);
    }
    return rc;
}

static int save_array(gpuc_cluster *cluster, const char *key, json_t *array, gpuc_error **err)
{
    char *text = json_dumps(array, JSON_COMPACT);
    int rc = text ? gpuc__store_set(cluster->store, NULL, key, text, err) : gpuc__error_nomem(err);

    free(text); /* jansson's own memory */
    return rc;
}

int gpuc__customs_save(gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = save_array(cluster, "skips", cluster->skips, err);

    return rc < 0 ? rc : save_array(cluster, "customs", cluster->customs, err);
}

bool gpuc__cluster_skips(const gpuc_cluster *cluster, const char *step, const char *machine)
{
    json_t *skip;
    size_t i;

    json_array_foreach(cluster->skips, i, skip) {
        const char *only = text_of(skip, "machine"), *id = text_of(skip, "step");

        if (id && strcmp(id, step) == 0 &&
            (!only || (machine && strcmp(only, machine) == 0)))
            return true;
    }
    return false;
}

int gpuc_cluster_skip_step(gpuc_cluster *cluster, const char *step, const char *machine,
                           gpuc_error **err)
{
    gpuc__member *member;
    int rc;

    GPUC__CHECK_ARG(err, cluster && step);
    if (machine && !machine[0])
        machine = NULL; /* languages without a null string */
    rc = gpuc__recipe_check_id(cluster->recipe, step, err);
    if (rc == GPUC_OK && machine)
        rc = gpuc__cluster_find(&member, cluster, machine, err);
    if (rc == GPUC_OK && !gpuc__cluster_skips(cluster, step, machine) &&
        json_array_append_new(cluster->skips, json_pack("{s:s, s:s?}", "step", step, "machine",
                                                        machine)) < 0)
        rc = gpuc__error_nomem(err);
    return rc;
}

/* A step of the same id gives way to the new one. */
static int remember(gpuc_cluster *cluster, const gpuc_custom_step *step, gpuc_error **err)
{
    json_t *kept = json_pack("{s:s, s:s?, s:s?, s:s?, s:s, s:s, s:s?, s:i}", "id", step->id, "title",
                             step->title, "after", step->after, "roles", step->roles, "probe",
                             step->probe, "act", step->act, "undo", step->undo, "timeout_s",
                             (int)step->timeout_s);
    json_t *old;
    size_t i;

    if (!kept)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "step %s: its texts must be UTF-8", step->id);
    json_array_foreach(cluster->customs, i, old) {
        if (strcmp(text_of(old, "id"), step->id) == 0)
            return json_array_set_new(cluster->customs, i, kept) < 0 ? gpuc__error_nomem(err)
                                                                     : GPUC_OK;
    }
    return json_array_append_new(cluster->customs, kept) < 0 ? gpuc__error_nomem(err) : GPUC_OK;
}

void gpuc_custom_step_init(gpuc_custom_step *step)
{
    *step = (gpuc_custom_step)GPUC_CUSTOM_STEP_INIT;
}

int gpuc_cluster_add_step(gpuc_cluster *cluster, const gpuc_custom_step *step, gpuc_error **err)
{
    int rc;

    GPUC__CHECK_ARG(err, cluster && step && step->struct_size == sizeof(*step));
    GPUC__CHECK_ARG(err, !cluster->busy);
    rc = gpuc__recipe_add_custom(cluster->recipe, step, err);
    return rc < 0 ? rc : remember(cluster, step, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Server-side apply, one object after the other. */
#include <string.h>

#include "kube/call.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/data.h"
#include "util/error.h"

typedef struct apply_state {
    json_t *objects, *answers;
    size_t next;
} apply_state;

/* The entry of kube/kinds.json; NULL when there is none. root keeps it. */
static const json_t *find_kind(json_t **root, const char *api_version, const char *kind)
{
    const gpuc__data *data = gpuc__data_get("kube/kinds.json");
    char key[256];

    *root = data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
    snprintf(key, sizeof(key), "%s/%s", api_version, kind);
    return gpuc__json_at(*root, "kinds", key, NULL);
}

bool gpuc__kube_is_namespaced(const json_t *object)
{
    const char *api_version = gpuc__json_text(object, "apiVersion", NULL);
    const char *kind = gpuc__json_text(object, "kind", NULL);
    json_t *root = NULL;
    const json_t *entry = api_version && kind ? find_kind(&root, api_version, kind) : NULL;
    bool namespaced = json_is_true(json_object_get(entry, "namespaced"));

    json_decref(root);
    return namespaced;
}

int gpuc__kube_object_path(char **out, const json_t *object, gpuc_error **err)
{
    const char *api_version = gpuc__json_text(object, "apiVersion", NULL);
    const char *kind = gpuc__json_text(object, "kind", NULL);
    const char *name = gpuc__json_text(object, "metadata", "name", NULL);
    const char *namespace_ = gpuc__json_text(object, "metadata", "namespace", NULL);
    const json_t *entry;
    const char *plural;
    char *prefix = NULL, *path = NULL;
    json_t *root = NULL;
    int rc = GPUC_OK;

    if (!api_version || !kind || !name) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_KUBERNETES,
                        "a manifest's object lacks %s", !api_version ? "apiVersion"
                                                        : !kind      ? "kind"
                                                                     : "metadata.name");
        gpuc__error_remedy(err, "add the field to every object of the manifest");
        return GPUC_EINVAL;
    }
    entry = find_kind(&root, api_version, kind);
    plural = gpuc__json_text(entry, "plural", NULL);
    if (!plural) {
        rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_KUBERNETES,
                             "objects of kind %.100s (%.100s) are not known here", kind,
                             api_version);
        gpuc__error_remedy(err, "apply this object with kubectl");
        goto done;
    }
    prefix = gpuc__asprintf("%s%s", strchr(api_version, '/') ? "/apis/" : "/api/", api_version);
    if (json_is_true(json_object_get(entry, "namespaced")))
        path = gpuc__kube_path("/namespaces/%s/%s/%s", namespace_ ? namespace_ : "default", plural,
                               name, NULL);
    else
        path = gpuc__kube_path("/%s/%s", plural, name, NULL);
    if (prefix && path)
        *out = gpuc__asprintf("%s%s", prefix, path);
    if (!prefix || !path || !*out)
        rc = gpuc__error_nomem(err);
done:
    gpuc__free(prefix);
    gpuc__free(path);
    json_decref(root);
    return rc;
}

static void apply_clear(void *state)
{
    apply_state *s = state;

    json_decref(s->objects);
    json_decref(s->answers);
}

static void apply_next(gpuc__kube_call *call);

static void on_applied(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    apply_state *s = call->state;
    const json_t *object = json_array_get(s->objects, s->next);

    if (error) {
        const char *kind = gpuc__json_text(object, "kind", NULL);
        const char *name = gpuc__json_text(object, "metadata", "name", NULL);

        gpuc__call_wrap(&error, "applying %s %s", kind ? kind : "?", name ? name : "?");
    }
    if (gpuc__call_ended(call, error))
        return;
    json_array_append(s->answers, result);
    s->next++;
    apply_next(call);
}

static void apply_next(gpuc__kube_call *call)
{
    apply_state *s = call->state;
    const json_t *object = json_array_get(s->objects, s->next);
    gpuc__kube_call *child = NULL;
    gpuc_error *error = NULL;
    char *path = NULL, *whole;

    if (!object) {
        gpuc__call_finish(call, json_incref(s->answers), NULL);
        return;
    }
    if (gpuc__kube_object_path(&path, object, &error) != GPUC_OK) {
        gpuc__call_finish(call, NULL, error);
        return;
    }
    whole = gpuc__asprintf("%s?fieldManager=gpucluster&force=true", path);
    if (whole)
        child = gpuc__kube_send(call->kube,
                                &(gpuc__kube_args){.method = "PATCH",
                                                   .path = whole,
                                                   .body = object,
                                                   .content_type = "application/apply-patch+yaml",
                                                   .deadline_ms = gpuc__call_remaining(call) + 1,
                                                   .done = on_applied,
                                                   .data = call});
    gpuc__free(path);
    gpuc__free(whole);
    gpuc__call_wait(call, child);
}

gpuc__kube_call *gpuc__kube_apply(gpuc__kube *kube, const json_t *objects, int deadline_ms,
                                  gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call =
        gpuc__call_new(kube, deadline_ms, sizeof(apply_state), apply_clear, done, data);
    apply_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    s->objects = json_is_array(objects) ? json_deep_copy(objects)
                                        : json_pack("[o]", json_deep_copy(objects));
    s->answers = json_array();
    if (!s->objects || !s->answers) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, apply_next);
    return call;
}

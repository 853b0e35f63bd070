/* SPDX-License-Identifier: Apache-2.0 */
/* What every cluster gets through the API server: the pod network, and for GPUs the RuntimeClass and
 * the device plugin. Each object carries the sum of its manifest, by which a later run knows it. */
#include <openssl/evp.h>
#include <string.h>

#include "cluster/action.h"
#include "cluster/jobs.h"
#include "gpu/probe.h"
#include "kube/manifest.h"
#include "util/alloc.h"
#include "util/error.h"

#define ANNOTATION "gpucluster/manifest"
#define APPLY_MS 120000
#define ASK_MS 30000

typedef struct addons {
    json_t *objects; /* array */
    size_t next;     /* the object to look at */
} addons;

static void finish(gpuc__action *action, gpuc__verdict verdict, const char *detail,
                   gpuc_error *error)
{
    addons *a = action->work;

    action->work = NULL;
    if (a)
        json_decref(a->objects);
    gpuc__free(a);
    if (!gpuc__action_was_cancelled(action, error))
        gpuc__action_answer(action, verdict, detail, error);
}

/* Images as the bundle has them, where there is one. */
static int use_bundle_images(const gpuc_cluster *cluster, json_t *values, gpuc_error **err)
{
    json_t *manifest = NULL, *image;
    size_t i;
    int rc;

    if (!cluster->model->source_bundle)
        return GPUC_OK;
    rc = gpuc__bundle_manifest(&manifest, cluster->model->source_bundle, err);
    if (rc < 0)
        return rc;
    json_array_foreach(json_object_get(manifest, "images"), i, image) {
        const char *ref = json_string_value(json_object_get(image, "ref"));

        if (ref)
            gpuc__manifest_use_image(values, ref);
    }
    json_decref(manifest);
    return GPUC_OK;
}

int gpuc__job_values(json_t **out, gpuc_error **err)
{
    gpuc__probe_request request = {.container = true};
    json_t *values = NULL;
    char *script = NULL;
    int rc = gpuc__manifest_values(&values, err);

    if (rc == GPUC_OK)
        rc = gpuc__probe_script_for_pod(&script, &request, err);
    if (rc == GPUC_OK && json_object_set_new(values, "PROBE_SCRIPT", json_string(script)) < 0)
        rc = gpuc__error_nomem(err);
    gpuc__free(script);
    if (rc < 0)
        json_decref(values);
    else
        *out = values;
    return rc;
}

int gpuc__cluster_manifest_values(json_t **out, gpuc_cluster *cluster, gpuc_error **err)
{
    json_t *values = NULL;
    int rc = gpuc__job_values(&values, err);

    if (rc == GPUC_OK)
        json_object_set_new(values, "POD_SUBNET", json_string(cluster->model->pod_subnet));
    if (rc == GPUC_OK)
        rc = use_bundle_images(cluster, values, err);
    if (rc < 0)
        json_decref(values);
    else
        *out = values;
    return rc;
}

static int annotate(json_t *object, gpuc_error **err)
{
    json_t *metadata = json_object_get(object, "metadata");
    json_t *annotations = json_object_get(metadata, "annotations");
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS), hex[33];
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    if (!text || EVP_Digest(text, strlen(text), sum, &length, EVP_sha256(), NULL) != 1) {
        free(text); /* jansson's own memory */
        return gpuc__error_nomem(err);
    }
    free(text); /* jansson's own memory */
    for (size_t i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    if (!annotations) {
        annotations = json_object();
        json_object_set_new(metadata, "annotations", annotations);
    }
    return json_object_set_new(annotations, ANNOTATION, json_string(hex)) ? gpuc__error_nomem(err)
                                                                         : GPUC_OK;
}

static int add_manifest(json_t *objects, const char *name, const json_t *values, gpuc_error **err)
{
    json_t *loaded = NULL, *object;
    int rc = gpuc__manifest_load(&loaded, name, values, err);
    size_t i;

    json_array_foreach(loaded, i, object) {
        if (rc == GPUC_OK)
            rc = annotate(object, err);
    }
    if (rc == GPUC_OK && json_array_extend(objects, loaded) < 0)
        rc = gpuc__error_nomem(err);
    json_decref(loaded);
    return rc;
}

/* The objects of the named manifests, ready to be compared or applied; false: it has answered. */
static bool load(gpuc__action *action, const char *const *names)
{
    addons *a = gpuc__calloc(1, sizeof(*a));
    json_t *values = NULL;
    gpuc_error *error = NULL;
    int rc = a ? gpuc__cluster_manifest_values(&values, action->cluster, &error)
               : gpuc__error_nomem(&error);

    action->work = a;
    if (a)
        a->objects = json_array();
    for (; rc == GPUC_OK && *names; names++)
        rc = add_manifest(a->objects, *names, values, &error);
    json_decref(values);
    if (rc < 0)
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    return rc == GPUC_OK;
}

static void look_at_next(gpuc__action *action);

static const char *sum_of(const json_t *object)
{
    json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
    const char *sum = json_string_value(json_object_get(annotations, ANNOTATION));

    return sum ? sum : "";
}

static void on_object(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;
    addons *a = action->work;

    if (error && gpuc_error_code(error) == GPUC_ENOTFOUND && !action->cancelled) {
        gpuc_error_unref(error);
        finish(action, GPUC__VERDICT_NEEDED, "not installed yet", NULL);
    } else if (error || action->cancelled) {
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    } else if (strcmp(sum_of(result), sum_of(json_array_get(a->objects, a->next))) != 0) {
        finish(action, GPUC__VERDICT_NEEDED, "another version is installed", NULL);
    } else if (!action->applied &&
               !gpuc__manifest_holds(json_array_get(a->objects, a->next), result)) {
        finish(action, GPUC__VERDICT_NEEDED, "it was changed since", NULL);
    } else {
        a->next++;
        look_at_next(action);
    }
}

static void look_at_next(gpuc__action *action)
{
    addons *a = action->work;
    gpuc__kube_args args = {
        .method = "GET", .deadline_ms = ASK_MS, .done = on_object, .data = action};
    gpuc_error *error = NULL;
    gpuc__kube *kube = NULL;
    char *path = NULL;

    if (a->next == json_array_size(a->objects)) {
        gpuc__cluster_set_up(action->cluster, &error);
        finish(action, GPUC__VERDICT_PRESENT, "installed", error);
        return;
    }
    if (gpuc__kube_object_path(&path, json_array_get(a->objects, a->next), &error) == GPUC_OK &&
        gpuc__cluster_kube(&kube, action->cluster, &error) == GPUC_OK) {
        args.path = path;
        action->kube_call = gpuc__kube_send(kube, &args);
        if (!action->kube_call)
            gpuc__error_nomem(&error);
    }
    gpuc__free(path);
    if (error)
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
}

static void probe(gpuc__action *action, const char *const *names)
{
    gpuc__kube *kube;

    if (gpuc__action_kube(action, &kube) && load(action, names))
        look_at_next(action);
}

static void on_applied(void *data, json_t *result, gpuc_error *error)
{
    gpuc__action *action = data;

    (void)result;
    action->applied = !error; /* whatever the server makes of it */
    finish(action, GPUC__VERDICT_PRESENT, NULL, error);
}

static void apply(gpuc__action *action, const char *const *names)
{
    gpuc_error *error = NULL;
    gpuc__kube *kube;
    addons *a;

    if (!gpuc__action_kube(action, &kube) || !load(action, names))
        return;
    a = action->work;
    action->kube_call = gpuc__kube_apply(kube, a->objects, APPLY_MS, on_applied, action);
    if (!action->kube_call) {
        gpuc__error_nomem(&error);
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    }
}

static const char *const network[] = {"flannel", NULL};
static const char *const gpu[] = {"runtime-class", "device-plugin", NULL};

void gpuc__network_probe(gpuc__action *action)
{
    probe(action, network);
}

void gpuc__network_act(gpuc__action *action)
{
    apply(action, network);
}

void gpuc__gpu_addons_probe(gpuc__action *action)
{
    probe(action, gpu);
}

void gpuc__gpu_addons_act(gpuc__action *action)
{
    apply(action, gpu);
}

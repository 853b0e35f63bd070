/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that a person wrote, taken into a run: named, labelled, bounded, and copied for a node. */
#include <stdio.h>
#include <string.h>

#include "kube/job_internal.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define NAME_MAX_BYTES 63 /* of a Job: its pods carry the name as a label */

static bool is_kind(const json_t *object, const char *api_version, const char *kind)
{
    const char *its_version = gpuc__json_text(object, "apiVersion", NULL);
    const char *its_kind = gpuc__json_text(object, "kind", NULL);

    return its_version && its_kind && strcmp(its_version, api_version) == 0 &&
           strcmp(its_kind, kind) == 0;
}

bool gpuc__job_is_workload(const json_t *object)
{
    return is_kind(object, "batch/v1", "Job") || is_kind(object, "v1", "Pod");
}

/* object[key], made when it is not there; borrowed. NULL without memory or when it is no object. */
static json_t *part(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value)) {
        json_object_set_new(object, key, json_object());
        value = json_object_get(object, key);
    }
    return json_is_object(value) ? value : NULL;
}

static int shape_error(const json_t *object, const char *what, gpuc_error **err)
{
    const char *kind = gpuc__json_text(object, "kind", NULL);
    const char *name = gpuc__json_text(object, "metadata", "name", NULL);
    int rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB, "%s %s: %s", kind ? kind : "object",
                             name ? name : "?", what);

    gpuc__error_remedy(err, "correct the manifest");
    return rc;
}

/* metadata.name: as it is, from generateName, or that of the copy for a node. */
static int set_name(json_t *copy, json_t *metadata, const gpuc__job_given *given, gpuc_error **err)
{
    const char *name = gpuc__json_text(metadata, "name", NULL);
    const char *prefix = gpuc__json_text(metadata, "generateName", NULL);
    char *whole = NULL;
    int rc = GPUC_OK;

    if (!name && !prefix)
        return shape_error(copy, "it has neither metadata.name nor metadata.generateName", err);
    if (given->node && gpuc__job_is_workload(copy))
        whole = gpuc__job_node_name(name ? name : prefix, given->run_id, given->node);
    else
        whole = name ? gpuc__strdup(name) : gpuc__asprintf("%s%s", prefix, given->run_id);
    if (!whole)
        return gpuc__error_nomem(err);
    if (is_kind(copy, "batch/v1", "Job") && strlen(whole) > NAME_MAX_BYTES)
        rc = shape_error(copy, "a Job's name, with what a run adds, can have 63 characters at most",
                         err);
    else if (json_object_set_new(metadata, "name", json_string(whole)) != 0)
        rc = gpuc__error_nomem(err);
    json_object_del(metadata, "generateName");
    gpuc__free(whole);
    return rc;
}

/* Labels and, for a copy, the node's annotation. */
static bool mark(json_t *metadata, const gpuc__job_given *given, const char *job)
{
    json_t *labels = part(metadata, "labels"), *annotations;

    if (!labels || json_object_set_new(labels, "gpucluster/run-id", json_string(given->run_id)) != 0)
        return false;
    if (job && json_object_set_new(labels, "gpucluster/job", json_string(job)) != 0)
        return false;
    if (!json_object_get(labels, "app.kubernetes.io/managed-by"))
        json_object_set_new(labels, "app.kubernetes.io/managed-by", json_string("libgpucluster"));
    if (!given->node)
        return true;
    annotations = part(metadata, "annotations");
    return annotations &&
           json_object_set_new(annotations, "gpucluster/node", json_string(given->node)) == 0;
}

/* The rule for the node, in every term there is: terms are alternatives. */
static bool pin(json_t *pod_spec, const char *node)
{
    json_t *wish = gpuc__job_node_affinity(node), *terms, *term, *fields;
    json_t *required = part(part(part(pod_spec, "affinity"), "nodeAffinity"),
                            "requiredDuringSchedulingIgnoredDuringExecution");
    bool done = required != NULL;
    size_t i;

    fields = gpuc__json_at(wish, "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution",
                           "nodeSelectorTerms", NULL);
    terms = json_object_get(required, "nodeSelectorTerms");
    if (done && !json_array_size(terms)) {
        done = json_object_set(required, "nodeSelectorTerms", fields) == 0;
    } else if (done) {
        fields = json_object_get(json_array_get(fields, 0), "matchFields");
        json_array_foreach(terms, i, term)
            done = json_object_set_new(term, "matchFields", json_deep_copy(fields)) == 0 && done;
    }
    json_decref(wish);
    return done;
}

static int adopt_pod(json_t *pod, json_t *spec, const gpuc__job_given *given, gpuc_error **err)
{
    const char *policy = gpuc__json_text(spec, "restartPolicy", NULL);

    if (!policy || strcmp(policy, "Always") == 0)
        return shape_error(pod, "with the restartPolicy Always, which is the default, a Pod never "
                                "ends; write Never or OnFailure", err);
    if (given->node && !pin(spec, given->node))
        return gpuc__error_nomem(err);
    return GPUC_OK;
}

static int adopt_job(json_t *job, json_t *spec, const gpuc__job_given *given, gpuc_error **err)
{
    const char *name = gpuc__json_text(job, "metadata", "name", NULL);
    json_t *template = part(spec, "template");
    json_t *metadata = template ? part(template, "metadata") : NULL;
    json_t *pod_spec = template ? part(template, "spec") : NULL;

    if (!metadata || !pod_spec)
        return shape_error(job, "spec.template is no mapping with metadata and spec", err);
    if (!mark(metadata, given, name) || (given->node && !pin(pod_spec, given->node)))
        return gpuc__error_nomem(err);
    if (!given->keep && !json_object_get(spec, "ttlSecondsAfterFinished"))
        json_object_set_new(spec, "ttlSecondsAfterFinished", json_integer(GPUC__JOB_TTL_S));
    return GPUC_OK;
}

static int adopt_workload(json_t *copy, const gpuc__job_given *given, gpuc_error **err)
{
    json_t *spec = json_object_get(copy, "spec");
    const json_t *deadline = json_object_get(spec, "activeDeadlineSeconds");

    if (!json_is_object(spec))
        return shape_error(copy, "it has no spec", err);
    if (!deadline)
        json_object_set_new(spec, "activeDeadlineSeconds", json_integer(given->deadline_s));
    else if (json_integer_value(deadline) <= 0 || json_integer_value(deadline) > 1000000)
        return shape_error(copy, "activeDeadlineSeconds is not a number from 1 to 1000000", err);
    return is_kind(copy, "v1", "Pod") ? adopt_pod(copy, spec, given, err)
                                      : adopt_job(copy, spec, given, err);
}

int gpuc__job_adopt(json_t **out, const json_t *object, const gpuc__job_given *given,
                    gpuc_error **err)
{
    json_t *copy = json_deep_copy(object), *metadata = copy ? part(copy, "metadata") : NULL;
    int rc = GPUC_OK;

    if (!copy)
        return gpuc__error_nomem(err);
    if (!metadata)
        rc = shape_error(object, "metadata is no mapping", err);
    if (rc == GPUC_OK)
        rc = set_name(copy, metadata, given, err);
    if (rc == GPUC_OK && !mark(metadata, given, NULL))
        rc = shape_error(object, "metadata.labels or metadata.annotations is no mapping", err);
    if (rc == GPUC_OK && gpuc__kube_is_namespaced(copy) && !json_object_get(metadata, "namespace"))
        json_object_set_new(metadata, "namespace",
                            json_string(given->namespace_ ? given->namespace_ : "default"));
    if (rc == GPUC_OK && gpuc__job_is_workload(copy))
        rc = adopt_workload(copy, given, err);
    if (rc == GPUC_OK)
        *out = copy;
    else
        json_decref(copy);
    return rc;
}

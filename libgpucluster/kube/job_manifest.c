/* SPDX-License-Identifier: Apache-2.0 */
/* Job kinds and the manifest of one Job. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "kube/job_internal.h"
#include "kube/manifest.h"
#include "kube/node.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

#define DEADLINE_DEFAULT_S 600
#define GRACE_S 5 /* a deadline or Ctrl-C is not to take half a minute more */
#define KIND_MAX 30
#define RUN_ID_MAX 16
#define DEADLINE_MAX_S 1000000
#define GPUS_MAX 1024

/* {"$file": PATH}: the text of a file that is compiled in. */
static json_t *fill_files(const json_t *words)
{
    json_t *filled = json_array();
    const json_t *word;
    size_t i;

    json_array_foreach(words, i, word)
    {
        const char *path = gpuc__json_text(word, "$file", NULL);
        const gpuc__data *file = path ? gpuc__data_get(path) : NULL;

        json_array_append_new(filled, file ? json_stringn(file->text, file->length)
                                           : json_incref((json_t *)word));
    }
    return filled;
}

int gpuc__job_kind(json_t **out, const char *kind, const json_t *values, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get("kube/jobs.json");
    json_t *root = data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
    json_t *kinds = json_object_get(root, "kinds"), *entry = json_object_get(kinds, kind), *value;
    gpuc__buf known = GPUC__BUF_INIT(1024);
    const char *name;
    int rc;

    if (entry) {
        rc = gpuc__manifest_fill(out, entry, values, err);
        if (rc == GPUC_OK)
            json_object_set_new(*out, "command", fill_files(json_object_get(*out, "command")));
    } else {
        json_object_foreach(kinds, name, value)
            gpuc__buf_printf(&known, "%s%s", known.length ? ", " : "", name);
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                             "there is no job of the kind \"%.60s\"; known are: %s", kind,
                             gpuc__buf_text(&known));
        gpuc__error_remedy(err, "choose one of them, or give a manifest of your own");
        gpuc__buf_clear(&known);
    }
    json_decref(root);
    return rc;
}

/* Text and bytes of its SHA-256 in hex, for names that must stay short. */
static bool short_hash(char *out, size_t size, const char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;

    if (!EVP_Digest(text, strlen(text), digest, &length, EVP_sha256(), NULL))
        return false;
    for (size_t i = 0; 2 * i + 2 < size && i < length; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return true;
}

char *gpuc__job_name(const gpuc__job_params *params)
{
    return gpuc__job_node_name(params->kind, params->run_id, params->node);
}

char *gpuc__job_node_name(const char *name, const char *run_id, const char *node)
{
    char hash[9];

    if (!node)
        return gpuc__asprintf("%s-%s", name, run_id);
    if (!short_hash(hash, sizeof(hash), node))
        return NULL;
    return gpuc__asprintf("%s-%s-%s", name, run_id, hash);
}

static bool is_word(const char *text, size_t max, const char *chars)
{
    size_t length = text ? strlen(text) : 0;

    return length > 0 && length <= max && strspn(text, chars) == length && text[0] != '-' &&
           text[length - 1] != '-';
}

static bool is_text_list(const json_t *list)
{
    const json_t *word;
    size_t i;

    json_array_foreach(list, i, word)
    {
        if (!json_is_string(word))
            return false;
    }
    return true;
}

static bool are_names_good(const gpuc__job_params *p)
{
    return is_word(p->kind, KIND_MAX, "abcdefghijklmnopqrstuvwxyz0123456789-") &&
           is_word(p->run_id, RUN_ID_MAX, "abcdefghijklmnopqrstuvwxyz0123456789") &&
           (!p->node || is_word(p->node, 253, "abcdefghijklmnopqrstuvwxyz0123456789-.")) &&
           p->image && *p->image;
}

static bool are_numbers_good(const gpuc__job_params *p)
{
    return p->gpus >= 0 && p->gpus <= GPUS_MAX && p->containers >= 0 && p->containers <= GPUS_MAX &&
           p->deadline_s >= 0 && p->deadline_s <= DEADLINE_MAX_S;
}

static int check(const gpuc__job_params *p, gpuc_error **err)
{
    if (!are_names_good(p) || !are_numbers_good(p)) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                        "the job \"%.60s\" on the node \"%.100s\" has a name, image, GPU count or "
                        "deadline that Kubernetes does not take",
                        p->kind ? p->kind : "", p->node ? p->node : "");
        gpuc__error_remedy(err, "names are lower-case letters, digits and -; image must be given");
        return GPUC_EINVAL;
    }
    if (!is_text_list(p->command) || !is_text_list(p->args))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                               "the command of the job \"%s\" is not a list of text", p->kind);
    return GPUC_OK;
}

static json_t *labels(const gpuc__job_params *p, const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "app.kubernetes.io/managed-by", "libgpucluster",
                     "app.kubernetes.io/name", p->kind, "gpucluster/run-id", p->run_id,
                     "gpucluster/job", name);
}

static json_t *annotations(const gpuc__job_params *p)
{
    return p->node ? json_pack("{s:s}", "gpucluster/node", p->node) : json_object();
}

static json_t *environment(const gpuc__job_params *p)
{
    json_t *list = json_array(), *value;
    const char *name;

    if (p->gpus > 0)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", "NVIDIA_DRIVER_CAPABILITIES",
                                              "value", "utility,compute"));
    json_object_foreach((json_t *)p->env, name, value)
        json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "value", value));
    return list;
}

static int count_containers(const gpuc__job_params *p)
{
    return p->resources ? (int)json_object_size(p->resources) : p->containers ? p->containers : 1;
}

/* Of GPUs and MIG devices one name for each container: the device plugin tells a container by one
 * variable which devices are its own, of which two names give two values and the kubelet keeps any
 * (kubernetes/pkg/kubelet/cm/devicemanager/pod_devices.go; NVIDIA/k8s-device-plugin issue 728). */
static json_t *limits(const gpuc__job_params *p, int index)
{
    char gpus[16];
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)p->resources, name, value)
    {
        if (index-- == 0)
            return json_pack("{s:O}", name, value);
    }
    snprintf(gpus, sizeof(gpus), "%d", p->gpus);
    return json_pack("{s:s}", "nvidia.com/gpu", gpus);
}

static json_t *container(const gpuc__job_params *p, int index)
{
    char name[KIND_MAX + 16];
    json_t *c, *env = environment(p);

    if (count_containers(p) > 1)
        snprintf(name, sizeof(name), "%s-%d", p->kind, index);
    else
        snprintf(name, sizeof(name), "%s", p->kind);
    c = json_pack("{s:s, s:s, s:s}", "name", name, "image", p->image, "imagePullPolicy",
                  "IfNotPresent");
    if (c && json_array_size(p->command) > 0)
        json_object_set_new(c, "command", json_deep_copy(p->command));
    if (c && json_array_size(p->args) > 0)
        json_object_set_new(c, "args", json_deep_copy(p->args));
    if (c && json_array_size(env) > 0)
        json_object_set(c, "env", env);
    if (c && p->gpus > 0)
        json_object_set_new(c, "resources", json_pack("{s:o}", "limits", limits(p, index)));
    json_decref(env);
    return c;
}

static json_t *containers(const gpuc__job_params *p)
{
    json_t *list = json_array();

    for (int i = 0; i < count_containers(p); i++)
        json_array_append_new(list, container(p, i));
    return list;
}

/* matchFields on the node's name, not spec.nodeName: that would go past the scheduler, which counts
 * GPUs, and fail with OutOfnvidia.com/gpu where waiting is right. */
json_t *gpuc__job_node_affinity(const char *node)
{
    return json_pack("{s:{s:{s:[{s:[{s:s, s:s, s:[s]}]}]}}}", "nodeAffinity",
                     "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms",
                     "matchFields", "key", "metadata.name", "operator", "In", "values", node);
}

static json_t *pod_spec(const gpuc__job_params *p)
{
    const char *runtime = p->runtime_class ? p->runtime_class : p->gpus > 0 ? "nvidia" : "";
    json_t *spec = json_pack("{s:s, s:b, s:i, s:[{s:s, s:s}, {s:s, s:s, s:s}], s:o}", "restartPolicy",
                             "Never", "automountServiceAccountToken", 0,
                             "terminationGracePeriodSeconds", GRACE_S, "tolerations", "key",
                             "nvidia.com/gpu", "operator", "Exists", "key",
                             "node-role.kubernetes.io/control-plane", "operator", "Exists", "effect",
                             "NoSchedule", "containers", containers(p));

    if (spec && p->proves)
        json_array_append_new(json_object_get(spec, "tolerations"),
                              json_pack("{s:s, s:s, s:s}", "key", GPUC__TAINT_UNPROVEN, "operator",
                                        "Exists", "effect", GPUC__TAINT_EFFECT));
    if (spec && p->node)
        json_object_set_new(spec, "affinity", gpuc__job_node_affinity(p->node));
    if (spec && *runtime)
        json_object_set_new(spec, "runtimeClassName", json_string(runtime));
    return spec;
}

int gpuc__job_manifest(json_t **out, const gpuc__job_params *p, gpuc_error **err)
{
    char *name;
    json_t *job = NULL;
    int rc = check(p, err);

    if (rc != GPUC_OK)
        return rc;
    name = gpuc__job_name(p);
    if (name)
        job = json_pack("{s:s, s:s, s:{s:s, s:s, s:o, s:o},"
                        " s:{s:i, s:i, s:i, s:i, s:{s:{s:o, s:o}, s:o}}}",
                        "apiVersion", "batch/v1", "kind", "Job", "metadata", "name", name,
                        "namespace", p->namespace_ ? p->namespace_ : "default", "labels",
                        labels(p, name), "annotations", annotations(p), "spec", "completions", 1,
                        "parallelism", 1, "backoffLimit", 0, "activeDeadlineSeconds",
                        p->deadline_s ? p->deadline_s : DEADLINE_DEFAULT_S, "template", "metadata",
                        "labels", labels(p, name), "annotations", annotations(p), "spec",
                        pod_spec(p));
    gpuc__free(name);
    if (!job)
        return gpuc__error_nomem(err);
    if (!p->keep)
        json_object_set_new(gpuc__json_at(job, "spec", NULL), "ttlSecondsAfterFinished",
                            json_integer(GPUC__JOB_TTL_S));
    *out = job;
    return GPUC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Job kinds and the manifest of one Job on one node. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "kube/job.h"
#include "kube/manifest.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

#define DEADLINE_DEFAULT_S 600
#define TTL_S 3600
#define KIND_MAX 30
#define RUN_ID_MAX 16
#define DEADLINE_MAX_S 1000000
#define GPUS_MAX 1024

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
    } else {
        json_object_foreach(kinds, name, value)
            gpuc__buf_printf(&known, "%s%s", known.length ? ", " : "", name);
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                             "there is no job of the kind \"%.60s\"; known are: %s", kind,
                             gpuc__buf_text(&known));
        gpuc__error_remedy(err, "choose one of them");
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
    char hash[9];

    if (!short_hash(hash, sizeof(hash), params->node))
        return NULL;
    return gpuc__asprintf("%s-%s-%s", params->kind, params->run_id, hash);
}

static bool is_word(const char *text, size_t max, const char *chars)
{
    size_t length = text ? strlen(text) : 0;

    return length > 0 && length <= max && strspn(text, chars) == length && text[0] != '-' &&
           text[length - 1] != '-';
}

static int check(const gpuc__job_params *p, gpuc_error **err)
{
    const json_t *word;
    size_t i;

    if (!is_word(p->kind, KIND_MAX, "abcdefghijklmnopqrstuvwxyz0123456789-") ||
        !is_word(p->run_id, RUN_ID_MAX, "abcdefghijklmnopqrstuvwxyz0123456789") ||
        !is_word(p->node, 253, "abcdefghijklmnopqrstuvwxyz0123456789-.") || !p->image ||
        !*p->image || p->gpus < 0 || p->gpus > GPUS_MAX || p->deadline_s < 0 ||
        p->deadline_s > DEADLINE_MAX_S) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                        "the job \"%.60s\" on the node \"%.100s\" has a name, image, GPU count or "
                        "deadline that Kubernetes does not take",
                        p->kind ? p->kind : "", p->node ? p->node : "");
        gpuc__error_remedy(err, "names are lower-case letters, digits and -; image must be given");
        return GPUC_EINVAL;
    }
    json_array_foreach(p->command, i, word)
    {
        if (!json_is_string(word))
            return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                                   "the command of the job \"%s\" is not a list of text", p->kind);
    }
    return GPUC_OK;
}

static json_t *labels(const gpuc__job_params *p, const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "app.kubernetes.io/managed-by", "libgpucluster",
                     "app.kubernetes.io/name", p->kind, "gpucluster/run-id", p->run_id,
                     "gpucluster/job", name);
}

static json_t *container(const gpuc__job_params *p)
{
    char gpus[16];
    json_t *c = json_pack("{s:s, s:s, s:s}", "name", p->kind, "image", p->image, "imagePullPolicy",
                          "IfNotPresent");

    if (c && json_array_size(p->command) > 0)
        json_object_set_new(c, "command", json_deep_copy(p->command));
    if (c && p->gpus > 0) {
        snprintf(gpus, sizeof(gpus), "%d", p->gpus);
        json_object_set_new(c, "resources", json_pack("{s:{s:s}}", "limits", "nvidia.com/gpu", gpus));
        json_object_set_new(c, "env",
                            json_pack("[{s:s, s:s}]", "name", "NVIDIA_DRIVER_CAPABILITIES", "value",
                                      "utility,compute"));
    }
    return c;
}

/* matchFields on the node's name, not spec.nodeName: that would go past the scheduler, which counts
 * GPUs, and fail with OutOfnvidia.com/gpu where waiting is right. */
static json_t *pod_spec(const gpuc__job_params *p)
{
    const char *runtime = p->runtime_class ? p->runtime_class : p->gpus > 0 ? "nvidia" : "";
    json_t *spec = json_pack(
        "{s:s, s:b, s:[{s:s, s:s}, {s:s, s:s, s:s}],"
        " s:{s:{s:{s:[{s:[{s:s, s:s, s:[s]}]}]}}}, s:[o]}",
        "restartPolicy", "Never", "automountServiceAccountToken", 0, "tolerations", "key",
        "nvidia.com/gpu", "operator", "Exists", "key", "node-role.kubernetes.io/control-plane",
        "operator", "Exists", "effect", "NoSchedule", "affinity", "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", "matchFields", "key",
        "metadata.name", "operator", "In", "values", p->node, "containers", container(p));

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
        job = json_pack("{s:s, s:s, s:{s:s, s:s, s:o, s:{s:s}},"
                        " s:{s:i, s:i, s:i, s:i, s:i, s:{s:{s:o, s:{s:s}}, s:o}}}",
                        "apiVersion", "batch/v1", "kind", "Job", "metadata", "name", name,
                        "namespace", p->namespace_ ? p->namespace_ : "default", "labels",
                        labels(p, name), "annotations", "gpucluster/node", p->node, "spec",
                        "completions", 1, "parallelism", 1, "backoffLimit", 0,
                        "activeDeadlineSeconds", p->deadline_s ? p->deadline_s : DEADLINE_DEFAULT_S,
                        "ttlSecondsAfterFinished", TTL_S, "template", "metadata", "labels",
                        labels(p, name), "annotations", "gpucluster/node", p->node, "spec",
                        pod_spec(p));
    gpuc__free(name);
    if (!job)
        return gpuc__error_nomem(err);
    *out = job;
    return GPUC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A proof as JSON, and back: reports show proofs that way, and the state keeps them. */
#include <string.h>

#include "gpu/checks.h"
#include "gpu/proof.h"
#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/rfc3339.h"

#define TEXT_MAX_BYTES 253
#define GPUS_MAX 512
#define CHECKS_MAX 16384

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *gpu_to_json(const gpuc__proof_gpu *g)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o?}", "index",
                     g->index < 0 ? json_null() : json_integer(g->index), "uuid", text_or_null(g->uuid), "bus",
                     text_or_null(g->bus), "product", text_or_null(g->product), "memory_mib",
                     g->memory_mib < 0 ? json_null() : json_integer((json_int_t)g->memory_mib),
                     "memory_gbs", g->gbs > 0 ? json_real(g->gbs) : json_null(), "nvidia_smi",
                     gpuc__proof_gpu_details(g));
}

/* Which GPU a check is about: null for the machine as a whole. A GPU that is not among the
 * machine's is named as far as its key goes. */
static json_t *check_gpu_to_json(const gpuc__machine_proof *proof, const gpuc__check *c)
{
    const gpuc__proof_gpu *g = gpuc__proof_gpu_of(proof, c->gpu);
    bool mig, is_bus;

    if (!c->gpu)
        return json_null();
    mig = strncmp(c->gpu, "MIG-", 4) == 0;
    is_bus = !g && !mig && strchr(c->gpu, ':');
    return json_pack("{s:o, s:o, s:o, s:o}", "index",
                     g && g->index >= 0 ? json_integer(g->index) : json_null(), "uuid",
                     text_or_null(g ? g->uuid : mig || is_bus ? NULL : c->gpu), "bus",
                     text_or_null(g ? g->bus : is_bus ? c->gpu : NULL), "mig",
                     text_or_null(mig ? c->gpu : NULL));
}

json_t *gpuc__proof_check_to_json(const gpuc__machine_proof *proof, const gpuc__check *c)
{
    json_t *row = gpuc__table_find_text(proof->table, "checks", "id", c->id);
    bool skipped = c->status == GPUC_CHECK_SKIP;

    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:s, s:s, s:o, s:o, s:o}", "id", c->id,
                     "title", gpuc__table_text(row, "title"), "status",
                     gpuc__check_status_name(c->status), "applies", !c->idle, "gpu",
                     check_gpu_to_json(proof, c), "observed",
                     text_or_null(skipped ? NULL : c->observed), "threshold", c->threshold,
                     "source", gpuc__table_text(row, "source"), "reason",
                     text_or_null(skipped ? c->observed : NULL), "remedy",
                     text_or_null(c->remedy), "evidence", text_or_null(c->evidence));
}

static json_t *time_or_null(int64_t ms)
{
    char text[GPUC__RFC3339_SIZE];

    return ms > 0 ? json_string(gpuc__rfc3339(text, ms)) : json_null();
}

json_t *gpuc__proof_checks_to_json(const gpuc__machine_proof *proof)
{
    json_t *checks = json_array();
    int failed = !checks;

    for (size_t i = 0; i < proof->check_count; i++)
        failed |= json_array_append_new(checks, gpuc__proof_check_to_json(proof, &proof->checks[i]));
    if (failed) {
        json_decref(checks);
        checks = NULL;
    }
    return checks;
}

json_t *gpuc__proof_to_json(const gpuc__machine_proof *proof)
{
    json_t *gpus = json_array(), *object;
    int failed = !gpus;

    for (size_t i = 0; i < proof->gpu_count; i++)
        failed |= json_array_append_new(gpus, gpu_to_json(&proof->gpus[i]));
    object = json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:O?, s:o}", "name",
                       proof->name, "verdict",
                       gpuc__check_status_name(gpuc__proof_verdict(proof)), "simulated",
                       proof->simulated, "started", time_or_null(proof->started_ms), "finished",
                       time_or_null(proof->finished_ms), "driver", text_or_null(proof->driver),
                       "cuda", text_or_null(proof->cuda), "kernel", text_or_null(proof->kernel),
                       "gpus", gpus, "topology", proof->topology, "checks",
                       gpuc__proof_checks_to_json(proof));
    if (failed) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static char *dup_of(const json_t *object, const char *key)
{
    const char *text = text_of(object, key);

    return text && *text ? gpuc__proof_text(text, TEXT_MAX_BYTES) : NULL;
}

static json_t *object_of(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_object(value) ? json_incref(value) : NULL;
}

static int status_of(const char *name)
{
    for (int status = GPUC_CHECK_PASS; name && status <= GPUC_CHECK_FAIL; status++) {
        if (strcmp(gpuc__check_status_name(status), name) == 0)
            return status;
    }
    return -1;
}

static int read_gpus(gpuc__machine_proof *proof, const json_t *array, gpuc_error **err)
{
    size_t n = json_array_size(array);

    if (n > GPUS_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "%s has %zu GPUs in the JSON; at most %d are read", proof->name, n,
                               GPUS_MAX);
    proof->gpus = gpuc__calloc(n ? n : 1, sizeof(*proof->gpus));
    if (!proof->gpus)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *object = json_array_get(array, i);
        json_t *memory = json_object_get(object, "memory_mib");
        json_t *index = json_object_get(object, "index");
        gpuc__proof_gpu *gpu = &proof->gpus[proof->gpu_count++];

        gpu->index = json_is_integer(index) ? (int)json_integer_value(index) : -1;
        gpu->uuid = dup_of(object, "uuid");
        gpu->bus = dup_of(object, "bus");
        gpu->product = dup_of(object, "product");
        gpu->memory_mib = json_is_number(memory) ? json_number_value(memory) : -1;
        gpu->gbs = json_number_value(json_object_get(object, "memory_gbs"));
        gpu->details = object_of(object, "nvidia_smi");
    }
    return GPUC_OK;
}

/* The key of the GPU that a check is about; older records have that as it is. */
static const char *check_gpu(const json_t *check)
{
    const json_t *gpu = json_object_get(check, "gpu");
    const char *mig = text_of(gpu, "mig"), *uuid = text_of(gpu, "uuid");

    if (json_is_string(gpu))
        return json_string_value(gpu);
    return mig ? mig : uuid ? uuid : text_of(gpu, "bus");
}

static int read_checks(gpuc__machine_proof *proof, const json_t *array, gpuc_error **err)
{
    const json_t *check;
    size_t i;
    int rc;

    if (json_array_size(array) > CHECKS_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "%s has %zu checks in the JSON; at most %d are read", proof->name,
                               json_array_size(array), CHECKS_MAX);
    json_array_foreach(array, i, check) {
        const char *id = text_of(check, "id"), *gpu = check_gpu(check);
        const char *reason = text_of(check, "reason");
        int status = status_of(text_of(check, "status"));

        /* A check of another version of the library is not in the table, and not shown. */
        if (!id || status < 0)
            continue;
        rc = gpuc__proof_set(proof, id, gpu, status,
                             reason ? reason : text_of(check, "observed"), text_of(check, "threshold"),
                             text_of(check, "remedy"), text_of(check, "evidence"), NULL);
        if (rc == GPUC_ENOMEM)
            return gpuc__error_nomem(err);
        if (json_is_false(json_object_get(check, "applies")))
            gpuc__proof_set_idle(proof, id, gpu);
    }
    return GPUC_OK;
}

int gpuc__proof_from_json(gpuc__machine_proof **out, const json_t *object, gpuc_error **err)
{
    GPUC__AUTOFREE char *name = dup_of(object, "name");
    gpuc__machine_proof *proof;
    int rc;

    if (!text_of(object, "name"))
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_GPU,
                               "the JSON is not that of a proof");
    proof = gpuc__proof_new(name ? name : "-", err);
    if (!proof)
        return GPUC_ENOMEM;
    proof->simulated = json_is_true(json_object_get(object, "simulated"));
    proof->started_ms = gpuc__rfc3339_read(text_of(object, "started"));
    proof->finished_ms = gpuc__rfc3339_read(text_of(object, "finished"));
    proof->driver = dup_of(object, "driver");
    proof->cuda = dup_of(object, "cuda");
    proof->kernel = dup_of(object, "kernel");
    proof->topology = object_of(object, "topology");
    rc = read_gpus(proof, json_object_get(object, "gpus"), err);
    if (rc == GPUC_OK)
        rc = read_checks(proof, json_object_get(object, "checks"), err);
    if (rc < 0)
        gpuc__proof_free(proof);
    else
        *out = proof;
    return rc;
}

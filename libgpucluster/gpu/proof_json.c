/* SPDX-License-Identifier: Apache-2.0 */
/* A proof as JSON, and back: reports show proofs that way, and the state keeps them. */
#include <limits.h>
#include <string.h>

#include "gpu/checks.h"
#include "gpu/proof.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/put.h"
#include "util/rfc3339.h"

#define TEXT_MAX_BYTES 253
#define GPUS_MAX 512
#define MIGS_MAX_BYTES (GPUC__SMI_MIGS_MAX * (TEXT_MAX_BYTES + 2))
#define CHECKS_MAX 16384
#define OBJECT_MAX (256u << 20) /* what is read has a bound of its own */

static void put_gpu(gpuc__buf *out, const gpuc__proof_gpu *g)
{
    gpuc__put_open(out, NULL, '{');
    if (g->index < 0)
        gpuc__put_null(out, "index");
    else
        gpuc__put_integer(out, "index", g->index);
    gpuc__put_text(out, "uuid", g->uuid);
    gpuc__put_text(out, "bus", g->bus);
    gpuc__put_text(out, "product", g->product);
    if (g->memory_mib < 0)
        gpuc__put_null(out, "memory_mib");
    else
        gpuc__put_number(out, "memory_mib", g->memory_mib);
    if (g->gbs > 0)
        gpuc__put_number(out, "memory_gbs", g->gbs);
    else
        gpuc__put_null(out, "memory_gbs");
    gpuc__put_raw(out, "nvidia_smi", g->details ? g->details : "null");
    gpuc__put_close(out, '}');
}

/* Which GPU a check is about: null for the machine as a whole. A GPU that is not among the
 * machine's is named as far as its key goes. */
static void put_check_gpu(gpuc__buf *out, const gpuc__machine_proof *proof, const gpuc__check *c)
{
    const gpuc__proof_gpu *g = gpuc__proof_gpu_of(proof, c->gpu);
    bool mig, is_bus;

    if (!c->gpu) {
        gpuc__put_null(out, "gpu");
        return;
    }
    mig = strncmp(c->gpu, "MIG-", 4) == 0;
    is_bus = !g && !mig && strchr(c->gpu, ':');
    gpuc__put_open(out, "gpu", '{');
    if (g && g->index >= 0)
        gpuc__put_integer(out, "index", g->index);
    else
        gpuc__put_null(out, "index");
    gpuc__put_text(out, "uuid", g ? g->uuid : mig || is_bus ? NULL : c->gpu);
    gpuc__put_text(out, "bus", g ? g->bus : is_bus ? c->gpu : NULL);
    gpuc__put_text(out, "mig", mig ? c->gpu : NULL);
    gpuc__put_close(out, '}');
}

void gpuc__proof_put_check(gpuc__buf *out, const char *key, const gpuc__machine_proof *proof,
                           const gpuc__check *c)
{
    bool skipped = c->status == GPUC_CHECK_SKIP;

    gpuc__put_open(out, key, '{');
    gpuc__put_text(out, "id", c->id);
    gpuc__put_text(out, "title", c->rule->title);
    gpuc__put_text(out, "status", gpuc__check_status_name(c->status));
    gpuc__put_bool(out, "applies", !c->idle);
    put_check_gpu(out, proof, c);
    gpuc__put_text(out, "observed", skipped ? NULL : c->observed);
    gpuc__put_text(out, "threshold", c->threshold);
    gpuc__put_text(out, "source", c->rule->source);
    gpuc__put_text(out, "reason", skipped ? c->observed : NULL);
    gpuc__put_text(out, "remedy", c->remedy);
    gpuc__put_text(out, "evidence", c->evidence);
    gpuc__put_close(out, '}');
}

void gpuc__proof_put_checks(gpuc__buf *out, const gpuc__machine_proof *proof, int indent)
{
    gpuc__put_open(out, "checks", '[');
    for (size_t i = 0; i < proof->check_count; i++) {
        gpuc__put_row(out, indent);
        gpuc__proof_put_check(out, NULL, proof, &proof->checks[i]);
    }
    gpuc__put_close(out, ']');
}

void gpuc__put_time(gpuc__buf *out, const char *key, int64_t ms)
{
    char text[GPUC__RFC3339_SIZE];

    gpuc__put_text(out, key, ms > 0 ? gpuc__rfc3339(text, ms) : NULL);
}

void gpuc__proof_put(gpuc__buf *out, const gpuc__machine_proof *proof, int indent)
{
    gpuc__put_text(out, "name", proof->name);
    gpuc__put_text(out, "verdict", gpuc__check_status_name(gpuc__proof_verdict(proof)));
    gpuc__put_bool(out, "simulated", proof->simulated);
    gpuc__put_time(out, "started", proof->started_ms);
    gpuc__put_time(out, "finished", proof->finished_ms);
    gpuc__put_text(out, "driver", proof->driver);
    gpuc__put_text(out, "cuda", proof->cuda);
    gpuc__put_text(out, "kernel", proof->kernel);
    gpuc__put_row(out, indent);
    gpuc__put_open(out, "gpus", '[');
    for (size_t i = 0; i < proof->gpu_count; i++) {
        gpuc__put_row(out, indent + 1);
        put_gpu(out, &proof->gpus[i]);
    }
    gpuc__put_close(out, ']');
    gpuc__put_row(out, indent);
    gpuc__put_value(out, "topology", proof->topology);
    gpuc__put_row(out, indent);
    gpuc__proof_put_checks(out, proof, indent + 1);
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

/* The object as text on one line; NULL: none, or no memory. */
static char *text_of_object(const json_t *object)
{
    gpuc__buf text = GPUC__BUF_INIT(OBJECT_MAX);

    if (json_is_object(object))
        gpuc__put_value(&text, NULL, object);
    return text.length ? gpuc__buf_take(&text) : NULL;
}

/* -1: none that a GPU may have. */
static int index_of(const json_t *value)
{
    json_int_t index = json_is_integer(value) ? json_integer_value(value) : -1;

    return index >= 0 && index <= INT_MAX ? (int)index : -1;
}

static int status_of(const char *name)
{
    for (int status = GPUC_CHECK_PASS; name && status <= GPUC_CHECK_FAIL; status++) {
        if (strcmp(gpuc__check_status_name(status), name) == 0)
            return status;
    }
    return -1;
}

/* NULL: none, or no memory. */
static char *migs_of(const json_t *details)
{
    const json_t *migs = json_object_get(details, "mig");
    gpuc__buf names = GPUC__BUF_INIT(MIGS_MAX_BYTES);
    size_t count = json_array_size(migs);

    for (size_t i = 0; i < count && i < GPUC__SMI_MIGS_MAX; i++) {
        GPUC__AUTOFREE char *uuid = dup_of(json_array_get(migs, i), "uuid");

        if (uuid)
            gpuc__buf_printf(&names, "\n%s\n", uuid);
    }
    return names.length ? gpuc__buf_take(&names) : NULL;
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
        json_t *details = json_object_get(object, "nvidia_smi");
        gpuc__proof_gpu *gpu = &proof->gpus[proof->gpu_count++];

        gpu->index = index_of(json_object_get(object, "index"));
        gpu->uuid = dup_of(object, "uuid");
        gpu->bus = dup_of(object, "bus");
        gpu->product = dup_of(object, "product");
        gpu->memory_mib = json_is_number(memory) ? json_number_value(memory) : -1;
        gpu->gbs = json_number_value(json_object_get(object, "memory_gbs"));
        gpu->vbios = dup_of(details, "vbios");
        gpu->migs = migs_of(details);
        gpu->details = text_of_object(details);
        if (json_is_object(details) && !gpu->details)
            return gpuc__error_nomem(err);
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

int gpuc__proof_read_checks(gpuc__machine_proof *proof, const json_t *array, gpuc_error **err)
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

int gpuc__proof_from_json(gpuc__machine_proof **out, const json_t *object, gpuc__rules *rules,
                          gpuc_error **err)
{
    GPUC__AUTOFREE char *name = dup_of(object, "name");
    gpuc__machine_proof *proof;
    int rc;

    if (!text_of(object, "name"))
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_GPU,
                               "the JSON is not that of a proof");
    proof = gpuc__proof_new(name ? name : "-", rules, err);
    if (!proof)
        return err && *err ? gpuc_error_code(*err) : GPUC_ENOMEM;
    proof->simulated = json_is_true(json_object_get(object, "simulated"));
    proof->started_ms = gpuc__rfc3339_read(text_of(object, "started"));
    proof->finished_ms = gpuc__rfc3339_read(text_of(object, "finished"));
    proof->driver = dup_of(object, "driver");
    proof->cuda = dup_of(object, "cuda");
    proof->kernel = dup_of(object, "kernel");
    proof->topology = object_of(object, "topology");
    rc = read_gpus(proof, json_object_get(object, "gpus"), err);
    if (rc == GPUC_OK)
        rc = gpuc__proof_read_checks(proof, json_object_get(object, "checks"), err);
    if (rc < 0)
        gpuc__proof_free(proof);
    else
        *out = proof;
    return rc;
}

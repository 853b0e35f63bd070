/* SPDX-License-Identifier: Apache-2.0 */
/* A proof back from the JSON that gpuc__proof_to_json made: the state keeps proofs that way. */
#include <string.h>

#include "gpu/checks.h"
#include "gpu/proof.h"
#include "util/alloc.h"
#include "util/error.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static char *dup_of(const json_t *object, const char *key)
{
    return gpuc__strdup(text_of(object, key));
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

    proof->gpus = gpuc__calloc(n ? n : 1, sizeof(*proof->gpus));
    if (!proof->gpus)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *object = json_array_get(array, i);
        json_t *memory = json_object_get(object, "memory_mib");
        gpuc__proof_gpu *gpu = &proof->gpus[proof->gpu_count++];

        gpu->uuid = dup_of(object, "uuid");
        gpu->bus = dup_of(object, "bus");
        gpu->product = dup_of(object, "product");
        gpu->memory_mib = json_is_number(memory) ? json_number_value(memory) : -1;
        gpu->gbs = json_number_value(json_object_get(object, "memory_gbs"));
        gpu->details = json_incref(json_object_get(object, "nvidia_smi"));
    }
    return GPUC_OK;
}

static int read_checks(gpuc__machine_proof *proof, const json_t *array, gpuc_error **err)
{
    const json_t *check;
    size_t i;
    int rc = GPUC_OK;

    json_array_foreach(array, i, check) {
        const char *id = text_of(check, "id"), *gpu = text_of(check, "gpu");
        int status = status_of(text_of(check, "status"));

        /* A check of another version of the library is not in the table, and not shown. */
        if (!id || status < 0)
            continue;
        rc = gpuc__proof_set(proof, id, gpu, status, text_of(check, "observed"),
                             text_of(check, "threshold"), text_of(check, "remedy"),
                             text_of(check, "evidence"), NULL);
        if (rc == GPUC_ENOMEM)
            return gpuc__error_nomem(err);
        if (json_is_false(json_object_get(check, "applies")))
            gpuc__proof_set_idle(proof, id, gpu);
    }
    return GPUC_OK;
}

int gpuc__proof_from_json(gpuc__machine_proof **out, const json_t *object, gpuc_error **err)
{
    const char *name = text_of(object, "name");
    gpuc__machine_proof *proof;
    int rc;

    if (!name)
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_GPU,
                               "the JSON is not that of a proof");
    proof = gpuc__proof_new(name, err);
    if (!proof)
        return GPUC_ENOMEM;
    proof->simulated = json_is_true(json_object_get(object, "simulated"));
    proof->driver = dup_of(object, "driver");
    proof->cuda = dup_of(object, "cuda");
    proof->kernel = dup_of(object, "kernel");
    rc = read_gpus(proof, json_object_get(object, "gpus"), err);
    if (rc == GPUC_OK)
        rc = read_checks(proof, json_object_get(object, "checks"), err);
    if (rc < 0)
        gpuc__proof_free(proof);
    else
        *out = proof;
    return rc;
}

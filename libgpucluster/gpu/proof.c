/* SPDX-License-Identifier: Apache-2.0 */
/* The proof as an object: checks, verdict, labels, JSON. What is checked is in checks.c. */
#include "gpu/proof.h"

#include <stdio.h>
#include <string.h>

#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/error.h"

#define KEY_MAX_BYTES 128
#define TEXT_MAX_BYTES 512
#define EVIDENCE_MAX_BYTES 1024

static const char *const status_names[] = {
    [GPUC_CHECK_PASS] = "pass",
    [GPUC_CHECK_SKIP] = "skip",
    [GPUC_CHECK_WARN] = "warn",
    [GPUC_CHECK_FAIL] = "fail",
};

const char *gpuc__check_status_name(int status)
{
    return status >= GPUC_CHECK_PASS && status <= GPUC_CHECK_FAIL ? status_names[status] : "?";
}

/* What machines print is not trusted to be text: only printable ASCII and newlines stay. */
static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p == '\t')
            *p = ' ';
        else if ((*p < ' ' && *p != '\n') || *p > '~')
            *p = '?';
    }
}

char *gpuc__proof_text(const char *text, size_t max)
{
    char *copy = gpuc__strndup(text, max);

    if (copy)
        clean(copy);
    return copy;
}

static bool same_gpu(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static gpuc__check *find(const gpuc__machine_proof *proof, const char *id, const char *gpu)
{
    char key[KEY_MAX_BYTES + 1];

    if (gpu) {
        snprintf(key, sizeof(key), "%s", gpu);
        clean(key);
        gpu = key;
    }
    for (size_t i = 0; i < proof->check_count; i++) {
        gpuc__check *c = &proof->checks[i];

        if (strcmp(c->id, id) == 0 && same_gpu(c->gpu, gpu))
            return c;
    }
    return NULL;
}

const gpuc__check *gpuc__proof_find(const gpuc__machine_proof *proof, const char *id,
                                    const char *gpu)
{
    return find(proof, id, gpu);
}

static void check_clear(gpuc__check *c)
{
    gpuc__free(c->id);
    gpuc__free(c->gpu);
    gpuc__free(c->observed);
    gpuc__free(c->threshold);
    gpuc__free(c->remedy);
    gpuc__free(c->evidence);
    memset(c, 0, sizeof(*c));
}

gpuc__machine_proof *gpuc__proof_new(const char *machine, gpuc_error **err)
{
    gpuc__machine_proof *proof = gpuc__calloc(1, sizeof(*proof));

    if (proof)
        proof->name = gpuc__strdup(machine);
    if (!proof || !proof->name) {
        gpuc__error_nomem(err);
    } else if (gpuc__table_load(&proof->table, "gpu/checks.json", err) == GPUC_OK) {
        return proof;
    }
    gpuc__proof_free(proof);
    return NULL;
}

/* Room for one more check; NULL without memory. */
static gpuc__check *append(gpuc__machine_proof *proof)
{
    gpuc__check *list = gpuc__realloc(proof->checks, (proof->check_count + 1) * sizeof(*list));

    if (!list)
        return NULL;
    proof->checks = list;
    return &list[proof->check_count++];
}

/* The check of that id and gpu, emptied, or a new one; NULL without memory. */
static gpuc__check *slot_for(gpuc__machine_proof *proof, const char *id, const char *gpu)
{
    gpuc__check *slot = find(proof, id, gpu);

    if (!slot)
        return append(proof);
    check_clear(slot);
    return slot;
}

/* Copies text when there is one; false without memory. */
static bool copy_text(char **out, const char *text, size_t max)
{
    *out = text && *text ? gpuc__proof_text(text, max) : NULL;
    return *out || !text || !*text;
}

int gpuc__proof_set(gpuc__machine_proof *proof, const char *id, const char *gpu, int status,
                    const char *observed, const char *threshold, const char *remedy,
                    const char *evidence, gpuc_error **err)
{
    json_t *row = gpuc__table_find_text(proof->table, "checks", "id", id);
    gpuc__check made = {.status = status}, *slot = NULL;

    if (!row || gpuc__check_status_name(status)[0] == '?')
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                               "there is no check \"%s\" with status %d", id, status);
    if (!observed || !*observed)
        observed = "-";
    if (!threshold)
        threshold = gpuc__table_text(row, "threshold");
    if (!remedy && status > GPUC_CHECK_SKIP)
        remedy = gpuc__table_text(row, "remedy");
    if (copy_text(&made.id, id, KEY_MAX_BYTES) && copy_text(&made.gpu, gpu, KEY_MAX_BYTES) &&
        copy_text(&made.observed, observed, TEXT_MAX_BYTES) &&
        copy_text(&made.threshold, threshold, TEXT_MAX_BYTES) &&
        copy_text(&made.remedy, remedy, TEXT_MAX_BYTES) &&
        copy_text(&made.evidence, evidence, EVIDENCE_MAX_BYTES))
        slot = slot_for(proof, id, gpu);
    if (!slot) {
        check_clear(&made);
        return gpuc__error_nomem(err);
    }
    *slot = made;
    return GPUC_OK;
}

void gpuc__proof_set_idle(gpuc__machine_proof *proof, const char *id, const char *gpu)
{
    gpuc__check *c = find(proof, id, gpu);

    if (c && c->status == GPUC_CHECK_SKIP)
        c->idle = true;
}

int gpuc__proof_verdict(const gpuc__machine_proof *proof)
{
    int worst = GPUC_CHECK_PASS;

    for (size_t i = 0; i < proof->check_count; i++) {
        if (!proof->checks[i].idle && proof->checks[i].status > worst)
            worst = proof->checks[i].status;
    }
    return worst;
}

static gpuc__label_wish worse(gpuc__label_wish wish, const gpuc__check *check)
{
    if (check->status == GPUC_CHECK_FAIL)
        return GPUC__LABEL_REMOVE;
    if (check->status == GPUC_CHECK_SKIP && !check->idle && wish == GPUC__LABEL_SET)
        return GPUC__LABEL_KEEP;
    return wish;
}

void gpuc__proof_labels(const gpuc__machine_proof *proof, bool with_pod, gpuc__label_wish *gpu,
                        gpuc__label_wish *cuda)
{
    gpuc__label_wish for_gpu = GPUC__LABEL_SET, for_cuda = GPUC__LABEL_SET;

    if (proof->gpu_count == 0)
        for_gpu = for_cuda = GPUC__LABEL_REMOVE;
    for (size_t i = 0; i < proof->check_count; i++) {
        const gpuc__check *c = &proof->checks[i];
        json_t *row = gpuc__table_find_text(proof->table, "checks", "id", c->id);
        const char *needs = gpuc__table_text(row, "needs");

        if (strcmp(needs, "gpu") == 0)
            for_gpu = worse(for_gpu, c);
        if (strcmp(needs, "pod") != 0 || with_pod)
            for_cuda = worse(for_cuda, c);
    }
    *gpu = for_gpu;
    *cuda = for_cuda;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *gpu_to_json(const gpuc__proof_gpu *g)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:O?}", "uuid", text_or_null(g->uuid), "bus",
                     text_or_null(g->bus), "product", text_or_null(g->product), "memory_mib",
                     g->memory_mib < 0 ? json_null() : json_integer((json_int_t)g->memory_mib),
                     "memory_gbs", g->gbs > 0 ? json_real(g->gbs) : json_null(), "nvidia_smi",
                     g->details);
}

static json_t *check_to_json(const gpuc__machine_proof *proof, const gpuc__check *c)
{
    json_t *row = gpuc__table_find_text(proof->table, "checks", "id", c->id);

    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:s, s:s, s:o, s:o, s:s}", "id", c->id, "title",
                     gpuc__table_text(row, "title"), "status",
                     gpuc__check_status_name(c->status), "applies", !c->idle, "gpu",
                     text_or_null(c->gpu), "observed", c->observed, "threshold", c->threshold,
                     "remedy", text_or_null(c->remedy), "evidence", text_or_null(c->evidence),
                     "source", gpuc__table_text(row, "source"));
}

json_t *gpuc__proof_to_json(const gpuc__machine_proof *proof)
{
    json_t *gpus = json_array(), *checks = json_array(), *object;
    int failed = !gpus || !checks;

    for (size_t i = 0; i < proof->gpu_count; i++)
        failed |= json_array_append_new(gpus, gpu_to_json(&proof->gpus[i]));
    for (size_t i = 0; i < proof->check_count; i++)
        failed |= json_array_append_new(checks, check_to_json(proof, &proof->checks[i]));
    object = json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "name", proof->name, "verdict",
                       gpuc__check_status_name(gpuc__proof_verdict(proof)), "simulated",
                       proof->simulated, "driver", text_or_null(proof->driver), "cuda",
                       text_or_null(proof->cuda), "kernel", text_or_null(proof->kernel), "gpus",
                       gpus, "checks", checks);
    if (failed) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

void gpuc__proof_free(gpuc__machine_proof *proof)
{
    if (!proof)
        return;
    for (size_t i = 0; i < proof->check_count; i++)
        check_clear(&proof->checks[i]);
    for (size_t i = 0; i < proof->gpu_count; i++) {
        gpuc__free(proof->gpus[i].uuid);
        gpuc__free(proof->gpus[i].bus);
        gpuc__free(proof->gpus[i].product);
        json_decref(proof->gpus[i].details);
    }
    gpuc__free(proof->gpus);
    gpuc__free(proof->checks);
    gpuc__free(proof->name);
    gpuc__free(proof->driver);
    gpuc__free(proof->cuda);
    gpuc__free(proof->kernel);
    json_decref(proof->table);
    gpuc__free(proof);
}

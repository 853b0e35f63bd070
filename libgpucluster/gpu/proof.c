/* SPDX-License-Identifier: Apache-2.0 */
/* The proof as an object: checks, verdict, labels. What is checked is in checks.c, JSON in
 * proof_json.c. */
#include "gpu/proof.h"

#include <stdio.h>
#include <string.h>

#include "gpu/limits.h"
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

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool has_mig(const gpuc__proof_gpu *gpu, const char *uuid)
{
    json_t *details = gpuc__proof_gpu_details(gpu), *mig;
    bool has = false;
    size_t i;

    json_array_foreach(json_object_get(details, "mig"), i, mig)
        has = has || strcmp(gpuc__table_text(mig, "uuid"), uuid) == 0;
    json_decref(details);
    return has;
}

const gpuc__proof_gpu *gpuc__proof_gpu_of(const gpuc__machine_proof *proof, const char *key)
{
    for (size_t i = 0; key && i < proof->gpu_count; i++) {
        const gpuc__proof_gpu *g = &proof->gpus[i];

        if ((g->uuid && strcmp(g->uuid, key) == 0) || (g->bus && strcmp(g->bus, key) == 0))
            return g;
    }
    for (size_t i = 0; key && strncmp(key, "MIG-", 4) == 0 && i < proof->gpu_count; i++) {
        if (has_mig(&proof->gpus[i], key))
            return &proof->gpus[i];
    }
    return NULL;
}

/* The name that a check keeps its GPU by: of a known GPU the uuid, where it has one, whichever of
 * its names was given; of a MIG device its own. */
static const char *canonical(char key[KEY_MAX_BYTES + 1], const gpuc__machine_proof *proof,
                             const char *gpu)
{
    const gpuc__proof_gpu *g;

    if (!gpu || !*gpu)
        return NULL;
    snprintf(key, KEY_MAX_BYTES + 1, "%s", gpu);
    clean(key);
    g = gpuc__proof_gpu_of(proof, key);
    return g && g->uuid && same(g->bus, key) ? g->uuid : key;
}

/* gpu: canonical */
static gpuc__check *find(const gpuc__machine_proof *proof, const char *id, const char *gpu)
{
    for (size_t i = 0; i < proof->check_count; i++) {
        gpuc__check *c = &proof->checks[i];

        if (strcmp(c->id, id) == 0 && same(c->gpu, gpu))
            return c;
    }
    return NULL;
}

const gpuc__check *gpuc__proof_find(const gpuc__machine_proof *proof, const char *id,
                                    const char *gpu)
{
    char key[KEY_MAX_BYTES + 1];

    return find(proof, id, canonical(key, proof, gpu));
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

/* All texts of a check; false without memory, and what was copied stays to be cleared. */
static bool fill_check(gpuc__check *c, const char *id, const char *gpu, const char *observed,
                       const char *threshold, const char *remedy, const char *evidence)
{
    return copy_text(&c->id, id, KEY_MAX_BYTES) && copy_text(&c->gpu, gpu, KEY_MAX_BYTES) &&
           copy_text(&c->observed, observed, TEXT_MAX_BYTES) &&
           copy_text(&c->threshold, threshold, TEXT_MAX_BYTES) &&
           copy_text(&c->remedy, remedy, TEXT_MAX_BYTES) &&
           copy_text(&c->evidence, evidence, EVIDENCE_MAX_BYTES);
}

int gpuc__proof_set(gpuc__machine_proof *proof, const char *id, const char *gpu, int status,
                    const char *observed, const char *threshold, const char *remedy,
                    const char *evidence, gpuc_error **err)
{
    json_t *row = gpuc__table_find_text(proof->table, "checks", "id", id);
    gpuc__check made = {.status = status}, *slot = NULL;
    char key[KEY_MAX_BYTES + 1], *limits = NULL;

    if (!row || gpuc__check_status_name(status)[0] == '?')
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                               "there is no check \"%s\" with status %d", id, status);
    gpu = canonical(key, proof, gpu);
    if (!observed || !*observed)
        observed = "-";
    if (gpuc__limits_off(proof->table, id)) {
        made.status = status = GPUC_CHECK_SKIP;
        made.idle = true;
        observed = "switched off by the user";
        remedy = evidence = NULL;
    }
    if (!threshold || !*threshold)
        threshold = limits = gpuc__limits_text(proof->table, id);
    if (!remedy && status > GPUC_CHECK_SKIP)
        remedy = gpuc__table_text(row, "remedy");
    if (threshold && fill_check(&made, id, gpu, observed, threshold, remedy, evidence))
        slot = slot_for(proof, id, gpu);
    gpuc__free(limits);
    if (!slot) {
        check_clear(&made);
        return gpuc__error_nomem(err);
    }
    *slot = made;
    return GPUC_OK;
}

void gpuc__proof_set_idle(gpuc__machine_proof *proof, const char *id, const char *gpu)
{
    char key[KEY_MAX_BYTES + 1];
    gpuc__check *c = find(proof, id, canonical(key, proof, gpu));

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

/* Something of its GPUs was looked at, and not only left out. */
static bool looked_at(const gpuc__machine_proof *proof)
{
    for (size_t i = 0; i < proof->check_count; i++) {
        const gpuc__check *c = &proof->checks[i];
        json_t *row = gpuc__table_find_text(proof->table, "checks", "id", c->id);

        if (c->status != GPUC_CHECK_SKIP && strcmp(gpuc__table_text(row, "needs"), "gpu") == 0)
            return true;
    }
    return false;
}

void gpuc__proof_labels(const gpuc__machine_proof *proof, bool with_pod, gpuc__label_wish *gpu,
                        gpuc__label_wish *cuda)
{
    gpuc__label_wish for_gpu = GPUC__LABEL_SET, for_cuda = GPUC__LABEL_SET;

    if (proof->gpu_count == 0)
        for_gpu = for_cuda = looked_at(proof) ? GPUC__LABEL_REMOVE : GPUC__LABEL_KEEP;
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
        gpuc__free(proof->gpus[i].packed);
        gpuc__free(proof->gpus[i].vbios);
    }
    gpuc__free(proof->gpus);
    gpuc__free(proof->checks);
    gpuc__free(proof->name);
    gpuc__free(proof->driver);
    gpuc__free(proof->cuda);
    gpuc__free(proof->kernel);
    json_decref(proof->topology);
    json_decref(proof->table);
    gpuc__free(proof);
}

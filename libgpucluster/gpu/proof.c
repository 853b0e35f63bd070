/* SPDX-License-Identifier: Apache-2.0 */
/* The proof as an object: checks, verdict, labels. What is checked is in checks.c, JSON in
 * proof_json.c. */
#include "gpu/proof.h"

#include <stdio.h>
#include <string.h>

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
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_mig(const gpuc__proof_gpu *gpu, const char *uuid)
{
    char line[KEY_MAX_BYTES + 3];

    snprintf(line, sizeof(line), "\n%.*s\n", KEY_MAX_BYTES, uuid);
    return gpu->migs && strstr(gpu->migs, line);
}

static bool is_named(const gpuc__proof_gpu *g, const char *key)
{
    return same(g->uuid, key) || same(g->bus, key);
}

const gpuc__proof_gpu *gpuc__proof_gpu_of(const gpuc__machine_proof *proof, const char *key)
{
    for (size_t i = 0; key && i < proof->gpu_count; i++) {
        if (is_named(&proof->gpus[i], key))
            return &proof->gpus[i];
    }
    for (size_t i = 0; key && strncmp(key, "MIG-", 4) == 0 && i < proof->gpu_count; i++) {
        if (has_mig(&proof->gpus[i], key))
            return &proof->gpus[i];
    }
    return NULL;
}

bool gpuc__proof_is_of(const gpuc__machine_proof *proof, const gpuc__check *check,
                       const gpuc__proof_gpu *gpu)
{
    const char *key = check->gpu;

    /* the one GPU is looked at before all of them: there may be hundreds, with dozens of checks each */
    return key && (is_named(gpu, key) || strncmp(key, "MIG-", 4) == 0) &&
           gpuc__proof_gpu_of(proof, key) == gpu;
}

/* The name that a check keeps its GPU by: of a known GPU its own uuid, where it has one, whichever of
 * its names was given; else the key. */
static const char *canonical(char key[KEY_MAX_BYTES + 1], const gpuc__machine_proof *proof,
                             const char *gpu)
{
    const gpuc__proof_gpu *g;

    if (!gpu || !*gpu)
        return NULL;
    snprintf(key, KEY_MAX_BYTES + 1, "%s", gpu);
    clean(key);
    g = gpuc__proof_gpu_of(proof, key);
    if (g && (same(g->uuid, key) || same(g->bus, key)))
        return g->uuid ? g->uuid : g->bus;
    return key;
}

/* gpu: canonical */
static gpuc__check *find(const gpuc__machine_proof *proof, const gpuc__rule *rule, const char *gpu)
{
    for (size_t i = 0; i < proof->check_count; i++) {
        gpuc__check *c = &proof->checks[i];

        if (c->rule == rule && same(c->gpu, gpu))
            return c;
    }
    return NULL;
}

const gpuc__check *gpuc__proof_find(const gpuc__machine_proof *proof, const char *id,
                                    const char *gpu)
{
    char key[KEY_MAX_BYTES + 1];

    return find(proof, gpuc__rules_find(proof->rules, id), canonical(key, proof, gpu));
}

gpuc__machine_proof *gpuc__proof_new(const char *machine, gpuc__rules *rules, gpuc_error **err)
{
    gpuc__machine_proof *proof = gpuc__calloc(1, sizeof(*proof));

    if (proof)
        proof->name = gpuc__strdup(machine);
    if (!proof || !proof->name) {
        gpuc__error_nomem(err);
    } else if (gpuc__rules_take(&proof->rules, rules, err) == GPUC_OK) {
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

/* A text of a check: one that others have too is shared, another will be copied. */
typedef struct piece {
    const char **to, *text;
    size_t max;
} piece;

/* Copies the pieces into one block; false without memory. */
static bool copy_own(gpuc__check *c, const piece *pieces, size_t count)
{
    size_t size = 0;
    char *at;

    for (size_t i = 0; i < count; i++)
        size += strnlen(pieces[i].text, pieces[i].max) + 1;
    at = c->own = gpuc__malloc(size);
    for (size_t i = 0; at && i < count; i++) {
        size_t n = strnlen(pieces[i].text, pieces[i].max);

        memcpy(at, pieces[i].text, n);
        at[n] = '\0';
        clean(at);
        *pieces[i].to = at;
        at += n + 1;
    }
    return c->own;
}

/* gpu: canonical, in key when it is no name of a known GPU. false without memory. */
static bool fill_check(gpuc__check *c, const char *gpu, const char *key, const char *observed,
                       const char *threshold, const char *remedy, const char *evidence)
{
    const gpuc__rule *rule = c->rule;
    piece own[5] = {{&c->observed, observed && *observed ? observed : "-", TEXT_MAX_BYTES}};
    size_t n = 1;

    c->id = rule->id;
    c->gpu = gpu;
    c->threshold = rule->threshold;
    if (gpu == key)
        own[n++] = (piece){&c->gpu, gpu, KEY_MAX_BYTES};
    if (threshold && *threshold && strcmp(threshold, rule->threshold) != 0)
        own[n++] = (piece){&c->threshold, threshold, TEXT_MAX_BYTES};
    if (remedy ? strcmp(remedy, rule->remedy) == 0 : c->status > GPUC_CHECK_SKIP)
        c->remedy = rule->remedy;
    else if (remedy && *remedy)
        own[n++] = (piece){&c->remedy, remedy, TEXT_MAX_BYTES};
    if (evidence && *evidence)
        own[n++] = (piece){&c->evidence, evidence, EVIDENCE_MAX_BYTES};
    return copy_own(c, own, n);
}

int gpuc__proof_set(gpuc__machine_proof *proof, const char *id, const char *gpu, int status,
                    const char *observed, const char *threshold, const char *remedy,
                    const char *evidence, gpuc_error **err)
{
    const gpuc__rule *rule = gpuc__rules_find(proof->rules, id);
    gpuc__check made = {.rule = rule, .status = status}, *slot = NULL;
    char key[KEY_MAX_BYTES + 1];

    if (!rule || gpuc__check_status_name(status)[0] == '?')
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                               "there is no check \"%s\" with status %d", id, status);
    gpu = canonical(key, proof, gpu);
    if (rule->off) {
        made.status = GPUC_CHECK_SKIP;
        made.idle = true;
        observed = "switched off by the user";
        remedy = evidence = NULL;
    }
    if (fill_check(&made, gpu, key, observed, threshold, remedy, evidence)) {
        slot = find(proof, rule, gpu);
        if (slot)
            gpuc__free(slot->own);
        else
            slot = append(proof);
    }
    if (!slot) {
        gpuc__free(made.own);
        return gpuc__error_nomem(err);
    }
    *slot = made;
    return GPUC_OK;
}

void gpuc__proof_set_idle(gpuc__machine_proof *proof, const char *id, const char *gpu)
{
    char key[KEY_MAX_BYTES + 1];
    gpuc__check *c = find(proof, gpuc__rules_find(proof->rules, id), canonical(key, proof, gpu));

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

        if (c->status != GPUC_CHECK_SKIP && strcmp(c->rule->needs, "gpu") == 0)
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

        if (strcmp(c->rule->needs, "gpu") == 0)
            for_gpu = worse(for_gpu, c);
        if (strcmp(c->rule->needs, "pod") != 0 || with_pod)
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
        gpuc__free(proof->checks[i].own);
    for (size_t i = 0; i < proof->gpu_count; i++) {
        gpuc__free(proof->gpus[i].uuid);
        gpuc__free(proof->gpus[i].bus);
        gpuc__free(proof->gpus[i].product);
        gpuc__free(proof->gpus[i].details);
        gpuc__free(proof->gpus[i].migs);
        gpuc__free(proof->gpus[i].vbios);
    }
    gpuc__free(proof->gpus);
    gpuc__free(proof->checks);
    gpuc__free(proof->name);
    gpuc__free(proof->driver);
    gpuc__free(proof->cuda);
    gpuc__free(proof->kernel);
    json_decref(proof->topology);
    gpuc__rules_unref(proof->rules);
    gpuc__free(proof);
}

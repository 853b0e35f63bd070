/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/mark.h"

#include <string.h>

#include "kube/node.h"
#include "kube/status.h"
#include "util/error.h"

static bool is_true(const json_t *node, const char *label)
{
    const char *value = gpuc__json_text(node, "metadata", "labels", label, NULL);

    return value && strcmp(value, "true") == 0;
}

const char *gpuc__mark_lacks(const gpuc__member *member, const json_t *node)
{
    if (!is_true(node, "gpu") || !is_true(node, "cuda"))
        return "the node has lost its labels";
    if (member->cluster->model->startup_taint && gpuc__node_is_unproven(node))
        return "the node has its startup taint again";
    return NULL;
}

/* Both labels come only when everything has passed, and go when anything has failed. */
gpuc__kube_call *gpuc__mark_proven(gpuc__kube *kube, const gpuc__member *member,
                                   const gpuc__machine_proof *proof, bool unproven,
                                   gpuc__kube_done_fn done, void *data)
{
    bool taints = member->cluster->model->startup_taint;
    json_t *labels = json_object();
    gpuc__label_wish gpu, cuda;
    gpuc__kube_call *call;

    gpuc__proof_labels(proof, true, &gpu, &cuda);
    if (gpuc__proof_verdict(proof) == GPUC_CHECK_FAIL)
        cuda = GPUC__LABEL_REMOVE;
    if (cuda != GPUC__LABEL_KEEP) {
        bool set = cuda == GPUC__LABEL_SET;

        json_object_set_new(labels, "gpu", set ? json_string("true") : json_null());
        json_object_set_new(labels, "cuda", set ? json_string("true") : json_null());
    }
    /* Without the option there is no taint to look for, but for one of before. */
    if ((cuda == GPUC__LABEL_SET && (taints || unproven)) || (cuda == GPUC__LABEL_REMOVE && taints))
        call = gpuc__node_mark(kube, member->name, labels, cuda == GPUC__LABEL_REMOVE, done, data);
    else
        call = gpuc__node_label(kube, member->name, labels, done, data);
    json_decref(labels);
    return call;
}

gpuc_error *gpuc__proof_failure(const char *machine, const char *step,
                                const gpuc__machine_proof *proof)
{
    const gpuc__check *worst = NULL;
    gpuc_error *error = NULL;
    size_t failed = 0;

    for (size_t i = 0; i < proof->check_count; i++) {
        if (proof->checks[i].status != GPUC_CHECK_FAIL)
            continue;
        worst = worst ? worst : &proof->checks[i];
        failed++;
    }
    if (!worst)
        return NULL;
    gpuc__error_set(&error, GPUC_EPROOF, GPUC_DOMAIN_GPU,
                    "%s: the proof failed at %s: %s (wanted: %s)%s", machine, worst->id,
                    worst->observed ? worst->observed : "nothing was seen",
                    worst->threshold ? worst->threshold : "-",
                    failed > 1 ? "; the report lists further failures" : "");
    gpuc__error_at(&error, machine, step);
    if (worst->remedy)
        gpuc__error_remedy(&error, "%s", worst->remedy);
    if (worst->evidence)
        gpuc__error_evidence(&error, worst->evidence, strlen(worst->evidence));
    return error;
}

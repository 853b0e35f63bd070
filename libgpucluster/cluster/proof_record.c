/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/proof_record.h"

#include <string.h>

#include "cluster/rules.h"
#include "gpu/report.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/put.h"

#define RECORD_MAX (64u * 1024 * 1024)

json_t *gpuc__proof_record_load(gpuc__member *member)
{
    char *text = NULL;
    json_t *record = NULL;

    if (member->cluster->store)
        gpuc__store_get(member->cluster->store, member->name, "proof", &text, NULL);
    if (text)
        record = json_loads(text, 0, NULL);
    gpuc__free(text);
    return record;
}

int gpuc__proof_record_save(gpuc__member *member, const gpuc__machine_proof *proof, gpuc_error **err)
{
    const gpuc__facts *facts = gpuc__remote_last_facts(member->remote);
    gpuc__buf record = GPUC__BUF_INIT(RECORD_MAX);
    int rc;

    gpuc__put_open(&record, NULL, '{');
    gpuc__put_text(&record, "boot_id", facts ? facts->boot_id : "");
    gpuc__put_integer(&record, "expected_gpus", member->gpus);
    gpuc__proof_put(&record, proof, 0);
    gpuc__put_close(&record, '}');
    rc = record.failed ? gpuc__error_nomem(err)
                       : gpuc__store_set(member->cluster->store, member->name, "proof",
                                         gpuc__buf_text(&record), err);
    gpuc__buf_clear(&record);
    return rc;
}

/* Why the record is of no use for this boot; NULL: it is of use. */
static const char *outdated(const gpuc__member *member, const json_t *record)
{
    const gpuc__facts *facts = gpuc__remote_last_facts(member->remote);
    const char *boot = json_string_value(json_object_get(record, "boot_id"));

    if (!record)
        return "not proven yet";
    if (!facts || !boot || strcmp(boot, facts->boot_id) != 0)
        return "the machine has been restarted since the proof";
    if (json_integer_value(json_object_get(record, "expected_gpus")) != member->gpus)
        return "the spec declares another number of GPUs than was proven";
    return NULL;
}

/* The first check that could not be tried. */
static const gpuc__check *first_skipped(const gpuc__machine_proof *proof)
{
    for (size_t i = 0; i < proof->check_count; i++) {
        if (proof->checks[i].status == GPUC_CHECK_SKIP && !proof->checks[i].idle)
            return &proof->checks[i];
    }
    return NULL;
}

gpuc__proof_record_state gpuc__proof_record_read(gpuc__member *member, char *why, size_t why_size)
{
    gpuc__proof_record_state state = GPUC__PROOF_RECORD_NONE;
    json_t *record = gpuc__proof_record_load(member);
    const char *reason = outdated(member, record);
    gpuc__label_wish gpu, cuda = GPUC__LABEL_REMOVE;
    gpuc__machine_proof *proof = NULL;

    if (!reason && gpuc__proof_from_json(&proof, record, NULL, NULL) < 0)
        reason = "the record of the proof cannot be read";
    if (proof)
        gpuc__proof_labels(proof, true, &gpu, &cuda);
    if (!reason && (cuda == GPUC__LABEL_REMOVE || gpuc__proof_verdict(proof) == GPUC_CHECK_FAIL))
        reason = "the last proof failed";
    if (reason) {
        snprintf(why, why_size, "%s", reason);
    } else if (cuda == GPUC__LABEL_SET) {
        state = GPUC__PROOF_RECORD_HOLDS;
    } else {
        const gpuc__check *check = first_skipped(proof);

        snprintf(why, why_size, "not all could be tried: %s%s%.120s", check ? check->id : "",
                 check && check->observed ? ": " : "",
                 check && check->observed ? check->observed : "");
        state = GPUC__PROOF_RECORD_PARTLY;
    }
    gpuc__proof_free(proof);
    json_decref(record);
    return state;
}

/* Neither passed nor failed: nothing was tried. */
static int not_proven(gpuc__machine_proof **out, const gpuc__member *member,
                      gpuc__rules *rules, gpuc_error **err)
{
    gpuc__machine_proof *proof = gpuc__proof_new(member->name, rules, err);
    int rc = proof ? gpuc__proof_set(proof, "smi.run", NULL, GPUC_CHECK_SKIP,
                                     "the machine has not been proven yet", NULL,
                                     "run gpucluster up, or gpucluster verify", NULL, err)
                   : GPUC_ENOMEM;

    if (rc < 0)
        gpuc__proof_free(proof);
    else
        *out = proof;
    return rc;
}

/* What is known of one machine's proof; a record that cannot be read is none. */
static int read_proof(gpuc__machine_proof **out, gpuc__member *member, gpuc__rules *rules,
                      gpuc_error **err)
{
    json_t *record = gpuc__proof_record_load(member);
    int rc = record ? gpuc__proof_from_json(out, record, rules, NULL) : GPUC_ENOTFOUND;

    json_decref(record);
    return rc < 0 ? not_proven(out, member, rules, err) : rc;
}

int gpuc__cluster_report(gpuc_report **out, gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc_report *report = gpuc__report_new(cluster->name);
    gpuc__rules *rules = NULL, *set = NULL; /* what was recorded stays as it was judged */
    int rc = report ? gpuc__rules_new(&rules, NULL, err) : gpuc__error_nomem(err);

    if (rc == GPUC_OK)
        rc = gpuc__cluster_rules(&set, cluster, err);
    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        gpuc__machine_proof *proof = NULL;

        if (!cluster->members[i]->gpus || !cluster->members[i]->model)
            continue;
        rc = read_proof(&proof, cluster->members[i], rules, err);
        if (rc == GPUC_OK)
            rc = gpuc__report_add_machine(report, proof, err);
    }
    if (rc == GPUC_OK)
        rc = gpuc__report_finish(report, set, err);
    gpuc__rules_unref(rules);
    gpuc__rules_unref(set);
    if (rc < 0)
        gpuc_report_unref(report);
    else
        *out = report;
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/proof_record.h"

#include <string.h>

#include "gpu/report.h"
#include "util/alloc.h"
#include "util/error.h"

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
    json_t *record = gpuc__proof_to_json(proof);
    char *text;
    int rc;

    json_object_set_new(record, "boot_id", json_string(facts ? facts->boot_id : ""));
    json_object_set_new(record, "expected_gpus", json_integer(member->gpus));
    text = record ? json_dumps(record, JSON_COMPACT) : NULL;
    json_decref(record);
    rc = text ? gpuc__store_set(member->cluster->store, member->name, "proof", text, err)
              : gpuc__error_nomem(err);
    free(text); /* jansson's own memory */
    return rc;
}

bool gpuc__proof_record_holds(gpuc__member *member, char *why, size_t why_size)
{
    const gpuc__facts *facts = gpuc__remote_last_facts(member->remote);
    json_t *record = gpuc__proof_record_load(member);
    const char *verdict = json_string_value(json_object_get(record, "verdict"));
    const char *boot = json_string_value(json_object_get(record, "boot_id"));
    bool holds = false;

    if (!verdict)
        snprintf(why, why_size, "not proven yet");
    else if (strcmp(verdict, "fail") == 0)
        snprintf(why, why_size, "the last proof failed");
    else if (!facts || !boot || strcmp(boot, facts->boot_id) != 0)
        snprintf(why, why_size, "the machine has been restarted since the proof");
    else if (json_integer_value(json_object_get(record, "expected_gpus")) != member->gpus)
        snprintf(why, why_size, "the spec declares another number of GPUs than was proven");
    else
        holds = true;
    json_decref(record);
    return holds;
}

int gpuc__cluster_report(gpuc_report **out, gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc_report *report = gpuc__report_new(cluster->name);
    int rc = report ? GPUC_OK : gpuc__error_nomem(err);

    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        gpuc__machine_proof *proof = NULL;
        json_t *record;

        if (!cluster->members[i]->gpus || !cluster->members[i]->model)
            continue;
        record = gpuc__proof_record_load(cluster->members[i]);
        if (record)
            rc = gpuc__proof_from_json(&proof, record, err);
        else
            rc = gpuc__proof_evaluate(&proof, cluster->members[i]->name, cluster->members[i]->gpus,
                                      NULL, NULL, "the machine has not been proven yet", err);
        json_decref(record);
        if (rc == GPUC_OK)
            rc = gpuc__report_add_machine(report, proof, err);
    }
    if (rc < 0)
        gpuc_report_unref(report);
    else
        *out = report;
    return rc;
}

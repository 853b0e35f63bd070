/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/verify_tally.h"

#include <string.h>

#include "core/context.h"
#include "core/op.h"
#include "util/error.h"

static const gpuc__check *first_of(const gpuc__machine_proof *proof, int status)
{
    for (size_t i = 0; i < proof->check_count; i++) {
        if (proof->checks[i].status == status && !proof->checks[i].idle)
            return &proof->checks[i];
    }
    return NULL;
}

static void note_failure(gpuc__tally *t, const gpuc__machine_proof *proof, const gpuc__check *check)
{
    if (t->failed < GPUC__TALLY_NAMES)
        snprintf(t->failed_names[t->failed], sizeof(t->failed_names[0]), "%s", proof->name);
    if (t->failed++)
        return;
    snprintf(t->first_failure, sizeof(t->first_failure), "%s: %s", check->id, check->observed);
    snprintf(t->first_remedy, sizeof(t->first_remedy), "%s", check->remedy ? check->remedy : "");
}

static void tell_machine(const gpuc__tally *t, const gpuc__machine_proof *proof, int verdict,
                         const gpuc__check *check)
{
    gpuc__context_emit(
        t->context,
        gpuc__event_new(verdict == GPUC_CHECK_FAIL ? GPUC_EVENT_STEP_FAILED : GPUC_EVENT_STEP_DONE,
                        proof->name, GPUC__VERIFY_STEP, "%s: %zu GPU%s%s%s%s%s%s",
                        gpuc__check_status_name(verdict), proof->gpu_count,
                        proof->gpu_count == 1 ? "" : "s", proof->simulated ? " (SIMULATED)" : "",
                        check ? "; " : "", check ? check->id : "", check ? ": " : "",
                        check ? check->observed : ""));
}

static void tell_progress(const gpuc__tally *t)
{
    gpuc_event *event = gpuc__event_new(GPUC_EVENT_PROGRESS, NULL, NULL,
                                        "%zu of %zu machines are done", t->done, t->total);

    gpuc__op_set_progress(t->op, (int)t->done, (int)t->total, -1);
    if (event)
        gpuc__event_set_progress(event, (int)t->done, (int)t->total, -1);
    gpuc__context_emit(t->context, event);
}

int gpuc__tally_add(gpuc__tally *t, gpuc__machine_proof *proof, gpuc_error **err)
{
    int verdict = gpuc__proof_verdict(proof);
    const gpuc__check *check = verdict == GPUC_CHECK_PASS ? NULL : first_of(proof, verdict);

    t->done++;
    if (verdict == GPUC_CHECK_FAIL)
        note_failure(t, proof, check);
    tell_machine(t, proof, verdict, check);
    tell_progress(t);
    return gpuc__report_add_machine(t->report, proof, err);
}

gpuc_error *gpuc__tally_end(gpuc__tally *t, bool cancelled)
{
    gpuc_error *error = NULL;
    char names[GPUC__TALLY_NAMES * 130] = "";

    gpuc__report_finish(t->report, NULL, &error);
    gpuc__op_set_report(t->op, t->report);
    if (!error && cancelled)
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE,
                        "cancelled after %zu of %zu machines", t->done, t->total);
    if (error || !t->failed)
        return error;
    for (size_t i = 0; i < t->failed && i < GPUC__TALLY_NAMES; i++) {
        size_t n = strlen(names);

        snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", t->failed_names[i]);
    }
    gpuc__error_set(&error, GPUC_EPROOF, GPUC_DOMAIN_GPU,
                    "%zu of %zu machines failed the proof (%s%s); the first: %s", t->failed, t->total,
                    names, t->failed > GPUC__TALLY_NAMES ? ", …" : "", t->first_failure);
    gpuc__error_at(&error, t->failed_names[0], GPUC__VERIFY_STEP);
    if (t->first_remedy[0])
        gpuc__error_remedy(&error, "%s", t->first_remedy);
    return error;
}

int gpuc__tally_leave_out(gpuc__machine_proof *proof, const char *id, const char *why,
                          gpuc_error **err)
{
    int rc = gpuc__proof_set(proof, id, NULL, GPUC_CHECK_SKIP, why, NULL, NULL, NULL, err);

    gpuc__proof_set_idle(proof, id, NULL);
    return rc;
}

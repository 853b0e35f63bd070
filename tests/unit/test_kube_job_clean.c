/* SPDX-License-Identifier: Apache-2.0 */
/* What a run deletes when it ends: what it has made, whatever the answer to its POST was, and nothing
 * else that has the same name. */
#include "support/kube_job.h"

#define EXISTS 409, KUBE_STATUS(409, "AlreadyExists", "exists")
#define QUIET_RUN                                                                                  \
    {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)}, JOB_QUIET("/jobs?watch"),                     \
        {"GET", "/pods?limit", 200, JOB_LIST("")}, JOB_QUIET("/pods?watch")

static void cancel_when_asked(job_outcome *o, kube_step *steps, const char *asked)
{
    job_start(o, steps);
    job_wait_asked(asked);
    gpuc__job_run_cancel(o->run);
    job_wait(o);
    assert_int_equal(gpuc_error_code(o->error), GPUC_ECANCELLED);
}

static void test_job_clean__deletes_the_object_it_has_seen(void **state)
{
    kube_step steps[] = {JOB_CREATED, QUIET_RUN, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    cancel_when_asked(&o, steps, "/pods?watch");
    assert_int_equal(kube_api_asked("DELETE"), 1);
    assert_int_equal(kube_api_asked("\"preconditions\":{\"uid\":\"ju\"}"), 1);
    assert_int_equal(kube_api_asked("\"propagationPolicy\":\"Background\""), 1);
    job_end(&o);
}

/* Cancelled while it is not known whether ours was made: one of that name stood there before. */
static void test_job_clean__a_stranger_that_was_there_stays(void **state)
{
    kube_step steps[] = {
        {"POST", "/jobs", 201, "", KUBE_HANG}, JOB_SEEN(JOB_META("su", "other")), {NULL}};
    job_outcome o = {0};

    cancel_when_asked(&o, steps, "POST");
    assert_int_equal(kube_api_asked("GET"), 1);
    assert_int_equal(kube_api_asked("DELETE"), 0);
    job_end(&o);
}

/* kubectl replace --force: the new one may even carry our labels. */
static void test_job_clean__a_replacement_stays(void **state)
{
    kube_step steps[] = {
        JOB_CREATED, {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)},
        {"GET", "/jobs?watch", 200, JOB_EVENT("DELETED", JOB_OURS), KUBE_HANG},
        {"GET", "/pods?limit", 200, JOB_LIST("")}, JOB_QUIET("/pods?watch"),
        JOB_SEEN(JOB_META("new", "r1")), {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_ENOTFOUND);
    assert_int_equal(kube_api_asked("GET /apis/batch/v1/namespaces/default/jobs/t-r1"), 1);
    assert_int_equal(kube_api_asked("DELETE"), 0);
    job_end(&o);
}

/* Replaced between the look and the deletion: nothing to complain of. */
static void test_job_clean__a_conflict_is_the_end_of_it(void **state)
{
    kube_step steps[] = {
        JOB_CREATED, QUIET_RUN, JOB_SEEN(JOB_OURS),
        {"DELETE", "/jobs/t-r1", 409, KUBE_STATUS(409, "Conflict", "the UID differs")}, {NULL}};
    job_outcome o = {0};

    cancel_when_asked(&o, steps, "/pods?watch");
    assert_int_equal(kube_api_asked("DELETE"), 1);
    job_end(&o);
}

/* The POST was done, its answer lost, and the run cancelled while it looks at what is there. */
static void test_job_clean__lost_answer_then_cancelled(void **state)
{
    kube_step steps[] = {
        {"POST", "/jobs", 0}, {"POST", "/jobs", EXISTS}, {"GET", "/jobs/t-r1", 200, "", KUBE_HANG},
        JOB_DELETED, {NULL}};
    job_outcome o = {0};

    cancel_when_asked(&o, steps, "GET");
    assert_int_equal(kube_api_asked("DELETE"), 1);
    job_end(&o);
}

/* A refusal that follows a lost answer says nothing about the try before it. */
static void test_job_clean__lost_answer_then_refused(void **state)
{
    kube_step steps[] = {
        {"POST", "/jobs", 0}, {"POST", "/jobs", 403, KUBE_STATUS(403, "Forbidden", "quota")},
        JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EPERM);
    assert_int_equal(kube_api_asked("DELETE"), 1);
    job_end(&o);
}

static void test_job_clean__refused_is_not_there(void **state)
{
    kube_step steps[] = {{"POST", "/jobs", 403, KUBE_STATUS(403, "Forbidden", "quota")}, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EPERM);
    assert_int_equal(kube_api_asked("GET"), 0);
    assert_int_equal(kube_api_asked("DELETE"), 0);
    job_end(&o);
}

/* Who cannot look does not delete: the run ends all the same. */
static void test_job_clean__a_look_that_fails_deletes_nothing(void **state)
{
    kube_step steps[] = {
        JOB_CREATED, QUIET_RUN, {"GET", "/jobs/t-r1", 403, KUBE_STATUS(403, "Forbidden", "no")},
        {NULL}};
    job_outcome o = {0};

    cancel_when_asked(&o, steps, "/pods?watch");
    assert_int_equal(kube_api_asked("DELETE"), 0);
    job_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_clean__deletes_the_object_it_has_seen),
        cmocka_unit_test(test_job_clean__a_stranger_that_was_there_stays),
        cmocka_unit_test(test_job_clean__a_replacement_stays),
        cmocka_unit_test(test_job_clean__a_conflict_is_the_end_of_it),
        cmocka_unit_test(test_job_clean__lost_answer_then_cancelled),
        cmocka_unit_test(test_job_clean__lost_answer_then_refused),
        cmocka_unit_test(test_job_clean__refused_is_not_there),
        cmocka_unit_test(test_job_clean__a_look_that_fails_deletes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

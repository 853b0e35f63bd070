/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ends when logs, watches or objects do not come as they should. */
#include "support/kube_job.h"

#define COMPLETE                                                                                   \
    "{\"metadata\":{\"name\":\"t-r1\",\"uid\":\"ju\"},\"status\":{\"succeeded\":1,\"conditions\":["  \
    "{\"type\":\"Complete\",\"status\":\"True\"}]}}"
#define IS_COMPLETE                                                                                \
    JOB_CREATED, {"GET", "/jobs?limit", 200, JOB_LIST(COMPLETE)}, JOB_QUIET("/jobs?watch")
#define T "2026-01-01T00:00:01Z "

/* The Job is complete before its pod is heard of. */
static void test_job_ends__waits_for_a_pod_that_is_heard_of_late(void **state)
{
    kube_step steps[] = {
        IS_COMPLETE, {"GET", "/pods?limit", 200, JOB_LIST("")},
        {"GET", "/pods?watch", 200, JOB_EVENT("ADDED", JOB_POD_DONE), KUBE_WAIT | KUBE_HANG},
        {"GET", "/log?", 200, T "a\n", .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_null(o.error);
    assert_string_equal(o.log, "a|");
    job_end(&o);
}

static void expect_unread(job_outcome *o, kube_step *steps, const char *why)
{
    job_start(o, steps);
    o->run->logs_ms = 1000;
    job_wait(o);
    assert_int_equal(gpuc_error_code(o->error), GPUC_ETIMEDOUT);
    assert_non_null(strstr(gpuc_error_message(o->error), "succeeded, but its log was not read to its"));
    assert_non_null(strstr(gpuc_error_message(o->error), why));
    assert_non_null(strstr(gpuc_error_remedy(o->error), "kubectl logs"));
    assert_true(gpuc_error_retryable(o->error));
    assert_string_equal(o->phase, "Succeeded");
    assert_int_equal(kube_api_asked("DELETE"), 1);
    job_end(o);
}

static void test_job_ends__a_pod_never_heard_of_is_an_error(void **state)
{
    kube_step steps[] = {
        IS_COMPLETE, {"GET", "/pods?limit", 200, JOB_LIST("")}, JOB_QUIET("/pods?watch"),
        JOB_DELETED, {NULL}};
    job_outcome o = {0};

    expect_unread(&o, steps, "did not tell of all its pods within 1 s");
}

static void test_job_ends__a_stream_that_hangs_is_an_error(void **state)
{
    kube_step steps[] = {
        IS_COMPLETE, {"GET", "/pods?limit", 200, JOB_LIST(JOB_POD_DONE)}, JOB_QUIET("/pods?watch"),
        {"GET", "/log?", 200, T "a\n", KUBE_HANG, .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    expect_unread(&o, steps, "brought nothing more and did not end within 1 s");
}

#define BROKEN(lines) {"GET", "/log?", 200, lines, KUBE_WAIT | KUBE_CUT}
#define A T "a\n"
#define B A T "b\n"
#define C B T "c\n"
#define D C T "d\n"
#define E D T "e\n"
#define F E T "f\n"
#define G F T "g\n"
#define H G T "h\n"

/* Streams that break, each with one line more: longer in all than a silent one is waited for. */
static void test_job_ends__lines_that_still_come_are_not_cut(void **state)
{
    kube_step steps[] = {
        IS_COMPLETE, {"GET", "/pods?limit", 200, JOB_LIST(JOB_POD_DONE)}, JOB_QUIET("/pods?watch"),
        BROKEN(A), BROKEN(B), BROKEN(C), BROKEN(D), BROKEN(E), BROKEN(F), BROKEN(G),
        {"GET", "/log?", 200, H, .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    o.run->logs_ms = 2000;
    job_wait(&o);
    assert_null(o.error);
    assert_string_equal(o.log, "a|b|c|d|e|f|g|h|");
    job_end(&o);
}

#define GAP_OF(what) {"GET", what "?watch", 410, KUBE_STATUS(410, "Expired", "too old")}

/* Deleted while nobody watched: the list after the gap does not have it. */
static void test_job_ends__a_pod_that_a_gap_took_is_deleted(void **state)
{
    kube_step steps[] = {
        JOB_CREATED, {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)}, JOB_QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200, JOB_LIST(JOB_POD_RUNS)}, GAP_OF("/pods"),
        {"GET", "/pods?limit", 200, JOB_LIST("")}, JOB_QUIET("/pods?watch"),
        {"GET", "/log?", 404, KUBE_STATUS(404, "NotFound", "no pod"), .times = -1},
        JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    o.run->verdict_ms = 500;
    job_wait(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EREMOTE);
    assert_non_null(strstr(gpuc_error_message(o.error), "PodDeleted"));
    job_end(&o);
}

static void test_job_ends__a_pod_whose_end_is_known_may_go(void **state)
{
    kube_step steps[] = {
        JOB_CREATED, {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)}, JOB_QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200, JOB_LIST(JOB_POD_DONE)}, GAP_OF("/pods"),
        {"GET", "/pods?limit", 200, JOB_LIST("")}, JOB_QUIET("/pods?watch"),
        {"GET", "/log?", 200, T "a\n", KUBE_WAIT, .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_null(o.error);
    assert_string_equal(o.log, "a|");
    job_end(&o);
}

static void expect_job_deleted(const char *list_after)
{
    kube_step steps[] = {
        JOB_CREATED, {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)}, GAP_OF("/jobs"),
        {"GET", "/jobs?limit", 200, list_after}, JOB_QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200, JOB_LIST("")}, JOB_QUIET("/pods?watch"), {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_ENOTFOUND);
    assert_non_null(strstr(gpuc_error_message(o.error), "was deleted by someone while it ran"));
    job_end(&o);
}

static void test_job_ends__a_job_that_a_gap_took_is_deleted(void **state)
{
    expect_job_deleted(JOB_LIST(""));
}

static void test_job_ends__a_job_that_a_gap_replaced_is_deleted(void **state)
{
    expect_job_deleted(JOB_LIST(JOB_META("new", "r1")));
}

static void test_job_ends__a_job_that_stays_through_a_gap_goes_on(void **state)
{
    kube_step steps[] = {
        JOB_CREATED, {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)}, GAP_OF("/jobs"),
        {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)}, JOB_QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200, JOB_LIST(JOB_POD_RUNS)}, GAP_OF("/pods"),
        {"GET", "/pods?limit", 200, JOB_LIST(JOB_POD_RUNS)},
        {"GET", "/pods?watch", 200, JOB_EVENT("MODIFIED", JOB_POD_DONE), KUBE_WAIT | KUBE_HANG},
        {"GET", "/log?", 200, T "a\n", .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_null(o.error);
    assert_string_equal(o.log, "a|");
    job_end(&o);
}

#define POD_FAILED                                                                                 \
    JOB_POD(JOB_ONE, "{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"t\",\"state\":{"      \
                     "\"terminated\":{\"reason\":\"Error\",\"exitCode\":9}}}]}")

/* Its Job has failed before its pods have been listed: the pod still tells why. */
static void test_job_ends__a_failed_pod_is_heard_of_late(void **state)
{
    kube_step steps[] = {
        JOB_CREATED,
        {"GET", "/jobs?limit", 200,
         JOB_LIST("{\"metadata\":{\"name\":\"t-r1\",\"uid\":\"ju\"},\"status\":{\"conditions\":[{\"type\":"
                  "\"Failed\",\"status\":\"True\",\"reason\":\"BackoffLimitExceeded\"}]}}")},
        JOB_QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200,
         JOB_LIST(POD_FAILED), KUBE_WAIT},
        JOB_QUIET("/pods?watch"), {"GET", "/log?", 200, T "last\n", .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_int_equal(gpuc_error_native_code(o.error), 9);
    assert_string_equal(o.log, "last|");
    job_end(&o);
}

/* The same when the list came before its pods did. */
static void test_job_ends__a_failed_pod_is_heard_of_after_the_list(void **state)
{
    kube_step steps[] = {
        JOB_CREATED,
        {"GET", "/jobs?limit", 200,
         JOB_LIST("{\"metadata\":{\"name\":\"t-r1\",\"uid\":\"ju\"},\"status\":{\"failed\":1,\"conditions\":[{"
                  "\"type\":\"Failed\",\"status\":\"True\",\"reason\":\"BackoffLimitExceeded\"}]}}")},
        JOB_QUIET("/jobs?watch"), {"GET", "/pods?limit", 200, JOB_LIST("")},
        {"GET", "/pods?watch", 200, JOB_EVENT("ADDED", POD_FAILED), KUBE_WAIT | KUBE_HANG},
        {"GET", "/log?", 200, T "last\n", .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_int_equal(gpuc_error_native_code(o.error), 9);
    assert_string_equal(o.log, "last|");
    job_end(&o);
}

#define SIDECAR "\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"}]," JOB_ONE
#define WITH_SIDECAR(phase, sidecar, main)                                                         \
    JOB_POD(SIDECAR, "{\"phase\":\"" phase "\",\"initContainerStatuses\":[{\"name\":\"s\",\"state\":{"  \
                     sidecar "}}],\"containerStatuses\":[{\"name\":\"t\",\"state\":{" main "}}]}")
#define GOES "\"running\":{}"
#define ENDS(code) "\"terminated\":{\"reason\":\"Error\",\"exitCode\":" #code "}"

/* It ends and is started again beside the others, in a pod that restarts nothing else: what it says after
 * that counts, its exit code does not. */
static void test_job_ends__a_sidecar_is_over_with_its_pod(void **state)
{
    kube_step steps[] = {
        JOB_CREATED, {"GET", "/jobs?limit", 200, JOB_LIST(JOB_OURS)}, JOB_QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200, JOB_LIST(WITH_SIDECAR("Running", GOES, GOES))},
        {"GET", "/pods?watch", 200, JOB_EVENT("MODIFIED", WITH_SIDECAR("Running", ENDS(1), GOES)), 0},
        {"GET", "/pods?watch", 200, JOB_EVENT("MODIFIED", WITH_SIDECAR("Running", GOES, GOES)),
         KUBE_WAIT},
        {"GET", "/pods?watch", 200,
         JOB_EVENT("MODIFIED", WITH_SIDECAR("Succeeded", ENDS(143), ENDS(0))), KUBE_WAIT | KUBE_HANG},
        {"GET", "follow=true", 200, A, .times = 3, .unless = "container=t"},
        {"GET", "follow=true", 200, B, .times = -1, .unless = "container=t"},
        {"GET", "container=t", 200, T "main\n", .times = -1}, JOB_DELETED, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait(&o);
    assert_null(o.error);
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(o.log, "b|"));
    job_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_ends__waits_for_a_pod_that_is_heard_of_late),
        cmocka_unit_test(test_job_ends__a_pod_never_heard_of_is_an_error),
        cmocka_unit_test(test_job_ends__a_stream_that_hangs_is_an_error),
        cmocka_unit_test(test_job_ends__lines_that_still_come_are_not_cut),
        cmocka_unit_test(test_job_ends__a_pod_that_a_gap_took_is_deleted),
        cmocka_unit_test(test_job_ends__a_pod_whose_end_is_known_may_go),
        cmocka_unit_test(test_job_ends__a_job_that_a_gap_took_is_deleted),
        cmocka_unit_test(test_job_ends__a_job_that_a_gap_replaced_is_deleted),
        cmocka_unit_test(test_job_ends__a_job_that_stays_through_a_gap_goes_on),
        cmocka_unit_test(test_job_ends__a_failed_pod_is_heard_of_late),
        cmocka_unit_test(test_job_ends__a_failed_pod_is_heard_of_after_the_list),
        cmocka_unit_test(test_job_ends__a_sidecar_is_over_with_its_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

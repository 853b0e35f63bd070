/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of a Job against a scripted API server. */
#include "support/kube_api.h"

#include "kube/job.h"
#include "kube/status.h"

typedef struct outcome {
    int done;
    gpuc_error *error;
    char phase[32], pod[64], text[1024], log[1024], states[2048];
    int exit_code;
    int lines;
    const char *cancel_at; /* when the state's text holds this */
    gpuc__job_run *run;
} outcome;

static void on_line(void *data, const char *origin, const char *text, size_t length)
{
    outcome *o = data;

    assert_string_equal(origin, "node-1");
    snprintf(o->log + strlen(o->log), sizeof(o->log) - strlen(o->log), "%s|", text);
}

static void on_state(void *data, const gpuc__job_end *now)
{
    outcome *o = data;

    snprintf(o->states + strlen(o->states), sizeof(o->states) - strlen(o->states), "%s,", now->phase);
    if (o->cancel_at && now->text && strstr(now->text, o->cancel_at))
        gpuc__job_run_cancel(o->run);
}

static void on_done(void *data, const gpuc__job_end *end, gpuc_error *error)
{
    outcome *o = data;

    o->done++;
    o->error = error;
    o->exit_code = end->exit_code;
    o->lines = (int)end->lines;
    snprintf(o->phase, sizeof(o->phase), "%s", end->phase);
    snprintf(o->pod, sizeof(o->pod), "%s", end->pod ? end->pod : "");
    snprintf(o->text, sizeof(o->text), "%s", end->text ? end->text : "");
}

static const gpuc__job_params params = {.kind = "nvidia-smi",
                                        .run_id = "r1",
                                        .node = "node-1",
                                        .image = "nvcr.io/nvidia/cuda:12",
                                        .gpus = 1};

static void start(outcome *o)
{
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__job_run_start(&o->run, kube,
                                         &(gpuc__job_run_args){.params = params,
                                                               .line = on_line,
                                                               .state = on_state,
                                                               .done = on_done,
                                                               .data = o},
                                         &err),
                     GPUC_OK);
    assert_int_equal(o->done, 0);
}

static void wait_done(outcome *o)
{
    uint64_t limit = gpuc__clock_ms() + 30000;

    while (!o->done && gpuc__clock_ms() < limit)
        gpuc_context_run(context, 50, NULL);
    gpuc_context_run(context, 0, NULL);
    assert_int_equal(o->done, 1);
}

#define OURS                                                                                       \
    "\"metadata\":{\"name\":\"j\",\"uid\":\"ju\",\"resourceVersion\":\"1\",\"labels\":{"           \
    "\"gpucluster/run-id\":\"r1\"},\"annotations\":{\"gpucluster/node\":\"node-1\"}}"
#define LIST(items) "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" items "]}"
#define POD(status)                                                                                \
    "{\"metadata\":{\"name\":\"p1\",\"uid\":\"pu\",\"resourceVersion\":\"11\"},\"spec\":{"         \
    "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"nvidia-smi\"}]},\"status\":" status "}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define RUNNING POD("{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{\"running\":{}}}]}")
#define ENDED(phase, reason, code)                                                                 \
    POD("{\"phase\":\"" phase "\",\"containerStatuses\":[{\"state\":{\"terminated\":{\"reason\":"  \
        "\"" reason "\",\"exitCode\":" #code "}}}]}")
#define FAILED_JOB(reason, message)                                                                \
    "{" OURS ",\"status\":{\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\",\"reason\":\"" \
    reason "\",\"message\":\"" message "\"}]}}"
#define POD_LIST "/pods?limit"
#define POD_WATCH "/pods?watch"
#define JOB_LIST "/jobs?limit"
#define JOB_WATCH "/jobs?watch"
#define QUIET(target) {"GET", target, 200, "", KUBE_HANG, .times = -1}
#define CREATED {"POST", "/apis/batch/v1/namespaces/default/jobs", 201, "{" OURS "}"}
#define DELETED                                                                                    \
    {"GET", "/jobs/nvidia-smi-r1-", 200, "{" OURS "}"}, {"DELETE", "/jobs/nvidia-smi-r1-", 200, "{}"}

static void test_job__runs_streams_and_cleans_up(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", JOB_LIST, 200, LIST("{" OURS "}")}, QUIET(JOB_WATCH),
        {"GET", POD_LIST, 200, LIST("")},
        {"GET", POD_WATCH, 200,
         EVENT("ADDED", POD("{\"phase\":\"Pending\"}")) EVENT("MODIFIED", RUNNING), 0},
        {"GET", POD_WATCH, 200, EVENT("MODIFIED", ENDED("Succeeded", "Completed", 0)), KUBE_HANG},
        {"GET", "/pods/p1/log?", 200, "2026-01-01T00:00:01Z a\n2026-01-01T00:00:01Z b", KUBE_CUT},
        {"GET", "/pods/p1/log?", 200, "2026-01-01T00:00:01Z a\n2026-01-01T00:00:01Z b\n",
         .times = -1},
        DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_null(o.error);
    assert_string_equal(o.phase, "Succeeded");
    assert_string_equal(o.pod, "p1");
    assert_string_equal(o.log, "a|b|");
    assert_int_equal(o.lines, 2);
    assert_int_equal(o.exit_code, 0);
    assert_string_equal(o.states, "Pending,Running,Succeeded,");
    assert_int_equal(kube_api_asked("DELETE"), 1);
    assert_int_equal(kube_api_asked("labelSelector=gpucluster/job%3Dnvidia-smi-r1-"), 3);
    assert_int_equal(kube_api_asked("%2Cgpucluster/run-id%3Dr1"), 3); /* no earlier run's pods */
    kube_api_end();
}

static void test_job__goes_on_with_one_of_its_own_that_is_done(void **state)
{
    kube_step steps[] = {
        {"POST", "/jobs", 0}, /* the answer is lost */
        {"POST", "/jobs", 409, KUBE_STATUS(409, "AlreadyExists", "exists")},
        {"GET", "/jobs/nvidia-smi-r1-", 200, "{" OURS "}"},
        {"GET", JOB_LIST, 200, LIST("{" OURS "}")}, QUIET(JOB_WATCH),
        {"GET", POD_LIST, 200, LIST(ENDED("Succeeded", "Completed", 0))}, QUIET(POD_WATCH),
        {"GET", "/pods/p1/log?", 200, "2026-01-01T00:00:01Z done\n", .times = -1},
        DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_null(o.error);
    assert_string_equal(o.log, "done|");
    assert_int_equal(kube_api_asked("POST"), 2);
    kube_api_end();
}

static void test_job__does_not_touch_anothers(void **state)
{
    kube_step steps[] = {
        {"POST", "/jobs", 409, KUBE_STATUS(409, "AlreadyExists", "exists")},
        {"GET", "/jobs/nvidia-smi-r1-", 200, "{\"metadata\":{\"labels\":{}}}"},
        {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EEXIST);
    assert_int_equal(kube_api_asked("DELETE"), 0);
    gpuc_error_unref(o.error);
    kube_api_end();
}

static void test_job__tells_exit_code_and_last_lines(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", JOB_LIST, 200, LIST("{" OURS "}")},
        {"GET", JOB_WATCH, 200,
         EVENT("MODIFIED", FAILED_JOB("BackoffLimitExceeded", "Job has reached the limit")),
         KUBE_HANG},
        {"GET", POD_LIST, 200, LIST(ENDED("Failed", "Error", 9))}, QUIET(POD_WATCH),
        {"GET", "/log?", 200,
         "2026-01-01T00:00:01Z NVIDIA-SMI has failed because it could not communicate\n",
         .times = -1},
        DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EREMOTE);
    assert_int_equal(gpuc_error_native_code(o.error), 9);
    assert_string_equal(gpuc_error_machine(o.error), "node-1");
    assert_non_null(strstr(gpuc_error_message(o.error), "exit code 9"));
    assert_non_null(strstr(gpuc_error_evidence(o.error), "NVIDIA-SMI has failed"));
    assert_non_null(gpuc_error_remedy(o.error));
    assert_int_equal(o.exit_code, 9);
    gpuc_error_unref(o.error);
    kube_api_end();
}

#define NODE "/api/v1/nodes/node-1"
#define NODE_READY(gpus)                                                                           \
    "{\"metadata\":{\"name\":\"node-1\"},\"status\":{\"allocatable\":{\"nvidia.com/gpu\":\"" gpus      \
    "\"},\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}"
#define UNSCHEDULABLE                                                                              \
    POD("{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","  \
        "\"reason\":\"Unschedulable\",\"message\":\"0/3 nodes: Insufficient nvidia.com/gpu\"}]}")

static void test_job__remembers_why_it_never_started(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", JOB_LIST, 200, LIST("{" OURS "}")},
        {"GET", JOB_WATCH, 200, EVENT("MODIFIED", FAILED_JOB("DeadlineExceeded", "too long")),
         KUBE_WAIT | KUBE_HANG},
        {"GET", POD_LIST, 200, LIST(UNSCHEDULABLE)}, {"GET", NODE, 200, NODE_READY("1"), .times = -1},
        {"GET", POD_WATCH, 200, EVENT("DELETED", UNSCHEDULABLE), KUBE_WAIT | KUBE_HANG},
        DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EREMOTE);
    assert_non_null(strstr(gpuc_error_message(o.error), "DeadlineExceeded"));
    assert_non_null(strstr(gpuc_error_message(o.error), "it never started: the node has no free GPU"));
    assert_non_null(strstr(gpuc_error_message(o.error), "Insufficient nvidia.com/gpu"));
    assert_non_null(strstr(o.text, "Insufficient nvidia.com/gpu"));
    gpuc_error_unref(o.error);
    kube_api_end();
}

/* Killed by the deadline before it ever ran: the kubelet shows 137, the image was the reason. */
static void test_job__a_container_that_never_ran_has_no_exit_code(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", JOB_LIST, 200, LIST("{" OURS "}")},
        {"GET", JOB_WATCH, 200, EVENT("MODIFIED", FAILED_JOB("DeadlineExceeded", "too long")),
         KUBE_WAIT | KUBE_HANG},
        {"GET", POD_LIST, 200,
         LIST(POD("{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\""
                  ":\"ImagePullBackOff\",\"message\":\"no such host\"}}}]}"))},
        {"GET", POD_WATCH, 200, EVENT("MODIFIED", ENDED("Failed", "ContainerStatusUnknown", 137)),
         KUBE_WAIT | KUBE_HANG},
        DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_non_null(strstr(gpuc_error_message(o.error), "it never started: the image cannot be pulled"));
    assert_non_null(strstr(gpuc_error_message(o.error), "no such host"));
    assert_int_equal(gpuc_error_native_code(o.error), 0);
    assert_int_equal(kube_api_asked("/log?"), 0);
    gpuc_error_unref(o.error);
    kube_api_end();
}

static void test_job__gives_up_on_what_cannot_start(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", JOB_LIST, 200, LIST("{" OURS "}")}, QUIET(JOB_WATCH),
        {"GET", POD_LIST, 200,
         LIST(POD("{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\""
                  ":\"InvalidImageName\",\"message\":\"couldn't parse image\"}}}]}"))},
        QUIET(POD_WATCH), DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EREMOTE);
    assert_non_null(strstr(gpuc_error_message(o.error), "cannot start: the image's name is not valid"));
    assert_int_equal(kube_api_asked("DELETE"), 1);
    gpuc_error_unref(o.error);
    kube_api_end();
}

static void test_job__asks_events_and_cancels(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", JOB_LIST, 200, LIST("{" OURS "}")}, QUIET(JOB_WATCH),
        {"GET", POD_LIST, 200, LIST(POD("{\"phase\":\"Pending\"}"))}, QUIET(POD_WATCH),
        {"GET", "/events?limit=200&fieldSelector=involvedObject.uid%3Dpu", 200,
         LIST("{\"type\":\"Warning\",\"reason\":\"FailedCreatePodSandBox\",\"message\":\"no runtime "
              "for nvidia is configured\"}"), .times = -1},
        DELETED, {NULL}};
    outcome o = {.cancel_at = "knows no runtime"};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_ECANCELLED);
    assert_int_equal(kube_api_asked("DELETE"), 1);
    gpuc_error_unref(o.error);
    kube_api_end();
}

static void test_job__cancelled_creation_leaves_nothing(void **state)
{
    kube_step steps[] = {{"POST", "/jobs", 201, "", KUBE_HANG}, DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    for (int i = 0; i < 3; i++)
        gpuc_context_run(context, 30, NULL);
    gpuc__job_run_cancel(o.run);
    wait_done(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_ECANCELLED);
    assert_int_equal(kube_api_asked("DELETE"), 1);
    gpuc_error_unref(o.error);
    kube_api_end();
}

static void test_job__a_lost_log_is_an_error(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", JOB_LIST, 200, LIST("{" OURS "}")}, QUIET(JOB_WATCH),
        {"GET", POD_LIST, 200, LIST(ENDED("Succeeded", "Completed", 0))}, QUIET(POD_WATCH),
        {"GET", "/log?", 404, KUBE_STATUS(404, "NotFound", "pods p1 not found")},
        DELETED, {NULL}};
    outcome o = {0};

    kube_api_begin(steps);
    start(&o);
    wait_done(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_ENOTFOUND);
    assert_non_null(strstr(gpuc_error_message(o.error), "log was not read"));
    assert_string_equal(o.phase, "Succeeded");
    gpuc_error_unref(o.error);
    kube_api_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job__runs_streams_and_cleans_up),
        cmocka_unit_test(test_job__goes_on_with_one_of_its_own_that_is_done),
        cmocka_unit_test(test_job__does_not_touch_anothers),
        cmocka_unit_test(test_job__tells_exit_code_and_last_lines),
        cmocka_unit_test(test_job__remembers_why_it_never_started),
        cmocka_unit_test(test_job__a_container_that_never_ran_has_no_exit_code),
        cmocka_unit_test(test_job__gives_up_on_what_cannot_start),
        cmocka_unit_test(test_job__asks_events_and_cancels),
        cmocka_unit_test(test_job__cancelled_creation_leaves_nothing),
        cmocka_unit_test(test_job__a_lost_log_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

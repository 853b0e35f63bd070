/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of several pods, several containers and several tries, and nodes that are the trouble, against a
 * scripted API server. */
#include "support/kube_api.h"

#include "kube/job.h"
#include "kube/status.h"

typedef struct outcome {
    int done;
    gpuc_error *error;
    char log[1024], phase[32], told[512];
    int exit_code;
    json_t *pods;
    gpuc__job_run *run;
    bool until_told; /* it is cancelled once a reason is told */
} outcome;

static void on_line(void *data, const char *origin, const char *text, size_t length)
{
    outcome *o = data;

    snprintf(o->log + strlen(o->log), sizeof(o->log) - strlen(o->log), "%s:%s|", origin, text);
}

static void on_state(void *data, const gpuc__job_end *now)
{
    outcome *o = data;

    if (now->reason)
        snprintf(o->told + strlen(o->told), sizeof(o->told) - strlen(o->told), "%s:%s|", now->node,
                 now->reason);
}

static void on_done(void *data, const gpuc__job_end *end, gpuc_error *error)
{
    outcome *o = data;

    o->done++;
    o->error = error;
    o->exit_code = end->exit_code;
    o->pods = gpuc__job_run_pods(o->run);
    snprintf(o->phase, sizeof(o->phase), "%s", end->phase);
}

/* object: JSON of what is run; ' stands for ". */
static void run(outcome *o, kube_step *steps, const char *object, gpuc__job_run_args args)
{
    char text[2048];
    gpuc_error *err = NULL;
    uint64_t limit;
    json_t *json;

    snprintf(text, sizeof(text), "%s", object);
    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    args.object = json;
    args.line = on_line;
    args.state = on_state;
    args.done = on_done;
    args.data = o;
    kube_api_begin(steps);
    assert_int_equal(gpuc__job_run_start(&o->run, kube, &args, &err), GPUC_OK);
    limit = gpuc__clock_ms() + 30000;
    while (!o->done && gpuc__clock_ms() < limit) {
        gpuc_context_run(context, 50, NULL);
        if (o->until_told && o->told[0] && !o->done)
            gpuc__job_run_cancel(o->run);
    }
    gpuc_context_run(context, 0, NULL);
    assert_int_equal(o->done, 1);
    json_decref(json);
    kube_api_end();
}

static void forget(outcome *o)
{
    gpuc_error_unref(o->error);
    json_decref(o->pods);
}

static const json_t *container(const outcome *o, size_t pod, size_t index)
{
    return json_array_get(json_object_get(json_array_get(o->pods, pod), "containers"), index);
}

static json_int_t of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

#define META(name)                                                                                 \
    "'metadata':{'name':'" name "','namespace':'d','uid':'u','labels':{'gpucluster/run-id':'r1'}}"
#define JOB(spec) "{'apiVersion':'batch/v1','kind':'Job'," META("j") ",'spec':" spec "}"
#define ANSWER                                                                                     \
    "{\"metadata\":{\"name\":\"j\",\"uid\":\"u\",\"labels\":{\"gpucluster/run-id\":\"r1\"}}}"
#define CREATED {"POST", "/apis/batch/v1/namespaces/d/jobs", 201, ANSWER}
#define LIST(items) "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" items "]}"
#define COMPLETE                                                                                   \
    "{\"metadata\":{\"name\":\"j\"},\"status\":{\"conditions\":[{\"type\":\"Complete\",\"status\""  \
    ":\"True\"}]}}"
#define POD(name, node, policy, containers, status)                                                \
    "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"" name "\"},\"spec\":{\"nodeName\":\"" node       \
    "\",\"restartPolicy\":\"" policy "\"," containers "},\"status\":" status "}"
#define ONE "\"containers\":[{\"name\":\"c\"}]"
#define ENDED(phase, code)                                                                         \
    "{\"phase\":\"" phase "\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{"    \
    "\"reason\":\"Error\",\"exitCode\":" #code ",\"startedAt\":\"2026-01-01T00:00:00Z\","            \
    "\"finishedAt\":\"2026-01-01T00:01:05Z\"}}}]}"
#define RUNNING(conditions)                                                                        \
    "{\"phase\":\"Running\",\"conditions\":[" conditions "],\"containerStatuses\":[{\"name\":\"c\","  \
    "\"state\":{\"running\":{}}}]}"
#define QUIET(target) {"GET", target, 200, "", KUBE_HANG, .times = -1}
#define DELETED_AS(answer) {"GET", "/jobs/j", 200, answer}, {"DELETE", "/jobs/j", 200, "{}"}
#define DELETED DELETED_AS(ANSWER)
#define T "2026-01-01T00:00:01Z "

/* A first try failed, the job took another: the job has succeeded, and both have told their lines. */
static void test_job_pods__the_job_says_when_it_has_ended(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", "/jobs?limit", 200, LIST(ANSWER)},
        {"GET", "/jobs?watch", 200, "{\"type\":\"MODIFIED\",\"object\":" COMPLETE "}\n",
         KUBE_WAIT | KUBE_HANG},
        {"GET", "/pods?limit", 200,
         LIST(POD("p1", "n1", "Never", ONE, ENDED("Failed", 3)) ","
              POD("p2", "n2", "Never", ONE, ENDED("Succeeded", 0)))},
        QUIET("/pods?watch"),
        {"GET", "/pods/p1/log", 200, T "bad\n", .times = -1},
        {"GET", "/pods/p2/log", 200, T "good\n" T "{\"ok\": true}\n", .times = -1},
        DELETED, {NULL}};
    outcome o = {0};

    run(&o, steps, JOB("{'backoffLimit':2,'activeDeadlineSeconds':60}"),
        (gpuc__job_run_args){.name_pods = true, .json = true});
    assert_null(o.error);
    assert_string_equal(o.phase, "Succeeded");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(o.log, "n1/p1:bad|"));
    assert_non_null(strstr(o.log, "n2/p2:good|"));
    assert_int_equal(json_array_size(o.pods), 2);
    assert_string_equal(gpuc__json_text(json_array_get(o.pods, 0), "phase", NULL), "Failed");
    assert_string_equal(gpuc__json_text(json_array_get(o.pods, 0), "workload", NULL), "Job/j");
    assert_int_equal(of(container(&o, 0, 0), "exit_code"), 3);
    assert_int_equal(of(container(&o, 0, 0), "seconds"), 65);
    assert_int_equal(of(container(&o, 1, 0), "lines"), 2);
    assert_true(json_is_true(gpuc__json_at(container(&o, 1, 0), "result", "ok", NULL)));
    assert_true(json_is_null(json_object_get(container(&o, 0, 0), "result")));
    forget(&o);
}

#define FAILED_JOB                                                                                 \
    "{\"metadata\":{\"name\":\"j\"},\"status\":{\"conditions\":[{\"type\":\"Failed\",\"status\":"   \
    "\"True\",\"reason\":\"BackoffLimitExceeded\",\"message\":\"limit\"}]}}"

static void test_job_pods__the_failed_pod_tells_why(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", "/jobs?limit", 200, LIST(FAILED_JOB)}, QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200,
         LIST(POD("p1", "n1", "Never", ONE, ENDED("Succeeded", 0)) ","
              POD("p2", "n2", "Never", ONE, ENDED("Failed", 7)))},
        QUIET("/pods?watch"),
        {"GET", "/pods/p1/log", 200, T "good\n", .times = -1},
        {"GET", "/pods/p2/log", 200, T "last words\n", .times = -1},
        DELETED, {NULL}};
    outcome o = {0};

    run(&o, steps, JOB("{'completions':2,'parallelism':2,'backoffLimit':0,'activeDeadlineSeconds':60}"),
        (gpuc__job_run_args){.cleanup = GPUC__CLEANUP_ON_SUCCESS});
    assert_int_equal(gpuc_error_code(o.error), GPUC_EREMOTE);
    assert_int_equal(gpuc_error_native_code(o.error), 7);
    assert_string_equal(gpuc_error_machine(o.error), "n2");
    assert_non_null(strstr(gpuc_error_message(o.error), "the job Job j on the node n2 failed"));
    assert_non_null(strstr(gpuc_error_evidence(o.error), "last words"));
    assert_int_equal(kube_api_asked("DELETE"), 0); /* it is there to be looked at */
    forget(&o);
}

/* A pod with an init container and two others; one of them was started again in its place. */
static void test_job_pods__every_container_has_its_log(void **state)
{
    static const char pod[] = POD(
        "p", "n1", "OnFailure",
        "\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]",
        "{\"phase\":\"Succeeded\",\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"terminated\":"
        "{\"exitCode\":0}}}],\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"terminated\":{"
        "\"exitCode\":0}}},{\"name\":\"b\",\"restartCount\":1,\"state\":{\"terminated\":{\"exitCode\":"
        "0}}}]}");
    kube_step steps[] = {
        {"POST", "/api/v1/namespaces/d/pods", 201, ANSWER},
        {"GET", "/pods?limit=200&fieldSelector=metadata.name%3Dp", 200, NULL}, QUIET("/pods?watch"),
        {"GET", "log?container=i", 200, T "one\n", .times = -1},
        {"GET", "log?container=a", 200, T "two\n", .times = -1},
        {"GET", "previous=true", 200, T "three\n"},
        {"GET", "log?container=b", 200, "2026-01-01T00:00:05Z four\n", .times = -1},
        {"GET", "/api/v1/namespaces/d/pods/p", 200, ANSWER, .unless = "log"},
        {"DELETE", "/api/v1/namespaces/d/pods/p", 200, "{}"}, {NULL}};
    char list[2048];
    outcome o = {0};

    snprintf(list, sizeof(list), LIST("%s"), pod);
    steps[1].body = list;
    run(&o, steps, "{'apiVersion':'v1','kind':'Pod'," META("p") ",'spec':{'activeDeadlineSeconds':60}}",
        (gpuc__job_run_args){.title = "p"});
    assert_null(o.error);
    assert_non_null(strstr(o.log, "n1/i:one|"));
    assert_non_null(strstr(o.log, "n1/a:two|"));
    assert_non_null(strstr(o.log, "n1/b:three|"));
    assert_non_null(strstr(o.log, "n1/b:four|"));
    assert_true(json_is_true(json_object_get(container(&o, 0, 0), "init")));
    assert_int_equal(of(container(&o, 0, 2), "restarts"), 1);
    assert_int_equal(of(container(&o, 0, 2), "lines"), 2);
    assert_int_equal(kube_api_asked("DELETE"), 1);
    forget(&o);
}

#define PINNED                                                                                     \
    "{'apiVersion':'batch/v1','kind':'Job','metadata':{'name':'j','namespace':'d','labels':{"      \
    "'gpucluster/run-id':'r1'},'annotations':{'gpucluster/node':'n1'}},'spec':{'backoffLimit':0,"  \
    "'activeDeadlineSeconds':60}}"
#define PINNED_ANSWER                                                                              \
    "{\"metadata\":{\"name\":\"j\",\"uid\":\"u\",\"labels\":{\"gpucluster/run-id\":\"r1\"},"           \
    "\"annotations\":{\"gpucluster/node\":\"n1\"}}}"

static void test_job_pods__a_machine_that_is_no_node_is_told_at_once(void **state)
{
    kube_step steps[] = {
        {"POST", "/jobs", 201, PINNED_ANSWER}, {"GET", "/jobs?limit", 200, LIST(PINNED_ANSWER)},
        QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200,
         LIST("{\"metadata\":{\"name\":\"p\"},\"status\":{\"phase\":\"Pending\",\"conditions\":[{"
              "\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\""
              ":\"0/2 nodes are available: 2 node(s) didn't match Pod's node affinity\"}]}}")},
        QUIET("/pods?watch"), DELETED_AS(PINNED_ANSWER), {NULL}}; /* the node: 404 */
    outcome o = {0};
    uint64_t begin = gpuc__clock_ms();

    run(&o, steps, PINNED, (gpuc__job_run_args){.title = "t"});
    assert_true(gpuc__clock_ms() - begin < 5000);
    assert_int_equal(gpuc_error_code(o.error), GPUC_EREMOTE);
    assert_string_equal(gpuc_error_machine(o.error), "n1");
    assert_non_null(strstr(gpuc_error_message(o.error), "no node of the cluster"));
    assert_non_null(strstr(gpuc_error_remedy(o.error), "gpucluster up"));
    assert_int_equal(kube_api_asked("GET /api/v1/nodes/n1"), 1);
    forget(&o);
}

#define NOT_READY                                                                                  \
    "{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":\"ContainersReady\",\"status\":\"True\"}"

/* The node falls silent, and its pod is taken away in the end: that is the reason, not the job's. */
static void test_job_pods__a_node_that_vanishes_is_the_reason(void **state)
{
    kube_step steps[] = {
        {"POST", "/jobs", 201, PINNED_ANSWER}, {"GET", "/jobs?limit", 200, LIST(PINNED_ANSWER)},
        {"GET", "/jobs?watch", 200, "{\"type\":\"MODIFIED\",\"object\":" FAILED_JOB "}\n",
         KUBE_WAIT | KUBE_HANG},
        {"GET", "/pods?limit", 200, LIST(POD("p", "n1", "Never", ONE, RUNNING(NOT_READY)))},
        {"GET", "/pods?watch", 200,
         "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"p\",\"deletionTimestamp\":\"x\"},"
         "\"spec\":{\"nodeName\":\"n1\",\"restartPolicy\":\"Never\"," ONE "},\"status\":" RUNNING(
             NOT_READY ",{\"type\":\"DisruptionTarget\",\"status\":\"True\",\"reason\":"
             "\"DeletionByTaintManager\",\"message\":\"Taint manager: deleting due to NoExecute taint\"}")
         "}}\n", KUBE_WAIT | KUBE_HANG},
        {"GET", "/api/v1/nodes/n1", 200,
         "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":"
         "\"Unknown\",\"reason\":\"NodeStatusUnknown\",\"message\":\"Kubelet stopped posting\"}]}}",
         .times = -1},
        {"GET", "/log", 500, "dial tcp n1:10250: no route to host", .times = -1},
        DELETED_AS(PINNED_ANSWER), {NULL}};
    outcome o = {0};

    run(&o, steps, PINNED, (gpuc__job_run_args){.title = "t"});
    assert_int_equal(gpuc_error_code(o.error), GPUC_EREMOTE);
    assert_non_null(strstr(gpuc_error_message(o.error), "DeletionByTaintManager"));
    assert_non_null(strstr(gpuc_error_message(o.error), "does not answer"));
    assert_null(strstr(gpuc_error_message(o.error), "BackoffLimitExceeded"));
    assert_true(kube_api_asked("GET /api/v1/nodes/n1") >= 1);
    forget(&o);
}

/* Of two pods one is on a node that is gone; it is no reason for the other, whose node is well. */
static void test_job_pods__a_node_that_is_gone_is_its_own_pods_reason(void **state)
{
    kube_step steps[] = {
        CREATED, {"GET", "/jobs?limit", 200, LIST(ANSWER)}, QUIET("/jobs?watch"),
        {"GET", "/pods?limit", 200,
         LIST(POD("p2", "n2", "Never", ONE, RUNNING("")) ","
              POD("p1", "n1", "Never", ONE, RUNNING(NOT_READY)))},
        QUIET("/pods?watch"), QUIET("/log"), DELETED, {NULL}}; /* the node: 404 */
    outcome o = {.until_told = true};

    run(&o, steps, JOB("{'completions':2,'parallelism':2,'activeDeadlineSeconds':60}"),
        (gpuc__job_run_args){.title = "t"});
    assert_string_equal(o.told, "n1:NodeNotFound|");
    assert_null(gpuc__json_text(json_array_get(o.pods, 0), "reason", NULL));
    forget(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_pods__the_job_says_when_it_has_ended),
        cmocka_unit_test(test_job_pods__the_failed_pod_tells_why),
        cmocka_unit_test(test_job_pods__every_container_has_its_log),
        cmocka_unit_test(test_job_pods__a_machine_that_is_no_node_is_told_at_once),
        cmocka_unit_test(test_job_pods__a_node_that_vanishes_is_the_reason),
        cmocka_unit_test(test_job_pods__a_node_that_is_gone_is_its_own_pods_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One reason a person understands, out of what the API server shows of a job, pod and events. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "kube/reason.h"

typedef struct sample {
    const char *job, *pod, *events;
    const char *phase, *reason; /* reason NULL: nothing is wrong */
    const char *text, *more;    /* what the sentence holds */
    int exit_code, grace_s;
    bool started, ended;
    const char *node; /* NULL: was not asked */
    bool deleted;
    const char *tainted;
} sample;

/* What a sample does not say of node and deletion is nothing. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define WAITING(r, m)                                                                              \
    "{'status':{'phase':'Pending','containerStatuses':[{'state':{'waiting':{'reason':'" r          \
    "','message':'" m "'}}}]}}"
#define TERMINATED(phase, r, code, m)                                                              \
    "{'status':{'phase':'" phase "','containerStatuses':[{'state':{'terminated':{'reason':'" r     \
    "','exitCode':" #code ",'message':'" m "'}}}]}}"
#define EVENT(r, m, t)                                                                             \
    "{'type':'Warning','reason':'" r "','message':'" m "','lastTimestamp':'" t "'}"
#define JOB(type, r, m)                                                                            \
    "{'status':{'conditions':[{'type':'" type "','status':'True','reason':'" r "','message':'" m   \
    "'}]}}"

#define UNSCHEDULABLE                                                                              \
    "{'spec':{'containers':[{'resources':{'limits':{'nvidia.com/gpu':'2'}}}]},'status':{'phase':"  \
    "'Pending','conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable',"    \
    "'message':'0/3 nodes are available: 1 Insufficient nvidia.com/gpu.'}]}}"
#define NODE(ready, spec, gpus)                                                                    \
    "{'spec':" spec ",'status':{'allocatable':{'nvidia.com/gpu':'" gpus "'},'conditions':[{'type'"  \
    ":'Ready','status':'" ready "','reason':'NodeStatusUnknown','message':'Kubelet stopped posting"  \
    " node status.'}]}}"
#define TAINTS(name, taints) "{'metadata':{'name':'" name "'},'spec':{'taints':[" taints "]}}"
#define TAINTED(name, taints)                                                                      \
    "{'metadata':{'name':'" name "'},'spec':{'taints':[" taints "]},'status':{'conditions':[{'type':" \
    "'Ready','status':'True'}]}}"
#define TAINT(key, effect) "{'key':'" key "','effect':'" effect "'}"
#define DISK TAINT("node.kubernetes.io/disk-pressure", "NoSchedule")
#define UNPLACED(tolerations, message)                                                             \
    "{'spec':{'tolerations':[" tolerations "]},'status':{'phase':'Pending','conditions':[{'type':"  \
    "'PodScheduled','status':'False','reason':'Unschedulable','message':'" message "'}]}}"
#define FOR_TAINTS(tolerations)                                                                    \
    UNPLACED(tolerations, "0/2 nodes are available: 2 node(s) had untolerated taint(s).")
#define DISRUPTED(r, phase)                                                                        \
    "{'metadata':{'deletionTimestamp':'2026-01-01T00:00:00Z'},'status':{'phase':'" phase "',"      \
    "'conditions':[{'type':'DisruptionTarget','status':'True','reason':'" r "','message':'by the "  \
    "taint manager'}],'containerStatuses':[{'state':{'running':{}}}]}}"

/* A sidecar is stopped once the others have ended: 143, whatever became of them. */
#define BESIDE_SIDECAR(phase, code)                                                                \
    "{'spec':{'initContainers':[{'name':'i'},{'name':'s','restartPolicy':'Always'}]},'status':{"   \
    "'phase':'" phase "','initContainerStatuses':[{'name':'s','state':{'terminated':{'reason':"    \
    "'Error','exitCode':143}}},{'name':'i','state':{'terminated':{'exitCode':0}}}],"               \
    "'containerStatuses':[{'name':'main','state':{'terminated':{'reason':'Error','exitCode':"   \
    #code "}}}]}}"

static const sample samples[] = {
    {NULL, BESIDE_SIDECAR("Succeeded", 0), NULL, "Succeeded", NULL, NULL, NULL, 0, -1, true, true},
    {NULL, BESIDE_SIDECAR("Failed", 3), NULL, "Failed", "Error", "container main: ", "exit code 3", 3,
     -1, true, true},
    {NULL, TERMINATED("Succeeded", "Completed", 0, ""), NULL, "Succeeded", NULL, NULL, NULL, 0, -1,
     true, true},
    {NULL, "{'status':{'phase':'Running','containerStatuses':[{'state':{'running':{}}}]}}", NULL,
     "Running", NULL, NULL, NULL, -1, -1, true, false},
    {NULL, WAITING("ContainerCreating", ""), NULL, "Pending", NULL, NULL, NULL, -1, -1, false, false},
    {NULL, NULL, NULL, "Pending", NULL, NULL, NULL, -1, -1, false, false},
    {NULL, TERMINATED("Failed", "Error", 9, ""), NULL, "Failed", "Error", "ended with an error",
     "exit code 9", 9, -1, true, true},
    {NULL, TERMINATED("Failed", "OOMKilled", 137, ""), NULL, "Failed", "OOMKilled", "memory",
     "exit code 137", 137, -1, true, true},
    {NULL,
     TERMINATED("Failed", "StartError", 128,
                "failed to create containerd task: unsatisfied condition: cuda>=12.4"),
     NULL, "Failed", "StartError", "newer CUDA driver", "cuda>=12.4", 128, -1, false, true},
    {NULL, WAITING("ImagePullBackOff", "Back-off pulling image \\\"x\\\""),
     "[" EVENT("Failed", "Failed to pull image \\\"x\\\": not found", "2026-01-01T00:00:02Z") ","
     EVENT("Failed", "older", "2026-01-01T00:00:01Z") "]",
     "Pending", "ImagePullBackOff", "cannot be pulled", "Failed to pull image \"x\": not found", -1,
     90, false, false},
    {NULL, WAITING("ErrImagePull", "rpc error: no such host"), "[]", "Pending", "ErrImagePull",
     "cannot be pulled", "no such host", -1, 90, false, false},
    {NULL, WAITING("InvalidImageName", "couldn't parse"), NULL, "Pending", "InvalidImageName",
     "not valid", "couldn't parse", -1, 0, false, false},
    {NULL,
     "{'status':{'phase':'Pending','conditions':[{'type':'PodScheduled','status':'False','reason':"
     "'Unschedulable','message':'0/3 nodes are available: 1 Insufficient nvidia.com/gpu.'}]}}",
     NULL, "Pending", "Unschedulable", "no free GPU", "0/3 nodes are available", -1, -1, false,
     false},
    {NULL, WAITING("ContainerCreating", ""),
     "[" EVENT("FailedCreatePodSandBox",
               "rpc error: no runtime for \\\"nvidia\\\" is configured", "2026-01-01T00:00:02Z") "]",
     "Pending", "FailedCreatePodSandBox", "knows no runtime", "is configured", -1, 45, false, false},
    {NULL, "{'status':{'phase':'Failed','reason':'OutOfnvidia.com/gpu','message':'Node didn't have "
           "enough resource: nvidia.com/gpu'}}",
     NULL, "Failed", "OutOfnvidia.com/gpu", "no free GPU left", "enough resource", -1, -1, false,
     true},
    {NULL,
     "{'status':{'phase':'Failed','reason':'Evicted','message':'low on memory','containerStatuses':"
     "[{'state':{'terminated':{'reason':'Error','exitCode':137}}}]}}",
     NULL, "Failed", "Evicted", "evicted the pod", "low on memory", 137, -1, true, true},
    /* a deadline, not the 143 of the killed container */
    {JOB("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"),
     TERMINATED("Failed", "Error", 143, ""), NULL, "Failed", "DeadlineExceeded",
     "longer than its deadline", "Job was active", 143, -1, true, true},
    {JOB("Failed", "DeadlineExceeded", "too long"), NULL, NULL, "Failed", "DeadlineExceeded",
     "longer than its deadline", "too long", -1, -1, false, true},
    {JOB("Complete", "", ""), NULL, NULL, "Succeeded", NULL, NULL, NULL, -1, -1, false, true},
    {"{}", NULL,
     "[" EVENT("FailedCreate",
               "Error creating: pods \\\"x\\\" is forbidden: pod rejected: RuntimeClass "
               "\\\"nvidia\\\" not found", "2026-01-01T00:00:02Z") "]",
     "Pending", "FailedCreate", "RuntimeClass does not exist", "not found", -1, 20, false, false},
    /* the scheduler's list of nodes does not say that ours is not among them */
    {NULL, UNSCHEDULABLE, NULL, "Pending", "NodeNotFound", "no node of the cluster", "", -1, 0, false,
     false, "null"},
    {NULL, UNSCHEDULABLE, NULL, "Pending", "NodeStatusUnknown", "does not answer",
     "Kubelet stopped posting", -1, 60, false, false, NODE("Unknown", "{}", "2")},
    {NULL, UNSCHEDULABLE, NULL, "Pending", "Cordoned", "cordoned", "", -1, 30, false, false,
     NODE("True", "{'unschedulable':true}", "2")},
    {NULL, UNSCHEDULABLE, NULL, "Pending", "TooFewGpus", "fewer GPUs", "", -1, 60, false, false,
     NODE("True", "{}", "1")},
    {NULL, UNSCHEDULABLE, NULL, "Pending", "TooFewGpus", "fewer GPUs", "", -1, 60, false, false,
     NODE("True", "{}", "0','nvidia.com/mig-1g.10gb':'7")}, /* it asks for whole ones */
    {NULL, UNSCHEDULABLE, NULL, "Pending", "Unschedulable", "no free GPU", "Insufficient", -1, -1,
     false, false, NODE("True", "{}", "2")},
    {NULL, "{'status':{'phase':'Running','containerStatuses':[{'state':{'running':{}}}]}}", NULL,
     "Running", "NodeStatusUnknown", "does not answer", "Kubelet stopped posting", -1, 60, true, false,
     NODE("Unknown", "{}", "2")},
    {NULL, "{'status':{'phase':'Running','containerStatuses':[{'state':{'running':{}}}]}}", NULL,
     "Running", NULL, NULL, NULL, -1, -1, true, false, NODE("True", "{'unschedulable':true}", "2")},
    /* newer schedulers leave out which taints, and of which nodes */
    {NULL, FOR_TAINTS(""), NULL, "Pending", "Tainted", "too little room on its disk",
     "gpu-1 is tainted with node.kubernetes.io/disk-pressure", -1, -1, false, false, TAINTED("gpu-1", DISK)},
    {NULL, FOR_TAINTS(""), NULL, "Pending", "Tainted", "are not proven",
     "gpu-1 is tainted with gpucluster/unproven, a", -1, -1, false, false,
     TAINTED("gpu-1", TAINT("gpucluster/unproven", "NoSchedule") "," TAINT("a", "NoExecute"))},
    {NULL, FOR_TAINTS(""), NULL, "Pending", "Unschedulable", "some for their taints",
     ": gpu-1 is tainted with node.kubernetes.io/disk-pressure; gpu-3 is tainted with a; 0/2 nodes", -1,
     -1, false, false, NULL, false,
     "[" TAINTS("gpu-1", DISK) "," TAINTS("gpu-2", TAINT("b", "PreferNoSchedule")) ","
     TAINTS("gpu-3", TAINT("a", "NoExecute")) "]"},
    /* all are tolerated, or nobody may say: as the scheduler has it */
    {NULL, FOR_TAINTS("{'operator':'Exists'}"), NULL, "Pending", "Unschedulable", "some for their taints",
     "(Unschedulable): 0/2 nodes", -1, -1, false, false, NULL, false, "[" TAINTS("gpu-1", DISK) "]"},
    {NULL, FOR_TAINTS("{'operator':'Exists'}"), NULL, "Pending", "Unschedulable", "some for their taints",
     "(Unschedulable): 0/2 nodes", -1, -1, false, false, TAINTED("gpu-1", DISK)},
    {NULL, FOR_TAINTS(""), NULL, "Pending", "Unschedulable", "some for their taints",
     "(Unschedulable): 0/2 nodes", -1, -1, false, false},
    /* taken away: the job says only that its pod failed */
    {JOB("Failed", "BackoffLimitExceeded", "limit"), DISRUPTED("DeletionByTaintManager", "Running"),
     NULL, "Failed", "DeletionByTaintManager", "does not answer", "taint manager", -1, -1, true, true},
    {NULL, DISRUPTED("PreemptionByScheduler", "Failed"), NULL, "Failed", "PreemptionByScheduler",
     "higher priority", "", -1, -1, true, true},
    {NULL, DISRUPTED("EvictionByEvictionAPI", "Running"), NULL, "Failed", "EvictionByEvictionAPI",
     "evicted", "", -1, -1, true, true, NULL, true},
    {NULL, "{'status':{'phase':'Running','containerStatuses':[{'state':{'running':{}}}]}}", NULL,
     "Failed", "PodDeleted", "someone deleted", "", -1, -1, true, true, NULL, true},
    /* one of several containers is named */
    {NULL,
     "{'status':{'phase':'Failed','initContainerStatuses':[{'name':'fetch','state':{'terminated':{"
     "'reason':'OOMKilled','exitCode':137}}}],'containerStatuses':[{'name':'main','state':{'waiting':{"
     "'reason':'PodInitializing'}}}]}}",
     NULL, "Failed", "OOMKilled", "container fetch: ", "memory", 137, -1, false, true},
    {"{}", NULL,
     "[" EVENT("FailedCreate", "pods \\\"x\\\" is forbidden: exceeded quota: gpus", "2026-01-01T00:00:02Z")
     "]", "Pending", "FailedCreate", "ResourceQuota", "exceeded quota: gpus", -1, 20, false, false},
    {JOB("Suspended", "JobSuspended", "Job suspended"), NULL, NULL, "Pending", "JobSuspended",
     "is suspended", "", -1, -1, false, false},
    {NULL, WAITING("SomethingNew", "of a later version"), NULL, "Pending", "SomethingNew",
     "does not run", "of a later version", -1, -1, false, false},
};

/* The samples are written with ' for "; an apostrophe stays one inside a word. */
static json_t *read_json(const char *text)
{
    char copy[2048];
    json_error_t error;
    json_t *json;

    if (!text)
        return NULL;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *p = copy; *p; p++) {
        if (*p == '\'' && !(p[1] == 't' && p[2] == ' '))
            *p = '"';
    }
    json = json_loads(copy, 0, &error);
    if (!json)
        fail_msg("%s in %s", error.text, copy);
    return json;
}

static void check(const sample *s, size_t index)
{
    json_t *job = read_json(s->job), *pod = read_json(s->pod), *events = read_json(s->events);
    json_t *node = s->node && strcmp(s->node, "null") == 0 ? json_null() : read_json(s->node);
    json_t *tainted = read_json(s->tainted);
    const gpuc__reason_input in = {job, pod, events, node, tainted, s->deleted};
    gpuc__reason r;

    assert_int_equal(gpuc__reason_reduce(&r, &in, NULL), GPUC_OK);
    assert_string_equal(r.phase, s->phase);
    if ((s->reason == NULL) != (r.reason == NULL))
        fail_msg("sample %zu: reason %s", index, r.reason ? r.reason : "none");
    if (s->reason) {
        assert_string_equal(r.reason, s->reason);
        if (!strstr(r.text, s->text) || !strstr(r.text, s->more))
            fail_msg("sample %zu: \"%s\"", index, r.text);
    } else {
        assert_null(r.text);
    }
    assert_int_equal(r.exit_code, s->exit_code);
    assert_int_equal(r.grace_s, s->grace_s);
    assert_int_equal(r.started, s->started);
    assert_int_equal(r.ended, s->ended);
    gpuc__reason_clear(&r);
    json_decref(job);
    json_decref(pod);
    json_decref(events);
    json_decref(node);
    json_decref(tainted);
}

static void test_reason__samples(void **state)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        check(&samples[i], i);
}

static void test_reason__bears_any_shape(void **state)
{
    static const char *const odd[] = {"[]", "{'status':[]}", "{'status':{'containerStatuses':{}}}",
                                      "{'status':{'phase':'Failed','containerStatuses':[1]}}",
                                      "{'status':{'phase':7}}"};

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        json_t *json = read_json(odd[i]);
        gpuc__reason r;

        assert_int_equal(gpuc__reason_reduce(
                             &r, &(gpuc__reason_input){json, json, json, json, json, false}, NULL), GPUC_OK);
        assert_non_null(r.phase);
        gpuc__reason_clear(&r);
        json_decref(json);
    }
}

/* A message of the longest kind, of characters of three bytes: told in part, and in whole ones. */
static void test_reason__cuts_no_character(void **state)
{
    char message[4096 + 1], *text;
    json_t *pod = read_json("{'status':{'phase':'Failed','reason':'Evicted'}}");
    gpuc__reason r;

    for (size_t i = 0; i + 3 < sizeof(message); i += 3)
        memcpy(message + i, "\xe2\x82\xac", 4);
    json_object_set_new(json_object_get(pod, "status"), "message", json_string(message));
    assert_int_equal(gpuc__reason_reduce(
                         &r, &(gpuc__reason_input){.pod = pod}, NULL), GPUC_OK);
    text = r.text;
    assert_true(strlen(text) > 3900 && strlen(text) < sizeof(message));
    assert_memory_equal(text + strlen(text) - 3, "\xe2\x82\xac", 3);
    gpuc__reason_clear(&r);
    json_decref(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reason__samples),
        cmocka_unit_test(test_reason__bears_any_shape),
        cmocka_unit_test(test_reason__cuts_no_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

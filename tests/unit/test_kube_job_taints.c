/* SPDX-License-Identifier: Apache-2.0 */
/* A pod that finds no node for their taints: which they are is asked of the nodes, where that is allowed. */
#include "support/kube_job.h"

#define PINNED                                                                                     \
    "{\"metadata\":{\"name\":\"t-r1\",\"uid\":\"ju\",\"labels\":{\"gpucluster/run-id\":\"r1\"},"     \
    "\"annotations\":{\"gpucluster/node\":\"n1\"}}}"
#define UNPLACED(message)                                                                          \
    "{\"metadata\":{\"name\":\"p\",\"uid\":\"pu\"},\"spec\":{\"restartPolicy\":\"Never\"," JOB_ONE "},"  \
    "\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","  \
    "\"reason\":\"Unschedulable\",\"message\":\"" message "\"}]}}"
#define FOR_TAINTS UNPLACED("0/2 nodes are available: 2 node(s) had untolerated taint(s).")
#define NODE(name, taints)                                                                         \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"taints\":[" taints "]},\"status\":{\"conditions\":["  \
    "{\"type\":\"Ready\",\"status\":\"True\"}]}}"
#define DISK "{\"key\":\"node.kubernetes.io/disk-pressure\",\"effect\":\"NoSchedule\"}"
#define FORBIDDEN 403, KUBE_STATUS(403, "Forbidden", "not yours")
#define RUN_OF(job, pod)                                                                           \
    {"POST", "/jobs", 201, job}, {"GET", "/jobs?limit", 200, JOB_LIST(job)}, JOB_QUIET("/jobs?watch"), \
        {"GET", "/pods?limit", 200, JOB_LIST(pod)}, JOB_QUIET("/pods?watch"),                      \
        {"GET", "/events", 200, JOB_LIST(""), .times = -1}, {"GET", "/jobs/", 200, job},           \
        {"DELETE", "/jobs/", 200, "{}"}

/* Tells this, and goes on: its pod may yet be placed. How often nodes were asked for. */
static int tells(kube_step *steps, const char *node, const char *words)
{
    job_outcome o = {0};
    int asked;

    job_start_on(&o, steps, node);
    job_wait_told(&o, words);
    job_wait(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_ECANCELLED);
    asked = kube_api_asked("GET /api/v1/nodes");
    job_end(&o);
    return asked;
}

static void test_job_taints__of_the_node_that_it_is_for(void **state)
{
    kube_step steps[] = {RUN_OF(PINNED, FOR_TAINTS),
                         {"GET", "/api/v1/nodes/n1", 200, NODE("n1", DISK), .times = -1}, {NULL}};
    kube_step forbidden[] = {RUN_OF(PINNED, FOR_TAINTS), {"GET", "/api/v1/nodes/n1", FORBIDDEN, .times = -1},
                             {NULL}};

    assert_int_equal(tells(steps, "n1", "Tainted: the node has too little room on its disk to take pods "
                                        "(Tainted): n1 is tainted with node.kubernetes.io/disk-pressure"), 1);
    tells(forbidden, "n1", "(Unschedulable): 0/2 nodes are available");
}

static void test_job_taints__of_all_where_the_scheduler_chooses(void **state)
{
    kube_step steps[] = {
        RUN_OF(JOB_OURS, FOR_TAINTS),
        {"GET", "/api/v1/nodes?limit=200", 200,
         JOB_LIST(NODE("n1", DISK) "," NODE("n2", "") "," NODE("n3", "{\"key\":\"a\",\"effect\":\"NoExecute\"}")),
         .times = -1},
        {NULL}};

    assert_int_equal(tells(steps, NULL,
                           "(Unschedulable): n1 is tainted with node.kubernetes.io/disk-pressure; n3 is tainted "
                           "with a; 0/2 nodes are available"), 1);
}

/* Who may not list nodes learns what the scheduler says, and the run goes on. */
static void test_job_taints__nodes_may_not_be_listed(void **state)
{
    kube_step steps[] = {RUN_OF(JOB_OURS, FOR_TAINTS), {"GET", "/api/v1/nodes", FORBIDDEN, .times = -1}, {NULL}};
    job_outcome o = {0};

    job_start(&o, steps);
    job_wait_asked("GET /api/v1/nodes?limit=200");
    job_wait_told(&o, "(Unschedulable): 0/2 nodes are available");
    job_wait(&o);
    assert_int_equal(gpuc_error_code(o.error), GPUC_ECANCELLED);
    assert_int_equal(api.unmatched, 0);
    job_end(&o);
}

static void test_job_taints__nothing_is_asked_when_taints_are_not_why(void **state)
{
    kube_step steps[] = {RUN_OF(JOB_OURS, UNPLACED("0/2 nodes are available: 2 Insufficient cpu.")), {NULL}};

    assert_int_equal(tells(steps, NULL, "no node takes the pod (Unschedulable): 0/2"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_taints__of_the_node_that_it_is_for),
        cmocka_unit_test(test_job_taints__of_all_where_the_scheduler_chooses),
        cmocka_unit_test(test_job_taints__nodes_may_not_be_listed),
        cmocka_unit_test(test_job_taints__nothing_is_asked_when_taints_are_not_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The step that sees the GPUs in Kubernetes: when a device plugin is started anew, and when it is left
 * alone. The API server is scripted, the machine behind a real sshd, its GPU SIMULATED. */
#include "support/kube_api.h"

#include "support/ssh_client.h"

#include "support/gpu_hosts.h"
#include "support/run_until.h"

#include "cluster/action.h"

#define NODE(offers, has)                                                                          \
    "{\"metadata\":{\"name\":\"n\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]," \
    "\"allocatable\":{\"nvidia.com/gpu\":\"" offers "\"},\"capacity\":{\"nvidia.com/gpu\":\"" has "\"}}}"
#define LIST(items) "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" items "]}"
#define PLUGIN(labels)                                                                             \
    LIST("{\"metadata\":{\"name\":\"nvidia-device-plugin\",\"namespace\":\"kube-system\",\"labels\":{" labels \
         "}},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"spec\":{}}}}")
#define OURS PLUGIN("\"app.kubernetes.io/managed-by\":\"libgpucluster\"")
#define POD(state)                                                                                 \
    LIST("{\"metadata\":{\"name\":\"plugin-x\",\"namespace\":\"kube-system\",\"uid\":\"u\"},\"spec\":{"  \
         "\"nodeName\":\"" NAME "\"},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":"   \
         "\"c\",\"state\":{" state "}}]}}")
#define RUNS POD("\"running\":{}")
#define STARTS POD("\"waiting\":{\"reason\":\"ContainerCreating\"}")

/* What the plugin's facts are; the node's answers stand before them. */
#define FACTS(plugin, pods)                                                                        \
    {"GET", "/runtimeclasses", 200, LIST(""), .times = -1},                                        \
        {"GET", "/daemonsets", 200, plugin, .times = -1},                                          \
        {"GET", "/pods?limit=200&labelSelector", 200, pods, .times = -1},                          \
        {"GET", "/events", 200, LIST(""), .times = -1},                                            \
        {"GET", "/log?", 200, "\"serving\"", .times = -1},                                         \
        {"GET", "/api/v1/pods?", 200, LIST(""), .times = -1}
#define ASKED(times_, offers, has) {"GET", "/nodes/" NAME, 200, NODE(offers, has), .times = times_}
#define WAITED(offers, has)                                                                        \
    {"GET", "/nodes?limit", 200, LIST(NODE(offers, has)), .times = -1},                            \
    {"GET", "/nodes?watch", 200, "", KUBE_HANG, .times = -1}
#define DELETED(status, body) {"DELETE", "/namespaces/kube-system/pods/plugin-x", status, body}

static gpuc_error *ended_with;
static int ended;

static void on_run(void *data, gpuc_error *error)
{
    ended_with = error;
    ended++;
}

static void begin(kube_step *steps)
{
    kube_api_begin(steps);
    gpu_hosts_open();
    cluster->locked = true;
    cluster->kube = gpuc__kube_ref(kube);
}

static void end(void)
{
    ended_with = gpuc_error_unref(ended_with);
    cluster->locked = false;
    cluster = gpuc_cluster_unref(cluster);
    spec = gpuc_spec_unref(spec);
    kube_api_end();
}

static gpuc__graph *start(const char *name, int timeout_s)
{
    gpuc__step_desc desc = {.id = "node.allocatable", .title = "See the GPUs", .timeout_s = timeout_s};
    gpuc__member *member = gpuc__cluster_member(cluster, name);
    gpuc__graph *graph = NULL;

    ended = 0;
    ASSERT_OK(gpuc__member_connect(member, NULL));
    ASSERT_OK(gpuc__graph_new(&graph, context, NULL, NULL));
    ASSERT_OK(gpuc__action_add_desc(graph, cluster, member, &desc, "node.allocatable", NULL, NULL));
    ASSERT_OK(gpuc__graph_run(graph, NULL, 4, on_run, NULL, NULL));
    return graph;
}

static void finish(gpuc__graph *graph)
{
    RUN_UNTIL(context, ended);
    assert_int_equal(ended, 1);
    gpuc__graph_free(graph);
}

static const char *switched_off[4]; /* checks, by the user */

/* Runs the step on this machine; NULL words: it goes well. How often the plugin was ended. */
static int run(const char *name, kube_step *steps, int code, const char *words)
{
    const gpuc_error *error;
    int deleted;

    begin(steps);
    for (size_t i = 0; switched_off[i]; i++)
        ASSERT_OK(gpuc_cluster_set_check(cluster, switched_off[i], "off", NULL));
    finish(start(name, code == GPUC_ETIMEDOUT ? 9 : 60)); /* a busy machine must not make it fail */
    for (error = ended_with; error && gpuc_error_cause(error); error = gpuc_error_cause(error))
        ;
    if ((error ? gpuc_error_code(error) : GPUC_OK) != code ||
        (error && !strstr(gpuc_error_message(error), words)))
        fail_msg("not %d: %s", code, error ? gpuc_error_message(error) : "no error");
    deleted = kube_api_asked("DELETE");
    assert_int_equal(api.unmatched, 0);
    end();
    return deleted;
}

#define NAME "good"

static void test_node_gpus__nothing_to_do(void **state)
{
    kube_step steps[] = {ASKED(1, "1", "1"), {NULL}};

    assert_int_equal(run("good", steps, 0, NULL), 0);
}

static void test_node_gpus__a_plugin_of_ours_is_started_anew(void **state)
{
    kube_step steps[] = {ASKED(3, "0", "1"), ASKED(1, "1", "1"), WAITED("1", "1"), FACTS(OURS, RUNS),
                         DELETED(200, "{}"), {NULL}};
    kube_step gone[] = {ASKED(3, "0", "1"), ASKED(1, "1", "1"), WAITED("1", "1"), FACTS(OURS, RUNS),
                        DELETED(404, KUBE_STATUS(404, "NotFound", "gone")), {NULL}};

    assert_int_equal(run("good", steps, 0, NULL), 1);
    assert_int_equal(run("good", gone, 0, NULL), 1); /* by itself, meanwhile */
}

static void test_node_gpus__that_is_refused(void **state)
{
    kube_step steps[] = {ASKED(-1, "0", "1"), FACTS(OURS, RUNS),
                         DELETED(403, KUBE_STATUS(403, "Forbidden", "not yours")), {NULL}};

    assert_int_equal(run("good", steps, GPUC_EPERM, "not yours"), 1);
}

/* It had only begun: by the time the machine has been looked at, it is well. */
static void test_node_gpus__a_plugin_that_is_well_by_now_is_left(void **state)
{
    kube_step steps[] = {ASKED(2, "0", "1"), ASKED(2, "1", "1"), WAITED("1", "1"), FACTS(OURS, RUNS),
                         {NULL}};

    assert_int_equal(run("good", steps, 0, NULL), 0);
}

static void test_node_gpus__one_that_starts_is_waited_for(void **state)
{
    kube_step steps[] = {ASKED(2, "0", "0"), ASKED(1, "1", "1"), WAITED("1", "1"), FACTS(OURS, STARTS),
                         {NULL}};

    assert_int_equal(run("good", steps, 0, NULL), 0);
}

/* A plugin of others is not ended; the wait says which link is missing, and for how long it waited. */
static void test_node_gpus__a_plugin_of_others_is_left(void **state)
{
    kube_step steps[] = {ASKED(-1, "0", "1"), WAITED("0", "1"), FACTS(PLUGIN(""), RUNS), {NULL}};

    assert_int_equal(run("good", steps, GPUC_ETIMEDOUT,
                         "offers too few GPUs after 2 s: nvidia.com/gpu: 0 of 1; the device plugin holds "
                         "1 of 1 GPUs for unhealthy (missing link: plugin.unhealthy)"), 0);
}

/* As much as the wait itself knows, when the rest cannot be read. */
static void test_node_gpus__no_word_on_why(void **state)
{
    kube_step steps[] = {ASKED(2, "0", "0"),
                         {"GET", "/nodes/" NAME, 403, KUBE_STATUS(403, "Forbidden", "no more"), .times = -1},
                         WAITED("0", "0"), FACTS(OURS, STARTS), {NULL}};

    assert_int_equal(run("good", steps, GPUC_ETIMEDOUT, "offers 0 GPUs"), 0);
}

static void test_node_gpus__the_node_cannot_be_asked(void **state)
{
    kube_step steps[] = {ASKED(1, "0", "1"),
                         {"GET", "/nodes/" NAME, 403, KUBE_STATUS(403, "Forbidden", "no more"), .times = -1},
                         {NULL}};

    assert_int_equal(run("good", steps, GPUC_EPERM, "no more"), 0);
}

static void test_node_gpus__cancelled_while_it_waits(void **state)
{
    kube_step steps[] = {ASKED(-1, "0", "0"), WAITED("0", "0"), FACTS(OURS, STARTS), {NULL}};
    gpuc__graph *graph;

    begin(steps);
    graph = start("good", 60);
    RUN_UNTIL(context, kube_api_asked("/nodes?watch"));
    gpuc__graph_cancel(graph);
    finish(graph);
    assert_int_equal(gpuc_error_code(ended_with), GPUC_ECANCELLED);
    end();
}

#undef NAME
#define NAME "lost"

/* While a GPU is lost the plugin would not come back, and the others would go with it. */
static void test_node_gpus__not_while_the_machine_has_lost_one(void **state)
{
    kube_step steps[] = {ASKED(-1, "1", "8"), FACTS(OURS, RUNS), {NULL}};

    assert_int_equal(run("lost", steps, GPUC_EPROOF, "lost: the proof failed at gpu."), 0);
}

/* Unless that is not to be checked. */
static void test_node_gpus__what_is_switched_off_does_not_hold_it_up(void **state)
{
    kube_step steps[] = {ASKED(3, "1", "8"), ASKED(1, "8", "8"), WAITED("8", "8"), FACTS(OURS, RUNS),
                         DELETED(200, "{}"), {NULL}};
    int deleted;

    switched_off[0] = "gpu.pci.present";
    switched_off[1] = "gpu.count";
    deleted = run("lost", steps, 0, NULL);
    switched_off[0] = switched_off[1] = NULL;
    assert_int_equal(deleted, 1);
}

#undef NAME
#define NAME "gone"

static void test_node_gpus__nor_when_it_cannot_be_looked_at(void **state)
{
    kube_step steps[] = {ASKED(-1, "0", "1"), FACTS(OURS, RUNS), {NULL}};

    assert_int_equal(run("gone", steps, GPUC_ENETWORK, ""), 0);
}

static int serve_hosts(void **state)
{
    return gpu_hosts_serve() ? 0 : -1;
}

static int remove_hosts(void **state)
{
    sshd_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_gpus__nothing_to_do),
        cmocka_unit_test(test_node_gpus__a_plugin_of_ours_is_started_anew),
        cmocka_unit_test(test_node_gpus__that_is_refused),
        cmocka_unit_test(test_node_gpus__a_plugin_that_is_well_by_now_is_left),
        cmocka_unit_test(test_node_gpus__one_that_starts_is_waited_for),
        cmocka_unit_test(test_node_gpus__a_plugin_of_others_is_left),
        cmocka_unit_test(test_node_gpus__no_word_on_why),
        cmocka_unit_test(test_node_gpus__the_node_cannot_be_asked),
        cmocka_unit_test(test_node_gpus__cancelled_while_it_waits),
        cmocka_unit_test(test_node_gpus__not_while_the_machine_has_lost_one),
        cmocka_unit_test(test_node_gpus__what_is_switched_off_does_not_hold_it_up),
        cmocka_unit_test(test_node_gpus__nor_when_it_cannot_be_looked_at),
    };

    if (sshd_missing())
        return 0;
    return cmocka_run_group_tests(tests, serve_hosts, remove_hosts);
}

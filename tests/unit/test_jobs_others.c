/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs on a pretended cluster that the library did not make: its nodes, its rights, and what is missing. */
#define HTTP_SERVER_CONNECTIONS 256
#include "unit/util_test.h"

#include "support/gpu_data.h"
#include "support/gpu_machine.h"
#include "support/kube_fleet.h"

#include "cluster/jobs_internal.h"
#include "kube/status.h"

#define ASSERT_OK(call) assert_int_equal((call), GPUC_OK)
#define CORDONED(name)                                                                             \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"unschedulable\":true},\"status\":{" GPUS(2) "}}"
#define FLEET                                                                                      \
    NODE("two", GPUS(2), "") "," NODE("cpu", NONE, "") "," NODE("one", GPUS(1), "") "," CORDONED("shut")

static gpuc_context *context;
static gpuc_job *job;
static char dir[] = "/tmp/gpuc-others.XXXXXX", config[64];

static void begin(const char *nodes, const char *kind)
{
    fleet_begin(nodes, "");
    fleet_kubeconfig(config);
    ASSERT_OK(gpuc_context_new(&context, NULL));
    ASSERT_OK(gpuc_job_new_kubeconfig(&job, context, config, kind, NULL));
}

static void end(void)
{
    job = gpuc_job_unref(job);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    fleet_end();
}

static void set(const char *key, const char *value)
{
    ASSERT_OK(gpuc_job_set(job, key, value, NULL));
}

/* Runs it, which ends with this code and these words. */
static void ends(int code, const char *words)
{
    gpuc_error *error = NULL;
    int rc = gpuc_job_run(job, &error);
    const char *said = error ? gpuc_error_message(error) : "";

    if (rc != code || !strstr(said, words))
        fail_msg("%d: %s", rc, said);
    if (code == GPUC_EPERM || code == GPUC_ENOTFOUND)
        assert_int_equal(fleet.created, 0);
    gpuc_error_unref(error);
}

static const char *made(size_t i, const char *a, const char *b)
{
    return gpuc__json_text(json_array_get(fleet.jobs, i), a, b, NULL);
}

static const json_t *made_pod(size_t i)
{
    return gpuc__json_at(json_array_get(fleet.jobs, i), "spec", "template", "spec", NULL);
}

static const char *node_of(size_t i)
{
    return gpuc__json_text(json_array_get(fleet.jobs, i), "metadata", "annotations", "gpucluster/node",
                           NULL);
}

static void test_jobs_others__one_for_each_node_that_offers_gpus(void **state)
{
    json_t *results;
    char *text;

    begin(FLEET, "nvidia-smi");
    fleet.runtime_classes = "{\"metadata\":{\"name\":\"nvidia\"}}";
    ends(GPUC_OK, "");
    assert_int_equal(fleet.created, 2);
    assert_int_equal(fleet.deleted, 2);
    assert_int_equal(fleet.reviews, 10); /* nodes may be listed, and what a run of Jobs does */
    assert_string_equal(fleet.patched, "");
    assert_string_equal(made(0, "metadata", "namespace"), "team");
    assert_string_equal(gpuc__json_text(made_pod(0), "runtimeClassName", NULL), "nvidia");
    assert_true((strcmp(node_of(0), "two") == 0 && strcmp(node_of(1), "one") == 0) ||
                (strcmp(node_of(0), "one") == 0 && strcmp(node_of(1), "two") == 0));
    text = gpuc_job_to_json(job);
    results = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(results, "pods")), 2);
    json_decref(results);
    gpuc_free(text);
    assert_int_equal(gpuc_job_run(job, NULL), GPUC_ESTATE);
    end();
}

/* No class of NVIDIA's: the cluster's own runtime. A container for each GPU of the node. */
static void test_jobs_others__a_container_for_each_gpu_of_a_node(void **state)
{
    begin(FLEET, "nvidia-smi");
    set("per", "gpu");
    set("node", "two");
    set("namespace", "mine");
    ends(GPUC_OK, "");
    assert_int_equal(fleet.created, 1);
    assert_string_equal(made(0, "metadata", "namespace"), "mine");
    assert_string_equal(node_of(0), "two");
    assert_int_equal(json_array_size(json_object_get(made_pod(0), "containers")), 2);
    assert_null(json_object_get(made_pod(0), "runtimeClassName"));
    end();
}

/* A node that is named is taken as it is, and none is listed; nor for a job that the scheduler places. */
static void test_jobs_others__named_or_given(void **state)
{
    begin("", "nvidia-smi");
    fleet.denied = "list nodes";
    set("node", "shut");
    set("runtime_class", "gvisor");
    ends(GPUC_OK, "");
    assert_int_equal(fleet.created, 1);
    assert_int_equal(fleet.reviews, 9);
    assert_string_equal(node_of(0), "shut");
    assert_string_equal(gpuc__json_text(made_pod(0), "runtimeClassName", NULL), "gvisor");
    end();
    begin("", "nvidia-smi");
    fleet.denied = "list nodes";
    set("per", "given");
    ends(GPUC_OK, "");
    assert_int_equal(fleet.created, 1);
    assert_null(node_of(0));
    end();
}

#define JOB_YAML                                                                                   \
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: " \
    "Never, containers: [{name: c, image: i}]}}}\n"

static void test_jobs_others__manifests(void **state)
{
    begin(FLEET, "");
    ASSERT_OK(gpuc_job_add_text(job, JOB_YAML, strlen(JOB_YAML), "m.yaml", NULL));
    set("per", "node");
    ends(GPUC_OK, "");
    assert_int_equal(fleet.created, 2);
    assert_int_equal(fleet.reviews, 0);
    assert_string_equal(made(0, "metadata", "namespace"), "team");
    assert_null(json_object_get(made_pod(0), "runtimeClassName"));
    end();
    begin(FLEET, NULL);
    ends(GPUC_EINVAL, "no Job and no Pod");
    ASSERT_OK(gpuc_job_add_text(job, JOB_YAML, strlen(JOB_YAML), "m.yaml", NULL));
    set("context", "hall"); /* another start, another place */
    ends(GPUC_OK, "");
    assert_string_equal(made(0, "metadata", "namespace"), "guests");
    end();
}

static void test_jobs_others__no_gpu_node(void **state)
{
    begin(NODE("cpu", NONE, "") "," CORDONED("shut"), "nvidia-smi");
    ends(GPUC_ENOTFOUND, "none of the 2 nodes of cluster lab takes pods and offers nvidia.com/gpu");
    end();
    begin(FLEET, "nvidia-smi");
    set("per", "gpu");
    set("node", "three");
    ends(GPUC_ENOTFOUND, "cluster lab has no node three");
    end();
}

static void test_jobs_others__what_is_refused_is_told_beforehand(void **state)
{
    begin(FLEET, "nvidia-smi");
    fleet.denied = "create jobs";
    ends(GPUC_EPERM, "refuses what a job needs: create jobs.batch in the namespace \"team\"");
    end();
    begin(FLEET, "nvidia-smi");
    fleet.denied = "list events"; /* without them less is told */
    ends(GPUC_OK, "");
    end();
}

/* An API server that answers no such questions refuses later. */
static void test_jobs_others__refused_all_the_same(void **state)
{
    begin(FLEET, "nvidia-smi");
    fleet.forbidden = "/api/v1/nodes";
    ends(GPUC_EPERM, "/api/v1/nodes");
    end();
    begin(FLEET, "");
    ASSERT_OK(gpuc_job_add_text(job, JOB_YAML, strlen(JOB_YAML), "m.yaml", NULL));
    fleet.forbidden = "/jobs";
    ends(GPUC_EPERM, "is forbidden");
    end();
}

static void test_jobs_others__no_api_server(void **state)
{
    begin(FLEET, "nvidia-smi");
    http_server_stop(&fleet.server); /* nothing listens there any more */
    set("deadline", "1");
    ends(GPUC_ENETWORK, "127.0.0.1");
    job = gpuc_job_unref(job);
    gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    http_server_start(&fleet.server, NULL, fleet_serve, NULL);
    fleet_end();
}

static void test_jobs_others__wrong_beforehand(void **state)
{
    gpuc_error *error = NULL;
    gpuc_job *none = NULL;

    begin(FLEET, "nvidia-smi");
    assert_int_equal(gpuc_job_new_kubeconfig(&none, context, config, "nvidia-sim", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_job_set(job, "verify", "true", &error), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_remedy(error), "gpucluster verify --kubeconfig"));
    error = gpuc_error_unref(error);
    assert_int_equal(gpuc_job_set(job, "node", "No such", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_job_set(job, "namespace", "", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_job_set(job, "namespace", "Team_a", NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_job_set(job, "exec", "yes", NULL), GPUC_EINVAL);
    set("exec", "true");
    set("context", "nowhere");
    ends(GPUC_ENOTFOUND, "nowhere");
    set("context", "lab"); /* it has not been started yet */
    ends(GPUC_OK, "");
    end();
    begin(FLEET, "nvidia-smi");
    unlink(config);
    ends(GPUC_ENOTFOUND, config);
    end();
}

static void test_jobs_others__cancelled_while_it_asks(void **state)
{
    gpuc_op *op = NULL;

    begin(FLEET, "nvidia-smi");
    ASSERT_OK(gpuc_job_start(&op, job, NULL));
    gpuc_op_cancel(op);
    assert_int_equal(gpuc_op_wait(op, 20000, NULL), GPUC_ECANCELLED);
    assert_int_equal(fleet.created, 0);
    gpuc_op_unref(op);
    end();
}

static int make_dir(void **state)
{
    snprintf(config, sizeof(config), "%s/config", mkdtemp(dir));
    return 0;
}

static int remove_dir(void **state)
{
    unlink(config);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_others__one_for_each_node_that_offers_gpus),
        cmocka_unit_test(test_jobs_others__a_container_for_each_gpu_of_a_node),
        cmocka_unit_test(test_jobs_others__named_or_given),
        cmocka_unit_test(test_jobs_others__manifests),
        cmocka_unit_test(test_jobs_others__no_gpu_node),
        cmocka_unit_test(test_jobs_others__what_is_refused_is_told_beforehand),
        cmocka_unit_test(test_jobs_others__refused_all_the_same),
        cmocka_unit_test(test_jobs_others__no_api_server),
        cmocka_unit_test(test_jobs_others__wrong_beforehand),
        cmocka_unit_test(test_jobs_others__cancelled_while_it_asks),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

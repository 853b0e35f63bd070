/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of kinds and manifests before and beside their runs: parameters, which workloads there are, the
 * queue of lines, and the objects that workloads need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/kube_api.h"
#include "support/run_until.h"

#include "cluster/jobs_internal.h"
#include "kube/status.h"

static const char spec_text[] =
    "apiVersion: gpucluster/v1\nname: api\nprovider: {kind: ssh}\nssh: {user: root, agent: true}\n"
    "machines:\n"
    "  - {name: m1, role: control-plane, host: 127.0.0.1, port: 1}\n"
    "  - {name: g1, role: worker, host: 127.0.0.2, port: 1, accelerator: {count: 1}}\n"
    "  - {name: g2, role: worker, host: 127.0.0.3, port: 1, accelerator: {count: 4}}\n";

static gpuc_spec *spec;
static gpuc_cluster *cluster;

static void begin(kube_step *steps)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;

    options.state_dir = api_state;
    kube_api_begin(steps);
    ASSERT_OK(gpuc_spec_parse(&spec, spec_text, strlen(spec_text), "s.yaml", NULL));
    ASSERT_OK(gpuc_cluster_open(&cluster, context, spec, NULL, &options, NULL));
}

static void end(void)
{
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    kube_api_end();
}

static void refused(gpuc_job *job, const char *key, const char *value, const char *said)
{
    gpuc_error *err = NULL;

    assert_int_equal(gpuc_job_set(job, key, value, &err), GPUC_EINVAL);
    if (!strstr(gpuc_error_message(err), said))
        fail_msg("%s=%s: %s", key, value, gpuc_error_message(err));
    gpuc_error_unref(err);
}

static void test_jobs__parameters(void **state)
{
    kube_step none[] = {{NULL}};
    gpuc_job *job = NULL, *given = NULL;

    begin(none);
    ASSERT_OK(gpuc_job_new(&job, cluster, "tensorflow", NULL));
    assert_non_null(strstr(json_string_value(json_array_get(job->command, 3)), "tf.matmul"));
    assert_true(job->json);
    ASSERT_OK(gpuc_job_set(job, "env", "NO_GPU_STATUS=0", NULL));
    ASSERT_OK(gpuc_job_set(job, "env", "A=b=c", NULL));
    assert_string_equal(gpuc__json_text(job->env, "NO_GPU_STATUS", NULL), "0");
    assert_string_equal(gpuc__json_text(job->env, "A", NULL), "b=c");
    ASSERT_OK(gpuc_job_set(job, "args", "[\"x\"]", NULL));
    ASSERT_OK(gpuc_job_set(job, "cleanup", "on-success", NULL));
    assert_int_equal(job->cleanup, GPUC__CLEANUP_ON_SUCCESS);
    ASSERT_OK(gpuc_job_set(job, "name", "mine", NULL));
    refused(job, "cleanup", "perhaps", "always, on-success or never");
    refused(job, "env", "NOVALUE", "NAME=VALUE");
    refused(job, "env", "=x", "NAME=VALUE");
    refused(job, "args", "{}", "JSON array");
    refused(job, "per", "core", "node, gpu or given");
    refused(job, "name", "No", "lower-case");
    refused(job, "deadline", "1h", "a number from 0");
    refused(job, "verify", "yes", "true or false");
    ASSERT_OK(gpuc_job_set(job, "verify", "true", NULL));
    assert_true(job->verify);
    refused(job, "imgae", "x", "did you mean \"image\"?");
    ASSERT_OK(gpuc_job_new_manifest(&given, cluster, NULL));
    refused(given, "image", "x", "manifests says that itself");
    refused(given, "per", "gpu", "node or given");
    ASSERT_OK(gpuc_job_set(given, "per", "node", NULL));
    assert_int_equal(gpuc_job_add_text(job, "a", 1, NULL, NULL), GPUC_ESTATE);
    assert_int_equal(gpuc_job_add_file(given, "/nowhere/x.yaml", NULL), GPUC_ENOTFOUND);
    gpuc_job_unref(job);
    gpuc_job_unref(given);
    end();
}

static void test_jobs__one_per_node_per_gpu_or_as_given(void **state)
{
    kube_step none[] = {{NULL}};
    gpuc_error *err = NULL;
    gpuc_job *job = NULL;

    begin(none);
    ASSERT_OK(gpuc_job_new(&job, cluster, "nvidia-smi", NULL));
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    assert_int_equal(job->part_count, 2);
    assert_string_equal(job->parts[0].node, "g1");
    assert_int_equal(job->parts[1].containers, 1);
    ASSERT_OK(gpuc_job_set(job, "per", "gpu", NULL));
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    assert_int_equal(job->parts[0].containers, 1);
    assert_int_equal(job->parts[1].containers, 4);
    ASSERT_OK(gpuc_job_set(job, "per", "given", NULL));
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    assert_int_equal(job->part_count, 1);
    assert_null(job->parts[0].node);
    ASSERT_OK(gpuc_job_set(job, "node", "m1", NULL));
    ASSERT_OK(gpuc_job_set(job, "per", "node", NULL));
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    assert_int_equal(job->part_count, 1);
    assert_string_equal(job->parts[0].node, "m1");
    assert_int_equal(gpuc_job_set(job, "node", "m9", &err), GPUC_ENOTFOUND);
    gpuc_error_unref(err);
    gpuc_job_unref(job);
    end();
}

#define JOB_YAML                                                                                   \
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {restartPolicy: " \
    "Never, containers: [{name: c, image: i}]}}}\n"
#define MAP_YAML "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"

static gpuc_job *manifest(const char *text)
{
    gpuc_job *job = NULL;

    ASSERT_OK(gpuc_job_new_manifest(&job, cluster, NULL));
    ASSERT_OK(gpuc_job_add_text(job, text, strlen(text), "m.yaml", NULL));
    snprintf(job->run_id, sizeof(job->run_id), "r1");
    return job;
}

static void test_jobs__manifests_are_taken_into_the_run(void **state)
{
    kube_step none[] = {{NULL}};
    gpuc_error *err = NULL;
    gpuc_job *job;
    const json_t *object, *template;

    begin(none);
    job = manifest(MAP_YAML "---\n" JOB_YAML);
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    assert_int_equal(job->part_count, 1);
    assert_int_equal(json_array_size(job->objects), 1);
    object = job->parts[0].object;
    assert_string_equal(gpuc__json_text(object, "metadata", "name", NULL), "j");
    assert_string_equal(gpuc__json_text(object, "metadata", "namespace", NULL), "default");
    assert_int_equal(json_integer_value(gpuc__json_at(object, "spec", "activeDeadlineSeconds", NULL)),
                     24 * 3600);
    template = gpuc__json_at(object, "spec", "template", NULL);
    assert_string_equal(gpuc__json_text(template, "metadata", "labels", "gpucluster/job", NULL), "j");
    gpuc_job_unref(job);
    job = manifest(JOB_YAML); /* a copy for each GPU machine */
    ASSERT_OK(gpuc_job_set(job, "per", "node", NULL));
    ASSERT_OK(gpuc_job_set(job, "deadline", "7", NULL));
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    assert_int_equal(job->part_count, 2);
    object = job->parts[1].object;
    assert_memory_equal(gpuc__json_text(object, "metadata", "name", NULL), "j-r1-", 5);
    assert_string_equal(gpuc__json_text(object, "metadata", "annotations", "gpucluster/node", NULL),
                        "g2");
    assert_int_equal(json_integer_value(gpuc__json_at(object, "spec", "activeDeadlineSeconds", NULL)),
                     7);
    assert_non_null(gpuc__json_at(object, "spec", "template", "spec", "affinity", "nodeAffinity", NULL));
    gpuc_job_unref(job);
    job = manifest(MAP_YAML);
    assert_int_equal(gpuc__job_parts_make(job, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "no Job and no Pod"));
    err = gpuc_error_unref(err);
    gpuc_job_unref(job);
    job = manifest("# first\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n");
    assert_int_equal(gpuc__job_parts_make(job, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "m.yaml:2:1: Pod p: with the restartPolicy Always"));
    gpuc_error_unref(err);
    gpuc_job_unref(job);
    end();
}

static void test_jobs__lines_that_nobody_takes_are_counted(void **state)
{
    gpuc__job_lines lines = {0};
    char text[16], *line, *origin;

    for (int i = 0; i < 100003; i++) {
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(gpuc__job_lines_add(&lines, "n", text, strlen(text)), i == 100000);
    }
    assert_int_equal(lines.dropped, 3);
    assert_true(gpuc__job_lines_take(&lines, &line, &origin));
    assert_string_equal(line, "3");
    assert_string_equal(origin, "n");
    gpuc_free(line);
    gpuc_free(origin);
    gpuc__job_lines_clear(&lines);
    assert_int_equal(lines.bytes, 0);
    assert_false(gpuc__job_lines_take(&lines, &line, NULL));
}

/* ---- objects ---- */

static int over;

static void on_over(gpuc_job *job)
{
    over++;
}

static void wait_over(int count)
{
    RUN_UNTIL(context, over >= count);
    assert_int_equal(over, count);
}

#define OURS "{\"metadata\":{\"labels\":{\"gpucluster/run-id\":\"r1\"}}}"

static void test_jobs__objects_come_and_go_with_the_run(void **state)
{
    kube_step steps[] = {
        {"POST", "/api/v1/namespaces/default/configmaps", 201, OURS},
        {"POST", "/api/v1/namespaces/default/services", 0},
        {"POST", "/api/v1/namespaces/default/services", 409, KUBE_STATUS(409, "AlreadyExists", "x")},
        {"GET", "/api/v1/namespaces/default/services/s", 200, OURS},
        {"POST", "/api/v1/namespaces/default/secrets", 409, KUBE_STATUS(409, "AlreadyExists", "x")},
        {"GET", "/api/v1/namespaces/default/secrets/x", 200, "{\"metadata\":{}}"},
        {"PATCH", "/api/v1/namespaces/default/secrets/x?fieldManager", 200, "{}"},
        {"DELETE", "/api/v1/namespaces/default/services/s?prop", 200, "{}"},
        {"DELETE", "/api/v1/namespaces/default/configmaps/c?prop", 404,
         KUBE_STATUS(404, "NotFound", "gone")},
        {NULL}};
    gpuc_job *job;

    begin(steps);
    job = manifest(MAP_YAML "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\napiVersion: "
                            "v1\nkind: Secret\nmetadata: {name: x}\n---\n" JOB_YAML);
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    job->kube = gpuc__kube_ref(kube);
    over = 0;
    gpuc__job_objects_create(job, on_over);
    wait_over(1);
    assert_null(job->error);
    assert_int_equal(kube_api_asked("PATCH"), 1);
    gpuc__job_objects_delete(job, on_over);
    wait_over(2);
    assert_int_equal(kube_api_asked("DELETE"), 2); /* the Secret was there before */
    assert_int_equal(api.unmatched, 0);
    gpuc_job_unref(job);
    end();
}

static void test_jobs__an_object_that_is_refused_ends_the_run(void **state)
{
    kube_step steps[] = {
        {"POST", "/configmaps", 201, OURS},
        {"POST", "/services", 403, KUBE_STATUS(403, "Forbidden", "exceeded quota: services")},
        {"GET", "/services/s", 404, KUBE_STATUS(404, "NotFound", "x")},
        {"DELETE", "/configmaps/c?prop", 200, "{}"}, {NULL}};
    gpuc_job *job;

    begin(steps);
    job = manifest(MAP_YAML "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n" JOB_YAML);
    ASSERT_OK(gpuc__job_parts_make(job, NULL));
    job->kube = gpuc__kube_ref(kube);
    over = 0;
    gpuc__job_objects_create(job, on_over);
    wait_over(1);
    assert_int_equal(gpuc_error_code(job->error), GPUC_EPERM);
    assert_non_null(strstr(gpuc_error_message(job->error), "m.yaml:6:1: creating Service s"));
    assert_non_null(strstr(gpuc_error_message(job->error), "exceeded quota"));
    gpuc__job_objects_delete(job, on_over);
    wait_over(2);
    assert_int_equal(kube_api_asked("DELETE"), 1);
    gpuc_job_unref(job);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs__parameters),
        cmocka_unit_test(test_jobs__one_per_node_per_gpu_or_as_given),
        cmocka_unit_test(test_jobs__manifests_are_taken_into_the_run),
        cmocka_unit_test(test_jobs__lines_that_nobody_takes_are_counted),
        cmocka_unit_test(test_jobs__objects_come_and_go_with_the_run),
        cmocka_unit_test(test_jobs__an_object_that_is_refused_ends_the_run),
    };

    return cmocka_run_group_tests(tests, api_setup, api_teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a Job on one node, and the known kinds. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "kube/job.h"
#include "kube/manifest.h"
#include "kube/status.h"
#include "util/alloc.h"

static json_t *pod_spec(const json_t *job)
{
    return gpuc__json_at(job, "spec", "template", "spec", NULL);
}

static void test_job_manifest__pins_by_the_scheduler(void **state)
{
    json_t *command = json_pack("[s,s]", "nvidia-smi", "$(touch /x) \"'"), *job = NULL, *spec;
    gpuc__job_params p = {.kind = "nvidia-smi", .run_id = "r1", .node = "n1.example", .image = "i",
                          .command = command, .gpus = 2, .deadline_s = 30};
    const json_t *container, *term;

    assert_int_equal(gpuc__job_manifest(&job, &p, NULL), GPUC_OK);
    spec = pod_spec(job);
    assert_null(json_object_get(spec, "nodeName"));
    term = json_array_get(gpuc__json_at(spec, "affinity", "nodeAffinity",
                                        "requiredDuringSchedulingIgnoredDuringExecution",
                                        "nodeSelectorTerms", NULL), 0);
    term = json_array_get(json_object_get(term, "matchFields"), 0);
    assert_string_equal(gpuc__json_text(term, "key", NULL), "metadata.name");
    assert_string_equal(json_string_value(json_array_get(json_object_get(term, "values"), 0)),
                        "n1.example");
    assert_string_equal(gpuc__json_text(spec, "runtimeClassName", NULL), "nvidia");
    assert_string_equal(gpuc__json_text(spec, "restartPolicy", NULL), "Never");
    container = json_array_get(json_object_get(spec, "containers"), 0);
    assert_string_equal(gpuc__json_text(container, "resources", "limits", "nvidia.com/gpu", NULL),
                        "2");
    assert_true(json_equal(json_object_get(container, "command"), command));
    assert_int_equal(json_integer_value(gpuc__json_at(job, "spec", "backoffLimit", NULL)), 0);
    assert_int_equal(json_integer_value(gpuc__json_at(job, "spec", "activeDeadlineSeconds", NULL)),
                     30);
    assert_string_equal(gpuc__json_text(job, "metadata", "labels", "gpucluster/run-id", NULL), "r1");
    assert_string_equal(gpuc__json_text(job, "metadata", "labels", "app.kubernetes.io/managed-by",
                                        NULL), "libgpucluster");
    json_decref(job);
    json_decref(command);
}

static void test_job_manifest__asks_for_mig_devices_by_name(void **state)
{
    json_t *resources = json_pack("{s:s, s:s}", "nvidia.com/gpu", "1", "nvidia.com/mig-1g.10gb", "4");
    gpuc__job_params p = {.kind = "cuda", .run_id = "r1", .node = "n1", .image = "i", .gpus = 5,
                          .resources = resources};
    json_t *job = NULL, *asked = json_object(), *container;
    size_t i;

    assert_int_equal(gpuc__job_manifest(&job, &p, NULL), GPUC_OK);
    assert_string_equal(gpuc__json_text(pod_spec(job), "runtimeClassName", NULL), "nvidia");
    json_array_foreach(json_object_get(pod_spec(job), "containers"), i, container)
    {
        json_t *limits = gpuc__json_at(container, "resources", "limits", NULL);

        assert_int_equal(json_object_size(limits), 1); /* the plugin knows of one name each */
        json_object_update(asked, limits);
    }
    assert_int_equal(i, 2);
    assert_true(json_equal(asked, resources));
    json_decref(asked);
    json_decref(job);
    json_decref(resources);
}

static bool tolerates(const json_t *job, const char *key)
{
    const json_t *list = json_object_get(pod_spec(job), "tolerations"), *toleration;
    size_t i;

    json_array_foreach(list, i, toleration)
    {
        if (strcmp(gpuc__json_text(toleration, "key", NULL), key) == 0)
            return true;
    }
    return false;
}

static void test_job_manifest__only_a_proof_goes_where_nothing_is_proven(void **state)
{
    gpuc__job_params p = {.kind = "cuda", .run_id = "r1", .node = "a", .image = "i", .gpus = 1};
    json_t *job = NULL;

    assert_int_equal(gpuc__job_manifest(&job, &p, NULL), GPUC_OK);
    assert_true(tolerates(job, "nvidia.com/gpu"));
    assert_false(tolerates(job, "gpucluster/unproven"));
    json_decref(job);
    p.proves = true;
    assert_int_equal(gpuc__job_manifest(&job, &p, NULL), GPUC_OK);
    assert_true(tolerates(job, "nvidia.com/gpu"));
    assert_true(tolerates(job, "gpucluster/unproven"));
    json_decref(job);
}

static void test_job_manifest__name_depends_on_run_and_node_only(void **state)
{
    gpuc__job_params p = {.kind = "cuda", .run_id = "r1", .node = "a", .image = "i"};
    char *one = gpuc__job_name(&p), *same = gpuc__job_name(&p), *other, *run;

    p.node = "b";
    other = gpuc__job_name(&p);
    p.run_id = "r2";
    run = gpuc__job_name(&p);
    assert_memory_equal(one, "cuda-r1-", 8);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    assert_string_not_equal(other, run);
    assert_true(strlen(one) <= 63);
    gpuc__free(one);
    gpuc__free(same);
    gpuc__free(other);
    gpuc__free(run);
}

static void test_job_manifest__without_gpus_asks_for_none(void **state)
{
    gpuc__job_params p = {.kind = "x", .run_id = "r1", .node = "a", .image = "i"};
    json_t *job = NULL, *container;

    assert_int_equal(gpuc__job_manifest(&job, &p, NULL), GPUC_OK);
    container = json_array_get(json_object_get(pod_spec(job), "containers"), 0);
    assert_null(json_object_get(container, "resources"));
    assert_null(json_object_get(container, "command"));
    assert_null(json_object_get(pod_spec(job), "runtimeClassName"));
    json_decref(job);
}

/* Devices of one pod are never the same ones, so that each container has a GPU of its own. */
static void test_job_manifest__a_container_for_each_gpu(void **state)
{
    json_t *env = json_pack("{s:s}", "A", "b"), *args = json_pack("[s]", "-L"), *job = NULL, *list;
    gpuc__job_params p = {.kind = "x", .run_id = "r1", .image = "i", .gpus = 1, .containers = 3,
                          .env = env, .args = args, .keep = true};
    const json_t *last;

    assert_int_equal(gpuc__job_manifest(&job, &p, NULL), GPUC_OK);
    list = json_object_get(pod_spec(job), "containers");
    assert_int_equal(json_array_size(list), 3);
    last = json_array_get(list, 2);
    assert_string_equal(gpuc__json_text(last, "name", NULL), "x-2");
    assert_string_equal(gpuc__json_text(last, "resources", "limits", "nvidia.com/gpu", NULL), "1");
    assert_true(json_equal(json_object_get(last, "args"), args));
    assert_string_equal(
        gpuc__json_text(json_array_get(json_object_get(last, "env"), 1), "value", NULL), "b");
    assert_string_equal(gpuc__json_text(job, "metadata", "name", NULL), "x-r1");
    assert_null(json_object_get(pod_spec(job), "affinity"));
    assert_null(gpuc__json_at(job, "spec", "ttlSecondsAfterFinished", NULL));
    json_decref(job);
    json_decref(env);
    json_decref(args);
}

static void test_job_manifest__refuses_what_kubernetes_would(void **state)
{
    const gpuc__job_params good = {.kind = "x", .run_id = "r1", .node = "a", .image = "i"};
    gpuc__job_params bad[9];
    json_t *job = NULL, *numbers = json_pack("[i]", 1);

    for (size_t i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].kind = "Upper";
    bad[1].kind = "-x";
    bad[2].run_id = "a-b";
    bad[3].run_id = "";
    bad[4].node = "a/b";
    bad[5].image = "";
    bad[6].gpus = -1;
    bad[7].deadline_s = 2000000000;
    bad[8].command = numbers;
    for (size_t i = 0; i < 9; i++) {
        gpuc_error *err = NULL;

        assert_int_equal(gpuc__job_manifest(&job, &bad[i], &err), GPUC_EINVAL);
        assert_non_null(err);
        gpuc_error_unref(err);
    }
    assert_null(job);
    json_decref(numbers);
}

static void test_job_manifest__kinds(void **state)
{
    json_t *values = NULL, *kind = NULL;
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__manifest_values(&values, NULL), GPUC_OK);
    assert_int_equal(gpuc__job_kind(&kind, "nvidia-smi", values, NULL), GPUC_OK);
    assert_memory_equal(gpuc__json_text(kind, "image", NULL), "nvcr.io/nvidia/cuda:", 20);
    json_decref(kind);
    kind = NULL;
    assert_int_equal(gpuc__job_kind(&kind, "nvidia", values, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "nvidia-smi, cuda, vectoradd, tensorflow, pytorch"));
    gpuc_error_unref(err);
    json_decref(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_manifest__pins_by_the_scheduler),
        cmocka_unit_test(test_job_manifest__asks_for_mig_devices_by_name),
        cmocka_unit_test(test_job_manifest__only_a_proof_goes_where_nothing_is_proven),
        cmocka_unit_test(test_job_manifest__name_depends_on_run_and_node_only),
        cmocka_unit_test(test_job_manifest__without_gpus_asks_for_none),
        cmocka_unit_test(test_job_manifest__a_container_for_each_gpu),
        cmocka_unit_test(test_job_manifest__refuses_what_kubernetes_would),
        cmocka_unit_test(test_job_manifest__kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

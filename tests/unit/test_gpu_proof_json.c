/* SPDX-License-Identifier: Apache-2.0 */
/* A proof as JSON and back, also from records of before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/proof.h"
#include "support/gpu_data.h"
#include "support/gpu_machine.h"

#define T4 "GPU-dddddddd-0000-4000-8000-000000000001"

static void test_gpu_proof_json__proof_comes_back_from_json(void **state)
{
    gpu_machine m = GPU_MACHINE_TWO;
    gpuc__machine_proof *p = gpu_machine_prove(&m, "m", 2, "0000:0a:00.0"), *again = NULL;
    json_t *json = gpu_proof_json(p), *second;

    assert_int_equal(gpuc__proof_from_json(&again, json, NULL, NULL), GPUC_OK);
    second = gpu_proof_json(again);
    assert_true(json_equal(json, second));
    json_decref(second);
    gpuc__proof_free(again);
    again = NULL;
    json_decref(json);
    gpuc__proof_free(p);
    json = json_loads("{\"name\":\"m\",\"checks\":[{\"id\":\"smi.run\",\"status\":\"fail\","
                      "\"threshold\":\"\"},7],\"gpus\":[{},1]}", 0, NULL);
    assert_int_equal(gpuc__proof_from_json(&again, json, NULL, NULL), GPUC_OK);
    assert_string_equal(gpuc__proof_find(again, "smi.run", NULL)->observed, "-");
    second = gpu_proof_json(again); /* what was read can be written */
    assert_int_equal(json_array_size(json_object_get(second, "checks")), 1);
    json_decref(second);
    gpuc__proof_free(again);
    json_decref(json);
}

/* A GPU has two names; whichever is given, the check is the same. */
static void test_gpu_proof_json__a_gpu_by_either_name(void **state)
{
    gpu_machine m = GPU_MACHINE_SIMULATED;
    gpuc__machine_proof *p = gpu_machine_prove(&m, "w1", 1, "0000:00:04.0");
    size_t count = p->check_count;
    json_t *json, *gpu = NULL, *check;
    size_t i;

    assert_int_equal(gpuc__proof_set(p, "mode.compute", "0000:00:04.0", GPUC_CHECK_WARN, "seen",
                                     NULL, NULL, NULL, NULL),
                     GPUC_OK);
    assert_int_equal(p->check_count, count);
    assert_ptr_equal(gpuc__proof_find(p, "mode.compute", T4),
                     gpuc__proof_find(p, "mode.compute", "0000:00:04.0"));
    assert_string_equal(gpuc__proof_find(p, "mode.compute", T4)->observed, "seen");
    assert_ptr_equal(gpuc__proof_gpu_of(p, T4), &p->gpus[0]);
    assert_null(gpuc__proof_gpu_of(p, "0000:09:00.0"));
    /* one that is not listed, and a MIG device of one that is not */
    assert_int_equal(gpuc__proof_set(p, "gpu.lost", "0000:09:00.0", GPUC_CHECK_FAIL, "x", NULL,
                                     NULL, NULL, NULL),
                     GPUC_OK);
    assert_int_equal(gpuc__proof_set(p, "gpu.lost", "MIG-7", GPUC_CHECK_FAIL, "x", NULL, NULL,
                                     NULL, NULL),
                     GPUC_OK);
    json = gpu_proof_json(p);
    json_array_foreach(json_object_get(json, "checks"), i, check) {
        gpu = json_object_get(check, "gpu");
        if (i == count) {
            assert_string_equal(json_string_value(json_object_get(gpu, "bus")), "0000:09:00.0");
            assert_true(json_is_null(json_object_get(gpu, "uuid")));
            assert_true(json_is_null(json_object_get(gpu, "index")));
        }
    }
    assert_string_equal(json_string_value(json_object_get(gpu, "mig")), "MIG-7");
    json_decref(json);
    gpuc__proof_free(p);
}

/* As this library wrote it before a check named its GPU by an object and its reason apart. */
static void test_gpu_proof_json__old_record(void **state)
{
    static const char record[] =
        "{\"name\":\"m\",\"gpus\":[{\"uuid\":\"GPU-1\",\"bus\":\"0000:01:00.0\"}],\"checks\":["
        "{\"id\":\"cuda.compute\",\"status\":\"skip\",\"gpu\":\"GPU-1\",\"observed\":\"busy\"}]}";
    json_t *json = json_loads(record, 0, NULL), *again;
    gpuc__machine_proof *p = NULL;
    const gpuc__check *check;

    assert_int_equal(gpuc__proof_from_json(&p, json, NULL, NULL), GPUC_OK);
    check = gpuc__proof_find(p, "cuda.compute", "0000:01:00.0");
    assert_non_null(check);
    assert_string_equal(check->observed, "busy");
    assert_int_equal(p->started_ms, 0);
    assert_int_equal(p->gpus[0].index, -1);
    p->started_ms = 1796000413000;
    again = gpu_proof_json(p);
    assert_string_equal(json_string_value(json_object_get(again, "started")),
                        "2026-11-30T01:00:13Z");
    gpuc__proof_free(p);
    p = NULL;
    assert_int_equal(gpuc__proof_from_json(&p, again, NULL, NULL), GPUC_OK);
    assert_int_equal(p->started_ms, 1796000413000);
    json_decref(again);
    json_decref(json);
    gpuc__proof_free(p);
}

static json_t *read_and_written(json_t *json)
{
    gpuc__machine_proof *p = NULL;
    json_t *again;

    assert_non_null(json);
    assert_int_equal(gpuc__proof_from_json(&p, json, NULL, NULL), GPUC_OK);
    again = gpu_proof_json(p);
    gpuc__proof_free(p);
    json_decref(json);
    return again;
}

static void test_gpu_proof_json__numbers_that_no_gpu_has(void **state)
{
    json_t *json = read_and_written(json_loads(
        "{\"name\":\"m\",\"gpus\":[{\"index\":4294967296,\"memory_mib\":1e300},{\"index\":-7,"
        "\"memory_mib\":0.5},{\"index\":2147483647,\"memory_mib\":-1}]}", 0, NULL));
    json_t *gpus = json_object_get(json, "gpus");

    assert_true(json_is_null(json_object_get(json_array_get(gpus, 0), "index")));
    assert_true(json_number_value(json_object_get(json_array_get(gpus, 0), "memory_mib")) == 1e300);
    assert_true(json_is_null(json_object_get(json_array_get(gpus, 1), "index")));
    assert_true(json_number_value(json_object_get(json_array_get(gpus, 1), "memory_mib")) == 0.5);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(gpus, 2), "index")), 2147483647);
    assert_true(json_is_null(json_object_get(json_array_get(gpus, 2), "memory_mib")));
    json_decref(json);
}

/* More than this library would write of a GPU. */
static void test_gpu_proof_json__much_of_one_gpu(void **state)
{
    size_t length = 5u << 20;
    char *text = malloc(length + 1);
    json_t *json;

    assert_non_null(text);
    memset(text, 'x', length);
    text[length] = '\0';
    json = read_and_written(
        json_pack("{s:s, s:[{s:{s:s}}]}", "name", "m", "gpus", "nvidia_smi", "vbios", text));
    json_decref(json);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_proof_json__proof_comes_back_from_json),
        cmocka_unit_test(test_gpu_proof_json__a_gpu_by_either_name),
        cmocka_unit_test(test_gpu_proof_json__old_record),
        cmocka_unit_test(test_gpu_proof_json__numbers_that_no_gpu_has),
        cmocka_unit_test(test_gpu_proof_json__much_of_one_gpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The proof from bytes to report with each of its allocations failing in turn, alone and with all behind
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "gpu/driver.h"
#include "gpu/report.h"
#include "support/gpu_data.h"

static long left;  /* allocations that still work; -1: all */
static bool alone; /* one fails, and those behind it work again */

static int spend(void)
{
    if (left == 0) {
        left -= alone;
        return 0;
    }
    if (left > 0)
        left--;
    return 1;
}

static void *failing_malloc(size_t size)
{
    return spend() ? malloc(size) : NULL;
}

static void *failing_realloc(void *memory, size_t size)
{
    return spend() ? realloc(memory, size) : NULL;
}

static const gpuc_allocator allocator = {failing_malloc, failing_realloc, free};

typedef struct input {
    char *answer;
    size_t length;
} input;

static const char probe_text[] =
    "{\"event\":\"start\",\"devices\":2}\n{\"event\":\"gpu\",\"device\":\"GPU-9\",\"status\":\"pass\","
    "\"mismatches\":0,\"host_mismatches\":0,\"gbs\":300,\"name\":\"Tesla T4\"}\n"
    "{\"event\":\"gpu\",\"device\":\"GPU-8\",\"bus\":\"0000:0a:00.0\",\"status\":\"fail\",\"code\":719,\"error\":\"E\",\"stage\":\"s\"}\n";

static int evaluate(gpuc__machine_proof **proof, const input *in, gpuc_error **err)
{
    gpuc__collect *collect = NULL;
    gpuc__probe *probe = NULL;
    gpuc__probe_request request = {.mib = 0};
    char **targets = NULL, *script = NULL;
    size_t count = 0;
    int rc = gpuc__collect_parse(&collect, "nonce123", in->answer, in->length, NULL, err);

    if (rc == GPUC_OK)
        rc = gpuc__proof_targets(&targets, &count, collect, err);
    if (rc == GPUC_OK) {
        request.devices = (const char *const *)targets;
        request.device_count = count;
        rc = gpuc__probe_script(&script, &request, err);
    }
    if (rc == GPUC_OK)
        rc = gpuc__probe_parse(&probe, 5, probe_text, sizeof(probe_text) - 1, "", 0, err);
    if (rc == GPUC_OK)
        rc = gpuc__proof_evaluate(proof, "m", 2, collect, probe, NULL, NULL, err);
    gpuc__proof_targets_free(targets);
    gpuc_free(script);
    gpuc__probe_free(probe);
    gpuc__collect_free(collect);
    return rc;
}

static int other_forms(const gpuc_report *report)
{
    char *ctrf = gpuc_report_to_ctrf(report), *junit = gpuc_report_to_junit(report);
    char *html = gpuc_report_to_html(report);
    int rc = ctrf && junit && html ? GPUC_OK : GPUC_ENOMEM;

    gpuc_free(ctrf);
    gpuc_free(junit);
    gpuc_free(html);
    return rc;
}

static int whole_scenario(const input *in, gpuc_error **err)
{
    static const unsigned ids[] = {0x1eb8, 0x9999};
    gpuc__driver_choice choice = {0};
    gpuc__machine_proof *proof = NULL;
    gpuc_report *report = NULL;
    gpuc_report *again = NULL;
    char *text = NULL, *json = NULL;
    int rc = evaluate(&proof, in, err);

    if (rc == GPUC_OK)
        rc = gpuc__proof_set(proof, "k8s.pod", NULL, GPUC_CHECK_WARN, "x", NULL, NULL, "e", err);
    if (rc == GPUC_OK)
        rc = gpuc__driver_choose(&choice, ids, 2, "auto", err);
    if (rc == GPUC_OK)
        rc = (report = gpuc__report_new("c")) ? GPUC_OK : GPUC_ENOMEM;
    if (rc == GPUC_OK) {
        rc = gpuc__report_add_machine(report, proof, err);
        proof = NULL;
    }
    if (rc == GPUC_OK)
        rc = gpuc__report_finish(report, NULL, err);
    if (rc == GPUC_OK) {
        text = gpuc_report_to_text(report);
        json = gpuc_report_to_json(report);
        rc = text && json ? GPUC_OK : GPUC_ENOMEM;
    }
    if (rc == GPUC_OK)
        rc = gpuc_report_from_json(&again, json, strlen(json), err);
    if (rc == GPUC_OK)
        rc = other_forms(again);
    gpuc_free(text);
    gpuc_free(json);
    gpuc__driver_choice_clear(&choice);
    gpuc_report_unref(report);
    gpuc_report_unref(again);
    gpuc__proof_free(proof);
    return rc;
}

/* What fails alone may be done without; what is written is whole all the same. */
static void fail_alone(const input *in, long count)
{
    alone = true;
    for (long n = 0; n < count; n++) {
        gpuc_error *err = NULL;
        int rc;

        left = n;
        rc = whole_scenario(in, &err);
        assert_int_equal(left, -1);
        if (rc != GPUC_OK && rc != GPUC_ENOMEM)
            fail_msg("allocation %ld alone: %d %s", n, rc, err ? gpuc_error_message(err) : "");
        gpuc_error_unref(err);
    }
    alone = false;
}

static void fail_each(const char *fixture)
{
    size_t length;
    char *xml = gpu_fixture(fixture, &length);
    input in = {malloc(length + 512), 0};
    gpuc_error *err = NULL;
    long n;

    assert_non_null(in.answer);
    in.length = (size_t)snprintf(in.answer, length + 512,
                                "==nonce123 begin pci\n0000:0a:00.0 0x10de 0x2236 0x030200 -\n\n"
                                "==nonce123 end pci 0\n==nonce123 begin smi\n%s\n"
                                "==nonce123 end smi 0\n",
                                xml);
    gpuc_set_allocator(&allocator);
    for (n = 0; n < 10000; n++) {
        int rc;

        left = n;
        rc = whole_scenario(&in, &err);
        left = -1;
        if (rc == GPUC_OK)
            break;
        if (rc != GPUC_ENOMEM)
            fail_msg("allocation %ld: %d %s", n, rc, err ? gpuc_error_message(err) : "");
        err = gpuc_error_unref(err);
    }
    assert_null(err);
    assert_in_range(n, 50, 9999);
    fail_alone(&in, n);
    gpuc_set_allocator(NULL);
    print_message("%s: %ld allocations\n", fixture, n);
    free(in.answer);
    free(xml);
}

static void test_gpu_oom__each_allocation_fails_in_turn(void **state)
{
    fail_each("two-gpus-580.xml");
}

static void test_gpu_oom__each_of_a_gpu_with_mig_devices(void **state)
{
    fail_each("mig-590.xml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_oom__each_allocation_fails_in_turn),
        cmocka_unit_test(test_gpu_oom__each_of_a_gpu_with_mig_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report of what the state has recorded, and how its machines compare. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/cluster.h"
#include "core/store.h"

#define ASSERT_OK(call) assert_int_equal((call), GPUC_OK)
#define SPEC(checks)                                                                               \
    "apiVersion: gpucluster/v1\nname: unit\nprovider: {kind: ssh}\nssh: {user: root, agent: true}\n" \
    "machines:\n  - {name: master, role: control-plane, host: 127.0.0.1, port: 1}\n"             \
    "  - {name: a, role: worker, host: 127.0.0.2, port: 1, accelerator: {count: 1}}\n"           \
    "  - {name: b, role: worker, host: 127.0.0.3, port: 1, accelerator: {count: 1}}\n" checks
#define RECORD(machine, driver)                                                                    \
    "{\"name\":\"" machine "\",\"driver\":\"" driver "\",\"gpus\":[{\"uuid\":\"GPU-" machine         \
    "\"}],\"checks\":[{\"id\":\"thermal.temp\",\"gpu\":null,\"status\":\"fail\",\"observed\":\"99 C\"}]}"

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    return remove(path);
}

/* Two machines with different drivers, of which both failed one check. */
static void expect(const char *text, int warnings, const char *says)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    char state[] = "/tmp/gpuc-report-XXXXXX", *json;
    gpuc_context *context = NULL;
    gpuc_cluster *cluster = NULL;
    gpuc_report *report = NULL;
    gpuc_spec *spec = NULL;

    options.state_dir = mkdtemp(state);
    assert_non_null(options.state_dir);
    ASSERT_OK(gpuc_context_new(&context, NULL));
    ASSERT_OK(gpuc_spec_parse(&spec, text, strlen(text), "unit.yaml", NULL));
    ASSERT_OK(gpuc_cluster_open(&cluster, context, spec, NULL, &options, NULL));
    ASSERT_OK(gpuc__cluster_open_store(cluster, true, NULL));
    ASSERT_OK(gpuc__store_lock(cluster->store, "test", NULL));
    ASSERT_OK(gpuc__store_set(cluster->store, "a", "proof", RECORD("a", "1.2"), NULL));
    ASSERT_OK(gpuc__store_set(cluster->store, "b", "proof", RECORD("b", "1.3"), NULL));
    gpuc__store_unlock(cluster->store);
    ASSERT_OK(gpuc_cluster_report(&report, cluster, NULL));
    assert_int_equal(gpuc_report_count(report, GPUC_CHECK_WARN), warnings);
    assert_int_equal(gpuc_report_count(report, GPUC_CHECK_FAIL), 2);
    json = gpuc_report_to_json(report);
    assert_non_null(strstr(json, says));
    gpuc_free(json);
    gpuc_report_unref(report);
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    gpuc_context_unref(context);
    assert_int_equal(nftw(state, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_cluster_report__machines_are_compared(void **state)
{
    expect(SPEC(""), 1, "driver: 1.2 on a, 1.3 on b");
}

static void test_cluster_report__unless_the_user_wants_no_comparison(void **state)
{
    expect(SPEC("checks: {fleet.uniform: off}\n"), 0, "switched off by the user");
}

/* Switched off later: what was recorded is not judged anew. */
static void test_cluster_report__what_was_recorded_stays(void **state)
{
    expect(SPEC("checks: {thermal.temp: off}\n"), 1, "99 C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_report__machines_are_compared),
        cmocka_unit_test(test_cluster_report__unless_the_user_wants_no_comparison),
        cmocka_unit_test(test_cluster_report__what_was_recorded_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

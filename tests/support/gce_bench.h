/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `gce` on the Compute Engine emulator (SIMULATED): begin, make, delete, and that nothing
 * is left. */
#ifndef TEST_GCE_BENCH_H
#define TEST_GCE_BENCH_H
#include "support/gce_provider.h"

#include "support/gce_emulator.h"

static bool there;

static int set_up(void **state)
{
    (void)state;
    there = emulator_start("p1", 300);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (there)
        emulator_stop();
    return 0;
}

static const char *const quotas[] = {
    "{\"region\":\"us-east1\",\"metric\":\"NVIDIA_T4_GPUS\",\"limit\":2000}",
    "{\"region\":\"us-west1\",\"metric\":\"NVIDIA_T4_GPUS\",\"limit\":2000}",
    "{\"region\":\"us-east1\",\"metric\":\"CPUS\",\"limit\":9000}",
    "{\"region\":\"us-east1\",\"metric\":\"INSTANCES\",\"limit\":9000}",
    "{\"region\":\"us-east1\",\"metric\":\"IN_USE_ADDRESSES\",\"limit\":9000}",
    "{\"region\":\"us-east1\",\"metric\":\"SSD_TOTAL_GB\",\"limit\":900000}",
    "{\"region\":\"us-east1\",\"metric\":\"DISKS_TOTAL_GB\",\"limit\":900000}",
    "{\"region\":\"global\",\"metric\":\"GPUS_ALL_REGIONS\",\"limit\":2000}",
};

static char t4_c[] = "us-east1-c", t4_d[] = "us-east1-d", t4_w[] = "us-west1-a";
static char *t4_zones[] = {t4_c, t4_d, t4_w, NULL}; /* where the emulator has T4s */

static void begin(int count)
{
    if (!there) {
        print_message("%s\n", gce_emulator.trouble);
        skip();
    }
    emulator_tell("reset", "{}");
    emulator_tell("stock", "{\"zone\":\"*\",\"accelerator\":\"nvidia-tesla-t4\",\"count\":null}");
    for (size_t i = 0; count > 1 && i < sizeof(quotas) / sizeof(quotas[0]); i++)
        emulator_tell("quota", quotas[i]);
    pthread_mutex_init(&gce.lock, NULL);
    gce_begin_at(gce_emulator.endpoint, count);
    spec.zones = t4_zones;
    provider->client->ms_per_s = 1000;
}

__attribute__((unused)) static void destroy_all(int count)
{
    static provider_result r[GCE_MACHINES];

    memset(r, 0, sizeof(r));
    for (int i = 0; i < count; i++)
        gpuc__provider_gce.destroy(provider, names[i], provider_on_done, &r[i]);
    for (int i = 0; i < count; i++) {
        gce_await(&r[i].done);
        assert_int_equal(r[i].code, 0);
    }
}

/* Nothing that costs money is left, and no request was other than Google's description has it. */
static void assert_clean(void)
{
    json_t *state = emulator_ask("state", NULL);
    json_t *violations = json_object_get(state, "violations");

    if (json_array_size(violations)) {
        char *text = json_dumps(violations, JSON_INDENT(1));

        print_error("%.2000s\n", text);
        free(text);
    }
    assert_int_equal(json_array_size(violations), 0);
    assert_true(json_is_true(json_object_get(state, "empty")));
    json_decref(state);
}

__attribute__((unused)) static size_t requests_of(const char *path)
{
    char what[64];
    json_t *log;
    size_t n;

    snprintf(what, sizeof(what), "log?path=%s", path);
    log = emulator_ask(what, NULL);
    n = json_array_size(json_object_get(log, "entries"));
    json_decref(log);
    return n;
}

__attribute__((unused)) static void make_all(int count)
{
    static provider_result r[GCE_MACHINES];

    gce_create_all(r, count);
    for (int i = 0; i < count; i++) {
        if (r[i].code)
            print_error("%s: %s\n", names[i], r[i].message);
        assert_int_equal(r[i].code, 0);
        assert_non_null(r[i].address);
        assert_non_null(r[i].first_host_key);
        provider_result_clear(&r[i]);
    }
}
#endif

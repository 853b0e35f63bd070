/* SPDX-License-Identifier: Apache-2.0 */
/* A process killed between any request and its answer (SIMULATED): the next one makes nothing twice,
 * and leaves nothing behind. */
#include "support/gce_provider.h"

/* Where the first process is killed: the fault that holds it there. */
static const struct {
    const char *match;
    bool effect; /* the request had been carried out */
} kills[] = {
    {"GET " GCE_BASE "aggregated", false}, /* nothing was sent yet */
    {"POST " GCE_BASE "zones/us-east1-b/instances", false},
    {"POST " GCE_BASE "zones/us-east1-b/instances", true},
    {"/getGuestAttributes", true},
};
#define KILLS (sizeof(kills) / sizeof(kills[0]))

/* Begins to make all machines, and is killed there. */
static void make_and_die(size_t at, int count)
{
    gce_fault faults[] = {{.match = kills[at].match, .status = -1, .effect = kills[at].effect}, {0}};
    provider_result dead[8] = {0};

    gce.faults = faults;
    for (int i = 0; i < count; i++)
        gpuc__provider_gce.create(provider, &machines[i], "a-1", provider_on_machine, &dead[i]);
    gce_await(&faults[0].used);
    gce_kill();
    for (int i = 0; i < count; i++) {
        assert_int_equal(dead[i].code, GPUC_ECANCELLED);
        provider_result_clear(&dead[i]);
    }
    gce.faults = NULL;
    gce_provider_new();
}

static void up_after_kill(int count)
{
    for (size_t at = 0; at < KILLS; at++) {
        provider_result r[8];

        gce_begin(count);
        make_and_die(at, count);
        gce_create_all(r, count);
        for (int i = 0; i < count; i++) {
            char name[24];

            snprintf(name, sizeof(name), "c1-m%d", i + 1);
            assert_int_equal(r[i].code, 0);
            assert_int_equal(gce_made(name), 1);
            provider_result_clear(&r[i]);
        }
        gce_turns(2);
        assert_string_equal(journal_text(), "");
        gce_finish();
    }
}

static void test_gce_resume__one_machine_is_made_once(void **state)
{
    up_after_kill(1);
}

static void test_gce_resume__equal_machines_are_made_once(void **state)
{
    up_after_kill(3);
}

static void test_gce_resume__down_leaves_nothing(void **state)
{
    for (size_t at = 0; at < KILLS; at++) {
        gce_begin(3);
        make_and_die(at, 3);
        for (int i = 0; i < 3; i++) {
            provider_result r = gce_destroy_one(names[i]);

            assert_int_equal(r.code, 0);
            provider_result_clear(&r);
        }
        assert_int_equal(gce_left(), 0);
        assert_int_equal(gce.count, kills[at].effect ? 3 : 0); /* nothing was made to be deleted */
        gce_turns(2);
        assert_string_equal(journal_text(), "");
        gce_finish();
    }
}

static void test_gce_resume__sends_the_same_request_first(void **state)
{
    provider_result r;
    char first[40] = "", second[40] = "";
    const char *post;

    gce_begin(1);
    make_and_die(1, 1);
    post = strstr(gce.log, "POST");
    assert_int_equal(sscanf(strstr(post, "requestId="), "requestId=%36s", first), 1);
    gce.log[0] = '\0';
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(strncmp(gce.log, "POST", 4), 0); /* before anything else */
    assert_int_equal(sscanf(strstr(gce.log, "requestId="), "requestId=%36s", second), 1);
    assert_string_equal(first, second);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_resume__does_not_make_what_is_no_longer_wanted(void **state)
{
    static char other[] = "n1-standard-4";
    provider_result r;

    gce_begin(1);
    make_and_die(1, 1);
    machines[0].machine_type = other;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_made("c1-m1"), 1);
    assert_non_null(strstr(strrchr(gce.bodies, '{') ? gce.bodies : "", "n1-standard-4"));
    assert_non_null(strstr(gce.log, "clientOperationId")); /* it was asked what became of it */
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_resume__a_killed_delete_is_finished(void **state)
{
    for (int effect = 0; effect < 2; effect++) {
        gce_fault faults[] = {{.match = "DELETE", .status = -1, .effect = effect == 1}, {0}};
        provider_result dead = {0}, r;

        gce_begin(1);
        gce_add("c1-m1", "us-east1-b", "u-1");
        gce.faults = faults;
        gpuc__provider_gce.destroy(provider, "m1", provider_on_done, &dead);
        gce_await(&faults[0].used);
        gce_kill();
        assert_int_equal(dead.code, GPUC_ECANCELLED);
        provider_result_clear(&dead);
        gce.faults = NULL;
        gce_provider_new();
        r = gce_create_one(0); /* what was to go goes first, then it is made anew */
        assert_int_equal(r.code, 0);
        assert_int_equal(gce_made("c1-m1"), 2);
        assert_int_equal(gce_left(), 1);
        provider_result_clear(&r);
        gce_finish();
    }
}

static void test_gce_resume__an_answer_that_never_comes(void **state)
{
    gce_fault faults[] = {{.match = "POST", .status = 0, .effect = true}, {0}};
    provider_result r;

    gce_begin(1);
    gce.faults = faults;
    provider->machines->limit_ms = 1000;
    provider->client->ms_per_s = 200;
    r = gce_create_one(0); /* found by name all the same */
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_made("c1-m1"), 1);
    gce_turns(2);
    assert_string_equal(journal_text(), ""); /* it is known how it ended */
    provider_result_clear(&r);
    gce_finish();
    faults[0] = (gce_fault){.match = "POST", .status = 0};
    gce_begin(1);
    gce.faults = faults;
    provider->machines->limit_ms = 1000;
    provider->client->ms_per_s = 200;
    r = gce_create_one(0);
    assert_int_equal(r.code, GPUC_ENETWORK);
    assert_int_equal(r.retryable, 1);
    assert_non_null(strstr(journal_text(), "us-east1-b"));
    provider_result_clear(&r);
    gce.faults = NULL;
    r = gce_create_one(0);
    assert_int_equal(r.code, 0);
    assert_int_equal(gce_made("c1-m1"), 1);
    provider_result_clear(&r);
    gce_finish();
}

static void test_gce_resume__a_journal_of_nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "nonsense", "{\"records\":[{}]}",
        "{\"records\":[{\"id\":\"01234567-89ab-4def-8123-456789abcdef\",\"kind\":1,\"zone\":"
        "\"../../x\",\"names\":[\"m1\"]}]}",
        "{\"records\":[{\"id\":\"01234567-89ab-4def-8123-456789abcdef\",\"kind\":1,\"zone\":"
        "\"us-east1-b\",\"names\":[]}]}",
        "{\"records\":[{\"id\":\"01234567-89ab-4def-8123-456789abcdef\",\"kind\":3,\"zone\":"
        "\"us-east1-b\",\"names\":[\"m1/../m2\"]}]}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        provider_result r;

        gce_begin(1);
        json_object_set_new(journal, "/gce.open", json_string(texts[i]));
        r = gce_create_one(0);
        assert_int_equal(r.code, GPUC_EPROTO);
        assert_int_equal(gce_asked("\n"), 0);
        provider_result_clear(&r);
        gce_finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_resume__one_machine_is_made_once),
        cmocka_unit_test(test_gce_resume__equal_machines_are_made_once),
        cmocka_unit_test(test_gce_resume__down_leaves_nothing),
        cmocka_unit_test(test_gce_resume__sends_the_same_request_first),
        cmocka_unit_test(test_gce_resume__does_not_make_what_is_no_longer_wanted),
        cmocka_unit_test(test_gce_resume__a_killed_delete_is_finished),
        cmocka_unit_test(test_gce_resume__an_answer_that_never_comes),
        cmocka_unit_test(test_gce_resume__a_journal_of_nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

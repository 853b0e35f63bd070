/* SPDX-License-Identifier: Apache-2.0 */
/* Work on what machines share, cut short between any request and its answer: the next run ends it. */
#include "support/gce_shared_client.h"

/* Cut short at the nth request of a kind, before or after its effect; a next run ends it. */
static void check_cut(const char *match, int nth, bool effect, bool then_drop)
{
    provider_result r = {0};
    const char *record;

    world.fault = (gce_shared_fault){.match = match, .nth = nth, .effect = effect};
    gpuc__provider_gce.make_shared(provider, provider_on_done, &r);
    while (world.fault.seen < nth && !r.done)
        gpuc_context_run(context, 10, NULL);
    gpuc__provider_gce.cancel(provider, &r);
    provider_wait(context, &r, 10000);
    assert_int_equal(r.code, GPUC_ECANCELLED);
    provider_result_clear(&r);
    end();
    record = kept_value("gce.shared");
    assert_non_null(record);
    assert_null(strstr(record, "s3cret")); /* others' metadata is kept nowhere */
    begin();
    if (!then_drop) {
        expect(MAKE, GPUC_OK);
        assert_int_equal(json_array_size(world.rules), 2);
        assert_int_equal(json_array_size(world.items), 2);
        expect_look(true, NULL);
        assert_null(kept_value("gce.shared"));
    }
    expect(DROP, GPUC_OK);
    assert_null(kept_value("gce.shared"));
    assert_int_equal(json_array_size(world.rules), 0);
    assert_int_equal(json_array_size(world.items), 1);
}

static void test_gce_shared_cuts__goes_on_after_any_cut(void **state)
{
    static const char *const matches[] = {"POST /global/firewalls", "POST /setCommon"};

    expose(2);
    spec.project_ssh_key = true;
    json_array_append_new(world.items, json_pack("{s:s,s:s}", "key", "other", "value", "s3cret"));
    for (int i = 0; i < 12; i++)
        check_cut(matches[i % 3 == 2], i % 3 == 1 ? 2 : 1, i / 3 & 1, i / 6);
}

static void test_gce_shared_cuts__an_open_record_shows_in_a_look(void **state)
{
    journal_set(NULL, NULL, "gce.shared",
                "{\"id\":\"0b1c2d3e-0000-4000-8000-00000000000a\",\"method\":\"DELETE\","
                "\"name\":\"demo-expose-1\"}",
                NULL);
    expect_look(false, "finish what an earlier run began");
    expect(MAKE, GPUC_OK);
    assert_int_equal(count_of("DELETE /global/firewalls/demo-expose-1"), 1);
    expect_look(true, NULL);
    journal_set(NULL, NULL, "gce.shared", "{\"id\":\"x\",\"name\":\"../../zones\"}", NULL);
    expect(MAKE, GPUC_EPROTO);
}

static void put_record(const char *method, int64_t at)
{
    char text[256];

    snprintf(text, sizeof(text),
             "{\"id\":\"0b1c2d3e-0000-4000-8000-00000000000b\",\"method\":\"%s\",\"name\":"
             "\"demo-expose-443\",\"body\":{\"name\":\"demo-expose-443\"},\"at\":%lld}",
             method, (long long)at);
    journal_set(NULL, NULL, "gce.shared", text, NULL);
}

/* An hour later the server has forgotten the id: the rule of that name may be another's by now. */
static void test_gce_shared_cuts__an_old_record_is_not_sent_again(void **state)
{
    json_t *theirs = json_pack("{s:s,s:s}", "name", "demo-expose-443", "description", "theirs");

    json_array_append_new(world.rules, theirs);
    put_record("DELETE", gpuc__now_ms() - 3600 * 1000);
    expect_look(false, "finish what an earlier run began");
    expect(DROP, GPUC_OK);
    assert_int_equal(count_of("DELETE"), 0);
    assert_ptr_equal(world_rule("demo-expose-443"), theirs);
    assert_null(kept_value("gce.shared"));
    put_record("POST", gpuc__now_ms() + 3600 * 1000); /* a clock that went back tells nothing */
    expect(MAKE, GPUC_OK);
    assert_int_equal(count_of("POST"), 0);
    json_array_clear(world.rules);
    put_record("POST", gpuc__now_ms() - 60 * 1000); /* a young one is */
    expect(MAKE, GPUC_OK);
    assert_int_equal(count_of("POST /global/firewalls"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_gce_shared_cuts__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(goes_on_after_any_cut),
        TEST(an_open_record_shows_in_a_look),
        TEST(an_old_record_is_not_sent_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
